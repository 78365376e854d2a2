//! What must be true of every state that can be reached.
//!
//! Once the store's operator has put back an older state, a device that saw a newer one refuses it,
//! and that is all that is promised: two that go on from there without looking make two histories,
//! which the next load of either tells.

use crate::protocol::Protocol;
use crate::state::{IDS, State};
use stateright::Property;

pub(crate) const NOT_LOST: &str = "no acknowledged write is lost";
pub(crate) const ONCE: &str = "no write is applied twice";
pub(crate) const TRUE: &str = "no torn load is taken for true";
pub(crate) const NO_ALARM: &str = "no honest run is taken for tampering";
pub(crate) const ONE_NAME: &str = "each name has one secret";
pub(crate) const IN_KEYRING: &str = "every epoch in use is in the keyring";
pub(crate) const NOT_ITSELF: &str = "no write conflicts with itself";
pub(crate) const TOLD_RIGHT: &str = "no commit that stands is said to have failed";
pub(crate) const NEWEST: &str = "no old state is taken for the newest";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(NOT_LOST, |_, state: &State| {
            kept(state) && honest(state, state.ghost.overwritten)
        }),
        Property::always(ONCE, |_, state: &State| {
            state.ghost.applied & 0b1010_1010_1010_1010 == 0
        }),
        Property::always(TRUE, |_, state: &State| {
            honest(state, state.ghost.torn || !shown_is_true(state))
        }),
        Property::always(NO_ALARM, |_, state: &State| !state.ghost.alarmed),
        Property::always(ONE_NAME, |_, state: &State| one_name(state)),
        Property::always(IN_KEYRING, |_, state: &State| in_keyring(state)),
        Property::always(NOT_ITSELF, |_, state: &State| !state.ghost.lost_to_itself),
        Property::always(TOLD_RIGHT, |_, state: &State| !state.ghost.misreported),
        Property::always(NEWEST, |_, state: &State| !state.ghost.deceived),
    ]
}

/// Not this, unless the store has gone back.
fn honest(state: &State, fault: bool) -> bool {
    !fault || state.ghost.rolled_back
}

/// Whatever was acknowledged, the store has made. (That nothing is overwritten but by those who have
/// seen it is the other half.)
fn kept(state: &State) -> bool {
    (0..8).all(|op| {
        let acknowledged = state.ghost.acknowledged >> op & 1 == 1;
        !acknowledged || state.ghost.applied >> (2 * op) & 0b11 > 0
    })
}

/// What a device shows under the store's head is what the store holds.
fn shown_is_true(state: &State) -> bool {
    state.devices.iter().all(|device| {
        let Some(memory) = &device.memory else {
            return true;
        };
        let under_it = memory.complete() && memory.tip.seal == state.head.seal;
        !under_it || memory.snapshot.items == state.items
    })
}

fn one_name(state: &State) -> bool {
    let names = state.items.map(|item| item.map(|item| item.name));
    (0..IDS).all(|id| names[id].is_none() || !names[..id].contains(&names[id]))
}

fn in_keyring(state: &State) -> bool {
    let has = |epoch: u8| state.head.ring >> epoch & 1 == 1;
    let items = state.items.iter().flatten();
    has(state.head.epoch)
        && items
            .into_iter()
            .all(|i| has(i.meta_epoch) && has(i.data_epoch))
}
