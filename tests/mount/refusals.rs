//! What a wallet does not take, each refusal with its error number.

use super::harness::*;
use std::fs;

/// Files, links and directories where they cannot be.
/// Proves semantics 1.1, 10.1, 10.2.
#[test]
fn things_in_wrong_places() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let script = "
create = lambda path: os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
for level in ['.', '..', '../..']:
    new = level + '/new'
    print(name(lambda: os.symlink('target', new)), name(lambda: os.link('f', new)),
          name(lambda: os.mkfifo(new)), name(lambda: os.mknod(new, 0o600 | stat.S_IFSOCK)),
          name(lambda: os.mknod(new, 0o600 | stat.S_IFCHR, os.makedev(1, 3))))
print(name(lambda: create('../new')), name(lambda: create('../../new')),
      name(lambda: os.mknod('../new')), name(lambda: os.mkdir('new')),
      name(lambda: os.rename('f', '../f')), name(lambda: os.rename('f', '../../f')),
      name(lambda: os.rename('../a', '../../a')), name(lambda: os.rename('../../d', '../../d2/d')))
print(sorted(os.listdir('.')), os.listdir('..'), os.listdir('../..'))";
    let (said, commits) = mount.commits(|| mount.python(script));
    let links = "EPERM EPERM EPERM EPERM EPERM\n";
    let rest = "EPERM EPERM EPERM EPERM EPERM EPERM EPERM ENOENT\n['f'] ['a'] ['d']\n";
    assert_eq!(said, links.repeat(3) + rest);
    assert_eq!(commits, 0);
    // A regular file may be made in this way too.
    let ((), commits) =
        mount.commits(|| drop(mount.python("os.mknod('g'); assert get('g') == b''")));
    assert_eq!(commits, 1);
    // A domain cannot go into another one, nor a secret into a secret.
    mount.write("d/b/f", "x");
    mount.write("e/c/f", "x");
    let script = "
print(name(lambda: os.rename('../../e', '../e')), name(lambda: os.rename('../b', 'b')),
      name(lambda: os.rename('../../e', 'e')), name(lambda: os.rename('../b', '../../e/c/b')))";
    assert_eq!(mount.python(script), "EPERM EPERM EPERM EPERM\n");
}

/// A desktop's bin, so that it asks to delete.
/// Proves semantics 1.5.
#[test]
fn no_bin() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
os.mkdir('../../empty')
for bin in ['../../.Trash', '../../.Trash-1000']:
    print(name(lambda: os.mkdir(bin)), name(lambda: os.rename('../../empty', bin)),
          name(lambda: os.rename('../../d', bin)), name(lambda: os.stat(bin)))
os.mkdir('../.Trash-1000')";
    assert_eq!(mount.python(script), "EPERM EPERM EPERM ENOENT\n".repeat(2));
    assert_eq!(
        mount.names("d"),
        [".Trash-1000", "a"],
        "a secret may be called so"
    );
}

/// Extended attributes, and what else a file may have elsewhere.
/// Proves semantics 7.6.
#[test]
fn extended_attributes() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "x");
    let script = "
for path in ['f', '.', '../..']:
    print(name(lambda: os.setxattr(path, 'user.x', b'1')), name(lambda: os.getxattr(path, 'user.x')),
          name(lambda: os.listxattr(path)), name(lambda: os.removexattr(path, 'user.x')))";
    // glibc's name for it is EOPNOTSUPP, the same number as ENOTSUP.
    let no = "ENOTSUP ENOTSUP ENOTSUP ENOTSUP\n";
    assert_eq!(
        mount.python(script).replace("EOPNOTSUPP", "ENOTSUP"),
        no.repeat(3)
    );
}

/// RENAME_NOREPLACE is kept, RENAME_EXCHANGE and RENAME_WHITEOUT are not to be had (rename(2)).
/// Proves semantics 5.3.
#[test]
fn flags_of_rename() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for path in ["d/a/f", "d/a/g", "d/b/f", "e/c/f"] {
        mount.write(path, path);
    }
    let script = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def rename(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        return errno.errorcode[ctypes.get_errno()]
    return 'ok'
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
for old, new, free in [('f', 'g', 'h'), ('../a', '../b', '../h'), ('../../d', '../../e', '../../h')]:
    print(rename(old, new, EXCHANGE), rename(old, new, NOREPLACE), rename(old, free, NOREPLACE),
          rename(free, old, NOREPLACE), rename(old, free, EXCHANGE))
print(rename('f', 'h', WHITEOUT) in ['EINVAL', 'EPERM'])";
    let expected = "EINVAL EEXIST ok ok ENOENT\n".repeat(3) + "True\n";
    assert_eq!(mount.python(script), expected);
    let mount = mount.again();
    assert_eq!(mount.read("d/a/f"), "d/a/f");
    assert_eq!(mount.read("d/a/g"), "d/a/g");
}

