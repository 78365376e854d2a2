//! The page on development: each crate that Cargo.toml names, and why; each fuzz target.

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

pub(crate) fn page() -> Page {
    let mut pages = Page::all().into_iter();
    let page = pages.find(|page| page.path.ends_with("walletfs-development.7.md"));
    page.expect("the page is there")
}

#[test]
fn every_dependency_is_justified() {
    let named = named();
    assert!(named.iter().any(|name| name == "fuser"), "{named:?}");
    let page = page();
    let listed = page.column("crate");
    let quoted: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    assert_eq!(listed, quoted, "the table and Cargo.toml differ");
    for cells in page.rows("crate") {
        assert!(cells.len() == 3 && !cells.contains(&""), "{cells:?}");
    }
}

#[test]
fn every_fuzz_target_is_listed() {
    let seeds = fs::read_dir(root().join("tests/fuzz/seeds")).expect("there are seeds");
    let names = seeds.map(|entry| entry.expect("it can be listed").file_name());
    let mut targets: Vec<_> = names.map(|name| format!("`{}`", name.display())).collect();
    targets.sort();
    let page = page();
    assert_eq!(page.column("target"), targets);
    for cells in page.rows("target") {
        assert!(cells.len() == 3 && !cells.contains(&""), "{cells:?}");
    }
}
