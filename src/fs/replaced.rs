//! What has lost its name and is still in use: files that live on in their handles only, since they
//! were removed or replaced here, or changed by another device while they were open; directories
//! that somebody is in.
//!
//! The kernel keeps the size and the cached pages of a file by its inode number. So a number means
//! one content for as long as it is open: where another device's content takes the name, the name
//! gets another number. Else `fstat` through an open handle would show the other content's size,
//! mappings would mix pages of both, and a reader of a mapping would be ended by SIGBUS when the
//! other content is shorter. Whoever comes by a number that has lost its name is told ESTALE, upon
//! which the kernel looks the name up again (path_lookup(7), "revalidation").

use super::attr::{self, Entry};
use super::error::{Errno, FsError, FsResult};
use super::file::{File, Name};
use super::inode::{Ino, Node, Place};
use super::open::take;
use super::{Fs, LOCK};
use crate::store::Id;
use std::sync::Arc;
use std::time::Duration;

impl Fs {
    /// Takes the name from a file that is in memory at `place`, if another device has changed or
    /// removed it and nothing of it is unsaved.
    pub(super) async fn part_from_replaced(&self, place: &Place) {
        let replaced = |file: &Arc<File>| !self.is_current(file, place);
        let Some(file) = self.file_at(place).filter(replaced) else {
            return;
        };
        // It may be this mount that has changed it, in a commit that is about to say so.
        let _turn = file.turn.lock().await;
        if replaced(&file) {
            self.part(&file, place);
        }
    }

    /// As [`Fs::part_from_replaced`], for all files of a secret.
    pub(super) async fn part_from_replaced_in(&self, secret: Id) {
        let places: Vec<Place> = {
            let files = self.files();
            let named = files.values().filter_map(|file| match &file.state().name {
                Name::Stored(place) if place.secret == secret => Some(place.clone()),
                _ => None,
            });
            named.collect()
        };
        for place in places {
            self.part_from_replaced(&place).await;
        }
    }

    /// From now on `file` lives in its handles only, and what is at `place` has another number.
    pub(super) fn part(&self, file: &Arc<File>, place: &Place) {
        let mut files = self.files();
        if take(&mut files, file) {
            let node = Node::File(place.clone());
            let mut inodes = self.inodes.write().expect(LOCK);
            if inodes.find(&node) == Some(file.ino) {
                inodes.detach(&node);
            }
        }
    }

    /// The file of a number that has lost its name. `None` if nobody has it open.
    pub(super) fn nameless(&self, ino: Ino) -> Option<Arc<File>> {
        let handles = self.handles();
        let mut files = handles.values().filter_map(|handle| handle.file());
        files.find(|file| file.ino == ino).cloned()
    }

    /// As [`Fs::nameless`], for a caller who may have come by a name.
    ///
    /// # Errors
    /// ESTALE unless the file was removed or replaced in this mount: then the kernel has taken the
    /// name from it too, and only a handle can have led here.
    pub(super) fn removed(&self, ino: Ino) -> FsResult<Arc<File>> {
        self.nameless(ino)
            .filter(|file| matches!(file.state().name, Name::Gone))
            .ok_or(STALE)
    }

    /// `fstat` of a file that lives in its handles only, or of a directory that somebody is still in
    /// and leaves by `..`.
    pub(super) fn getattr_of_nameless(&self, ino: Ino) -> FsResult<Entry> {
        let mut attr = if self.inodes.read().expect(LOCK).is_directory(ino) {
            attr::directory(ino, 0, self.made_ns)
        } else {
            self.nameless(ino).ok_or(STALE)?.state().attr(ino)
        };
        attr.links = 0;
        Ok(Entry {
            attr,
            ttl: Duration::ZERO,
        })
    }
}

pub(super) const STALE: FsError = FsError::new(Errno::ESTALE, "the name means another file by now");
