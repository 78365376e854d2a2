//! Completion, in the shells themselves: each completes a command, an option, a value, the name of a
//! wallet, and a mount point with a space in it.

use crate::program::Machine;
use crate::terminal::Terminal;
use std::path::{Path, PathBuf};

/// What is typed, up to a tabulator, and what the line is then. MOUNT is where the wallet is
/// mounted, with a backslash before each space; the shells differ in nothing else.
const CASES: [(&str, &str); 10] = [
    ("walletfs unm", "walletfs unmount "),
    ("walletfs unmount --disc", "walletfs unmount --discard "),
    ("walletfs init --store=loc", "walletfs init --store=local "),
    (
        "walletfs init --store dyn",
        "walletfs init --store dynamodb ",
    ),
    ("walletfs --wallet sec", r"walletfs --wallet second\ one "),
    ("walletfs conf cache", "walletfs conf cache-ttl "),
    (
        "walletfs import --from bit",
        "walletfs import --from bitwarden ",
    ),
    ("walletfs unmount ", "walletfs unmount MOUNT"),
    ("walletfs status /", "walletfs status MOUNT"),
    (
        "walletfs backup --to her",
        "walletfs backup --to here.backup ",
    ),
];

/// A machine with the wallets `default`, mounted on a directory with a space, and `second one`.
fn machine() -> (Machine, PathBuf) {
    let machine = Machine::with_quick_wallet();
    let second = ["init", "--store", "local", "--wallet", "second one"];
    machine.with_passwords(second).assert().success();
    let dir = machine.path("my wallet");
    let mut mount = machine.with_passwords(["mount", "--timeout", "0", "--lifetime", "0"]);
    mount.arg(&dir).assert().success();
    std::fs::write(machine.path("here.backup"), "").unwrap();
    (machine, dir)
}

/// The environment of a shell, with the program on the PATH.
fn environment(machine: &Machine) -> assert_cmd::Command {
    let mut like = machine.walletfs([""; 0]);
    let program = Path::new(like.get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    like.env("PATH", format!("{}:{path}", program.display()))
        .env("TERM", "dumb")
        .env("LC_ALL", "C.UTF-8")
        .env("HISTFILE", "/dev/null")
        .current_dir(machine.path(""));
    like
}

/// A wallet's directory as shells write it.
fn escaped(dir: &Path) -> String {
    dir.to_str().unwrap().replace(' ', r"\ ")
}

/// Types each case, and looks at the line that the shell has then: Ctrl-G prints it between braces,
/// and empties it. A slash or a space more at its end is as good.
fn play(shell: &mut Terminal, dir: &Path) {
    let dir = escaped(dir);
    for (typed, expected) in CASES {
        let expected = expected.replace("MOUNT", &dir);
        shell
            .keys(typed)
            .keys("\t\x07")
            .expect(&format!("{{{expected}"));
        shell.expect("}");
    }
    // Also where it is begun already: with a backslash, and within a quote.
    let begun = dir.strip_suffix("llet").unwrap();
    shell.keys(&format!("walletfs unmount {begun}\t\x07"));
    shell.expect(&format!("{{walletfs unmount {dir}"));
    let begun = begun.replace('\\', "");
    shell.keys(&format!("walletfs unmount '{begun}\t\x07"));
    shell.expect(&format!("{{walletfs unmount '{begun}llet"));
    // What is completed is what the program takes.
    shell.keys("walletfs unmount \t\n");
    shell.line("echo \"left: $?\"").expect("left: 0");
    shell.line("exit");
}

#[test]
fn bash_completes() {
    let (machine, dir) = machine();
    let like = environment(&machine);
    let mut shell = Terminal::script(&like, "bash --noprofile --norc -i");
    let show = r#"bind -x '"\C-g": printf "{%s}\n" "$READLINE_LINE"; READLINE_LINE='"#;
    shell.line(show).line("source <(walletfs completions bash)");
    shell
        .line("complete -p walletfs")
        .expect("-F _walletfs walletfs");
    play(&mut shell, &dir);
    assert_eq!(shell.end().0, 0);
}

#[test]
fn zsh_completes() {
    let (machine, dir) = machine();
    let like = environment(&machine);
    let mut shell = Terminal::script(&like, "zsh -f -i");
    shell.line("autoload -Uz compinit && compinit -u -d ./zcompdump");
    shell.line(r#"show() { print -r -- "{$BUFFER}"; BUFFER= }; zle -N show; bindkey '^G' show"#);
    shell.line("source <(walletfs completions zsh)");
    shell
        .line("echo \"by ${_comps[walletfs]}\"")
        .expect("by _walletfs");
    play(&mut shell, &dir);
    assert_eq!(shell.end().0, 0);
}

#[test]
fn zsh_completes_by_a_function_of_its_path() {
    let (machine, dir) = machine();
    let functions = machine.path("functions");
    std::fs::create_dir(&functions).unwrap();
    let printed = machine.walletfs(["completions", "zsh"]).output().unwrap();
    std::fs::write(functions.join("_walletfs"), printed.stdout).unwrap();
    let like = environment(&machine);
    let mut shell = Terminal::script(&like, "zsh -f -i");
    shell.line("fpath=(./functions $fpath); autoload -Uz compinit && compinit -u -d ./zcompdump");
    shell.line(r#"show() { print -r -- "{$BUFFER}"; BUFFER= }; zle -N show; bindkey '^G' show"#);
    shell
        .keys("walletfs unm\t\x07")
        .expect("{walletfs unmount }");
    shell.line("exit");
    assert_eq!(shell.end().0, 0);
    machine.walletfs(["unmount"]).arg(dir).assert().success();
}

#[test]
fn fish_completes() {
    let (machine, dir) = machine();
    let like = environment(&machine);
    let dir = dir.to_str().unwrap();
    let begun = dir.strip_suffix("llet").unwrap();
    let (backslash, quoted) = (escaped(Path::new(begun)), format!("'{begun}"));
    let asked = CASES.into_iter().map(|(typed, expected)| {
        // Its last word, without the backslash.
        let words = expected.trim_end().replace(r"\ ", "\0");
        let word = words.rsplit(' ').next().unwrap().replace('\0', " ");
        (typed.to_owned(), word.replace("MOUNT", dir))
    });
    let begun =
        [backslash, quoted].map(|word| (format!("walletfs unmount {word}"), dir.to_owned()));
    for (typed, expected) in asked.chain(begun) {
        // What the shell would offer for this line, with its explanation after a tabulator.
        let mut fish = std::process::Command::new("fish");
        fish.args(["--no-config", "--command"])
            .arg("walletfs completions fish | source; complete --do-complete $argv[1]")
            .arg(&typed)
            .env_clear()
            .current_dir(like.get_current_dir().unwrap());
        for (name, value) in like.get_envs() {
            fish.env(name, value.unwrap());
        }
        let output = fish.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{typed}");
        let offered = String::from_utf8(output.stdout).unwrap();
        let offered: Vec<_> = offered
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(offered, [&*expected], "{typed}");
    }
    machine.walletfs(["unmount", dir]).assert().success();
}
