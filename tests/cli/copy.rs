//! `copy`: the clipboard of displays of our own, without a screen (Xvfb, sway), as another program
//! sees it (xclip, wl-clipboard).

use crate::program::{Machine, runs, wait_for};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A display without a screen, for one test.
struct Display {
    server: Child,
    /// The variable that names it, and the name.
    name: (&'static str, String),
    /// What prints the clipboard, and what takes it over.
    pastes: &'static [&'static str],
    takes: &'static [&'static str],
    /// Where its socket is.
    _runtime: Option<TempDir>,
}

impl Display {
    fn x11() -> Display {
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
        Display {
            server,
            name: ("DISPLAY", name),
            pastes: &["xclip", "-o", "-selection", "clipboard"],
            takes: &["xclip", "-i", "-selection", "clipboard"],
            _runtime: None,
        }
    }

    /// A compositor of wlroots'. It refuses to run as root, so then it runs as the user `nobody`.
    fn wayland() -> Display {
        let runtime = tempfile::tempdir().unwrap();
        let own = runtime.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o700)).unwrap();
        let mut command = Command::new("sway");
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            fs::set_permissions(runtime.path(), Permissions::from_mode(0o711)).unwrap();
            let chown = Command::new("chown").arg("nobody").arg(&own).status();
            assert!(chown.unwrap().success());
            command = Command::new("setpriv");
            command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
            command.arg("sway");
        }
        let server = command
            .args(["--config", "/dev/null"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &own)
            .env("XDG_RUNTIME_DIR", &own)
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/packages sway");
        let socket = || -> Option<PathBuf> {
            let mut entries = fs::read_dir(&own).unwrap().map(Result::unwrap);
            let found = entries.find(|entry| {
                let name = entry.file_name().into_string().unwrap();
                name.starts_with("wayland-") && entry.file_type().unwrap().is_socket()
            });
            Some(found?.path())
        };
        wait_for("the compositor has a socket", || socket().is_some());
        let name = socket().unwrap().to_str().unwrap().to_owned();
        Display {
            server,
            name: ("WAYLAND_DISPLAY", name),
            pastes: &["wl-paste", "--no-newline"],
            takes: &["wl-copy"],
            _runtime: Some(runtime),
        }
    }

    /// What another program pastes; `None`: there is nothing. xclip waits for ever for an owner that
    /// ended when it had been asked.
    fn paste(&self) -> Option<String> {
        let (variable, name) = &self.name;
        let pasted = Command::new("timeout")
            .arg("10")
            .args(self.pastes)
            .env(variable, name)
            .output()
            .expect("scripts/packages xclip wl-clipboard");
        let text = String::from_utf8(pasted.stdout).unwrap();
        pasted.status.success().then_some(text)
    }

    /// Another program copies.
    fn take(&self, text: &str) {
        let (variable, name) = &self.name;
        let mut other = Command::new(self.takes[0])
            .args(&self.takes[1..])
            .env(variable, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
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
    let (variable, name) = &display.name;
    command.env(variable, name).arg(machine.path(file));
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

/// A number of seconds that no other test has, to find the process by.
fn unique(base: u64) -> u64 {
    base + u64::from(std::process::id() % 400)
}

#[test]
fn a_secret_is_on_the_clipboard_and_cleared() {
    copied_and_cleared(&Display::x11());
}

#[test]
fn a_secret_is_on_the_clipboard_of_wayland_and_cleared() {
    copied_and_cleared(&Display::wayland());
}

fn copied_and_cleared(display: &Display) {
    let machine = Machine::with_quick_wallet();
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("bank/savings")).unwrap();
    fs::write(dir.join("bank/savings/pwd"), "xy67 Gh!8 ä\n").unwrap();
    let mut command = copy(&machine, display, "w/bank/savings/pwd", 4);
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
    taken_over(&Display::x11(), unique(3000));
}

#[test]
fn what_somebody_else_has_copied_since_stays_on_wayland() {
    taken_over(&Display::wayland(), unique(500));
}

fn taken_over(display: &Display, seconds: u64) {
    let machine = Machine::new();
    fs::write(machine.path("f"), "secret of copy").unwrap();
    copy(&machine, display, "f", seconds).assert().success();
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
    replaced(&Display::x11(), unique(2000));
}

#[test]
fn a_second_copy_replaces_the_first_on_wayland() {
    replaced(&Display::wayland(), unique(1000));
}

fn replaced(display: &Display, seconds: u64) {
    let machine = Machine::new();
    fs::write(machine.path("a"), "first").unwrap();
    fs::write(machine.path("b"), "line 1\nline 2\r\n").unwrap();
    copy(&machine, display, "a", seconds).assert().success();
    let (first, _) = holder(seconds).expect("it serves the clipboard");
    copy(&machine, display, "b", seconds + 400)
        .assert()
        .success();
    wait_for("the first has ended", || !runs(first));
    assert_eq!(display.paste().as_deref(), Some("line 1\nline 2"));
    display.take("x");
    wait_for("the second has ended", || holder(seconds + 400).is_none());
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
