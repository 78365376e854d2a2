//! A store that does not answer: what needs none goes on at its speed, and what needs it waits side
//! by side. The mount is this process's own, so that the test decides when the store answers.

use super::harness::*;
use async_trait::async_trait;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use walletfs::crypto::{KdfParams, SecretBytes};
use walletfs::fs::Fs;
use walletfs::fuse;
use walletfs::session::{mountpoint, sys};
use walletfs::store::{
    Change, Commit, Cursor, Id, Item, Limits, MemoryStore, Notice, Page, Store, StoreError,
};
use walletfs::wallet::{self, Edit, Expected, Field, FieldChange, FieldEdit, Seen, SystemClock};

/// A store whose calls do not end while it is held.
struct Held {
    inner: MemoryStore,
    held: watch::Sender<bool>,
    /// Calls that are waiting: gets of the head, gets of secrets, commits.
    waiting: watch::Sender<[usize; 3]>,
}

impl Held {
    async fn wait(&self, kind: usize) {
        let mut held = self.held.subscribe();
        self.waiting.send_modify(|waiting| waiting[kind] += 1);
        // The sender lives as long as this.
        let _ = held.wait_for(|held| !held).await;
        self.waiting.send_modify(|waiting| waiting[kind] -= 1);
    }
}

#[async_trait]
impl Store for Held {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        self.wait(usize::from(id != Id::Head)).await;
        self.inner.get(id).await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        self.inner.list(after).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        self.wait(2).await;
        self.inner.commit(changes).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn item_size(&self, item: &Item) -> usize {
        self.inner.item_size(item)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn wallet(&self) -> &str {
        self.inner.wallet()
    }

    /// Another wallet's items are left alone.
    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        self.inner.sibling(wallet)
    }
}

struct Open;

impl fuse::Gate for Open {
    fn enter(&self, _activity: bool) -> bool {
        true
    }
}

/// A mount of this process over a store that can be held.
struct Rig {
    store: Arc<Held>,
    /// Dropping it ends no thread of fuser's; they end with the process.
    _mount: fuse::Mount,
    _runtime: Runtime,
    dir: tempfile::TempDir,
}

/// Bytes of the values that are too large for the cache: read, they need the store.
const COLD: usize = 10_000;
const COLD_FILES: usize = 16;

