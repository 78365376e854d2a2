//! A store of pass, decrypted by gpg itself; and a directory of files.

use crate::program::Machine;
use crate::support::*;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home of gpg with a key of its own and an agent that ends with this.
struct Keyring(tempfile::TempDir);

impl Keyring {
    fn new() -> Keyring {
        use std::os::unix::fs::PermissionsExt;
        // Short: the agent's socket lies in it.
        let dir = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let keyring = Keyring(dir);
        let mut command = keyring.gpg();
        command.args([
            "--passphrase",
            "",
            "--quick-gen-key",
            "walletfs test",
            "default",
            "default",
            "never",
        ]);
        assert!(command.status().unwrap().success());
        keyring
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .args([
                "--batch",
                "--quiet",
                "--pinentry-mode",
                "loopback",
                "--trust-model",
                "always",
            ])
            .env("GNUPGHOME", self.0.path())
            .stderr(Stdio::null());
        command
    }

    fn encrypt(&self, plain: &[u8], to: &Path) {
        use std::io::Write;
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut command = self.gpg();
        command
            .args(["--encrypt", "--recipient", "walletfs test", "--output"])
            .arg(to);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(plain).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        command
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--kill", "all"]);
        let _ = command.status();
    }
}

#[test]
fn a_store_of_pass_is_imported_through_gpg() {
    let keyring = Keyring::new();
    let machine = Machine::with_wallet();
    let store: PathBuf = machine.path("home/.password-store");
    keyring.encrypt(
        b"xy67Gh!8\nuser: joe\n",
        &store.join("energy/smart energy.gpg"),
    );
    keyring.encrypt(b"\xff\x00", &store.join("deep/er/bytes.gpg"));
    keyring.encrypt(b"only\n", &store.join("wifi.gpg"));
    fs::write(store.join(".gpg-id"), "walletfs test\n").unwrap();
    fs::create_dir(store.join(".git")).unwrap();
    fs::write(store.join(".git/config"), "").unwrap();
    let import = || {
        let mut import = machine.with_passwords(["import", "--from", "pass"]);
        import.env("GNUPGHOME", keyring.0.path());
        import
    };
    import().assert().success().stderr("");
    let expected = json!([
        {"domain": "deep/er", "access": "bytes", "info": {"content": {"base64": "/wA="}}},
        {"domain": "energy", "access": "smart energy", "uid": "joe", "pwd": "xy67Gh!8", "info": {}},
        {"domain": "pass", "access": "wifi", "pwd": "only", "info": {}},
    ]);
    assert_eq!(machine.holds(), expected);

    // One that does not decrypt is named, and the others are imported.
    fs::write(store.join("broken.gpg"), "no").unwrap();
    keyring.encrypt(b"new\n", &store.join("new.gpg"));
    let output = import().assert().code(1).get_output().clone();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("LOST: 1 entries that gpg does not decrypt: [\"broken.gpg\"]"),
        "{said}"
    );
    assert_eq!(machine.holds().as_array().unwrap().len(), 4);

    // Without the key none does.
    let other = Keyring::new();
    let mut import = import();
    import
        .env("GNUPGHOME", other.0.path())
        .assert()
        .code(10)
        .stdout("");
}

#[test]
fn a_directory_is_imported_as_a_mount_shows_it() {
    let machine = Machine::with_fixture();
    let dir = machine.mount(&["--read-only"]);
    let copy = machine.path("copy");
    let copied = Command::new("cp").arg("-rp").arg(&dir).arg(&copy).status();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert!(copied.unwrap().success());
    let other = Machine::with_wallet();
    other.ok(&["import", "--from", "directory", copy.to_str().unwrap()]);
    assert_eq!(other.holds(), truth());

    // A link is not followed, and told of.
    std::os::unix::fs::symlink("/etc/passwd", copy.join("bank/main/link")).unwrap();
    fs::write(copy.join("top"), "t").unwrap();
    let said = other.ok(&[
        "import",
        "--overwrite",
        "--from",
        "directory",
        copy.to_str().unwrap(),
    ]);
    assert!(
        said.contains("left out: 1 links and special files"),
        "{said}"
    );
    let added = other.holds();
    let added = added
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["access"] == "top");
    assert_eq!(added.unwrap()["info"], json!({"content": "t"}));
}
