//! [`Seen`]: the newest head that this device has seen, kept in `<state>/<wallet>.seen`, so that a
//! store cannot show an older history than the one it has shown before.
//!
//! The record is raised, never lowered, under a lock that all processes of the device take. It is made
//! by an atomic rename and raised in its place, by one write within one sector: a kill leaves the old
//! or the new, and so does a power cut. It is not waited for until the disk has it ([`Seen::sync`]), as
//! a commit is not acknowledged by it: what a power cut can take is that some heads of the last second
//! (of a process that ended within it: of the time until the system writes files by itself) were seen. It knows nothing of stores: that the head it is given authenticates is the caller's
//! word.

use super::WalletError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time to wait for another process that holds the record: it needs it for the length of a
/// few writes to the disk.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Largest record that is read, in bytes.
const MAX_RECORD: u64 = 4096;

/// Bytes of a record: one sector, which a disk writes as a whole or not at all. What is said takes less
/// than 300, and blanks follow.
const RECORD: usize = 512;

/// A head, as the record keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The wallet that the head is of.
    pub wallet_id: [u8; 16],
    /// Its generation.
    pub generation: u64,
    /// SHA-256 of the head: of its meta's length as u32, its meta, its data's length, its data.
    pub hash: [u8; 32],
    /// When it was committed, by the clock of the device that did: nanoseconds since 1970.
    pub committed_ns: u64,
}

/// A head that contradicts the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// The newest head that this device has seen.
    pub seen: Sighting,
    /// The head that the store shows now.
    pub found: Sighting,
}

/// Says which, without dates: whoever asks the person says them in local time.
impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seen, found) = (&self.seen, &self.found);
        if seen.wallet_id != found.wallet_id {
            write!(
                f,
                "the store shows another wallet under this name (generation {}) than this device \
                 has seen (generation {})",
                found.generation, seen.generation
            )?;
        } else if seen.generation == found.generation {
            write!(
                f,
                "the store shows a second history of the wallet: generation {} is not the one that \
                 this device has seen",
                found.generation
            )?;
        } else {
            write!(
                f,
                "the store was rolled back: it shows generation {} of the wallet, and this device \
                 has seen generation {}",
                found.generation, seen.generation
            )?;
        }
        f.write_str(
            "; if that is meant (a restored copy), look at both and take it: \
             `walletfs mount --accept-rollback DIR`",
        )
    }
}

/// The newest head seen. Clones share the record. Calls block on the disk for a moment.
#[derive(Clone)]
pub struct Seen(Arc<Place>);

enum Place {
    File {
        path: PathBuf,
        /// Raised, and the disk was not asked for it yet.
        unsynced: AtomicBool,
    },
    Memory(Mutex<Option<Sighting>>),
}

/// Where the record is, for people.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Place::File { path, .. } => path.display().fmt(f),
            Place::Memory(_) => f.write_str("in this process's memory"),
        }
    }
}

/// The record as JSON.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    wallet_id: String,
    generation: u64,
    head_sha256: String,
    committed_ns: u64,
}

impl Seen {
    /// The record in this file, which need not exist. Beside it, `.lock` and `.new` files of the
    /// same name come into being; the directory must exist.
    pub fn at(path: PathBuf) -> Seen {
        let unsynced = AtomicBool::new(false);
        Seen(Arc::new(Place::File { path, unsynced }))
    }

    /// A record that ends with the process: for tests and throw-away wallets.
    pub fn in_memory() -> Seen {
        Seen(Arc::new(Place::Memory(Mutex::new(None))))
    }

    /// What the record says; `None` if this device has seen no head yet.
    pub fn read(&self) -> Result<Option<Sighting>, WalletError> {
        self.with(|place| place.read())
    }

    /// Refuses a head of another wallet, of a lower generation, or of the same with another hash
    /// ([`WalletError::RolledBack`]); raises the record to it otherwise.
    pub fn check_and_raise(&self, found: &Sighting) -> Result<(), WalletError> {
        self.with(|place| match place.read()? {
            Some(seen) if seen == *found => Ok(()),
            Some(seen) if contradicts(&seen, found) || found.generation < seen.generation => {
                Err(WalletError::RolledBack(Box::new(Rollback {
                    seen,
                    found: *found,
                })))
            }
            _ => place.write(found),
        })
    }

    /// Raises the record to a head that this process committed. A higher one may be there already:
    /// another process of this device has gone on from ours. Refuses as
    /// [`Seen::check_and_raise`] does what contradicts the record otherwise.
    pub fn raise(&self, committed: &Sighting) -> Result<(), WalletError> {
        self.with(|place| match place.read()? {
            Some(seen) if contradicts(&seen, committed) => {
                Err(WalletError::RolledBack(Box::new(Rollback {
                    seen,
                    found: *committed,
                })))
            }
            Some(seen) if seen.generation >= committed.generation => Ok(()),
            _ => place.write(committed),
        })
    }

