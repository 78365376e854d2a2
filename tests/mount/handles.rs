//! Open files through the kernel: removed, replaced, renamed and locked while they are open.

use super::harness::*;

/// Proves semantics 5.5.
#[test]
fn an_unlinked_file_lives_in_its_handle() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    let script = "
f = os.open('f', os.O_RDWR)
os.unlink('f')
assert not os.path.exists('f')
there = os.fstat(f)
assert (there.st_nlink, there.st_size) == (0, 7)
os.pwrite(f, b'CON', 0)
assert os.pread(f, 100, 0) == b'CONtent'
os.ftruncate(f, 5); assert os.fstat(f).st_size == 5
os.fchmod(f, 0o400); os.utime(f, (7, 7)); os.fchown(f, os.geteuid(), os.getegid())
there = os.fstat(f)
assert (stat.S_IMODE(there.st_mode), there.st_mtime, there.st_nlink) == (0o400, 7, 0)
os.fchmod(f, 0o600)
again = os.open(f'/proc/self/fd/{f}', os.O_RDWR)
os.pwrite(again, b'!', 0); assert os.pread(f, 100, 0) == b'!ONte'
os.fsync(f); os.close(f); os.close(again)
print(os.listdir('.'))";
    let (said, commits) = mount.commits(|| mount.python(script));
    assert_eq!(
        (said.as_str(), commits),
        ("[]\n", 1),
        "only the removal is stored"
    );
    assert_eq!(mount.again().names("d/a"), [""; 0]);
}

/// What was never stored is never stored then.
#[test]
fn a_file_that_is_removed_before_its_close_needs_no_commit() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
f = open('tmp', 'w+'); os.unlink('tmp'); f.write('x' * 1000); f.seek(0)
assert f.read() == 'x' * 1000";
    let ((), commits) = mount.commits(|| drop(mount.python(script)));
    assert_eq!(commits, 0);
}

/// Proves semantics 5.6.
#[test]
fn a_replaced_file_lives_in_its_handle() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "old");
    mount.write("d/a/g", "new content");
    let script = "
f = open('f', 'r+b', 0)
os.rename('g', 'f')
assert f.read() == b'old' and get('f') == b'new content'
assert os.fstat(f.fileno()).st_nlink == 0 and os.fstat(f.fileno()).st_size == 3
assert f.seek(0, os.SEEK_END) == 3
f.write(b'!'); f.close()
assert get('f') == b'new content'";
    mount.python(script);
    assert_eq!(mount.again().read("d/a/f"), "new content");
}

/// A handle follows its file through renames of the file, of its secret and of its domain.
/// Proves semantics 5.7.
#[test]
fn a_handle_follows_its_file_through_renames() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
f = open('f', 'w+b', 0); f.write(b'one ')
os.rename('f', 'g'); f.write(b'two ')
os.rename('../a', '../b'); f.write(b'three ')
os.rename('../../d', '../../e'); f.write(b'four')
assert get('../../e/b/g') == b'one two three four'
f.close()";
    mount.python(script);
    let mount = mount.again();
    assert_eq!(mount.names(""), ["e"]);
    assert_eq!(mount.read("e/b/g"), "one two three four");
}

/// Unsaved content is seen by every handle, `stat` and later open of the mount at once.
/// Proves semantics 3.2.
#[test]
fn unsaved_content_is_seen_at_once() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
w = open('f', 'wb', 0)
for length in range(1, 4):
    w.write(b'x'); assert get('f') == b'x' * length and os.stat('f').st_size == length
r = open('f', 'rb', 0)
w.truncate(1); assert r.read() == b'x' and os.stat('f').st_size == 1
with open('f', 'wb', 0) as again: assert os.stat('f').st_size == 0 and r.read() == b''
w.seek(0); w.write(b'last')
r.seek(0); assert r.read() == b'last'";
    mount.python(script);
    assert_eq!(mount.again().read("d/a/f"), "last");
}

/// O_APPEND goes to the end whatever the offset; pwrite on such a handle too (pwrite(2), BUGS).
/// Proves semantics 3.4.
#[test]
fn appending_goes_to_the_end() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "0123");
    let script = "
