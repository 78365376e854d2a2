//! What ends a session: idleness, its lifetime, signals; and the foreground.

use crate::program::{
    DEVICE, MEMORABLE, Machine, mode, mounted_below, runs, say, signal, wait_for,
};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[test]
fn idleness_locks_and_activity_does_not() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount", "--timeout", "2"]);
    command.arg(&dir).assert().success();
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "x").unwrap();
    let pid = machine.pid(&dir);
    for _ in 0..8 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(
            fs::read(dir.join("d/a/pwd")).unwrap(),
            b"x",
            "busy does not lock"
        );
    }
    wait_for("it locks", || {
        // Looking at the status is no access.
        let _ = fs::read(dir.join(".walletfs/status"));
        !runs(pid)
    });
    assert_eq!(mounted_below(&dir), [""; 0]);
    assert!(machine.log().contains("locking: idle"), "{}", machine.log());
}

#[test]
fn neither_an_open_file_nor_a_look_at_the_list_keeps_it_open() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount", "--timeout", "2"]);
    command.arg(&dir).assert().success();
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "x").unwrap();
    let held = fs::File::open(dir.join("d/a/pwd")).unwrap();
    let pid = machine.pid(&dir);
    wait_for("it locks", || {
        let _ = fs::read_dir(&dir).map(|entries| entries.count());
        !runs(pid)
    });
    let log = machine.log();
    assert!(log.contains("locking: idle"), "{log}");
    assert_eq!(mounted_below(&dir), [""; 0]);
    let mut content = String::new();
    std::io::Read::read_to_string(&mut &held, &mut content).unwrap_err();
}

#[test]
fn unsaved_content_holds_off_the_idle_lock_but_not_the_end() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount", "--timeout", "1", "--lifetime", "5"]);
    command.arg(&dir).assert().success();
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"x").unwrap();
    let pid = machine.pid(&dir);
    wait_for("the idle timeout has passed", || {
        machine.status(&dir)["seconds_to_idle_lock"] == 0
    });
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(runs(pid), "{}", machine.log());
    wait_for("it locks", || !runs(pid));
    assert!(
        machine.log().contains("reached its lifetime"),
        "{}",
        machine.log()
    );
    drop(held);
    // What could be stored is not lost.
    let dir = machine.mount(&[]);
    assert_eq!(fs::read(dir.join("d/a/pwd")).unwrap(), b"x");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn signals_lock_the_background_process() {
    let machine = Machine::with_wallet();
    for name in ["TERM", "INT", "HUP"] {
        let dir = machine.mount(&[]);
        let pid = machine.pid(&dir);
        signal(pid, name);
        wait_for("it locks", || !runs(pid));
        assert_eq!(mounted_below(&dir), [""; 0]);
        assert_eq!(mode(&dir), 0o500);
    }
    assert_eq!(
        machine.log().matches("locking: told by a signal").count(),
        3
    );
}

fn foreground(machine: &Machine, dir: &Path) -> Child {
    let like = machine.with_passwords(["mount", "--foreground"]);
    let mut command = Command::new(like.get_program());
    command.args(like.get_args()).arg(dir).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command.stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_foreground_stays_until_a_signal_and_succeeds() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let mut child = foreground(&machine, &dir);
    wait_for("it mounts", || dir.join(".walletfs/status").exists());
    assert_eq!(machine.pid(&dir), child.id());
    fs::create_dir(dir.join("d")).unwrap();
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(
        log.contains("mounted on") && log.contains("locked"),
        "{log}"
    );
    assert_eq!(mounted_below(&dir), [""; 0]);
    assert!(!machine.path("c/state/default.log").exists());
}

#[test]
fn lost_content_is_told_by_the_exit_code_in_the_foreground() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let mut child = foreground(&machine, &dir);
    wait_for("it mounts", || dir.join(".walletfs/status").exists());
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"xy67Gh!8").unwrap();
    let store = machine.path("c/data/default.sqlite");
    fs::rename(&store, machine.path("away")).unwrap();
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let log = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(
        log.contains("unsaved content of 1 files could not be stored"),
        "{log}"
    );
    assert!(!log.contains("xy67Gh!8"), "never a value");
    drop(held);
}

#[test]
fn a_mount_that_nobody_waits_for_any_more_is_taken_back() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    // As `walletfs mount` starts it, but interrupted meanwhile: nobody reads its word.
    let like = machine.walletfs(["mount", "--foreground", "--background"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(like.get_program());
    command.args(like.get_args()).arg(&dir).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(writer)
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(MEMORABLE.as_bytes())
        .unwrap();
    child.wait().unwrap();
    assert!(machine.log().contains("mounted on"), "{}", machine.log());
    assert!(
        machine.log().contains("nobody waits for it"),
        "{}",
        machine.log()
    );
    assert_eq!(mounted_below(&dir), [""; 0]);
}

#[test]
fn passwords_come_from_descriptors_too() {
    let machine = Machine::new();
    let script = format!(
        "{}; {}",
        "\"$0\" init --store local --memorable-password-fd 3 --device-password-fd 4 \
         3<<<\"$M\" 4<<<\"$D\"",
        "\"$0\" mount --memorable-password-fd 0 w <<<\"$M\" && exec \"$0\" unmount w",
    );
    let like = machine.walletfs(["status"]);
    let mut command = assert_cmd::Command::new("bash");
    command
        .args(["-euc", &script])
        .arg(like.get_program())
        .env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .env("M", MEMORABLE)
        .env("D", DEVICE)
        .current_dir(machine.path(""));
    command.assert().success();
    // They are the right ones.
    let dir = machine.mount(&["--memorable-password-command", &say(MEMORABLE)]);
    machine.walletfs(["unmount"]).arg(dir).assert().success();
}
