//! Opening and closing files: open, create, release.

use super::attr::Entry;
use super::error::{Errno, FsError, FsResult};
use super::file::{Content, File, Home, Name};
use super::inode::{Ino, Node, Place};
use super::names::NAME_MAX;
use super::namespace::NOT_A_DIRECTORY;
use super::own::OwnFile;
use super::process::Process;
use super::replaced::STALE;
use super::scratch::{is_probe, is_scratch};
use super::tree::{NOT_THERE, field, field_name};
use super::{Fh, Fs, LOCK};
use crate::wallet::Expected;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a file is opened (open(2)).
#[derive(Clone, Copy, Default, Debug)]
pub struct OpenHow {
    /// O_WRONLY or O_RDWR.
    pub write: bool,
    /// O_APPEND.
    pub append: bool,
    /// O_TRUNC.
    pub truncate: bool,
    /// O_EXCL, with O_CREAT.
    pub exclusive: bool,
}

/// A file that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Names it in later calls.
    pub fh: Fh,
    /// Whether a close has anything to tell: the kernel need not ask for a reader.
    pub flush: bool,
}

/// What a caller holds open.
pub(super) enum Handle {
    /// One of the mount's own files.
    Own(OwnFile),
    /// A file of the wallet.
    File(FileHandle),
}

/// A file of the wallet that a caller holds open.
pub(super) struct FileHandle {
    pub(super) file: Arc<File>,
    pub(super) write: bool,
    pub(super) append: bool,
    /// The process that opened it, where that can be told and matters.
    pub(super) opener: Option<Process>,
    /// The file's `seq` when this handle was made.
    pub(super) opened_seq: u64,
    /// `seq` of what opening it did (O_CREAT, O_TRUNC), else 0.
    pub(super) made_seq: u64,
    /// `seq` of the last write or ftruncate through this handle, else 0.
    pub(super) wrote_seq: AtomicU64,
}

impl Handle {
    pub(super) fn as_file(&self) -> Option<&FileHandle> {
        match self {
            Handle::Own(_) => None,
            Handle::File(handle) => Some(handle),
        }
    }

    pub(super) fn file(&self) -> Option<&Arc<File>> {
        self.as_file().map(|handle| &handle.file)
    }
}

/// What the last release of a file leaves to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Released {
    /// The kernel's page cache may hold content of this inode, and nobody has it open any more.
    pub forget_pages: bool,
}

impl Fs {
    /// Opens a file. Opening for writing reads the head first, so that it fails at once when the
    /// store is away, and so that a change of another device is not overwritten unseen.
    pub async fn open(&self, ino: Ino, how: OpenHow, tid: u32) -> FsResult<Opened> {
        let Ok(node) = self.node(ino) else {
            // Through /proc/PID/fd, or by a name that the kernel is to look up again.
            let file = self.removed(ino)?;
            return Ok(self.opened(file, how, tid, 0));
        };
        let place = match node {
            Node::File(place) => place,
            Node::Own(own) => return self.open_own(ino, &own, how, tid).await,
            _ => return Err(FsError::new(Errno::EISDIR, "a directory")),
        };
        let write = how.write || how.truncate;
        if write {
            self.refuse_read_only()?;
        }
        let scratch = self
            .in_memory(&place)
            .is_some_and(|file| matches!(file.state().name, Name::Scratch(_)));
        if !scratch {
            self.freshen_to_open(tid, write).await?;
        }
        self.open_at(ino, &place, how, tid).await
    }

    /// Opens the file at `place`, on a snapshot that is fresh enough.
    async fn open_at(&self, ino: Ino, place: &Place, how: OpenHow, tid: u32) -> FsResult<Opened> {
        let file = self.content(ino, place, how.truncate).await?;
        Ok(self.opened(file.file.clone(), how, tid, 0))
    }

