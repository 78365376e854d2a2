//! The Python program's wallet, in each of its forms.

use crate::program::{MEMORABLE, Machine, say};
use crate::support::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use walletfs::fs::names::{Level, encode};

/// What lies below a directory, by its path.
fn files(dir: &Path, below: &str, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), &name, all),
            false => drop(all.insert(name, fs::read(entry.path()).unwrap())),
        }
    }
}

/// The files that the fixture shall be.
fn expected() -> BTreeMap<String, Vec<u8>> {
    let truth = truth();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut files = BTreeMap::new();
    for secret in truth.as_array().unwrap() {
        let domain = encode(Level::Domain, &text(&secret["domain"]));
        let access = encode(Level::Access, &text(&secret["access"]));
        let mut put = |file: &str, value: &Value| {
            let path = format!("/{domain}/{access}/{file}");
            files.insert(path, text(value).into_bytes());
        };
        for credential in ["uid", "pwd"] {
            if let Some(value) = secret.get(credential) {
                put(credential, value);
            }
        }
        for (key, value) in secret["info"].as_object().unwrap() {
            put(&encode(Level::Info, key), value);
        }
    }
    files
}

#[test]
fn each_form_equals_the_truth_through_mounted_files() {
    let expected = expected();
    // The awkward ones are among them.
    for file in [
        "/mail/%2E%2E/%2E",
        "/mail/50% off/%75id",
        "/bank/main/pin%2Fcode",
    ] {
        assert!(expected.contains_key(file), "{file}");
    }
    for form in [
        "secretwallet.sqlite",
        "save-encrypted.json",
        "save-decrypted.json",
    ] {
        let machine = Machine::with_wallet();
        let file = fixture(form);
        let mut import = machine.with_passwords(["import", "--from", "secret-wallet"]);
        import
            .arg(file)
            .args(["--source-password-command", THEIR_MEMORABLE]);
        let said = import
            .assert()
            .success()
            .stderr("")
            .get_output()
            .stdout
            .clone();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(
            said,
            "Found 28 secrets: 28 new.\n\
             Imported 28 secrets in 1 commit; every value was read back from the store.\n",
            "{form}"
        );
        let dir = machine.mount(&["--read-only"]);
        let mut found = BTreeMap::new();
        files(&dir, "", &mut found);
        let secrets: usize = fs::read_dir(&dir)
            .unwrap()
            .map(|domain| fs::read_dir(domain.unwrap().path()).unwrap().count())
            .sum();
        let changed = fs::metadata(dir.join("bank/main/uid"))
            .unwrap()
            .modified()
            .unwrap();
        machine.walletfs(["unmount"]).arg(&dir).assert().success();
        assert!(found == expected, "{form}");
        assert_eq!(secrets, 28);
        let changed = changed.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(changed.as_nanos(), 1_580_632_023_600_001_000);
        assert_eq!(machine.holds(), truth(), "{form}");
    }
}

#[test]
fn its_password_is_the_one_that_is_given_or_this_wallets_own() {
    // A wallet with the very password of the other one needs no more.
    let machine = Machine::new();
    let mut init = machine.init();
    init.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", THEIR_MEMORABLE);
    init.assert().success();
    let import = |file: &str| {
        let mut import = machine.with_passwords(["import", "--dry-run", "--from", "secret-wallet"]);
        import.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", THEIR_MEMORABLE);
        import.arg(fixture(file));
        import
    };
    import("save-encrypted.json").assert().success();
    // One that is given is not second-guessed.
    let mut wrong = import("save-encrypted.json");
    wrong.args(["--source-password-command", "echo 'Memorable#2'"]);
    wrong.assert().code(10).stdout("");

    // Another one's is asked for, and nobody is here to ask.
    let machine = Machine::with_wallet();
    let before = machine.sqlite();
    let file = fixture("secretwallet.sqlite");
    let (code, out, err) =
        machine.said(&["import", "--from", "secret-wallet", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (10, ""));
    assert!(err.contains("--source-password-command"), "{err}");
    assert!(!err.contains("Memorable"), "{err}");
    assert!(machine.sqlite() == before);
}

#[test]
fn its_device_key_comes_from_its_configuration_or_from_its_device_password() {
    let machine = Machine::with_wallet();
    // Away from its configuration.
    let file = machine.file(
        "alone.json",
        fs::read(fixture("save-encrypted.json")).unwrap(),
    );
    let import = |more: &[&str]| {
        let args = ["import", "--dry-run", "--from", "secret-wallet", &file];
        let mut import = machine.with_passwords(args);
        import
            .args(["--source-password-command", THEIR_MEMORABLE])
            .args(more);
        import
    };
    let config = fixture("secretwallet.json");
    let config = config.to_str().unwrap();
    import(&["--source-config", config]).assert().success();
    import(&["--source-device-password-command", THEIR_DEVICE])
        .assert()
        .success();
    import(&["--source-device-password-command", "echo 'Device#Pass2'"])
        .assert()
        .code(10);
    // Its usual place.
    fs::create_dir_all(machine.path("home/.secretwallet")).unwrap();
    fs::copy(config, machine.path("home/.secretwallet/secretwallet.json")).unwrap();
    import(&[]).assert().success();
    // Its SQLite file lies there too.
    let kept = fixture("secretwallet.sqlite");
    fs::copy(kept, machine.path("home/.secretwallet/secretwallet.sqlite")).unwrap();
    let mut live = machine.with_passwords(["import", "--from", "secret-wallet"]);
    live.args(["--source-password-command", THEIR_MEMORABLE])
        .assert()
        .success();
    assert_eq!(machine.holds(), truth());
}

#[test]
fn a_save_of_which_only_a_part_is_sealed_is_not_guessed_at() {
    let machine = Machine::with_wallet();
    let saved = fs::read_to_string(fixture("save-encrypted.json")).unwrap();
    let damaged = saved.replacen("gAAAA", "damaged", 1);
    let file = machine.file("damaged.json", damaged);
    let args = ["import", "--from", "secret-wallet", &file];
    let (code, out, err) = machine.said(&args);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("1 are not") && err.contains("secret-wallet-decrypted"),
        "{err}"
    );
    let args = [
        "import",
        "--dry-run",
        "--from",
        "secret-wallet-decrypted",
        &file,
    ];
    assert!(machine.ok(&args).starts_with("Found 28 secrets: 28 new."));
}

