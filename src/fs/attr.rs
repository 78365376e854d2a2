//! [`Attr`]: what `stat` shows, and the rules behind it.

use super::inode::Ino;
use crate::wallet::{FieldMeta, Secret};
use std::time::Duration;

/// Kinds of files that a mount has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
}

/// What `stat` shows of a file or directory, apart from the owner, who is the same for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    /// Inode number.
    pub ino: Ino,
    /// Kind.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, ns since 1970; access and change times are shown as the same.
    pub mtime_ns: i64,
    /// Permission bits.
    pub mode: u32,
    /// Links: 0 for a file that was removed while open; directories count their subdirectories.
    pub links: u32,
}

impl Attr {
    /// What is known of `.` and `..` in a listing.
    pub fn bare(ino: Ino, kind: Kind) -> Self {
        Attr {
            ino,
            kind,
            size: 0,
            mtime_ns: 0,
            mode: DIRECTORY_MODE,
            links: 1,
        }
    }
}

/// The permission bits that are kept: the owner's.
pub(super) const OWNER: u32 = 0o700;

/// Bits of every directory.
const DIRECTORY_MODE: u32 = 0o700;

/// A reply that the kernel may keep for `ttl`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What `stat` shows.
    pub attr: Attr,
    /// How long the kernel may believe name and attributes.
    pub ttl: Duration,
}

pub(super) fn directory(ino: Ino, subdirectories: usize, mtime_ns: i64) -> Attr {
    Attr {
        ino,
        kind: Kind::Directory,
        size: 0,
        mtime_ns,
        mode: DIRECTORY_MODE,
        links: u32::try_from(subdirectories)
            .unwrap_or(u32::MAX)
            .saturating_add(2),
    }
}

pub(super) fn file(ino: Ino, size: u64, mtime_ns: i64, mode: u32, linked: bool) -> Attr {
    Attr {
        ino,
        kind: Kind::File,
        size,
        mtime_ns,
        mode,
        links: u32::from(linked),
    }
}

pub(super) fn field(ino: Ino, meta: &FieldMeta) -> Attr {
    file(ino, meta.size, meta.mtime_ns, meta.mode, true)
}

/// The time of a secret's directory: the latest of what it holds.
pub(super) fn secret_mtime_ns(secret: &Secret) -> i64 {
    let fields = secret.meta.fields.values().map(|field| field.mtime_ns);
    fields.max().unwrap_or(secret.meta.created_ns)
}
