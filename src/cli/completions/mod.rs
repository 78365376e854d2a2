//! `completions`: prints what completes the command line in a shell, and the hidden command that it
//! calls there. The parser's definition says what can stand where; the names of wallets, mount
//! points and settings are looked up. Nothing is opened and nothing is asked.

mod line;

use super::args::Cli;
use super::conf;
use super::exit::{Failure, print};
use super::paths::Places;
use crate::session::{registry, sys};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::engine;
use std::ffi::OsString;

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell whose command line can be completed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// In `~/.bashrc`: source <(walletfs completions bash)
    Bash,
    /// In `~/.zshrc`, after compinit: source <(walletfs completions zsh)
    Zsh,
    /// In `~/.config/fish/config.fish`: walletfs completions fish | source
    Fish,
}

/// The hidden command that a shell calls.
#[derive(Debug, Args)]
pub struct Complete {
    /// The words up to the cursor, the program's name first; the last is completed
    #[arg(last = true, required_unless_present = "line")]
    pub words: Vec<OsString>,
    /// Instead of words: the line up to the cursor, as bash has it
    #[arg(long, requires = "fragment", conflicts_with = "words")]
    #[arg(allow_hyphen_values = true)]
    pub line: Option<String>,
    /// The end of the line that bash puts a candidate in the place of
    #[arg(long, allow_hyphen_values = true)]
    pub fragment: Option<String>,
}

/// Runs `completions`.
pub(super) fn run(args: &Completions) -> Result<(), Failure> {
    print(match args.shell {
        Shell::Bash => include_str!("walletfs.bash"),
        Shell::Zsh => include_str!("walletfs.zsh"),
        Shell::Fish => include_str!("walletfs.fish"),
    })
}

/// Runs the hidden command: prints a line for each candidate, for bash without what stands before
/// the fragment, for others with its explanation after a tabulator.
pub(super) fn answer(args: Complete) -> Result<(), Failure> {
    let words = match &args.line {
        Some(line) => line::words(line).into_iter().map(OsString::from).collect(),
        None => args.words,
    };
    let typed = words.last().cloned().unwrap_or_default();
    let mut lines = String::new();
    for candidate in candidates(words) {
        // What cannot be shown on one line cannot be offered.
        let Some(value) = candidate.get_value().to_str() else {
            continue;
        };
        if value.contains(char::is_control) {
            continue;
        }
        if let Some(fragment) = &args.fragment {
            lines += from_fragment(value, &typed.to_string_lossy(), fragment);
        } else {
            lines += value;
            let help = candidate.get_help().map(ToString::to_string);
            if let Some(help) = help.as_deref().and_then(|help| help.lines().next()) {
                lines += "\t";
                lines += help;
            }
        }
        lines += "\n";
    }
    print(&lines)
}

/// What can stand in the place of the last word. An option is offered once its hyphen is there, or
/// where nothing else can stand.
fn candidates(words: Vec<OsString>) -> Vec<CompletionCandidate> {
    let Some(at) = words.len().checked_sub(1) else {
        return Vec::new();
    };
    let begun = !words[at].is_empty();
    let here = std::env::current_dir().ok();
    // An error is that of a line that nothing can complete.
    let found = engine::complete(&mut Cli::command(), words, at, here.as_deref());
    let mut found = found.unwrap_or_default();
    let is_option = |candidate: &CompletionCandidate| {
        let value = candidate.get_value().as_encoded_bytes();
        value.starts_with(b"-")
    };
    if !begun && !found.iter().all(is_option) {
        found.retain(|candidate| !is_option(candidate));
    }
    found
}

/// The part of a candidate for the word `typed` that stands in the place of its end, `fragment`,
/// which bash cuts off at signs such as `=` and `:`. Within an open quote it is as it is meant, else
/// as it is typed.
fn from_fragment<'a>(value: &'a str, typed: &str, fragment: &str) -> &'a str {
    let meant = line::words(fragment).pop().unwrap_or_default();
    let before = typed.strip_suffix(fragment);
    let before = before.or_else(|| typed.strip_suffix(&meant));
    let before = before.unwrap_or_default();
    value.strip_prefix(before).unwrap_or(value)
}

/// The directories of the environment's configuration; none if there is no place for one.
fn places() -> Option<Places> {
    let env = |name: &str| std::env::var_os(name);
    let dir = env("WALLETFS_CONFIG_DIR");
    Places::new(dir.as_deref().map(std::path::Path::new), &env, sys::euid()).ok()
}

/// The wallets that are set up on this device.
pub(super) fn wallets() -> Vec<CompletionCandidate> {
    let names = places().map(|places| places.wallets());
    let mut names = names.unwrap_or_default();
    names.sort();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The directories that a wallet is mounted on.
pub(super) fn mounts() -> Vec<CompletionCandidate> {
    let dirs = places().map(|places| places.runtime).unwrap_or_default();
    // What cannot be read here is told by the command that is to be run.
    let live = dirs.iter().filter_map(|dir| registry::list(dir).ok());
    let mounts = live.flatten().map(|live| {
        let help = format!("wallet {}", live.record.wallet);
        CompletionCandidate::new(live.record.mountpoint).help(Some(help.into()))
    });
    mounts.collect()
}

/// The settings of `conf`.
pub(super) fn settings() -> Vec<CompletionCandidate> {
    let names = conf::KEYS.iter().map(|key| key.name);
    names.map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(words: &[&str]) -> Vec<String> {
        let words = words.iter().map(OsString::from).collect();
        let found = candidates(words).into_iter();
        found
            .map(|candidate| candidate.get_value().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn options_come_with_their_hyphen() {
        let commands = offered(&["walletfs", ""]);
        assert!(commands.contains(&"mount".into()), "{commands:?}");
        assert!(!commands.iter().any(|word| word.starts_with('-')));
        assert!(!commands.contains(&"complete".into()), "it is hidden");
        let options = offered(&["walletfs", "unmount", "--"]);
        assert!(options.contains(&"--discard".into()), "{options:?}");
        let options = offered(&["walletfs", "lock", ""]);
        assert!(options.contains(&"--wallet".into()), "{options:?}");
    }

    #[test]
    fn bash_gets_the_end_of_a_candidate() {
        for (value, typed, fragment, expected) in [
            ("mount", "mo", "mo", "mount"),
            ("--store=local", "--store=lo", "lo", "local"),
            ("/a b/c", "/a b", r"/a\ b", "/a b/c"),
            ("/a:b c", "/a:b", "b", "b c"),
            ("/a b c", "/a b", "/a b", "/a b c"),
        ] {
            assert_eq!(from_fragment(value, typed, fragment), expected, "{value}");
        }
    }
}
