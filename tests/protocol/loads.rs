//! Loads, looks at the head, and the record of the newest head seen (`src/wallet/load.rs`,
//! `refresh.rs`, `seen.rs`).

use crate::protocol::{Event, Protocol};
use crate::rules::Rule;
use crate::state::{
    Doing, FIRST_PAGE, Head, IDS, Items, Memory, Snapshot, State, Task, count, digest, newest,
    truth,
};

/// Listings that must contradict one head before that is a fault.
const LISTINGS: u8 = 3;

impl Protocol {
    /// Begins a load under a head that was read before.
    pub(crate) fn load(&self, state: &mut State, device: usize, head: Head, then: Doing) {
        state.memory(device).task = Task::Loading {
            head,
            first: [None; FIRST_PAGE],
            page: 0,
            contradictions: 0,
            then,
        };
    }

    /// Lists the next page; after the last one, judges.
    pub(crate) fn list(&self, state: &mut State, device: usize, old: u8) {
        let (items, last) = Protocol::page(state, old);
        let Task::Loading {
            head,
            first,
            page,
            contradictions,
            then,
        } = state.memory(device).task
        else {
            unreachable!("only a load lists")
        };
        if page == 0 {
            state.memory(device).task = Task::Loading {
                head,
                first: [items[0], items[1]],
                page: 1,
                contradictions,
                then,
            };
            return;
        }
        let listed: Items = [first[0], first[1], items[2], items[3]];
        let again = self.rules.hold(Rule::HeadIsReadAgain);
        let came = !again || last.seal == head.seal;
        if !came && state.head.seal != head.seal {
            // It moved: another device has committed.
            self.met(Event::Torn);
            let moved = state.head;
            if self.see(state, device, moved) {
                state.memory(device).advance(moved);
                self.load(state, device, moved, then);
            }
            return;
        }
        let epoch = newest(state.memory(device).ring);
        let good = came && digest(&listed, epoch) == head.digest && count(&listed) == head.count;
        if !good && self.rules.hold(Rule::DigestIsVerified) {
            self.met(Event::Contradicted);
            let most = match self.rules.hold(Rule::ThreeListings) {
                true => LISTINGS,
                false => 1,
            };
            if contradictions + 1 == most {
                return self.alarm(state, device);
            }
            // A second later every commit that was made is seen whole.
            state.before = None;
            state.memory(device).task = Task::Loading {
                head,
                first: [None; FIRST_PAGE],
                page: 0,
                contradictions: contradictions + 1,
                then,
            };
            return;
        }
        let shown = match last.seal == head.seal {
            true => last.truth,
            false => head.truth,
        };
        self.install(
            state,
            device,
            Head {
                truth: shown,
                ..head
            },
            listed,
            then,
        );
    }

    /// Fetches one secret, and takes what is then known for the wallet if the head vouches for it
    /// (`src/wallet/catch_up.rs`). Which one is as it happens: a hint is all that the head's list is.
    pub(crate) fn catch_up(&self, state: &mut State, device: usize, place: usize) {
        let (item, current) = (state.items[place], state.head);
        let memory = state.memory(device);
        let Task::Loading { head, then, .. } = memory.task else {
            unreachable!("only a load catches up")
        };
        let mut items = memory.snapshot.items;
        items[place] = item;
        let epoch = newest(memory.ring);
        let good = digest(&items, epoch) == head.digest && count(&items) == head.count;
        if good || !self.rules.hold(Rule::CatchUpIsVerified) {
            self.met(Event::CaughtUp);
            return self.install(state, device, head, items, then);
        }
        self.met(Event::Missed);
        if self.see(state, device, current) {
            state.memory(device).advance(current);
            self.load(state, device, current, then);
        }
    }

    fn install(&self, state: &mut State, device: usize, head: Head, listed: Items, then: Doing) {
        if head.truth != 0 {
            state.ghost.torn |= truth(&listed) != head.truth;
        }
        self.shown(state, device, head);
        let memory = state.memory(device);
        memory.advance(head);
        memory.snapshot = Snapshot {
            generation: head.version,
            epoch: newest(memory.ring),
            items: listed,
        };
        match then {
            Doing::Nothing => memory.task = Task::Idle,
            Doing::Edit(edit) | Doing::Reseal(edit) => self.prepare(state, device, edit),
            Doing::Append => self.append(state, device),
            Doing::Drop => self.judge_drop(state, device),
            Doing::Restore => unreachable!("it begins without a load"),
        }
    }

