//! The rules that POSIX has for each call, as far as the layout allows them. Each test takes the calls
//! of one kind; what differs on purpose is section 10 of walletfs-semantics(7), and proved here too.
//!
//! The list of rules is that of pjdfstest. Its version 0.2.2 (`pjdfstest -p MOUNT`, so that each of its
//! cases works in a secret) was compared by hand. Every case that fails on a mount does so for one of
//! these reasons: it makes a link, a FIFO, a socket, a device, or a directory or file at another level
//! than the layout's (10.1, 10.2); it looks for bits of group and other (10.3), for an access or change
//! time (10.4), or for the time of a directory (10.5); it makes a file of gigabytes (10.7); it comes as
//! another user (10.14).

use super::harness::*;

/// open(2): what each flag demands and refuses.
#[test]
fn open_flags() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    let script = "
def op(path, flags, mode=0o600): os.close(os.open(path, flags, mode))
def errors(**calls): print(' '.join(f'{what}={name(call)}' for what, call in calls.items()))
errors(excl=lambda: op('f', os.O_CREAT | os.O_EXCL), absent=lambda: op('x', os.O_RDWR),
       directory=lambda: op('f', os.O_DIRECTORY), write_dir=lambda: op('.', os.O_RDWR),
       create_dir=lambda: op('.', os.O_CREAT), nofollow=lambda: op('f', os.O_NOFOLLOW),
       slash=lambda: op('f/', os.O_RDONLY), below=lambda: op('f/g', os.O_CREAT | os.O_RDWR),
       nowhere=lambda: op('../x/g', os.O_CREAT | os.O_RDWR),
       new_slash=lambda: op('x/', os.O_CREAT | os.O_RDWR))
r, w = os.open('f', os.O_RDONLY), os.open('f', os.O_WRONLY)
errors(write=lambda: os.write(r, b'x'), read=lambda: os.read(w, 1), cut=lambda: os.ftruncate(r, 0),
       sync=lambda: os.fsync(r), data=lambda: os.fdatasync(w), seek=lambda: os.lseek(r, -1, 0))
os.close(r); os.close(w)
# O_CREAT of what is there changes neither its content nor its mode; O_TRUNC only its content.
os.chmod('f', 0o700); op('f', os.O_CREAT | os.O_RDWR, 0o400)
print(get('f'), oct(os.stat('f').st_mode)); op('f', os.O_TRUNC | os.O_WRONLY)
print(get('f'), oct(os.stat('f').st_mode)); put('f', b'content'); op('f', os.O_TRUNC | os.O_RDONLY)
print(get('f'))
# An append that begins anew; flags that ask for more than there is to do.
for more in [os.O_APPEND | os.O_TRUNC, os.O_SYNC, os.O_DSYNC, os.O_NONBLOCK, os.O_NOATIME]:
    f = os.open('f', os.O_RDWR | os.O_CREAT | more); os.write(f, b'abc'); assert os.pread(f, 9, 0) == b'abc'
    os.close(f)
# An O_PATH handle is a name, no access.
f = os.open('f', os.O_PATH); assert os.fstat(f).st_size == 3; errors(path=lambda: os.read(f, 1))";
    let expected = "\
excl=EEXIST absent=ENOENT directory=ENOTDIR write_dir=EISDIR create_dir=EISDIR nofollow=ok \
slash=ENOTDIR below=ENOTDIR nowhere=ENOENT new_slash=EISDIR
write=EBADF read=EBADF cut=EINVAL sync=ok data=ok seek=EINVAL
b'content' 0o100700\nb'' 0o100700\nb''\npath=EBADF\n";
    assert_eq!(mount.python(script), expected);
    assert_eq!(mount.again().read("d/a/f"), "abc");
}

/// What a mode allows the owner; root is allowed everything.
#[test]
fn access_by_mode() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    let script = "
for mode in [0o600, 0o400, 0o200, 0]:
    os.chmod('f', mode)
    print(name(lambda: os.close(os.open('f', os.O_RDONLY))), name(lambda: os.close(os.open('f', os.O_WRONLY))),
          name(lambda: os.truncate('f', 7)), os.access('f', os.R_OK), os.access('f', os.W_OK))
# Removing and renaming are the directory's matter.
os.rename('f', 'g'); os.unlink('g')
# A file that is made read-only can be written by who made it.
f = os.open('f', os.O_CREAT | os.O_RDWR, 0o400); os.write(f, b'x'); os.close(f)
assert get('f') == b'x'";
    let said = mount.python(script);
    let expected = if root() {
        "ok ok ok True True\n".repeat(4)
    } else {
        "\
ok ok ok True True\nok EACCES EACCES True False\nEACCES ok ok False True\n\
EACCES EACCES EACCES False False\n"
            .to_owned()
    };
    assert_eq!(said, expected);
}

/// truncate(2), ftruncate(2): what is cut off is gone, what grows is zeros, the time is now.
/// Proves semantics 3.5.
#[test]
fn truncation() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "0123456789");
    let script = "
