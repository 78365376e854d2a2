//! The floor: the least that a filesystem on the same fuser can do. One constant file at the path of
//! the secret that it is compared with, the same mount options, the same flags, as many threads; no
//! store, no gate, no keys.

use crate::Trouble;
use crate::tree::{CONTENT, SECRET};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, Request,
};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

const TTL: Duration = Duration::from_secs(1);

/// The file's inode: the root is 1, and each step of the path one more.
const FILE: INodeNo = INodeNo(4);

struct Floor {
    owner: (u32, u32),
}

/// Serves the floor on `dir`, says `ready`, and ends with its mount.
pub(crate) fn serve(dir: &Path) -> Result<(), Trouble> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("floor".into()),
        MountOption::CUSTOM("subtype=floor".into()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
    ];
    config.n_threads = Some(walletfs::fuse::threads());
    let owner = owner_of(dir)?;
    let session = fuser::Session::new(Floor { owner }, dir, &config)?;
    session.run()?;
    Ok(())
}

/// Owner and group of a directory.
fn owner_of(dir: &Path) -> std::io::Result<(u32, u32)> {
    let metadata = fs::metadata(dir)?;
    Ok((metadata.uid(), metadata.gid()))
}

impl Floor {
    fn attr(&self, ino: INodeNo) -> FileAttr {
        let directory = ino != FILE;
        let time = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino,
            size: if directory { 0 } else { CONTENT.len() as u64 },
            blocks: 1,
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if directory {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: if directory { 0o700 } else { 0o600 },
            nlink: 1,
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Floor {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        for wanted in [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
            InitFlags::FUSE_DO_READDIRPLUS,
        ] {
            let _ = config.add_capabilities(wanted);
        }
        let _ = config.set_max_write(128 << 10);
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match SECRET.split('/').zip(1..).find(|(_, at)| *at == parent.0) {
            Some((step, at)) if name == step => {
                reply.entry(&TTL, &self.attr(INodeNo(at + 1)), Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attr(ino));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH;
        reply.opened(FileHandle(1), flags);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        _size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        reply.data(&CONTENT[CONTENT.len().min(offset as usize)..]);
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }
}
