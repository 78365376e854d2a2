//! What an edit means for the snapshot at hand: which items are written, with what, and whether
//! what the edit expects is there. Nothing here is sealed or sent, so that a refused commit can be
//! planned again on another snapshot.

use super::draft::{Draft, Drafts, MODE_MASK};
use super::edit::{Edit, Expected, FieldChange, FieldEdit, SecretPut, There};
use super::history::History;
use super::record::{Data, Field, FieldMeta, Meta};
use super::snapshot::Snapshot;
use super::{Body, Secret, WalletError, name};
use crate::store::{Bytes, Id};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

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
    Create { id: Id, meta: Meta, data: Data },
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
    /// To be sealed, with as much of this history as there is room for.
    New(Data, History),
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
    /// An id for each secret that is made.
    pub(super) new_ids: &'a [Id],
    /// Now, nanoseconds since 1970.
    pub(super) now_ns: i64,
    /// Values that each field had before, and that are kept.
    pub(super) history: usize,
    /// How long secrets that were removed are kept.
    pub(super) trash: Duration,
    /// Whether every item that is written has its values sealed anew, with no more history than
    /// that, be they changed or not.
    pub(super) reseal: bool,
    /// Changes that a commit takes.
    pub(super) most_changes: usize,
}

impl Edit {
    /// Whether it makes, renames or removes a secret: only a snapshot without unknown commits keeps
    /// names unique.
    pub(super) fn is_structural(&self) -> bool {
        match self {
            Edit::Fields(_) | Edit::Reseal(_) => false,
            Edit::Create { .. } | Edit::Secrets(_) | Edit::Remove { .. } => true,
            Edit::Move { .. } | Edit::MoveDomain { .. } => true,
            Edit::BringBack { .. } | Edit::Expire => true,
            Edit::DiscardField { .. } | Edit::Discard { .. } => true,
        }
    }

    /// How many secrets it makes at most.
    pub(super) fn new_secrets(&self) -> usize {
        match self {
            Edit::Create { .. } => 1,
            Edit::Secrets(puts) => puts.len(),
            Edit::Fields(_) | Edit::Reseal(_) | Edit::Remove { .. } => 0,
            Edit::Move { .. } | Edit::MoveDomain { .. } => 0,
            Edit::BringBack { .. } | Edit::Expire => 0,
            Edit::DiscardField { .. } | Edit::Discard { .. } => 0,
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
            Edit::Create { domain, access }
            | Edit::Move { domain, access, .. }
            | Edit::BringBack { domain, access, .. } => {
                name::check(domain).and_then(|()| name::check(access))
            }
            Edit::Secrets(puts) => puts.iter().try_for_each(|put| {
                name::check(&put.domain)?;
                name::check(&put.access)?;
                put.fields.keys().try_for_each(check_field)
            }),
            Edit::Remove { .. } | Edit::Reseal(_) | Edit::Expire => Ok(()),
            Edit::DiscardField { .. } | Edit::Discard { .. } => Ok(()),
            Edit::MoveDomain { to, .. } => name::check(to),
        }
    }

