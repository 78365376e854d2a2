//! `init` by question and answer, on a terminal: what it asks, and that an interrupt at any question
//! leaves everything as it was.

use crate::program::{DEVICE, MEMORABLE, Machine, mode, mounted_below};
use crate::support::dynamodb::Engine;
use crate::terminal::Terminal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use walletfs::store::StoreError;
use walletfs::wallet::{Wallet, WalletError};

/// The access key that is typed.
const SECRET: &str = "abcdefghijklmnopqrstuvwxyz/+0123";
const ID: &str = "AKIAABCDEFGHIJKLMNOP";

/// A question, and what is answered.
type Answer<'a> = (&'a str, &'a str);

/// The questions about passwords for a new wallet.
const PASSWORDS: [Answer; 5] = [
    ("New device password: ", DEVICE),
    ("The same again, or empty to choose another: ", DEVICE),
    ("New memorable password: ", MEMORABLE),
    ("The same again, or empty to choose another: ", MEMORABLE),
    ("(yes, no) [no]: ", ""),
];

const LOCAL: [Answer; 2] = [("[local]: ", ""), ("default.sqlite]: ", "")];

fn conversation(machine: &Machine, args: &[&str], answers: &[Answer]) -> Terminal {
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), args);
    for (question, answer) in answers {
        terminal.expect(question).line(answer);
    }
    terminal
}

/// Every file and directory below, with its content.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let content = path.is_file().then(|| fs::read(&path).unwrap());
            if content.is_none() {
                dirs.push(path.clone());
            }
            found.insert(path, content);
        }
    }
    found
}

/// Interrupts at each of these questions in turn. Nothing on the machine changes by that.
fn interrupt_everywhere(machine: &Machine, args: &[&str], answers: &[Answer]) {
    let before = everything(&machine.path(""));
    for last in 0..answers.len() {
        let mut terminal = conversation(machine, args, &answers[..last]);
        terminal.expect(answers[last].0).keys("\x03");
        let (code, screen) = terminal.end();
        assert_eq!(code, 130, "{screen}");
        let after = everything(&machine.path(""));
        assert!(after == before, "{:?}: {screen}", after.keys());
    }
}

#[test]
fn init_by_question_and_answer() {
    let machine = Machine::new();
    let mut terminal = conversation(&machine, &["init"], &LOCAL);
    terminal.expect("step 3 of 3");
    terminal.expect("typed once on each device");
    terminal.expect("New device password: ").line("too weak");
    terminal.expect("no upper-case letter; choose another");
    terminal.expect("New device password: ").line(DEVICE);
    terminal.expect("The same again").line("Device 23!");
    terminal.expect("the two are not the same");
    terminal.expect("New device password: ").line(DEVICE);
    terminal.expect("The same again").line(DEVICE);
    terminal.expect("typed at every mount");
    terminal
        .expect("New memorable password: ")
        .line("Password 1");
    terminal.expect("zxcvbn's estimate is").expect("weak");
    terminal.expect("The same again").line("");
    terminal.expect("New memorable password: ").line(MEMORABLE);
    terminal.expect("The same again").line(MEMORABLE);
    terminal.expect("(yes, no) [no]").line("");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("Made the wallet `default` in SQLite file"),
        "{screen}"
    );
    assert!(screen.contains("Next: walletfs mount ~/wallet"), "{screen}");
    for secret in [DEVICE, MEMORABLE, "too weak", "Password 1"] {
        assert!(!screen.contains(secret), "nothing is echoed: {screen}");
    }
    let dir = machine.path("w");
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &["mount", dir.to_str().unwrap()]);
    terminal.expect("Memorable password: ").line(MEMORABLE);
    assert_eq!(terminal.end().0, 0);
    assert_eq!(mounted_below(&dir).len(), 1, "it outlives its terminal");
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
}

#[test]
fn three_weak_passwords_are_enough() {
    let machine = Machine::new();
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &["init", "--store", "local"]);
    for _ in 0..3 {
        terminal.expect("New device password: ").line("weak");
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 1);
    assert_eq!(
        screen.matches("fewer than 8 characters").count(),
        3,
        "{screen}"
    );
}

