//! Changing attributes: chmod, utimensat, truncate, chown.
//!
//! None of them carries a handle except ftruncate. On a file with unsaved content they join it (so
//! `cp -p` is one commit); on one that was stored just now, modes and times wait a moment
//! (`later.rs`); otherwise they are stored at once, in one commit, or not at all if they change
//! nothing.

use super::attr::{Entry, OWNER};
use super::error::{Errno, FsError, FsResult};
use super::file::File;
use super::inode::{Ino, Node, Place};
use super::open::{FileHandle, OWN_FILE};
use super::{Fh, Fs};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A time to set (utimensat(2); UTIME_OMIT is no time at all).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetTime {
    /// UTIME_NOW.
    Now,
    /// Nanoseconds since 1970.
    At(i64),
}

/// What is to change. Access times are not kept: they show as the modification time.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SetAttr {
    /// Permission bits; group's and other's are dropped.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Modification time.
    pub mtime: Option<SetTime>,
}

/// Who stores a change that has joined unsaved content.
enum Joined {
    /// A writer, at its close.
    Writer,
    /// Nobody has it open for writing: its commit is under way, without the change, or has failed.
    Nobody,
}

impl Fs {
    /// Changes attributes of `ino`; `fh` is the handle of an ftruncate.
    pub async fn setattr(
        &self,
        ino: Ino,
        set: SetAttr,
        fh: Option<Fh>,
        tid: u32,
    ) -> FsResult<Entry> {
        self.refuse_chown(&set)?;
        let handle = fh.and_then(|fh| self.handle(fh).ok());
        let handle = handle.as_deref().and_then(super::open::Handle::as_file);
        if let Some(handle) = handle {
            // The handle's own file: it may be removed, or one that another device replaced.
            self.refuse_read_only()?;
            self.change(&handle.file, &set, Some(handle))?;
            self.note_unsaved(&handle.file);
            return self.getattr(ino, tid).await;
        }
        let Ok(node) = self.node(ino) else {
            // Through a handle (fchmod, futimens) or /proc/PID/fd, or by a name that the kernel is
            // to look up again.
            let file = self.removed(ino)?;
            self.refuse_read_only()?;
            self.change(&file, &set, None)?;
            return self.getattr(ino, tid).await;
        };
        match node {
            Node::File(place) => {
                self.refuse_read_only()?;
                self.set_file(ino, &place, &set).await?;
            }
            Node::Own(_) => return Err(OWN_FILE),
            Node::Root | Node::Domain(_) | Node::Secret(_) if set.size.is_some() => {
                return Err(FsError::new(
                    Errno::EISDIR,
                    "a directory has no size to set",
                ));
            }
            // A directory's mode and time follow from what it is and holds; tools that set them
            // need not fail.
            Node::Root | Node::Domain(_) | Node::Secret(_) => self.refuse_read_only()?,
        }
        self.getattr(ino, tid).await
    }

    async fn set_file(&self, ino: Ino, place: &Place, set: &SetAttr) -> FsResult<()> {
        if let Some(file) = self.in_memory(place) {
            return match self.join(&file, set)? {
                Joined::Writer => Ok(()),
                Joined::Nobody if self.may_wait(&file, place, set) => {
                    self.store_soon(&file);
                    Ok(())
                }
                Joined::Nobody => self.commit(&file).await,
            };
        }
        if set.size.is_some() {
            self.wallet.require_current().await?;
        } else {
            self.freshen().await?;
        }
        let pinned = self.content(ino, place, false).await?;
        let file = &pinned.file;
        let _turn = file.turn.lock().await;
        if file.state().in_memory() {
            return match self.join(file, set)? {
                Joined::Writer => Ok(()),
                Joined::Nobody => self.commit_in_turn(file).await,
            };
        }
        if self.may_wait(file, place, set) {
            self.join(file, set)?;
            self.store_soon(file);
            return Ok(());
        }
        // A copy of its own: if it cannot be stored, nobody has seen it.
        let copy = Arc::new(file.copy());
        self.change(&copy, set, None)?;
        let result = self.commit_in_turn(&copy).await;
        if result.is_ok() {
            file.adopt(&copy);
        }
        result
    }

    /// Has a change join a file's unsaved content.
    fn join(&self, file: &Arc<File>, set: &SetAttr) -> FsResult<Joined> {
        self.change(file, set, None)?;
        self.note_unsaved(file);
        Ok(match file.state().writers {
            0 => Joined::Nobody,
            _ => Joined::Writer,
        })
    }

    /// Changes the file in memory, unless that changes nothing.
    fn change(&self, file: &Arc<File>, set: &SetAttr, by: Option<&FileHandle>) -> FsResult<()> {
        let others = self.unsaved_beside(file);
        let mut state = file.state();
        let now = self.options.clock.wall_ns();
        let before = state.seq;
        if let Some(size) = set.size
            && (size != state.size() || set.mtime.is_none())
        {
            if size > state.size() {
                let fits = self.refuse_too_large(&state.name, size, &others);
                // A refusal to somebody who does not write the content takes nothing from it.
                fits.map_err(|e| match by {
                    Some(_) => state.refused(e),
                    None => e,
                })?;
            }
            let buffer = state.plain(|body, field| self.open_value(body, field))?;
            buffer.resize(usize::try_from(size).map_err(|_| super::io::TOO_LARGE)?);
            if size == 0 {
                state.begin(now);
            } else {
                state.changed(now);
            }
        }
        let mode = set.mode.map_or(state.mode, |mode| mode & OWNER);
        let mtime_ns = match set.mtime {
            None => state.mtime_ns,
            Some(SetTime::Now) => now,
            Some(SetTime::At(ns)) => ns,
        };
        if (mode, mtime_ns) != (state.mode, state.mtime_ns) {
            (state.mode, state.mtime_ns) = (mode, mtime_ns);
            state.seq += 1;
        }
        if state.seq == before {
            return Ok(());
        }
        match by {
            Some(handle) => handle.wrote_seq.store(state.seq, Ordering::Relaxed),
            None => state.joined_seq = state.seq,
        }
        Ok(())
    }

    fn refuse_chown(&self, set: &SetAttr) -> FsResult<()> {
        let (uid, gid) = self.owner();
        if set.uid.is_some_and(|to| to != uid) || set.gid.is_some_and(|to| to != gid) {
            return Err(FsError::new(
                Errno::EPERM,
                "everything belongs to who mounted",
            ));
        }
        Ok(())
    }
}