    /// The secrets whose bodies a plan needs: an item is written whole. `keeps`: secrets that are
    /// removed are kept.
    pub(super) fn bodies_needed(
        &self,
        snapshot: &Snapshot,
        most_changes: usize,
        keeps: bool,
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
            Edit::Secrets(puts) => {
                // One change is the head's.
                if puts.len() >= most_changes {
                    return Err(WalletError::TooMany);
                }
                let there = |put: &SecretPut| snapshot.index().find(&put.domain, &put.access);
                let overwritten = puts.iter().filter(|put| put.there == There::Overwritten);
                overwritten.filter_map(there).collect()
            }
            Edit::Move {
                secret, replace, ..
            }
            | Edit::BringBack {
                secret, replace, ..
            } => {
                let removed = replace.filter(|id| keeps && snapshot.secret(*id).is_some());
                removed.into_iter().chain([*secret]).collect()
            }
            Edit::DiscardField { secret, .. } | Edit::Discard { secret } => {
                BTreeSet::from([*secret])
            }
            // What the fields held before decides whether there is something to keep.
            Edit::Remove { secret } if keeps => BTreeSet::from([*secret]),
            // What was removed meanwhile needs it no more.
            Edit::Reseal(ids) => ids
                .iter()
                .copied()
                .filter(|id| snapshot.item(*id).is_some())
                .collect(),
            Edit::MoveDomain { from, to } => domain_moved(snapshot, from, to, most_changes)?,
            Edit::Create { .. } | Edit::Remove { .. } | Edit::Expire => BTreeSet::new(),
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
                created = Some(ground.new_ids[0]);
                vec![ground.create(domain, access)?]
            }
            Edit::Secrets(puts) => ground.secrets(puts)?,
            Edit::Remove { secret } => {
                let mut writes = vec![ground.remove(*secret)?];
                ground.expire(&mut writes);
                writes
            }
            Edit::BringBack {
                secret,
                domain,
                access,
                replace,
            } => ground.bring_back(*secret, domain, access, *replace)?,
            Edit::DiscardField { secret, field } => vec![ground.discard_field(*secret, field)?],
            Edit::Discard { secret } => vec![ground.discard(*secret)?],
            Edit::Expire => {
                let mut writes = Vec::new();
                ground.expire(&mut writes);
                writes
            }
            Edit::Reseal(_) => {
                let resealed = ground.bodies.keys().map(|id| {
                    let secret = ground.snapshot.item(*id).ok_or(WalletError::NotFound)?;
                    let mut draft = ground.draft_of(secret)?;
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
        Ok(Write::Create {
            id: self.new_ids[0],
            meta: self.new_meta(domain, access),
            data: Data::default(),
        })
    }

    /// The meta of a secret that is made, still without fields.
    fn new_meta(&self, domain: &Arc<str>, access: &Arc<str>) -> Meta {
        Meta {
            domain: domain.clone(),
            access: access.clone(),
            created_ns: self.now_ns,
            data_hash: [0; 32],
            removed_ns: None,
            fields: BTreeMap::new(),
            unknown: Default::default(),
        }
    }

    fn secrets(&self, puts: &[SecretPut]) -> Result<Vec<Write>, WalletError> {
        let mut names = BTreeSet::new();
        let mut drafts = Drafts::default();
        let mut writes = Vec::with_capacity(puts.len());
        for (put, new_id) in puts.iter().zip(self.new_ids) {
            if !names.insert((&put.domain, &put.access)) {
                return Err(WalletError::Exists);
            }
            match (
                self.snapshot.index().find(&put.domain, &put.access),
                put.there,
            ) {
                (None, _) => writes.push(self.create_whole(*new_id, put)),
                (Some(_), There::Kept) => {}
                (Some(secret), There::Overwritten) => {
                    for (field, put) in &put.fields {
                        let change = FieldChange::Put {
                            value: put.value.clone(),
                            mtime_ns: put.mtime_ns,
                            mode: put.mode,
                        };
                        let edit = FieldEdit {
                            secret,
                            field: field.clone(),
                            expect: Expected::Any,
                            change,
                        };
                        drafts.edit(self, &edit)?;
                    }
                }
            }
        }
        writes.extend(drafts.into_writes(self.snapshot));
        Ok(writes)
    }

    /// A secret that is made with its fields.
    fn create_whole(&self, id: Id, put: &SecretPut) -> Write {
        let mut meta = self.new_meta(&put.domain, &put.access);
        let mut data = Data::default();
        for (field, put) in &put.fields {
            let known = FieldMeta {
                size: put.value.len() as u64,
                mtime_ns: put.mtime_ns,
                mode: put.mode & MODE_MASK,
                rev: self.generation,
            };
            meta.fields.insert(field.clone(), known);
            let value = put.value.duplicate();
            data.values.insert(field.clone(), value);
        }
        Write::Create { id, meta, data }
    }

    /// What must be removed for the secret `id` to be shown under a name: nothing, or `replace`.
    pub(super) fn freed(
        &self,
        id: Id,
        domain: &str,
        access: &str,
        replace: Option<Id>,
    ) -> Result<Option<Write>, WalletError> {
        match self.snapshot.index().find(domain, access) {
            // It may bear the name and be shown as a duplicate, or take for its own the name that it
            // is shown under as one.
            Some(holder) if holder == id => Ok(None),
            Some(holder) if replace == Some(holder) => self.remove(holder).map(Some),
            Some(_) => Err(WalletError::Exists),
            None => Ok(None),
        }
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
        let mut writes: Vec<Write> = self
            .freed(id, domain, access, replace)?
            .into_iter()
            .collect();
        if !bears_it {
            draft.meta.domain = domain.clone();
            draft.meta.access = access.clone();
            writes.push(draft.into_write());
        }
        Ok(writes)
    }

    pub(super) fn draft(&self, id: Id) -> Result<Draft, WalletError> {
        self.draft_of(self.snapshot.secret(id).ok_or(WalletError::NotFound)?)
    }

    /// The draft of a secret, be it there or removed.
    pub(super) fn draft_of(&self, secret: &Secret) -> Result<Draft, WalletError> {
        let body = self.bodies.get(&secret.id).ok_or(WalletError::NotFound)?;
        let mut draft = Draft::new(secret, body, self.history);
        if self.reseal {
            draft.reseal(self)?;
        }
        Ok(draft)
    }
}
