//! [`File`]: the content of a file that is open or not stored yet, shared by all its handles.
//!
//! Unsaved content belongs to the file, not to a handle. Each change raises `seq`; a commit notes
//! up to which one the store holds the content, so that what is written while a commit is under way
//! stays unsaved. Content as stored is kept sealed and opened for each read; plaintext stands in
//! memory only from the first write to the commit.

use super::attr::{self, Attr};
use super::buffer::Buffer;
use super::error::{Errno, FsError, FsResult};
use super::inode::{Ino, Place};
use crate::wallet::{Body, Expected, Field, FieldChange, FieldMeta, Secret};
use std::sync::{Arc, Mutex, MutexGuard};

/// Contents of a file that are remembered while it is not known whether they are stored.
const MOST_IN_DOUBT: usize = 8;

/// Where a file's content goes.
#[derive(Clone)]
pub(super) enum Name {
    /// To this field of the wallet.
    Stored(Place),
    /// Nowhere: a scratch file, shown at this place while the mount lasts.
    Scratch(Place),
    /// Nowhere: removed or replaced while open.
    Gone,
}

/// What a file holds.
pub(super) enum Content {
    /// As it is stored: the sealed values of the secret, the field's key within them, its size.
    Sealed(Body, Field, u64),
    /// In the open: written since it was stored, or never stored.
    Plain(Buffer),
}

/// The name of a secret, for content that outlives it.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) domain: Arc<str>,
    pub(super) access: Arc<str>,
}

impl Home {
    pub(super) fn of(secret: &Secret) -> Self {
        Home {
            domain: secret.meta.domain.clone(),
            access: secret.meta.access.clone(),
        }
    }
}

/// A file that is open, or that has content which the store does not.
pub(super) struct File {
    pub(super) ino: Ino,
    /// Its secret's name when it was opened.
    pub(super) home: Home,
    /// Held by whatever takes this file's content or name to the store, so that a commit, a rename
    /// and a removal of one file happen one after the other. Taken before [`File::state`].
    pub(super) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// The part of a [`File`] behind its lock.
pub(super) struct State {
    pub(super) name: Name,
    pub(super) content: Content,
    /// What the store must hold for this content to replace it.
    pub(super) base: Expected,
    pub(super) mtime_ns: i64,
    pub(super) mode: u32,
    /// Raised by every change.
    pub(super) seq: u64,
    /// `seq` of the last change of the value, as opposed to mode and times.
    pub(super) value_seq: u64,
    /// The content was begun anew (created, or cut to nothing), and the store has nothing of it.
    pub(super) begun: bool,
    /// A part of content that was begun anew was refused, so what is here is not the whole: it must
    /// not take the place of what the store has.
    pub(super) cut_short: bool,
    /// `seq` of the last change that came without a handle (chmod, utimensat, truncate).
    pub(super) joined_seq: u64,
    /// `seq` of the last change that waits for a commit that takes it along (`later.rs`).
    pub(super) waiting_seq: u64,
    /// The store holds everything up to this `seq`.
    pub(super) stored_seq: u64,
    /// Why the last commit failed, until one succeeds.
    pub(super) failed: Option<FsError>,
    /// What was sent to the store without an answer since the last commit that succeeded: one of
    /// these may be there.
    pub(super) in_doubt: Vec<FieldChange>,
    /// Its name shows something else for good, and no more is taken: another device's change won
    /// and this content is kept beside it, or it was given up.
    pub(super) superseded: bool,
    pub(super) handles: usize,
    pub(super) writers: usize,
    /// Pages of it may stand in the kernel's cache: it was read through a private mapping.
    pub(super) mapped: bool,
}

impl File {
    /// A file as it is stored.
    pub(super) fn stored(
        ino: Ino,
        home: Home,
        place: Place,
        meta: &FieldMeta,
        content: Content,
    ) -> Self {
        File::of(
            ino,
            home,
            State {
                name: Name::Stored(place),
                content,
                base: Expected::Rev(meta.rev),
                mtime_ns: meta.mtime_ns,
                mode: meta.mode,
                seq: 0,
                ..State::empty()
            },
        )
    }

    /// A file that is new: unsaved, with nothing written yet.
    pub(super) fn created(ino: Ino, home: Home, name: Name, mtime_ns: i64, mode: u32) -> Self {
        File::of(
            ino,
            home,
            State {
                name,
                mtime_ns,
                mode: mode & attr::OWNER,
                seq: 1,
                value_seq: 1,
                begun: true,
                ..State::empty()
            },
        )
    }

    /// A copy of what is stored of it, to be changed apart from what its handles see.
    pub(super) fn copy(&self) -> Self {
        let state = self.state();
        let content = match &state.content {
            Content::Sealed(body, field, size) => {
                Content::Sealed(body.clone(), field.clone(), *size)
            }
            Content::Plain(buffer) => Content::Plain(buffer.copy()),
        };
        File::of(
            self.ino,
            self.home.clone(),
            State {
                name: state.name.clone(),
                content,
                base: state.base,
                mtime_ns: state.mtime_ns,
                mode: state.mode,
                ..State::empty()
            },
        )
    }

