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