    /// Creates a file and opens it; opens it if it is there and O_EXCL does not forbid that.
    pub async fn create(
        &self,
        parent: Ino,
        name: &[u8],
        mode: u32,
        how: OpenHow,
        tid: u32,
    ) -> FsResult<(Entry, Opened)> {
        let place = self.new_place(parent, name)?;
        let node = Node::File(place.clone());
        if how.exclusive && is_probe(&field_name(&place.field)) && !self.exists(&node) {
            return Err(FsError::new(
                Errno::EPERM,
                "an editor's test whether to save by renaming: it saves in place then",
            ));
        }
        let scratch = is_scratch(&field_name(&place.field));
        if !scratch {
            self.freshen_to_open(tid, true).await?;
        }
        let (ino, opened) = if self.exists(&node) {
            if how.exclusive {
                return Err(EXISTS);
            }
            let ino = self.number(&node);
            (ino, self.open_at(ino, &place, how, tid).await?)
        } else {
            let home = match self.wallet.view().secret(place.secret) {
                Some(secret) => Home::of(secret),
                None => return Err(NOT_THERE),
            };
            let ino = self.number(&node);
            let name = if scratch {
                Name::Scratch(place)
            } else {
                Name::Stored(place)
            };
            let now = self.options.clock.wall_ns();
            let file = Arc::new(File::created(ino, home, name, now, mode));
            // Nobody would hear of it later: the release is nobody's call.
            let others = self.unsaved_beside(&file);
            self.refuse_too_large(&file.state().name, 0, &others)?;
            self.files().insert(ino, file.clone());
            let made_seq = file.state().seq;
            self.note_unsaved(&file);
            (
                ino,
                self.opened(
                    file,
                    OpenHow {
                        truncate: false,
                        ..how
                    },
                    tid,
                    made_seq,
                ),
            )
        };
        let attr = self.attr_of(&node, ino)?;
        self.inodes.write().expect(LOCK).look_up(ino);
        Ok((
            Entry {
                attr,
                ttl: self.ttl(&node),
            },
            opened,
        ))
    }

    /// The last descriptor of a handle is closed. Content that it leaves unsaved is stored now.
    pub async fn release(&self, fh: Fh) -> FsResult<Released> {
        let Some(handle) = self.handles().remove(&fh) else {
            return Err(FsError::new(Errno::EBADF, "no such open file"));
        };
        let handle = match &*handle {
            Handle::File(handle) => handle,
            Handle::Own(own) => {
                let forget_pages = own.mapped.load(Ordering::Relaxed);
                return Ok(Released { forget_pages });
            }
        };
        let file = &handle.file;
        let commit = {
            let mut state = file.state();
            state.handles -= 1;
            state.writers -= usize::from(handle.write);
            handle.write
                && state.unsaved()
                && !state.waits()
                && (handle.owes(&state) || handle.made_seq > state.stored_seq || state.writers == 0)
        };
        if commit && let Err(e) = Box::pin(self.commit(file)).await {
            // Nobody hears of it but the log: the content is kept and shown, and tried again.
            tracing::warn!("a file could not be stored when it was closed: {e}");
            self.give_up_if_cut_short(file);
        }
        let (last, mapped) = {
            let mut state = file.state();
            let last = state.handles == 0;
            (last, last && std::mem::take(&mut state.mapped))
        };
        if last {
            self.drop_if_idle(file);
        }
        Ok(Released {
            forget_pages: mapped,
        })
    }

    /// The place of a new file called `name` in the directory `parent`.
    ///
    /// # Errors
    /// EPERM where files cannot be, the codec's errors, EROFS.
    pub(super) fn new_place(&self, parent: Ino, name: &[u8]) -> FsResult<Place> {
        match self.node(parent)? {
            Node::Secret(secret) => {
                let field = field(name)?;
                self.refuse_read_only()?;
                Ok(Place { secret, field })
            }
            Node::Own(own) if own.is_file() => Err(NOT_A_DIRECTORY),
            Node::Own(_) => Err(OWN_FILE),
            Node::Root | Node::Domain(_) if name.len() > NAME_MAX => Err(FsError::new(
                Errno::ENAMETOOLONG,
                "a name of over 255 bytes",
            )),
            Node::Root | Node::Domain(_) => Err(FsError::new(
                Errno::EPERM,
                "files are in secrets: DOMAIN/ACCESS/FILE",
            )),
            Node::File(_) => Err(NOT_A_DIRECTORY),
        }
    }

