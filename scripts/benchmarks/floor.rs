//! The floor: the least that a filesystem on the same fuser can do. One constant file, the same
//! mount options, the same flags, as many threads; no names, no gate, no keys.

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, Request,
};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What the file holds: as long as the secret that it is compared with.
pub(crate) const CONTENT: &[u8] = b"xy67Gh!8 and a few more words, as a password would be";

const TTL: Duration = Duration::from_secs(1);
const FILE: INodeNo = INodeNo(2);

struct Floor {
    owner: (u32, u32),
}

/// Serves the floor on `dir`, says `ready`, and ends with its mount.
pub(crate) fn serve(dir: &Path) -> crate::BenchResult {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("floor".into()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
    ];
    config.n_threads = Some(walletfs::fuse::threads());
    let owner = crate::mounts::owner_of(dir)?;
    let session = fuser::Session::new(Floor { owner }, dir, &config)?;
    println!("ready");
    std::io::stdout().flush()?;
    session.run()?;
    Ok(())
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
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _req: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == "file" {
            reply.entry(&TTL, &self.attr(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
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