    /// Takes over what became of a [`File::copy`] that was stored. What was written meanwhile stays
    /// unsaved, on top of it.
    pub(super) fn adopt(&self, copy: &File) {
        let mut copy = copy.state();
        let mut state = self.state();
        state.base = copy.base;
        if !state.unsaved() {
            std::mem::swap(&mut state.content, &mut copy.content);
            (state.mtime_ns, state.mode) = (copy.mtime_ns, copy.mode);
        }
    }

    fn of(ino: Ino, home: Home, state: State) -> Self {
        File {
            ino,
            home,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        }
    }

    /// The state, for as long as no store is waited for.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn empty() -> Self {
        State {
            name: Name::Gone,
            content: Content::Plain(Buffer::default()),
            base: Expected::Absent,
            mtime_ns: 0,
            mode: 0,
            seq: 0,
            value_seq: 0,
            begun: false,
            cut_short: false,
            joined_seq: 0,
            waiting_seq: 0,
            stored_seq: 0,
            failed: None,
            in_doubt: Vec::new(),
            superseded: false,
            handles: 0,
            writers: 0,
            mapped: false,
        }
    }

    /// Whether the store lacks some of it (and is meant to have it).
    pub(super) fn unsaved(&self) -> bool {
        matches!(self.name, Name::Stored(_)) && self.seq > self.stored_seq
    }

    /// Where the store has it, or is meant to.
    pub(super) fn stored_place(&self) -> Option<Place> {
        match &self.name {
            Name::Stored(place) => Some(place.clone()),
            Name::Scratch(_) | Name::Gone => None,
        }
    }

    /// Whether all that the store lacks of it is stored in a moment without anybody's doing.
    pub(super) fn waits(&self) -> bool {
        self.waiting_seq == self.seq && self.value_seq <= self.stored_seq
    }

    /// Whether what the store lacks of it must not be stored.
    pub(super) fn is_cut_short(&self) -> bool {
        self.cut_short && self.seq > self.stored_seq
    }

    /// Whether what is shown of it comes from here rather than from the snapshot.
    pub(super) fn in_memory(&self) -> bool {
        self.unsaved() || matches!(self.name, Name::Scratch(_))
    }

    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::Sealed(_, _, size) => *size,
            Content::Plain(buffer) => buffer.len(),
        }
    }

    pub(super) fn attr(&self, ino: Ino) -> Attr {
        let linked = !matches!(self.name, Name::Gone);
        attr::file(ino, self.size(), self.mtime_ns, self.mode, linked)
    }

    /// Notes a change of the value and gives its `seq`.
    pub(super) fn changed(&mut self, now_ns: i64) -> u64 {
        self.seq += 1;
        self.value_seq = self.seq;
        self.mtime_ns = now_ns;
        self.seq
    }

    /// Begins the content anew, with nothing, and gives the change's `seq`.
    pub(super) fn begin(&mut self, now_ns: i64) -> u64 {
        self.content = Content::Plain(Buffer::default());
        (self.begun, self.cut_short) = (true, false);
        self.changed(now_ns)
    }

    /// More content was refused.
    pub(super) fn refused(&mut self, e: FsError) -> FsError {
        self.cut_short |= self.begun;
        e
    }

    /// The content to write into.
    ///
    /// # Errors
    /// ESTALE once another device's change has won.
    pub(super) fn plain(
        &mut self,
        open: impl FnOnce(&Body, &Field) -> FsResult<Buffer>,
    ) -> FsResult<&mut Buffer> {
        if self.superseded {
            return Err(FsError::new(
                Errno::ESTALE,
                "another device changed this file meanwhile",
            ));
        }
        if let Content::Sealed(body, field, _) = &self.content {
            self.content = Content::Plain(open(body, field)?);
        }
        match &mut self.content {
            Content::Plain(buffer) => Ok(buffer),
            Content::Sealed(..) => unreachable!("opened just above"),
        }
    }

    /// Whether `put` is in the store is not known: its commit got no answer.
    pub(super) fn doubt(&mut self, put: FieldChange) {
        if self.in_doubt.len() == MOST_IN_DOUBT {
            self.in_doubt.remove(0);
        }
        self.in_doubt.push(put);
    }

    /// The store holds everything up to `seq` now. `rev` is the field's, if its value was part of
    /// that.
    pub(super) fn stored(&mut self, seq: u64, rev: Option<u64>) {
        self.stored_seq = self.stored_seq.max(seq);
        self.begun &= self.value_seq > self.stored_seq;
        self.failed = None;
        if let Some(rev) = rev {
            self.in_doubt.clear();
            self.base = Expected::Rev(rev);
        }
    }
}
