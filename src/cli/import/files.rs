//! Files that are imported: read into memory that is wiped, bounded, and never followed through a
//! link within a directory.

use crate::cli::exit::{Exit, Failure};
use crate::crypto::{Growing, SecretBytes};
use crate::told;
use crate::wallet::import::MOST_BYTES;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file within a directory that is larger never fits into a secret.
pub(super) const MOST_FILE: usize = 512 << 10;
/// Directories within directories.
const DEEPEST: usize = 64;
/// Entries of a tree.
const MOST_ENTRIES: usize = 1_000_000;

/// The whole of a file, or of a pipe.
pub(super) fn read(path: &Path) -> Result<SecretBytes, Failure> {
    read_at_most(path, MOST_BYTES)
}

/// The whole of a file of at most `most` bytes.
pub(super) fn read_at_most(path: &Path, most: usize) -> Result<SecretBytes, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("{}: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| failed(&told::system(&error)))?;
    let mut content = Growing::default();
    match content.read_from(file, most) {
        Ok(true) => Ok(SecretBytes::new(content.expose().to_vec())),
        Ok(false) => Err(failed(&format_args!(
            "it is larger than {} MiB: that is no export of passwords; split it if it is one",
            most >> 20
        ))),
        Err(error) => Err(failed(&told::system(&error))),
    }
}

/// What a walk found.
#[derive(Default)]
pub(super) struct Walk {
    /// Regular files, and directories without an entry, in the order of their names.
    pub(super) found: Vec<Found>,
    /// Links and special files.
    pub(super) strange: usize,
}

/// A file or an empty directory.
pub(super) struct Found {
    /// The names that lead to it from the top.
    pub(super) path: Vec<Vec<u8>>,
    pub(super) file: PathBuf,
    pub(super) is_dir: bool,
    pub(super) size: u64,
    pub(super) mtime_ns: i64,
    pub(super) mode: u32,
}

impl Found {
    /// Its content, if it is not larger than a secret can be.
    pub(super) fn read(&self) -> Result<Option<SecretBytes>, Failure> {
        let failed = |error| {
            let message = format!(
                "a file of the directory cannot be read: {}",
                told::system(&error)
            );
            Failure::new(Exit::Failed, message)
        };
        // Not through a link that took its place.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.file)
            .map_err(failed)?;
        let mut content = Growing::default();
        let whole = content.read_from(file, MOST_FILE).map_err(failed)?;
        Ok(whole.then(|| SecretBytes::new(content.expose().to_vec())))
    }
}

/// Walks a directory; `skip` says which names of it are none of its secrets.
pub(super) fn walk(top: &Path, skip: impl Fn(&[u8]) -> bool) -> Result<Walk, Failure> {
    let failed = |error: io::Error| {
        let message = format!("{}: {}", top.display(), told::system(&error));
        Failure::new(Exit::Failed, message)
    };
    let mut walk = Walk::default();
    let mut seen = 0;
    let mut left = vec![(top.to_owned(), Vec::<Vec<u8>>::new())];
    while let Some((dir, names)) = left.pop() {
        let mut empty = true;
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_vec();
            if skip(&name) {
                continue;
            }
            empty = false;
            seen += 1;
            let kind = entry.file_type().map_err(failed)?;
            let mut path = names.clone();
            path.push(name);
            if path.len() > DEEPEST || seen > MOST_ENTRIES {
                let message = format!("{} holds too much to be secrets", top.display());
                return Err(Failure::new(Exit::Failed, message));
            }
            if kind.is_dir() {
                left.push((entry.path(), path));
            } else if kind.is_file() {
                walk.found.push(found(entry.path(), path).map_err(failed)?);
            } else {
                walk.strange += 1;
            }
        }
        if empty && !names.is_empty() {
            walk.found.push(found(dir, names).map_err(failed)?);
        }
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk)
}

fn found(file: PathBuf, path: Vec<Vec<u8>>) -> io::Result<Found> {
    let known = fs::symlink_metadata(&file)?;
    let seconds = known.mtime().checked_mul(1_000_000_000);
    Ok(Found {
        path,
        file,
        is_dir: known.is_dir(),
        size: known.size(),
        mtime_ns: seconds
            .unwrap_or_default()
            .saturating_add(known.mtime_nsec()),
        mode: known.permissions().mode() & 0o700,
    })
}