os.utime('f', (5, 5)); os.truncate('f', 4)
assert get('f') == b'0123' and os.stat('f').st_mtime > 5
os.truncate('f', 8); assert get('f') == b'0123' + bytes(4)
f = os.open('f', os.O_RDWR)
os.write(f, b'abcdefgh'); os.ftruncate(f, 3); os.ftruncate(f, 6); assert os.pread(f, 9, 0) == b'abc' + bytes(3)
os.ftruncate(f, 2); os.pwrite(f, b'z', 4); assert os.pread(f, 9, 0) == b'ab\\0\\0z'
# The offset stays where it is.
os.ftruncate(f, 0); assert os.lseek(f, 0, os.SEEK_CUR) == 8; os.write(f, b'!')
assert get('f') == bytes(8) + b'!'; os.close(f)
print(name(lambda: os.truncate('f', -1)), name(lambda: os.truncate('x', 1)), name(lambda: os.truncate('.', 1)),
      name(lambda: os.truncate('f/x', 1)), name(lambda: os.truncate('f', 1 << 62)))
# As long as it is already: the time is now all the same.
os.utime('f', (5, 5)); os.truncate('f', 9); assert os.stat('f').st_mtime > 5";
    let said = mount.python(script);
    assert_eq!(said, "EINVAL ENOENT EISDIR ENOTDIR EFBIG\n");
    assert_eq!(mount.again().read("d/a/f"), "\0\0\0\0\0\0\0\0!");
}

/// utimensat(2): UTIME_NOW and UTIME_OMIT, each time by itself, and what is no time. There is no
/// access time and no change time: both show as the modification time, which only a write moves.
/// Proves semantics 7.2, 10.4.
#[test]
fn times_of_files() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    let script = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2
def utimens(path, atime, mtime):
    times = (ctypes.c_long * 4)(*atime, *mtime)
    if libc.utimensat(-100, path.encode(), times, 0x100): return errno.errorcode[ctypes.get_errno()]
    there = os.stat(path)
    assert there.st_atime_ns == there.st_mtime_ns == there.st_ctime_ns
    return there.st_mtime_ns
print(utimens('f', (1, 1), (7, 8)), utimens('f', (9, 9), (0, OMIT)), utimens('f', (0, OMIT), (0, OMIT)))
before = time.time_ns()
assert before - 10**9 < utimens('f', (0, OMIT), (0, NOW)) <= time.time_ns()
print(utimens('f', (0, OMIT), (7, 8)), utimens('f', (0, 0), (0, 10**9)), utimens('f', (0, -1), (0, 0)),
      utimens('x', (0, 0), (0, 0)), utimens('f/x', (0, 0), (0, 0)))
def moves(call): os.utime('f', (5, 5)); call(); return os.stat('f').st_mtime != 5
f = os.open('f', os.O_RDWR)
print(moves(lambda: get('f')), moves(lambda: os.chmod('f', 0o700)), moves(lambda: os.rename('f', 'f')),
      moves(lambda: (os.rename('f', 'g'), os.rename('g', 'f'))), moves(lambda: os.write(f, b'x')),
      moves(lambda: os.write(f, b'')), moves(lambda: os.ftruncate(f, 2)), moves(lambda: os.fsync(f)))";
    let expected = "7000000008 7000000008 7000000008\n7000000008 EINVAL EINVAL ENOENT ENOTDIR\n\
False False False False True False True False\n";
    assert_eq!(mount.python(script), expected);
}

/// A directory's time and mode follow from what it is and holds.
/// Proves semantics 7.3, 10.5.
#[test]
fn times_of_directories() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret_with(&["--cache-ttl", "0.1"]);
    let script = "
for name_, ns in [('f', 10**18), ('g', 3 * 10**18), ('h', 2 * 10**18)]:
    put(name_, b'x'); os.utime(name_, ns=(0, ns))
def latest():
    time.sleep(0.3)
    return {os.stat(dir).st_mtime_ns // 10**18 for dir in ['.', '..', '../..']}
print(latest()); os.rename('h', 'i'); os.mkdir('../../e'); print(latest())
for dir in ['.', '..', '../..']: os.utime(dir, (5, 5)); os.chmod(dir, 0o777)
print(latest(), {oct(os.stat(dir).st_mode) for dir in ['.', '..', '../..']})
os.unlink('g'); print(latest())";
    let expected = "{3}\n{3}\n{3} {'0o40700'}\n{2}\n";
    assert_eq!(mount.python(script), expected);
}

/// mkdir(2), rmdir(2), unlink(2): what there is, what is missing, what is another kind, `.` and `..`.
#[test]
fn making_and_removing() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let script = "
os.mkdir('../empty'); os.mkdir('../../free')
def errors(call, *paths): print(call.__name__, *(name(lambda: call(path)) for path in paths))
errors(os.mkdir, '../a', '../a/', '../..', '../x/y', '../a/f/y', '../a/f', '.', '..')
errors(os.rmdir, '.', '../a/.', '..', '../..', '../x', '../a', '../a/f', '../a/f/x', '../..//free', '../empty/')
errors(os.unlink, '.', '../a', '../..', 'x', 'f/', 'f/x', '../x/y')
os.unlink('f'); errors(os.unlink, 'f'); os.rmdir('../a')
# The directory that this process is in is gone.
errors(os.stat, '.', 'f', '..'); print(name(lambda: put('f', b'')), name(lambda: os.listdir('.')))";
    let expected = "\
mkdir EEXIST EEXIST EEXIST ENOENT ENOTDIR EEXIST EEXIST EEXIST
rmdir EINVAL EINVAL ENOTEMPTY ENOTEMPTY ENOENT ENOTEMPTY ENOTDIR ENOTDIR ok ok
unlink EISDIR EISDIR EISDIR ENOENT ENOTDIR ENOTDIR ENOENT
unlink ENOENT
stat ok ENOENT ok\nENOENT ENOENT\n";
    assert_eq!(mount.python(script), expected);
}

