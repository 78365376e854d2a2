//! Every command line, option, variable and exit code of the pages is the program's.

use crate::pages::Page;
use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, Parser};
use std::collections::BTreeSet;
use walletfs::cli::args::Cli;
use walletfs::cli::exit::Exit;

/// The words of a command line of the shell, up to what is not the program's: an operator, a
/// comment or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | ';' | '&' | '<' | '>') => {
                // The number of a descriptor belongs to the redirection.
                word = word.filter(|word| word.chars().any(|c| !c.is_ascii_digit()));
                break;
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "{line}: a quote that is not closed");
    words.extend(word);
    words
}

/// The command lines of a page: those typed at a prompt, and inline code that is one.
fn command_lines(page: &Page) -> Vec<String> {
    let blocks = page.blocks("console");
    let typed = blocks
        .iter()
        .flatten()
        .filter_map(|line| line.trim_start().strip_prefix("$ "));
    typed
        .chain(page.code())
        .filter(|line| line.starts_with("walletfs "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_line_is_understood() {
    for page in Page::all() {
        for line in command_lines(&page) {
            let words = words(&line);
            if let Err(error) = Cli::try_parse_from(&words) {
                // `walletfs mount` names the command, and is not to be typed.
                let named = words.len() == 2 && error.kind() == ErrorKind::MissingRequiredArgument;
                assert!(
                    named || !error.use_stderr(),
                    "{}: {line}\n{error}",
                    page.path.display()
                );
            }
        }
    }
    assert!(command_lines(&Page::readme()).len() >= 10);
}

/// The options of the program and of every command, but the hidden ones.
fn options(program: &Command) -> BTreeSet<String> {
    let commands = program.get_subcommands().chain([program]);
    let shown = commands
        .flat_map(Command::get_arguments)
        .filter(|argument| !argument.is_hide_set());
    shown
        .filter_map(Arg::get_long)
        .map(|name| format!("--{name}"))
        .collect()
}

#[test]
fn options_and_variables_are_the_programs() {
    let mut program = Cli::command();
    program.build();
    let options = options(&program);
    let mut help = String::new();
    for command in program.get_subcommands_mut() {
        help += &command.render_long_help().to_string();
    }
    let variables: BTreeSet<_> = help
        .split(|c: char| !c.is_ascii_uppercase() && c != '_')
        .collect();
    for page in Page::all() {
        for code in page.code() {
            let known = if code.starts_with("--") {
                code.split(' ').next().is_some_and(|o| options.contains(o))
            } else {
                !code.starts_with("WALLETFS_") || variables.contains(code)
            };
            assert!(known, "{}: `{code}`", page.path.display());
        }
    }
}

#[test]
fn exit_codes_are_the_programs() {
    let expected = Exit::ALL.map(|exit| exit.code().to_string());
    let mut tables = 0;
    for page in Page::all() {
        let codes = page.column("exit code");
        if !codes.is_empty() {
            assert_eq!(codes, expected, "{}", page.path.display());
            tables += 1;
        }
    }
    assert_eq!(tables, 2, "the README and the manual have the list");

    let program = Cli::command();
    let help = program.get_after_help().expect("it ends so").to_string();
    let list = help.strip_prefix("Exit codes: ").expect("it is the codes");
    let codes = list.split(", ").filter_map(|code| code.split(' ').next());
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}

#[test]
fn words_are_the_shells() {
    let cases: [(&str, &[&str]); 5] = [
        ("a  b", &["a", "b"]),
        ("a 'b c' \"d\"e ''", &["a", "b c", "de", ""]),
        ("a b 3< c", &["a", "b"]),
        ("a b3 | c", &["a", "b3"]),
        ("a b#c # d", &["a", "b#c"]),
    ];
    for (line, expected) in cases {
        assert_eq!(words(line), expected, "{line}");
    }
}
