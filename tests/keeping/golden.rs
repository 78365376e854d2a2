//! Golden backup files: what this version writes, every later version reads. They are the backups of
//! the golden wallets beside them, so they hold no byte that is not told.

use crate::contents::contents;
use crate::python;
use crate::support::secret;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use walletfs::crypto::OsRandom;
use walletfs::store::{MemoryStore, SqliteStore, Store};
use walletfs::wallet::backup::file::{self, Description};
use walletfs::wallet::backup::{self, Keys, Restore, Sealed};
use walletfs::wallet::{Options, Seen, Wallet};

/// What a golden backup says of itself.
fn description() -> Description {
    Description {
        wallet: "golden".into(),
        made_ns: 1_700_000_000_000_000_000,
    }
}

/// Every golden backup: its file, and the description of the wallet.
fn golden() -> Vec<(PathBuf, Value)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut all = Vec::new();
    for entry in fs::read_dir(vectors).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|e| e == "backup") {
            let description = fs::read_to_string(file.with_extension("json")).unwrap();
            all.push((file, serde_json::from_str(&description).unwrap()));
        }
    }
    assert!(!all.is_empty());
    all
}

/// The file of a golden wallet's items.
async fn written(wallet: &Path) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("wallet.sqlite");
    fs::copy(wallet, &copy).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&copy, "golden"));
    let sealed = Sealed::list(&store, 100).await;
    let mut bytes = Vec::new();
    file::write(&mut bytes, &description(), &sealed.unwrap()).unwrap();
    bytes
}

/// A golden backup is never written anew. That of a new golden wallet: run with
/// `WALLETFS_WRITE_GOLDEN=1`.
#[tokio::test]
async fn every_golden_backup_is_what_is_written_of_its_wallet() {
    if std::env::var_os("WALLETFS_WRITE_GOLDEN").is_some() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        for entry in fs::read_dir(vectors).unwrap() {
            let wallet = entry.unwrap().path();
            let file = wallet.with_extension("backup");
            if wallet.extension().is_some_and(|e| e == "sqlite") && !file.exists() {
                fs::write(file, written(&wallet).await).unwrap();
            }
        }
    }
    for (file, _) in golden() {
        let bytes = written(&file.with_extension("sqlite")).await;
        assert!(fs::read(&file).unwrap() == bytes, "{}", file.display());
    }
}

#[tokio::test]
async fn every_golden_backup_is_restored() {
    for (file, expected) in golden() {
        let (of, sealed) = file::read(BufReader::new(File::open(&file).unwrap())).unwrap();
        assert_eq!(of, description());
        let password = |name: &str| secret(expected[name].as_str().unwrap());
        let key = Keys::device(sealed.head(), &password("device_password")).await;
        let key = key.unwrap();
        let memorable = password("memorable_password");
        let keys = Keys::open(sealed.head(), &key, &memorable, Arc::new(OsRandom)).await;
        let store = Arc::new(MemoryStore::new());
        let (to, seen, o) = (store.clone(), Seen::in_memory(), Options::default());
        let keys = keys.unwrap();
        let restore = Restore::prepare(to, seen, sealed, None, Some(&keys), o);
        let done = restore.await.unwrap().run(&backup::quietly).await.unwrap();
        assert_eq!(Value::from(done.generation - 1), expected["generation"]);
        let (seen, o) = (Seen::in_memory(), Options::default());
        let wallet = Wallet::unlock(store, seen, &key, &memorable, o)
            .await
            .unwrap();
        assert!(contents(&wallet).await.unwrap() == expected["contents"]);
    }
}

#[test]
fn a_second_implementation_opens_every_golden_backup() {
    for (file, expected) in golden() {
        let open = |file: &Path| {
            let mut child = Command::new(python::python())
                .arg(python::open_wallet_script())
                .arg(file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let password = |name: &str| expected[name].as_str().unwrap().to_owned();
            let both = [password("device_password"), password("memorable_password")];
            let mut stdin = child.stdin.take().unwrap();
            stdin
                .write_all((both.join("\n") + "\n").as_bytes())
                .unwrap();
            drop(stdin);
            child.wait_with_output().unwrap()
        };
        let output = open(&file);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{message}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(found == expected["contents"], "{}", file.display());

        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy");
        let mut bytes = fs::read(&file).unwrap();
        bytes[100] ^= 1;
        fs::write(&copy, bytes).unwrap();
        let output = open(&copy);
        assert!(!output.status.success() && output.stdout.is_empty());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(message.trim(), "refused: a damaged backup file");
    }
}