#[test]
fn an_interrupt_at_any_question_leaves_nothing() {
    let machine = Machine::new();
    let answers = [&LOCAL[..], &PASSWORDS].concat();
    interrupt_everywhere(&machine, &["init"], &answers);
    machine.init().assert().success();
    // Another device joins.
    let store = machine.path("c/data/default.sqlite");
    let store = store.to_str().unwrap();
    let other = machine.path("d");
    let args = ["init", "--config-dir", other.to_str().unwrap()];
    let answers = [
        ("[local]: ", ""),
        ("default.sqlite]: ", store),
        ("Device password: ", DEVICE),
        ("Memorable password: ", MEMORABLE),
    ];
    interrupt_everywhere(&machine, &args, &answers);
    let (code, screen) = conversation(&machine, &args, &answers).end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Joined the wallet `default`"), "{screen}");
}

/// Between the last answer and the end a wallet is made whole, or not at all.
/// The key is tried before the new passwords are asked for, and that leaves no trace either.
#[test]
fn an_interrupt_while_passwords_are_replaced_leaves_nothing() {
    let machine = Machine::new();
    let made = machine.init().arg("--recovery-key").assert().success();
    let made = String::from_utf8(made.get_output().stdout.clone()).unwrap();
    let key = crate::keys::words(&made);
    let store = machine.path("c/data/default.sqlite");
    let other = machine.path("d");
    let args = [
        "init",
        "--recovery",
        "--config-dir",
        other.to_str().unwrap(),
        "--store",
        "local",
        "--path",
        store.to_str().unwrap(),
    ];
    let mut answers = vec![("Recovery key: ", &*key)];
    answers.extend(&PASSWORDS[..4]);
    interrupt_everywhere(&machine, &args, &answers);
    let mut terminal = conversation(&machine, &args, &answers);
    terminal.expect("with new passwords");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn an_interrupt_while_it_is_made_makes_no_half_wallet() {
    for patience in [0, 1, 5, 20, 80, 200] {
        let machine = Machine::new();
        let answers = [&LOCAL[..], &PASSWORDS].concat();
        let mut terminal = conversation(&machine, &["init"], &answers);
        std::thread::sleep(std::time::Duration::from_millis(patience));
        terminal.keys("\x03");
        let (code, screen) = terminal.end();
        match code {
            // Before it was begun, or after it was whole.
            130 if !machine.path("c/default.json").exists() => {
                assert!(everything(&machine.path("")).is_empty(), "{screen}");
            }
            0 | 130 => {
                let dir = machine.mount(&[]);
                machine.walletfs(["unmount"]).arg(dir).assert().success();
            }
            _ => panic!("{code}: {screen}"),
        }
    }
}

#[tokio::test]
async fn an_access_key_goes_to_its_profile_when_all_is_answered() {
    let engine = Engine::start();
    let machine = Machine::new();
    let aws = machine.path("home/.aws");
    fs::create_dir_all(&aws).unwrap();
    let mine = "# mine\n[mine]\naws_access_key_id = MINE\naws_secret_access_key = M/+\n";
    fs::write(aws.join("credentials"), mine).unwrap();
    let options = engine.options("default");
    let args = ["init", "--endpoint-url", engine.url()];
    let question = "or `new` to give an access key [as AWS's own tools]: ";
    let mut answers = vec![
        ("[local]: ", "dynamodb"),
        (
            "Table, made if it is not there [walletfs]: ",
            &*options.table,
        ),
        ("AWS region", "eu-central-1"),
        (question, "new"),
        ("AWS access key id", ID),
        ("AWS secret access key: ", SECRET),
    ];
    answers.extend(PASSWORDS);
    let store = engine.connect(options.clone()).await;
    interrupt_everywhere(&machine, &args, &answers);
    let there = Wallet::peek(&store).await;
    assert!(
        matches!(there, Err(WalletError::Store(StoreError::Missing(_)))),
        "no table was made"
    );

    let (code, screen) = conversation(&machine, &args, &answers).end();
    assert_eq!(code, 0, "{screen}");
    for told in [
        "AWS profiles on this machine: mine (access key)",
        "connected: DynamoDB table",
        "wrote the profile secret-wallet",
        "Made the wallet `default` in DynamoDB table",
    ] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    assert!(!screen.contains(SECRET), "{screen}");
    let written = fs::read_to_string(aws.join("credentials")).unwrap();
    let own =
        format!("[secret-wallet]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n");
    assert_eq!(written, format!("{mine}\n{own}"));
    assert_eq!(mode(&aws.join("credentials")), 0o600);

    // The profile that is there is offered to another device, which takes it with Return.
    let other = machine.path("d");
    let joins = [&args[..], &["--config-dir", other.to_str().unwrap()]].concat();
    answers.truncate(3);
    answers.push(("to give an access key [secret-wallet]: ", ""));
    answers.push(("Device password: ", DEVICE));
    answers.push(("Memorable password: ", MEMORABLE));
    let (code, screen) = conversation(&machine, &joins, &answers).end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Joined the wallet"), "{screen}");
    let now = fs::read_to_string(aws.join("credentials")).unwrap();
    assert_eq!(now, written);
    let config = fs::read_to_string(other.join("default.json")).unwrap();
    assert!(
        config.contains("\"profile\": \"secret-wallet\""),
        "{config}"
    );
}

#[test]
fn profiles_of_single_sign_on_are_offered_and_strangers_refused() {
    let machine = Machine::new();
    let aws = machine.path("home/.aws");
    fs::create_dir_all(&aws).unwrap();
    let config = "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n\
                  [sso-session s]\nsso_start_url = https://127.0.0.1:1/\nsso_region = eu-central-1\n";
    fs::write(aws.join("config"), config).unwrap();
    let args = ["init", "--endpoint-url", "http://127.0.0.1:1"];
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &args);
    terminal.expect("[local]: ").line("cloud");
    terminal.expect("the answer is");
    terminal.expect("[local]: ").line("dynamodb");
    terminal.expect("Table").line("");
    terminal.expect("AWS region").line("eu-central-1");
    terminal.expect("AWS profiles on this machine: work (single sign-on)");
    terminal.expect("[as AWS's own tools]: ").line("other");
    terminal.expect("there is no AWS profile `other`");
    terminal.expect("[as AWS's own tools]: ").line("work");
    terminal.expect("aws sso login --profile");
    // The connection is tested before any password is asked for; everything can be answered anew.
    terminal
        .expect("Answer the questions anew (yes, no) [yes]: ")
        .line("");
    terminal.expect("[local]: ").line("dynamodb");
    terminal.expect("Table").line("");
    terminal.expect("AWS region").line("");
    terminal.expect("[as AWS's own tools]: ").line("");
    // No region, so nothing was asked of anybody: an endpoint takes any, and nobody listens there.
    terminal
        .expect("Answer the questions anew (yes, no) [yes]: ")
        .line("no");
    let (code, screen) = terminal.end();
    assert!([13, 14].contains(&code), "{code}: {screen}");
    assert!(!machine.path("c").exists());
}

#[test]
fn what_is_no_access_key_is_asked_again() {
    let machine = Machine::new();
    let args = ["init", "--endpoint-url", "http://127.0.0.1:1"];
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &args);
    terminal.expect("[local]: ").line("dynamodb");
    terminal.expect("Table").line("");
    terminal.expect("AWS region").line("");
    // There is nothing that AWS's own tools would find, so Return gives a key.
    terminal.expect("to give an access key [new]: ").line("");
    terminal.expect("AWS access key id").line("AKIA");
    terminal.expect("AWS secret access key: ").line("short");
    terminal.expect("that is not an AWS access key");
    terminal.expect("AWS access key id").line(ID);
    terminal.expect("AWS secret access key: ").line(SECRET);
    terminal.expect("Answer the questions anew").keys("\x03");
    let (code, screen) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert!(
        !screen.contains("short\r") && !screen.contains(SECRET),
        "{screen}"
    );
    assert!(!machine.path("home").exists());
}
