//! `backup`, `restore` and `migrate`, as a person or a script runs them.

use crate::program::{MEMORABLE, Machine, WRONG_PASSWORD, mode, say};
use crate::support::dynamodb::Engine;
use crate::terminal::Terminal;
use assert_cmd::Command;
use std::fs;
use std::path::Path;

/// Runs a command that must succeed, and gives its standard output.
#[track_caller]
fn told(mut command: Command) -> String {
    let assert = command.assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// Runs a command that must fail with this code, and gives its standard error.
#[track_caller]
fn refused(mut command: Command, code: i32) -> String {
    let assert = command.assert().code(code).stdout("");
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// Writes a password through a mount.
fn write(machine: &Machine, name: &str, pwd: &str) {
    let dir = machine.mount(&[]);
    let secret = dir.join(name);
    if !secret.exists() {
        fs::create_dir_all(&secret).unwrap();
    }
    fs::write(secret.join("pwd"), pwd).unwrap();
    machine.walletfs(["lock"]).assert().success();
}

/// Reads it through a mount.
fn read(machine: &Machine, name: &str) -> Option<String> {
    let dir = machine.mount(&[]);
    let read = fs::read_to_string(dir.join(name).join("pwd")).ok();
    machine.walletfs(["lock"]).assert().success();
    read
}

/// The name of the backup that was made.
fn name_in(report: &str) -> String {
    let at = report.find("default.backup-").unwrap();
    report[at..at + "default.backup-20240229T120000Z".len()].to_owned()
}

#[test]
fn a_backup_is_made_listed_restored_and_pruned() {
    let machine = Machine::with_wallet();
    let none = told(machine.walletfs(["backup", "--list"]));
    assert_eq!(none, "The wallet `default` has no backups.\n");
    write(&machine, "bank/savings", "old");
    let mut backup = machine.with_passwords(["backup"]);
    let assert = backup.assert().success().stderr("");
    let report = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let name = name_in(&report);
    let opened = ": 1 secret, generation 3. Every one was read back and opened.\n";
    assert!(report.ends_with(opened), "{report}");
    // No password is asked for.
    let list = told(machine.walletfs(["backup", "--list"]));
    assert!(list.starts_with(&format!("{name}: made 20")), "{list}");
    assert!(list.ends_with(" UTC, generation 3, 1 secret\n"), "{list}");

    write(&machine, "bank/savings", "new");
    let restored = told(machine.with_passwords(["restore", "--yes"]));
    let generation = "Restored: the wallet is now generation 5.\n";
    assert!(restored.starts_with(generation), "{restored}");
    assert_eq!(read(&machine, "bank/savings").unwrap(), "old");
    // What was there is a backup, too; by the time in its name alone.
    let kept = name_in(&restored);
    let time = kept.strip_prefix("default.backup-").unwrap();
    told(machine.with_passwords(["restore", "--yes", time]));
    assert_eq!(read(&machine, "bank/savings").unwrap(), "new");
    let again = told(machine.with_passwords(["restore", &kept]));
    let nothing = "The wallet is what the backup holds: there is nothing to restore.\n";
    assert_eq!(again, nothing);

    let pruned = told(machine.with_passwords(["backup", "--keep", "1"]));
    assert_eq!(
        pruned.matches("Removed default.backup-").count(),
        3,
        "{pruned}"
    );
    let list = told(machine.walletfs(["backup", "--list"]));
    assert_eq!(list.lines().count(), 1, "{list}");
    let gone = refused(machine.with_passwords(["restore", &name]), 11);
    assert!(gone.contains("there is no backup"), "{gone}");
    let last = name_in(&list);
    let removed = told(machine.walletfs(["backup", "--delete", &last]));
    assert_eq!(removed, format!("Removed {last}.\n"));
    let gone = refused(machine.walletfs(["backup", "--delete", &last]), 11);
    assert!(gone.contains("there is no backup"), "{gone}");
}

#[test]
fn without_a_terminal_a_restore_wants_yes() {
    let machine = Machine::with_wallet();
    told(machine.with_passwords(["backup"]));
    write(&machine, "bank/savings", "new");
    let told_so = refused(machine.with_passwords(["restore"]), 2);
    let outline = "brings 0 secrets back, changes 0, removes 1; 0 stay as they are";
    assert!(told_so.contains(outline), "{told_so}");
    assert!(told_so.contains("give --yes"), "{told_so}");
    assert!(!told_so.contains("savings"), "{told_so}");
    assert_eq!(read(&machine, "bank/savings").unwrap(), "new");
}

#[test]
fn names_are_shown_on_a_terminal_when_asked_for() {
    let machine = Machine::with_wallet();
    told(machine.with_passwords(["backup"]));
    write(&machine, "bank/savings", "new");
    let restore = machine.walletfs(["x"]);
    let mut terminal = Terminal::run(&restore, &["restore"]);
    terminal.expect("Memorable password: ").line(MEMORABLE);
    let question = "Restore it (yes, no, names) [no]: ";
    terminal.expect(question).line("what");
    terminal.expect("the answer is one of").expect(question);
    terminal.line("names");
    terminal
        .expect("goes: bank/savings")
        .expect(question)
        .line("");
    let (code, screen) = terminal.end();
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("nothing was changed"), "{screen}");
    let mut terminal = Terminal::run(&restore, &["restore"]);
    terminal.expect("Memorable password: ").line(MEMORABLE);
    terminal.expect(question).line("yes");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("savings"), "{screen}");
    assert_eq!(read(&machine, "bank/savings"), None);
}

