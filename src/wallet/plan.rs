//! What an edit means for the snapshot at hand: which items are written, with what, and whether
//! what the edit expects is there. Nothing here is sealed or sent, so that a refused commit can be
//! planned again on another snapshot.

use super::draft::{Draft, Drafts};
use super::edit::{Edit, FieldChange, FieldEdit};
use super::record::{Data, Field, Meta};
use super::snapshot::Snapshot;
use super::{Body, WalletError, name};
use crate::store::{Bytes, Id};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The items that a commit writes, each secret at most once.
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    pub(super) created: Option<Id>,
    /// As [`super::Applied::rev`].
    pub(super) rev: Option<u64>,
}

/// What becomes of a secret's item.
pub(super) enum Write {
    /// A new item.
    Create { id: Id, meta: Meta },
    /// Other metadata; values too, or data's bytes as they are.
    Change {
        id: Id,
        version: u64,
        meta: Meta,
        values: Values,
    },
    /// No item any more.
    Remove { id: Id, version: u64 },
}

/// The values of a changed secret.
pub(super) enum Values {
    /// As they are: the same ciphertext.
    Kept(Bytes),
    /// To be sealed.
    New(Data),
}

/// What a plan is made of.
pub(super) struct Ground<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The bodies that [`bodies_needed`] named.
    pub(super) bodies: &'a BTreeMap<Id, Body>,
    /// Opens a body.
    pub(super) open: &'a dyn Fn(&Body) -> Result<Data, WalletError>,
    /// The generation that the commit will make.
    pub(super) generation: u64,
    /// The id of a secret that is made.
    pub(super) new_id: Id,
    /// Now, nanoseconds since 1970.
    pub(super) now_ns: i64,
    /// Changes that a commit takes.
    pub(super) most_changes: usize,
}

impl Edit {
    /// Whether it makes, renames or removes a secret: only a snapshot without unknown commits keeps
    /// names unique.
    pub(super) fn is_structural(&self) -> bool {
        match self {
            Edit::Fields(_) | Edit::Reseal(_) => false,
            Edit::Create { .. } | Edit::Remove { .. } | Edit::Move { .. } => true,
            Edit::MoveDomain { .. } => true,
        }
    }

    /// Refuses names that cannot be shown.
    pub(super) fn check_names(&self) -> Result<(), WalletError> {
        match self {
            Edit::Fields(edits) => edits.iter().try_for_each(|edit| match &edit.change {
                FieldChange::Put { .. } => check_field(&edit.field),
                FieldChange::MoveTo { field, .. } => check_field(field),
                FieldChange::Attributes { .. } | FieldChange::Remove => Ok(()),
            }),
            Edit::Create { domain, access } | Edit::Move { domain, access, .. } => {
                name::check(domain).and_then(|()| name::check(access))
            }
            Edit::Remove { .. } | Edit::Reseal(_) => Ok(()),
            Edit::MoveDomain { to, .. } => name::check(to),
        }
    }

    /// The secrets whose bodies a plan needs: an item is written whole.
    pub(super) fn bodies_needed(
        &self,
        snapshot: &Snapshot,
        most_changes: usize,
    ) -> Result<BTreeSet<Id>, WalletError> {
        Ok(match self {
            Edit::Fields(edits) => {
                let mut ids = BTreeSet::new();
                for edit in edits {
                    ids.insert(edit.secret);
                    if let FieldChange::MoveTo { secret, .. } = edit.change {
                        ids.insert(secret);
                    }
                }
                if ids.len() >= most_changes {
                    return Err(WalletError::TooMany);
                }
                ids
            }
            Edit::Move { secret, .. } => BTreeSet::from([*secret]),
            // What was removed meanwhile needs it no more.
            Edit::Reseal(ids) => ids
                .iter()
                .copied()
                .filter(|id| snapshot.secret(*id).is_some())
                .collect(),
            Edit::MoveDomain { from, to } => domain_moved(snapshot, from, to, most_changes)?,
            Edit::Create { .. } | Edit::Remove { .. } => BTreeSet::new(),
        })
    }

