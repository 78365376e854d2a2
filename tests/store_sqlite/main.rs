//! What only a file can do: be made by one process and written by several, be replaced or damaged,
//! be another program's.

mod files;
mod processes;
mod replica;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::items::{create, id, item};
use walletfs::store::{Change, Commit, Id, SqliteStore, Store};

/// Secrets in the wallet of [`Place::with_wallet`].
const SECRETS: u32 = 20;

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    /// A path with nothing there.
    fn empty() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("wallet.sqlite");
        Place { directory, path }
    }

    /// A file with a head and some secrets, all of version 1.
    async fn with_wallet() -> (Place, SqliteStore) {
        let place = Self::empty();
        let store = SqliteStore::open(&place.path, "wallet");
        store.create().await.expect("the file is made");
        let mut changes: Vec<Change> = (0..SECRETS).map(|n| create(&item(id(n), 1))).collect();
        changes.push(create(&item(Id::Head, 1)));
        assert_eq!(store.commit(changes).await, Ok(Commit::Done));
        (place, store)
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path, "wallet")
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        entries.map(name).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
