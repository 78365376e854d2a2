//! What the page on development says of the sources: files, functions and tests that it names are
//! there, and the layers are as it shows them.

use crate::development::page;
use crate::pages::root;
use crate::tests::{Test, sources};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What stands in the place of a name that is still to be given.
const TO_BE: &str = "NAME";

fn text(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The lines of a source that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| !line.starts_with("//"))
}

/// The words of a line: names and what stands between them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = match name(first) {
            true => rest.find(|c| !name(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, more) = rest.split_at(end);
        rest = more;
        Some(word)
    })
}

/// Whether a source defines something of this name.
fn defines(text: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 7] = ["fn", "struct", "enum", "trait", "const", "static", "type"];
    code(text).any(|line| {
        let words: Vec<_> = words(line).collect();
        words
            .windows(2)
            .any(|pair| KEYWORDS.contains(&pair[0]) && pair[1] == name)
    })
}

/// Why what is named so is not there: a file or folder, or what a file defines. `None` if it is, or
/// if this is no such name.
fn lacks(name: &str) -> Option<String> {
    let own = ["src/", "tests/", "scripts/", "man/", ".ci/"];
    let own = own.iter().any(|start| name.starts_with(start));
    let file = name.split("::").next().unwrap_or(name);
    if !own && !root().join(file).is_file() {
        return None;
    }
    if file.contains(TO_BE) {
        let holds = root().join(file);
        let place = holds
            .ancestors()
            .find(|place| !place.to_string_lossy().contains(TO_BE));
        return (!place.is_some_and(Path::is_dir)).then(|| format!("there is no place for {name}"));
    }
    if !root().join(file).exists() {
        return Some(format!("there is no {file}"));
    }
    let (_, item) = name.split_once("::")?;
    (!defines(&text(Path::new(file)), item)).then(|| format!("{file} defines no {item}"))
}

#[test]
fn everything_that_the_page_names_is_there() {
    let page = page();
    let tests = Test::names();
    let (mut files, mut items, mut proofs, mut faults) = (0, 0, 0, Vec::new());
    for name in page.code() {
        let name = name.split(' ').next().unwrap_or(name);
        let is_file = name.contains('/');
        match (is_file, name.contains("::")) {
            (true, true) => items += 1,
            (true, false) => files += 1,
            (false, true) => {
                proofs += 1;
                if !tests.contains(name) {
                    faults.push(format!("there is no test {name}"));
                }
            }
            (false, false) => {}
        }
        faults.extend(lacks(name));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(
        files > 40 && items > 60 && proofs > 8,
        "{files} files, {items} items, {proofs} tests"
    );
}

#[test]
fn a_wrong_name_is_told() {
    for (name, why) in [
        ("src/fs/nowhere.rs", Some("there is no src/fs/nowhere.rs")),
        (
            "src/nowhere/NAME.rs",
            Some("there is no place for src/nowhere/NAME.rs"),
        ),
        ("src/fs/io.rs::wrote", Some("src/fs/io.rs defines no wrote")),
        // Called there, and defined elsewhere.
        (
            "src/fs/io.rs::expose",
            Some("src/fs/io.rs defines no expose"),
        ),
        ("src/fs/io.rs::read", None),
        ("src/cli/NAME.rs", None),
        ("src/store/NAME/mod.rs", None),
        ("src/store/mod.rs::Store", None),
        ("Cargo.lock", None),
        ("pwd", None),
    ] {
        assert_eq!(lacks(name).as_deref(), why, "{name}");
    }
}

/// A cell that is code, or several.
fn quoted(cell: &str) -> BTreeSet<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The sources below `place`: a file, or a folder.
fn below(place: &str) -> Vec<String> {
    let all = sources().into_iter().filter(|file| {
        let own = file.strip_prefix(place);
        own.is_ok() || *file == Path::new(&format!("{place}.rs"))
    });
    all.map(|file| text(&file)).collect()
}

#[test]
fn layers_use_what_the_page_says() {
    let page = page();
    let rows = page.rows("module");
    let modules: BTreeSet<String> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    let declared: BTreeSet<String> = code(&text(Path::new("src/lib.rs")))
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| *module != "fuzzing")
        .map(str::to_owned)
        .collect();
    assert_eq!(modules, declared, "the table and src/lib.rs differ");

    let mut above = modules.clone();
    for row in rows {
        let module = quoted(row[0]).pop_first().expect("it is code");
        let mut used = BTreeSet::new();
        for source in below(&format!("src/{module}")) {
            for line in code(&source) {
                let words: Vec<_> = words(line).collect();
                for path in words.windows(4) {
                    if path[..3] == ["crate", ":", ":"] && modules.contains(path[3]) {
                        used.insert(path[3].to_owned());
                    }
                }
            }
        }
        used.remove(&module);
        assert_eq!(quoted(row[2]), used, "what {module} uses");
        above.remove(&module);
        let upwards: Vec<_> = used.intersection(&above).collect();
        assert!(
            upwards.is_empty(),
            "{module} knows what is above it: {upwards:?}"
        );
    }
}

#[test]
fn what_has_one_place_is_named_there_alone() {
    let page = page();
    let rows = page.rows("what");
    assert!(rows.len() > 4, "{rows:?}");
    for row in rows {
        let name = quoted(row[0]).pop_first().expect("it is code");
        let place = quoted(row[1]).pop_first().expect("it is code");
        let follows: &[&str] = match &*name {
            "unsafe" => &["{", "fn", "impl", "extern"],
            _ => &[":"],
        };
        let mut places = BTreeSet::new();
        for file in sources().iter().filter(|file| file.starts_with("src")) {
            // What is quoted is a text, as the name of a part of the log.
            let named = code(&text(file)).any(|line| {
                line.split('"').step_by(2).any(|part| {
                    let words: Vec<_> = words(part).collect();
                    words
                        .windows(2)
                        .any(|pair| pair[0] == name && follows.contains(&pair[1]))
                })
            });
            if named {
                places.insert(file.clone());
            }
        }
        assert!(!places.is_empty(), "nobody names {name}");
        let elsewhere: Vec<_> = places
            .iter()
            .filter(|file| !file.starts_with(&place))
            .collect();
        assert!(elsewhere.is_empty(), "{name} is named in {elsewhere:?}");
    }
}

/// Every test program has its rung, and every command of a rung runs programs that are there.
#[test]
fn every_test_program_is_a_rung() {
    let page = page();
    let mut run = BTreeSet::new();
    for row in page.rows("rung") {
        let command = quoted(row[2]).pop_first().expect("it is code");
        let words: Vec<_> = command.split(' ').collect();
        assert_eq!(words[..2], ["cargo", "test"], "{command}");
        run.extend(
            words[2..]
                .iter()
                .filter(|word| !word.starts_with("--"))
                .map(|word| (*word).to_owned()),
        );
    }
    let programs = fs::read_dir(root().join("tests")).expect("it can be listed");
    let programs = programs.map(|entry| entry.expect("it can be listed").path());
    let programs: BTreeSet<String> = programs
        .filter(|path| {
            path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file()
        })
        .map(|path| path.file_stem().expect("it has one").display().to_string())
        .collect();
    assert_eq!(run, programs);
}
