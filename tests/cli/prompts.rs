//! Questions and passwords on a terminal.

use crate::program::{DEVICE, MEMORABLE, Machine, mounted_below, say};
use crate::terminal::Terminal;
use std::fs;

#[test]
fn init_by_question_and_answer() {
    let machine = Machine::new();
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &["init"]);
    terminal.expect("[local]: ").line("");
    terminal.expect("data/default.sqlite]: ").line("");
    terminal.expect("New device password: ").line("too weak");
    terminal.expect("no upper-case letter; choose another");
    terminal.expect("New device password: ").line(DEVICE);
    terminal.expect("The same again: ").line("Device 23!");
    terminal.expect("the two are not the same");
    terminal.expect("New device password: ").line(DEVICE);
    terminal.expect("The same again: ").line(DEVICE);
    terminal.expect("New memorable password: ").line(MEMORABLE);
    terminal.expect("The same again: ").line(MEMORABLE);
    terminal.expect("(yes, no) [no]").line("");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("Made the wallet `default` in SQLite file"),
        "{screen}"
    );
    for secret in [DEVICE, MEMORABLE, "too weak"] {
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
fn an_interrupt_at_any_question_leaves_nothing_half_made() {
    let machine = Machine::new();
    let answers = [
        ("[local]: ", ""),
        ("default.sqlite]: ", ""),
        ("New device password: ", DEVICE),
        ("The same again: ", DEVICE),
        ("New memorable password: ", MEMORABLE),
        ("The same again: ", MEMORABLE),
    ];
    for last in 0..answers.len() {
        let mut terminal = Terminal::run(&machine.walletfs(["x"]), &["init"]);
        for (question, answer) in &answers[..last] {
            terminal.expect(question).line(answer);
        }
        terminal.expect(answers[last].0).keys("\x03");
        let (code, screen) = terminal.end();
        assert_eq!(code, 130, "{screen}");
        assert!(!machine.path("c/default.json").exists());
        assert!(!machine.path("c/default.key").exists());
        assert!(!machine.path("c/data/default.sqlite").exists());
    }
    machine.init().assert().success();
}

#[test]
fn an_interrupt_at_a_password_gives_the_terminal_its_echo_back() {
    let machine = Machine::with_wallet();
    let program = machine.walletfs(["x"]).get_program().to_owned();
    let script = format!("{} mount w; stty -a", program.to_str().unwrap());
    let mut shell = machine.walletfs(["x"]);
    shell.current_dir(machine.path(""));
    let mut terminal = Terminal::script(&shell, &script);
    terminal.expect("Memorable password: ").keys("\x03");
    let (_, screen) = terminal.end();
    let flags: Vec<_> = screen.split_whitespace().collect();
    for flag in ["echo", "isig", "icanon"] {
        assert!(flags.contains(&flag), "{screen}");
    }
}

#[test]
fn aws_credentials_are_put_into_their_profile_and_others_left() {
    let machine = Machine::new();
    let aws = machine.path("home/.aws");
    fs::create_dir_all(&aws).unwrap();
    fs::write(
        aws.join("credentials"),
        "[mine]\naws_access_key_id = MINE\n",
    )
    .unwrap();
    // Nobody listens at this address, so init ends after the questions.
    let args = ["init", "--endpoint-url", "http://127.0.0.1:1"];
    let mut terminal = Terminal::run(&machine.with_passwords(["x"]), &args);
    terminal.expect("[local]: ").line("cloud");
    terminal.expect("the answer is");
    terminal.expect("[local]: ").line("dynamodb");
    terminal
        .expect("AWS access key id")
        .line("AKIAABCDEFGHIJKLMNOP");
    terminal
        .expect("AWS secret access key: ")
        .line("abcdefghijklmnopqrstuvwxyz/+0123");
    terminal.expect("wrote the profile secret-wallet");
    terminal.expect("AWS region").line("eu-central-1");
    terminal.expect("Table").line("");
    let (code, screen) = terminal.end();
    assert_eq!(code, 13, "{screen}");
    assert!(!screen.contains("abcdefghijkl"), "{screen}");
    let written = fs::read_to_string(aws.join("credentials")).unwrap();
    assert_eq!(
        written,
        "[mine]\naws_access_key_id = MINE\n\n[secret-wallet]\naws_access_key_id = \
         AKIAABCDEFGHIJKLMNOP\naws_secret_access_key = abcdefghijklmnopqrstuvwxyz/+0123\n"
    );
    // Each step can be skipped: the profile that is there is offered.
    let mut terminal = Terminal::run(&machine.with_passwords(["x"]), &args);
    terminal.expect("[local]: ").line("dynamodb");
    terminal
        .expect("[keep the profile secret-wallet]: ")
        .line("");
    terminal.expect("AWS region").line("");
    terminal.expect("Table").line("");
    assert_eq!(terminal.end().0, 13);
    assert_eq!(
        fs::read_to_string(aws.join("credentials")).unwrap(),
        written
    );
}

#[test]
fn a_password_command_may_ask_on_the_terminal_itself() {
    let machine = Machine::with_wallet();
    let dir = machine.path("w");
    let command = format!("read line; {}", say(MEMORABLE).replace('\'', "'\\''"));
    let args = [
        "mount",
        "--memorable-password-command",
        &command,
        dir.to_str().unwrap(),
    ];
    let mut terminal = Terminal::run(&machine.walletfs(["x"]), &args);
    terminal.line("go on");
    assert_eq!(terminal.end().0, 0);
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
}

/// A wallet of more than one page says how far its loading is, also from the background; in a pipe
/// nothing is said.
#[test]
fn loading_shows_how_far_it_is() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.mount(&[]);
    let value = vec![7; 300 << 10];
    for n in 0..8 {
        let secret = dir.join(format!("d/s{n}"));
        std::fs::create_dir_all(&secret).unwrap();
        std::fs::write(secret.join("pwd"), &value).unwrap();
    }
    machine.walletfs(["lock"]).assert().success();
    let args = ["mount", dir.to_str().unwrap()];
    let mut like = machine.with_passwords(["x"]);
    let terminal = Terminal::run(like.env("TERM", "xterm"), &args);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("loading ["), "{screen}");
    assert!(screen.contains("/8 "), "{screen}");
    machine.walletfs(["lock"]).assert().success();
    machine.with_passwords(args).assert().success().stderr("");
    machine.walletfs(["lock"]).assert().success();
}
