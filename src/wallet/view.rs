//! [`View`]: the snapshot as others read it, and [`Secret`], what it says of one.

use super::held::Held;
use super::record::Meta;
use crate::store::Id;
use std::sync::{Arc, RwLockReadGuard};

/// What the snapshot says of a secret.
#[derive(Clone)]
pub struct Secret {
    /// Its item, for its whole life.
    pub id: Id,
    /// The generation of the commit that wrote the item.
    pub version: u64,
    /// Names, sizes, times.
    pub meta: Meta,
    /// The access under which it is found: its own, or, should another device have made a second
    /// secret of the same name, that of the higher id with `.duplicate-ID` behind it. Among those
    /// that were removed: its own, or, if another of the name was removed later, with `~TIME` behind
    /// it.
    pub shown: Arc<str>,
}

impl Secret {
    /// Whether it was removed, and is kept for a while.
    pub fn is_removed(&self) -> bool {
        self.meta.removed_ns.is_some()
    }
}

/// The snapshot, held still. Keep it for a moment: never across an await, and never while calling
/// anything else of the wallet, which may wait for this very lock.
pub struct View<'a>(pub(super) RwLockReadGuard<'a, Held>);

impl View<'_> {
    /// The generation for which the snapshot is true. 0 once the wallet is locked.
    pub fn generation(&self) -> u64 {
        self.0.snapshot.generation
    }

    /// The domains that hold a secret, ascending.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.snapshot.index().domains()
    }

    /// The secrets of a domain as (access as shown, id), ascending; none if there is no such domain.
    pub fn secrets(&self, domain: &str) -> impl Iterator<Item = (&Arc<str>, Id)> {
        self.0.snapshot.index().secrets(domain)
    }

    /// The domains of which secrets were removed, ascending.
    pub fn removed_domains(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.snapshot.trash().domains()
    }

    /// The secrets that were removed of a domain as (access as shown, id), ascending.
    pub fn removed_secrets(&self, domain: &str) -> impl Iterator<Item = (&Arc<str>, Id)> {
        self.0.snapshot.trash().secrets(domain)
    }

    /// The secret that was removed and is shown under this name.
    pub fn find_removed(&self, domain: &str, shown: &str) -> Option<Id> {
        self.0.snapshot.find_removed(domain, shown)
    }

    /// What is known of a secret that was removed and is kept.
    pub fn removed(&self, id: Id) -> Option<&Secret> {
        let item = self.0.snapshot.item(id);
        item.filter(|secret| secret.is_removed())
    }

    /// The secret that is shown under this name.
    pub fn find(&self, domain: &str, shown: &str) -> Option<Id> {
        self.0.snapshot.index().find(domain, shown)
    }

    /// What is known of a secret.
    pub fn secret(&self, id: Id) -> Option<&Secret> {
        self.0.snapshot.secret(id)
    }

    /// Every secret, ascending by id.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        self.0.snapshot.secrets()
    }

    /// How many secrets there are, those left out that do not open.
    pub fn len(&self) -> usize {
        self.0.snapshot.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items whose meta does not open: their names are not known.
    pub fn damaged(&self) -> impl Iterator<Item = Id> {
        self.0.snapshot.damaged()
    }
}
