//! `generate`: passwords made by chance.

use crate::program::Machine;
use crate::terminal::Terminal;
use std::collections::BTreeSet;
use std::fs;
use walletfs::crypto::{SecretBytes, check_strength};

#[test]
fn what_is_generated_is_the_password_and_nothing_else() {
    let machine = Machine::new();
    let made = |args: &[&str]| {
        let mut command = machine.walletfs([&["generate"], args].concat());
        let output = command.assert().success().stderr("").get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let default = made(&[]);
    assert_eq!(default.len(), 20);
    for length in ["8", "9", "64", "128"] {
        let text = made(&["--length", length]);
        assert_eq!(text.len().to_string(), length);
        assert_eq!(check_strength(&SecretBytes::new(text.into())), Ok(()));
    }
    let words = made(&["--words", "6"]);
    assert!(words.split('-').count() >= 6, "{words}");
    assert!(words.chars().all(|c| c == '-' || c.is_ascii_lowercase()));
    let many: BTreeSet<String> = (0..10).map(|_| made(&[])).collect();
    assert_eq!(many.len(), 10, "each is another");
    assert!(!machine.path("c").exists(), "nothing is kept");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let machine = Machine::new();
    for args in [
        ["--length", "7"],
        ["--length", "129"],
        ["--words", "0"],
        ["--words", "65"],
        ["--words", "many"],
    ] {
        let mut command = machine.walletfs(["generate"]);
        command.args(args).assert().code(2).stdout("");
    }
    let mut command = machine.walletfs(["generate"]);
    command.args(["--words", "5", "--length", "20"]);
    command.assert().code(2).stdout("");
}

#[test]
fn a_terminal_is_told_the_entropy() {
    let machine = Machine::new();
    let args = ["generate", "--words", "5"];
    let (code, screen) = Terminal::run(&machine.walletfs(["x"]), &args).end();
    assert_eq!(code, 0);
    assert!(
        screen.ends_with("\r\nwalletfs: 65 bits of entropy\r\n"),
        "{screen}"
    );
}

#[test]
fn a_generated_password_becomes_a_secret() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.mount(&["-vv"]);
    fs::create_dir_all(dir.join("bank/savings")).unwrap();
    let program = machine.walletfs(["x"]).get_program().to_owned();
    let script = format!("'{}' generate > bank/savings/pwd", program.display());
    let mut shell = assert_cmd::Command::new("sh");
    shell
        .args(["-c", &script])
        .current_dir(&dir)
        .assert()
        .success();
    let password = fs::read_to_string(dir.join("bank/savings/pwd")).unwrap();
    assert_eq!(password.len(), 20);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    assert!(!machine.log().contains(&password));
    let dir = machine.mount(&[]);
    let again = fs::read_to_string(dir.join("bank/savings/pwd")).unwrap();
    assert_eq!(again, password);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
}
