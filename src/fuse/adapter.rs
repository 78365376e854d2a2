//! [`Adapter`]: each call named, passed on, answered.

use super::convert::{attr, errno, kind, open_how, set_time};
use super::gate::Gate;
use super::opens::{Opening, Opens};
use super::pages::Pages;
use crate::fs::{Entry, Fh, Fs, Ino, Kind, Opened, SetAttr};
use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

/// Inode numbers are never given twice.
const GENERATION: Generation = Generation(0);

/// Bytes of one write. Each receiving thread's buffer keeps what was last written through it, so
/// less is better (README, "What it does not protect from"); 128 KiB is what the kernel sends by default.
const MAX_WRITE: u32 = 128 << 10;

/// Requests that the kernel sends without waiting for answers (release, readahead).
const MAX_BACKGROUND: u16 = 64;

/// What is asked of the kernel, where it has it.
const WANTED: [InitFlags; 4] = [
    // Lookups and listings of one directory at the same time.
    InitFlags::FUSE_PARALLEL_DIROPS,
    // O_TRUNC comes with the open, so that a truncation and what follows are one change.
    InitFlags::FUSE_ATOMIC_O_TRUNC,
    // Shared mappings of files that bypass the page cache.
    InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
    // Listings with attributes, always: what they cost is less than the kernel's guess whether they
    // will be asked for (FUSE_READDIRPLUS_AUTO) saves, which is wrong for all but the first entries of
    // `ls -l`, `find` and `grep -r` in a large directory.
    InitFlags::FUSE_DO_READDIRPLUS,
];

pub(super) struct Adapter {
    fs: Arc<Fs>,
    gate: Arc<dyn Gate>,
    opens: Option<Arc<dyn Opens>>,
    runtime: tokio::runtime::Handle,
    pages: Pages,
}

impl Adapter {
    pub(super) fn new(
        fs: Arc<Fs>,
        gate: Arc<dyn Gate>,
        opens: Option<Arc<dyn Opens>>,
        runtime: tokio::runtime::Handle,
        pages: Pages,
    ) -> Self {
        Adapter {
            fs,
            gate,
            opens,
            runtime,
            pages,
        }
    }

    /// Who is to be told of an open of `ino`: only secrets are written down.
    fn witness(&self, ino: Option<INodeNo>) -> Option<Arc<dyn Opens>> {
        let opens = self.opens.as_ref()?;
        let own = ino.is_some_and(|ino| !self.fs.is_secret(Ino(ino.0)));
        (!own).then(|| opens.clone())
    }

    /// The filesystem, for a call on `ino`, unless the session is locked.
    fn enter(&self, ino: INodeNo) -> Option<Arc<Fs>> {
        self.gate
            .enter(self.fs.is_secret(Ino(ino.0)))
            .then(|| self.fs.clone())
    }

    /// Answers a call: at once if nothing has to be waited for, else as a task.
    fn answer(&self, call: impl Future<Output = ()> + Send + 'static) {
        let mut call = Box::pin(call);
        let _runtime = self.runtime.enter();
        if call
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
        {
            // Being polled again, it registers the task's waker in place of none.
            self.runtime.spawn(call);
        }
    }
}

fn reply_entry(call: &'static str, fs: &Fs, result: crate::fs::FsResult<Entry>, reply: ReplyEntry) {
    match result {
        Ok(entry) => reply.entry(&entry.ttl, &attr(&entry.attr, fs.owner()), GENERATION),
        Err(e) => reply.error(errno(call, &e)),
    }
}

fn reply_empty(call: &'static str, result: crate::fs::FsResult<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(errno(call, &e)),
    }
}

/// What a file is opened for (open(2)).
fn operation(flags: i32) -> &'static str {
    match flags & libc::O_ACCMODE {
        libc::O_WRONLY => "write",
        libc::O_RDWR => "read-write",
        _ => "read",
    }
}

