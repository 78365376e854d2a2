//! Modes and times that come right after a close: `rsync`, `unzip` and `install` close a file and then
//! set them by its name, `rsync` to rename it next. Stored at once they would be a commit each.
//!
//! So on a file that this mount has stored a moment ago they are held back for a moment, as unsaved:
//! shown here, counted by `status`, stored before the lock. A rename of the file takes them along,
//! and so does the next commit in their secret, which rewrites its item anyway; else they are stored
//! by themselves. On any other file they are stored at once, so that the call tells of a failure.

use super::file::{Content, File};
use super::inode::Place;
use super::setattr::SetAttr;
use super::{Fs, LOCK};
use crate::wallet::FieldChange;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long after it was stored a file counts as stored just now.
const LATELY: Duration = Duration::from_secs(1);

/// How long attributes wait for a commit that takes them along. Other devices look no sooner.
const SOON: Duration = Duration::from_secs(1);

/// More files than are closed at the same time.
const REMEMBERED: usize = 32;

/// The files that were stored last, and when.
#[derive(Default)]
pub(super) struct Lately(VecDeque<(Place, Duration)>);

impl Fs {
    /// The content of the file at `place` has been stored.
    pub(super) fn note_lately(&self, place: &Place) {
        let mut lately = self.lately.lock().expect(LOCK);
        lately.0.retain(|(other, _)| other != place);
        lately.0.truncate(REMEMBERED - 1);
        lately
            .0
            .push_front((place.clone(), self.options.clock.monotonic()));
    }

    /// Whether a change of `file` may wait for a commit that takes it along.
    pub(super) fn may_wait(&self, file: &Arc<File>, place: &Place, set: &SetAttr) -> bool {
        let attributes = {
            let state = file.state();
            set.size.is_none()
                && state.failed.is_none()
                && matches!(state.content, Content::Sealed(..))
        };
        attributes && self.was_stored_lately(place)
    }

    fn was_stored_lately(&self, place: &Place) -> bool {
        let now = self.options.clock.monotonic();
        let lately = self.lately.lock().expect(LOCK);
        lately
            .0
            .iter()
            .any(|(other, at)| other == place && now.saturating_sub(*at) < LATELY)
    }

    /// Forgets every name.
    pub(super) fn forget_lately(&self) {
        self.lately.lock().expect(LOCK).0.clear();
    }

    /// Stores the attributes of `file` that wait by then, in a moment.
    pub(super) fn store_soon(&self, file: &Arc<File>) {
        {
            let mut state = file.state();
            if !state.unsaved() {
                return;
            }
            state.waiting_seq = state.seq;
        }
        let (me, file) = (self.me.clone(), file.clone());
        self.options.runtime.spawn(async move {
            tokio::time::sleep(SOON).await;
            let Some(fs) = me.upgrade() else { return };
            // Content that was written meanwhile is its writer's to store.
            if fs.unsaved_attributes(&file).is_some()
                && let Err(e) = fs.commit(&file).await
            {
                tracing::warn!("a file's mode or time could not be stored: {e}");
            }
            fs.drop_if_idle(&file);
        });
    }

    /// What `file` has unsaved, if that is no more than attributes, and up to which `seq`.
    pub(super) fn unsaved_attributes(&self, file: &File) -> Option<(u64, FieldChange)> {
        let state = file.state();
        let only = state.unsaved() && matches!(state.content, Content::Sealed(..));
        only.then(|| {
            let change = FieldChange::Attributes {
                mtime_ns: Some(state.mtime_ns),
                mode: Some(state.mode),
            };
            (state.seq, change)
        })
    }

    /// Files whose attributes wait for a commit in the secret of `place`, that of `file` left out.
    pub(super) fn waiting_beside(
        &self,
        file: &Arc<File>,
        place: &Place,
    ) -> Vec<(Arc<File>, Place)> {
        let unsaved = self.unsaved_files().clone();
        let others = unsaved
            .into_iter()
            .filter(|other| !Arc::ptr_eq(other, file));
        let waiting = others.filter_map(|other| {
            let there = {
                let state = other.state();
                // What has failed is tried by itself, lest it fail others.
                let waits = state.writers == 0 && state.failed.is_none();
                state.stored_place().filter(|_| waits)?
            };
            (there.secret == place.secret).then_some((other, there))
        });
        waiting.collect()
    }
}
