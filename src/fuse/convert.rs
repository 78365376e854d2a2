//! fuser's types from and to the filesystem's.

use crate::fs::{Attr, Errno, FsError, Kind, OpenHow, SetTime};
use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use std::time::{Duration, SystemTime};

/// The number of an errno, and a line in the log unless the error is an ordinary one.
pub(super) fn errno(call: &'static str, e: &FsError) -> fuser::Errno {
    if e.is_ordinary() {
        tracing::debug!("{call}: {e}");
    } else {
        tracing::warn!("{call}: {e}");
    }
    fuser::Errno::from_i32(match e.errno {
        Errno::EACCES => libc::EACCES,
        Errno::EBADF => libc::EBADF,
        Errno::EBUSY => libc::EBUSY,
        Errno::EEXIST => libc::EEXIST,
        Errno::EFBIG => libc::EFBIG,
        Errno::EILSEQ => libc::EILSEQ,
        Errno::EINVAL => libc::EINVAL,
        Errno::EIO => libc::EIO,
        Errno::EISDIR => libc::EISDIR,
        Errno::ENAMETOOLONG => libc::ENAMETOOLONG,
        Errno::ENETUNREACH => libc::ENETUNREACH,
        Errno::ENODEV => libc::ENODEV,
        Errno::ENOENT => libc::ENOENT,
        Errno::ENOSPC => libc::ENOSPC,
        Errno::ENOTDIR => libc::ENOTDIR,
        Errno::ENOTEMPTY => libc::ENOTEMPTY,
        Errno::EPERM => libc::EPERM,
        Errno::EROFS => libc::EROFS,
        Errno::ESTALE => libc::ESTALE,
        Errno::ETIMEDOUT => libc::ETIMEDOUT,
        Errno::EXDEV => libc::EXDEV,
    })
}

/// `stat`'s numbers, with the one owner of everything.
pub(super) fn attr(attr: &Attr, (uid, gid): (u32, u32)) -> FileAttr {
    let time = time(attr.mtime_ns);
    FileAttr {
        ino: INodeNo(attr.ino.0),
        size: attr.size,
        blocks: attr.size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: kind(attr.kind),
        perm: attr.mode as u16,
        nlink: attr.links,
        uid,
        gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

pub(super) fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::File => FileType::RegularFile,
    }
}

/// How a file is opened (open(2)). In a FUSE open the kernel has dealt with O_CREAT and O_EXCL
/// already.
pub(super) fn open_how(flags: i32) -> OpenHow {
    OpenHow {
        write: flags & libc::O_ACCMODE != libc::O_RDONLY,
        append: flags & libc::O_APPEND != 0,
        truncate: flags & libc::O_TRUNC != 0,
        exclusive: flags & libc::O_EXCL != 0,
    }
}

pub(super) fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(at) => {
            SetTime::At(match at.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
                Err(e) => before_1970(e.duration()),
            })
        }
    }
}

/// Nanoseconds since 1970 of a time that the kernel gave as whole seconds before 1970 and the
/// nanoseconds after them, both of which fuser 0.18 counts backwards (`system_time_from_time`).
fn before_1970(counted: Duration) -> i64 {
    let seconds = i128::from(counted.as_secs()) * 1_000_000_000;
    let ns = i128::from(counted.subsec_nanos()) - seconds;
    i64::try_from(ns).unwrap_or(i64::MIN)
}

fn time(ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 {
        SystemTime::UNIX_EPOCH - distance
    } else {
        SystemTime::UNIX_EPOCH + distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fuser 0.18 makes of the kernel's seconds and nanoseconds.
    fn given(ns: i64) -> SystemTime {
        let (seconds, after) = (
            ns.div_euclid(1_000_000_000),
            ns.rem_euclid(1_000_000_000) as u32,
        );
        let distance = Duration::new(seconds.unsigned_abs(), after);
        if seconds < 0 {
            SystemTime::UNIX_EPOCH - distance
        } else {
            SystemTime::UNIX_EPOCH + distance
        }
    }

    #[test]
    fn times_before_and_after_1970_are_kept() {
        for ns in [
            0,
            1,
            -1,
            -999_999_999,
            -1_000_000_000,
            -1_000_000_001,
            -1_250_000_000,
            1_700_000_000_123_456_789,
            i64::MAX,
            i64::MIN,
        ] {
            let set = set_time(TimeOrNow::SpecificTime(given(ns)));
            assert_eq!(set, SetTime::At(ns));
        }
    }

    #[test]
    fn times_too_far_away_are_the_last_that_can_be_kept() {
        let far = Duration::from_secs(1 << 62);
        for (at, kept) in [
            (SystemTime::UNIX_EPOCH + far, i64::MAX),
            (SystemTime::UNIX_EPOCH - far, i64::MIN),
        ] {
            let set = set_time(TimeOrNow::SpecificTime(at));
            assert_eq!(set, SetTime::At(kept));
        }
    }
}
