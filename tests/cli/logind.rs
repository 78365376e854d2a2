//! What logind says over D-Bus: a mock of it (python-dbusmock) on a bus of the test's own.

use crate::program::{MEMORABLE, Machine, Stuck, mounted_below, runs, say, wait_for};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The system's own: it has the packages of the distribution.
const PYTHON: &str = "/usr/bin/python3";

/// Reads a line of Python, runs it, and answers with a line.
const CONTROL: &str = r#"
import dbus, os, sys
bus = dbus.SystemBus()
MANAGER = 'org.freedesktop.login1.Manager'
SESSION = 'org.freedesktop.login1.Session'
USER = 'org.freedesktop.login1.User'
MOCK = 'org.freedesktop.DBus.Mock'
ROOT = '/org/freedesktop/login1'
def at(path, interface=MOCK):
    return dbus.Interface(bus.get_object('org.freedesktop.login1', path), interface)
def emit(name, signature, *args):
    at(ROOT).EmitSignal(MANAGER, name, signature, args)
def inhibitors():
    return [tuple(map(str, i[:4])) for i in at(ROOT, MANAGER).ListInhibitors()]
def session(id, uid=0):
    at(ROOT).AddSession(id, 'seat0', dbus.UInt32(uid), 'me', True)
    return ROOT + '/session/' + id
def name_of(pid):
    daemon = bus.get_object('org.freedesktop.DBus', '/org/freedesktop/DBus')
    for name in daemon.ListNames():
        if name.startswith(':') and daemon.GetConnectionUnixProcessID(name) == pid:
            return name
def forge(pid, path, interface, member):
    signal = dbus.lowlevel.SignalMessage(path, interface, member)
    signal.set_destination(name_of(pid))
    bus.send_message(signal)
    bus.flush()
import dbus.lowlevel
for line in sys.stdin:
    try:
        print('=', eval(line), flush=True)
    except Exception as e:
        print('!', repr(e), flush=True)
"#;