    /// The content of the file at `place`, by its number: what this mount has of it, else as the
    /// snapshot and the store have it. `discard` says that the content itself is not wanted.
    ///
    /// # Errors
    /// ESTALE if another device's content is at `place`, under another number.
    pub(super) async fn content(
        &self,
        ino: Ino,
        place: &Place,
        discard: bool,
    ) -> FsResult<Pinned<'_>> {
        let mut body = self.wallet.cached_body(place.secret);
        loop {
            self.part_from_replaced(place).await;
            if let Some(file) = self.pin(ino, place, None)? {
                return Ok(file);
            }
            let (home, meta, data_hash) = {
                let view = self.wallet.view();
                let secret = view.secret(place.secret).ok_or(NOT_THERE)?;
                let meta = *secret.meta.fields.get(&place.field).ok_or(NOT_THERE)?;
                (Home::of(secret), meta, secret.meta.data_hash)
            };
            let content = match &body {
                _ if discard => Content::Plain(super::buffer::Buffer::default()),
                // A body of another moment than the snapshot's would mix two contents.
                Some(body) if body.hash == data_hash => {
                    Content::Sealed(body.clone(), place.field.clone(), meta.size)
                }
                _ => {
                    body = Some(Box::pin(self.wallet.body(place.secret)).await?);
                    continue;
                }
            };
            let file = Arc::new(File::stored(ino, home, place.clone(), &meta, content));
            // Somebody else may have been faster: then it is theirs.
            if let Some(file) = self.pin(ino, place, Some(file))? {
                return Ok(file);
            }
        }
    }

    /// The file of `ino`, if it is in memory, else `new`, which is then.
    fn pin(&self, ino: Ino, place: &Place, new: Option<Arc<File>>) -> FsResult<Option<Pinned<'_>>> {
        let mut files = self.files();
        if self.number_of(&Node::File(place.clone())) != Some(ino) {
            return Err(STALE);
        }
        let file = match (files.get(&ino), new) {
            (Some(file), _) => file.clone(),
            (None, Some(new)) => {
                files.insert(ino, new.clone());
                new
            }
            (None, None) => return Ok(None),
        };
        file.state().handles += 1;
        Ok(Some(Pinned { fs: self, file }))
    }

    /// Whether `file` shows what is at `place`, as opposed to what another device has replaced.
    pub(super) fn is_current(&self, file: &File, place: &Place) -> bool {
        let state = file.state();
        if state.in_memory() {
            return true;
        }
        let view = self.wallet.view();
        let field = view
            .secret(place.secret)
            .and_then(|s| s.meta.fields.get(&place.field));
        !state.superseded && field.is_some_and(|f| state.base == Expected::Rev(f.rev))
    }

    fn opened(&self, file: Arc<File>, how: OpenHow, tid: u32, made_seq: u64) -> Opened {
        let opener = if how.write {
            self.options.processes.of_thread(tid)
        } else {
            None
        };
        let mut made_seq = made_seq;
        let opened_seq = {
            let mut state = file.state();
            if how.truncate {
                made_seq = state.begin(self.options.clock.wall_ns());
            }
            state.handles += 1;
            state.writers += usize::from(how.write);
            state.seq
        };
        if how.truncate {
            self.note_unsaved(&file);
        }
        let fh = self.fh();
        let handle = FileHandle {
            file,
            write: how.write,
            append: how.append,
            opener,
            opened_seq,
            made_seq,
            wrote_seq: AtomicU64::new(0),
        };
        self.handles().insert(fh, Arc::new(Handle::File(handle)));
        Opened {
            fh,
            flush: how.write,
        }
    }

    /// Forgets a file that nobody has open and that the store has whole.
    pub(super) fn drop_if_idle(&self, file: &Arc<File>) {
        let mut files = self.files();
        let state = file.state();
        if state.handles == 0 && !state.in_memory() {
            take(&mut files, file);
        }
    }
}

/// A file that stays in memory, and the one file of its number, for as long as this lives.
pub(super) struct Pinned<'a> {
    fs: &'a Fs,
    pub(super) file: Arc<File>,
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.file.state().handles -= 1;
        self.fs.drop_if_idle(&self.file);
    }
}

/// Takes `file` from the current ones, and says whether it was one.
pub(super) fn take(files: &mut BTreeMap<Ino, Arc<File>>, file: &Arc<File>) -> bool {
    let current = files
        .get(&file.ino)
        .is_some_and(|current| Arc::ptr_eq(current, file));
    if current {
        files.remove(&file.ino);
    }
    current
}

impl FileHandle {
    /// Whether the store lacks something that was done through this handle, or to its file without
    /// a handle since this one was opened.
    pub(super) fn owes(&self, state: &super::file::State) -> bool {
        self.wrote_seq.load(Ordering::Relaxed) > state.stored_seq
            || state.joined_seq > state.stored_seq.max(self.opened_seq)
    }
}

pub(super) const EXISTS: FsError = FsError::new(Errno::EEXIST, "the name is taken");
pub(super) const OWN_FILE: FsError =
    FsError::new(Errno::EROFS, "the mount's own files cannot be changed");
