//! Passwords, recovery keys, rekeying, checking: the commands, as a person with two devices runs
//! them.

use crate::program::{DEVICE, MEMORABLE, Machine, WRONG_PASSWORD, say};
use crate::terminal::Terminal;
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

const NEW_MEMORABLE: &str = "Memorable New 1!";
const NEW_DEVICE: &str = "Device New 22!";

fn out(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn err(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// A command with these passwords, on the device whose configuration is in `dir`.
fn on(machine: &Machine, dir: &str, args: &[&str], device: &str, memorable: &str) -> Command {
    let mut command = machine.walletfs(args);
    command
        .env("WALLETFS_CONFIG_DIR", machine.path(dir))
        .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(device))
        .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(memorable));
    command
}

/// Whether these passwords open the wallet on that device.
fn opens(machine: &Machine, dir: &str, memorable: &str) -> bool {
    let assert = on(machine, dir, &["check"], "none", memorable).assert();
    match assert.get_output().status.code() {
        Some(0) => true,
        Some(10) => false,
        code => panic!("{code:?}: {}", err(&assert)),
    }
}

/// A wallet with one secret, and a second device in `d` that has joined it.
fn two_devices() -> Machine {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "value\n").unwrap();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    let store = machine.path("c/data/default.sqlite");
    on(
        &machine,
        "d",
        &["init", "--store", "local", "--path"],
        DEVICE,
        MEMORABLE,
    )
    .arg(store)
    .assert()
    .success();
    machine
}

fn read_back(machine: &Machine, config: &str, memorable: &str) {
    let dir = machine.path("r");
    let mut mount = on(machine, config, &["mount"], "none", memorable);
    mount.arg(&dir).assert().success();
    assert_eq!(fs::read_to_string(dir.join("d/a/pwd")).unwrap(), "value\n");
    let mut unmount = machine.walletfs(["unmount"]);
    unmount
        .env("WALLETFS_CONFIG_DIR", machine.path(config))
        .arg(&dir)
        .assert()
        .success();
}

/// Every backup of the wallet, by the names in the store.
fn backups(machine: &Machine) -> i64 {
    let store = Connection::open(machine.path("c/data/default.sqlite")).unwrap();
    let count = "SELECT count(DISTINCT wallet) FROM items WHERE wallet GLOB '*.backup-2*'";
    store.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_new_memorable_password_holds_on_every_device_and_the_old_one_on_none() {
    let machine = two_devices();
    let mut command = on(&machine, "c", &["passwd", "--memorable"], "none", MEMORABLE);
    command.env(
        "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
        say(NEW_MEMORABLE),
    );
    let assert = command.assert().success();
    let told = out(&assert);
    assert!(
        told.starts_with("Changed the memorable password.\n"),
        "{told}"
    );
    assert!(
        told.contains("still open with the old one: the backup default.backup-"),
        "{told}"
    );
    assert!(err(&assert).contains("walletfs rekey"), "{}", err(&assert));
    assert_eq!(backups(&machine), 1);
    for device in ["c", "d"] {
        assert!(!opens(&machine, device, MEMORABLE));
        read_back(&machine, device, NEW_MEMORABLE);
    }
}

#[test]
fn a_new_device_password_makes_the_other_device_join_again() {
    let machine = two_devices();
    let change = |device: &str| {
        let mut command = on(&machine, "c", &["passwd", "--device"], device, MEMORABLE);
        command.env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE));
        command.assert()
    };
    let before = fs::read(machine.path("c/data/default.sqlite")).unwrap();
    let wrong = change("Device Wrong 2!").code(10).stdout("");
    assert!(
        err(&wrong).contains("wrong device password"),
        "{}",
        err(&wrong)
    );
    assert!(fs::read(machine.path("c/data/default.sqlite")).unwrap() == before);

    let assert = change(DEVICE).success();
    assert!(err(&assert).contains("init --rejoin"), "{}", err(&assert));
    assert!(!machine.path("c/default.key.next").exists());
    read_back(&machine, "c", MEMORABLE);
    let out_of_date = on(&machine, "d", &["check"], "none", MEMORABLE)
        .assert()
        .code(10);
    let said = err(&out_of_date);
    assert!(
        said.contains("changed on another device") && said.contains("--rejoin"),
        "{said}"
    );
    let dir = machine.path("r");
    let mut mount = on(&machine, "d", &["mount"], "none", MEMORABLE);
    let refused = mount.arg(&dir).assert().code(10);
    assert!(err(&refused).contains("--rejoin"), "{}", err(&refused));

    let rejoin =
        |device: &str| on(&machine, "d", &["init", "--rejoin"], device, MEMORABLE).assert();
    assert_eq!(err(&rejoin(DEVICE).code(10)), WRONG_PASSWORD);
    rejoin(NEW_DEVICE).success();
    read_back(&machine, "d", MEMORABLE);
}

