//! Catching up: a snapshot that is a few commits behind fetches what those changed, as the head tells,
//! instead of everything. What comes of it is a snapshot only if the head's digest and count vouch for
//! it, which they do for every item there is; then it does not matter when each was fetched, nor who
//! told what to fetch. Whatever does not fit leads to a load.

use super::head::Head;
use super::snapshot::Snapshot;
use super::{Turn, Wallet, WalletError};
use crate::crypto::sha256;
use crate::store::{Change, Expect, Id, Item};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A page of a listing brings many items at about the cost of one get: so many secrets must there be
/// for each that is fetched by itself.
const ITEMS_A_GET: usize = 16;

/// What came of it.
pub(super) enum Caught {
    /// The snapshot is that of the head.
    Up,
    /// What was fetched is not what the head vouches for.
    Missed,
    /// It is not known what changed, or everything is fetched sooner.
    NoWay,
}

impl Wallet {
    /// Brings the snapshot up to `head`, by 1 get for each secret that changed.
    pub(super) async fn catch_up(
        &self,
        _turn: &Turn<'_>,
        head: &Arc<Head>,
    ) -> Result<Caught, WalletError> {
        let Some(ids) = self.lacking(head) else {
            return Ok(Caught::NoWay);
        };
        let vault = self.vault()?;
        let found = self.get_all(ids).await?;
        let (delta, changes) = {
            let held = self.held();
            held.vault()?;
            match held.snapshot.delta(&vault, head, &found)? {
                Some(delta) => (delta, changes(&held.snapshot, &found, head)),
                None => {
                    tracing::debug!("what the head tells of recent commits does not lead to it");
                    return Ok(Caught::Missed);
                }
            }
        };
        self.follow(&changes).await;
        let mut cache = self.bodies();
        for ((id, change), (_, item)) in delta.iter().zip(&found) {
            cache.remove(*id);
            if let (Some((_, meta, _)), Some(item)) = (change, item)
                && sha256(&item.data) == meta.data_hash
            {
                cache.fill(*id, meta.data_hash, item.data.clone());
            }
        }
        drop(cache);
        let mut held = self.held_mut();
        held.vault()?;
        held.snapshot.change(delta);
        held.snapshot.generation = head.generation();
        held.advance(head);
        tracing::debug!(generation = head.generation(), "caught up");
        Ok(Caught::Up)
    }

    /// The secrets to fetch, if the snapshot can be brought up to this head so, and it is worth it.
    fn lacking(&self, head: &Head) -> Option<BTreeSet<Id>> {
        let held = self.held();
        let snapshot = &held.snapshot;
        let sound = snapshot.generation > 0 && snapshot.fault.is_none() && snapshot.older == 0;
        if !sound || !held.terms_are_current() || snapshot.generation >= head.generation() {
            return None;
        }
        let recent = &head.data.recent;
        let ids = recent.since(snapshot.generation, head.generation())?;
        let worth = ids.len() * ITEMS_A_GET <= snapshot.items();
        worth.then(|| ids.into_iter().map(Id::Secret).collect())
    }

    /// These items, fetched at the same time.
    async fn get_all(&self, ids: BTreeSet<Id>) -> Result<Vec<(Id, Option<Item>)>, WalletError> {
        let mut gets = JoinSet::new();
        for id in ids {
            let store = self.store.clone();
            gets.spawn(async move { store.get(id).await.map(|item| (id, item)) });
        }
        let mut found = Vec::with_capacity(gets.len());
        while let Some(got) = gets.join_next().await {
            match got {
                Ok(got) => found.push(got?),
                Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                // The runtime is ending, and this task with it.
                Err(_) => std::future::pending().await,
            }
        }
        Ok(found)
    }
}

/// The changes that a replica which shows what the snapshot shows makes, to show what `head` vouches
/// for.
fn changes(snapshot: &Snapshot, found: &[(Id, Option<Item>)], head: &Head) -> Vec<Change> {
    let put = |item: &Item, before: Option<u64>| Change::Put {
        item: item.clone(),
        expect: before.map_or(Expect::Absent, Expect::Version),
    };
    let secrets = found.iter().filter_map(|(id, item)| {
        let before = snapshot.item(*id).map(|secret| secret.version);
        match (item, before) {
            (Some(item), before) => Some(put(item, before)),
            (None, Some(expect)) => Some(Change::Delete { id: *id, expect }),
            (None, None) => None,
        }
    });
    let head = put(&head.item, Some(snapshot.generation));
    secrets.chain([head]).collect()
}
