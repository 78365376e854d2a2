//! What one commit and one item may carry, the same for every engine.

use super::{Change, Item, StoreError};
use std::collections::HashSet;

/// What one commit and one item may carry (DynamoDB's limits of `TransactWriteItems` and of an
/// item; the other engines enforce the same, so that a wallet can move).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes in a commit: 100, or less by the setting `commit-limit`.
    pub changes: usize,
    /// Bytes in a commit: 4 MiB, each item counted by [`item_size`].
    pub commit_bytes: usize,
    /// Bytes of an item, counted by [`item_size`].
    pub item_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            changes: 100,
            commit_bytes: 4 << 20,
            item_bytes: 409_600,
        }
    }
}

impl Limits {
    /// The limits with a commit of at most `changes` changes, for a store that takes no more. At
    /// least 2, since nothing of a wallet changes without its head, and at most the 100 that
    /// DynamoDB takes: a number outside is brought to the nearer end.
    pub fn with_changes(changes: usize) -> Self {
        let most = Self::default();
        Limits {
            changes: changes.clamp(2, most.changes),
            ..most
        }
    }
}

/// Bytes that an item counts: names and values of its attributes `wallet`, `id`, `version` (a
/// number: 21 bytes at most), `meta` and `data` (Amazon DynamoDB Developer Guide, "DynamoDB item
/// sizes and formats").
pub fn item_size(wallet: &str, item: &Item) -> usize {
    const NAMES: usize = "walletidversionmetadata".len();
    const NUMBER: usize = 21;
    NAMES + NUMBER + wallet.len() + item.id.text().len() + item.meta.len() + item.data.len()
}

/// Refuses a commit that is over the limits or that names an id twice.
pub(super) fn check(limits: &Limits, wallet: &str, changes: &[Change]) -> Result<(), StoreError> {
    if changes.len() > limits.changes {
        return Err(StoreError::TooLarge(format!(
            "a commit of {} changes; at most {} fit",
            changes.len(),
            limits.changes
        )));
    }
    let mut ids = HashSet::with_capacity(changes.len());
    let mut total = 0;
    for change in changes {
        if !ids.insert(change.id()) {
            return Err(StoreError::Failed("a commit names an item twice".into()));
        }
        let Change::Put { item, .. } = change else {
            continue;
        };
        let size = item_size(wallet, item);
        if size > limits.item_bytes {
            return Err(StoreError::TooLarge(format!(
                "an item of {size} bytes; at most {} fit",
                limits.item_bytes
            )));
        }
        total += size;
    }
    if total > limits.commit_bytes {
        return Err(StoreError::TooLarge(format!(
            "a commit of {total} bytes; at most {} fit",
            limits.commit_bytes
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_limit_stays_within_what_a_wallet_needs_and_dynamodb_takes() {
        for (asked, given) in [(0, 2), (1, 2), (2, 2), (25, 25), (100, 100), (101, 100)] {
            let limits = Limits::with_changes(asked);
            assert_eq!(limits.changes, given);
            let rest = Limits {
                changes: 100,
                ..limits
            };
            assert_eq!(rest, Limits::default());
        }
    }
}
