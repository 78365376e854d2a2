//! Many at once: whatever the order, nothing is lost, torn or shown twice.

use super::harness::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread;

/// Writers that open, append and close at the same time: at the moment of a release the file is
/// opened again and again.
/// Proves semantics 3.4.
#[test]
fn many_append_to_one_file() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let f = mount.path("d/a/f");
    thread::scope(|scope| {
        for writer in 0..8 {
            let f = &f;
            scope.spawn(move || {
                for i in 0..40 {
                    let mut file = OpenOptions::new();
                    let mut file = file.append(true).create(true).open(f).unwrap();
                    file.write_all(format!("{writer}-{i}\n").as_bytes())
                        .unwrap();
                    file.sync_all().unwrap();
                }
            });
            // And readers that do nothing but open and close.
            scope.spawn(move || {
                for _ in 0..200 {
                    let _ = fs::read(f);
                }
            });
        }
    });
    mount.settled();
    assert_eq!(mount.names("d/a"), ["f"], "no conflict with oneself");
    let mount = mount.again();
    let content = mount.read("d/a/f");
    let mut lines: Vec<&str> = content.lines().collect();
    assert_eq!(lines.len(), 320);
    for writer in 0..8 {
        let own = lines
            .iter()
            .filter(|line| line.starts_with(&format!("{writer}-")));
        let expected: Vec<String> = (0..40).map(|i| format!("{writer}-{i}")).collect();
        assert!(own.eq(&expected), "each writer's lines are in their order");
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 320);
}

/// Eight processes that append, each through a handle of its own that stays open, and through copies
/// of it (`dup`) that its child has too: no line is lost, and none is torn.
/// Proves semantics 3.4.
#[test]
fn eight_processes_append() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
import itertools
for writer in range(8):
    if os.fork() == 0:
        f = os.open('f', os.O_WRONLY | os.O_CREAT | os.O_APPEND); copy = os.dup(f)
        child = os.fork()
        for i in range(60):
            os.write([f, copy][i % 2], f'{writer}-{int(child == 0)}-{i}\\n'.encode())
        os.close(copy)
        if child == 0: os._exit(0)
        assert os.waitpid(child, 0)[1] == 0; os.close(f); os._exit(0)
for _ in range(8): assert os.wait()[1] == 0
wanted = [f'{w}-{c}-{i}' for w, c, i in itertools.product(range(8), range(2), range(60))]
lines = get('f').decode().splitlines()
assert sorted(lines) == sorted(wanted), len(lines)
for w, c in itertools.product(range(8), range(2)):
    own = [line for line in lines if line.startswith(f'{w}-{c}-')]
    assert own == [f'{w}-{c}-{i}' for i in range(60)]";
    mount.python(script);
    assert_eq!(mount.names("d/a"), ["f"]);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/f").lines().count(), 960);
}

/// A save by rename is atomic: a reader finds the old content or the new one, whole, at any time.
/// Proves semantics 5.1.
#[test]
fn readers_of_a_file_that_is_replaced_find_it_whole() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let (f, tmp) = (mount.path("d/a/f"), mount.path("d/a/tmp"));
    fs::write(&f, [0; 5000]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let content = fs::read(&f).unwrap();
                    let round = content[0];
                    assert!(content == vec![round; 5000 + usize::from(round)]);
                    assert!(round >= last, "never an older one");
                    last = round;
                }
            });
        }
        for round in 1..60u8 {
            fs::write(&tmp, vec![round; 5000 + usize::from(round)]).unwrap();
            fs::rename(&tmp, &f).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert_eq!(mount.again().names("d/a"), ["f"]);
}

/// Names that come, move and go by several threads: in the end the mount shows what is stored, and
/// no content is lost.
#[test]
fn many_make_rename_and_remove() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    thread::scope(|scope| {
        for worker in 0..4 {
            let mount = &mount;
            scope.spawn(move || {
                for i in 0..15 {
                    let own = mount.path(&format!("d/{worker}-{i}"));
                    fs::create_dir(&own).unwrap();
                    fs::write(own.join("f"), format!("{worker}-{i}")).unwrap();
                    fs::rename(own.join("f"), mount.path(&format!("d/a/{worker}-{i}"))).unwrap();
                    match i % 3 {
                        0 => fs::remove_dir(&own).unwrap(),
                        1 => {
                            fs::rename(&own, mount.path(&format!("d/moved {worker}-{i}"))).unwrap()
                        }
                        _ => {}
                    }
                }
            });
        }
    });
    let shown = (mount.names("d"), mount.names("d/a"));
    assert_eq!((shown.0.len(), shown.1.len()), (41, 60));
    let mount = mount.again();
    assert_eq!((mount.names("d"), mount.names("d/a")), shown);
    for name in &shown.1 {
        assert_eq!(mount.read(&format!("d/a/{name}")), *name);
    }
}

/// Programs that are executed by a process while it writes: each closes its copy of the file just
/// before it runs, with a lock held that other files of its directory in `/proc` wait for, and the
/// close waits for the mount.
#[test]
fn executing_programs_while_writing() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
import subprocess, threading
f = os.open('f', os.O_RDWR | os.O_CREAT)
def execute():
    for _ in range(100): subprocess.run(['true'], close_fds=False, check=True)
threads = [threading.Thread(target=execute) for _ in range(3)]
for thread in threads: thread.start()
number = 0
while any(thread.is_alive() for thread in threads):
    os.pwrite(f, b'%d' % number, 0); number += 1
os.close(f); print(number)";
    let last: u64 = mount.python(script).trim().parse().unwrap();
    assert_eq!(mount.again().read("d/a/f"), (last - 1).to_string());
}