#[test]
fn a_file_is_private_whole_and_replaced_only_by_a_backup_of_the_same_wallet() {
    let machine = Machine::with_wallet();
    write(&machine, "bank/savings", "old");
    let file = machine.path("b.walletfs");
    let to = |file: &Path| {
        let mut command = machine.with_passwords(["backup", "--to"]);
        command.arg(file);
        command
    };
    let report = told(to(&file));
    assert!(report.starts_with(&format!("Backed up to {}: 1 secret", file.display())));
    assert_eq!(mode(&file), 0o600);
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"walletfs backup\n"));
    assert!(!String::from_utf8_lossy(&bytes).contains("savings"));
    write(&machine, "bank/savings", "new");
    told(to(&file));
    assert!(fs::read(&file).unwrap() != bytes);

    let other = machine.path("other");
    fs::write(&other, "a letter").unwrap();
    let message = refused(to(&other), 1);
    assert!(message.contains("no backup of this wallet"), "{message}");
    assert_eq!(fs::read(&other).unwrap(), b"a letter");
    let mut init = machine.init();
    init.args(["--wallet", "work"]).assert().success();
    let mut theirs = to(&file);
    let message = refused(
        std::mem::replace(theirs.args(["--wallet", "work"]), machine.init()),
        1,
    );
    assert!(message.contains("a backup of another wallet"), "{message}");
    for left in fs::read_dir(machine.path("")).unwrap() {
        let name = left.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".new"), "{name}");
    }
}

#[test]
fn what_is_no_backup_is_refused_by_what_is_wrong_with_it() {
    let machine = Machine::with_wallet();
    let file = machine.path("b");
    let mut backup = machine.with_passwords(["backup", "--to"]);
    backup.arg(&file).assert().success();
    let bytes = fs::read(&file).unwrap();
    let restore = || {
        let mut command = machine.with_passwords(["restore", "--yes"]);
        command.arg(&file);
        command
    };
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (content, code, why) in [
        (&b"a letter"[..], 2, "not a backup of walletfs"),
        (&bytes[..bytes.len() - 1], 15, "cut short"),
        (&damaged[..], 15, "its digest is another"),
    ] {
        fs::write(&file, content).unwrap();
        let message = refused(restore(), code);
        assert!(message.contains(why), "{message}");
    }
    fs::remove_file(&file).unwrap();
    assert!(refused(restore(), 1).contains("there is no such file"));
}

