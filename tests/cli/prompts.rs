//! Passwords on a terminal.

use crate::program::{MEMORABLE, Machine, say};
use crate::terminal::Terminal;

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
