//! A disk below a store's file, made for the test: one directory in this process's memory, mounted
//! for real. It fails, fills up, hangs and goes slow as a test plans, and it knows what a power cut
//! at any moment may leave: what a file holds and what of that was synced are two things to it.

mod adapter;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use walletfs::session::mountpoint;

/// What a program asks of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A name is looked up, or attributes are asked for.
    Look,
    /// A file is opened that is there.
    Open,
    Create,
    Read,
    Write,
    Truncate,
    /// fsync(2) of a file.
    Sync,
    Unlink,
    /// fsync(2) of the directory.
    SyncDir,
}

impl Op {
    /// Whether it changes what is on the disk, or what of it lasts.
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Op::Look | Op::Open | Op::Read)
    }
}

/// A call that a plan decides about: what is asked, and of which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) name: String,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done.
    Go,
    /// It fails with this errno.
    Fail(i32),
    /// It is done after this time.
    Delay(Duration),
    /// It is done, and answered, when the disk is healed.
    Hang,
    /// It is never done. The kernel lets nobody go before an answer, not even a process that was
    /// killed, so it fails when the disk is healed.
    Lost,
    /// It is done at once, and answered when the disk is healed.
    Unanswered,
}

type Plan = Box<dyn FnMut(&Call) -> Fate + Send>;

/// Files by name.
pub(crate) type Files = BTreeMap<String, Arc<Vec<u8>>>;

/// A file: what it holds, and what of that was synced.
#[derive(Clone, Default)]
struct Node {
    data: Arc<Vec<u8>>,
    synced: Arc<Vec<u8>>,
    /// Where the last write went, and how far.
    last: Option<(usize, usize)>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    nodes: BTreeMap<u64, Node>,
    plan: Option<Plan>,
    /// How often the disk was healed: what hangs waits for the next time.
    healed: u64,
    /// What a power cut may have left, since it is recorded, at each moment: numbered.
    cuts: Option<Vec<(usize, Files)>>,
    /// Calls that changed something, since it is recorded.
    changes: usize,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// The mounted disk. Dropping it heals and unmounts it.
pub(crate) struct Disk {
    shared: Arc<Shared>,
    dir: tempfile::TempDir,
    /// Ends by the unmount.
    _session: std::mem::ManuallyDrop<fuser::BackgroundSession>,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new() -> Disk {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let dir = tempfile::Builder::new().prefix("walletfs-disk-").tempdir();
        let dir = dir.unwrap();
        let session = adapter::mount(shared.clone(), dir.path());
        Disk {
            shared,
            dir,
            _session: std::mem::ManuallyDrop::new(session),
        }
    }

    /// Where a file of this name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// From now on `plan` decides what becomes of each call.
    pub(crate) fn plan(&self, plan: impl FnMut(&Call) -> Fate + Send + 'static) {
        self.shared.state().plan = Some(Box::new(plan));
    }

    /// From now on every call is done; what hung goes on.
    pub(crate) fn heal(&self) {
        let mut state = self.shared.state();
        state.plan = None;
        state.healed += 1;
        self.shared.wake.notify_all();
    }

    /// What is there now.
    pub(crate) fn files(&self) -> Files {
        let state = self.shared.state();
        state.files(&state.names, |node| node.data.clone())
    }

    /// Puts a file there, synced, under a new inode, whoever has the old one open; `None` takes it
    /// away.
    pub(crate) fn put(&self, name: &str, content: Option<Arc<Vec<u8>>>) {
        let mut state = self.shared.state();
        match content {
            Some(data) => {
                let ino = state.make(name);
                state.nodes.insert(
                    ino,
                    Node {
                        synced: data.clone(),
                        data,
                        last: None,
                    },
                );
            }
            None => drop(state.names.remove(name)),
        }
        state.synced_names = state.names.clone();
    }

    /// From now on what a power cut would leave is recorded at each change.
    pub(crate) fn record(&self) {
        let mut state = self.shared.state();
        state.cuts = Some(Vec::new());
        state.changes = 0;
    }

    /// Changes since it is recorded.
    pub(crate) fn changes(&self) -> usize {
        self.shared.state().changes
    }

    /// What power cuts would have left, each with the number of changes that were made before it.
    pub(crate) fn recorded(&self) -> Vec<(usize, Files)> {
        self.shared.state().cuts.take().expect("it is recorded")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.heal();
        if let Err(error) = mountpoint::unmount(self.dir.path(), true) {
            eprintln!("{} stays mounted: {error}", self.dir.path().display());
            self.dir.disable_cleanup(true);
        }
    }
}

impl State {
    /// A file of this name, made anew.
    fn make(&mut self, name: &str) -> u64 {
        let ino = self.nodes.keys().next_back().map_or(2, |last| last + 1);
        self.nodes.insert(ino, Node::default());
        self.names.insert(name.into(), ino);
        ino
    }

    fn node(&mut self, ino: u64) -> &mut Node {
        self.nodes.get_mut(&ino).expect("inodes stay")
    }

    fn files(&self, names: &BTreeMap<String, u64>, of: impl Fn(&Node) -> Arc<Vec<u8>>) -> Files {
        let file = |(name, ino): (&String, &u64)| (name.clone(), of(&self.nodes[ino]));
        names.iter().map(file).collect()
    }

    /// Notes what a power cut would leave now. A disk writes back what was not synced when it likes:
    /// the files may be as written or as synced, or as synced but for the very last write; so may the
    /// directory, independently.
    fn changed(&mut self) {
        self.changes += 1;
        let number = self.changes;
        let Some(mut cuts) = self.cuts.take() else {
            return;
        };
        for names in [&self.names, &self.synced_names] {
            for of in [
                |node: &Node| node.data.clone(),
                |node: &Node| node.synced.clone(),
                Node::last_write_alone,
            ] {
                let files = self.files(names, of);
                if !cuts.iter().rev().take(6).any(|(_, known)| *known == files) {
                    cuts.push((number, files));
                }
            }
        }
        self.cuts = Some(cuts);
    }
}

impl Node {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let data = Arc::make_mut(&mut self.data);
        let end = at + bytes.len();
        if data.len() < end {
            data.resize(end, 0);
        }
        data[at..end].copy_from_slice(bytes);
        self.last = Some((at, end));
    }

    fn truncate(&mut self, size: usize) {
        Arc::make_mut(&mut self.data).resize(size, 0);
        self.last = None;
    }

    fn sync(&mut self) {
        self.synced = self.data.clone();
        self.last = None;
    }

    /// What was synced, and the last write, which overtook those before it.
    fn last_write_alone(&self) -> Arc<Vec<u8>> {
        let mut data = self.synced.clone();
        if let Some((at, end)) = self.last
            && end <= self.data.len()
        {
            let data = Arc::make_mut(&mut data);
            if data.len() < end {
                data.resize(end, 0);
            }
            data[at..end].copy_from_slice(&self.data[at..end]);
        }
        data
    }
}

/// Writes files into a directory.
pub(crate) fn write_out(files: &Files, dir: &Path) {
    for (name, content) in files {
        std::fs::write(dir.join(name), &**content).unwrap();
    }
}
