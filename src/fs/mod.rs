//! What files mean: the tree, open files, attributes, names, errors with their errno.
//!
//! This layer is not tied to a FUSE library: plain async functions on plain types, testable without
//! a mount. It knows secrets and fields, and nothing of stores' requests or keys. A call that needs
//! no store never waits: its future is ready when it is first polled. What calls seldom wait for is
//! boxed, lest each of them is made with room for it (kilobytes, moved for nothing).
//!
//! | file           | subject                                                         |
//! |----------------|-----------------------------------------------------------------|
//! | `names.rs`     | the one file name of each key, and back                         |
//! | `scratch.rs`   | names of editors' scratch files                                 |
//! | `inode.rs`     | inode numbers                                                   |
//! | `attr.rs`      | what `stat` shows                                               |
//! | `times.rs`     | times of directories                                            |
//! | `tree.rs`      | lookup, getattr, statfs, forget                                 |
//! | `fresh.rs`     | how fresh the snapshot is that a call sees                      |
//! | `listing.rs`   | opendir, readdir                                                |
//! | `file.rs`      | content of a file that is open or not stored yet                |
//! | `open.rs`      | open, create, release                                           |
//! | `own/`         | the mount's own files in `/.walletfs`                           |
//! | `path.rs`      | where an inode is in the mount                                  |
//! | `io.rs`        | read, write                                                     |
//! | `setattr.rs`   | chmod, utimensat, truncate                                      |
//! | `later.rs`     | modes and times that come right after a close                   |
//! | `commit.rs`    | flush, fsync: when content is stored, and what if it cannot be  |
//! | `namespace.rs` | mkdir, rmdir, unlink, mknod                                     |
//! | `rename.rs`    | rename                                                          |
//! | `replaced.rs`  | what has lost its name and is still in use                      |
//! | `process.rs`   | which process a call came from                                  |
//!
//! Locks, in the order in which they are taken: a file's `turn` (two of them by inode number), then
//! one of `files`, `unsaved`, `handles`, `listings`, `domains`, then one file's state, then
//! `inodes`, then the wallet's view. `look`, `lately`, `history`, `emptied` and `totp_error` are taken with no other. None but `turn` is held across an await.

mod attr;
mod buffer;
mod commit;
mod error;
mod file;
mod fresh;
mod inode;
mod io;
mod later;
mod listing;
pub mod names;
mod namespace;
mod open;
mod own;
mod path;
mod process;
mod rename;
mod replaced;
pub mod scratch;
mod setattr;
mod times;
mod tree;

pub use attr::{Attr, Entry, Kind};
pub use commit::Unsaved;
pub use error::{Errno, FsError, FsResult};
pub use inode::Ino;
pub use io::Slice;
pub use listing::DirEntry;
pub use open::{OpenHow, Opened, Released};
pub use process::{Process, Processes};
pub use setattr::{SetAttr, SetTime};
pub use tree::Statfs;

use crate::crypto::TotpError;
use crate::wallet::{Clock, Wallet};
use file::File;
use fresh::Look;
use inode::{Inodes, Node, Place};
use later::Lately;
use listing::Listing;
use open::Handle;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use times::Times;

/// A file or directory that a caller holds open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fh(pub u64);

/// What a filesystem is made of besides its wallet.
pub struct Options {
    /// Refuse every change with EROFS.
    pub read_only: bool,
    /// The owner of everything; a chown to anybody else is refused.
    pub uid: u32,
    /// The group of everything.
    pub gid: u32,
    /// Makes the content of `/.walletfs/status`.
    pub status: Arc<dyn Fn() -> String + Send + Sync>,
    /// Tells processes apart.
    pub processes: Arc<dyn Processes>,
    /// Gives times to what is written.
    pub clock: Arc<dyn Clock>,
    /// Where commits go that no call waits for (retries of failed ones).
    pub runtime: tokio::runtime::Handle,
}

/// The filesystem of one mount.
pub struct Fs {
    wallet: Arc<Wallet>,
    options: Options,
    /// For tasks that outlive a call.
    me: std::sync::Weak<Fs>,
    inodes: RwLock<Inodes>,
    /// The current content of each inode that is open or unsaved. A file whose content another
    /// device replaced lives on in its handles only.
    files: Mutex<BTreeMap<Ino, Arc<File>>>,
    /// Every file with content that the store lacks, current or not.
    unsaved: Mutex<Vec<Arc<File>>>,
    handles: Mutex<BTreeMap<Fh, Arc<Handle>>>,
    listings: Mutex<BTreeMap<Fh, Arc<Mutex<Listing>>>>,
    /// Domains that live in the mount: made here and empty (design, section 6).
    domains: Mutex<BTreeSet<Arc<str>>>,
    /// Directories of domains in the trash that were emptied here.
    emptied: Mutex<BTreeSet<Arc<str>>>,
    /// Taken after the wallet's view.
    times: Mutex<Times>,
    /// When the wallet was made, ns since 1970: the time of what never changes.
    made_ns: i64,
    look: Mutex<Option<Look>>,
    lately: Mutex<Lately>,
    /// What there is of some secrets' history.
    history: Mutex<own::history::Remembered>,
    /// Why the last one-time code that was asked for could not be made.
    totp_error: Mutex<Option<TotpError>>,
    next_fh: AtomicU64,
}

