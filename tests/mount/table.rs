//! The table of `tests/tools.md`: each row is played here by the real tool, and must cost and leave
//! what the row says.

use super::bench::{Bench, LONG};
use super::harness::*;
use super::support::http_count::counted;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a tool costs: looks at the head, and commits.
fn costs(row: &str) -> (usize, usize) {
    let table = include_str!("../tools.md");
    let start = format!("| `{row}` |");
    let mut lines = table.lines().filter(|line| line.starts_with(&start));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("no row of tests/tools.md is called `{row}`"));
    assert_eq!(lines.next(), None, "two rows are called `{row}`");
    let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let number = |cell: &str| {
        cell.parse()
            .unwrap_or_else(|_| panic!("`{row}`: {cell} is no number"))
    };
    (number(cells[4]), number(cells[5]))
}

/// A mount that tools play on, one after another.
pub(crate) struct Stage {
    bench: Bench,
}

impl Stage {
    /// A wallet with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Stage {
        let files: Vec<_> = files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
            .collect();
        Stage {
            bench: Bench::with(&files),
        }
    }

    /// Mounts it.
    pub(crate) fn mount(&self) -> Mount<'_> {
        let mount = self.bench.wallet.mount("w", &LONG);
        self.bench.proxy.take();
        mount
    }

    /// A directory outside of the mount.
    pub(crate) fn outside(&self) -> PathBuf {
        self.bench.wallet.path()
    }

    /// A tree outside of the mount: a directory `name` with these files, each with a time of its own.
    pub(crate) fn tree(&self, name: &str, files: &[(String, String)]) -> PathBuf {
        let tree = self.outside().join(name);
        let script = "
import sys
for number, file in enumerate(sys.stdin.read().split('\\0')[:-1]):
    os.utime(file, (0, 1_000_000_000 + number))";
        let mut list = String::new();
        for (file, content) in files {
            let file = tree.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            list += &format!("{}\0", file.display());
        }
        let input = self.outside().join(format!("{name}.list"));
        fs::write(&input, list).unwrap();
        run(python(script).stdin(fs::File::open(input).unwrap())).success();
        tree
    }

    /// Plays a row of the table: `act` costs what it says, and nothing else is asked of the store.
    #[track_caller]
    pub(crate) fn play<T>(&self, row: &str, mount: &Mount<'_>, act: impl FnOnce() -> T) -> T {
        let (gets, commits) = costs(row);
        let mut result = None;
        let asked = self.bench.asks(mount, || result = Some(act()));
        let expected = [("GetItem", gets), ("TransactWriteItems", commits)];
        let expected: Vec<_> = expected.into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(asked, counted(&expected), "`{row}` of tests/tools.md");
        result.unwrap()
    }

    /// Plays a row by a shell's script in the directory `d/a`.
    #[track_caller]
    pub(crate) fn sh(&self, row: &str, mount: &Mount<'_>, script: &str) -> String {
        let script = format!("set -euo pipefail\n{script}");
        self.play(row, mount, || mount.sh(&script))
    }

    /// The wallet holds these files and no other: in this mount, in another one, and after mounting
    /// again. `memory` lives in this mount only: what an editor has left there by intention.
    #[track_caller]
    pub(crate) fn leaves(&self, mount: Mount<'_>, files: &[(&str, &str)], memory: &[&str]) {
        let mut here = tree(mount.dir());
        for path in memory {
            assert!(here.remove(*path).is_some(), "{path} is in the mount");
        }
        let expected: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
            .collect();
        same(&here, &expected, "the mount");
        assert_eq!(mount.status()["scratch"], memory.len());
        let other = self.bench.wallet.mount("other", &[]);
        same(&tree(other.dir()), &expected, "another mount");
        drop(other);
        let again = mount.again();
        same(&tree(again.dir()), &expected, "the mount, mounted again");
    }
}

#[track_caller]
fn same(there: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, of: &str) {
    let (names, expected_names): (Vec<_>, Vec<_>) =
        (there.keys().collect(), expected.keys().collect());
    assert_eq!(names, expected_names, "files of {of}");
    for (path, content) in there {
        let (content, expected) = (
            String::from_utf8_lossy(content),
            String::from_utf8_lossy(&expected[path]),
        );
        assert_eq!(content, expected, "{path} of {of}");
    }
}

/// Every file with its content, and every directory that holds nothing.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let shown = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        let mut entries = fs::read_dir(&dir).unwrap().peekable();
        if entries.peek().is_none() && dir != root {
            all.insert(format!("{}/", shown(&dir)), Vec::new());
        }
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                all.insert(shown(&path), fs::read(&path).unwrap());
            }
        }
    }
    all
}