/// Killed between the store's yes and the key's place on the disk: the device opens the wallet.
#[test]
fn a_device_key_that_the_store_has_taken_is_found() {
    let machine = two_devices();
    let old = fs::read(machine.path("c/default.key")).unwrap();
    let config = fs::read(machine.path("c/default.json")).unwrap();
    let mut command = on(&machine, "c", &["passwd", "--device"], DEVICE, MEMORABLE);
    command.env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE));
    command.assert().success();
    let new = fs::read(machine.path("c/default.key")).unwrap();
    assert!(new != old);
    let changed: serde_json::Value =
        serde_json::from_slice(&fs::read(machine.path("c/default.json")).unwrap()).unwrap();
    let salt = changed["device-salt"].as_str().unwrap();
    let salt: Vec<u8> = (0..16)
        .map(|i| u8::from_str_radix(&salt[2 * i..2 * i + 2], 16).unwrap())
        .collect();

    let place = |key: &[u8], next: &[u8]| {
        for (file, content) in [("c/default.key", key), ("c/default.key.next", next)] {
            let file = machine.path(file);
            fs::write(&file, content).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&file, mode).unwrap();
        }
    };
    place(&old, &[&new[..], &salt].concat());
    fs::write(machine.path("c/default.json"), config).unwrap();
    assert!(opens(&machine, "c", MEMORABLE));
    assert!(fs::read(machine.path("c/default.key")).unwrap() == new);
    assert!(!machine.path("c/default.key.next").exists());

    // And one that it never took does no harm.
    place(&new, &[&old[..], &[7; 16]].concat());
    assert!(opens(&machine, "c", MEMORABLE));
    assert!(fs::read(machine.path("c/default.key")).unwrap() == new);
    place(&new, b"short");
    let refused = on(&machine, "c", &["check"], "none", MEMORABLE)
        .assert()
        .code(1);
    assert!(err(&refused).contains("default.key.next is not a device key"));
}

#[test]
fn a_weak_new_password_is_refused_before_anything_is_done() {
    let machine = two_devices();
    let mut command = on(&machine, "c", &["passwd", "--memorable"], "none", MEMORABLE);
    command.env("WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND", say("weak"));
    let refused = command.assert().code(1).stdout("");
    assert!(err(&refused).contains("fewer than 8 characters"));
    assert_eq!(backups(&machine), 0);
    assert!(opens(&machine, "c", MEMORABLE));
}

pub(crate) fn words(text: &str) -> String {
    let words: Vec<&str> = text
        .lines()
        .filter(|line| line.split(' ').count() == 4 && !line.contains(':'))
        .flat_map(|line| line.split(' '))
        .collect();
    assert_eq!(words.len(), 24, "{text}");
    words.join(" ")
}

#[test]
fn the_recovery_key_replaces_lost_passwords_here_and_on_a_new_device() {
    let machine = two_devices();
    let make = on(&machine, "c", &["recovery-key"], "none", MEMORABLE)
        .assert()
        .success();
    assert!(err(&make).contains("paper"), "{}", err(&make));
    let key = words(&out(&make));
    let recover = |dir: &str, args: &[&str], key: &str| {
        let mut command = machine.walletfs(args);
        command
            .env("WALLETFS_CONFIG_DIR", machine.path(dir))
            .env("WALLETFS_RECOVERY_KEY_COMMAND", say(key));
        command
    };
    for wrong in [
        "x y z".into(),
        key.replacen(key.split(' ').next().unwrap(), "zoo", 1),
    ] {
        let mut command = recover("c", &["passwd", "--recovery"], &wrong);
        let refused = command.assert().code(10).stdout("");
        assert!(err(&refused).contains("recovery key"), "{}", err(&refused));
        let first = wrong.split(' ').next().unwrap();
        assert!(
            !err(&refused).contains(&format!("{first} ")),
            "it is not quoted"
        );
    }
    let assert = recover("c", &["passwd", "--recovery"], &key)
        .env(
            "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
            say(NEW_MEMORABLE),
        )
        .env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE))
        .assert()
        .success();
    assert!(err(&assert).contains("init --rejoin"));
    read_back(&machine, "c", NEW_MEMORABLE);
    assert!(!opens(&machine, "c", MEMORABLE));

    // A device that has nothing but the words.
    let store = machine.path("c/data/default.sqlite");
    let args = [
        "init",
        "--store",
        "local",
        "--recovery",
        "--path",
        store.to_str().unwrap(),
    ];
    recover("e", &args, &key)
        .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
        .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
        .assert()
        .success();
    read_back(&machine, "e", MEMORABLE);
    assert!(!opens(&machine, "c", NEW_MEMORABLE));
}

