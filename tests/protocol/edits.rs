//! An edit on a device: what it means for the snapshot at hand, and the commit that it
//! becomes (`src/wallet/plan.rs`, `seal.rs`).

use crate::protocol::{Event, Protocol};
use crate::rules::Rule;
use crate::scenes::Op;
use crate::state::{
    Change, Doing, Field, Head, IDS, Item, Ready, Seal, State, Task, count, digest, newest, term,
};

/// An operation of a device that it is about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Edit {
    /// Its number; `None`: a part of a rekey.
    pub(crate) op: Option<u8>,
    pub(crate) what: What,
    /// Whether it was tried before, and nobody knows what came of that.
    pub(crate) again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Write {
        secret: usize,
        field: usize,
        /// What the person saw when the file was opened.
        saw: Field,
    },
    Create(u8),
    Rename {
        secret: usize,
        to: u8,
    },
    Remove(usize),
    /// Seals these anew, a bit each.
    Reseal(u8),
}

impl What {
    /// Whether it makes, renames or removes a secret.
    pub(crate) fn is_structural(self) -> bool {
        !matches!(self, What::Write { .. } | What::Reseal(_))
    }
}

/// What an edit comes to on a snapshot.
enum Planned {
    /// Changes, for each place one or none.
    Changes([Option<Change>; IDS]),
    /// All is as it should be already.
    Nothing,
    /// It cannot be made, or another was first.
    Refused,
}

/// The value that an operation writes; no two write the same.
fn value(op: u8) -> u8 {
    op + 2
}

impl Protocol {
    /// Begins an operation.
    pub(crate) fn begin(&self, state: &mut State, device: usize, number: u8) {
        state.devices[device].left &= !(1 << number);
        let op = device as u8 * 4 + number;
        let what = match self.op(op) {
            Op::Rekey => return self.begin_rekey(state, device),
            Op::Restore => {
                state.memory(device).task = Task::Restoring;
                return;
            }
            Op::Write { secret, field } => match state.memory(device).snapshot.items[secret] {
                Some(item) => What::Write {
                    secret,
                    field,
                    saw: item.fields[field],
                },
                None => return,
            },
            Op::Create(name) => What::Create(name),
            Op::Rename { secret, to } => What::Rename { secret, to },
            Op::Remove(secret) => What::Remove(secret),
        };
        self.apply(
            state,
            device,
            Edit {
                op: Some(op),
                what,
                again: false,
            },
        );
    }

    /// Makes an edit, on a snapshot that is good enough for it.
    pub(crate) fn apply(&self, state: &mut State, device: usize, edit: Edit) {
        let memory = state.memory(device);
        let load = match edit.what.is_structural() {
            true => !memory.complete(),
            false => !memory.terms_are_current() && self.rules.hold(Rule::TermsOfTheEpoch),
        };
        let tip = memory.tip;
        match load {
            true => self.load(state, device, tip, doing(edit)),
            false => self.prepare(state, device, edit),
        }
    }

    /// Plans and seals an edit, and sends it.
    pub(crate) fn prepare(&self, state: &mut State, device: usize, edit: Edit) {
        let memory = state.memory(device);
        if !memory.terms_are_current() && self.rules.hold(Rule::TermsOfTheEpoch) {
            // A look has found newer keys a moment ago: busy.
            return self.end(state, device, edit, false);
        }
        match self.plan(state, device, &edit) {
            Planned::Refused => self.end(state, device, edit, false),
            Planned::Nothing => self.end(state, device, edit, true),
            Planned::Changes(changes) => {
                let ready = self.seal(state, device, changes, edit.op);
                self.send(state, device, ready, doing(edit));
            }
        }
    }

