//! Every kind of error as the program prints it: exit code and message are those of a file in
//! `tests/messages`, which the manual quotes. To write these files anew after a message was changed,
//! run the test with `WALLETFS_MESSAGES_WRITE=1`, and read what changed.

mod input;
mod stores;

use crate::program::Machine;
use assert_cmd::Command;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use walletfs::cli::exit::Exit;

const WRITE: &str = "WALLETFS_MESSAGES_WRITE";

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages")
}

/// Runs the command, and holds its exit code and what it says against the file of this case. What
/// differs from run to run is as on a person's machine: the directory is their home.
fn shows(case: &str, machine: &Machine, command: &mut Command) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("it says text");
    let home = machine.path("");
    let home = home.to_str().expect("it is text").trim_end_matches('/');
    let code = output.status.code().expect("it ends by itself");
    let shown = format!(
        "exit code {code}\n{}",
        usual(&said.replace(home, "/home/joe"))
    );
    let file = files().join(format!("{case}.txt"));
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, &shown).expect("it can be written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        shown, expected,
        "tests/messages/{case}.txt is another: if that is meant, {WRITE}=1 writes it"
    );
}

/// Times are always the same.
fn usual(said: &str) -> String {
    /// What a sample is written like: a digit stands for any.
    const SAMPLES: [&str; 2] = ["20261124T185615Z", "2026-11-24 18:56:15"];
    let like = |text: &str, sample: &str| {
        text.len() >= sample.len()
            && text.bytes().zip(sample.bytes()).all(|(found, sample)| {
                found == sample || (found.is_ascii_digit() && sample.is_ascii_digit())
            })
    };
    let mut rest = said;
    let mut shown = String::new();
    while let Some(next) = rest.chars().next() {
        match SAMPLES.iter().find(|sample| like(rest, sample)) {
            Some(sample) => {
                shown += sample;
                rest = &rest[sample.len()..];
            }
            None => {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    shown
}

/// Every file with its content.
fn all() -> Vec<(String, String)> {
    let entries = fs::read_dir(files()).expect("they are there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let read = |path: PathBuf| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, fs::read_to_string(path).expect("it is text"))
    };
    paths.map(read).collect()
}

#[test]
fn no_message_is_a_programmers() {
    let all = all();
    assert!(all.len() >= 50, "{}", all.len());
    for (case, shown) in &all {
        for marker in [
            "{",
            "}",
            "Some(",
            "None",
            "Ok(",
            "Err(",
            "DispatchFailure",
            "ServiceError",
            "os error",
            "errno",
            "panicked",
            "src/",
            "\\n",
            "\\\"",
            "unwrap",
            "Kind",
        ] {
            assert!(!shown.contains(marker), "{case} has {marker:?}:\n{shown}");
        }
        let (_, said) = shown.split_once('\n').expect("a code and a message");
        // The command line's own errors come from its parser, with a hint on the last line.
        let ours = said.starts_with("walletfs: ") && said.trim_end().lines().count() <= 4;
        let parsers = said.starts_with("error: ") && said.contains("For more information, try");
        assert!(ours || parsers, "{case}:\n{shown}");
        // What to do stands after a colon, a semicolon or a dash.
        let told = said.trim_start_matches("walletfs: ");
        assert!(
            told.contains([':', ';']),
            "{case} does not say what to do:\n{shown}"
        );
    }
}

#[test]
fn every_exit_code_is_shown_and_every_file_is_of_a_case() {
    let all = all();
    let first = all.iter().filter_map(|(_, shown)| shown.lines().next());
    let codes: BTreeSet<_> = first.collect();
    for exit in Exit::ALL.into_iter().filter(|exit| *exit != Exit::Done) {
        let line = format!("exit code {}", exit.code());
        assert!(codes.contains(&*line), "no message has {line}");
    }
    let sources = [include_str!("input.rs"), include_str!("stores.rs")].concat();
    for (case, _) in all {
        assert!(
            sources.contains(&format!("\"{case}\"")),
            "{case}.txt is of no case"
        );
    }
}