/// File data bypasses the page cache: a value is shown as it is now, and nothing of it stays in the
/// kernel. A reader's close has nothing to tell.
fn open_flags(opened: &Opened) -> FopenFlags {
    let flags = FopenFlags::FOPEN_DIRECT_IO;
    if opened.flush {
        flags
    } else {
        flags | FopenFlags::FOPEN_NOFLUSH
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        for wanted in WANTED {
            if config.add_capabilities(wanted).is_err() {
                tracing::debug!("the kernel has no {wanted:?}");
            }
        }
        // Neither can be refused: both are within fuser's bounds.
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(MAX_BACKGROUND);
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        let (name, tid) = (name.as_bytes().to_owned(), req.pid());
        self.answer(async move {
            let result = fs.lookup(Ino(parent.0), &name, tid).await;
            reply_entry("lookup", &fs, result, reply);
        });
    }

    fn forget(&self, _req: &Request, ino: INodeNo, nlookup: u64) {
        self.fs.forget(Ino(ino.0), nlookup);
    }

    fn getattr(&self, req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        let tid = req.pid();
        self.answer(async move {
            match fs.getattr(Ino(ino.0), tid).await {
                Ok(entry) => reply.attr(&entry.ttl, &attr(&entry.attr, fs.owner())),
                Err(e) => reply.error(errno("getattr", &e)),
            }
        });
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        let tid = req.pid();
        let set = SetAttr {
            mode,
            uid,
            gid,
            size,
            mtime: mtime.map(set_time),
        };
        self.answer(async move {
            match fs
                .setattr(Ino(ino.0), set, fh.map(|fh| Fh(fh.0)), tid)
                .await
            {
                Ok(entry) => reply.attr(&entry.ttl, &attr(&entry.attr, fs.owner())),
                Err(e) => reply.error(errno("setattr", &e)),
            }
        });
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        if mode & libc::S_IFMT != libc::S_IFREG {
            return reply.error(Errno::EPERM);
        }
        let (name, tid) = (name.as_bytes().to_owned(), req.pid());
        self.answer(async move {
            let result = fs.mknod(Ino(parent.0), &name, mode, tid).await;
            reply_entry("mknod", &fs, result, reply);
        });
    }

    fn mkdir(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        let name = name.as_bytes().to_owned();
        self.answer(async move {
            let result = fs.mkdir(Ino(parent.0), &name).await;
            reply_entry("mkdir", &fs, result, reply);
        });
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        let name = name.as_bytes().to_owned();
        self.answer(async move {
            reply_empty("unlink", fs.unlink(Ino(parent.0), &name).await, reply);
        });
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        let name = name.as_bytes().to_owned();
        self.answer(async move {
            reply_empty("rmdir", fs.rmdir(Ino(parent.0), &name).await, reply);
        });
    }

    fn symlink(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _target: &Path,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn link(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _newparent: INodeNo,
        _newname: &OsStr,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(Errno::EINVAL);
        }
        let (name, newname) = (name.as_bytes().to_owned(), newname.as_bytes().to_owned());
        let no_replace = flags.contains(RenameFlags::RENAME_NOREPLACE);
        self.answer(async move {
            let (from, to) = (Ino(parent.0), Ino(newparent.0));
            let result = fs.rename(from, &name, to, &newname, no_replace).await;
            reply_empty("rename", result, reply);
        });
    }

    fn open(&self, req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        let (how, tid, uid) = (open_how(flags.0), req.pid(), req.uid());
        let witness = self.witness(Some(ino));
        self.answer(async move {
            let opened = fs.open(Ino(ino.0), how, tid).await;
            if let (Ok(_), Some(witness)) = (&opened, witness) {
                let operation = operation(flags.0);
                let path = fs.path(Ino(ino.0));
                let opening = Opening {
                    operation,
                    path,
                    uid,
                    tid,
                };
                witness.opened(opening).await;
            }
            match opened {
                Ok(opened) => reply.opened(FileHandle(opened.fh.0), open_flags(&opened)),
                Err(e) => reply.error(errno("open", &e)),
            }
        });
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let Some(fs) = self.enter(parent) else {
            return reply.error(Errno::ENODEV);
        };
        let (name, how, tid) = (name.as_bytes().to_owned(), open_how(flags), req.pid());
        let (uid, witness) = (req.uid(), self.witness(None));
        self.answer(async move {
            let created = fs.create(Ino(parent.0), &name, mode, how, tid).await;
            if let (Ok((entry, _)), Some(witness)) = (&created, witness) {
                let opening = Opening {
                    operation: "create",
                    path: fs.path(entry.attr.ino),
                    uid,
                    tid,
                };
                witness.opened(opening).await;
            }
            match created {
                Ok((entry, opened)) => reply.created(
                    &entry.ttl,
                    &attr(&entry.attr, fs.owner()),
                    GENERATION,
                    FileHandle(opened.fh.0),
                    open_flags(&opened),
                ),
                Err(e) => reply.error(errno("create", &e)),
            }
        });
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        // A read(2) names its lock owner; one that fills the page cache does not (fs/fuse/file.c).
        let mapped = lock_owner.is_none();
        match fs.read(Fh(fh.0), offset, size as usize, mapped) {
            Ok(slice) => reply.data(slice.bytes()),
            Err(e) => reply.error(errno("read", &e)),
        }
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        let written = if write_flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
            fs.write_mapped(Fh(fh.0), offset, data)
        } else {
            fs.write(Fh(fh.0), offset, data)
        };
        match written {
            // No more than MAX_WRITE bytes come at once.
            Ok(written) => reply.written(written as u32),
            Err(e) => reply.error(errno("write", &e)),
        }
    }

    fn flush(
        &self,
        req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        let tid = req.pid();
        self.answer(async move {
            reply_empty("close", fs.flush(Fh(fh.0), tid).await, reply);
        });
    }

    fn release(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        // Not by the gate: it gives nothing away, and a lock that is taken back must find no handle
        // that nobody holds.
        let fs = self.fs.clone();
        let pages = self.pages.clone();
        self.answer(async move {
            let result = fs.release(Fh(fh.0)).await;
            if result.as_ref().is_ok_and(|released| released.forget_pages) {
                pages.drop_pages(Ino(ino.0));
            }
            reply_empty("release", result.map(|_| ()), reply);
        });
    }

    fn fsync(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        self.answer(async move {
            reply_empty("fsync", fs.fsync(Fh(fh.0)).await, reply);
        });
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        match fs.opendir(Ino(ino.0)) {
            Ok(fh) => reply.opened(FileHandle(fh.0), FopenFlags::empty()),
            Err(e) => reply.error(errno("opendir", &e)),
        }
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        self.answer(async move {
            let mut add = |entry: &crate::fs::DirEntry<'_>| {
                !reply.add(
                    INodeNo(entry.ino.0),
                    entry.next,
                    kind(entry.kind),
                    entry.name,
                )
            };
            match fs.readdir(Fh(fh.0), offset, false, &mut add).await {
                Ok(()) => reply.ok(),
                Err(e) => reply.error(errno("readdir", &e)),
            }
        });
    }

    fn readdirplus(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let Some(fs) = self.enter(ino) else {
            return reply.error(Errno::ENODEV);
        };
        self.answer(async move {
            let owner = fs.owner();
            let mut add = |entry: &crate::fs::DirEntry<'_>| {
                // The kernel looks at no more than the number and kind of `.` and `..`.
                let (shown, ttl) = match &entry.entry {
                    Some(known) => (known.attr, known.ttl),
                    None => (
                        crate::fs::Attr::bare(entry.ino, Kind::Directory),
                        Duration::ZERO,
                    ),
                };
                let shown = attr(&shown, owner);
                !reply.add(shown.ino, entry.next, entry.name, &ttl, &shown, GENERATION)
            };
            match fs.readdir(Fh(fh.0), offset, true, &mut add).await {
                Ok(()) => reply.ok(),
                Err(e) => reply.error(errno("readdirplus", &e)),
            }
        });
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.releasedir(Fh(fh.0));
        reply.ok();
    }

    /// What a directory holds is stored when it is made.
    fn fsyncdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        match self.enter(ino) {
            Some(_) => reply.ok(),
            None => reply.error(Errno::ENODEV),
        }
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        if !self.gate.enter(false) {
            return reply.error(Errno::ENODEV);
        }
        let s = self.fs.statfs();
        let files = s.blocks;
        reply.statfs(
            s.blocks, s.blocks, s.blocks, files, files, s.block, s.name_max, s.block,
        );
    }

    /// No extended attributes: with ENOSYS the kernel answers ENOTSUP by itself from then on.
    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn setxattr(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _name: &OsStr,
        _value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn removexattr(&self, _req: &Request, _ino: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    /// SEEK_DATA and SEEK_HOLE: with ENOSYS the kernel takes files as without holes.
    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        reply.error(Errno::ENOSYS);
    }

    /// Nothing to reserve: with ENOSYS the kernel answers EOPNOTSUPP, and programs write instead.
    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        _length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    /// With ENOSYS the kernel copies by reading and writing.
    fn copy_file_range(
        &self,
        _req: &Request,
        _ino_in: INodeNo,
        _fh_in: FileHandle,
        _offset_in: u64,
        _ino_out: INodeNo,
        _fh_out: FileHandle,
        _offset_out: u64,
        _len: u64,
        _flags: fuser::CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: fuser::IoctlFlags,
        _cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    /// With ENOSYS the kernel takes files as always ready.
    fn poll(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _ph: fuser::PollNotifier,
        _events: fuser::PollEvents,
        _flags: fuser::PollFlags,
        reply: fuser::ReplyPoll,
    ) {
        reply.error(Errno::ENOSYS);
    }
}
