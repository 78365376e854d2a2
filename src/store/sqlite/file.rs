//! The file itself: which one it is, and making it readable by its owner only. Knows no SQL.

use crate::store::StoreError;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Which file a path names: another one may take its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// The file at `path`, or the error that says why there is none.
pub(super) fn identity(path: &Path) -> Result<Identity, StoreError> {
    let found = fs::metadata(path).map_err(|error| explain(path, &error))?;
    if !found.is_file() {
        return Err(StoreError::Failed(format!(
            "{} is not a file: name another one for the wallet",
            path.display()
        )));
    }
    Ok(Identity {
        device: found.dev(),
        inode: found.ino(),
    })
}

/// Makes an empty file of mode 0600 unless there is one, and the directories above it, of mode
/// 0700, unless there are. Modes are set by hand, since the umask may take too little or too much.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        create_directory(directory).map_err(|error| explain(directory, &error))?;
    }
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)));
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => identity(path).map(drop),
        Err(error) => Err(explain(path, &error)),
    }
}

fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700)),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The error for a wallet file that is not there, or that holds nothing yet.
pub(super) fn missing(path: &Path) -> StoreError {
    StoreError::Missing(format!(
        "there is no wallet file {}: put a copy in its place, or make one with `walletfs init`",
        path.display()
    ))
}

/// The error for a failed call on the file or on a directory above it.
pub(super) fn explain(path: &Path, error: &io::Error) -> StoreError {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound if path.is_symlink() => StoreError::Failed(format!(
            "{shown} is a symbolic link to a file that is not there: mend the link, or name \
             another file"
        )),
        ErrorKind::NotFound => missing(path),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            StoreError::Denied(format!("{shown}: {}", crate::told::system(error)))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(shown.to_string()),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => StoreError::Failed(format!(
            "{shown}: a part of its path is not a directory: see that it is right"
        )),
        _ => StoreError::Unreachable(format!("{shown}: {}", crate::told::system(error))),
    }
}
