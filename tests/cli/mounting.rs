//! `mount`, `unmount`, `lock`, `status`: where they mount, what they refuse, what they leave.

use crate::program::{Machine, WRONG_PASSWORD, mode, mounted_below, runs, say, signal, wait_for};
use assert_cmd::Command;
use std::fs;
use std::io::{Read, Write};

fn said(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn what_is_written_is_there_on_another_mount() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("energy/smart energy")).unwrap();
    fs::write(dir.join("energy/smart energy/uid"), "joe@email.com\n").unwrap();
    let pid = machine.pid(&dir);
    machine
        .walletfs(["unmount"])
        .arg(&dir)
        .assert()
        .success()
        .stdout("")
        .stderr("");
    assert!(!runs(pid), "the process has left when the command returns");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    let stored = fs::read(machine.path("c/data/default.sqlite")).unwrap();
    for plain in ["energy", "joe@email.com"] {
        assert!(!stored.windows(plain.len()).any(|w| w == plain.as_bytes()));
    }
    let dir = machine.mount(&[]);
    let uid = fs::read_to_string(dir.join("energy/smart energy/uid")).unwrap();
    assert_eq!(uid, "joe@email.com\n");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn the_directory_is_made_and_closed_below_the_mount() {
    let machine = Machine::with_wallet();
    let dir = machine.path("new/w");
    machine
        .with_passwords(["mount"])
        .arg(&dir)
        .assert()
        .success();
    assert_eq!(mode(&dir), 0o700, "the wallet's root");
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert_eq!(mode(&dir), 0o500, "the directory below");
    // One that was open before is closed too, also when the mount fails.
    let dir = machine.path("w");
    fs::create_dir(&dir).unwrap();
    let mut command = machine.with_passwords(["mount"]);
    command.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say("wrong"));
    command.arg(&dir).assert().code(10);
    let dir = machine.mount(&[]);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert_eq!(mode(&dir), 0o500);
}

#[test]
fn a_wrong_password_is_exit_code_10_and_says_so() {
    let machine = Machine::with_wallet();
    for more in [&[][..], &["--foreground"]] {
        let mut command = machine.with_passwords(["mount"]);
        command.args(more).arg(machine.path("w"));
        command.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say("Memorable 2!"));
        command.assert().code(10).stdout("").stderr(WRONG_PASSWORD);
    }
    // Another device's key is not told apart from a wrong password.
    let key = machine.path("c/default.key");
    fs::write(&key, [7; 32]).unwrap();
    let mut command = machine.with_passwords(["mount"]);
    command
        .arg(machine.path("w"))
        .assert()
        .code(10)
        .stderr(WRONG_PASSWORD);
    assert_eq!(mounted_below(&machine.path("")), [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_used_is_exit_code_12() {
    let machine = Machine::with_wallet();
    let full = machine.path("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("file"), "").unwrap();
    let before = mode(&full);
    let mount = |dir: &std::path::Path| {
        let mut command = machine.walletfs(["mount"]);
        // Refused before the password is asked for: there is no source for one.
        said(&command.arg(dir).assert().code(12).stdout(""))
    };
    assert!(mount(&full).contains("is not empty"));
    assert_eq!(mode(&full), before);
    assert!(mount(&full.join("file")).contains("is not a directory"));
    assert!(mount(std::path::Path::new("/proc")).contains("in use"));
    let dir = machine.mount(&[]);
    assert!(mount(&dir).contains("walletfs unmount"));
    let mut command = machine.walletfs(["unmount"]);
    let assert = command.arg(&full).assert().code(12);
    assert!(said(&assert).contains("no wallet is mounted"));
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    machine.walletfs(["unmount"]).arg(&dir).assert().code(12);
    machine.walletfs(["status"]).arg(&dir).assert().code(12);
}

#[test]
fn a_dead_mount_is_cleared_by_the_next_mount_and_by_unmount() {
    let machine = Machine::with_wallet();
    let kill = || {
        let dir = machine.mount(&[]);
        signal(machine.pid(&dir), "KILL");
        wait_for("the mount is dead", || {
            let error = fs::metadata(&dir).err();
            error.is_some_and(|e| e.kind() == std::io::ErrorKind::NotConnected)
        });
        dir
    };
    kill();
    let dir = machine.mount(&[]);
    assert!(dir.join(".walletfs/status").exists());
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    let dir = kill();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert_eq!(mounted_below(&dir), [""; 0]);
    assert_eq!(mode(&dir), 0o500);
    assert_eq!(
        fs::read_dir(machine.path("c/state/run")).unwrap().count(),
        0
    );
}

#[test]
fn a_file_held_open_does_not_keep_the_wallet_open() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "secret").unwrap();
    let mut held = fs::File::open(dir.join("d/a/pwd")).unwrap();
    let pid = machine.pid(&dir);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert!(!runs(pid));
    assert_eq!(mounted_below(&dir), [""; 0]);
    let error = held.read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
}

#[test]
fn content_of_an_open_file_is_stored_by_unmount() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"not closed yet").unwrap();
    assert_eq!(machine.status(&dir)["unsaved"], 1);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    drop(held);
    let dir = machine.mount(&["--read-only"]);
    assert_eq!(fs::read(dir.join("d/a/pwd")).unwrap(), b"not closed yet");
    let error = fs::write(dir.join("d/a/uid"), "x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(machine.status(&dir)["read_only"], true);
    machine.walletfs(["lock"]).assert().success();
}

