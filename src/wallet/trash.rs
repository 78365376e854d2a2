//! Secrets that were removed and are kept for a while: each is an item as before, whose meta says when
//! it was removed. It has no place among the others, and the head names a feature as long as there is
//! one, so that no version which does not know of it takes it for a secret that is there.
//!
//! When its time is over, it is deleted by a commit that removes another one, or by
//! [`Wallet::empty_expired`].

use super::edit::Edit;
use super::plan::{Ground, Write};
use super::record::Field;
use super::{Secret, Wallet, WalletError};
use crate::store::Id;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Days for which they are kept, unless configured.
pub const KEPT_DAYS: u32 = 30;

/// The most that may be configured.
pub const MOST_DAYS: u32 = 3_650;

/// So many days.
pub fn days(number: u32) -> Duration {
    Duration::from_hours(24) * number
}

/// Those of `removed`, each with the time of its removal, that were kept as long as `keep` says, the
/// oldest first. A time that is not yet counts as now.
fn expired(removed: &BTreeSet<(i64, Id)>, now_ns: i64, keep: Duration) -> impl Iterator<Item = Id> {
    let keep = i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX);
    let before = now_ns.saturating_sub(keep);
    let removed = removed.iter();
    removed
        .filter(move |(removed_ns, _)| (*removed_ns).min(now_ns) <= before)
        .map(|(_, id)| *id)
}

impl Wallet {
    /// Deletes what was removed and kept long enough: nothing if there is no such secret or nothing
    /// can be changed, else 1 commit for each 99.
    ///
    /// # Errors
    ///
    /// As [`Wallet::apply`]. What was deleted stays so.
    pub async fn empty_expired(&self) -> Result<(), WalletError> {
        let state = self.state();
        if self.options.read_only || state.replica || state.fault.is_some() {
            return Ok(());
        }
        while self.has_expired() {
            self.apply(Edit::Expire).await?;
        }
        Ok(())
    }

    fn has_expired(&self) -> bool {
        let now_ns = self.options.clock.wall_ns();
        let held = self.held();
        let mut expired = expired(held.snapshot.removed(), now_ns, self.options.trash);
        expired.next().is_some()
    }
}

impl Ground<'_> {
    /// What becomes of a secret without fields that is removed.
    pub(super) fn remove(&self, id: Id) -> Result<Write, WalletError> {
        let secret = self.snapshot.secret(id).ok_or(WalletError::NotFound)?;
        if !secret.meta.fields.is_empty() {
            return Err(WalletError::NotEmpty);
        }
        if !self.trash.is_zero() {
            let body = self.bodies.get(&id).ok_or(WalletError::NotFound)?;
            if !(self.open)(body)?.history.is_empty() {
                let mut draft = self.draft(id)?;
                draft.meta.removed_ns = Some(self.now_ns);
                return Ok(draft.into_write());
            }
        }
        Ok(Write::Remove {
            id,
            version: secret.version,
        })
    }

    /// The secrets that were kept long enough and go, as many as there is room for beside these
    /// `writes` and the head.
    pub(super) fn expire(&self, writes: &mut Vec<Write>) {
        let room = self.most_changes.saturating_sub(writes.len() + 1);
        let expired = expired(self.snapshot.removed(), self.now_ns, self.trash);
        let gone = expired.take(room).filter_map(|id| {
            let version = self.snapshot.item(id)?.version;
            Some(Write::Remove { id, version })
        });
        writes.extend(gone);
    }

    /// A secret that was removed.
    fn removed(&self, id: Id) -> Result<&Secret, WalletError> {
        let secret = self.snapshot.item(id);
        let secret = secret.filter(|secret| secret.is_removed());
        secret.ok_or(WalletError::NotFound)
    }

    /// Deletes what a field of a secret that was removed holds and held.
    pub(super) fn discard_field(&self, id: Id, field: &Field) -> Result<Write, WalletError> {
        let mut draft = self.draft_of(self.removed(id)?)?;
        draft.discard(self, field)?;
        Ok(draft.into_write())
    }

    /// Deletes a secret that was removed and of which nothing is left.
    pub(super) fn discard(&self, id: Id) -> Result<Write, WalletError> {
        let secret = self.removed(id)?;
        let body = self.bodies.get(&id).ok_or(WalletError::NotFound)?;
        let data = (self.open)(body)?;
        let held = data.history.open();
        if !data.values.is_empty() || held.fields().next().is_some() {
            return Err(WalletError::NotEmpty);
        }
        Ok(Write::Remove {
            id,
            version: secret.version,
        })
    }

    /// Brings back a secret that was removed, under a name that is free or `replace`'s.
    pub(super) fn bring_back(
        &self,
        id: Id,
        domain: &Arc<str>,
        access: &Arc<str>,
        replace: Option<Id>,
    ) -> Result<Vec<Write>, WalletError> {
        let mut draft = self.draft_of(self.removed(id)?)?;
        let freed = self.freed(id, domain, access, replace)?;
        draft.bring_back(self)?;
        draft.meta.removed_ns = None;
        draft.meta.domain = domain.clone();
        draft.meta.access = access.clone();
        Ok(freed.into_iter().chain([draft.into_write()]).collect())
    }
}