    /// Records `head` whatever the record said: the person has looked at both and chosen it.
    pub fn accept(&self, head: &Sighting) -> Result<(), WalletError> {
        self.with(|place| place.write(head))
    }

    /// Whether the record was raised since this was asked last: then [`Seen::sync`] is to be called
    /// soon.
    pub(super) fn is_unsynced(&self) -> bool {
        match &*self.0 {
            Place::File { unsynced, .. } => unsynced.swap(false, Ordering::Relaxed),
            Place::Memory(_) => false,
        }
    }

    /// Has the disk take the record (fdatasync(2)).
    pub(super) fn sync(&self) -> Result<(), WalletError> {
        match &*self.0 {
            Place::File { path, .. } => {
                let synced = File::open(path).and_then(|file| file.sync_data());
                synced.map_err(|e| fault(path, &e))
            }
            Place::Memory(_) => Ok(()),
        }
    }

    /// Runs `act` while no other thread or process reads or writes the record.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut dyn Kept) -> Result<T, WalletError>,
    ) -> Result<T, WalletError> {
        match &*self.0 {
            Place::Memory(record) => {
                act(&mut *record.lock().expect("no holder of this lock panics"))
            }
            Place::File { path, unsynced } => {
                let fault = |e: io::Error| fault(path, &e);
                let _lock = lock(&beside(path, "lock")).map_err(fault)?;
                act(&mut OnDisk { path, unsynced })
            }
        }
    }
}

fn contradicts(seen: &Sighting, found: &Sighting) -> bool {
    seen.wallet_id != found.wallet_id
        || seen.generation == found.generation && seen.hash != found.hash
}

/// A record whose lock is held.
trait Kept {
    fn read(&self) -> Result<Option<Sighting>, WalletError>;
    fn write(&mut self, head: &Sighting) -> Result<(), WalletError>;
}

impl Kept for Option<Sighting> {
    fn read(&self) -> Result<Option<Sighting>, WalletError> {
        Ok(*self)
    }

    fn write(&mut self, head: &Sighting) -> Result<(), WalletError> {
        *self = Some(*head);
        Ok(())
    }
}

struct OnDisk<'a> {
    path: &'a Path,
    unsynced: &'a AtomicBool,
}

impl Kept for OnDisk<'_> {
    fn read(&self) -> Result<Option<Sighting>, WalletError> {
        let path = self.path;
        let mut text = Vec::with_capacity(MAX_RECORD as usize);
        match File::open(path) {
            Ok(file) => file
                .take(MAX_RECORD)
                .read_to_end(&mut text)
                .map_err(|e| fault(path, &e))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fault(path, &e)),
        };
        let head = parse(&text).ok_or_else(|| {
            WalletError::Record(format!(
                "{} is not a record of walletfs: if it was damaged, delete it, and this device \
                 forgets the newest head it has seen",
                path.display()
            ))
        })?;
        Ok(Some(head))
    }

    fn write(&mut self, head: &Sighting) -> Result<(), WalletError> {
        let path = self.path;
        let write = || match OpenOptions::new().write(true).open(path) {
            Ok(file) if file.metadata()?.len() == RECORD as u64 => {
                file.write_all_at(&text(head), 0)?;
                self.unsynced.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => make(path, head),
        };
        write().map_err(|e| fault(path, &e))
    }
}

/// Makes a record, or one in the place of one of another length: beside it, and renamed over it, so
/// that a crash leaves one of the two whole.
fn make(path: &Path, head: &Sighting) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = private().truncate(true).open(&new)?;
    file.write_all(&text(head))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn fault(path: &Path, e: &io::Error) -> WalletError {
    WalletError::Record(format!(
        "cannot keep the newest head seen in {}: {}",
        path.display(),
        crate::told::system(e)
    ))
}

/// How a file that is only this user's is opened for writing, made with mode 0600.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Takes the lock of the record (flock(2)); it ends with the file. On a file of its own, since a
/// rename replaces the record.
fn lock(path: &Path) -> io::Result<File> {
    let file = private().open(path)?;
    let end = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process holds its lock",
                ));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

pub(crate) fn text(head: &Sighting) -> Vec<u8> {
    let record = Record {
        format: 1,
        wallet_id: hex(&head.wallet_id),
        generation: head.generation,
        head_sha256: hex(&head.hash),
        committed_ns: head.committed_ns,
    };
    let mut text = serde_json::to_vec_pretty(&record).expect("numbers and hex digits are JSON");
    text.resize(RECORD - 1, b' ');
    text.push(b'\n');
    text
}

