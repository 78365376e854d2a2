//! [`Snapshot`]: names, sizes and times of every secret, true for one generation, and
//! [`Contents`], what a listing brought, until it is known to be one.

use super::WalletError;
use super::head::Head;
use super::index::{self, Index};
use super::opening::{Opened, Opener};
use super::record::Meta;
use super::view::Secret;
use crate::crypto::Vault;
use crate::store::{Bytes, Id, Item};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A term of the head's digest.
pub(super) type Term = [u8; 32];

/// Adds a term to a digest, or takes it out again (XOR).
pub(super) fn toggle(digest: &mut [u8; 32], term: &Term) {
    for (d, t) in digest.iter_mut().zip(term) {
        *d ^= t;
    }
}

/// Whether a part of a secret's item was sealed under an older epoch than this one.
pub(super) fn is_older(item: &Item, epoch: u32) -> bool {
    let older = |sealed: &[u8]| Vault::epoch_of(sealed).is_none_or(|of| of < epoch);
    older(&item.meta) || older(&item.data)
}

/// What becomes of secrets: the new version, meta and term of each, or nothing of one that is
/// removed.
pub(super) type Delta = Vec<(Id, Option<(u64, Meta, Term)>)>;

/// The secrets as of one generation. While foreign commits are known but not loaded, a secret that
/// this device changed on top of them is newer than the generation says.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The generation for which all of it is true.
    pub(super) generation: u64,
    /// The epoch that the terms are made under.
    pub(super) epoch: u32,
    /// Items of which a part was sealed under an older epoch, when this was loaded.
    pub(super) older: usize,
    /// Why the digest did not verify; then some items do not open, and nothing may be changed.
    pub(super) fault: Option<String>,
    entries: BTreeMap<Id, Entry>,
    damaged: BTreeSet<Id>,
    index: Index,
    /// Those that were removed and are kept.
    trash: Index,
    /// The same, each with the time of its removal.
    removed: BTreeSet<(i64, Id)>,
}

struct Entry {
    secret: Secret,
    term: Term,
}

impl Snapshot {
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The names of secrets that were removed.
    pub(super) fn trash(&self) -> &Index {
        &self.trash
    }

    /// The secret that was removed and is shown under this name, or may be as others come and go.
    pub(super) fn find_removed(&self, domain: &str, name: &str) -> Option<Id> {
        let known = |(_, id)| {
            let meta = &self.item(id)?.meta;
            Some((&meta.access, meta.removed_ns?, id))
        };
        let trash = &self.trash;
        let other = || index::called(name, trash.secrets(domain).filter_map(known));
        trash.find(domain, name).or_else(other)
    }

    /// The secrets that were removed, by the time of that.
    pub(super) fn removed(&self) -> &BTreeSet<(i64, Id)> {
        &self.removed
    }

    /// A secret that is there.
    pub(super) fn secret(&self, id: Id) -> Option<&Secret> {
        self.item(id).filter(|secret| !secret.is_removed())
    }

    /// A secret, be it there or removed.
    pub(super) fn item(&self, id: Id) -> Option<&Secret> {
        self.entries.get(&id).map(|entry| &entry.secret)
    }