/// Proves semantics 4.9.
#[test]
fn what_cannot_be_stored_keeps_it_mounted_unless_discarded() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let store = machine.path("c/data/default.sqlite");
    let away = machine.path("c/data/away");
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"kept").unwrap();
    fs::rename(&store, &away).unwrap();
    let assert = machine.walletfs(["unmount"]).arg(&dir).assert().code(13);
    assert!(
        said(&assert).contains("1 files have content"),
        "{}",
        said(&assert)
    );
    // The reason, but no name.
    assert!(
        said(&assert).contains("default.sqlite") && said(&assert).contains("(1 of them)"),
        "{}",
        said(&assert)
    );
    assert!(!said(&assert).contains("pwd"), "{}", said(&assert));
    machine.walletfs(["lock"]).assert().code(13);
    assert_eq!(
        fs::read(dir.join("d/a/pwd")).unwrap(),
        b"kept",
        "still mounted"
    );
    let status = machine.status(&dir);
    assert_eq!(
        (&status["unsaved"], &status["failed"]),
        (&0.into(), &1.into())
    );
    assert_eq!(status["failures"][0]["files"], 1);
    let shown = machine.walletfs(["status"]).ok().unwrap().stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("not stored (1 of them): "), "{shown}");
    let mut command = machine.walletfs(["unmount", "--discard"]);
    let assert = command.arg(&dir).assert().success();
    assert!(said(&assert).contains("unsaved content of 1 files is lost"));
    assert_eq!(mounted_below(&dir), [""; 0]);
    drop(held);
    fs::rename(&away, &store).unwrap();
    let dir = machine.mount(&[]);
    assert!(!dir.join("d/a/pwd").exists());
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn lock_and_status_know_the_mounts_of_their_wallet() {
    let machine = Machine::with_wallet();
    machine
        .init()
        .args(["--wallet", "other"])
        .assert()
        .success();
    let none = machine.walletfs(["status"]).assert().success();
    none.stdout("The wallet `default` is not mounted.\n");
    machine
        .walletfs(["status", "--json"])
        .assert()
        .success()
        .stdout("[]\n");
    machine
        .walletfs(["lock"])
        .assert()
        .success()
        .stdout("")
        .stderr("");
    for (wallet, dir) in [("default", "a"), ("default", "b"), ("other", "o")] {
        let mut command = machine.with_passwords(["mount", "--wallet", wallet]);
        command.arg(machine.path(dir)).assert().success();
    }
    let output = machine.walletfs(["status", "--json"]).ok().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mountpoints: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["mountpoint"])
        .collect();
    assert_eq!(
        mountpoints,
        [machine.path("a").to_str(), machine.path("b").to_str()]
            .map(|p| serde_json::Value::from(p.unwrap()))
            .iter()
            .collect::<Vec<_>>()
    );
    machine.walletfs(["lock"]).assert().success();
    assert_eq!(
        mounted_below(&machine.path("")),
        [machine.path("o").to_str().unwrap()]
    );
    let text = fs::read_to_string(machine.path("o/.walletfs/status")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["wallet"], "other");
    assert_eq!(file["generation"], 1);
    machine
        .walletfs(["lock", "--wallet", "other"])
        .assert()
        .success();
}