impl Fs {
    /// The filesystem over `wallet`.
    pub fn new(wallet: Arc<Wallet>, options: Options) -> Arc<Fs> {
        let made_ns = i64::try_from(wallet.head_info().created_ns).unwrap_or(i64::MAX);
        Arc::new_cyclic(|me| Fs {
            wallet,
            options,
            me: me.clone(),
            inodes: RwLock::new(Inodes::new()),
            files: Mutex::default(),
            unsaved: Mutex::default(),
            handles: Mutex::default(),
            listings: Mutex::default(),
            domains: Mutex::default(),
            emptied: Mutex::default(),
            times: Mutex::new(Times::new(made_ns)),
            made_ns,
            look: Mutex::new(None),
            lately: Mutex::default(),
            history: Mutex::default(),
            totp_error: Mutex::default(),
            next_fh: AtomicU64::new(1),
        })
    }

    /// Drops all content, handles and listings. Callers see to it that no call comes after.
    pub fn lock(&self) {
        self.handles().clear();
        self.listings().clear();
        self.unsaved_files().clear();
        self.files().clear();
        // The names that these hold go too.
        self.domains().clear();
        self.emptied().clear();
        self.forget_lately();
        *self.history_known() = Default::default();
        *self.times() = Times::new(self.made_ns);
        *self.inodes.write().expect(LOCK) = Inodes::new();
    }

    /// Open files of which the kernel's page cache may hold content.
    pub fn mapped(&self) -> Vec<Ino> {
        let handles = self.handles();
        let mapped = handles.values().filter_map(|handle| match &**handle {
            Handle::File(handle) => handle.file.state().mapped.then_some(handle.file.ino),
            Handle::Own(own) => own.mapped.load(Ordering::Relaxed).then_some(own.ino),
        });
        mapped.collect()
    }

    /// The owner of everything.
    pub fn owner(&self) -> (u32, u32) {
        (self.options.uid, self.options.gid)
    }

    /// Whether a call on `ino` is an access to a secret, as opposed to the list of domains or the
    /// mount's own files.
    pub fn is_secret(&self, ino: Ino) -> bool {
        match self.inodes.read().expect(LOCK).node(ino) {
            Some(Node::Root) => false,
            Some(Node::Own(own)) => own.is_secret(),
            Some(Node::Domain(_) | Node::Secret(_) | Node::File(_)) | None => true,
        }
    }

    fn node(&self, ino: Ino) -> FsResult<Node> {
        let inodes = self.inodes.read().expect(LOCK);
        inodes
            .node(ino)
            .cloned()
            .ok_or(FsError::new(Errno::ENOENT, "removed meanwhile"))
    }

    fn number(&self, node: &Node) -> Ino {
        if let Some(ino) = self.number_of(node) {
            return ino;
        }
        self.inodes.write().expect(LOCK).number(node)
    }

    /// The number of `node`, if it has one.
    fn number_of(&self, node: &Node) -> Option<Ino> {
        self.inodes.read().expect(LOCK).find(node)
    }

    fn fh(&self) -> Fh {
        Fh(self.next_fh.fetch_add(1, Ordering::Relaxed))
    }

    fn handle(&self, fh: Fh) -> FsResult<Arc<Handle>> {
        self.handles()
            .get(&fh)
            .cloned()
            .ok_or(FsError::new(Errno::EBADF, "no such open file"))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<Ino, Arc<File>>> {
        self.files.lock().expect(LOCK)
    }

    fn unsaved_files(&self) -> MutexGuard<'_, Vec<Arc<File>>> {
        self.unsaved.lock().expect(LOCK)
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<Fh, Arc<Handle>>> {
        self.handles.lock().expect(LOCK)
    }

    fn listings(&self) -> MutexGuard<'_, BTreeMap<Fh, Arc<Mutex<Listing>>>> {
        self.listings.lock().expect(LOCK)
    }

    fn domains(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.domains.lock().expect(LOCK)
    }

    fn emptied(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.emptied.lock().expect(LOCK)
    }

    fn look(&self) -> MutexGuard<'_, Option<Look>> {
        self.look.lock().expect(LOCK)
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().expect(LOCK)
    }

    /// The file at `place`, if it is open or unsaved.
    fn file_at(&self, place: &Place) -> Option<Arc<File>> {
        let ino = self.number_of(&Node::File(place.clone()))?;
        self.files().get(&ino).cloned()
    }

    fn refuse_read_only(&self) -> FsResult<()> {
        if self.options.read_only {
            return Err(FsError::new(Errno::EROFS, "mounted read-only"));
        }
        Ok(())
    }
}

/// Why locks are taken with `expect`: a panic elsewhere would have ended the call, not the mount,
/// and what it left behind must not be served.
const LOCK: &str = "no holder of this lock panics";