a = os.open('f', os.O_RDWR | os.O_APPEND); b = os.open('f', os.O_WRONLY | os.O_APPEND)
os.write(a, b'a'); os.write(b, b'b'); os.lseek(a, 0, 0); os.write(a, b'c'); os.pwrite(b, b'd', 0)
assert os.lseek(a, 0, os.SEEK_END) == 8
os.close(a); os.close(b)";
    mount.python(script);
    assert_eq!(mount.again().read("d/a/f"), "0123abcd");
}

/// Writing behind the end leaves zeros; holes are not told apart.
/// Proves semantics 3.3, 10.13.
#[test]
fn sparse_files() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
f = os.open('f', os.O_RDWR | os.O_CREAT)
os.pwrite(f, b'end', 10_000); os.pwrite(f, b'begin', 0)
assert os.pread(f, 20_000, 0) == b'begin' + bytes(9_995) + b'end'
assert os.lseek(f, 0, os.SEEK_HOLE) == 10_003 and os.lseek(f, 7, os.SEEK_DATA) == 7
os.posix_fallocate(f, 0, 12_000); assert os.fstat(f).st_size == 12_000
os.close(f)";
    mount.python(script);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/f").len(), 12_000);
    assert!(
        mount
            .read("d/a/f")
            .ends_with(&("end".to_owned() + &"\0".repeat(1_997)))
    );
}

/// Locks are the kernel's own, of both kinds, between processes.
/// Proves semantics 9.1.
#[test]
fn locks() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let holder = "
f = open('f', 'r+'); fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX, 10)
print('locked'); input()";
    let attempt = "
f = open('f', 'r+')
print(name(lambda: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)),
      name(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)),
      name(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10)))";
    let mut process = Companion::python(holder, mount.path("d/a"));
    process.says();
    assert_eq!(mount.python(attempt), "EAGAIN EAGAIN ok\n");
    process.go_on();
    process.end();
    assert_eq!(mount.python(attempt), "ok ok ok\n");
    assert_eq!(mount.sh("flock f echo got it"), "got it\n");
}

/// Exclusive creation, which lock files rest on: one of a hundred processes wins, each time.
/// Proves semantics 5.10.
#[test]
fn one_of_a_hundred_creates_a_file() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
ready, go = os.pipe(), os.pipe()
for number in range(100):
    if os.fork() == 0:
        os.close(go[1]); os.write(ready[1], b'x'); os.read(go[0], 1)
        won = []
        for lock in ['one', 'two', '.lock~']:
            try: f = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError: continue
            os.write(f, b'%d' % number); os.close(f); won.append(lock)
        for lock in won: print(lock, number, flush=True)
        os._exit(0)
while os.read(ready[0], 1) and (number := number - 1) >= 0: pass
os.close(go[1])
for _ in range(100): assert os.wait()[1] == 0";
    let said = mount.python(script);
    let mut winners: Vec<(&str, &str)> = said
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    winners.sort();
    let locks: Vec<&str> = winners.iter().map(|(lock, _)| *lock).collect();
    assert_eq!(locks, [".lock~", "one", "two"], "{said}");
    for (lock, number) in winners {
        assert_eq!(mount.read(&format!("d/a/{lock}")), number);
    }
    assert_eq!(mount.again().names("d/a"), ["one", "two"]);
}

/// A file that is too large is refused while it is written, and what was there before stays.
/// Proves semantics 3.6, 10.7.
#[test]
fn a_file_that_is_too_large_leaves_the_old_one() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let large = wallet.path().join("large");
    std::fs::write(&large, vec![b'x'; 1_000_000]).unwrap();
    mount.write("d/a/f", "old");
    let script = format!(
        "! cp {0} f 2>/dev/null && ! cat {0} > g 2>/dev/null",
        large.display()
    );
    let ((), commits) = mount.commits(|| drop(mount.sh(&script)));
    assert_eq!(commits, 0);
    assert_eq!(mount.read("d/a/f"), "old");
    assert_eq!(mount.names("d/a"), ["f"]);
    let script = "
f = open('f', 'r+b', 0)
print(name(lambda: f.write(b'x' * 500_000)), name(lambda: f.truncate(1 << 40)),
      name(lambda: os.truncate('f', 1 << 40)), name(lambda: os.pwrite(f.fileno(), b'x', 1 << 60)))";
    // A write of much is taken up to where it no longer fits, and says so (write(2)).
    assert_eq!(mount.python(script), "ok EFBIG EFBIG EFBIG\n");
    mount.write("d/a/f", vec![b'y'; 350_000]);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/f"), "y".repeat(350_000));
}
