//! What a person gave: command lines, passwords, files, directories.

use super::shows;
use crate::program::{MEMORABLE, Machine, say};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[test]
fn command_lines() {
    let machine = Machine::new();
    for (case, args) in [
        ("unknown-command", &["unlock"][..]),
        ("unknown-option", &["status", "--password", "x"]),
        ("directory-not-named", &["mount"]),
        ("not-a-number", &["mount", "--timeout", "soon", "w"]),
        ("wallet-name", &["--wallet", "a/b", "status"]),
        (
            "wallet-name-of-a-backup",
            &["--wallet", "a.backup-1", "status"],
        ),
        ("store-unknown", &["init", "--store", "cloud"]),
        ("commit-limit", &["init", "--commit-limit", "1"]),
        ("generate-too-short", &["generate", "--length", "3"]),
        ("copy-no-file", &["copy", "nowhere/pwd"]),
        ("completions-of-no-shell", &["completions", "ksh"]),
        ("format-unknown", &["import", "--from", "lastpass", "x"]),
    ] {
        shows(case, &machine, &mut machine.walletfs(args));
    }
}

#[test]
fn a_device_that_is_not_set_up() {
    let machine = Machine::new();
    shows(
        "not-set-up",
        &machine,
        &mut machine.with_passwords(["mount", "w"]),
    );
    let mut command = machine.walletfs(["status"]);
    command.env_remove("HOME").env_remove("WALLETFS_CONFIG_DIR");
    shows("no-home", &machine, &mut command);
    let mut command = machine.with_passwords(["init", "--store", "local"]);
    command.env("WALLETFS_DEVICE_PASSWORD_COMMAND", "echo secret");
    shows("password-weak", &machine, &mut command);
    shows(
        "rejoin-nothing",
        &machine,
        &mut machine.with_passwords(["init", "--rejoin"]),
    );
}

#[test]
fn passwords() {
    let machine = Machine::with_quick_wallet();
    shows(
        "no-terminal",
        &machine,
        &mut machine.walletfs(["mount", "w"]),
    );
    for (case, command) in [
        ("password-command-fails", "exit 3"),
        ("password-command-says-nothing", "true"),
        ("password-too-long", "head -c 5000 /dev/zero"),
        ("password-wrong", "echo 'Not this 1!'"),
    ] {
        let args = ["mount", "--memorable-password-command", command, "w"];
        shows(case, &machine, &mut machine.walletfs(args));
    }
    let args = ["mount", "--memorable-password-fd", "99", "w"];
    shows(
        "password-fd-not-open",
        &machine,
        &mut machine.walletfs(args),
    );
    let mut command = machine.with_passwords(["passwd", "--device"]);
    command.env("WALLETFS_DEVICE_PASSWORD_COMMAND", say("Not this 1!"));
    command.env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say("Another 33!"));
    shows("device-password-wrong", &machine, &mut command);
    let mut command = machine.with_passwords(["passwd", "--recovery"]);
    command.env("WALLETFS_RECOVERY_KEY_COMMAND", "echo abandon ability able");
    shows("recovery-key-not-one", &machine, &mut command);
    // As after a change of the device password elsewhere.
    let file = machine.path("c/default.json");
    let other = format!(
        r#"{{"store": "local", "device-salt": "{}"}}"#,
        "00".repeat(16)
    );
    fs::write(&file, other).unwrap();
    let mut command = machine.walletfs(["mount", "w"]);
    command.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", "echo 'Not this 1!'");
    shows("device-password-changed", &machine, &mut command);
}

#[test]
fn configurations() {
    let machine = Machine::with_quick_wallet();
    let (config, key) = (
        machine.path("c/default.json"),
        machine.path("c/default.key"),
    );
    shows("already-set-up", &machine, &mut machine.init());
    for (case, args) in [
        ("conf-unknown-key", &["conf", "colour"][..]),
        ("conf-wrong-value", &["conf", "timeout", "soon"]),
        ("conf-replica-of-local", &["conf", "replica", "on"]),
    ] {
        shows(case, &machine, &mut machine.walletfs(args));
    }
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    shows(
        "key-open-to-others",
        &machine,
        &mut machine.with_passwords(["mount", "w"]),
    );
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "short").unwrap();
    shows(
        "key-damaged",
        &machine,
        &mut machine.with_passwords(["mount", "w"]),
    );
    fs::remove_file(&key).unwrap();
    shows(
        "key-missing",
        &machine,
        &mut machine.with_passwords(["mount", "w"]),
    );
    fs::write(&config, "{").unwrap();
    shows(
        "configuration-damaged",
        &machine,
        &mut machine.with_passwords(["mount", "w"]),
    );
}

#[test]
fn mount_points() {
    let machine = Machine::with_quick_wallet();
    fs::create_dir(machine.path("full")).unwrap();
    fs::write(machine.path("full/file"), "").unwrap();
    let mount = |dir: &str| {
        let mut command = machine.with_passwords(["mount"]);
        command.arg(machine.path(dir));
        command
    };
    shows("mount-point-not-empty", &machine, &mut mount("full"));
    shows(
        "mount-point-not-a-directory",
        &machine,
        &mut mount("full/file"),
    );
    let mut command = machine.walletfs(["unmount"]);
    shows(
        "nothing-mounted",
        &machine,
        command.arg(machine.path("full")),
    );
    let dir = machine.mount(&[]);
    shows("mounted-already", &machine, &mut mount("w"));
    let mut command = machine.walletfs(["exec"]);
    command.args(["--", "no-such-program"]);
    command.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE));
    shows("exec-no-program", &machine, &mut command);
    machine.walletfs(["unmount"]).arg(dir).assert().success();
}

#[test]
fn files_of_others() {
    let machine = Machine::with_quick_wallet();
    fs::write(machine.path("text"), "no backup, and no export").unwrap();
    let here = |args: &[&str]| {
        let mut command = machine.with_passwords(args);
        command.current_dir(machine.path(""));
        command
    };
    for (case, args) in [
        ("restore-not-a-backup", &["restore", "text", "--yes"][..]),
        ("restore-no-file", &["restore", "./nowhere", "--yes"]),
        ("restore-no-backup", &["restore", "--yes"]),
        (
            "restore-unknown-backup",
            &["restore", "20240229T120000Z", "--yes"],
        ),
        ("backup-over-a-file", &["backup", "--to", "text"]),
        ("backup-no-directory", &["backup", "--to", "nowhere/file"]),
        ("import-no-file", &["import", "--from", "csv", "nowhere"]),
        ("import-not-named", &["import", "--from", "bitwarden"]),
        (
            "import-not-the-format",
            &["import", "--from", "bitwarden", "text"],
        ),
        (
            "import-not-keepass",
            &["import", "--from", "keepass", "text"],
        ),
        ("export-in-clear", &["export", "--format", "json", "new"]),
        ("export-into-a-pipe", &["export", "--format", "json"]),
        (
            "export-over-a-file",
            &["export", "--format", "json", "--plaintext", "text"],
        ),
        ("migrate-where", &["migrate"]),
    ] {
        shows(case, &machine, &mut here(args));
    }
    // A question without somebody to answer it.
    machine.with_passwords(["backup"]).assert().success();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("energy/gas")).unwrap();
    machine.walletfs(["unmount"]).arg(dir).assert().success();
    shows("no-one-to-ask", &machine, &mut here(&["restore"]));
}