    /// What the edit means on this ground.
    pub(super) fn plan(&self, ground: &Ground<'_>) -> Result<Plan, WalletError> {
        let (mut created, mut rev) = (None, None);
        let writes = match self {
            Edit::Fields(edits) => {
                let (writes, first) = ground.fields(edits)?;
                rev = first;
                writes
            }
            Edit::Create { domain, access } => {
                created = Some(ground.new_id);
                vec![ground.create(domain, access)?]
            }
            Edit::Remove { secret } => vec![ground.remove(*secret)?],
            Edit::Reseal(_) => {
                let resealed = ground.bodies.keys().map(|id| {
                    let mut draft = ground.draft(*id)?;
                    draft.reseal(ground)?;
                    Ok(draft.into_write())
                });
                resealed.collect::<Result<_, WalletError>>()?
            }
            Edit::Move {
                secret,
                domain,
                access,
                replace,
            } => ground.rename(*secret, domain, access, *replace)?,
            Edit::MoveDomain { from, to } => {
                let ids = domain_moved(ground.snapshot, from, to, ground.most_changes)?;
                let moved = ids.into_iter().map(|id| {
                    let mut draft = ground.draft(id)?;
                    draft.meta.domain = to.clone();
                    Ok(draft.into_write())
                });
                moved.collect::<Result<_, WalletError>>()?
            }
        };
        Ok(Plan {
            writes,
            created,
            rev,
        })
    }
}

/// The secrets that a move of a domain moves.
fn domain_moved(
    snapshot: &Snapshot,
    from: &str,
    to: &str,
    most_changes: usize,
) -> Result<BTreeSet<Id>, WalletError> {
    let ids: BTreeSet<Id> = snapshot.index().secrets(from).map(|(_, id)| id).collect();
    if ids.is_empty() {
        return Err(WalletError::NotFound);
    }
    if from == to {
        return Ok(BTreeSet::new());
    }
    if snapshot.index().secrets(to).next().is_some() {
        return Err(WalletError::Exists);
    }
    // One change is the head's.
    if ids.len() >= most_changes {
        return Err(WalletError::TooMany);
    }
    Ok(ids)
}

fn check_field(field: &Field) -> Result<(), WalletError> {
    match field {
        Field::Uid | Field::Pwd => Ok(()),
        Field::Info(key) => name::check(key),
    }
}

impl Ground<'_> {
    fn fields(&self, edits: &[FieldEdit]) -> Result<(Vec<Write>, Option<u64>), WalletError> {
        let mut drafts = Drafts::default();
        let mut first = None;
        for edit in edits {
            let rev = drafts.edit(self, edit)?;
            first = first.or(rev);
        }
        Ok((drafts.into_writes(self.snapshot), first))
    }

    fn create(&self, domain: &Arc<str>, access: &Arc<str>) -> Result<Write, WalletError> {
        if self.snapshot.index().find(domain, access).is_some() {
            return Err(WalletError::Exists);
        }
        let meta = Meta {
            domain: domain.clone(),
            access: access.clone(),
            created_ns: self.now_ns,
            data_hash: [0; 32],
            fields: BTreeMap::new(),
            unknown: Default::default(),
        };
        Ok(Write::Create {
            id: self.new_id,
            meta,
        })
    }

    fn remove(&self, id: Id) -> Result<Write, WalletError> {
        let secret = self.snapshot.secret(id).ok_or(WalletError::NotFound)?;
        if !secret.meta.fields.is_empty() {
            return Err(WalletError::NotEmpty);
        }
        Ok(Write::Remove {
            id,
            version: secret.version,
        })
    }

    fn rename(
        &self,
        id: Id,
        domain: &Arc<str>,
        access: &Arc<str>,
        replace: Option<Id>,
    ) -> Result<Vec<Write>, WalletError> {
        let mut draft = self.draft(id)?;
        let bears_it = draft.meta.domain == *domain && draft.meta.access == *access;
        let mut writes = Vec::new();
        match self.snapshot.index().find(domain, access) {
            // It may bear the name and be shown as a duplicate, or take for its own the name that it
            // is shown under as one.
            Some(holder) if holder == id => {}
            Some(holder) if replace == Some(holder) => writes.push(self.remove(holder)?),
            Some(_) => return Err(WalletError::Exists),
            None => {}
        }
        if !bears_it {
            draft.meta.domain = domain.clone();
            draft.meta.access = access.clone();
            writes.push(draft.into_write());
        }
        Ok(writes)
    }

    pub(super) fn draft(&self, id: Id) -> Result<Draft, WalletError> {
        let secret = self.snapshot.secret(id).ok_or(WalletError::NotFound)?;
        let body = self.bodies.get(&id).ok_or(WalletError::NotFound)?;
        Ok(Draft::new(secret, body))
    }
}
