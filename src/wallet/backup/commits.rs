//! Commits of items that are not made one from the other: a copy is cut where the store's limits are.

use crate::store::{Change, Commit, Limits, Store};
use crate::wallet::WalletError;

/// Commits; others that were faster are [`WalletError::Contended`].
pub(super) async fn commit(store: &dyn Store, changes: Vec<Change>) -> Result<(), WalletError> {
    match store.commit(changes).await? {
        Commit::Done => Ok(()),
        Commit::Refused(_) => Err(WalletError::Contended),
    }
}

/// Cuts changes into commits within the store's limits.
pub(super) fn batches(
    store: &dyn Store,
    changes: impl IntoIterator<Item = Change>,
) -> Vec<Vec<Change>> {
    let Limits {
        changes: most,
        commit_bytes,
        ..
    } = store.limits();
    let mut batches: Vec<Vec<Change>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        let size = match &change {
            Change::Put { item, .. } => store.item_size(item),
            Change::Delete { .. } => 0,
        };
        match batches.last_mut() {
            Some(batch) if batch.len() < most && bytes + size <= commit_bytes => {
                batch.push(change);
                bytes += size;
            }
            _ => {
                batches.push(vec![change]);
                bytes = size;
            }
        }
    }
    batches
}
