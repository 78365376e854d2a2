//! fuser calls in, fuser replies out, for the [`super::Disk`].

use super::{Call, Fate, Op, Shared, State};
use fuser::{
    AccessFlags, BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType,
    Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, Session,
    TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};
use walletfs::session::sys;

/// Nothing stays in the kernel: each call comes here.
const TTL: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);
const NO_HANDLE: FileHandle = FileHandle(0);
const ROOT: u64 = 1;

struct Adapter(Arc<Shared>);

/// Mounts the disk.
pub(super) fn mount(shared: Arc<Shared>, dir: &Path) -> BackgroundSession {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("walletfs-test-disk".into())];
    config.n_threads = Some(2);
    let session = Session::new(Adapter(shared), dir, &config).expect("the disk is mounted");
    session.spawn().expect("a thread")
}

fn attr(state: &State, ino: u64) -> FileAttr {
    let dir = ino == ROOT;
    let size = match dir {
        true => 0,
        false => state.nodes[&ino].data.len() as u64,
    };
    let epoch = SystemTime::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: epoch,
        mtime: epoch,
        ctime: epoch,
        crtime: epoch,
        kind: match dir {
            true => FileType::Directory,
            false => FileType::RegularFile,
        },
        perm: if dir { 0o700 } else { 0o600 },
        nlink: 1,
        uid: sys::euid(),
        gid: sys::egid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Adapter {
    fn name(&self, ino: u64) -> String {
        let state = self.0.state();
        let mut names = state.names.iter();
        let found = names.find(|(_, number)| **number == ino);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Does `act` as the plan says, and answers with what it gives.
    fn run<T: Send + 'static>(
        &self,
        op: Op,
        name: String,
        act: impl FnOnce(&mut State) -> Result<T, i32> + Send + 'static,
        answer: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        let (fate, healed) = {
            let mut state = self.0.state();
            let call = Call { op, name };
            let fate = match &mut state.plan {
                Some(plan) => plan(&call),
                None => Fate::Go,
            };
            (fate, state.healed)
        };
        let shared = self.0.clone();
        let act = move |shared: &Shared| {
            let mut state = shared.state();
            let done = act(&mut state);
            if done.is_ok() && op.changes() {
                state.changed();
            }
            done
        };
        let answer = |done: Result<T, i32>| answer(done.map_err(Errno::from_i32));
        let heal = move |shared: &Shared| {
            let state = shared.state();
            let healed = shared.wake.wait_while(state, |s| s.healed == healed);
            drop(healed.expect("no holder of this lock panics"));
        };
        match fate {
            Fate::Go => answer(act(&shared)),
            Fate::Fail(errno) => answer(Err(errno)),
            // The threads that receive calls hold up nobody.
            Fate::Delay(time) => drop(thread::spawn(move || {
                thread::sleep(time);
                answer(act(&shared));
            })),
            Fate::Hang => drop(thread::spawn(move || {
                heal(&shared);
                answer(act(&shared));
            })),
            Fate::Lost => drop(thread::spawn(move || {
                heal(&shared);
                answer(Err(libc::EIO));
            })),
            Fate::Unanswered => {
                let done = act(&shared);
                thread::spawn(move || {
                    heal(&shared);
                    answer(done);
                });
            }
        }
    }
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// The number of `name`.
fn find(state: &State, name: &str) -> Result<u64, i32> {
    state.names.get(name).copied().ok_or(libc::ENOENT)
}

impl Filesystem for Adapter {
    fn lookup(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = text(name);
        let found = {
            let name = name.clone();
            move |state: &mut State| Ok(attr(state, find(state, &name)?))
        };
        self.run(Op::Look, name, found, |found| match found {
            Ok(attr) => reply.entry(&TTL, &attr, GENERATION),
            Err(e) => reply.error(e),
        });
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let look = move |state: &mut State| Ok(attr(state, ino.0));
        self.run(Op::Look, self.name(ino.0), look, |looked| match looked {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(e) => reply.error(e),
        });
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let op = match size {
            Some(_) => Op::Truncate,
            None => Op::Look,
        };
        let set = move |state: &mut State| {
            if let Some(size) = size {
                state.node(ino.0).truncate(size as usize);
            }
            Ok(attr(state, ino.0))
        };
        self.run(op, self.name(ino.0), set, |set| match set {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(e) => reply.error(e),
        });
    }

    fn open(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let open = |_: &mut State| Ok(());
        self.run(Op::Open, self.name(ino.0), open, |opened| match opened {
            Ok(()) => reply.opened(NO_HANDLE, FopenFlags::FOPEN_DIRECT_IO),
            Err(e) => reply.error(e),
        });
    }

    fn create(
        &self,
        _req: &Request,
        _parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let name = text(name);
        let make = {
            let name = name.clone();
            move |state: &mut State| {
                let ino = state.make(&name);
                Ok(attr(state, ino))
            }
        };
        let flags = FopenFlags::FOPEN_DIRECT_IO;
        self.run(Op::Create, name, make, move |made| match made {
            Ok(attr) => reply.created(&TTL, &attr, GENERATION, NO_HANDLE, flags),
            Err(e) => reply.error(e),
        });
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = move |state: &mut State| {
            let data = &state.node(ino.0).data;
            let begin = (offset as usize).min(data.len());
            let end = (begin + size as usize).min(data.len());
            Ok(data[begin..end].to_vec())
        };
        self.run(Op::Read, self.name(ino.0), read, |read| match read {
            Ok(data) => reply.data(&data),
            Err(e) => reply.error(e),
        });
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (data, length) = (data.to_vec(), data.len() as u32);
        let write = move |state: &mut State| {
            state.node(ino.0).write(offset as usize, &data);
            Ok(())
        };
        self.run(
            Op::Write,
            self.name(ino.0),
            write,
            move |wrote| match wrote {
                Ok(()) => reply.written(length),
                Err(e) => reply.error(e),
            },
        );
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn fsync(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let sync = move |state: &mut State| {
            state.node(ino.0).sync();
            Ok(())
        };
        self.run(Op::Sync, self.name(ino.0), sync, |synced| {
            reply_empty(synced, reply);
        });
    }

    fn unlink(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = text(name);
        let unlink = {
            let name = name.clone();
            move |state: &mut State| {
                find(state, &name)?;
                state.names.remove(&name);
                Ok(())
            }
        };
        self.run(Op::Unlink, name, unlink, |done| reply_empty(done, reply));
    }

    fn fsyncdir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let sync = |state: &mut State| {
            state.synced_names = state.names.clone();
            Ok(())
        };
        self.run(Op::SyncDir, String::new(), sync, |synced| {
            reply_empty(synced, reply);
        });
    }

    fn access(&self, _req: &Request, _ino: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        reply.ok();
    }
}

fn reply_empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(e),
    }
}