#[test]
fn another_devices_wallet_of_the_same_name_is_left_alone() {
    let machine = Machine::with_wallet();
    let runtime = machine.path("run");
    fs::create_dir(&runtime).unwrap();
    let dir = machine.path("w");
    let with = |args: &[&str]| {
        let mut command = machine.with_passwords(args);
        command.env("XDG_RUNTIME_DIR", &runtime);
        command
    };
    with(&["mount"]).arg(&dir).assert().success();
    assert_eq!(mode(&runtime.join("walletfs")), 0o700);
    with(&["lock", "--config-dir"])
        .arg(machine.path("d"))
        .assert()
        .success();
    assert_eq!(mounted_below(&dir).len(), 1);
    // But a mount point is a mount point.
    with(&["unmount"])
        .arg(&dir)
        .arg("--config-dir")
        .arg(machine.path("d"))
        .assert()
        .success();
}

#[test]
fn a_mount_whose_record_was_removed_is_unmounted_all_the_same() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    let pid = machine.pid(&dir);
    fs::remove_dir_all(machine.path("c/state/run")).unwrap();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    wait_for("its process locks", || !runs(pid));
    assert!(machine.log().contains("locking: it was unmounted"));
}

#[test]
fn an_unmount_from_outside_locks() {
    let machine = Machine::with_wallet();
    for lazily in [false, true] {
        let dir = machine.mount(&[]);
        fs::create_dir_all(dir.join("d/a")).unwrap();
        fs::write(dir.join("d/a/pwd"), "x").unwrap();
        let pid = machine.pid(&dir);
        // Holds the filesystem, so that only the table of mounts tells.
        let held = lazily.then(|| fs::File::open(dir.join("d/a/pwd")).unwrap());
        let mut umount = Command::new("umount");
        umount
            .args(lazily.then_some("-l"))
            .arg(&dir)
            .assert()
            .success();
        wait_for("its process locks", || !runs(pid));
        drop(held);
        assert_eq!(
            fs::read_dir(machine.path("c/state/run")).unwrap().count(),
            0
        );
    }
}

#[test]
fn two_mounts_at_once_on_one_directory_are_one() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let codes: Vec<_> = std::thread::scope(|scope| {
        let mount = || {
            machine
                .with_passwords(["mount"])
                .arg(&dir)
                .output()
                .unwrap()
        };
        let both = [scope.spawn(mount), scope.spawn(mount)];
        both.map(|thread| thread.join().unwrap().status.code().unwrap())
            .into()
    });
    assert!(codes == [0, 12] || codes == [12, 0], "{codes:?}");
    assert_eq!(mounted_below(&dir).len(), 1);
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn two_mounts_of_one_wallet_see_each_others_changes() {
    let machine = Machine::with_quick_wallet();
    let [a, b] = ["a", "b"].map(|name| machine.path(name));
    for dir in [&a, &b] {
        let mut command = machine.with_passwords(["mount", "--cache-ttl", "0"]);
        command.arg(dir).assert().success();
    }
    fs::create_dir_all(a.join("d/s")).unwrap();
    fs::write(a.join("d/s/one"), "1").unwrap();
    fs::write(b.join("d/s/two"), "2").unwrap();
    wait_for("both are stored", || {
        [&a, &b]
            .iter()
            .all(|dir| machine.status(dir)["unsaved"] == 0)
    });
    for dir in [&a, &b] {
        assert_eq!(fs::read(dir.join("d/s/one")).unwrap(), b"1");
        assert_eq!(fs::read(dir.join("d/s/two")).unwrap(), b"2");
    }
    machine.walletfs(["unmount"]).arg(&a).assert().success();
    assert_eq!(fs::read(b.join("d/s/one")).unwrap(), b"1");
    machine.walletfs(["lock"]).assert().success();
}
