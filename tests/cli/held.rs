//! Nothing that holds a mount holds off its lock: whoever is in it, reads, has written or waits when
//! the lock comes, the keys are wiped at once, the mount leaves the table, every handle fails, and
//! the process ends.

use crate::program::{Machine, Stuck, mounted_below, runs, signal, sleeps, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Whatever brings the lock about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trigger {
    Signal(&'static str),
    Unmount,
    Lock,
    Lifetime,
    /// By hand, and lazily: in use, it is not unmounted otherwise.
    Umount,
    Fusermount,
}

const TRIGGERS: [Trigger; 8] = [
    Trigger::Signal("TERM"),
    Trigger::Signal("INT"),
    Trigger::Signal("HUP"),
    Trigger::Unmount,
    Trigger::Lock,
    Trigger::Lifetime,
    Trigger::Umount,
    Trigger::Fusermount,
];

impl Trigger {
    fn options(self) -> &'static [&'static str] {
        match self {
            // Long enough for what holds the mount to be there.
            Trigger::Lifetime => &["--lifetime", "4", "--cache-ttl", "0"],
            _ => &["--lifetime", "0", "--cache-ttl", "0"],
        }
    }

    fn pull(self, machine: &Machine, dir: &Path, pid: u32) {
        let by_hand = |program: &str, option: &str| {
            let mut command = assert_cmd::Command::new(program);
            command.arg(option).arg(dir).assert().success();
        };
        match self {
            Trigger::Signal(name) => signal(pid, name),
            Trigger::Unmount => {
                let mut command = machine.walletfs(["unmount"]);
                command.arg(dir).assert().success().stdout("").stderr("");
                assert!(!runs(pid), "the process has left when the command returns");
            }
            Trigger::Lock => {
                machine.walletfs(["lock"]).assert().success();
                assert!(!runs(pid), "the process has left when the command returns");
            }
            Trigger::Lifetime => {}
            Trigger::Umount => by_hand("umount", "-l"),
            Trigger::Fusermount => by_hand("fusermount3", "-uz"),
        }
    }
}

fn mount(machine: &Machine, trigger: Trigger) -> (PathBuf, u32) {
    let dir = machine.path("w");
    let mut command = machine.with_passwords(["mount", "--timeout", "0"]);
    command.args(trigger.options()).arg(&dir).assert().success();
    let pid = machine.pid(&dir);
    (dir, pid)
}

/// A wallet with a secret `d/a` in it.
fn machine() -> Machine {
    let machine = Machine::with_quick_wallet();
    let (dir, _) = mount(&machine, Trigger::Unmount);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "secret").unwrap();
    machine.walletfs(["lock"]).assert().success();
    machine
}

/// The milliseconds from each trigger to the wiped keys, as the log has them.
fn wiped_after(machine: &Machine) -> Vec<u64> {
    let log = machine.log();
    let lines = log
        .lines()
        .filter_map(|line| line.split_once("are wiped, ")?.1.strip_suffix(" ms after"));
    lines.map(|ms| ms.parse().unwrap()).collect()
}

/// A shell whose directory is in the mount.
fn shell(dir: &Path) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", "echo in; read line"])
        .current_dir(dir.join("d/a"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    child
}

/// Reads through an open handle until told to stop, and says whether a read ever succeeded after
/// one had failed, and whether the last one did.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(bool, bool)>,
}

impl Reader {
    fn new(dir: &Path) -> Reader {
        use std::os::unix::fs::FileExt;
        let file = fs::File::open(dir.join("d/a/pwd")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || {
                let (mut failed, mut again) = (false, false);
                loop {
                    let last = stop.load(Ordering::SeqCst);
                    let read = file.read_at(&mut [0; 9], 0).is_ok();
                    again |= failed && read;
                    failed |= !read;
                    if last {
                        return (again, read);
                    }
                }
            }
        });
        Reader { stop, thread }
    }

    /// The process behind the mount has ended.
    fn end(self, what: &str) {
        self.stop.store(true, Ordering::SeqCst);
        let (again, last) = self.thread.join().unwrap();
        assert!(!again, "{what}: a read succeeded after one had failed");
        assert!(!last, "{what}: a read succeeded after the lock");
    }
}

