//! The page on performance: `scripts/bench --write` fills each part of it, and nobody else.

use crate::pages::root;
use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What stands in a file between quotes behind this.
fn quoted(text: &str, behind: &str) -> Vec<String> {
    let parts = text.split(behind).skip(1);
    let quoted = parts.filter_map(|part| part.split_once('"')?.1.split_once('"'));
    quoted.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_part_that_the_benchmark_writes_is_there_once() {
    let page = read("man/walletfs-performance.7.md");
    let parts = quoted(&read("scripts/benchmarks/page.rs"), "put(&text, ");
    assert!(parts.len() >= 5, "{parts:?}");
    for part in &parts {
        let begin = format!("<!-- measured: {part} -->");
        let (_, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{begin}"));
        let (within, after) = rest.split_once("<!-- end -->").expect("it ends");
        assert!(!within.contains("<!--"), "{part} ends before the next");
        assert!(!within.trim().is_empty(), "{part} is not measured");
        assert!(!after.contains(&begin), "{part} is there twice");
    }
    assert_eq!(page.matches("<!-- measured: ").count(), parts.len());
}

/// Workloads of which a bar was missed, and that the page does not speak of.
fn unexplained(page: &str) -> Vec<&str> {
    let (_, missed) = page
        .split_once("\n## MISSED\n")
        .expect("there is such a part");
    let (why, _) = missed.split_once("\n## ").expect("others follow");
    let rows = page.lines().filter(|line| line.ends_with(" | missed |"));
    let workloads = rows.filter_map(|row| row.split(" | ").next()?.strip_prefix("| "));
    let silent = |workload: &&str| !why.contains(&format!("**{workload}**"));
    workloads.filter(silent).collect()
}

#[test]
fn every_bar_that_is_missed_is_explained() {
    let page = read("man/walletfs-performance.7.md");
    assert_eq!(unexplained(&page), [""; 0]);
    let row = "| warm-stat | at most 1.00 x | 2.00 x | missed |";
    assert_eq!(unexplained(&format!("{page}\n{row}\n")), ["warm-stat"]);
}

#[test]
fn every_workload_is_on_the_page_of_a_run() {
    let page = read("man/walletfs-performance.7.md");
    let workloads = quoted(&read("scripts/benchmarks/workloads/mod.rs"), "workload(");
    assert!(workloads.len() >= 15, "{workloads:?}");
    // Those that come to several tables are named by one of them.
    let tables = |name: &str| -> Vec<String> {
        match name {
            "parallel" => vec!["parallel-8".into()],
            "contended" => vec!["read-writer".into(), "read-far-store".into()],
            "changes" => vec!["create".into(), "rename".into()],
            "listing" => ["ls", "ls-l", "find", "grep"].map(str::to_owned).into(),
            "program" => vec!["start".into(), "size".into()],
            // Parts of their own.
            "requests" | "growth" => Vec::new(),
            name => vec![name.to_owned()],
        }
    };
    for table in workloads.iter().flat_map(|name| tables(name)) {
        assert!(page.contains(&format!("### {table}\n")), "{table}");
    }
}
