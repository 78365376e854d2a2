//! A mount of this process, of which no body stays in memory: each read of a value asks the store.
//! The program keeps 64 MiB of them, more than a test should fill.

use crate::wallets::{MEMORABLE, Sealed};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use walletfs::crypto::{DeviceKey, SecretBytes};
use walletfs::fs::{self, Fs};
use walletfs::fuse;
use walletfs::session::{mountpoint, sys};
use walletfs::store::Store;
use walletfs::wallet::{Options, Seen, SystemClock, Wallet};

struct Open;

impl fuse::Gate for Open {
    fn enter(&self, _activity: bool) -> bool {
        true
    }
}

/// The mount.
pub(crate) struct Cold {
    dir: tempfile::TempDir,
    /// Dropping it ends no thread of fuser's; they end with the unmount.
    _mount: fuse::Mount,
    _runtime: Runtime,
}

impl Cold {
    pub(crate) fn mount(sealed: &Sealed, store: Arc<dyn Store>, cache_ttl: Duration) -> Cold {
        let runtime = Runtime::new().unwrap();
        let dir = tempfile::Builder::new().prefix("walletfs-").tempdir();
        let dir = dir.unwrap();
        let options = Options {
            cache_ttl,
            cache_bytes: 0,
            ..Options::default()
        };
        let key = DeviceKey::from_bytes(sealed.key().try_into().expect("32 bytes"));
        let password = SecretBytes::new(MEMORABLE.into());
        let unlocked = Wallet::unlock(store, Seen::in_memory(), &key, &password, options);
        let wallet = runtime.block_on(unlocked).unwrap();
        let options = fs::Options {
            read_only: false,
            uid: sys::euid(),
            gid: sys::egid(),
            status: Arc::new(|| "{}".into()),
            processes: Arc::new(fuse::Proc),
            clock: Arc::new(SystemClock),
            runtime: runtime.handle().clone(),
        };
        let handle = runtime.handle().clone();
        let mount = fuse::mount(
            Fs::new(wallet, options),
            Arc::new(Open),
            handle,
            dir.path(),
            fuse::Options::default(),
        );
        Cold {
            dir,
            _mount: mount.unwrap(),
            _runtime: runtime,
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        if let Err(error) = mountpoint::unmount(self.dir.path(), true) {
            eprintln!("{} stays mounted: {error}", self.dir.path().display());
            self.dir.disable_cleanup(true);
        }
    }
}
