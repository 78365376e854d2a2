//! `copy`: the clipboard of a display of our own (Xvfb), as another program sees it (xclip).

use crate::program::{Machine, runs, wait_for};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A display without a screen, for one test.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Display {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "320x200x24",
                "-nolisten",
                "tcp",
                "-noreset",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/packages xvfb");
        let mut number = String::new();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        output.read_line(&mut number).unwrap();
        let name = format!(":{}", number.trim_end());
        assert!(name.len() > 1, "it says its number");
        Display { server, name }
    }

    /// What another program pastes; `None`: there is nothing. xclip waits for ever for an owner that
    /// ended when it had been asked.
    fn paste(&self) -> Option<String> {
        let pasted = Command::new("timeout")
            .args(["10", "xclip", "-o", "-selection", "clipboard"])
            .env("DISPLAY", &self.name)
            .output()
            .expect("scripts/packages xclip");
        let text = String::from_utf8(pasted.stdout).unwrap();
        pasted.status.success().then_some(text)
    }

    /// Another program copies.
    fn take(&self, text: &str) {
        let mut other = Command::new("xclip")
            .args(["-i", "-selection", "clipboard"])
            .env("DISPLAY", &self.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        other
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(other.wait().unwrap().success());
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

fn copy(machine: &Machine, display: &Display, file: &str, seconds: u64) -> assert_cmd::Command {
    let mut command = machine.walletfs(["copy", "--clear-after", &seconds.to_string()]);
    command
        .env("DISPLAY", &display.name)
        .arg(machine.path(file));
    command
}

/// The process behind the clipboard, found by the seconds that it was given: its id and arguments.
fn holder(seconds: u64) -> Option<(u32, String)> {
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // The arguments of others may be out of reach, and not come back.
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let arguments = match name.trim_end() {
            "walletfs" => fs::read(format!("/proc/{pid}/cmdline")).ok()?,
            _ => return None,
        };
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let wanted = format!("--background --clear-after {seconds} ");
        arguments.contains(&wanted).then_some((pid, arguments))
    })
}

#[test]
fn a_secret_is_on_the_clipboard_and_cleared() {
    let machine = Machine::with_quick_wallet();
    let display = Display::start();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("bank/savings")).unwrap();
    fs::write(dir.join("bank/savings/pwd"), "xy67 Gh!8 ä\n").unwrap();
    let mut command = copy(&machine, &display, "w/bank/savings/pwd", 4);
    let began = Instant::now();
    let assert = command.assert().success().stdout("");
    let told = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(told.contains("the clipboard is cleared in 4 s"), "{told}");
    let pasted = display.paste();
    // On a machine that is too slow to look in time it may be gone already.
    if began.elapsed().as_secs() < 3 {
        assert_eq!(pasted.as_deref(), Some("xy67 Gh!8 ä"));
    }
    machine.walletfs(["unmount"]).arg(&dir).assert().success();
    wait_for("it is cleared", || display.paste().is_none());
    assert!(began.elapsed().as_secs() >= 4, "not before its time");
}

#[test]
fn what_somebody_else_has_copied_since_stays() {
    let machine = Machine::new();
    let display = Display::start();
    fs::write(machine.path("f"), "secret of copy").unwrap();
    // A number that no other test has, to find the process by.
    let seconds = 3000 + u64::from(std::process::id() % 500);
    copy(&machine, &display, "f", seconds).assert().success();
    assert_eq!(display.paste().as_deref(), Some("secret of copy"));
    let (pid, arguments) = holder(seconds).expect("it serves the clipboard");
    assert!(!arguments.contains("secret"), "{arguments}");
    // Hardened as a mount's process: its memory is locked, which forbidding dumps goes before.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let locked: u64 = locked
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(locked > 0, "{status}");
    display.take("something else");
    wait_for("it has ended", || !runs(pid));
    assert_eq!(display.paste().as_deref(), Some("something else"));
}

#[test]
fn a_second_copy_replaces_the_first_and_keeps_its_own_time() {
    let machine = Machine::new();
    let display = Display::start();
    fs::write(machine.path("a"), "first").unwrap();
    fs::write(machine.path("b"), "line 1\nline 2\r\n").unwrap();
    let seconds = 2000 + u64::from(std::process::id() % 500);
    copy(&machine, &display, "a", seconds).assert().success();
    let (first, _) = holder(seconds).expect("it serves the clipboard");
    copy(&machine, &display, "b", seconds + 500)
        .assert()
        .success();
    wait_for("the first has ended", || !runs(first));
    assert_eq!(display.paste().as_deref(), Some("line 1\nline 2"));
    display.take("x");
    wait_for("the second has ended", || holder(seconds + 500).is_none());
}

#[test]
fn without_a_display_or_a_fitting_file_it_says_so() {
    let machine = Machine::new();
    fs::write(machine.path("f"), "x").unwrap();
    fs::write(machine.path("empty"), "\n").unwrap();
    fs::write(machine.path("binary"), b"\xff\xfe").unwrap();
    fs::write(machine.path("large"), vec![b'x'; (64 << 10) + 1]).unwrap();
    for (file, display, told) in [
        ("f", "", "neither WAYLAND_DISPLAY nor DISPLAY is set"),
        ("f", ":4099", "does not answer"),
        ("empty", "", "the file is empty"),
        ("binary", "", "the file is not text"),
        ("large", "", "more than 64 KiB"),
        ("no such secret", "", "the file cannot be read"),
    ] {
        let mut command = machine.walletfs(["copy"]);
        command.env("DISPLAY", display).arg(machine.path(file));
        let assert = command.assert().code(1).stdout("");
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.contains(told), "{file}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    machine.walletfs(["copy"]).assert().code(2);
}
