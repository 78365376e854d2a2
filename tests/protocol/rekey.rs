//! A rekey, and a restore (`src/wallet/rekey.rs`, `src/wallet/backup/restore.rs`).

use crate::edits::{Edit, What};
use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::scenes::Op;
use crate::state::{
    Change, Doing, Head, IDS, Item, Items, Ready, State, Task, digest, newest, term,
};

/// The places of items of which a part is of an older epoch than this one.
fn older(items: &Items, epoch: u8, both: bool) -> u8 {
    let is_older = |item: &Item| item.meta_epoch < epoch || (both && item.data_epoch < epoch);
    let places = items.iter().enumerate();
    places
        .filter(|(_, item)| item.as_ref().is_some_and(is_older))
        .map(|(id, _)| 1 << id)
        .sum()
}

impl Protocol {
    /// Begins a rekey, or goes on with one that has begun.
    pub(crate) fn begin_rekey(&self, state: &mut State, device: usize) {
        let tip = state.memory(device).tip;
        if tip.ring.count_ones() > 1 {
            // The keyring is wrapped anew, which changes nothing here.
            state.memory(device).task = Task::Walking;
            return;
        }
        let head = state.head;
        if self.see(state, device, head) {
            self.load(state, device, head, Doing::Append);
        }
    }

    /// The first step, on what a load brought: a commit of the head alone.
    pub(crate) fn append(&self, state: &mut State, device: usize) {
        let memory = *state.memory(device);
        let tip = memory.tip;
        let epoch = newest(tip.ring) + 1;
        let again = self.rules.hold(Rule::DigestOfTheNewEpoch);
        let head = Head {
            version: tip.version + 1,
            seal: state.seal(device),
            epoch,
            ring: tip.ring | 1 << epoch,
            digest: match again {
                true => digest(&memory.snapshot.items, epoch),
                false => tip.digest,
            },
            count: tip.count,
            truth: 0,
        };
        let ready = Ready {
            device,
            head,
            expect: tip.version,
            changes: [None; IDS],
            op: None,
        };
        self.send(state, device, ready, Doing::Append);
    }

    /// The commit that appends the epoch was made.
    pub(crate) fn appended(&self, state: &mut State, device: usize, head: Head) {
        let memory = state.memory(device);
        memory.ring = head.ring;
        memory.snapshot.epoch = newest(head.ring);
        memory.task = Task::Walking;
    }

    /// The second step: finds what is sealed under an old epoch, and seals it anew.
    pub(crate) fn walk(&self, state: &mut State, device: usize) {
        let epoch = newest(state.memory(device).ring);
        let places = older(&state.items, epoch, self.rules.hold(Rule::BothPartsCount));
        let edit = Edit {
            op: None,
            what: What::Reseal(places),
            again: false,
        };
        match places {
            0 => self.begin_drop(state, device),
            _ => self.apply(state, device, edit),
        }
    }

    /// The third step: a load.
    pub(crate) fn begin_drop(&self, state: &mut State, device: usize) {
        let head = state.head;
        if !self.see(state, device, head) {
            return;
        }
        self.load(state, device, head, Doing::Drop);
    }

    /// If it finds nothing of an old epoch, the old keys are dropped.
    pub(crate) fn judge_drop(&self, state: &mut State, device: usize) {
        let memory = *state.memory(device);
        let both = self.rules.hold(Rule::BothPartsCount);
        let left = older(&memory.snapshot.items, newest(memory.ring), both);
        if left != 0 && self.rules.hold(Rule::NothingOldBeforeTheDrop) {
            state.memory(device).task = Task::Walking;
            return;
        }
        self.drop_older(state, device);
    }

    /// The commit that drops them, on the newest head that is known.
    pub(crate) fn drop_older(&self, state: &mut State, device: usize) {
        let mut ready = self.seal(state, device, [None; IDS], None);
        ready.head.ring = 1 << newest(ready.head.ring);
        self.send(state, device, ready, Doing::Drop);
    }

    /// Brings back what there was at the start. The listing that it begins with is one of a moment,
    /// as that of a load.
    pub(crate) fn restore(&self, state: &mut State, device: usize) {
        let backup = State::first(&self.scene);
        let (head, found) = (state.head, state.items);
        let versions = found.iter().flatten().map(|item| item.version);
        let highest = match self.rules.hold(Rule::RestoreAboveAll) {
            true => versions
                .chain([head.version, state.devices[device].seen.0])
                .max()
                .expect("the head has a version"),
            false => backup.head.version,
        };
        let generation = highest + 1;
        let epoch = newest(head.ring);
        let mut changes = [None; IDS];
        let mut sum = digest(&found, epoch);
        let mut count = head.count;
        for id in 0..IDS {
            let held = |item: Option<Item>| item.map(|item| (item.name, item.fields));
            let (wanted, before) = (backup.items[id], found[id]);
            if held(wanted) == held(before) {
                continue;
            }
            let after = wanted.map(|item| Item {
                version: generation,
                seal: state.seal(device),
                meta_epoch: epoch,
                // The values' bytes are put back as they are where the keyring opens them.
                data_epoch: match head.ring >> item.data_epoch & 1 {
                    1 => item.data_epoch,
                    _ => epoch,
                },
                ..item
            });
            if let Some(before) = &before {
                sum ^= term(id, before, epoch);
                count -= 1;
            }
            if let Some(after) = &after {
                sum ^= term(id, after, epoch);
                count += 1;
            }
            changes[id] = Some(Change {
                after,
                before,
                saw: None,
            });
        }
        state.memory(device).ring = head.ring;
        let ready = Ready {
            device,
            head: Head {
                version: generation,
                seal: state.seal(device),
                epoch,
                ring: head.ring,
                digest: sum,
                count,
                truth: 0,
            },
            expect: head.version,
            changes,
            op: None,
        };
        self.send(state, device, ready, Doing::Restore);
    }

    /// Whether a device that refuses the store may still do this.
    pub(crate) fn is_way_out(op: Op) -> bool {
        op == Op::Restore
    }
}
