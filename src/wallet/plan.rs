//! What an edit means for the snapshot at hand: which items are written, with what, and whether
//! what the edit expects is there. Nothing here is sealed or sent, so that a refused commit can be
//! planned again on another snapshot.

use super::edit::{Edit, Expected, FieldChange, FieldEdit};
use super::record::{Data, Field, FieldMeta, Meta};
use super::snapshot::Snapshot;
use super::{Body, WalletError, name};
use crate::crypto::SecretBytes;
use crate::store::{Bytes, Id};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The mode bits that are kept: the owner's.
const MODE_MASK: u32 = 0o700;

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
            Edit::Fields(_) => false,
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
            Edit::Remove { .. } => Ok(()),
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
        let mut drafts = Drafts(BTreeMap::new());
        let mut first = None;
        for edit in edits {
            let rev = drafts.edit(self, edit)?;
            first = first.or(rev);
        }
        let changed = drafts.0.into_values().filter(|draft| {
            let before = self.snapshot.secret(draft.id).map(|secret| &secret.meta);
            before != Some(&draft.meta)
        });
        Ok((changed.map(Draft::into_write).collect(), first))
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

    fn draft(&self, id: Id) -> Result<Draft, WalletError> {
        let secret = self.snapshot.secret(id).ok_or(WalletError::NotFound)?;
        let body = self.bodies.get(&id).ok_or(WalletError::NotFound)?;
        Ok(Draft {
            id,
            version: secret.version,
            meta: secret.meta.clone(),
            body: body.clone(),
            data: None,
            values_changed: false,
        })
    }
}

/// A secret while it is edited.
struct Draft {
    id: Id,
    version: u64,
    meta: Meta,
    body: Body,
    /// Opened once a value matters.
    data: Option<Data>,
    values_changed: bool,
}

impl Draft {
    fn data(&mut self, ground: &Ground<'_>) -> Result<&mut Data, WalletError> {
        let data = match self.data.take() {
            Some(data) => data,
            None => {
                let data = (ground.open)(&self.body)?;
                if !data.values.keys().eq(self.meta.fields.keys()) {
                    return Err(WalletError::Damaged(self.id));
                }
                data
            }
        };
        Ok(self.data.insert(data))
    }

    fn field(&self, field: &Field) -> Option<FieldMeta> {
        self.meta.fields.get(field).copied()
    }

    fn into_write(self) -> Write {
        let values = match self.data {
            Some(data) if self.values_changed => Values::New(data),
            _ => Values::Kept(self.body.data),
        };
        Write::Change {
            id: self.id,
            version: self.version,
            meta: self.meta,
            values,
        }
    }
}

/// The secrets that an edit of fields touches.
struct Drafts(BTreeMap<Id, Draft>);

impl Drafts {
    fn get(&mut self, ground: &Ground<'_>, id: Id) -> Result<&mut Draft, WalletError> {
        use std::collections::btree_map::Entry;
        match self.0.entry(id) {
            Entry::Occupied(draft) => Ok(draft.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(ground.draft(id)?)),
        }
    }

    /// Makes one edit, and gives the `rev` of the field whose value it put in place.
    fn edit(&mut self, ground: &Ground<'_>, edit: &FieldEdit) -> Result<Option<u64>, WalletError> {
        let draft = self.get(ground, edit.secret)?;
        let before = draft.field(&edit.field);
        let met = edit.expect.is_met(before.as_ref());
        let moved = || WalletError::FieldMoved {
            secret: edit.secret,
            field: edit.field.clone(),
        };
        if let FieldChange::Put {
            value,
            mtime_ns,
            mode,
        } = &edit.change
        {
            let there = match before {
                Some(_) => draft.data(ground)?.values.get(&edit.field),
                None => None,
            };
            let same = there.is_some_and(|there| there.ct_eq(value));
            let good = met || same && edit.expect.is_met_by_value(value);
            if !good {
                return Err(moved());
            }
            let rev = match before {
                Some(before) if same => before.rev,
                _ => ground.generation,
            };
            if !same {
                let copy = SecretBytes::new(value.expose().to_vec());
                let values = &mut draft.data(ground)?.values;
                values.insert(edit.field.clone(), copy);
                draft.values_changed = true;
            }
            let after = FieldMeta {
                size: value.len() as u64,
                mtime_ns: *mtime_ns,
                mode: mode & MODE_MASK,
                rev,
            };
            draft.meta.fields.insert(edit.field.clone(), after);
            return Ok(Some(rev));
        }

        let before = before.ok_or(WalletError::NotFound)?;
        if !met {
            return Err(moved());
        }
        match &edit.change {
            FieldChange::Put { .. } => unreachable!("handled above"),
            FieldChange::Attributes { mtime_ns, mode } => {
                let after = FieldMeta {
                    mtime_ns: mtime_ns.unwrap_or(before.mtime_ns),
                    mode: mode.map_or(before.mode, |mode| mode & MODE_MASK),
                    ..before
                };
                draft.meta.fields.insert(edit.field.clone(), after);
            }
            FieldChange::Remove => {
                draft.take(ground, &edit.field)?;
            }
            FieldChange::MoveTo {
                secret,
                field,
                expect,
            } => {
                if (*secret, field) == (edit.secret, &edit.field) {
                    return Ok(Some(before.rev));
                }
                let value = draft.take(ground, &edit.field)?;
                let target = self.get(ground, *secret)?;
                if !expect.is_met(target.field(field).as_ref()) {
                    return Err(WalletError::FieldMoved {
                        secret: *secret,
                        field: field.clone(),
                    });
                }
                target.data(ground)?.values.insert(field.clone(), value);
                let after = FieldMeta {
                    rev: ground.generation,
                    ..before
                };
                target.meta.fields.insert(field.clone(), after);
                target.values_changed = true;
                return Ok(Some(ground.generation));
            }
        }
        Ok(None)
    }
}

impl Draft {
    /// Takes a field that is there out of the secret.
    fn take(&mut self, ground: &Ground<'_>, field: &Field) -> Result<SecretBytes, WalletError> {
        let value = self.data(ground)?.values.remove(field);
        self.meta.fields.remove(field);
        self.values_changed = true;
        value.ok_or(WalletError::Damaged(self.id))
    }
}

impl Expected {
    fn is_met(self, field: Option<&FieldMeta>) -> bool {
        match self {
            Expected::Any => true,
            Expected::Absent => field.is_none(),
            Expected::Rev(rev) => field.is_some_and(|field| field.rev == rev),
        }
    }

    /// Whether finding the very value that is to be written is as good as what was expected. Not so
    /// for an empty one that should be new: two devices would each believe to have made a lock file.
    fn is_met_by_value(self, value: &SecretBytes) -> bool {
        match self {
            Expected::Any | Expected::Rev(_) => true,
            Expected::Absent => !value.is_empty(),
        }
    }
}
