//! A commit under way: what follows its answer, and what follows none (`src/wallet/apply.rs`,
//! `src/store/dynamodb/commit.rs`).

use crate::edits::{Edit, What};
use crate::protocol::{Event, Protocol};
use crate::rules::Rule;
use crate::state::{Answer, Doing, Head, Ready, State, Task, newest};

impl Protocol {
    pub(crate) fn send(&self, state: &mut State, device: usize, ready: Ready, doing: Doing) {
        state.flights.push(ready);
        state.memory(device).task = Task::Sent {
            ready,
            again: 0,
            answer: None,
            doing,
        };
    }

    /// Ends an edit: it is acknowledged, or refused.
    pub(crate) fn end(&self, state: &mut State, device: usize, edit: Edit, good: bool) {
        state.memory(device).task = Task::Idle;
        let Some(op) = edit.op else {
            // A part of a rekey: the walk is over, or the rekey failed and can go on later.
            if good {
                self.begin_drop(state, device);
            }
            return;
        };
        if good {
            state.ghost.acknowledged |= 1 << op;
        } else {
            let stands = state.items.iter().flatten().any(|item| item.by == Some(op));
            state.ghost.misreported |= stands;
        }
    }

    /// The answer to a commit.
    pub(crate) fn hear(&self, state: &mut State, device: usize) {
        let Task::Sent {
            ready,
            again,
            answer: Some(answer),
            doing,
        } = state.memory(device).task
        else {
            unreachable!("an answer is heard by whoever has sent a commit")
        };
        match answer {
            Answer::Done => self.settle(state, device, ready, doing),
            Answer::Refused { own: true, .. }
                if again > 0 && self.rules.hold(Rule::LostToItselfIsDone) =>
            {
                self.met(Event::LostToItself);
                self.settle(state, device, ready, doing);
            }
            Answer::Refused { head, items, .. } => {
                self.make_way(state, device, head, items, doing);
            }
        }
    }

    /// No answer came in time: it is sent again, or the deadline is over.
    pub(crate) fn silence(&self, state: &mut State, device: usize) {
        let Task::Sent {
            ready,
            again,
            doing,
            ..
        } = state.memory(device).task
        else {
            unreachable!("whoever has sent a commit waits for an answer")
        };
        state.memory(device).task = match again {
            0 => {
                let mut ready = ready;
                if !self.rules.hold(Rule::SameBytesAgain) {
                    // On whatever head there is now.
                    let tip = state.head;
                    state.memory(device).advance(tip);
                    ready = self.seal(state, device, ready.changes, ready.op);
                }
                state.flights.push(ready);
                Task::Sent {
                    ready,
                    again: 1,
                    answer: None,
                    doing,
                }
            }
            _ => Task::Truth { ready, doing },
        };
    }

    /// Reads whether a commit without an answer was made (`src/store/dynamodb/commit.rs`).
    pub(crate) fn find_out(&self, state: &mut State, device: usize) {
        let Task::Truth { ready, doing } = state.memory(device).task else {
            unreachable!("the truth is read once the deadline is over")
        };
        let stands = state.head.seal == ready.head.seal
            || ready.changes.iter().enumerate().any(|(id, change)| {
                let after = change.and_then(|change| change.after);
                after.is_some() && state.items[id].map(|i| i.seal) == after.map(|i| i.seal)
            });
        if stands && self.rules.hold(Rule::TruthIsRead) {
            self.met(Event::TruthFound);
            return self.settle(state, device, ready, doing);
        }
        state.ghost.misreported |= stands;
        let head = state.head;
        match doing {
            // The content is kept, and tried again; the next access looks at the head.
            Doing::Edit(edit @ Edit { again: false, .. })
                if matches!(edit.what, What::Write { .. }) =>
            {
                let edit = Edit {
                    again: true,
                    ..edit
                };
                if self.see(state, device, head) {
                    self.load(state, device, head, Doing::Edit(edit));
                }
            }
            _ => {
                if self.see(state, device, head) {
                    self.load(state, device, head, Doing::Nothing);
                }
            }
        }
    }

    /// A commit was made.
    fn settle(&self, state: &mut State, device: usize, ready: Ready, doing: Doing) {
        let mut head = ready.head;
        if state.head.seal == head.seal {
            head.truth = state.head.truth;
        }
        if !self.raise(state, device, head, doing == Doing::Restore) {
            return;
        }
        if doing == Doing::Restore {
            // It has no snapshot.
            self.met(Event::Restored);
            return self.load(state, device, head, Doing::Nothing);
        }
        let memory = state.memory(device);
        let complete = memory.complete();
        for (id, change) in ready.changes.iter().enumerate() {
            if let Some(change) = change {
                memory.snapshot.items[id] = change.after;
            }
        }
        memory.tip = head;
        if complete {
            memory.snapshot.generation = head.version;
        }
        match doing {
            Doing::Edit(edit) | Doing::Reseal(edit) => self.end(state, device, edit, true),
            Doing::Append => self.appended(state, device, head),
            Doing::Drop => {
                self.met(Event::Rekeyed);
                state.memory(device).task = Task::Idle;
            }
            Doing::Restore | Doing::Nothing => unreachable!("a load makes no commit"),
        }
    }

    /// A commit was refused: takes up the head that won, and tries again.
    fn make_way(
        &self,
        state: &mut State,
        device: usize,
        winner: Option<Head>,
        items: bool,
        doing: Doing,
    ) {
        let current = state.head;
        let edit = match doing {
            Doing::Edit(edit) | Doing::Reseal(edit) => edit,
            Doing::Append | Doing::Drop => {
                if !self.see(state, device, current) {
                    return;
                }
                if doing == Doing::Drop && !self.rules.hold(Rule::DropOnTheLoadedHead) {
                    state.memory(device).advance(current);
                    return self.drop_older(state, device);
                }
                return self.load(state, device, current, doing);
            }
            // Another device commits: the person is told, and restores again.
            Doing::Restore | Doing::Nothing => {
                state.memory(device).task = Task::Idle;
                return;
            }
        };
        let ring = state.memory(device).ring;
        let good =
            |head: &Head| head.epoch >= newest(ring) || !self.rules.hold(Rule::OldKeysAreReadAgain);
        let mut head = winner.filter(good).unwrap_or(current);
        if !self.open(state, device, head) {
            return;
        }
        let seen = state.devices[device].seen;
        if head.version < seen.0 && self.rules.hold(Rule::OldWinnerIsReadAgain) {
            head = current;
        }
        if !self.see(state, device, head) {
            return;
        }
        let memory = state.memory(device);
        memory.advance(head);
        let structural = edit.what.is_structural() && self.rules.hold(Rule::StructureLoadsFirst);
        let terms = !memory.terms_are_current() && self.rules.hold(Rule::TermsOfTheEpoch);
        if winner.is_none() || items || structural || terms {
            return self.load(state, device, head, doing);
        }
        self.met(Event::Merged);
        self.prepare(state, device, edit);
    }
}
