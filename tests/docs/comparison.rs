//! What the README says of walletfs beside others is proved by tests that are there.

use crate::pages::Page;
use crate::tests::Test;

/// The rows of the tables whose last column is headed so, with their first row.
fn tables(readme: &Page) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut within = false;
    for line in readme.prose() {
        if !line.starts_with('|') {
            within = false;
            continue;
        }
        let cells = line.trim_matches('|').split('|').map(str::trim);
        let cells: Vec<String> = cells.map(str::to_owned).collect();
        if cells.last().is_some_and(|cell| cell == "proved by") {
            within = true;
            tables.push(Vec::new());
        }
        if within && cells.iter().any(|cell| cell != "---") {
            tables.last_mut().expect("it was begun").push(cells);
        }
    }
    tables
}

#[test]
fn what_is_said_beside_others_is_proved() {
    let readme = Page::readme();
    let there = Test::names();
    let tables = tables(&readme);
    let [features, tasks] = &tables[..] else {
        panic!("two tables, and not {}", tables.len());
    };
    assert_eq!(tasks.len(), 1 + 10, "the ten commonest tasks");
    let mut unproved = 0;
    for row in features.iter().skip(1).chain(tasks.iter().skip(1)) {
        let [what, ours, .., proof] = &row[..] else {
            panic!("{row:?}");
        };
        assert_eq!(row.len(), 8, "{what}");
        assert!(
            !row[..7].contains(&String::new()),
            "{what}: a cell says nothing"
        );
        if proof.is_empty() {
            // What we lack needs no proof, nor what the program is built for.
            assert!(
                ours.starts_with("no") || ours == "Linux",
                "{what}: not proved"
            );
            unproved += 1;
        } else {
            let proof = proof.trim_matches('`');
            assert!(there.contains(proof), "{what}: there is no test {proof}");
        }
    }
    assert_eq!(unproved, 4);
    for row in tasks.iter().skip(1) {
        assert!(!row[7].is_empty(), "{}: a task without proof", row[0]);
    }
}
