//! Locks that meet something: a store that does not answer, another end on the way, a process that
//! is gone or silent, somebody who unmounts by hand.

use crate::program::{Machine, Stuck, mode, mounted_below, runs, signal, sleeps, wait_for};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A mount with unsaved content in a file that is held open.
fn with_unsaved(machine: &Machine, options: &[&str]) -> (std::path::PathBuf, u32, fs::File) {
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount", "--timeout", "0"]);
    command.args(options).arg(&dir).assert().success();
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"xy67Gh!8").unwrap();
    (dir.clone(), machine.pid(&dir), held)
}

/// The program in the background of the test.
fn start(machine: &Machine, args: &[&str], dir: &Path) -> Child {
    let like = machine.walletfs(args);
    let mut command = Command::new(like.get_program());
    command.args(like.get_args()).arg(dir).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The log has this line by now.
fn logged(machine: &Machine, line: &str) -> bool {
    machine.log().contains(line)
}

#[test]
fn a_store_that_does_not_answer_is_given_a_moment_and_no_more() {
    let machine = Machine::with_quick_wallet();
    let (dir, pid, held) = with_unsaved(&machine, &[]);
    let stuck = Stuck::new(&machine);
    signal(pid, "TERM");
    wait_for("it is gone", || !runs(pid));
    assert_eq!(mounted_below(&dir), [""; 0]);
    // A store call takes up to ten seconds to give up: it was not waited for.
    let log = machine.log();
    assert!(
        log.contains("commits under way did not end in time"),
        "{log}"
    );
    assert!(log.contains("unsaved content of 1 files is lost"), "{log}");
    assert!(!log.contains("xy67Gh!8") && !log.contains("pwd"), "{log}");
    drop((stuck, held));
}

#[test]
fn a_signal_or_the_lifetime_overrules_an_unmount_that_waits() {
    let machine = Machine::with_quick_wallet();
    for (options, ends) in [
        (&["--lifetime", "0"][..], "locking: told by a signal"),
        (
            &["--lifetime", "6"],
            "locking: the session has reached its lifetime",
        ),
    ] {
        let (dir, pid, held) = with_unsaved(&machine, options);
        let stuck = Stuck::new(&machine);
        let unmount = start(&machine, &["unmount"], &dir);
        wait_for("it waits", || sleeps(unmount.id(), "walletfs"));
        if options == ["--lifetime", "0"] {
            signal(pid, "TERM");
        }
        let output = unmount.wait_with_output().unwrap();
        let told = said(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(
            told.contains("unsaved content of 1 files is lost"),
            "{told}"
        );
        assert!(!runs(pid));
        assert_eq!(mounted_below(&dir), [""; 0]);
        assert!(logged(&machine, ends), "{}", machine.log());
        drop((stuck, held));
    }
}

#[test]
fn an_unmount_whose_process_dies_says_so() {
    let machine = Machine::with_quick_wallet();
    // Nothing is open: a program that is started closes what it was given, and would wait for it.
    let (dir, pid, held) = with_unsaved(&machine, &[]);
    drop(held);
    // It takes the request but cannot answer.
    signal(pid, "STOP");
    let unmount = start(&machine, &["unmount"], &dir);
    wait_for("it waits", || sleeps(unmount.id(), "walletfs"));
    signal(pid, "KILL");
    let output = unmount.wait_with_output().unwrap();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("is unmounted, but its process ended"),
        "{told}"
    );
    assert!(
        told.contains("look whether what you wrote last is there"),
        "{told}"
    );
    assert_eq!(mounted_below(&dir), [""; 0]);
}

#[test]
fn a_silent_mount_does_not_hide_the_others() {
    let machine = Machine::with_quick_wallet();
    let dirs = ["a", "b"].map(|name| machine.path(name));
    for dir in &dirs {
        machine
            .with_passwords(["mount"])
            .arg(dir)
            .assert()
            .success();
    }
    let pid = machine.pid(&dirs[0]);
    signal(pid, "STOP");
    let output = machine.walletfs(["status"]).output().unwrap();
    signal(pid, "CONT");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown.starts_with(dirs[1].to_str().unwrap()), "{shown}");
    assert!(
        !shown.contains(&format!("{}:", dirs[0].display())),
        "{shown}"
    );
    let told = said(&output);
    assert!(told.contains("does not say how it is"), "{told}");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn a_mount_that_takes_long_to_lock_does_not_hold_up_the_others() {
    let machine = Machine::with_quick_wallet();
    let (dir, _, held) = with_unsaved(&machine, &[]);
    let other = machine.path("other");
    machine
        .with_passwords(["mount"])
        .arg(&other)
        .assert()
        .success();
    let pid = machine.pid(&other);
    let stuck = Stuck::new(&machine);
    let lock = start(&machine, &["--verbose"], Path::new("lock"));
    wait_for("the other is locked", || !runs(pid));
    assert_eq!(
        mounted_below(&machine.path("")).len(),
        1,
        "and this one waits"
    );
    drop(stuck);
    let output = lock.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(mounted_below(&dir), [""; 0]);
    drop(held);
}

#[test]
fn by_hand_it_locks_unless_it_is_in_use() {
    let machine = Machine::with_quick_wallet();
    for (program, option) in [("umount", "-v"), ("fusermount3", "-u")] {
        let dir = machine.mount(&[]);
        let pid = machine.pid(&dir);
        fs::create_dir_all(dir.join("d/a")).unwrap();
        fs::write(dir.join("d/a/pwd"), "x").unwrap();
        let unmount = || {
            let mut command = Command::new(program);
            command.arg(option).arg(&dir).output().unwrap()
        };
        let held = fs::File::open(dir.join("d/a/pwd")).unwrap();
        assert!(!unmount().status.success(), "{program}: it is in use");
        assert_eq!(fs::read(dir.join("d/a/pwd")).unwrap(), b"x");
        drop(held);
        // The release comes a moment after the close.
        wait_for("it is unmounted", || unmount().status.success());
        wait_for("its process ends", || !runs(pid));
        assert_eq!(mode(&dir), 0o500);
    }
    let times = machine.log().matches("locking: it was unmounted").count();
    assert_eq!(times, 2, "{}", machine.log());
}

#[test]
fn a_mount_that_fails_leaves_the_directory_as_it_was() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.path("w");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).unwrap();
    // Past the password, and past the directory: the runtime directory is refused.
    fs::create_dir(machine.path("c/state/run")).unwrap();
    fs::set_permissions(
        machine.path("c/state/run"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let mut command = machine.with_passwords(["mount"]);
    let assert = command.arg(&dir).assert().code(1);
    let told = said(assert.get_output());
    assert!(told.contains("chmod 700"), "{told}");
    assert_eq!(mode(&dir), 0o750);
}

#[test]
fn modes_are_private_whatever_the_umask() {
    for umask in ["000", "077", "027"] {
        let machine = Machine::with_quick_wallet();
        fs::remove_dir_all(machine.path("c")).unwrap();
        let like = machine.with_passwords(["x"]);
        let script = format!(
            "umask {umask}
            \"$0\" init --store local >init.log
            \"$0\" mount --audit \"$PWD/c/audit\" w
            mkdir -p w/d/a; echo x >w/d/a/f; cat w/d/a/f
            \"$0\" unmount w"
        );
        let mut command = assert_cmd::Command::new("sh");
        command.args(["-euc", &script]).arg(like.get_program());
        command.env_clear().current_dir(machine.path(""));
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        command.assert().success().stdout("x\n");
        let mut seen = 0;
        let mut dirs = vec![machine.path("c")];
        while let Some(dir) = dirs.pop() {
            assert_eq!(mode(&dir), 0o700, "{}", dir.display());
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                seen += 1;
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                }
            }
        }
        // Configuration, key, state, its record and log, data, the database, the audit file, run.
        assert!(seen >= 9, "{seen}");
    }
}

#[test]
fn what_others_may_read_or_write_is_refused_with_the_remedy() {
    let machine = Machine::with_quick_wallet();
    let audit = machine.path("c/audit");
    fs::write(&audit, "").unwrap();
    machine.mount(&[]);
    machine.walletfs(["lock"]).assert().success();
    for (file, right) in [
        ("c", 0o700),
        ("c/default.json", 0o600),
        ("c/default.key", 0o600),
        ("c/state", 0o700),
        ("c/state/default.seen", 0o600),
        ("c/state/default.log", 0o600),
        ("c/state/run", 0o700),
        ("c/data", 0o700),
        ("c/data/default.sqlite", 0o600),
        ("c/audit", 0o600),
    ] {
        let path = machine.path(file);
        fs::set_permissions(&audit, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(right | 0o040)).unwrap();
        let mut command = machine.with_passwords(["mount", "--audit"]);
        let output = command.arg(&audit).arg(machine.path("w")).output().unwrap();
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{file}: {told}");
        let remedy = format!("chmod {right:o} {}", path.display());
        assert!(told.contains(&remedy), "{file}: {told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(right)).unwrap();
    }
    assert_eq!(mounted_below(&machine.path("")), [""; 0]);
}
