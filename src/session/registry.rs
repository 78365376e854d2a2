//! Which mounts there are: in the runtime directory, for each a record and the socket on which its
//! process listens. A record whose socket nobody listens on is stale and is removed.

use super::private::{self, PrivateError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What is known of a mount without asking its process.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The process that serves it.
    pub pid: u32,
    /// Where it is mounted, for people: bytes that are not UTF-8 are replaced.
    pub mountpoint: String,
    /// The wallet's name.
    pub wallet: String,
    /// The configuration file that it was mounted by: with the name, this tells the wallet.
    pub config: String,
    /// The socket's file name in the runtime directory.
    pub socket: String,
}

/// Largest record that is read.
const RECORD_BYTES: usize = 64 << 10;

/// The names of a mount's record and socket follow from where it is mounted. A Unix socket's path
/// has room for 107 bytes, so the name is short.
fn stem(mountpoint: &Path) -> String {
    let digest = Sha256::digest(mountpoint.as_os_str().as_bytes());
    digest[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// The runtime directory, held open.
struct Place {
    dir: File,
    path: PathBuf,
}

impl Place {
    /// `Ok(None)`: there is no such directory, so nothing is mounted.
    fn open(path: &Path) -> Result<Option<Place>, PrivateError> {
        if !private::check_dir(path)? {
            return Ok(None);
        }
        let dir = File::open(path).map_err(|source| PrivateError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Some(Place {
            dir,
            path: path.to_owned(),
        }))
    }

    /// Nobody publishes or removes while the guard lives (flock(2) on the directory).
    fn lock(&self) -> io::Result<Locked<'_>> {
        self.dir.lock()?;
        Ok(Locked(&self.dir))
    }

    /// A path of the socket that is short enough whatever the directory is called.
    fn socket(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.dir.as_raw_fd()).into()
    }

    /// `Ok(None)`: nobody listens.
    fn connect(&self, socket: &str) -> io::Result<Option<UnixStream>> {
        match UnixStream::connect(self.socket(socket)) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn remove(&self, stem: &str) {
        for name in [format!("{stem}.json"), format!("{stem}.sock")] {
            if let Err(error) = fs::remove_file(self.path.join(name))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("a stale record stays: {error}");
            }
        }
    }
}

struct Locked<'a>(&'a File);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Closing the directory gives the lock back in any case.
        let _ = self.0.unlock();
    }
}

/// A published mount: its record and its socket's file are removed when this is dropped.
pub struct Published {
    place: Place,
    stem: String,
}

impl Drop for Published {
    fn drop(&mut self) {
        let locked = self.place.lock();
        self.place.remove(&self.stem);
        drop(locked);
    }
}

/// Makes this process's mount known: binds the socket and writes the record. `dir` is made if it is
/// missing.
pub fn publish(
    dir: &Path,
    mountpoint: &Path,
    wallet: &str,
    config: &Path,
) -> Result<(UnixListener, Published), PrivateError> {
    private::make_dir(dir)?;
    let place = Place::open(dir)?.expect("it has just been made");
    let stem = stem(mountpoint);
    let record = Record {
        pid: std::process::id(),
        mountpoint: mountpoint.display().to_string(),
        wallet: wallet.to_owned(),
        config: config.display().to_string(),
        socket: format!("{stem}.sock"),
    };
    let listen = || {
        let locked = place.lock()?;
        place.remove(&stem);
        let listener = UnixListener::bind(place.socket(&record.socket))?;
        // The directory is 0700, so nobody else gets at it in between.
        fs::set_permissions(dir.join(&record.socket), Permissions::from_mode(0o600))?;
        drop(locked);
        Ok(listener)
    };
    let listener = listen().map_err(|source| PrivateError::Io {
        path: dir.join(&record.socket),
        source,
    })?;
    let text = serde_json::to_vec(&record).expect("strings and a number are JSON");
    private::write(&dir.join(format!("{stem}.json")), &text)?;
    Ok((listener, Published { place, stem }))
}

