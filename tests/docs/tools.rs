//! The table of tools: each row is played by the test that it names, and each of those tests plays a
//! row.

use crate::pages::root;
use crate::tests::Test;
use std::collections::BTreeSet;
use std::fs;

/// The files of tests that play rows, and nothing else.
const PLAYED_IN: [&str; 4] = ["copiers", "editors", "readers", "savers"];

#[test]
fn every_row_is_played_by_the_test_that_it_names() {
    let table = fs::read_to_string(root().join("tests/tools.md")).expect("the table is there");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 80, "{}", rows.len());
    let tests = Test::all();
    let (mut named, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        let [id, tool, action, leaves, _looks, _commits, proved] = row[..] else {
            panic!("{row:?} has not seven cells");
        };
        let id = id.trim_matches('`');
        assert!(ids.insert(id), "two rows are called {id}");
        assert!(![tool, action, leaves].contains(&""), "{id} says nothing");
        let proved = proved.trim_matches('`');
        let (file, name) = proved.split_once("::").expect("a file and a test");
        let file = format!("tests/mount/{file}.rs");
        let test = tests
            .iter()
            .find(|test| test.file.as_os_str() == &*file && test.name == name);
        let test = test.unwrap_or_else(|| panic!("{id}: there is no test {proved}"));
        let plays = test.body.contains(&format!("\"{id}\""));
        assert!(plays, "{proved} does not play {id}");
        named.insert((file, name.to_owned()));
    }
    for test in &tests {
        let stem = test.file.file_stem().and_then(|stem| stem.to_str());
        let plays =
            test.file.starts_with("tests/mount") && stem.is_some_and(|s| PLAYED_IN.contains(&s));
        let this = (test.file.display().to_string(), test.name.clone());
        assert!(!plays || named.contains(&this), "{this:?} plays no row");
    }
}