impl Rig {
    /// Secrets `/d/warm`, and `/d/cold-N`, whose values the mount does not keep in memory.
    fn new(cache_ttl: Duration) -> Rig {
        let dir = tempfile::Builder::new().prefix("walletfs-").tempdir();
        let dir = dir.unwrap();
        let runtime = Runtime::new().unwrap();
        let store = Arc::new(Held {
            inner: MemoryStore::new(),
            held: watch::Sender::new(false),
            waiting: watch::Sender::new([0; 3]),
        });
        let fs = runtime.block_on(filesystem(store.clone(), cache_ttl));
        let handle = runtime.handle().clone();
        let mount = fuse::mount(
            fs,
            Arc::new(Open),
            handle,
            dir.path(),
            fuse::Options::default(),
        )
        .unwrap();
        Rig {
            store,
            _mount: mount,
            _runtime: runtime,
            dir,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn hold(&self) {
        self.store.held.send_replace(true);
    }

    fn release(&self) {
        self.store.held.send_replace(false);
    }

    fn waiting(&self) -> [usize; 3] {
        *self.store.waiting.borrow()
    }

    /// Whether exactly these calls come to wait: some time after they were made.
    fn come_to_wait(&self, expected: [usize; 3]) -> bool {
        for _ in 0..1000 {
            if self.waiting() == expected {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Everything that needs no store, a thousand times.
    fn warm(&self) {
        for _ in 0..1000 {
            assert_eq!(fs::read(self.path("d/warm/f")).unwrap(), b"warm");
            assert_eq!(
                fs::metadata(self.path("d/cold-1/f")).unwrap().len(),
                COLD as u64
            );
        }
        assert_eq!(names(&self.path("d")).len(), COLD_FILES + 1);
        assert!(!self.path("d/none").exists());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.release();
        // A program that another test starts at this moment has copies of this process's
        // descriptors until it runs, so the mount may be in use for a little longer.
        let unmounted = (0..200).any(|_| {
            let unmounted = mountpoint::unmount(self.dir.path(), false);
            if unmounted.is_err() {
                thread::sleep(Duration::from_millis(20));
            }
            unmounted.is_ok()
        });
        if !unmounted {
            self.dir.disable_cleanup(true);
            let _ = mountpoint::unmount(self.dir.path(), true);
        }
        assert!(unmounted || thread::panicking(), "the mount stays in use");
    }
}

async fn filesystem(store: Arc<Held>, cache_ttl: Duration) -> Arc<Fs> {
    let secret = |text: &str| SecretBytes::new(text.into());
    let (device, memorable) = (secret("Device 22!"), secret("Memorable 1!"));
    let (seen, options) = (Seen::in_memory(), wallet::Options::default());
    let kdf = KdfParams::LEAST;
    let made = wallet::Wallet::create(store.clone(), seen, &device, &memorable, kdf, options).await;
    let (writer, key) = made.unwrap();
    let mut files = vec![("warm".to_owned(), b"warm".to_vec())];
    files.extend((0..COLD_FILES).map(|n| (format!("cold-{n}"), vec![n as u8; COLD])));
    for (access, value) in files {
        let (domain, access) = ("d".into(), access.into());
        let made = writer.apply(Edit::Create { domain, access }).await.unwrap();
        let put = FieldEdit {
            secret: made.created.unwrap(),
            field: Field::Info("f".into()),
            expect: Expected::Absent,
            change: FieldChange::Put {
                value: Arc::new(SecretBytes::new(value)),
                mtime_ns: 0,
                mode: 0o600,
            },
        };
        writer.apply(Edit::Fields(vec![put])).await.unwrap();
    }
    let options = wallet::Options {
        cache_ttl,
        cache_bytes: COLD / 2,
        ..wallet::Options::default()
    };
    let seen = Seen::in_memory();
    let wallet = wallet::Wallet::unlock(store, seen, &key, &memorable, options).await;
    let options = walletfs::fs::Options {
        read_only: false,
        uid: sys::euid(),
        gid: sys::egid(),
        status: Arc::new(|| "{}".into()),
        processes: Arc::new(fuse::Proc),
        clock: Arc::new(SystemClock),
        runtime: tokio::runtime::Handle::current(),
    };
    Fs::new(wallet.unwrap(), options)
}

const HOUR: Duration = Duration::from_secs(3600);

/// Reads of different secrets wait at the same time, however many there are, and everything else
/// goes on meanwhile.
#[test]
fn cold_reads_wait_side_by_side_and_warm_ones_do_not_wait() {
    let rig = Rig::new(HOUR);
    rig.warm();
    rig.hold();
    thread::scope(|scope| {
        let cold: Vec<_> = (0..COLD_FILES)
            .map(|n| (n, rig.path(&format!("d/cold-{n}/f"))))
            .map(|(n, path)| (n, scope.spawn(|| fs::read(path).unwrap())))
            .collect();
        let all = rig.come_to_wait([0, COLD_FILES, 0]);
        let warm = thread::scope(|scope| scope.spawn(|| rig.warm()).join());
        let still = rig.waiting();
        // Whatever comes of it, nobody is left to wait.
        rig.release();
        assert!(all, "waiting: {still:?}");
        warm.unwrap();
        assert_eq!(
            still,
            [0, COLD_FILES, 0],
            "all that time the store did not answer"
        );
        for (n, read) in cold {
            assert!(read.join().unwrap() == vec![n as u8; COLD]);
        }
    });
}

/// Nor does anything wait for a close that is being stored: not a read, not even of the same file,
/// nor a name in the same directory.
#[test]
fn a_commit_holds_up_nobody() {
    let rig = Rig::new(HOUR);
    rig.warm();
    let path = rig.path("d/warm/g");
    fs::write(&path, "old").unwrap();
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"new").unwrap();
    rig.hold();
    thread::scope(|scope| {
        let close = scope.spawn(move || drop(file));
        let waits = rig.come_to_wait([0, 0, 1]);
        let others = thread::scope(|scope| {
            let others = scope.spawn(|| {
                rig.warm();
                assert_eq!(fs::read(&path).unwrap(), b"new");
                assert_eq!(names(&rig.path("d/warm")), ["f", "g"]);
            });
            others.join()
        });
        let (still, ended) = (rig.waiting(), close.is_finished());
        rig.release();
        assert!(waits, "waiting: {still:?}");
        others.unwrap();
        assert_eq!((still, ended), ([0, 0, 1], false));
        close.join().unwrap();
    });
}

/// When the snapshot has grown old, all who come ask for the head once, and what is open already is
/// read without it.
#[test]
fn one_look_at_the_head_serves_all() {
    let rig = Rig::new(Duration::from_millis(200));
    let open = fs::File::open(rig.path("d/warm/f")).unwrap();
    rig.hold();
    thread::sleep(Duration::from_millis(250));
    let warm = rig.path("d/warm/f");
    thread::scope(|scope| {
        let readers: Vec<_> = (0..COLD_FILES)
            .map(|_| scope.spawn(|| fs::read(&warm).unwrap()))
            .collect();
        let one = rig.come_to_wait([1, 0, 0]);
        let mut content = [0; 4];
        let through = std::os::unix::fs::FileExt::read_exact_at(&open, &mut content, 0);
        let still = rig.waiting();
        rig.release();
        assert!(one, "waiting: {still:?}");
        through.unwrap();
        assert_eq!((still, content), ([1, 0, 0], *b"warm"));
        for reader in readers {
            assert_eq!(reader.join().unwrap(), b"warm");
        }
    });
}