#[test]
fn a_rekey_leaves_the_wallet_as_it_was_and_shows_a_new_recovery_key() {
    let machine = two_devices();
    let made = on(&machine, "c", &["recovery-key"], "none", MEMORABLE)
        .assert()
        .success();
    let old = words(&out(&made));
    let dir = machine.mount(&[]);
    let assert = on(&machine, "d", &["rekey"], "none", MEMORABLE)
        .assert()
        .success();
    let told = out(&assert);
    let new = words(&told);
    assert_ne!(new, old);
    assert!(told.contains("1 secret of the wallet `default`"), "{told}");
    assert!(told.contains("default.backup-"), "{told}");
    assert_eq!(backups(&machine), 1);
    // The mount from before goes on.
    fs::write(dir.join("d/a/uid"), "joe\n").unwrap();
    assert_eq!(fs::read_to_string(dir.join("d/a/pwd")).unwrap(), "value\n");
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    read_back(&machine, "c", MEMORABLE);
    read_back(&machine, "d", MEMORABLE);
    let recover = |key: &str| {
        let mut command = machine.walletfs(["passwd", "--recovery"]);
        command
            .env("WALLETFS_RECOVERY_KEY_COMMAND", say(key))
            .env(
                "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
                say(NEW_MEMORABLE),
            )
            .env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE));
        command.assert()
    };
    recover(&old).code(10);
    recover(&new).success();
}

#[test]
fn init_makes_a_recovery_key_when_it_is_asked_to() {
    let machine = Machine::new();
    let assert = machine.init().arg("--recovery-key").assert().success();
    let key = words(&out(&assert));
    machine
        .walletfs(["passwd", "--recovery"])
        .env("WALLETFS_RECOVERY_KEY_COMMAND", say(&key))
        .env(
            "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
            say(NEW_MEMORABLE),
        )
        .env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE))
        .assert()
        .success();
    assert!(opens(&machine, "c", NEW_MEMORABLE));
}

fn damage(machine: &Machine, statement: &str) {
    let store = Connection::open(machine.path("c/data/default.sqlite")).unwrap();
    assert_eq!(store.execute(statement, []).unwrap(), 1);
}

#[test]
fn check_tells_each_fault_and_repair_keeps_what_opens() {
    let machine = two_devices();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/b")).unwrap();
    fs::write(dir.join("d/b/pwd"), "other\n").unwrap();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    let check = |args: &[&str]| on(&machine, "c", args, "none", MEMORABLE).assert();
    let sound = check(&["check"]).success().stderr("");
    assert_eq!(out(&sound), "2 secrets open.\n");

    damage(
        &machine,
        "UPDATE items SET data = zeroblob(length(data)) WHERE wallet = 'default' AND id <> 'head'
         AND version = (SELECT max(version) FROM items WHERE wallet = 'default' AND id <> 'head')",
    );
    let found = check(&["check"]).code(15);
    assert!(
        out(&found).starts_with("d/b: its values do not open;"),
        "{}",
        out(&found)
    );
    assert!(
        out(&found).ends_with("1 secret opens.\n"),
        "{}",
        out(&found)
    );
    assert!(err(&found).contains("check --repair"));
    let repaired = check(&["check", "--repair"]).success();
    let told = out(&repaired);
    assert!(
        told.ends_with("1 secrets are kept, 1 were taken out.\n"),
        "{told}"
    );
    assert_eq!(backups(&machine), 1);
    assert_eq!(out(&check(&["check"]).success()), "1 secret opens.\n");
    read_back(&machine, "c", MEMORABLE);
    read_back(&machine, "d", MEMORABLE);
}

