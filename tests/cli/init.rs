//! `init` by options: making and joining a wallet, and what it refuses.

use crate::program::{DEVICE, MEMORABLE, Machine, WRONG_PASSWORD, mode, say};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What the program said on standard error.
fn said(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn a_wallet_is_made_with_private_files() {
    let machine = Machine::new();
    let assert = machine.init().assert().success().stderr("");
    let told = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(told.contains("Made the wallet `default`"), "{told}");
    assert!(told.ends_with("Next: walletfs mount ~/wallet\n"), "{told}");
    for dir in ["c", "c/state", "c/data"] {
        assert_eq!(mode(&machine.path(dir)), 0o700, "{dir}");
    }
    for file in [
        "default.json",
        "default.key",
        "state/default.seen",
        "data/default.sqlite",
    ] {
        assert_eq!(mode(&machine.path("c").join(file)), 0o600, "{file}");
    }
    assert_eq!(fs::read(machine.path("c/default.key")).unwrap().len(), 32);
    let config = fs::read(machine.path("c/default.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let path = machine.path("c/data/default.sqlite");
    let salt = config["device-salt"].as_str().unwrap();
    assert_eq!(salt.len(), 32);
    let expected = serde_json::json!({"store": "local", "path": path, "device-salt": salt});
    assert_eq!(config, expected);
}

#[test]
fn a_second_init_changes_nothing() {
    let machine = Machine::with_wallet();
    let files = ["c/default.json", "c/default.key", "c/data/default.sqlite"];
    let read = || files.map(|file| fs::read(machine.path(file)).unwrap());
    let before = read();
    let assert = machine.init().assert().code(1).stdout("");
    assert!(
        said(&assert).contains("c/default.json away first"),
        "{}",
        said(&assert)
    );
    assert!(read() == before);
}

#[test]
fn another_device_joins_with_both_passwords() {
    let machine = Machine::with_wallet();
    let store = machine.path("c/data/default.sqlite");
    let join = |dir: &str, device: &str, memorable: &str| {
        let mut command = machine.walletfs(["init", "--store", "local", "--path"]);
        command
            .arg(&store)
            .env("WALLETFS_CONFIG_DIR", machine.path(dir))
            .args(["--device-password-command", &say(device)])
            .args(["--memorable-password-command", &say(memorable)]);
        command
    };
    for (device, memorable) in [
        ("Device 23!", MEMORABLE),
        (DEVICE, "Memorable 2!"),
        ("x", "y"),
    ] {
        let assert = join("d", device, memorable).assert().code(10).stdout("");
        assert!(said(&assert).ends_with(WRONG_PASSWORD), "{}", said(&assert));
        assert!(!machine.path("d/default.json").exists());
        assert!(!machine.path("d/default.key").exists());
        assert!(!machine.path("d/state/default.seen").exists());
    }
    let assert = join("d", DEVICE, MEMORABLE).assert().success();
    let told = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(told.contains("0 secrets, generation 1, made 20"), "{told}");
    let read = |file: &str| fs::read(machine.path(file)).unwrap();
    assert!(read("c/default.key") == read("d/default.key"));
    assert!(
        machine.path("d/state/default.seen").is_file(),
        "it is pinned"
    );
}

#[test]
fn a_lost_configuration_is_made_again_by_joining() {
    let machine = Machine::with_wallet();
    let key = fs::read(machine.path("c/default.key")).unwrap();
    fs::remove_file(machine.path("c/default.json")).unwrap();
    fs::remove_file(machine.path("c/default.key")).unwrap();
    machine.init().assert().success();
    assert!(fs::read(machine.path("c/default.key")).unwrap() == key);
}

#[test]
fn weak_passwords_are_refused_with_the_rule_before_anything_is_made() {
    let machine = Machine::new();
    for (device, memorable, rule) in [
        (
            "Aa1! 67",
            MEMORABLE,
            "fewer than 8 characters; choose another device password",
        ),
        ("no capital 1", MEMORABLE, "no upper-case letter"),
        (
            DEVICE,
            "No Digit Here",
            "no digit; choose another memorable password",
        ),
        (DEVICE, "NoSpecial1", "no special character"),
    ] {
        let mut command = machine.init();
        let command = command
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(device))
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(memorable));
        let assert = command.assert().code(1).stdout("");
        assert!(said(&assert).contains(rule), "{}", said(&assert));
        assert!(!said(&assert).contains(device) && !said(&assert).contains(memorable));
        assert!(!machine.path("c/data").exists());
        assert!(!machine.path("c/default.json").exists());
    }
}

#[test]
fn a_failing_password_command_is_an_error_that_does_not_quote_it() {
    let machine = Machine::new();
    let mut command = machine.init();
    command.env(
        "WALLETFS_DEVICE_PASSWORD_COMMAND",
        "echo 'Secret 1!'; exit 7",
    );
    let assert = command.assert().code(1);
    assert!(
        said(&assert).contains("exit status: 7"),
        "{}",
        said(&assert)
    );
    assert!(!said(&assert).contains("Secret"));
}

#[test]
fn an_option_goes_before_the_environment() {
    let machine = Machine::with_wallet();
    let mut command = machine.with_passwords(["mount", "--memorable-password-command"]);
    command
        .args(["printf wrong", "w"])
        .current_dir(machine.path(""));
    command.assert().code(10).stderr(WRONG_PASSWORD);
}

#[test]
fn loose_files_and_directories_are_refused_with_the_remedy() {
    let machine = Machine::with_wallet();
    for (file, loose, right) in [
        ("c", 0o750, 0o700),
        ("c/default.json", 0o644, 0o600),
        ("c/default.key", 0o640, 0o600),
        ("c/state", 0o701, 0o700),
    ] {
        let path = machine.path(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let mut command = machine.with_passwords(["mount"]);
        let assert = command.arg(machine.path("w")).assert().code(1);
        let remedy = format!("chmod {right:o} {}", path.display());
        assert!(said(&assert).contains(&remedy), "{}", said(&assert));
        fs::set_permissions(&path, fs::Permissions::from_mode(right)).unwrap();
    }
}

#[test]
fn a_configuration_that_is_not_understood_is_exit_code_2() {
    let machine = Machine::with_wallet();
    fs::write(machine.path("c/default.json"), r#"{"store":"cloud"}"#).unwrap();
    let assert = machine.with_passwords(["mount", "w"]).assert().code(2);
    assert!(said(&assert).contains("cloud"), "{}", said(&assert));
}

#[test]
fn items_without_a_head_are_refused() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("energy/gas")).unwrap();
    machine.walletfs(["lock"]).assert().success();
    let store = rusqlite::Connection::open(machine.path("c/data/default.sqlite")).unwrap();
    assert_eq!(
        store
            .execute("DELETE FROM items WHERE id = 'head'", ())
            .unwrap(),
        1
    );
    drop(store);
    fs::remove_dir_all(machine.path("c/state")).unwrap();
    fs::remove_file(machine.path("c/default.json")).unwrap();
    let assert = machine.init().assert().code(15);
    assert!(
        said(&assert).contains("but not its head"),
        "{}",
        said(&assert)
    );
    assert!(!machine.path("c/default.json").exists());
}

#[test]
fn two_wallets_live_beside_each_other() {
    let machine = Machine::with_wallet();
    let mut command = machine.init();
    command.args(["--wallet", "my work"]);
    let assert = command.assert().success();
    let told = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(
        told.contains("walletfs mount ~/wallet --wallet 'my work'"),
        "{told}"
    );
    assert!(machine.path("c/my work.json").is_file());
    assert!(machine.path("c/data/my work.sqlite").is_file());
}

#[test]
fn a_store_that_cannot_be_reached_is_exit_code_13() {
    let machine = Machine::new();
    // A port that was just free: nobody listens there.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut command = machine.with_passwords(["init", "--store", "dynamodb", "--endpoint-url"]);
    command
        .arg(format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .assert()
        .code(13);
    assert!(!machine.path("c/default.json").exists());
}
