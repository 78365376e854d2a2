//! The page on troubleshooting quotes the program: each line of its messages is one of
//! `tests/messages`, which tests hold against what the program prints.

use crate::pages::{Page, root};
use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_message_is_one_that_the_program_prints() {
    let shown: BTreeSet<String> = fs::read_dir(root().join("tests/messages"))
        .expect("they are there")
        .map(|entry| entry.expect("it can be listed").path())
        .map(|path| fs::read_to_string(path).expect("it is text"))
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut pages = Page::all().into_iter();
    let page = pages.find(|page| page.path.ends_with("walletfs-troubleshooting.7.md"));
    let page = page.expect("the page is there");
    let quoted: Vec<_> = page.blocks("message").into_iter().flatten().collect();
    assert!(quoted.len() >= 40, "{}", quoted.len());
    for line in quoted {
        assert!(shown.contains(line), "no test shows this message: {line}");
    }
}
