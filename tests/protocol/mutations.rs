//! Each rule is needed: without it a property fails, in the scene that is named with it.

use crate::properties::*;
use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::scenes::{self, Scene};
use stateright::{Checker, HasDiscoveries, Model};

/// Every rule, the property that fails without it, and where.
const NEEDED: [(Rule, &str, Scene); Rule::COUNT] = [
    (Rule::HeadIsConditional, NO_ALARM, scenes::VALUES),
    (Rule::ItemsAreConditional, NOT_LOST, scenes::VALUES),
    (Rule::HeadIsReadAgain, NO_ALARM, scenes::LOOKS),
    (Rule::DigestIsVerified, TRUE, scenes::NAMES),
    (Rule::CatchUpIsVerified, TRUE, scenes::VALUES),
    (Rule::ThreeListings, NO_ALARM, scenes::NAMES),
    (Rule::StructureLoadsFirst, ONE_NAME, scenes::NAMES),
    (Rule::RevDecides, NOT_LOST, scenes::VALUES),
    (Rule::ValueThereIsNoConflict, NOT_ITSELF, scenes::LATE),
    (Rule::DigestOfTheWinner, NO_ALARM, scenes::VALUES),
    (Rule::TermsOfTheEpoch, NO_ALARM, scenes::REKEY),
    (Rule::SameBytesAgain, ONCE, scenes::LATE),
    (Rule::SameTokenAgain, ONCE, scenes::LATE),
    (Rule::TruthIsRead, TOLD_RIGHT, scenes::LATE),
    (Rule::LostToItselfIsDone, TOLD_RIGHT, scenes::FORGETS),
    (Rule::OldKeysAreReadAgain, NO_ALARM, scenes::KEYS),
    (Rule::OldWinnerIsReadAgain, NO_ALARM, scenes::LOOKS),
    (Rule::OldHeadIsReadAgain, NO_ALARM, scenes::LOOKS),
    (Rule::OwnCommitMayBeOld, NO_ALARM, scenes::LOOKS),
    (Rule::SeenIsChecked, NEWEST, scenes::ROLLBACK),
    (Rule::SeenIsRaisedByCommits, NEWEST, scenes::ROLLBACK),
    (Rule::DigestOfTheNewEpoch, NO_ALARM, scenes::REKEY),
    (Rule::NewestEpochSeals, IN_KEYRING, scenes::REKEY),
    (Rule::NothingOldBeforeTheDrop, IN_KEYRING, scenes::BOTH),
    (Rule::BothPartsCount, IN_KEYRING, scenes::REKEY),
    (Rule::DropOnTheLoadedHead, IN_KEYRING, scenes::BOTH),
    (Rule::RestoreAboveAll, NO_ALARM, scenes::RESTORE),
];

#[test]
fn without_any_rule_a_property_fails() {
    let mut wrong = Vec::new();
    for (at, (rule, property, scene)) in NEEDED.iter().enumerate() {
        assert_eq!(*rule as usize, at, "{rule:?} stands in its place, and once");
        let found = HasDiscoveries::AnyOf([*property].into());
        let checker = Protocol::new(*scene, Some(*rule)).checker().threads(2);
        let checker = checker.finish_when(found).spawn_bfs().join();
        let states = checker.unique_state_count();
        match checker.discovery(property) {
            Some(path) => {
                let steps = path.into_actions().len();
                println!(
                    "without {rule:?}: not true that {property} ({steps} steps, {})",
                    scene.name
                );
            }
            None => wrong.push(format!(
                "{rule:?}: {property} holds, {} ({states})",
                scene.name
            )),
        }
    }
    assert_eq!(wrong, [""; 0]);
}