/// rename(2): each refusal, what a replaced one leaves, and that a file keeps what it is.
/// Proves semantics 5.2, 5.8.
#[test]
fn renaming() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for path in ["d/a/f", "d/a/g", "d/full/f", "e/full/f"] {
        mount.write(path, path);
    }
    let script = "
os.mkdir('../empty'); os.mkdir('../../free')
def errors(*pairs): print(*(name(lambda: os.rename(*pair)) for pair in pairs))
errors(('x', 'y'), ('x', 'f'), ('f', 'x/y'), ('f', 'g/y'), ('f/x', 'y'), ('f', '../x/y'))
errors(('f', '../empty'), ('../empty', 'f'), ('../empty', '../full'), ('../../free', '../../e'))
errors(('../a', '../a/x'), ('../../d', '../../d/x'), ('.', '../y'), ('../a/.', '../y'), ('..', '../y'),
       ('f', '.'), ('f', '..'), ('../a', '..'), ('f', '../a/f'), ('../a', '../a/'))
os.chmod('f', 0o700); os.utime('f', (5, 5)); there = os.stat('f'); replaced = os.stat('g').st_ino
os.rename('f', 'g'); now = os.stat('g')
assert (now.st_ino, now.st_mode, now.st_mtime, now.st_size) == (there.st_ino, there.st_mode, 5, 5)
assert replaced != now.st_ino and not os.path.exists('f')
dir = os.stat('../full').st_ino
os.rename('../full', '../empty'); assert os.stat('../empty').st_ino == dir
dir = os.stat('../../e').st_ino
os.rename('../../e', '../../free'); assert os.stat('../../free').st_ino == dir
assert os.listdir('../../free/full') == ['f']";
    let expected = "\
ENOENT ENOENT ENOENT ENOTDIR ENOTDIR ENOENT
EISDIR ENOTDIR ENOTEMPTY ENOTEMPTY
EINVAL EINVAL EBUSY EBUSY EBUSY EBUSY EBUSY EBUSY ok ok\n";
    assert_eq!(mount.python(script), expected);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/g"), "d/a/f");
    assert_eq!(mount.read("d/empty/f"), "d/full/f");
    assert_eq!(mount.sh("stat -c '%a %Y' g"), "700 5\n");
}

/// Names are bytes: neither letters' case nor their composition is taken for the same.
/// Proves semantics 2.2.
#[test]
fn names_are_bytes() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let names = ["e\u{301}", "\u{e9}", "F", "f", "\u{fb01}", "fi"];
    for name in names {
        mount.write(&format!("d/a/{name}"), name);
        mount.write(&format!("d/{name}/x"), name);
        mount.write(&format!("{name}/a/x"), name);
    }
    let mount = mount.again();
    for name in names {
        assert_eq!(mount.read(&format!("d/a/{name}")), name);
        assert_eq!(mount.read(&format!("d/{name}/x")), name);
        assert_eq!(mount.read(&format!("{name}/a/x")), name);
    }
    assert_eq!(mount.names("d/a").len(), names.len());
}

/// Scratch files: an fsync that stores nothing and succeeds, a size of their own, and vim's probe.
/// Proves semantics 6.4, 6.5, 10.9.
#[test]
fn scratch_files() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
f = os.open('f~', os.O_CREAT | os.O_RDWR)
os.fsync(f); print(os.write(f, bytes(100)), name(lambda: os.ftruncate(f, 4 << 20))); os.fsync(f)
print(name(lambda: os.ftruncate(f, (4 << 20) + 1)), name(lambda: os.pwrite(f, b'x', 4 << 20)))
assert os.fstat(f).st_size == 4 << 20
excl = os.O_CREAT | os.O_EXCL | os.O_WRONLY
print(name(lambda: os.open('4913', excl)), name(lambda: os.mknod('4913')), name(lambda: os.stat('4913')))
put('4913', b'x'); os.remove('4913')
put('14913', b'x'); os.rename('14913', '4913'); put('4913', b'a key of this name')
os.mkdir('../4913')";
    let (said, commits) = mount.commits(|| mount.python(script));
    assert_eq!(said, "100 ok\nEFBIG EFBIG\nEPERM EPERM ENOENT\n");
    // The key, its name, its new content, and the secret.
    assert_eq!(commits, 4);
    let mount = mount.again();
    assert_eq!(mount.names("d/a"), ["4913"]);
    assert_eq!(mount.read("d/a/4913"), "a key of this name");
}