    /// The secrets that are there.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let all = self.entries.values().map(|entry| &entry.secret);
        all.filter(|secret| !secret.is_removed())
    }

    /// Number of secrets that are there.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.removed.len()
    }

    /// Number of items that open.
    pub(super) fn items(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn damaged(&self) -> impl Iterator<Item = Id> {
        self.damaged.iter().copied()
    }

    /// What a secret's item adds to the digest.
    pub(super) fn term(&self, id: Id) -> Option<&Term> {
        self.entries.get(&id).map(|entry| &entry.term)
    }

    /// What this lacks to be what `head` vouches for, if the items that were found, or not found,
    /// in the store are all that changed: to the last bit of every meta. `None` if they are not.
    pub(super) fn delta(
        &self,
        vault: &Vault,
        head: &Head,
        found: &[(Id, Option<Item>)],
    ) -> Result<Option<Delta>, WalletError> {
        let mut digest = [0; 32];
        for entry in self.entries.values() {
            toggle(&mut digest, &entry.term);
        }
        let mut count = self.entries.len() as u64;
        let mut removed = self.removed.len();
        let mut delta = Vec::with_capacity(found.len());
        for (id, item) in found {
            if let Some(entry) = self.entries.get(id) {
                toggle(&mut digest, &entry.term);
                count -= 1;
                removed -= usize::from(entry.secret.is_removed());
            }
            let Some(item) = item else {
                delta.push((*id, None));
                continue;
            };
            if item.id != *id || item.version > head.generation() || is_older(item, self.epoch) {
                return Ok(None);
            }
            let text = id.text();
            let term = vault.item_digest(self.epoch, &text, item.version, &item.meta)?;
            let Ok(meta) = vault
                .open_meta(&text, item.version, &item.meta)
                .and_then(|plain| Meta::decode(&plain))
            else {
                return Ok(None);
            };
            toggle(&mut digest, &term);
            count += 1;
            removed += usize::from(meta.removed_ns.is_some());
            delta.push((*id, Some((item.version, meta, term))));
        }
        let told = head.trash || removed == 0;
        let vouched = digest == head.data.digest && count == head.data.count && told;
        Ok(vouched.then_some(delta))
    }

    /// Makes changes that were committed: each id with its new version, meta and term, or without
    /// for a secret that was removed.
    pub(super) fn change(
        &mut self,
        changes: impl IntoIterator<Item = (Id, Option<(u64, Meta, Term)>)>,
    ) {
        // The secrets of each domain, or of what was removed of it, in which names may have changed.
        let mut places: BTreeMap<Place, BTreeSet<Id>> = BTreeMap::new();
        let mut arrived = Vec::new();
        for (id, after) in changes {
            let before = self.entries.remove(&id);
            let name = |meta: &Meta| (Place::of(meta), meta.access.clone(), meta.removed_ns);
            let old = before.as_ref().map(|entry| name(&entry.secret.meta));
            let new = after.as_ref().map(|(_, meta, _)| name(meta));
            if old != new {
                for (place, ..) in old.iter().chain(&new) {
                    if !places.contains_key(place) {
                        places.insert(place.clone(), self.ids_in(place));
                    }
                }
                if let Some((.., Some(removed_ns))) = old {
                    self.removed.remove(&(removed_ns, id));
                }
                if let Some((place, _, removed_ns)) = new {
                    self.removed.extend(removed_ns.map(|ns| (ns, id)));
                    arrived.push((place, id));
                }
            }
            if let Some((version, meta, term)) = after {
                // A name that did not change is shown as it was; another one is set below.
                let shown = before.map_or_else(|| meta.access.clone(), |entry| entry.secret.shown);
                let secret = Secret {
                    id,
                    version,
                    meta,
                    shown,
                };
                self.entries.insert(id, Entry { secret, term });
            }
        }
        for (place, id) in arrived {
            places.get_mut(&place).expect("touched above").insert(id);
        }
        for (place, ids) in places {
            self.reindex(&place, ids);
        }
    }

    /// The secrets that are in a place.
    fn ids_in(&self, place: &Place) -> BTreeSet<Id> {
        let index = if place.trash {
            &self.trash
        } else {
            &self.index
        };
        index.secrets(&place.domain).map(|(_, id)| id).collect()
    }

    /// Gives the secrets of a place the names they are shown under. `ids` holds at least all that
    /// are in it.
    fn reindex(&mut self, place: &Place, ids: BTreeSet<Id>) {
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let secret = &mut entry.secret;
            if place.holds(&secret.meta) {
                secret.shown = secret.meta.access.clone();
                let removed_ns = secret.meta.removed_ns.unwrap_or_default();
                names.push((secret.meta.access.clone(), removed_ns, id));
            }
        }
        let renamed = match place.trash {
            true => self.trash.set_removed(&place.domain, names),
            false => {
                let names = names.into_iter().map(|(access, _, id)| (access, id));
                self.index.set(&place.domain, names.collect())
            }
        };
        for (id, shown) in renamed {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.secret.shown = shown;
            }
        }
    }
}

/// Where a secret's name is one among others: a domain, or what was removed of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    trash: bool,
    domain: Arc<str>,
}

impl Place {
    fn of(meta: &Meta) -> Place {
        Place {
            trash: meta.removed_ns.is_some(),
            domain: meta.domain.clone(),
        }
    }

    fn holds(&self, meta: &Meta) -> bool {
        self.trash == meta.removed_ns.is_some() && self.domain == meta.domain
    }
}

/// What a listing brought.
pub(super) struct Contents {
    opener: Arc<Opener>,
    digest: Term,
    /// The digest under an older epoch, where that is the one to be verified.
    under_older: Option<Term>,
    newest: u64,
    /// Items of which a part was sealed under an older epoch.
    older: usize,
    entries: BTreeMap<Id, Entry>,
    /// Items whose meta does not open.
    damaged: BTreeSet<Id>,
}

impl Contents {
    pub(super) fn new(vault: &Arc<Vault>) -> Self {
        Contents::opened_by(Opener::new(vault, None), None)
    }

