//! The protocol, model-checked: two devices and a store that commits, refuses, answers late or never;
//! loads, merges, retries, renames, a rekey, a restore, and processes that end. Every state that a
//! scene can reach is visited (`scenes.rs`), every property holds in each of them (`properties.rs`),
//! and without any one of the rules (`rules.rs`) one does not (`mutations.rs`).
//!
//! The model follows `src/wallet` and `src/store/dynamodb/commit.rs`, one step for each call of a
//! store. A change there that changes the protocol is made here too.

mod commits;
mod edits;
mod loads;
mod mutations;
mod properties;
mod protocol;
mod rekey;
mod rules;
mod scenes;
mod server;
mod state;

use protocol::{Event, Protocol};
use scenes::Scene;
use stateright::{Checker, Model};
use std::time::Instant;

/// Checks a scene whole, and gives the events that it met and the number of states.
fn check(scene: Scene) -> (Vec<Event>, usize) {
    let began = Instant::now();
    let checker = Protocol::new(scene, None).checker().threads(2);
    let checker = checker.spawn_bfs().join();
    println!(
        "{}: {} states, {} steps deep, {:.1} s",
        scene.name,
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f32()
    );
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let (actions, last) = (path.clone().into_actions(), path.last_state().clone());
        panic!(
            "{}: not true that {property}:\n{actions:#?}\n{last:#?}",
            scene.name
        );
    }
    // It was not ended before it had seen everything.
    assert!(checker.is_done(), "{}", scene.name);
    (checker.model().events(), checker.unique_state_count())
}

/// In the ordinary run each scene as it stands; with `WALLETFS_TEST_CASES` (`scripts/test --long`)
/// then each with more that goes wrong.
#[test]
fn every_scene_holds() {
    let mut scenes = scenes::ALL.to_vec();
    if std::env::var_os("WALLETFS_TEST_CASES").is_some() {
        scenes.extend(scenes::ALL.into_iter().flat_map(Scene::larger));
    }
    let (mut met, mut states) = (Vec::new(), 0);
    for scene in scenes {
        let (events, visited) = check(scene);
        met.extend(events);
        states += visited;
    }
    println!("all scenes: {states} states");
    for event in Event::ALL {
        let expected = event != Event::Alarm;
        assert_eq!(met.contains(&event), expected, "{event:?}");
    }
}
