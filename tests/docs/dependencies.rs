//! The table of dependencies: each crate that Cargo.toml names, and why.

use crate::pages::{Page, root};
use std::fs;

/// The crates under `[dependencies]`, in their order.
fn named() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest is there");
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn every_dependency_is_justified() {
    let named = named();
    assert!(named.iter().any(|name| name == "fuser"), "{named:?}");
    let pages = Page::all();
    let page = pages
        .iter()
        .find(|page| page.path.ends_with("walletfs-development.7.md"))
        .expect("the page is there");
    let listed = page.column("crate");
    let quoted: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    assert_eq!(listed, quoted, "the table and Cargo.toml differ");
    for line in page.prose().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 3 && !cells.contains(&""), "{line}");
    }
}