/// The errors that POSIX asks for.
/// Proves semantics 1.3, 5.2, 10.12.
#[test]
fn ordinary_errors() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for path in ["d/a/f", "d/b/f", "e/c/f"] {
        mount.write(path, "x");
    }
    let script = "
print(name(lambda: os.mkdir('../a')), name(lambda: os.mkdir('../../d')), name(lambda: os.rmdir('../a')),
      name(lambda: os.rmdir('../../d')), name(lambda: os.rmdir('f')), name(lambda: os.rmdir('x')))
print(name(lambda: os.unlink('x')), name(lambda: os.unlink('../a')), name(lambda: os.open('x', 0)),
      name(lambda: os.open('f', os.O_CREAT | os.O_EXCL)), name(lambda: os.open('f', os.O_DIRECTORY)),
      name(lambda: os.open('.', os.O_WRONLY)), name(lambda: os.stat('f/x')))
print(name(lambda: os.rename('../a', '../b')), name(lambda: os.rename('../../d', '../../e')),
      name(lambda: os.rename('f', '../b')), name(lambda: os.rename('../b', 'f')),
      name(lambda: os.rename('x', 'y')), name(lambda: os.rename('../a', '../a/x')))
print(name(lambda: os.truncate('.', 0)), name(lambda: os.truncate('x', 0)),
      name(lambda: os.open('.', os.O_TMPFILE | os.O_RDWR)))
os.rename('f', 'f'); os.rename('../a', '../a'); os.rename('../../d', '../../d')
os.mkdir('../empty'); os.rename('../empty', '../gone'); os.rmdir('../gone')";
    let expected = "\
EEXIST EEXIST ENOTEMPTY ENOTEMPTY ENOTDIR ENOENT
ENOENT EISDIR ENOENT EEXIST ENOTDIR EISDIR ENOTDIR
ENOTEMPTY ENOTEMPTY EISDIR ENOTDIR ENOENT EINVAL
EISDIR ENOENT ENOTSUP\n";
    assert_eq!(
        mount.python(script).replace("EOPNOTSUPP", "ENOTSUP"),
        expected
    );
}

/// A mount that is read-only refuses every change, and shows everything.
/// Proves semantics 7.7.
#[test]
fn read_only() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", "content");
    mount.unmount();
    let mount = wallet.mount("w", &["--read-only"]);
    assert_eq!(mount.read("d/a/f"), "content");
    let script = "
calls = [lambda: os.open('f', os.O_WRONLY), lambda: os.open('f', os.O_RDONLY | os.O_TRUNC),
         lambda: os.open('x', os.O_CREAT | os.O_WRONLY), lambda: os.mkdir('../x'),
         lambda: os.unlink('f'), lambda: os.rmdir('../a'), lambda: os.rename('f', 'g'),
         lambda: os.chmod('f', 0o400), lambda: os.utime('f'), lambda: os.truncate('f', 0)]
print({name(call) for call in calls})";
    assert_eq!(mount.python(script), "{'EROFS'}\n");
    assert_eq!(mount.status()["read_only"], true);
}

/// An empty domain lives in the mount that made it, and goes with it.
/// Proves semantics 1.2, 10.10.
#[test]
fn an_empty_domain_lives_in_the_mount_only() {
    let wallet = Wallet::new();
    let mount = wallet.mount("w", &[]);
    let ((), commits) = mount.commits(|| fs::create_dir(mount.path("d")).unwrap());
    assert_eq!(commits, 0);
    assert_eq!(mount.names(""), ["d"]);
    let mount = mount.again();
    assert_eq!(mount.names(""), [""; 0]);
    // A secret makes its domain last; what a removed secret leaves is the empty domain again.
    fs::create_dir_all(mount.path("d/a")).unwrap();
    let mount = mount.again();
    assert_eq!(mount.names("d"), ["a"]);
    fs::remove_dir(mount.path("d/a")).unwrap();
    assert_eq!(mount.names(""), ["d"]);
    fs::rename(mount.path("d"), mount.path("e")).unwrap();
    fs::create_dir(mount.path("e/b")).unwrap();
    let mount = mount.again();
    assert_eq!(
        (mount.names(""), mount.names("e")),
        (vec!["e".into()], vec!["b".into()])
    );
}