    fn plan(&self, state: &mut State, device: usize, edit: &Edit) -> Planned {
        let memory = *state.memory(device);
        let snapshot = memory.snapshot;
        let generation = memory.tip.version + 1;
        let epoch = match edit.op {
            Some(_) if !self.rules.hold(Rule::NewestEpochSeals) => 1,
            _ => newest(memory.ring),
        };
        let mut changes = [None; IDS];
        let sealed = |state: &mut State, item: Item, data: bool| Item {
            version: generation,
            seal: state.seal(device),
            meta_epoch: epoch,
            data_epoch: if data { epoch } else { item.data_epoch },
            by: edit.op.or(item.by),
            ..item
        };
        let change = |before, after| Change {
            after,
            before,
            saw: None,
        };
        match edit.what {
            What::Write { secret, field, saw } => {
                let Some(mut item) = snapshot.items[secret] else {
                    return Planned::Refused;
                };
                let value = value(edit.op.expect("a person writes"));
                let there = item.fields[field];
                let same = there.value == value;
                let unmoved = match saw.value {
                    0 => there.value == 0,
                    _ => there.value != 0 && there.rev == saw.rev,
                };
                if self.rules.hold(Rule::RevDecides)
                    && !unmoved
                    && !(same && self.rules.hold(Rule::ValueThereIsNoConflict))
                {
                    state.ghost.lost_to_itself |= same;
                    self.met(Event::Conflict);
                    return Planned::Refused;
                }
                if same {
                    return Planned::Nothing;
                }
                let before = snapshot.items[secret];
                item.fields[field] = Field {
                    value,
                    rev: generation,
                };
                changes[secret] = Some(Change {
                    saw: Some((field, saw.value)),
                    ..change(before, Some(sealed(state, item, true)))
                });
            }
            What::Create(name) => {
                if snapshot.bearing(name).is_some() {
                    return Planned::Refused;
                }
                let none = Field { value: 0, rev: 0 };
                let blank = Item {
                    version: generation,
                    // Sealed below.
                    seal: Seal(0),
                    name,
                    meta_epoch: epoch,
                    data_epoch: epoch,
                    fields: [none; 2],
                    by: None,
                };
                let made = sealed(state, blank, true);
                // Ids are random: no other device makes one of this id.
                changes[2 + device] = Some(change(None, Some(made)));
            }
            What::Rename { secret, to } => {
                let Some(item) = snapshot.items[secret] else {
                    return Planned::Refused;
                };
                match snapshot.bearing(to) {
                    Some(holder) if holder == secret => return Planned::Nothing,
                    Some(_) => return Planned::Refused,
                    None => {}
                }
                let renamed = sealed(state, Item { name: to, ..item }, false);
                changes[secret] = Some(change(Some(item), Some(renamed)));
            }
            What::Remove(secret) => match snapshot.items[secret] {
                Some(item) if item.fields.iter().all(|field| field.value == 0) => {
                    changes[secret] = Some(change(Some(item), None));
                }
                _ => return Planned::Refused,
            },
            What::Reseal(places) => {
                for id in (0..IDS).filter(|id| places >> id & 1 == 1) {
                    if let Some(item) = snapshot.items[id] {
                        changes[id] = Some(change(Some(item), Some(sealed(state, item, true))));
                    }
                }
                if changes == [None; IDS] {
                    return Planned::Nothing;
                }
            }
        }
        Planned::Changes(changes)
    }

    /// Makes a commit of these changes on the newest head that is known.
    pub(crate) fn seal(
        &self,
        state: &mut State,
        device: usize,
        changes: [Option<Change>; IDS],
        op: Option<u8>,
    ) -> Ready {
        let memory = *state.memory(device);
        let (tip, snapshot) = (memory.tip, memory.snapshot);
        let epoch = newest(memory.ring);
        let (mut sum, mut number) = match self.rules.hold(Rule::DigestOfTheWinner) {
            true => (tip.digest, tip.count),
            false => (digest(&snapshot.items, epoch), count(&snapshot.items)),
        };
        for (id, change) in changes.iter().enumerate() {
            let Some(change) = change else { continue };
            if let Some(before) = &change.before {
                sum ^= term(id, before, snapshot.epoch);
                number -= 1;
            }
            if let Some(after) = &change.after {
                sum ^= term(id, after, epoch);
                number += 1;
            }
        }
        let head = Head {
            version: tip.version + 1,
            seal: state.seal(device),
            epoch,
            ring: tip.ring,
            digest: sum,
            count: number,
            truth: 0,
        };
        Ready {
            device,
            head,
            expect: tip.version,
            changes,
            op,
        }
    }
}

/// What goes on with an edit once its load is made.
pub(crate) fn doing(edit: Edit) -> Doing {
    match edit.what {
        What::Reseal(_) => Doing::Reseal(edit),
        _ => Doing::Edit(edit),
    }
}
