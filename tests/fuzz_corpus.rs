//! Every seed of every fuzz target, in the ordinary tests: what fuzzing has found once stays found.
//! `scripts/fuzz` looks for more.

#[expect(unreachable_pub, reason = "it is a library as well")]
#[path = "fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn names(folder: &str) -> BTreeSet<String> {
    let dir = self::folder().join(folder);
    let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn every_seed_keeps_the_promises_of_its_target() {
    let mut faults = Vec::new();
    let mut all = 0;
    for (target, run) in fuzz::TARGETS {
        let seeds = names(&format!("seeds/{target}"));
        assert!(!seeds.is_empty(), "{target} has no seeds");
        all += seeds.len();
        for seed in seeds {
            let bytes = fs::read(folder().join("seeds").join(target).join(&seed)).unwrap();
            if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
                faults.push(format!("{target}/{seed}"));
            }
        }
    }
    assert!(faults.is_empty(), "broken by {faults:?}");
    println!("{all} seeds of {} targets", fuzz::TARGETS.len());
}

/// Programs, directories of seeds and targets are the same.
#[test]
fn every_target_has_a_program_and_seeds() {
    let targets: BTreeSet<String> = fuzz::TARGETS.map(|(name, _)| name.to_owned()).into();
    assert_eq!(targets.len(), fuzz::TARGETS.len());
    assert_eq!(targets, names("seeds"));
    let programs: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(programs, names("bins"));
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for target in targets {
        let program = format!("[[bin]]\nname = \"{target}\"\npath = \"bins/{target}.rs\"\n");
        assert!(manifest.contains(&program), "{target}");
    }
}