/// A mount whose process answers.
pub struct Live {
    /// What its record says.
    pub record: Record,
    /// A connection to its process.
    pub stream: UnixStream,
}

/// Every mount whose process lives, by mount point. Stale records are removed on the way.
pub fn list(dir: &Path) -> Result<Vec<Live>, PrivateError> {
    let Some(place) = Place::open(dir)? else {
        return Ok(Vec::new());
    };
    let failed = |source| PrivateError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut live = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        live.extend(find_in(&place, stem)?);
    }
    live.sort_by(|a, b| a.record.mountpoint.cmp(&b.record.mountpoint));
    Ok(live)
}

/// The mount on this directory (without links), if its process lives.
pub fn find(dir: &Path, mountpoint: &Path) -> Result<Option<Live>, PrivateError> {
    match Place::open(dir)? {
        Some(place) => find_in(&place, &stem(mountpoint)),
        None => Ok(None),
    }
}

fn find_in(place: &Place, stem: &str) -> Result<Option<Live>, PrivateError> {
    let path = place.path.join(format!("{stem}.json"));
    let failed = |source| PrivateError::Io {
        path: path.clone(),
        source,
    };
    let Some(text) = private::read(&path, RECORD_BYTES)? else {
        return Ok(None);
    };
    let socket = format!("{stem}.sock");
    if let Some(stream) = place.connect(&socket).map_err(failed)?
        && let Ok(record) = serde_json::from_slice(&text)
    {
        return Ok(Some(Live { record, stream }));
    }
    // Once more when nobody publishes: it may have come to life in between.
    let locked = place.lock().map_err(failed)?;
    if place.connect(&socket).map_err(failed)?.is_none() {
        place.remove(stem);
    }
    drop(locked);
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const WALLET: &str = "default";

    fn publish_at(dir: &Path, mountpoint: &str) -> (UnixListener, Published) {
        publish(
            dir,
            Path::new(mountpoint),
            WALLET,
            Path::new("/c/default.json"),
        )
        .unwrap()
    }

    #[test]
    fn a_published_mount_is_found_until_it_is_dropped() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("run");
        assert!(list(&dir).unwrap().is_empty());
        let (_b, _keep) = publish_at(&dir, "/b");
        let (_a, published) = publish_at(&dir, "/a");
        let found: Vec<_> = list(&dir).unwrap().into_iter().map(|l| l.record).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].mountpoint, "/a");
        assert_eq!(found[0].pid, std::process::id());
        assert_eq!(found[1].mountpoint, "/b");
        assert!(find(&dir, Path::new("/a")).unwrap().is_some());
        assert!(find(&dir, Path::new("/c")).unwrap().is_none());
        drop(published);
        assert!(find(&dir, Path::new("/a")).unwrap().is_none());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "those of /b");
    }

    #[test]
    fn only_this_user_gets_at_the_socket() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("run");
        let (_listener, published) = publish_at(&dir, "/a");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for end in ["sock", "json"] {
            assert_eq!(mode(&dir.join(format!("{}.{end}", published.stem))), 0o600);
        }
    }

    #[test]
    fn a_stale_record_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("run");
        let (listener, published) = publish_at(&dir, "/a");
        // As after a kill: the socket is closed, the files stay.
        drop(listener);
        std::mem::forget(published);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        assert!(list(&dir).unwrap().is_empty());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn a_mount_takes_the_place_of_a_dead_one() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("run");
        let (listener, published) = publish_at(&dir, "/a");
        drop(listener);
        std::mem::forget(published);
        let (_listener, _published) = publish_at(&dir, "/a");
        assert_eq!(list(&dir).unwrap().len(), 1);
    }

    #[test]
    fn a_long_runtime_directory_does_no_harm() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a".repeat(200)).join("b".repeat(200));
        let (_listener, _published) = publish_at(&dir, "/a");
        assert_eq!(list(&dir).unwrap().len(), 1);
    }
}
