//! Names through the kernel: those that are refused, each with its error number, and those that are
//! escaped.

use super::harness::*;
use std::fs;

/// Too long, not UTF-8, not the one spelling of a name: at every level, for every call that takes a
/// name.
/// Proves semantics 2.1, 2.5, 10.6.
#[test]
fn names_that_are_refused() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let script = "
bad = {'ENAMETOOLONG': [b'x' * 256, b'x' * 1024, 'é'.encode() * 128],
       'EILSEQ': [b'\\xff', b'a\\xc3', b'\\xed\\xa0\\x80'],
       'EINVAL': [b'%25', b'%2E', b'a%25']}
del bad['EINVAL'][1]
for level, make in [(b'.', lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY))),
                    (b'..', os.mkdir), (b'../..', os.mkdir)]:
    old = {b'.': b'f', b'..': b'../a', b'../..': b'../../d'}[level]
    for expected, names in bad.items():
        for bad_name in names:
            path = level + b'/' + bad_name
            calls = [lambda: make(path), lambda: os.stat(path), lambda: os.open(path, os.O_RDONLY),
                     lambda: os.rename(old, path), lambda: os.rename(path, old),
                     lambda: os.unlink(path), lambda: os.rmdir(path)]
            got = {name(call) for call in calls}
            assert got == {expected}, (path, expected, got)
print(sorted(os.listdir('.')))";
    assert_eq!(mount.python(script), "['f']\n");
    assert_eq!(mount.again().names("d/a"), ["f"]);
}

/// The longest names, at every level, in bytes.
/// Proves semantics 2.1.
#[test]
fn names_of_255_bytes() {
    let wallet = Wallet::new();
    let mount = wallet.mount("w", &[]);
    let long = "é".repeat(127) + "x";
    assert_eq!(long.len(), 255);
    let path = format!("{long}/{long}/{long}");
    mount.write(&path, "content");
    let mount = mount.again();
    assert_eq!(mount.read(&path), "content");
    assert_eq!(mount.names(&format!("{long}/{long}")), [long]);
    let statvfs = "print(os.statvfs('..').f_namemax)";
    let said = run(python(statvfs).current_dir(mount.dir())).success();
    assert_eq!(said, "255\n");
}

/// Names that stand for keys which cannot be file names, and names that only look odd.
/// Proves semantics 2.3, 2.4.
#[test]
fn names_that_are_escaped_or_odd() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let odd = [
        "%00",
        "%2E",
        "%2E%2E",
        "%2F",
        "%70wd",
        "%75id",
        "100%",
        "a b",
        "a\nb",
        "a\\b",
        "...",
        "-rf",
        "*",
        "%2525",
        "\u{202e}",
        " ",
        "~",
        "$HOME",
        "'",
        "uid",
        "pwd",
        "UID",
        ".walletfs",
    ];
    for name in odd {
        mount.write(&format!("d/a/{name}"), name);
    }
    mount.write("%2Ewalletfs/.walletfs/f", "x");
    let mount = mount.again();
    let stored: Vec<_> = odd.into_iter().filter(|name| *name != "~").collect();
    assert_eq!(
        mount.names("d/a").len(),
        stored.len(),
        "`~` is a scratch file's name"
    );
    for name in stored {
        assert_eq!(mount.read(&format!("d/a/{name}")), name);
    }
    assert_eq!(mount.names(""), ["%2Ewalletfs", "d"]);
    mount.sh("rm -r ../../d ../../%2Ewalletfs");
    assert_eq!(mount.again().names(""), [""; 0]);
}

