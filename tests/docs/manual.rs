//! The parts of the manual that the parser dictates. They stand in the pages, between the two marks,
//! so that a page is whole wherever it is read; this test holds them against the parser, and
//! `scripts/man --write` has it write them instead. All else in a page is written by hand.

use crate::pages::root;
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use walletfs::cli::args::Cli;

/// The mark before such a part, up to the names of its sections.
const BEGIN: &str = "<!-- written by scripts/man --write: ";
const END: &str = "<!-- end -->";

/// Makes the test write the pages (`scripts/man --write`).
const WRITE: &str = "WALLETFS_MANUAL_WRITE";

/// A text of the help as Markdown: sentences, each with its full stop, the default last; variables
/// as code.
fn sentences(help: &str) -> String {
    let (mut text, mut default) = (Vec::new(), None);
    for paragraph in help.split("\n\n") {
        let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = match paragraph.split_once(" [default: ") {
            Some((said, rest)) => {
                let value = rest.strip_suffix(']').expect("it is closed");
                default = Some(format!("Default: {value}."));
                said
            }
            None => &paragraph,
        };
        text.push(format!("{}.", said.trim_end_matches('.')));
    }
    text.extend(default);
    let text = text.join(" ");
    let words = text.split(' ').map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '$' && c != '/');
        match bare.starts_with("WALLETFS_") || bare.starts_with('$') {
            true => word.replace(bare, &format!("`{bare}`")),
            false => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An argument with its explanation, as an entry of a list of definitions.
fn definition(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("`-{short}`")));
    names.extend(argument.get_long().map(|long| format!("`--{long}`")));
    let values = match argument.get_action() {
        ArgAction::Set | ArgAction::Append => argument.get_value_names().unwrap_or_default(),
        _ => &[],
    };
    let mut term = names.join(", ");
    for value in values {
        let separator = if term.is_empty() { "" } else { " " };
        write!(term, "{separator}*{value}*").expect("it is memory");
    }
    let help = argument.get_long_help().or(argument.get_help());
    let mut text = sentences(&help.expect("every argument is explained").to_string());
    let values = argument.get_possible_values();
    if values.len() > 1 && argument.get_action().takes_values() {
        let names = values.iter().map(|value| format!("`{}`", value.get_name()));
        write!(text, " One of {}.", names.collect::<Vec<_>>().join(", ")).expect("it is memory");
    }
    if let [default] = argument.get_default_values()
        && argument.get_action().takes_values()
    {
        write!(text, " Default: `{}`.", default.display()).expect("it is memory");
    }
    format!("{term}\n: {text}\n\n")
}

/// The arguments that a page explains: those that are the command's own, and not hidden.
fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    let arguments = command.get_arguments();
    arguments.filter(|argument| {
        let help = matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpShort
        );
        !argument.is_global_set() && !help && !argument.is_hide_set()
    })
}

/// What is typed, in the signs of a manual: `[OPTIONS] <DIR>` is "[*OPTIONS*] *DIR*".
fn synopsis(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").expect("it begins so");
    let name = command.get_bin_name().expect("it is built").to_owned();
    let rest = usage.strip_prefix(&name).expect("it is the command's");
    let mut line = format!("`{name}`");
    for word in rest.split_whitespace() {
        let bare = word.trim_matches(['[', ']', '<', '>', '.']);
        let set = match bare {
            "--" => bare.to_owned(),
            _ if bare.starts_with("--") => {
                let choices = bare.split('|').map(|choice| format!("`{choice}`"));
                choices.collect::<Vec<_>>().join("|")
            }
            _ => format!("*{bare}*"),
        };
        let optional = word.starts_with('[');
        let repeated = word.trim_end_matches(']').ends_with("...");
        write!(
            line,
            " {}{set}{}{}",
            if optional { "[" } else { "" },
            if optional { "]" } else { "" },
            if repeated { " ..." } else { "" }
        )
        .expect("it is memory");
    }
    line
}

/// The first sentence about a command, with a small letter.
fn about(command: &Command) -> String {
    let about = command.get_about().expect("it is explained").to_string();
    let mut letters = about.chars();
    let first = letters.next().expect("it is not empty");
    format!("{}{}", first.to_lowercase(), letters.as_str())
}