pub(crate) fn parse(text: &[u8]) -> Option<Sighting> {
    let record: Record = serde_json::from_slice(text).ok()?;
    (record.format == 1).then_some(())?;
    Some(Sighting {
        wallet_id: unhex(&record.wallet_id)?,
        generation: record.generation,
        hash: unhex(&record.head_sha256)?,
        committed_ns: record.committed_ns,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn head(generation: u64, hash: u8) -> Sighting {
        Sighting {
            wallet_id: [7; 16],
            generation,
            hash: [hash; 32],
            committed_ns: 5,
        }
    }

    fn both(test: impl Fn(&Seen)) {
        test(&Seen::in_memory());
        let dir = tempfile::tempdir().unwrap();
        test(&Seen::at(dir.path().join("w.seen")));
    }

    fn refused(result: Result<(), WalletError>) -> Rollback {
        match result {
            Err(WalletError::RolledBack(both)) => *both,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_record_is_raised_and_never_lowered() {
        both(|seen| {
            assert_eq!(seen.read().unwrap(), None);
            for generation in [3, 3, 4, 9] {
                seen.check_and_raise(&head(generation, 1)).unwrap();
                assert_eq!(seen.read().unwrap(), Some(head(generation, 1)));
            }
            let refused = refused(seen.check_and_raise(&head(8, 1)));
            assert_eq!(refused.seen, head(9, 1));
            assert_eq!(refused.found, head(8, 1));
            assert_eq!(seen.read().unwrap(), Some(head(9, 1)));
        });
    }

    #[test]
    fn a_second_history_and_another_wallet_are_refused() {
        both(|seen| {
            seen.check_and_raise(&head(3, 1)).unwrap();
            let other = Sighting {
                wallet_id: [8; 16],
                ..head(9, 1)
            };
            for bad in [head(3, 2), other] {
                assert_eq!(refused(seen.check_and_raise(&bad)).found, bad);
                assert_eq!(refused(seen.raise(&bad)).found, bad);
            }
            assert_eq!(seen.read().unwrap(), Some(head(3, 1)));
        });
    }

    #[test]
    fn a_commit_that_another_process_went_on_from_is_no_fault() {
        both(|seen| {
            seen.raise(&head(3, 1)).unwrap();
            seen.raise(&head(2, 9)).unwrap();
            assert_eq!(seen.read().unwrap(), Some(head(3, 1)));
        });
    }

    #[test]
    fn only_accept_lowers_the_record() {
        both(|seen| {
            seen.check_and_raise(&head(9, 1)).unwrap();
            seen.accept(&head(2, 5)).unwrap();
            assert_eq!(seen.read().unwrap(), Some(head(2, 5)));
        });
    }

    #[test]
    fn the_file_is_private_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.seen");
        let seen = Seen::at(path.clone());
        seen.check_and_raise(&head(1, 1)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for bad in ["", "{}", "{\"format\":2}"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(seen.read(), Err(WalletError::Record(_))), "{bad}");
            let raised = seen.check_and_raise(&head(5, 1));
            assert!(matches!(raised, Err(WalletError::Record(_))), "{bad}");
        }
    }

    #[test]
    fn a_record_is_raised_in_its_place_and_the_disk_asked_for_it_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.seen");
        let seen = Seen::at(path.clone());
        seen.raise(&head(1, 1)).unwrap();
        assert!(!seen.is_unsynced(), "it was made durable");
        let inode = || fs::metadata(&path).unwrap().ino();
        let made = inode();
        let largest = Sighting {
            committed_ns: u64::MAX,
            ..head(u64::MAX - 1, 0xff)
        };
        for sighting in [head(2, 1), head(100, 1), largest] {
            seen.raise(&sighting).unwrap();
            assert_eq!(inode(), made);
            assert_eq!(Seen::at(path.clone()).read().unwrap(), Some(sighting));
            assert_eq!((seen.is_unsynced(), seen.is_unsynced()), (true, false));
            seen.sync().unwrap();
        }
    }

    /// As earlier versions wrote it, without the blanks.
    #[test]
    fn a_record_of_another_length_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.seen");
        fs::write(&path, text(&head(300, 1)).trim_ascii_end()).unwrap();
        let seen = Seen::at(path.clone());
        assert_eq!(seen.read().unwrap(), Some(head(300, 1)));
        seen.raise(&head(301, 1)).unwrap();
        assert_eq!(seen.read().unwrap(), Some(head(301, 1)));
        assert_eq!(fs::metadata(&path).unwrap().len(), RECORD as u64);
    }

    #[test]
    fn many_writers_leave_the_highest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.seen");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let seen = Seen::at(path.clone());
                scope.spawn(move || {
                    for n in 0..10 {
                        seen.raise(&head(1 + writer + 4 * n, 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(Seen::at(path).read().unwrap(), Some(head(40, 1)));
    }
}
