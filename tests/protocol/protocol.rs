//! The model: what can happen next, and what it makes of the state.

use crate::properties;
use crate::rules::{Rule, Rules};
use crate::scenes::Scene;
use crate::state::{Answer, DEVICES, IDS, Ready, State, Task};
use stateright::{Model, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A scene under these rules.
#[derive(Clone)]
pub(crate) struct Protocol {
    pub(crate) scene: Scene,
    pub(crate) rules: Rules,
    events: Arc<[AtomicUsize; Event::ALL.len()]>,
}

/// Something that the checking must have met, or it has not checked what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A change was made on the head that had won, without a load.
    Merged,
    /// A write met another one's.
    Conflict,
    /// The head moved during a load.
    Torn,
    /// A listing contradicted an unmoved head.
    Contradicted,
    /// What was fetched by itself led to the head; it did not.
    CaughtUp,
    Missed,
    /// A commit was found by reading the truth.
    TruthFound,
    /// A commit was refused for its own bytes.
    LostToItself,
    /// A look brought a head that was old by the time it was judged.
    OldHead,
    Rekeyed,
    Restored,
    RollbackTold,
    Alarm,
}

impl Event {
    pub(crate) const ALL: [Event; 13] = [
        Event::Merged,
        Event::Conflict,
        Event::Torn,
        Event::Contradicted,
        Event::CaughtUp,
        Event::Missed,
        Event::TruthFound,
        Event::LostToItself,
        Event::OldHead,
        Event::Rekeyed,
        Event::Restored,
        Event::RollbackTold,
        Event::Alarm,
    ];
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// A device begins the operation of this number.
    Begin(usize, u8),
    /// It makes its next step. With the parts of a page that it is shown as they were.
    Step(usize, u8),
    /// Instead of listing, it fetches the secret in this place, whatever the head tells.
    CatchUp(usize, u8),
    /// The store takes a commit. `lost`: its answer is; `forget`: as if it had not seen its token.
    Serve {
        flight: usize,
        lost: bool,
        forget: bool,
    },
    /// No answer comes in time.
    Silence(usize),
    /// The last commit is seen whole by everyone.
    Settle,
    /// A device looks at the head beside what it does, and judges what that brought.
    Look(usize),
    Judge(usize),
    /// A process ends, and another begins.
    Crash(usize),
    Start(usize),
    /// The store's operator puts back what there was at the start.
    RollBack,
}

impl Protocol {
    pub(crate) fn new(scene: Scene, without: Option<Rule>) -> Protocol {
        Protocol {
            scene,
            rules: Rules { without },
            events: Arc::new(Event::ALL.map(|_| AtomicUsize::new(0))),
        }
    }

    pub(crate) fn met(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The events that were met.
    pub(crate) fn events(&self) -> Vec<Event> {
        let met = |event: &Event| self.events[*event as usize].load(Ordering::Relaxed) > 0;
        Event::ALL.into_iter().filter(met).collect()
    }

    fn actions_of(&self, state: &State, device: usize, actions: &mut Vec<Action>) {
        let of = &state.devices[device];
        let Some(memory) = &of.memory else {
            actions.push(Action::Start(device));
            return;
        };
        if state.crashes > 0 {
            actions.push(Action::Crash(device));
        }
        match memory.task {
            Task::Idle => {
                let menu = self.scene.menus[device].iter().enumerate();
                let left = menu.filter(|(n, _)| of.left >> n & 1 == 1);
                let may = left.filter(|(_, op)| !of.told || Protocol::is_way_out(**op));
                actions.extend(may.map(|(n, _)| Action::Begin(device, n as u8)));
            }
            Task::Loading { page, .. } => {
                let parts = Protocol::parts(state, page).into_iter();
                actions.extend(parts.map(|old| Action::Step(device, old)));
                if memory.may_catch_up() {
                    let places = 0..IDS as u8;
                    actions.extend(places.map(|place| Action::CatchUp(device, place)));
                }
            }
            Task::Walking | Task::Restoring | Task::Truth { .. } => {
                actions.push(Action::Step(device, 0));
            }
            Task::Sent { answer, ready, .. } => {
                let flies = |flight: &Ready| flight.head.seal == ready.head.seal;
                let may_come = state.flights.iter().any(flies);
                match answer {
                    // A commit is answered once it is seen whole.
                    Some(Answer::Done) if state.before.is_some() => {}
                    Some(_) => actions.push(Action::Step(device, 0)),
                    None if !may_come || state.silences > 0 => {
                        actions.push(Action::Silence(device));
                    }
                    None => {}
                }
            }
        }
        if memory.looked.is_some() {
            actions.push(Action::Judge(device));
        } else if state.looks > 0 && !of.told {
            actions.push(Action::Look(device));
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.scene)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for device in 0..DEVICES {
            self.actions_of(state, device, actions);
        }
        if state.before.is_some() {
            actions.push(Action::Settle);
        } else {
            for flight in 0..state.flights.len() {
                for (lost, forget) in [(false, false), (true, false), (false, true)] {
                    let may = (!lost || state.silences > 0) && (!forget || self.scene.forgets);
                    if may {
                        actions.push(Action::Serve {
                            flight,
                            lost,
                            forget,
                        });
                    }
                }
            }
        }
        if self.scene.rolled_back && !state.ghost.rolled_back && state.head.version > 1 {
            actions.push(Action::RollBack);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let next = &mut state;
        match action {
            Action::Begin(device, number) => self.begin(next, device, number),
            Action::Step(device, old) => match next.memory(device).task {
                Task::Loading { .. } => self.list(next, device, old),
                Task::Walking => self.walk(next, device),
                Task::Restoring => self.restore(next, device),
                Task::Sent { .. } => self.hear(next, device),
                Task::Truth { .. } => self.find_out(next, device),
                Task::Idle => unreachable!("an idle device makes no step"),
            },
            Action::CatchUp(device, place) => self.catch_up(next, device, place.into()),
            Action::Serve {
                flight,
                lost,
                forget,
            } => self.serve(next, flight, lost, forget),
            Action::Silence(device) => {
                next.silences = next.silences.saturating_sub(1);
                self.silence(next, device);
            }
            Action::Settle => next.before = None,
            Action::Look(device) => self.look(next, device),
            Action::Judge(device) => self.judge(next, device),
            Action::Crash(device) => {
                next.crashes -= 1;
                next.devices[device].memory = None;
            }
            Action::Start(device) => self.start(next, device),
            Action::RollBack => {
                let first = State::first(&self.scene);
                next.head = first.head;
                next.items = first.items;
                next.before = None;
                next.ghost.rolled_back = true;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Protocol>> {
        properties::all()
    }
}
