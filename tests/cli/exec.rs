//! `exec -- CMD`: a mount for one command, and nothing left of it.

use crate::program::{Machine, mounted_below, runs, signal, wait_for};
use crate::terminal::Terminal;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// `walletfs exec` of a shell's script.
fn exec(machine: &Machine, options: &[&str], script: &str) -> assert_cmd::Command {
    let mut command = machine.with_passwords(["exec"]);
    command.args(options).args(["--", "sh", "-euc", script]);
    command
}

/// Nothing is left: no mount, no directory, no record, no process but those named.
#[track_caller]
fn nothing_left(machine: &Machine) {
    assert_eq!(mounted_below(&machine.path("")), [""; 0]);
    let left: Vec<_> = fs::read_dir(machine.path("c/state/run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_command_finds_the_wallet_and_its_exit_code_is_ours() {
    let machine = Machine::with_quick_wallet();
    let script = "
        stat -c %a \"$(dirname \"$WALLETFS_MOUNT\")\"
        mkdir -p \"$WALLETFS_MOUNT/d/a\"; echo secret >\"$WALLETFS_MOUNT/d/a/pwd\"
        echo \"$0 $1\"; cat; ulimit -c; exit 7";
    let mut command = exec(&machine, &[], script);
    let limit = assert_cmd::Command::new("sh")
        .args(["-c", "ulimit -c"])
        .output()
        .unwrap();
    let limit = String::from_utf8(limit.stdout).unwrap();
    command.args(["zero", "one two"]).write_stdin("input\n");
    command
        .assert()
        .code(7)
        .stdout(format!("700\nzero one two\ninput\n{limit}"))
        .stderr("");
    nothing_left(&machine);
    // It was stored.
    let script = "cat \"$WALLETFS_MOUNT/d/a/pwd\"; echo no >\"$WALLETFS_MOUNT/d/a/pwd\" || echo";
    exec(&machine, &["--read-only"], script)
        .assert()
        .code(0)
        .stdout("secret\n\n");
    nothing_left(&machine);
}

#[test]
fn a_command_that_cannot_be_begun_has_a_shells_exit_code() {
    let machine = Machine::with_quick_wallet();
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let mut command = machine.with_passwords(["exec", "--", program]);
        let assert = command.assert().code(code);
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(
            said.starts_with(&format!("walletfs: {program}: ")),
            "{said}"
        );
        nothing_left(&machine);
    }
    machine.walletfs(["exec", "true"]).assert().code(2);
    let mut wrong = machine.walletfs(["exec", "--memorable-password-command", "echo x", "--"]);
    wrong.arg("true").assert().code(10);
    nothing_left(&machine);
}

/// `walletfs exec`, in the background of the test, of a script that says where it is and then goes
/// on; its number, the mount and its process.
fn start(machine: &Machine, script: &str) -> (Child, PathBuf, u32) {
    start_script(machine, &format!("echo \"$WALLETFS_MOUNT\"; {script}"))
}

/// As [`start`], of a script that says so itself.
fn start_script(machine: &Machine, script: &str) -> (Child, PathBuf, u32) {
    let like = exec(machine, &["--timeout", "0"], script);
    let mut command = Command::new(like.get_program());
    command.args(like.get_args()).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let dir = PathBuf::from(line.trim_end());
    let pid = machine.pid(&dir);
    (child, dir, pid)
}

#[test]
fn signals_are_handed_on_and_the_command_decides() {
    let machine = Machine::with_quick_wallet();
    for (name, number) in [
        ("TERM", 15),
        ("INT", 2),
        ("HUP", 1),
        ("QUIT", 3),
        ("USR1", 10),
    ] {
        // It dies of the signal: 128 and its number.
        let (mut child, _, pid) = start(&machine, "exec sleep 60");
        signal(child.id(), name);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{name}");
        assert!(!runs(pid), "locked when it returns");
        nothing_left(&machine);
    }
    // It takes it and goes on to its end.
    let script = "trap 'ended=1' TERM; ended=; echo \"$WALLETFS_MOUNT\"; while test -z \"$ended\"; do sleep 0.05; done; exit 5";
    let (mut child, _, _) = start_script(&machine, script);
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    nothing_left(&machine);
}

#[test]
fn a_key_of_the_terminal_reaches_the_command_once() {
    let machine = Machine::with_quick_wallet();
    let program = machine.walletfs(["x"]).get_program().to_owned();
    let program = program.to_str().unwrap();
    let script = "trap 'echo got it' INT; echo ready; \
                  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.05; done";
    let line = format!("exec {program} exec -- bash -c \"{script}\"");
    let mut terminal = Terminal::script(&machine.with_passwords(["x"]), &line);
    terminal.expect("ready").keys("\x03");
    let (code, screen) = terminal.end();
    assert_eq!(screen.matches("got it").count(), 1, "{screen}");
    assert_eq!(code, 0, "{screen}");
    nothing_left(&machine);
}

#[test]
fn nothing_is_left_whatever_ends_it() {
    let machine = Machine::with_quick_wallet();
    // Who runs the command is killed, with no chance to do anything.
    let (mut child, dir, pid) = start(&machine, "cd \"$WALLETFS_MOUNT\"; exec sleep 4");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the wallet is locked", || !runs(pid));
    nothing_left(&machine);
    assert!(!dir.exists());
    let log = machine.log();
    assert!(log.contains("locking: its command has ended"), "{log}");

    // The mount's process is killed.
    let (mut child, dir, pid) = start(&machine, "exec sleep 60");
    signal(pid, "KILL");
    wait_for("it is dead", || !runs(pid));
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    nothing_left(&machine);
    assert!(!dir.exists());

    // Both are: the next run clears what is left.
    let (mut child, dir, pid) = start(&machine, "exec sleep 4");
    signal(pid, "KILL");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("it is dead", || !runs(pid));
    assert_eq!(mounted_below(&dir).len(), 1);
    exec(&machine, &[], "true").assert().code(0);
    nothing_left(&machine);
    assert!(!dir.exists());

    // A child of the command stays in the mount, with a file open.
    let script =
        "cd \"$WALLETFS_MOUNT\"; mkdir -p d/a; echo x >d/a/f; sleep 4 <d/a/f >/dev/null 2>&1 &";
    exec(&machine, &[], script).assert().code(0);
    nothing_left(&machine);
}

#[test]
fn a_wallet_that_locks_meanwhile_does_not_end_the_command() {
    let machine = Machine::with_quick_wallet();
    let script = "
        while cat \"$WALLETFS_MOUNT/.walletfs/status\" >/dev/null 2>&1; do sleep 0.1; done
        echo x 2>/dev/null >\"$WALLETFS_MOUNT/d\" || echo closed; exit 4";
    let mut command = exec(&machine, &["--timeout", "1"], script);
    let output = command.assert().code(4).get_output().clone();
    // Root may write where nobody else may.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.is_empty() || said == "closed\n", "{said}");
    assert_eq!(mounted_below(&machine.path("")), [""; 0]);
}

#[test]
fn content_that_cannot_be_stored_is_told() {
    let machine = Machine::with_quick_wallet();
    // Opened while the store is there, written when it is not.
    let script = "
        mkdir -p \"$WALLETFS_MOUNT/d/a\"
        exec 5>\"$WALLETFS_MOUNT/d/a/pwd\"; mv \"$STORE\" \"$STORE.away\"; echo xy67 >&5
        echo begun";
    let store = machine.path("c/data/default.sqlite");
    let mut command = exec(&machine, &[], script);
    let assert = command
        .env("STORE", &store)
        .assert()
        .code(13)
        .stdout("begun\n");
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("content could not be stored: "), "{said}");
    assert!(
        said.contains("content of 1 files could not be stored and is lost"),
        "{said}"
    );
    assert!(!said.contains("pwd"), "{said}");
    nothing_left(&machine);
}
