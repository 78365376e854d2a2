//! The tests of the repository, as their sources show them.

use crate::pages::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A test.
pub(crate) struct Test {
    /// Its file, relative to the repository.
    pub(crate) file: PathBuf,
    /// The name of its function.
    pub(crate) name: String,
    /// Its documentation, in one line.
    pub(crate) doc: String,
    /// Its lines, from the attribute to the brace that closes it.
    pub(crate) body: String,
}

impl Test {
    /// Every test of the repository.
    pub(crate) fn all() -> Vec<Test> {
        let mut all = Vec::new();
        for file in sources() {
            let text = fs::read_to_string(root().join(&file)).expect("a source is text");
            tests_of(&file, &text, &mut all);
        }
        all
    }

    /// Every name that a page may name a test by.
    pub(crate) fn names() -> BTreeSet<String> {
        Test::all().iter().filter_map(Test::name).collect()
    }

    /// The name that it goes by on the pages: `program::module::test`, of a file below `tests` or
    /// `src`.
    fn name(&self) -> Option<String> {
        let path = self.file.with_extension("");
        let mut parts: Vec<_> = path.iter().skip(1).map(|part| part.to_str()).collect();
        parts.retain(|part| *part != Some("mod") && *part != Some("main"));
        let parts: Option<Vec<_>> = parts.into_iter().collect();
        Some(format!("{}::{}", parts?.join("::"), self.name))
    }
}

/// Rust sources of the program and of its tests, relative to the repository.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut sources = Vec::new();
    let mut dirs = vec![root().join("src"), root().join("tests")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let own = path.strip_prefix(root()).expect("it lies below");
                sources.push(own.to_owned());
            }
        }
    }
    sources
}

fn tests_of(file: &Path, text: &str, all: &mut Vec<Test>) {
    let (mut doc, mut attributed) = (String::new(), false);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        if let Some(more) = bare.strip_prefix("///") {
            doc.push_str(more);
        } else if bare.starts_with("#[test]") || bare.starts_with("#[tokio::test") {
            attributed = true;
        } else if !bare.starts_with("#[") {
            let name = bare
                .trim_start_matches("async ")
                .strip_prefix("fn ")
                .and_then(|rest| rest.split('(').next());
            if let (true, Some(name)) = (attributed, name) {
                let end = format!("{indent}}}");
                let rest = lines.by_ref().take_while(|line| **line != end);
                all.push(Test {
                    file: file.to_owned(),
                    name: name.to_owned(),
                    doc: std::mem::take(&mut doc),
                    body: rest.collect::<Vec<_>>().join("\n"),
                });
            }
            doc.clear();
            attributed = false;
        }
    }
}

#[test]
fn tests_are_found() {
    let all = Test::all();
    let me = all.iter().find(|test| test.name == "tests_are_found");
    let me = me.expect("this one is among them");
    assert_eq!(me.file, Path::new("tests/docs/tests.rs"));
    assert!(me.body.contains("this one is among them"));
    assert!(all.len() > 300, "{}", all.len());
}
