//! A Python with the packages that `scripts/open-wallet.py` needs, made once in the target
//! directory. A test that cannot have it fails: the second implementation is a part of the proof.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The script that opens wallets without walletfs.
pub(crate) fn open_wallet_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/open-wallet.py")
}

/// The interpreter of a virtual environment that has the packages.
pub(crate) fn python() -> PathBuf {
    const PACKAGES: [&str; 2] = ["cryptography>=44", "cbor2>=5.6"];
    // The second line proves what matters of the versions: an Argon2id that takes a secret.
    const PROOF: &str = "import cbor2, sqlite3\n\
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id\n\
        Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=8, secret=b'k')";

    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's directory for tests lies in its target directory");
    let tools = target.join("tools");
    let environment = tools.join("python");
    let python = environment.join("bin/python");
    fs::create_dir_all(&tools).expect("a directory for tools");
    let lock = File::create(tools.join("python.lock")).expect("a lock for the environment");
    lock.lock().expect("the lock of the environment"); // until this function returns
    let ready = || {
        let proof = Command::new(&python).args(["-c", PROOF]).output();
        proof.is_ok_and(|output| output.status.success())
    };
    if !ready() {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment));
        run(Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(PACKAGES));
        assert!(ready(), "{PACKAGES:?} are installed and do not work");
    }
    python
}

fn run(command: &mut Command) {
    let Output { status, stderr, .. } = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; the tests need Python 3.10 or later with venv and pip")
    });
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
}