/// A SQLite file that was copied back; a question that nobody can answer is a no.
#[test]
fn a_rolled_back_store_is_taken_only_after_a_question() {
    let machine = two_devices();
    let store = machine.path("c/data/default.sqlite");
    let old = fs::read(&store).unwrap();
    let dir = machine.mount(&[]);
    fs::write(dir.join("d/a/uid"), "joe\n").unwrap();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    fs::write(&store, old).unwrap();
    let mount = |more: &[&str]| {
        let mut command = on(&machine, "c", &["mount"], "none", MEMORABLE);
        command.args(more).arg(machine.path("w")).assert()
    };
    let refused = mount(&[]).code(16);
    assert!(
        err(&refused).contains("--accept-rollback"),
        "{}",
        err(&refused)
    );
    let asked = mount(&["--accept-rollback"]).code(16);
    let said = err(&asked);
    assert!(said.contains("has seen generation 4 of 20"), "{said}");
    assert!(said.contains("shows generation 3 of 20"), "{said}");
    assert!(said.contains("needs a terminal"), "{said}");
    let with_passwords = on(&machine, "c", &["x"], "none", MEMORABLE);
    let dir = machine.path("w");
    let args = ["mount", "--accept-rollback", dir.to_str().unwrap()];
    let mut no = Terminal::run(&with_passwords, &args);
    no.expect("Take what the store shows").line("");
    let (code, screen) = no.end();
    assert!(
        code == 16 && screen.contains("nothing was changed"),
        "{code}: {screen}"
    );
    let checked = on(&machine, "c", &["check"], "none", MEMORABLE)
        .assert()
        .code(15);
    assert!(out(&checked).contains("rolled back"), "{}", out(&checked));

    let mut yes = Terminal::run(&with_passwords, &args);
    yes.expect("Take what the store shows").line("perhaps");
    yes.expect("the answer is `yes` or `no`").line("yes");
    yes.expect("goes on with generation 5");
    assert_eq!(yes.end().0, 0);
    assert_eq!(fs::read_to_string(dir.join("d/a/pwd")).unwrap(), "value\n");
    assert!(!dir.join("d/a/uid").exists());
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    read_back(&machine, "d", MEMORABLE);
}

#[test]
fn passwd_and_init_ask_on_a_terminal() {
    let machine = two_devices();
    let mut passwd = Terminal::run(&machine.walletfs(["x"]), &["passwd", "--memorable"]);
    passwd.expect("Memorable password: ").line(MEMORABLE);
    passwd
        .expect("New memorable password: ")
        .line(NEW_MEMORABLE);
    passwd.expect("The same again").line(NEW_MEMORABLE);
    passwd.expect("Do that now (yes, no) [no]").line("yes");
    passwd.expect("Sealed everything under a new key: 1 secret");
    assert_eq!(passwd.end().0, 0);
    read_back(&machine, "d", NEW_MEMORABLE);

    let other = Machine::new();
    let mut init = Terminal::run(&other.with_passwords(["x"]), &["init"]);
    init.expect("[local]: ").line("").expect("File [").line("");
    init.expect("Make a recovery key").line("yes");
    init.expect("this is the recovery key")
        .expect("Next: walletfs mount");
    assert_eq!(init.end().0, 0);
}

/// A home directory that was restored from an old backup has seen less than the store shows.
#[test]
fn a_restored_home_directory_just_goes_on() {
    let machine = two_devices();
    let seen = machine.path("c/state/default.seen");
    let old = fs::read(&seen).unwrap();
    let dir = machine.mount(&[]);
    fs::write(dir.join("d/a/uid"), "joe\n").unwrap();
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    fs::write(&seen, old).unwrap();
    read_back(&machine, "c", MEMORABLE);
}

#[test]
fn none_of_them_leaves_a_password_in_a_file_of_the_device() {
    let machine = two_devices();
    let mut command = on(&machine, "c", &["passwd", "--device"], DEVICE, MEMORABLE);
    command.env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW_DEVICE));
    command.assert().success();
    fn all(dir: &Path, files: &mut Vec<Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => all(&path, files),
                false => files.push(fs::read(path).unwrap()),
            }
        }
    }
    let mut files = Vec::new();
    all(&machine.path("c"), &mut files);
    for password in [DEVICE, NEW_DEVICE, MEMORABLE] {
        let has = |file: &Vec<u8>| {
            file.windows(password.len())
                .any(|w| w == password.as_bytes())
        };
        assert!(!files.iter().any(has));
    }
}