    /// Asks for the head, beside whatever is done.
    pub(crate) fn look(&self, state: &mut State, device: usize) {
        state.looks -= 1;
        let head = state.head;
        let memory = state.memory(device);
        memory.looked = Some((head, memory.ring));
    }

    /// Judges the head that a look brought.
    pub(crate) fn judge(&self, state: &mut State, device: usize) {
        let current = state.head;
        let memory = state.memory(device);
        let (mut head, ring) = memory.looked.take().expect("a look brought it");
        if memory.ring != ring && self.rules.hold(Rule::OldKeysAreReadAgain) {
            head = current;
        }
        if !self.open(state, device, head) {
            return;
        }
        let seen = state.devices[device].seen;
        if head.version < seen.0 && self.rules.hold(Rule::OldHeadIsReadAgain) {
            self.met(Event::OldHead);
            head = current;
        }
        if !self.see(state, device, head) {
            return;
        }
        let memory = state.memory(device);
        let newer = head.version > memory.tip.version;
        if memory.task == Task::Idle && (newer || !memory.complete()) {
            let head = if newer { head } else { memory.tip };
            self.load(state, device, head, Doing::Nothing);
        }
    }

    /// Opens a head that the store gave, following it to newer keys. `false`: it does not open.
    pub(crate) fn open(&self, state: &mut State, device: usize, head: Head) -> bool {
        let memory = state.memory(device);
        if head.epoch < newest(memory.ring) && head.seal != memory.tip.seal {
            // It is sealed under an old epoch.
            self.alarm(state, device);
            return false;
        }
        if head.epoch > newest(memory.ring) {
            memory.ring = head.ring;
        }
        true
    }

    /// Opens a head, and compares it with the record of the newest seen, which is raised. `false`:
    /// it is refused.
    pub(crate) fn see(&self, state: &mut State, device: usize, head: Head) -> bool {
        if !self.open(state, device, head) {
            return false;
        }
        let seen = state.devices[device].seen;
        let old = head.version < seen.0 || (head.version == seen.0 && head.seal != seen.1);
        if old && self.rules.hold(Rule::SeenIsChecked) {
            self.alarm(state, device);
            return false;
        }
        if head.version >= seen.0 {
            state.devices[device].seen = (head.version, head.seal);
        }
        true
    }

    /// Raises the record after an own commit. `false`: the head contradicts it.
    pub(crate) fn raise(&self, state: &mut State, device: usize, head: Head, accept: bool) -> bool {
        if accept {
            state.devices[device].told = false;
            state.devices[device].known = (0, head.seal);
        }
        if !self.rules.hold(Rule::SeenIsRaisedByCommits) {
            self.shown(state, device, head);
            return true;
        }
        let seen = state.devices[device].seen;
        let fork = head.version == seen.0 && head.seal != seen.1;
        let older = head.version < seen.0;
        if !accept && (fork || older && !self.rules.hold(Rule::OwnCommitMayBeOld)) {
            self.alarm(state, device);
            return false;
        }
        self.shown(state, device, head);
        if accept || !older {
            state.devices[device].seen = (head.version, head.seal);
        }
        true
    }

    /// A device takes a head for the wallet's.
    fn shown(&self, state: &mut State, device: usize, head: Head) {
        let known = &mut state.devices[device].known;
        let old = head.version < known.0 || (head.version == known.0 && head.seal != known.1);
        if head.version >= known.0 {
            *known = (head.version, head.seal);
        }
        // Its own commit may be older than what it was shown meanwhile; only an operator goes back.
        state.ghost.deceived |= old && state.ghost.rolled_back;
    }

    /// The device says that the store has been tampered with, and does no more.
    pub(crate) fn alarm(&self, state: &mut State, device: usize) {
        // Where the store did go back, it is right.
        state.ghost.alarmed |= !state.ghost.rolled_back;
        self.met(match state.ghost.rolled_back {
            true => Event::RollbackTold,
            false => Event::Alarm,
        });
        state.devices[device].told = true;
        let memory = state.memory(device);
        memory.task = Task::Idle;
        memory.looked = None;
    }

    /// A process begins: it unlocks, and loads.
    pub(crate) fn start(&self, state: &mut State, device: usize) {
        let head = state.head;
        state.devices[device].memory = Some(Memory {
            ring: head.ring,
            tip: head,
            snapshot: Snapshot {
                generation: 0,
                epoch: newest(head.ring),
                items: [None; IDS],
            },
            task: Task::Idle,
            looked: None,
        });
        if self.see(state, device, head) {
            self.load(state, device, head, Doing::Nothing);
        }
    }
}