#[test]
fn a_dry_run_tells_of_each_secret_and_changes_nothing() {
    let machine = Machine::with_wallet();
    let before = machine.sqlite();
    let file = fixture("save-decrypted.json");
    let args = [
        "import",
        "--dry-run",
        "--from",
        "secret-wallet",
        file.to_str().unwrap(),
    ];
    let report = machine.ok(&args);
    assert!(machine.sqlite() == before);
    assert_eq!(
        report
            .lines()
            .filter(|line| line.starts_with("new: "))
            .count(),
        28
    );
    assert!(
        report.contains("new: \"mail\" / \"..\": uid, pwd, \".\", \".hidden\"\n"),
        "{report}"
    );
    assert!(!report.contains("Dots#1234"));
}

#[test]
fn what_is_there_is_kept_unless_it_shall_be_overwritten() {
    let machine = Machine::with_fixture();
    let json = r#"[{"domain":"bank","access":"main","uid":"ann","pwd":"","info":{"iban":"GB00 TEST","new":"n"}},
        {"domain":"bank","access":"savings","info":{"note":"only info"}}]"#;
    let file = machine.file("changed.json", json);
    let before = machine.sqlite();
    let report = machine.ok(&["import", "--from", "secret-wallet", &file]);
    assert!(
        report.starts_with(
            "Found 2 secrets: 0 new, 1 there already, the same, 1 there already, but different \
             (kept as they are, unless --overwrite is given).\n\
             different: \"bank\" / \"main\": uid, \"new\"\n"
        ),
        "{report}"
    );
    assert!(machine.sqlite() == before);
    let report = machine.ok(&["import", "--overwrite", "--from", "secret-wallet", &file]);
    assert!(report.contains("Imported 1 secret in 1 commit"), "{report}");
    let mut expected = truth();
    let main = &mut expected[0];
    assert_eq!(main["access"], "main");
    // What the source does not have stays.
    main["uid"] = "ann".into();
    main["info"]["new"] = "n".into();
    assert_eq!(machine.holds(), expected);
    // Again: nothing to do.
    let report = machine.ok(&["import", "--overwrite", "--from", "secret-wallet", &file]);
    assert!(report.ends_with("Nothing to import.\n"), "{report}");
}

#[test]
fn importing_leaves_no_plaintext_behind() {
    let machine = Machine::with_wallet();
    fs::create_dir(machine.path("tmp")).unwrap();
    for overwrite in [&[][..], &["--overwrite"]] {
        let mut import = machine.with_passwords(["import", "-vv", "--from", "secret-wallet"]);
        import.env("TMPDIR", machine.path("tmp")).args(overwrite);
        import.arg(fixture("secretwallet.sqlite"));
        let said = import.args(["--source-password-command", THEIR_MEMORABLE]);
        let said = said.assert().success().get_output().clone();
        for text in [said.stdout, said.stderr] {
            assert!(!String::from_utf8(text).unwrap().contains("xy67Gh!8"));
        }
    }
    let mut all = BTreeMap::new();
    files(&machine.path(""), "", &mut all);
    assert!(all.len() >= 4);
    for (path, content) in all {
        for secret in [
            &b"xy67Gh!8"[..],
            b"smart energy",
            b"G15003798",
            MEMORABLE.as_bytes(),
        ] {
            let found = content.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{path}");
        }
    }
    assert_eq!(fs::read_dir(machine.path("tmp")).unwrap().count(), 0);
}

#[test]
fn on_a_terminal_the_other_password_is_asked_for_and_a_bar_is_shown() {
    let machine = Machine::with_wallet();
    let mut like = machine.walletfs::<&str>([]);
    like.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
        .env("TERM", "xterm");
    let file = fixture("save-encrypted.json");
    let args = ["import", "--from", "secret-wallet", file.to_str().unwrap()];
    let mut terminal = crate::terminal::Terminal::run(&like, &args);
    terminal
        .expect("Password of the other wallet: ")
        .line("Memorable#1");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("another memorable password"), "{screen}");
    assert!(screen.contains("importing ["), "{screen}");
    assert!(screen.contains("Imported 28 secrets"), "{screen}");
}