/// Everything is gone, and soon. The bounds are generous to a busy machine; the exact figures are
/// the log's.
fn gone(dir: &Path, pid: u32, since: Instant, what: &str) {
    wait_for("the mount is gone", || mounted_below(dir).is_empty());
    wait_for("the process has ended", || !runs(pid));
    println!("{what}: gone after {} ms", since.elapsed().as_millis());
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{what}");
}

/// Of some tries, the best: a pause of a busy machine is in one of them, a fault of the program's is
/// in all.
fn at_once(machine: &Machine, mut tries: impl FnMut()) {
    for _ in 0..3 {
        let before = wiped_after(machine).len();
        tries();
        let after = wiped_after(machine);
        let new = &after[before..];
        assert!(!new.is_empty(), "{}", machine.log());
        if new.iter().all(|ms| *ms <= 50) {
            return;
        }
    }
    panic!(
        "keys are not wiped within 50 ms: {:?}",
        wiped_after(machine)
    );
}

#[test]
fn whoever_is_in_it_or_has_a_file_open() {
    let machine = machine();
    for trigger in TRIGGERS {
        at_once(&machine, || {
            let (dir, pid) = mount(&machine, trigger);
            let mut shell = shell(&dir);
            let reader = Reader::new(&dir);
            let mut unsaved = fs::File::create(dir.join("d/a/new")).unwrap();
            unsaved.write_all(b"not closed yet").unwrap();
            let listing = fs::read_dir(dir.join("d/a")).unwrap();
            if trigger == Trigger::Lifetime {
                // Until it comes by itself.
                wait_for("the lifetime is over", || !runs(pid));
            }
            let since = Instant::now();
            trigger.pull(&machine, &dir, pid);
            gone(&dir, pid, since, &format!("held, {trigger:?}"));
            reader.end(&format!("{trigger:?}"));
            let error = unsaved.write(b"more").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOTCONN), "{trigger:?}");
            drop(listing);
            drop(shell.stdin.take());
            shell.wait().unwrap();
            // What could be stored is not lost.
            let (dir, _) = mount(&machine, Trigger::Unmount);
            assert_eq!(fs::read(dir.join("d/a/new")).unwrap(), b"not closed yet");
            fs::remove_file(dir.join("d/a/new")).unwrap();
            machine.walletfs(["lock"]).assert().success();
        });
    }
    println!("wiped after (ms): {:?}", wiped_after(&machine));
}

#[test]
fn whoever_waits_for_the_store() {
    let machine = machine();
    for trigger in TRIGGERS {
        at_once(&machine, || {
            let (dir, pid) = mount(&machine, trigger);
            let mut shell = shell(&dir);
            let reader = Reader::new(&dir);
            let stuck = Stuck::new(&machine);
            // A snapshot without a life: each needs the store to begin with.
            let waiting = [("cat", "d/a/pwd"), ("ls", "d/a"), ("stat", "d")].map(|(name, path)| {
                let mut command = Command::new(name);
                command.arg(dir.join(path));
                command.stdout(Stdio::null()).stderr(Stdio::null());
                (name, command.spawn().unwrap())
            });
            wait_for("they wait for the mount", || {
                waiting.iter().all(|(name, child)| sleeps(child.id(), name))
            });
            if trigger == Trigger::Lifetime {
                wait_for("the lifetime is over", || !runs(pid));
            }
            let since = Instant::now();
            trigger.pull(&machine, &dir, pid);
            gone(&dir, pid, since, &format!("waiting, {trigger:?}"));
            reader.end(&format!("{trigger:?}"));
            for (_, mut child) in waiting {
                assert!(!child.wait().unwrap().success(), "{trigger:?}");
            }
            drop(stuck);
            drop(shell.stdin.take());
            shell.wait().unwrap();
        });
    }
    println!("wiped after (ms): {:?}", wiped_after(&machine));
}