    /// Contents to be verified against a head of the epoch `older`, and to be vouched for by one of
    /// the vault's newest.
    pub(super) fn for_new_epoch(vault: &Arc<Vault>, older: u32) -> Self {
        Contents::opened_by(Opener::new(vault, Some(older)), Some([0; 32]))
    }

    fn opened_by(opener: Arc<Opener>, under_older: Option<Term>) -> Self {
        Contents {
            opener,
            digest: [0; 32],
            under_older,
            newest: 0,
            older: 0,
            entries: BTreeMap::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Opens what is to be taken up.
    pub(super) fn opener(&self) -> Arc<Opener> {
        self.opener.clone()
    }

    /// The digest under the vault's newest epoch.
    pub(super) fn digest(&self) -> Term {
        self.digest
    }

    /// Items whose meta does not open.
    pub(super) fn damaged(&self) -> impl Iterator<Item = Id> {
        self.damaged.iter().copied()
    }

    /// Takes up the item of a secret. Gives its sealed values and their hash, if its meta opens and
    /// vouches for them, to be kept in memory; not of one that was removed: it is seldom read. The caller has seen to it that no id comes twice.
    pub(super) fn take(&mut self, opened: Opened) -> Option<(Bytes, [u8; 32])> {
        toggle(&mut self.digest, &opened.term);
        if let (Some(digest), Some(term)) = (&mut self.under_older, &opened.under_older) {
            toggle(digest, term);
        }
        self.newest = self.newest.max(opened.version);
        self.older += usize::from(opened.is_older);
        let Some(meta) = opened.meta else {
            self.damaged.insert(opened.id);
            return None;
        };
        let body = opened.body.filter(|_| meta.removed_ns.is_none());
        let vouched = body.map(|body| (body, meta.data_hash));
        let secret = Secret {
            id: opened.id,
            version: opened.version,
            shown: meta.access.clone(),
            meta,
        };
        let term = opened.term;
        self.entries.insert(secret.id, Entry { secret, term });
        vouched
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.damaged.len()
    }

    /// What in this is not as `head` says; `None`: all of it is, to the last bit of every meta.
    pub(super) fn mismatch(&self, head: &Head) -> Option<String> {
        let (listed, count) = (self.len() as u64, head.data.count);
        if listed != count {
            return Some(format!(
                "the store gave {listed} items, and the head says {count}"
            ));
        }
        if self.newest > head.generation() {
            return Some("the store gave an item that is newer than the head".into());
        }
        if self.under_older.unwrap_or(self.digest) != head.data.digest {
            return Some("the items are not those that the head vouches for".into());
        }
        if !head.trash && self.entries.values().any(|entry| entry.secret.is_removed()) {
            return Some(UNTOLD.into());
        }
        None
    }

    /// Whether a lasting mismatch may be put down to items that do not open, so that the rest can be
    /// read: there are such items, none is missing or too many, and no other is older than `known`,
    /// the last snapshot of this session, showed it.
    ///
    /// What remains possible is that a store which damages one item replays an old state of another
    /// to a device that has just mounted; hence the fault is said, and nothing may be changed. To
    /// refuse everything instead would let one flipped bit take away the whole wallet.
    pub(super) fn readable(&self, head: &Head, known: &Snapshot) -> bool {
        let replayed = |entry: &Entry| {
            let before = known.item(entry.secret.id).map(|secret| secret.version);
            before.is_some_and(|version| entry.secret.version < version)
        };
        !self.damaged.is_empty()
            && self.len() as u64 == head.data.count
            && self.newest <= head.generation()
            && !self.entries.values().any(replayed)
    }

    /// The snapshot that this is.
    pub(super) fn into_snapshot(self, generation: u64, fault: Option<String>) -> Snapshot {
        let mut places: BTreeMap<Place, BTreeSet<Id>> = BTreeMap::new();
        let mut removed = BTreeSet::new();
        for (id, entry) in &self.entries {
            let meta = &entry.secret.meta;
            places.entry(Place::of(meta)).or_default().insert(*id);
            removed.extend(meta.removed_ns.map(|ns| (ns, *id)));
        }
        let mut snapshot = Snapshot {
            generation,
            epoch: self.opener.epoch,
            older: self.older,
            fault,
            entries: self.entries,
            damaged: self.damaged,
            index: Index::default(),
            trash: Index::default(),
            removed,
        };
        for (place, ids) in places {
            snapshot.reindex(&place, ids);
        }
        snapshot
    }
}

/// What is wrong with a wallet whose head does not name the feature that an item needs.
pub(super) const UNTOLD: &str =
    "a secret is marked as removed, and the head does not say that there are such";
