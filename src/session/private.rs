//! Files and directories that are this user's alone: made so from the start, and refused when
//! somebody loosened them. Says nothing of what they hold.

use super::sys;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a private file or directory is not used. Each message says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Group or others may get at it.
    #[error("{path} is open to other users (mode {mode:04o}); close it with `chmod {wanted:o} {path}`",
        path = .path.display())]
    Loose {
        /// What is too open.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
    },
    /// It belongs to somebody else, who could change it.
    #[error("{path} belongs to another user (uid {uid}); give it to yours with `chown`, or run as that user",
        path = .path.display())]
    Foreign {
        /// What belongs to somebody else.
        path: PathBuf,
        /// The owner.
        uid: u32,
    },
    /// Larger than anything that walletfs writes there.
    #[error("{path} is too large to be walletfs's; move it away", path = .0.display())]
    TooLarge(PathBuf),
    /// The system refused.
    #[error("{path}: {why}", path = .path.display(), why = crate::told::system(.source))]
    Io {
        /// What was asked for.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl PrivateError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> PrivateError + '_ {
        move |source| PrivateError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

fn check(path: &Path, found: &Metadata, wanted: u32) -> Result<(), PrivateError> {
    if found.uid() != sys::euid() {
        return Err(PrivateError::Foreign {
            path: path.to_owned(),
            uid: found.uid(),
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateError::Loose {
            path: path.to_owned(),
            mode,
            wanted,
        });
    }
    Ok(())
}

/// Refuses a directory that others may enter or that is not this user's. `Ok(false)`: there is
/// none.
pub fn check_dir(dir: &Path) -> Result<bool, PrivateError> {
    match fs::metadata(dir) {
        Ok(found) => check(dir, &found, 0o700).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(PrivateError::io(dir)(error)),
    }
}

/// Makes the directory, and what is missing above it, with mode 0700; refuses one that is there
/// and looser.
pub fn make_dir(dir: &Path) -> Result<(), PrivateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(PrivateError::io(dir))?;
    check_dir(dir).map(|_| ())
}

/// Opens the file for reading, after a look at its owner and mode. `Ok(None)`: there is none.
pub fn open(path: &Path) -> Result<Option<File>, PrivateError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PrivateError::io(path)(error)),
    };
    let found = file.metadata().map_err(PrivateError::io(path))?;
    check(path, &found, 0o600)?;
    Ok(Some(file))
}

/// Opens the file for writing at its end, made with mode 0600 if it is missing. A regular file that
/// others may get at, or that is not this user's, is refused; a device or a pipe is as it is.
pub fn append(path: &Path) -> Result<File, PrivateError> {
    let open = || {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            // A pipe that nobody reads from is an error, not a wait.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let found = file.metadata()?;
        Ok((file, found))
    };
    let (file, found) = open().map_err(PrivateError::io(path))?;
    if found.is_file() {
        check(path, &found, 0o600)?;
    }
    Ok(file)
}

/// The whole content of a private file of at most `limit` bytes, wiped when dropped. `Ok(None)`:
/// there is none.
pub fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, PrivateError> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    // Room for everything at once, so that growing leaves no copy behind.
    let mut content = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64 + 1)
        .read_to_end(&mut content)
        .map_err(PrivateError::io(path))?;
    if content.len() > limit {
        return Err(PrivateError::TooLarge(path.to_owned()));
    }
    Ok(Some(content))
}

/// Replaces the file's content whole: a temporary file of mode 0600 beside it, synced, renamed
/// over it, and the directory synced. A crash leaves the old content or the new.
pub fn write(path: &Path, content: &[u8]) -> Result<(), PrivateError> {
    write_by(path, |file| file.write_all(content))
}

/// As [`write()`], with the content that `fill` writes to the file, which it may also read again: an
/// error of it leaves the old content.
pub fn write_by(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), PrivateError> {
    let mut name = path
        .file_name()
        .expect("callers name a file, not a directory")
        .to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, fill)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
        });
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        PrivateError::Io {
            path: path.to_owned(),
            source,
        }
    })
}

fn write_new(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // Left by a process of this id that crashed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // The umask may have taken bits from the mode at creation.
    file.set_permissions(Permissions::from_mode(0o600))?;
    fill(&mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_written_is_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path, 3).unwrap().unwrap().as_slice(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(matches!(read(&path, 2), Err(PrivateError::TooLarge(_))));
    }

    #[test]
    fn absence_is_a_value() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(&dir.path().join("file"), 9).unwrap().is_none());
        assert!(!check_dir(&dir.path().join("dir")).unwrap());
    }

    #[test]
    fn loose_files_and_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for loose in [0o640, 0o604, 0o620, 0o601] {
            write(&path, b"x").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(loose)).unwrap();
            let refusal = read(&path, 9).unwrap_err();
            assert!(refusal.to_string().contains("chmod 600"), "{refusal}");
        }
        let inner = dir.path().join("dir");
        make_dir(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
        for loose in [0o750, 0o710, 0o701] {
            fs::set_permissions(&inner, Permissions::from_mode(loose)).unwrap();
            assert!(matches!(
                check_dir(&inner),
                Err(PrivateError::Loose { wanted: 0o700, .. })
            ));
            assert!(make_dir(&inner).is_err());
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_content_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
