//! The Python that runs `scripts/open-wallet.py`. A test that cannot have it fails: the second
//! implementation is a part of the proof.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The script that opens wallets without walletfs.
pub(crate) fn open_wallet_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/open-wallet.py")
}

/// An interpreter that has the packages; installs them the first time.
pub(crate) fn python() -> &'static Path {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = Command::new(root.join("scripts/tools"))
            .arg("python")
            .status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "scripts/tools could not install Python's packages: see above"
        );
        root.join("target/tools/python/bin/python")
    });
    &PYTHON
}