#[test]
fn a_wrong_password_is_exit_code_10() {
    let machine = Machine::with_wallet();
    told(machine.with_passwords(["backup"]));
    for args in [
        &["backup"][..],
        &["restore", "--yes"],
        &["migrate", "--store", "local", "--path", "x"],
    ] {
        let mut command = machine.with_passwords(args);
        command
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say("Wrong 123!"))
            .current_dir(machine.path(""));
        assert!(refused(command, 10).ends_with(WRONG_PASSWORD));
    }
}

/// The house burned down: all there is are the file and both passwords.
#[test]
fn a_file_and_both_passwords_are_enough_on_a_new_device() {
    let machine = Machine::with_wallet();
    write(&machine, "bank/savings", "old");
    let file = machine.path("b");
    let mut backup = machine.with_passwords(["backup", "--to"]);
    backup.arg(&file).assert().success();
    fs::rename(machine.path("c"), machine.path("gone")).unwrap();

    let restore = |more: &[&str]| {
        let mut command = machine.with_passwords(["restore", "--yes"]);
        command.arg(&file).args(more);
        command
    };
    assert!(refused(restore(&[]), 11).contains("walletfs init"));
    let mut wrong = restore(&["--store", "local"]);
    wrong.env("WALLETFS_DEVICE_PASSWORD_COMMAND", say("Wrong 123!"));
    assert!(refused(wrong, 10).ends_with(WRONG_PASSWORD));
    assert!(!machine.path("c/default.json").exists());
    let report = told(restore(&["--store", "local"]));
    assert_eq!(report, "Restored: the wallet is now generation 4.\n");
    assert_eq!(read(&machine, "bank/savings").unwrap(), "old");
    assert_eq!(mode(&machine.path("c/default.key")), 0o600);
    let placed = refused(restore(&["--store", "local"]), 2);
    assert!(placed.contains("walletfs migrate"), "{placed}");
}

#[test]
fn a_lost_store_comes_back_from_a_file() {
    let machine = Machine::with_wallet();
    write(&machine, "bank/savings", "old");
    let file = machine.path("b");
    let mut backup = machine.with_passwords(["backup", "--to"]);
    backup.arg(&file).assert().success();
    write(&machine, "bank/savings", "new");
    fs::remove_file(machine.path("c/data/default.sqlite")).unwrap();
    let mut restore = machine.with_passwords(["restore", "--yes"]);
    restore.arg(&file);
    // Above the newest that this device has seen, not above the backup's.
    assert_eq!(told(restore), "Restored: the wallet is now generation 5.\n");
    assert_eq!(read(&machine, "bank/savings").unwrap(), "old");
}

