//! The faults of a SQLite file, by the disk below it.

use crate::disk::{Call, Disk, Fate, Op};
use crate::mounts::Wallet;
use crate::outcomes::Expect::{self, Fails, FailsAs, Works};
use crate::rig::{self, Row};
use crate::wallets::Sealed;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use walletfs::store::{SqliteStore, Store};
use walletfs::wallet::Edit;

const FILE: &str = "wallet.sqlite";

/// What a slow disk takes for each call: a commit has some 30.
const SLOW: Duration = Duration::from_millis(20);

const LOCKED: &str = "locked by another";
const FULL: &str = "disk full";
const GONE: &str = "file gone";
const FOREIGN: &str = "another program's file";
const OLDER: &str = "an older copy";
const NO_PERMISSION: &str = "permission taken away";
const PULLED_OUT: &str = "disk pulled out";
const UNREADABLE: &str = "disk unreadable";
const SYNC_FAILS: &str = "sync fails";
const NO_ANSWER: &str = "disk does not answer";
const SLOW_DISK: &str = "slow disk";
const UNKNOWN: &str = "outcome unknown";

/// Each fault and what it comes to (design, section 6; exit codes, section 8).
pub(crate) fn rows() -> Vec<Row> {
    let row = |name, all: Expect, mount, says| Row {
        name,
        memory: Works,
        asks: all,
        commits: all,
        mount,
        says,
        may_apply: false,
    };
    let commits = |row| Row { asks: Works, ..row };
    let (away, late) = (Fails(libc::ENETUNREACH), Fails(libc::ETIMEDOUT));
    let (other, denied) = (Fails(libc::EIO), Fails(libc::EACCES));
    vec![
        row(LOCKED, Fails(libc::EBUSY), 13, "another process is writing"),
        commits(row(FULL, Fails(libc::ENOSPC), 0, "no space is left")),
        row(GONE, other, 11, "there is no wallet file"),
        row(FOREIGN, other, 1, "of another program"),
        Row {
            memory: other,
            ..row(OLDER, other, 16, "rolled back")
        },
        row(NO_PERMISSION, denied, 14, "you are not permitted"),
        row(PULLED_OUT, away, 13, "reading or writing"),
        // SQLite takes a disk that cannot read for a damaged file, but for one that it opens anew.
        row(
            UNREADABLE,
            FailsAs([libc::EIO, libc::ENETUNREACH]),
            13,
            FILE,
        ),
        commits(row(SYNC_FAILS, away, 0, "reading or writing")),
        Row {
            may_apply: true,
            ..row(NO_ANSWER, late, 13, "did not answer within 10 s")
        },
        row(SLOW_DISK, Works, 0, ""),
        Row {
            may_apply: true,
            ..commits(row(UNKNOWN, late, 0, "did not answer within 10 s"))
        },
    ]
}

/// What becomes of a call of the disk under a fault.
fn fate(fault: &str, call: &Call) -> Fate {
    match (fault, call.op) {
        (FULL, Op::Write) => Fate::Fail(libc::ENOSPC),
        (NO_PERMISSION, Op::Look | Op::Open | Op::Create | Op::Unlink) => Fate::Fail(libc::EACCES),
        (PULLED_OUT, Op::Read | Op::Write | Op::Sync) => Fate::Fail(libc::ENODEV),
        (UNREADABLE, Op::Read) => Fate::Fail(libc::EIO),
        (SYNC_FAILS, Op::Sync) => Fate::Fail(libc::EIO),
        (NO_ANSWER, _) => Fate::Hang,
        (SLOW_DISK, _) => Fate::Delay(SLOW),
        // The removal of the journal is the commit.
        (UNKNOWN, Op::Unlink) => Fate::Unanswered,
        _ => Fate::Go,
    }
}

/// A file on a disk of its own, and a device that has its wallet there.
pub(crate) struct Rig {
    fault: &'static str,
    wallet: Wallet,
    disk: Disk,
    store: Arc<dyn Store>,
    injected: Arc<AtomicUsize>,
    runtime: Handle,
    key: Vec<u8>,
    path: PathBuf,
    /// The file, while another is in its place.
    aside: Mutex<Option<Arc<Vec<u8>>>>,
    /// The file as it was a commit ago.
    older: Mutex<Option<Arc<Vec<u8>>>>,
    /// Whoever has locked the file.
    locker: Mutex<Option<rusqlite::Connection>>,
}

impl Rig {
    pub(crate) fn new(fault: &'static str, sealed: &Sealed, runtime: &Runtime) -> Rig {
        let disk = Disk::new();
        let path = disk.path(FILE);
        let store = Arc::new(SqliteStore::open(&path, "default"));
        runtime.block_on(sealed.put(&*store));
        let config = json!({ "store": "local", "path": path });
        Rig {
            fault,
            wallet: Wallet::joined(&config, sealed.key()),
            disk,
            store,
            injected: Arc::default(),
            runtime: runtime.handle().clone(),
            key: sealed.key().to_vec(),
            path,
            aside: Mutex::default(),
            older: Mutex::default(),
            locker: Mutex::default(),
        }
    }

    fn replace(&self, by: Option<Arc<Vec<u8>>>) {
        *self.aside.lock().unwrap() = self.disk.files().get(FILE).cloned();
        self.disk.put(FILE, by);
        self.injected.fetch_add(1, Ordering::Relaxed);
    }
}

impl rig::Rig for Rig {
    fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    fn prepare(&self) {
        if self.fault != OLDER {
            return;
        }
        *self.older.lock().unwrap() = self.disk.files().get(FILE).cloned();
        let commit = async {
            let opened = Sealed::open_with(&self.key, self.store.clone()).await;
            let (domain, access) = ("others".into(), "own".into());
            opened.unwrap().apply(Edit::Create { domain, access }).await
        };
        self.runtime.block_on(commit).unwrap();
        // This device has seen it.
        self.wallet.mount("seen", &[]).unmount();
    }

    fn inject(&self) {
        match self.fault {
            LOCKED => {
                let locker = rusqlite::Connection::open(&self.path).unwrap();
                locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
                *self.locker.lock().unwrap() = Some(locker);
                self.injected.fetch_add(1, Ordering::Relaxed);
            }
            GONE => self.replace(None),
            FOREIGN => {
                let other = tempfile::NamedTempFile::new().unwrap();
                let made = rusqlite::Connection::open(other.path()).unwrap();
                made.execute_batch("CREATE TABLE notes (text)").unwrap();
                drop(made);
                let content = std::fs::read(other.path()).unwrap();
                self.replace(Some(Arc::new(content)));
            }
            OLDER => {
                let older = self.older.lock().unwrap().take();
                self.replace(Some(older.expect("it is prepared")));
            }
            fault => {
                let injected = self.injected.clone();
                self.disk.plan(move |call| {
                    let fate = fate(fault, call);
                    injected.fetch_add(usize::from(fate != Fate::Go), Ordering::Relaxed);
                    fate
                });
            }
        }
    }

    fn heal(&self) {
        if let Some(locker) = self.locker.lock().unwrap().take() {
            locker.execute_batch("ROLLBACK").unwrap();
        }
        if let Some(aside) = self.aside.lock().unwrap().take() {
            self.disk.put(FILE, Some(aside));
        }
        self.disk.heal();
    }

    fn direct(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn through(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path, "default"))
    }

    fn injected(&self) -> usize {
        self.injected.load(Ordering::Relaxed)
    }

    fn others(&self) -> u64 {
        u64::from(self.fault == OLDER)
    }
}
