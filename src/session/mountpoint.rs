//! The directory that a wallet is mounted on: made, checked, cleared of a dead mount, and kept
//! unwritable below the mount, so that a script that runs on after the lock fails with EACCES
//! instead of writing secrets in clear to the disk.

use super::{mountinfo, sys};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The mode of the directory whenever walletfs is not just mounting on it.
const CLOSED: u32 = 0o500;
/// Its mode while mounting: fusermount3 asks for write permission.
const OPEN: u32 = 0o700;

/// Longest wait for `fusermount3`, which does nothing that takes time.
const HELPER_TIME: Duration = Duration::from_secs(5);

/// The table of mounts that fusermount3 reads.
const TABLE: &str = "/etc/mtab";

/// Why nothing can be mounted on a directory. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MountpointError {
    /// A wallet is mounted there.
    #[error("{0} has a wallet mounted already; unmount it with `walletfs unmount {0}`")]
    Mounted(String),
    /// Something else is mounted there.
    #[error("{0} is in use: a filesystem of type {1} is mounted there; choose another directory")]
    InUse(String, String),
    /// Another walletfs is about to mount there.
    #[error("{0} is being mounted by another walletfs at this moment; try again")]
    Contended(String),
    /// There are files in it, which the mount would hide.
    #[error("{0} is not empty; choose an empty or a new directory")]
    NotEmpty(String),
    /// A file, or something else that is no directory.
    #[error("{0} is not a directory; choose an empty or a new directory")]
    NotADirectory(String),
    /// The mode of somebody else's directory cannot be changed.
    #[error("{0} is not yours, so its mode cannot be changed; choose a directory of your own")]
    NotYours(String),
    /// Nothing of ours is mounted there.
    #[error("no wallet is mounted on {0}; `walletfs status` shows what is mounted")]
    NotMounted(String),
    /// The system refused.
    #[error("{0}: {why}", why = crate::told::system(.1))]
    Io(String, #[source] io::Error),
}

impl MountpointError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> MountpointError + '_ {
        move |error| MountpointError::Io(path.display().to_string(), error)
    }
}

/// The path without links, `.` and `..`, also when a dead mount lies on it or its last part is
/// missing.
pub fn resolve(dir: &Path) -> Result<PathBuf, MountpointError> {
    let whole = match fs::canonicalize(dir) {
        Ok(whole) => return Ok(whole),
        Err(error) if error.kind() == io::ErrorKind::NotFound || is_dead(&error) => error,
        Err(error) => return Err(MountpointError::io(dir)(error)),
    };
    let (Some(name), Some(parent)) = (dir.file_name(), dir.parent()) else {
        return Err(MountpointError::io(dir)(whole));
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let parent = fs::canonicalize(parent).map_err(MountpointError::io(parent))?;
    Ok(parent.join(name))
}

/// What every access to a mount says whose process has died: ENOTCONN, or ECONNABORTED after an
/// abort through `/sys/fs/fuse`.
fn is_dead(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOTCONN | libc::ECONNABORTED)
    )
}

/// Whether the process of the mount on `path` has died. Opened rather than looked at: the kernel may
/// have its attributes from before.
fn lies_dead(path: &Path) -> bool {
    File::open(path).is_err_and(|error| is_dead(&error))
}

/// Makes the directory if it is missing (mode 0500; what is missing above it, 0700), clears a
/// wallet's dead mount off it, and refuses one that is in use or not empty. Gives its path without
/// links.
pub fn prepare(dir: &Path) -> Result<PathBuf, MountpointError> {
    make(dir)?;
    let path = resolve(dir)?;
    let shown = || path.display().to_string();
    while let Some(entry) = mountinfo::at(&path).map_err(MountpointError::io(&path))? {
        if !entry.is_ours() {
            return Err(MountpointError::InUse(shown(), entry.kind));
        }
        if !lies_dead(&path) {
            return Err(MountpointError::Mounted(shown()));
        }
        tracing::warn!("clearing a dead mount left on {}", path.display());
        unmount(&path, true).map_err(MountpointError::io(&path))?;
    }
    let found = fs::metadata(&path).map_err(MountpointError::io(&path))?;
    if !found.is_dir() {
        return Err(MountpointError::NotADirectory(shown()));
    }
    let mut entries = fs::read_dir(&path).map_err(MountpointError::io(&path))?;
    if entries.next().is_some() {
        return Err(MountpointError::NotEmpty(shown()));
    }
    Ok(path)
}

fn make(dir: &Path) -> Result<(), MountpointError> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Whatever else is the matter is said by the steps that follow.
        _ => return Ok(()),
    }
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(MountpointError::io(parent))?;
    }
    match DirBuilder::new().mode(CLOSED).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(MountpointError::io(dir)(error))
        }
        _ => Ok(()),
    }
}

/// A directory that is ours to mount on: no other walletfs mounts there at the same time. Its mode
/// is 0700 until it is closed, then 0500; one that was not mounted on gets its own mode again.
pub struct Claim {
    path: PathBuf,
    /// The directory itself, also once it lies below the mount.
    below: File,
    /// Its mode before.
    found: Permissions,
    closed: bool,
}

