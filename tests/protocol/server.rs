//! The store: it makes commits whole or refuses them, answers late or never, and may show a commit in
//! part to a listing until it has answered.

use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::scenes::Op;
use crate::state::{Answer, FIRST_PAGE, Head, IDS, Item, Items, Ready, State, Task, truth};

impl State {
    /// What a commit of this token may find: that it was made already.
    fn known(&self, ready: &Ready) -> bool {
        self.tokens >> ready.head.seal.0 & 1 == 1
    }
}

impl Protocol {
    /// Takes the commit that has been under way as the `flight`th. `forget`: as if it had never seen
    /// its token.
    pub(crate) fn serve(&self, state: &mut State, flight: usize, lost: bool, forget: bool) {
        let ready = state.flights.remove(flight);
        let known = state.known(&ready) && !forget && self.rules.hold(Rule::SameTokenAgain);
        let answer = match known {
            true => Answer::Done,
            false => self.commit(state, &ready),
        };
        let memory = state.devices[ready.device].memory.as_mut();
        if let Some(memory) = memory
            && let Task::Sent {
                ready: waited_for,
                answer: heard @ None,
                ..
            } = &mut memory.task
            && waited_for.head.seal == ready.head.seal
            && !lost
        {
            *heard = Some(answer);
        }
    }

    fn commit(&self, state: &mut State, ready: &Ready) -> Answer {
        let head = (self.rules.hold(Rule::HeadIsConditional) && state.head.version != ready.expect)
            .then_some(state.head);
        let mut items = false;
        let mut own = state.head.seal == ready.head.seal;
        for (id, change) in ready.changes.iter().enumerate() {
            let Some(change) = change else { continue };
            let found = state.items[id].map(|item| item.version);
            let met = found == change.before.map(|item| item.version);
            items |= self.rules.hold(Rule::ItemsAreConditional) && !met;
            let seal = |item: &Option<Item>| item.map(|item| item.seal);
            own |= change.after.is_some() && seal(&state.items[id]) == seal(&change.after);
        }
        if head.is_some() || items {
            return Answer::Refused { head, items, own };
        }
        if self.scene.in_part {
            state.before = Some((state.head, state.items));
        }
        self.note(state, ready);
        for (id, change) in ready.changes.iter().enumerate() {
            if let Some(change) = change {
                state.items[id] = change.after;
            }
        }
        state.head = Head {
            truth: truth(&state.items),
            ..ready.head
        };
        state.tokens |= 1 << ready.head.seal.0;
        Answer::Done
    }

    /// Remembers what a commit does for the properties.
    fn note(&self, state: &mut State, ready: &Ready) {
        for (id, change) in ready.changes.iter().enumerate() {
            let Some(change) = change else { continue };
            let seal = |item: &Option<Item>| item.map(|item| item.seal);
            // The person or the device had seen what it replaces.
            state.ghost.overwritten |= seal(&state.items[id]) != seal(&change.before);
            if let (Some((field, saw)), Some(there)) = (change.saw, &state.items[id]) {
                state.ghost.overwritten |= there.fields[field].value != saw;
            }
        }
        if let Some(op) = ready.op {
            let times = (state.ghost.applied >> (2 * op) & 0b11) + 1;
            state.ghost.applied &= !(0b11 << (2 * op));
            state.ghost.applied |= times.min(0b11) << (2 * op);
        }
    }

    /// Two places of a listing, and the head. `old`: the places, and the head as bit [`IDS`], that
    /// are shown as they were before the last commit.
    pub(crate) fn page(state: &State, old: u8) -> (Items, Head) {
        let (mut items, mut head) = (state.items, state.head);
        if let Some((before_head, before)) = state.before {
            for id in 0..IDS {
                if old >> id & 1 == 1 {
                    items[id] = before[id];
                }
            }
            if old >> IDS & 1 == 1 {
                head = before_head;
            }
        }
        (items, head)
    }

    /// The ways in which the next page of a listing may show a commit in part.
    pub(crate) fn parts(state: &State, page: usize) -> Vec<u8> {
        let Some((_, before)) = state.before else {
            return vec![0];
        };
        let places = match page {
            0 => 0..FIRST_PAGE,
            _ => FIRST_PAGE..IDS,
        };
        let mut bits: Vec<u8> = places
            .filter(|id| before[*id] != state.items[*id])
            .map(|id| 1 << id)
            .collect();
        if page > 0 {
            bits.push(1 << IDS);
        }
        let subset = |n: u8| {
            let of = bits.iter().enumerate();
            of.filter(|(i, _)| n >> i & 1 == 1)
                .map(|(_, bit)| bit)
                .sum()
        };
        (0..1 << bits.len()).map(subset).collect()
    }

    /// The operation of this number.
    pub(crate) fn op(&self, number: u8) -> Op {
        self.scene.menus[usize::from(number / 4)][usize::from(number % 4)]
    }
}
