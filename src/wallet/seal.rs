//! From a plan to a commit: items sealed, the head with its new digest, and what the snapshot
//! becomes once the commit is made.

use super::backup;
use super::head::Head;
use super::history::History;
use super::plan::{Plan, Values, Write};
use super::record::Meta;
use super::snapshot::{Snapshot, Term, toggle};
use super::{Secret, WalletError};
use crate::crypto::{HeadMeta, Vault, sha256};
use crate::store::{Bytes, Change, Expect, Id, Item, Store};
use std::sync::Arc;

/// A commit that is ready to be sent.
pub(super) struct Ready {
    /// The secrets' items, and the head behind them.
    pub(super) changes: Vec<Change>,
    /// The head that it puts.
    pub(super) head: Arc<Head>,
    /// What becomes of each secret.
    pub(super) effects: Vec<(Id, Option<Written>)>,
}

/// A secret's item as a commit writes it.
pub(super) struct Written {
    pub(super) meta: Meta,
    pub(super) data: Bytes,
    pub(super) term: Term,
}

/// Seals a plan on top of `tip`. Refused when it is over the store's limits.
pub(super) fn seal(
    plan: Plan,
    vault: &Vault,
    tip: &Head,
    snapshot: &Snapshot,
    store: &dyn Store,
    committed_ns: u64,
) -> Result<Ready, WalletError> {
    let generation = next(tip)?;
    let limits = store.limits();
    let mut data = tip.data.clone();
    data.committed_ns = committed_ns;
    let mut changes = Vec::with_capacity(plan.writes.len() + 1);
    let mut effects = Vec::with_capacity(plan.writes.len());
    let mut bytes = 0;
    let mut removed = snapshot.removed().len();
    for write in plan.writes {
        let id = write.id();
        let was_removed = snapshot.item(id).is_some_and(Secret::is_removed);
        removed = removed + usize::from(write.removes()) - usize::from(was_removed);
        if let Some(term) = snapshot.term(id) {
            toggle(&mut data.digest, term);
        }
        let (expect, mut meta, values) = match write {
            Write::Remove { version, .. } => {
                let count = data.count.checked_sub(1);
                data.count = count.ok_or_else(|| {
                    WalletError::Integrity("the head counts fewer secrets than there are".into())
                })?;
                changes.push(Change::Delete {
                    id,
                    expect: version,
                });
                effects.push((id, None));
                continue;
            }
            Write::Create {
                meta, data: values, ..
            } => {
                data.count += 1;
                (
                    Expect::Absent,
                    meta,
                    Values::New(values, History::default()),
                )
            }
            Write::Change {
                version,
                meta,
                values,
                ..
            } => (Expect::Version(version), meta, values),
        };
        let text = id.text();
        let sealed = match values {
            Values::Kept(bytes) => bytes,
            Values::New(mut values, mut history) => {
                values.history = Default::default();
                let bare = values.encode().len();
                let around = item_size(id, &meta, store);
                // History gives way to values: what fits without it is not refused for it.
                history.shrink(|more| around + Vault::sealed_len(bare + more) <= limits.item_bytes);
                values.history = history.fold();
                vault.seal_data(&text, values.encode().expose())
            }
        };
        meta.data_hash = sha256(&sealed);
        let item = Item {
            id,
            version: generation,
            meta: vault.seal_meta(&text, generation, meta.encode().expose()),
            data: sealed.clone(),
        };
        let size = store.item_size(&item);
        if size + backup::NAME_BYTES > limits.item_bytes {
            return Err(WalletError::TooLarge);
        }
        bytes += size;
        let term = vault.item_digest(vault.newest_epoch(), &text, generation, &item.meta)?;
        toggle(&mut data.digest, &term);
        changes.push(Change::Put { item, expect });
        let written = Written {
            meta,
            data: sealed,
            term,
        };
        effects.push((id, Some(written)));
    }
    let raw = |(id, _): &(Id, _)| match id {
        Id::Secret(raw) => Some(*raw),
        Id::Head => None,
    };
    let changed = effects.iter().filter_map(raw).collect();
    let head_meta = match snapshot.generation == tip.generation() {
        true if tip.trash != (removed > 0) => head_meta(&tip.item.meta, removed > 0)?,
        // On an incomplete snapshot nothing is removed, nor brought back.
        _ => tip.item.meta.clone(),
    };
    let head = Head::seal(vault, generation, head_meta, data, Some(changed));
    bytes += store.item_size(&head.item);
    changes.push(put_head(&head, tip));
    if changes.len() > limits.changes || bytes > limits.commit_bytes {
        return Err(WalletError::TooMany);
    }
    Ok(Ready {
        changes,
        head: Arc::new(head),
        effects,
    })
}

/// The public part of a head as `before`, but for whether there are secrets marked as removed.
pub(super) fn head_meta(before: &[u8], trash: bool) -> Result<Bytes, WalletError> {
    let mut meta = HeadMeta::decode(before)?;
    meta.trash = trash;
    Ok(meta.encode())
}

/// Bytes of a secret's item without its values, in a backup too, whose name is longer.
pub(super) fn item_size(id: Id, meta: &Meta, store: &dyn Store) -> usize {
    let bare = Item {
        id,
        version: u64::MAX,
        meta: Bytes::new(),
        data: Bytes::new(),
    };
    store.item_size(&bare) + backup::NAME_BYTES + Vault::sealed_len(meta.encode().len())
}

/// The change that puts `head` in the place of `tip`, and nothing else's.
pub(super) fn put_head(head: &Head, tip: &Head) -> Change {
    Change::Put {
        item: head.item.clone(),
        expect: Expect::Version(tip.generation()),
    }
}

/// The generation after `tip`'s.
pub(super) fn next(tip: &Head) -> Result<u64, WalletError> {
    after(tip.generation())
}

/// The generation after this one.
pub(super) fn after(generation: u64) -> Result<u64, WalletError> {
    generation
        .checked_add(1)
        .ok_or_else(|| WalletError::Integrity("the wallet's generations are used up".into()))
}

impl Write {
    /// Whether the secret that it leaves is marked as removed.
    fn removes(&self) -> bool {
        match self {
            Write::Create { meta, .. } | Write::Change { meta, .. } => meta.removed_ns.is_some(),
            Write::Remove { .. } => false,
        }
    }

    fn id(&self) -> Id {
        match self {
            Write::Create { id, .. } | Write::Change { id, .. } | Write::Remove { id, .. } => *id,
        }
    }
}