impl Claim {
    /// Prepares the directory (see [`prepare`]) and opens it up for mounting.
    pub fn new(dir: &Path) -> Result<Claim, MountpointError> {
        let path = prepare(dir)?;
        let below = File::open(&path).map_err(MountpointError::io(&path))?;
        match below.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(MountpointError::Contended(path.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(MountpointError::io(&path)(error)),
        }
        // Another one may have mounted between the look and the lock.
        prepare(&path)?;
        let found = below.metadata().map_err(MountpointError::io(&path))?;
        let found = found.permissions();
        below
            .set_permissions(Permissions::from_mode(OPEN))
            .map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    MountpointError::NotYours(path.display().to_string())
                }
                _ => MountpointError::io(&path)(error),
            })?;
        Ok(Claim {
            path,
            below,
            found,
            closed: false,
        })
    }

    /// The directory, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the directory below the mount. `false`: its filesystem did not take the mode, so a
    /// program could write into it once the wallet is locked.
    pub fn close(mut self) -> bool {
        self.closed = true;
        self.shut().is_ok_and(|mode| mode & 0o777 == CLOSED)
    }

    fn shut(&self) -> io::Result<u32> {
        self.below.set_permissions(Permissions::from_mode(CLOSED))?;
        Ok(self.below.metadata()?.permissions().mode())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // On the way out of a failed mount.
        if !self.closed {
            let _ = self.below.set_permissions(self.found.clone());
        }
    }
}

/// Unmounts what is mounted on `path`: by the system call where this process may, else by
/// `fusermount3`. `lazily` also when something holds it. Takes at most some seconds.
pub fn unmount(path: &Path, lazily: bool) -> io::Result<()> {
    match sys::unmount(path, lazily) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        done => return done,
    }
    let mut command = Command::new("fusermount3");
    command
        .arg("-u")
        .args(lazily.then_some("-z"))
        .arg("--")
        .arg(path);
    let mut helper = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            io::Error::other(format!(
                "fusermount3 cannot be run: {}",
                crate::told::system(&error)
            ))
        })?;
    let end = Instant::now() + HELPER_TIME;
    let status = loop {
        if let Some(status) = helper.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            // It is set-uid root, so it may not be ours to end; then it is left to itself.
            let _ = helper.kill();
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    match status.success() {
        true => Ok(()),
        // It looks up there who mounted, if it was built to: a system that was not started, such as
        // a bare root for chroot, may have none.
        false if !Path::new(TABLE).exists() => Err(io::Error::other(format!(
            "fusermount3 unmounts nothing without {TABLE}, which this system lacks: as root, run \
             `ln -s ../proc/self/mounts {TABLE}`"
        ))),
        // Nothing holds off a lazy one.
        false if lazily => Err(io::Error::other(format!(
            "fusermount3 refuses: see why by `fusermount3 -u -z {}`",
            path.display()
        ))),
        // Its only ordinary failure.
        false => Err(io::ErrorKind::ResourceBusy.into()),
    }
}

/// Takes a mount of ours off `path` whose process has died or cannot be spoken to.
pub fn clear(path: &Path) -> Result<(), MountpointError> {
    let entry = mountinfo::at(path).map_err(MountpointError::io(path))?;
    match entry {
        Some(entry) if entry.is_ours() => unmount(path, true).map_err(MountpointError::io(path)),
        _ => Err(MountpointError::NotMounted(path.display().to_string())),
    }
}

/// Takes off `path` what a session that has ended could not: nothing, as a rule. A mount that lives
/// is another session's by now.
pub fn clear_left(path: &Path) -> io::Result<()> {
    match mountinfo::at(path)? {
        Some(entry) if entry.is_ours() && lies_dead(path) => unmount(path, true),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_missing_directory_is_made_closed_and_open_only_while_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("a/b/wallet");
        assert_eq!(
            prepare(&wanted).unwrap(),
            fs::canonicalize(&wanted).unwrap()
        );
        assert_eq!(mode(&wanted), 0o500);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        let claim = Claim::new(&wanted).unwrap();
        assert_eq!(mode(&wanted), 0o700);
        assert!(claim.close());
        assert_eq!(mode(&wanted), 0o500);
        for found in [0o500, 0o750, 0o700] {
            fs::set_permissions(&wanted, Permissions::from_mode(found)).unwrap();
            let claim = Claim::new(&wanted).unwrap();
            assert_eq!(mode(&wanted), 0o700);
            drop(claim);
            assert_eq!(mode(&wanted), found, "not mounted on: as it was");
        }
    }

    #[test]
    fn one_claim_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("wallet");
        let claim = Claim::new(&wanted).unwrap();
        assert!(matches!(
            Claim::new(&wanted),
            Err(MountpointError::Contended(_))
        ));
        assert_eq!(mode(&wanted), 0o700, "the first one still mounts");
        drop(claim);
        Claim::new(&wanted).unwrap();
    }

    #[test]
    fn what_cannot_be_mounted_on_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            prepare(&file),
            Err(MountpointError::NotADirectory(_))
        ));
        assert!(matches!(
            prepare(dir.path()),
            Err(MountpointError::NotEmpty(_))
        ));
        assert!(matches!(
            prepare(Path::new("/proc")),
            Err(MountpointError::InUse(_, kind)) if kind == "proc"
        ));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
        assert!(prepare(&link).is_err());
    }

    #[test]
    fn paths_are_resolved_up_to_a_missing_last_part() {
        let dir = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(dir.path()).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(resolve(&link).unwrap(), real);
        assert_eq!(resolve(&link.join("new")).unwrap(), real.join("new"));
        assert!(resolve(&link.join("new/newer")).is_err());
    }

    #[test]
    fn only_a_mount_of_ours_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            clear(dir.path()),
            Err(MountpointError::NotMounted(_))
        ));
        assert!(matches!(
            clear(Path::new("/proc")),
            Err(MountpointError::NotMounted(_))
        ));
        assert!(mountinfo::at(Path::new("/proc")).unwrap().is_some());
    }
}