/// A bus, the mock of logind on it, and a program that tells the mock what to do.
struct Logind {
    address: String,
    daemon: Child,
    mock: Child,
    control: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Logind {
    fn new(machine: &Machine) -> Logind {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nosyslog", "--print-address=1"])
            .arg(format!(
                "--address=unix:path={}",
                machine.path("bus").display()
            ))
            .stdout(Stdio::piped())
            // It may not raise its limit of open files, and says so.
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (scripts/test does that)");
        let mut address = String::new();
        let mut said = BufReader::new(daemon.stdout.as_mut().unwrap());
        said.read_line(&mut address).unwrap();
        let address = address.trim_end().to_owned();
        let python = || {
            let mut command = Command::new(PYTHON);
            command.env("DBUS_SYSTEM_BUS_ADDRESS", &address);
            command
        };
        let mock = python()
            .args(["-m", "dbusmock", "--template", "logind"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut control = python()
            .args(["-c", CONTROL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut logind = Logind {
            tell: control.stdin.take().unwrap(),
            hear: BufReader::new(control.stdout.take().unwrap()),
            address,
            daemon,
            mock,
            control,
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while logind.ask("inhibitors()").is_err() {
            assert!(std::time::Instant::now() < end, "the mock does not answer");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        logind
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        writeln!(self.tell, "{line}").unwrap();
        let mut answer = String::new();
        self.hear.read_line(&mut answer).unwrap();
        match answer.trim_end().split_once(' ') {
            Some(("=", answer)) => Ok(answer.to_owned()),
            _ => Err(answer),
        }
    }

    #[track_caller]
    fn say(&mut self, line: &str) -> String {
        self.ask(line)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Mounts on `w`, as of the login session `c1` unless `session` says otherwise, and waits until
    /// logind is heard.
    fn mount(&mut self, machine: &Machine, session: Option<&str>) -> (PathBuf, u32) {
        let dir = machine.path("w");
        let mut command = machine.walletfs(["mount", "--timeout", "0", "--lifetime", "0"]);
        command
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        if let Some(session) = session {
            command.env("XDG_SESSION_ID", session);
        }
        command.arg(&dir).assert().success();
        let pid = machine.pid(&dir);
        self.until("inhibitors()", |said| said.contains("walletfs"));
        (dir, pid)
    }

    #[track_caller]
    fn until(&mut self, line: &str, holds: impl Fn(&str) -> bool) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(15);
        loop {
            let said = self.say(line);
            if holds(&said) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{line}: {said}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        for child in [&mut self.control, &mut self.mock, &mut self.daemon] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn locked(machine: &Machine, dir: &std::path::Path, pid: u32, reason: &str) {
    wait_for("it locks", || !runs(pid));
    assert_eq!(mounted_below(dir), [""; 0]);
    let log = machine.log();
    let line = format!("locking: {reason}");
    assert_eq!(log.matches(&line).count(), 1, "{reason}: {log}");
}

#[test]
fn a_suspend_waits_for_the_lock() {
    let machine = Machine::with_quick_wallet();
    let mut logind = Logind::new(&machine);
    let (dir, pid) = logind.mount(&machine, Some("c1"));
    let told = "[('sleep', 'walletfs', 'locks the wallet', 'delay')]";
    assert_eq!(logind.say("inhibitors()"), told);
    let status = machine.status(&dir)["not_enforced"].to_string();
    assert!(
        !status.contains("suspend") && !status.contains("session"),
        "{status}"
    );
    // The machine wakes up: nothing to do.
    logind.say("emit('PrepareForSleep', 'b', False)");
    let held = fs::File::open(dir.join(".walletfs/status")).unwrap();
    logind.say("emit('PrepareForSleep', 'b', True)");
    logind.until("inhibitors()", |said| said == "[]");
    // Held off until everything was gone.
    assert_eq!(mounted_below(&dir), [""; 0]);
    locked(&machine, &dir, pid, "the machine is about to sleep");
    drop(held);
}

#[test]
fn a_suspend_is_not_held_off_by_a_store_that_does_not_answer() {
    let machine = Machine::with_quick_wallet();
    let mut logind = Logind::new(&machine);
    let (dir, pid) = logind.mount(&machine, Some("c1"));
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"x").unwrap();
    let stuck = Stuck::new(&machine);
    let began = std::time::Instant::now();
    logind.say("emit('PrepareForSleep', 'b', True)");
    logind.until("inhibitors()", |said| said == "[]");
    let took = began.elapsed();
    println!("the suspend waited for {} ms", took.as_millis());
    // A call of the store takes ten seconds to give up.
    assert!(took.as_secs() < 5, "{took:?}");
    locked(&machine, &dir, pid, "the machine is about to sleep");
    assert!(machine.log().contains("unsaved content of 1 files is lost"));
    drop((stuck, held));
}

#[test]
fn the_screen_and_the_end_of_the_session_lock_but_nobody_elses() {
    let machine = Machine::with_quick_wallet();
    let mut logind = Logind::new(&machine);
    logind.say("session('c1')");
    logind.say("session('c2')");
    let (c1, c2) = ("ROOT + '/session/c1'", "ROOT + '/session/c2'");
    let ends = [
        ("at(PATH, SESSION).Lock()", "the screen is locked"),
        (
            "at(PATH, SESSION).SetLockedHint(True)",
            "the screen is locked",
        ),
        (
            "emit('SessionRemoved', 'so', PATH[-2:], PATH)",
            "logged out",
        ),
    ];
    let mut reasons = Vec::new();
    for (call, reason) in ends {
        let (dir, pid) = logind.mount(&machine, Some("c1"));
        logind.say(&call.replace("PATH", &format!("({c2})")));
        // Anybody can send a signal by name.
        logind.say(&format!("forge({pid}, {c1}, SESSION, 'Lock')"));
        logind.say(&format!("at({c1}, SESSION).SetLockedHint(False)"));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(runs(pid), "{}", machine.log());
        logind.say(&call.replace("PATH", &format!("({c1})")));
        wait_for("it locks", || !runs(pid));
        assert_eq!(mounted_below(&dir), [""; 0]);
        reasons.push(reason);
        let log = machine.log();
        let logged: Vec<_> = log
            .lines()
            .filter_map(|l| l.split_once("locking: "))
            .collect();
        let logged: Vec<_> = logged.into_iter().map(|(_, reason)| reason).collect();
        assert_eq!(logged, reasons);
    }
}

#[test]
fn the_session_is_found_by_process_by_environment_or_by_screen() {
    let machine = Machine::with_quick_wallet();
    let mut logind = Logind::new(&machine);
    // Of none.
    logind.say("session('c9', os.getuid())");
    let (dir, _) = logind.mount(&machine, None);
    wait_for("the status says so", || {
        let status = machine.status(&dir)["not_enforced"].to_string();
        status.contains("this process is of no login session")
    });
    machine.walletfs(["lock"]).assert().success();
    // Of the one that the user's screen shows. (The mock's own GetUser adds a number to a text.)
    logind.say(
        "at(ROOT).AddMethod(MANAGER, 'GetUser', 'u', 'o', \
         'ret = \"/org/freedesktop/login1/user/%d\" % args[0]')",
    );
    logind.say(
        "at(ROOT + '/user/%d' % os.getuid(), 'org.freedesktop.DBus.Properties').Set(USER, 'Display', \
         dbus.Struct(('c9', dbus.ObjectPath(ROOT + '/session/c9')), signature='so'))",
    );
    let (_, pid) = logind.mount(&machine, None);
    logind.say("at(ROOT + '/session/c9', SESSION).Lock()");
    wait_for("it locks", || !runs(pid));
    // Its own goes first.
    logind.say("session('c3')");
    logind.say(
        "at(ROOT).AddMethod(MANAGER, 'GetSessionByPID', 'u', 'o', \
         'ret = \"/org/freedesktop/login1/session/c3\"')",
    );
    let (_, pid) = logind.mount(&machine, Some("c9"));
    logind.say("at(ROOT + '/session/c3', SESSION).Lock()");
    wait_for("it locks", || !runs(pid));
}

#[test]
fn content_that_cannot_be_stored_holds_off_a_locked_screen_until_it_can() {
    let machine = Machine::with_quick_wallet();
    let mut logind = Logind::new(&machine);
    logind.say("session('c1')");
    let (dir, pid) = logind.mount(&machine, Some("c1"));
    fs::create_dir_all(dir.join("d/a")).unwrap();
    let mut held = fs::File::create(dir.join("d/a/pwd")).unwrap();
    held.write_all(b"kept").unwrap();
    let store = machine.path("c/data/default.sqlite");
    fs::rename(&store, machine.path("away")).unwrap();
    logind.say("at(ROOT + '/session/c1', SESSION).Lock()");
    wait_for("it was tried", || machine.status(&dir)["failed"] == 1);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(runs(pid), "{}", machine.log());
    fs::rename(machine.path("away"), &store).unwrap();
    locked(&machine, &dir, pid, "the screen is locked");
    drop(held);
    let dir = machine.mount(&[]);
    assert_eq!(fs::read(dir.join("d/a/pwd")).unwrap(), b"kept");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn without_a_bus_or_when_it_goes_the_status_says_so_and_nothing_fails() {
    let machine = Machine::with_quick_wallet();
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount"]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/bus");
    command.arg(&dir).assert().success().stderr("");
    let told = "suspend, screen lock and logout do not lock the wallet (";
    let status = || machine.status(&dir)["not_enforced"].to_string();
    wait_for("the status says so", || status().contains(told));
    assert_eq!(status().matches(told).count(), 1);
    machine.walletfs(["lock"]).assert().success();

    let mut logind = Logind::new(&machine);
    let (_, pid) = logind.mount(&machine, Some("c1"));
    assert!(!status().contains(told));
    drop(logind);
    wait_for("the status says so", || {
        status().contains("the connection to D-Bus has ended")
    });
    assert!(runs(pid));
    machine.walletfs(["lock"]).assert().success();
}