/// The parts of a command's page, each with the names of its sections.
fn of_command(command: &mut Command) -> Vec<(&'static str, String)> {
    let name = command.get_name().to_owned();
    let head = format!(
        "## NAME\n\nwalletfs-{name} - {}\n\n## SYNOPSIS\n\n{}\n\n",
        about(command),
        synopsis(command)
    );
    let mut options = String::from("## OPTIONS\n\n");
    for argument in own(command) {
        options += &definition(argument);
    }
    options += "The options of every command, and how it comes by a password, are in \
                [walletfs(1)](walletfs.1.md).\n\n";
    vec![("NAME, SYNOPSIS", head), ("OPTIONS", options)]
}

/// The part of the first page.
fn of_program(program: &Command, commands: &[Command]) -> Vec<(&'static str, String)> {
    let mut text = String::from(
        "## COMMANDS\n\nEach command has a page of its own, such as walletfs-init(1), and \
         `walletfs help` *COMMAND* shows its options.\n\n| command | does |\n|---|---|\n",
    );
    for command in commands {
        let (name, about) = (command.get_name(), about(command));
        writeln!(
            text,
            "| [walletfs {name}](walletfs-{name}.1.md) | {about} |"
        )
        .expect("it is memory");
    }
    text += "\n## OPTIONS OF EVERY COMMAND\n\n";
    for argument in program.get_arguments().filter(|a| a.is_global_set()) {
        text += &definition(argument);
    }
    text += "`-h`, `--help`\n: Show the options, the former in short.\n\n\
             `-V`, `--version`\n: Show the version; of the program alone.\n\n";
    vec![("COMMANDS, OPTIONS OF EVERY COMMAND", text)]
}

/// Every page that has such parts, and these.
fn parts() -> Vec<(PathBuf, Vec<(&'static str, String)>)> {
    let mut program = Cli::command();
    program.build();
    let commands = program.get_subcommands().cloned();
    let mut commands: Vec<_> = commands
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .collect();
    let man = root().join("man");
    let mut pages = vec![(man.join("walletfs.1.md"), of_program(&program, &commands))];
    for command in &mut commands {
        let page = man.join(format!("walletfs-{}.1.md", command.get_name()));
        pages.push((page, of_command(command)));
    }
    pages
}

/// The page with these parts in their places.
fn filled(page: &str, parts: &[(&str, String)]) -> Option<String> {
    let mut text = page.to_owned();
    for (sections, part) in parts {
        let mark = format!("{BEGIN}{sections} -->\n");
        let begin = text.find(&mark)? + mark.len();
        let end = begin + text[begin..].find(END)?;
        text.replace_range(begin..end, &format!("\n{part}"));
    }
    Some(text)
}

#[test]
fn pages_say_what_the_parser_does() {
    let pages = parts();
    assert!(pages.len() > 15, "{}", pages.len());
    for (path, parts) in &pages {
        let name = path.strip_prefix(root()).expect("it lies below").display();
        let page = fs::read_to_string(path);
        let page = page.unwrap_or_else(|error| panic!("a command has no page: {name}: {error}"));
        let marks = page.matches(BEGIN).count();
        let expected = filled(&page, parts).filter(|_| marks == parts.len());
        let expected = expected.unwrap_or_else(|| panic!("{name}: marks are missing"));
        if std::env::var_os(WRITE).is_some() {
            fs::write(path, &expected).expect("it can be written");
        } else {
            assert!(
                page == expected,
                "{name} does not say what the parser does: run `scripts/man --write`"
            );
        }
    }
    // No page is left behind by a command that is gone.
    for entry in fs::read_dir(root().join("man")).expect("there is a manual") {
        let path = entry.expect("it can be listed").path();
        let of_section_1 = path.to_string_lossy().ends_with(".1.md");
        let known = pages.iter().any(|(page, _)| *page == path);
        assert!(!of_section_1 || known, "{}: of no command", path.display());
    }
}

#[test]
fn help_becomes_sentences() {
    let cases = [
        ("Do not ask", "Do not ask."),
        (
            "The table [default: walletfs]",
            "The table. Default: walletfs.",
        ),
        ("One [default: 1]\n\nTwo.", "One. Two. Default: 1."),
        (
            "By it (also as environment WALLETFS_X)",
            "By it (also as environment `WALLETFS_X`).",
        ),
    ];
    for (help, expected) in cases {
        assert_eq!(sentences(help), expected);
    }
}
