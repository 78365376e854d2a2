//! Secrets while they are edited: what each edit of a field expects, and what it leaves.

use super::edit::{Expected, FieldChange, FieldEdit};
use super::history::{History, Past};
use super::plan::{Ground, Values, Write};
use super::record::{Data, Field, FieldMeta, Meta};
use super::snapshot::Snapshot;
use super::{Body, Secret, WalletError};
use crate::crypto::SecretBytes;
use crate::store::Id;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The mode bits that are kept: the owner's.
pub(super) const MODE_MASK: u32 = 0o700;

/// The mode of a field that comes back: that of before is not kept.
const MODE: u32 = 0o600;

/// A secret while it is edited.
pub(super) struct Draft {
    id: Id,
    version: u64,
    pub(super) meta: Meta,
    body: Body,
    /// Opened once a value matters.
    open: Option<Open>,
    values_changed: bool,
    /// Values that each field had before, and that are kept.
    keep: usize,
}

/// The data of a secret while it is edited.
struct Open {
    data: Data,
    history: History,
}

impl Draft {
    pub(super) fn new(secret: &Secret, body: &Body, keep: usize) -> Draft {
        // What was removed comes back with the newest.
        let keep = keep.max(usize::from(secret.is_removed()));
        Draft {
            id: secret.id,
            version: secret.version,
            meta: secret.meta.clone(),
            body: body.clone(),
            open: None,
            values_changed: false,
            keep,
        }
    }

    pub(super) fn into_write(self) -> Write {
        let values = match self.open {
            Some(Open { data, mut history }) if self.values_changed => {
                history.bound(self.keep);
                Values::New(data, history)
            }
            _ => Values::Kept(self.body.data),
        };
        Write::Change {
            id: self.id,
            version: self.version,
            meta: self.meta,
            values,
        }
    }

    /// Has the values sealed anew, as they are.
    pub(super) fn reseal(&mut self, ground: &Ground<'_>) -> Result<(), WalletError> {
        self.open(ground)?;
        self.values_changed = true;
        Ok(())
    }

    fn open(&mut self, ground: &Ground<'_>) -> Result<&mut Open, WalletError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let data = (ground.open)(&self.body)?;
                if !data.values.keys().eq(self.meta.fields.keys()) {
                    return Err(WalletError::Damaged(self.id));
                }
                let history = data.history.open();
                Open { data, history }
            }
        };
        Ok(self.open.insert(open))
    }

    fn field(&self, field: &Field) -> Option<FieldMeta> {
        self.meta.fields.get(field).copied()
    }

    fn holds(
        &mut self,
        ground: &Ground<'_>,
        field: &Field,
        value: &SecretBytes,
    ) -> Result<bool, WalletError> {
        if self.field(field).is_none() {
            return Ok(false);
        }
        let there = self.open(ground)?.data.values.get(field);
        Ok(there.is_some_and(|there| there.ct_eq(value)))
    }

    /// Gives a field a value. What it held before is kept.
    fn set(
        &mut self,
        ground: &Ground<'_>,
        field: &Field,
        value: SecretBytes,
    ) -> Result<(), WalletError> {
        let before = self.field(field);
        let Open { data, history } = self.open(ground)?;
        let old = data.values.insert(field.clone(), value);
        if let (Some(value), Some(before)) = (old, before) {
            history.add(field, ground.past(&before, value));
        }
        self.values_changed = true;
        Ok(())
    }

    /// Takes a field that is there out of the secret.
    fn take(&mut self, ground: &Ground<'_>, field: &Field) -> Result<SecretBytes, WalletError> {
        let value = self.open(ground)?.data.values.remove(field);
        self.meta.fields.remove(field);
        self.values_changed = true;
        value.ok_or(WalletError::Damaged(self.id))
    }

    /// [`FieldChange::Remove`]: what the field held is kept, so that it can be had back.
    fn remove(&mut self, ground: &Ground<'_>, field: &Field) -> Result<(), WalletError> {
        let before = self.field(field).ok_or(WalletError::NotFound)?;
        let value = self.take(ground, field)?;
        let past = ground.past(&before, value);
        self.open(ground)?.history.add(field, past);
        Ok(())
    }

    /// Deletes what a field holds and held before.
    pub(super) fn discard(
        &mut self,
        ground: &Ground<'_>,
        field: &Field,
    ) -> Result<(), WalletError> {
        let Open { data, history } = self.open(ground)?;
        let value = data.values.remove(field);
        let held = history.take(field);
        if value.is_none() && held.is_empty() {
            return Err(WalletError::NotFound);
        }
        self.meta.fields.remove(field);
        self.values_changed = true;
        Ok(())
    }

    /// Gives each field that is gone the newest value that it held; that leaves the history.
    pub(super) fn bring_back(&mut self, ground: &Ground<'_>) -> Result<(), WalletError> {
        let Open { data, history } = self.open(ground)?;
        let held = history.fields().map(|(field, _)| field.clone());
        let gone: Vec<Field> = held
            .filter(|field| !data.values.contains_key(field))
            .collect();
        let mut back = Vec::with_capacity(gone.len());
        for field in gone {
            let Some(past) = history.take_newest(&field) else {
                continue;
            };
            let known = FieldMeta {
                size: past.value.len() as u64,
                mtime_ns: past.mtime_ns,
                mode: MODE,
                rev: ground.generation,
            };
            data.values.insert(field.clone(), past.value);
            back.push((field, known));
        }
        self.values_changed |= !back.is_empty();
        self.meta.fields.extend(back);
        Ok(())
    }

    /// [`FieldChange::Put`]. Gives the field's `rev`.
    fn put(
        &mut self,
        ground: &Ground<'_>,
        edit: &FieldEdit,
        value: &SecretBytes,
        mtime_ns: i64,
        mode: u32,
    ) -> Result<u64, WalletError> {
        let field = &edit.field;
        let before = self.field(field);
        let same = self.holds(ground, field, value)?;
        let good =
            edit.expect.is_met(before.as_ref()) || same && edit.expect.is_met_by_value(value);
        if !good {
            return Err(moved(edit.secret, field));
        }
        let rev = match before {
            Some(before) if same => before.rev,
            _ => ground.generation,
        };
        if !same {
            let copy = value.duplicate();
            self.set(ground, field, copy)?;
        }
        let after = FieldMeta {
            size: value.len() as u64,
            mtime_ns,
            mode: mode & MODE_MASK,
            rev,
        };
        self.meta.fields.insert(field.clone(), after);
        Ok(rev)
    }
}