/// The mount's own directory: hidden, read-only, and JSON that every program reads.
/// Proves semantics 1.4.
#[test]
fn the_mounts_own_files() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
import json
os.chdir('../..')
assert os.listdir('.') == ['d'] and 'status' in os.listdir('.walletfs')
status = json.loads(get('.walletfs/status'))
assert status['wallet'] == 'default' and status['generation'] == 2 and status['unsaved'] == 0
calls = [lambda: os.mkdir('.walletfs'), lambda: os.mkdir('.walletfs/x'),
         lambda: os.open('.walletfs/x', os.O_CREAT | os.O_WRONLY),
         lambda: os.unlink('.walletfs/status'), lambda: os.rmdir('.walletfs'),
         lambda: os.rename('.walletfs', 'x'), lambda: os.rename('.walletfs/status', 'd/a/f'),
         lambda: os.rename('d', '.walletfs'), lambda: os.chmod('.walletfs', 0o755),
         lambda: os.stat('.walletfs/x'), lambda: os.utime('.walletfs/status')]
print(' '.join(map(name, calls)))
# The mode refuses an unprivileged user first.
assert name(lambda: os.open('.walletfs/status', os.O_WRONLY)) in ['EROFS', 'EACCES']";
    let expected = "EEXIST EROFS EROFS EROFS EROFS EROFS EROFS EROFS EROFS ENOENT EROFS\n";
    assert_eq!(mount.python(script), expected);
    let copy = wallet.path().join("copy");
    mount.sh(&format!("cp ../../.walletfs/status {}", copy.display()));
    assert!(
        fs::read_to_string(copy)
            .unwrap()
            .contains("\"generation\": 2")
    );
}

/// A secret whole as JSON, and the code of this moment: read by `cat`, `cp`, a mapping and a
/// program, all of which find the whole of it though `stat` shows no size before it is open.
/// Proves semantics 1.6, 1.7.
#[test]
fn secrets_as_json_and_one_time_codes() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let long = "x".repeat(200_000);
    mount.write("d/a/pwd", &long);
    mount.write("d/a/otpauth", "otpauth://totp/x?secret=AAAA&period=86400");
    let script = "
import json, mmap, shutil
own = '../../.walletfs'
assert os.listdir(own + '/json') == os.listdir(own + '/totp') == ['d']
assert os.listdir(own + '/json/d') == ['a.json'] and os.listdir(own + '/totp/d') == ['a']
path = own + '/json/d/a.json'
assert os.stat(path).st_size == 0
text = get(path)
secret = json.loads(text)
assert secret['pwd'] == 'x' * 200000 and list(secret['info']) == ['otpauth']
with open(path, 'rb') as f:
    assert os.fstat(f.fileno()).st_size == len(text)
    assert mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:] == text
code = get(own + '/totp/d/a')
assert len(code) == 7 and code[:6].isdigit() and code[6:] == b'\\n', code
shown = json.loads(get(own + '/totp.json/d/a'))
assert shown['period'] == 86400 and 0 < shown['seconds_left'] <= 86400
assert [len(shown['code']), len(shown)] == [6, 3]
put('otpauth', b'nothing of the kind')
calls = [lambda: get(own + '/totp/d/a'), lambda: os.open(path, os.O_RDWR), lambda: os.unlink(path),
         lambda: os.rename(path, 'x'), lambda: os.mkdir(own + '/json/e'),
         lambda: os.rename('../../d', own + '/json/e'), lambda: os.rmdir(own + '/json/d'),
         lambda: os.open(own + '/json/d/b.json', os.O_CREAT | os.O_WRONLY)]
print(' '.join(map(name, calls)))";
    // The mode refuses an unprivileged user first.
    let said = mount.python(script).replace("EACCES", "EROFS");
    assert_eq!(said, "EINVAL EROFS EROFS EROFS EROFS EROFS EROFS EROFS\n");
    let why = mount.status()["totp_error"].clone();
    assert_eq!(why, "it does not begin with `otpauth://totp/`");
    let copy = wallet.path().join("copy");
    mount.sh(&format!(
        "cp ../../.walletfs/json/d/a.json {}",
        copy.display()
    ));
    let copied = fs::read_to_string(copy).unwrap();
    assert!(copied.contains(&long));
    assert_eq!(mount.sh("cat ../../.walletfs/json/d/a.json"), copied);
}