#[test]
fn the_wallet_moves_and_the_session_goes_on_there() {
    let engine = Engine::start();
    let machine = Machine::with_wallet();
    write(&machine, "bank/savings", "old");
    told(machine.walletfs(["conf", "timeout", "33"]));
    let table = engine.options("default").table;
    let aws = |mut command: Command| {
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
            .env("AWS_SECRET_ACCESS_KEY", "none");
        command
    };
    let migrate = |args: &[&str]| {
        let mut command = machine.with_passwords(["migrate"]);
        command.args(args);
        aws(command)
    };
    assert!(refused(migrate(&[]), 2).contains("--store dynamodb"));
    let there = refused(migrate(&["--store", "local"]), 2);
    assert!(there.contains("kept there already"), "{there}");
    let dir = machine.mount(&[]);
    let to = [
        "--store",
        "dynamodb",
        "--table",
        &table,
        "--endpoint-url",
        engine.url(),
    ];
    assert!(refused(migrate(&to), 1).contains("walletfs lock"));
    machine.walletfs(["unmount"]).arg(dir).assert().success();

    let report = told(migrate(&to));
    assert!(
        report.contains(&format!("Moved to DynamoDB table {table}")),
        "{report}"
    );
    assert!(report.contains("The source stays as it is"), "{report}");
    let config = fs::read(machine.path("c/default.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config.as_object_mut().unwrap().remove("device-salt");
    let expected = serde_json::json!({
        "store": "dynamodb", "table": table, "endpoint-url": engine.url(), "timeout": 33,
    });
    assert_eq!(config, expected);
    assert!(machine.path("c/data/default.sqlite").is_file());

    // It is the same wallet: this device's record of it goes on.
    let dir = machine.path("w");
    let mut mount = aws(machine.with_passwords(["mount"]));
    mount.arg(&dir).assert().success();
    assert_eq!(fs::read(dir.join("bank/savings/pwd")).unwrap(), b"old");
    fs::write(dir.join("bank/savings/pwd"), "new").unwrap();
    machine.walletfs(["lock"]).assert().success();

    // And back, where the older copy is.
    let back = migrate(&["--store", "local"]);
    assert!(refused(back, 2).contains("give --yes"));
    let report = told(migrate(&["--store", "local", "--yes"]));
    assert!(report.contains("The older copy is kept there as default.backup-"));
    assert_eq!(read(&machine, "bank/savings").unwrap(), "new");
}

#[test]
fn settings_are_read_and_set() {
    let machine = Machine::with_wallet();
    let conf = |args: &[&str]| {
        let mut command = machine.walletfs(["conf"]);
        command.args(args);
        command
    };
    let table = told(conf(&[]));
    assert!(table.contains("timeout       60 (default)\n"), "{table}");
    assert!(table.contains("store         local\n"), "{table}");
    assert_eq!(told(conf(&["timeout", "300"])), "");
    assert_eq!(told(conf(&["timeout"])), "300\n");
    assert!(told(conf(&[])).contains("timeout       300\n"));
    let json: serde_json::Value = serde_json::from_str(&told(conf(&["--json"]))).unwrap();
    assert_eq!(json["timeout"], 300);
    assert_eq!(json["lifetime"], 600);
    assert_eq!(json["profile"], serde_json::Value::Null);
    assert_eq!(told(conf(&["timeout", "--json"])), "300\n");
    let wrong = refused(conf(&["timeout", "-1"]), 2);
    assert!(
        wrong.contains("timeout takes a whole number of seconds"),
        "{wrong}"
    );
    assert!(refused(conf(&["colour"]), 2).contains("there is no setting `colour`"));
    assert_eq!(mode(&machine.path("c/default.json")), 0o600);

    // A mount honours them.
    told(conf(&["lifetime", "0"]));
    told(conf(&["cache-ttl", "0.5"]));
    told(conf(&["log-level", "debug"]));
    let mut relative = conf(&["audit", "opens"]);
    relative.current_dir(machine.path("")).assert().success();
    let dir = machine.path("w");
    machine
        .with_passwords(["mount"])
        .arg(&dir)
        .assert()
        .success();
    fs::create_dir_all(dir.join("bank/savings")).unwrap();
    fs::write(dir.join("bank/savings/pwd"), "x").unwrap();
    let status = machine.status(&dir);
    let left = status["seconds_to_idle_lock"].as_u64().unwrap();
    assert!((200..=300).contains(&left), "{status}");
    assert_eq!(status["seconds_to_end"], serde_json::Value::Null);
    machine.walletfs(["lock"]).assert().success();
    let opens = fs::read_to_string(machine.path("opens")).unwrap();
    assert!(opens.contains("bank/savings/pwd"), "{opens}");
    assert!(machine.log().contains("DEBUG"), "{}", machine.log());
    told(conf(&["timeout", "--unset"]));
    assert_eq!(told(conf(&["timeout"])), "60\n");
}