/// The secrets that an edit of fields touches.
#[derive(Default)]
pub(super) struct Drafts(BTreeMap<Id, Draft>);

impl Drafts {
    /// Those that are not as the snapshot shows them.
    pub(super) fn into_writes(self, snapshot: &Snapshot) -> Vec<Write> {
        let changed = self.0.into_values().filter(|draft| {
            let before = snapshot.secret(draft.id).map(|secret| &secret.meta);
            before != Some(&draft.meta)
        });
        changed.map(Draft::into_write).collect()
    }

    /// Makes one edit, and gives the `rev` of the field whose value it put in place.
    pub(super) fn edit(
        &mut self,
        ground: &Ground<'_>,
        edit: &FieldEdit,
    ) -> Result<Option<u64>, WalletError> {
        let draft = self.get(ground, edit.secret)?;
        let there = || {
            let field = draft.field(&edit.field).ok_or(WalletError::NotFound)?;
            match edit.expect.is_met(Some(&field)) {
                true => Ok(field),
                false => Err(moved(edit.secret, &edit.field)),
            }
        };
        match &edit.change {
            FieldChange::Put {
                value,
                mtime_ns,
                mode,
            } => draft.put(ground, edit, value, *mtime_ns, *mode).map(Some),
            FieldChange::Attributes { mtime_ns, mode } => {
                let before = there()?;
                let after = FieldMeta {
                    mtime_ns: mtime_ns.unwrap_or(before.mtime_ns),
                    mode: mode.map_or(before.mode, |mode| mode & MODE_MASK),
                    ..before
                };
                draft.meta.fields.insert(edit.field.clone(), after);
                Ok(None)
            }
            FieldChange::Remove => {
                there()?;
                draft.remove(ground, &edit.field)?;
                Ok(None)
            }
            FieldChange::MoveTo {
                secret,
                field,
                expect,
            } => {
                let before = there()?;
                if (*secret, field) == (edit.secret, &edit.field) {
                    return Ok(Some(before.rev));
                }
                let value = draft.take(ground, &edit.field)?;
                let history = draft.open(ground)?.history.take(&edit.field);
                let target = self.get(ground, *secret)?;
                if !expect.is_met(target.field(field).as_ref()) {
                    return Err(moved(*secret, field));
                }
                target.set(ground, field, value)?;
                target.open(ground)?.history.merge(field, history);
                let rev = ground.generation;
                let after = FieldMeta { rev, ..before };
                target.meta.fields.insert(field.clone(), after);
                Ok(Some(rev))
            }
        }
    }

    fn get(&mut self, ground: &Ground<'_>, id: Id) -> Result<&mut Draft, WalletError> {
        match self.0.entry(id) {
            Entry::Occupied(draft) => Ok(draft.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(ground.draft(id)?)),
        }
    }
}

impl Ground<'_> {
    /// A value that its field loses now.
    fn past(&self, field: &FieldMeta, value: SecretBytes) -> Past {
        Past {
            until_ns: self.now_ns,
            mtime_ns: field.mtime_ns,
            value,
        }
    }
}

fn moved(secret: Id, field: &Field) -> WalletError {
    WalletError::FieldMoved {
        secret,
        field: field.clone(),
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
