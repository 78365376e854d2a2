//! What is full, and what is much.

use super::harness::*;
use std::fs;

/// A secret is filled to its limit, byte by byte at the end; one byte more is refused through whatever
/// writes it, and the content from before stays.
/// Proves semantics 3.6, 10.7.
#[test]
fn one_byte_more_than_a_secret_holds() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/other", "old");
    // Padding makes the steps coarse, so the limit is found by trying.
    let script = "
f = os.open('f', os.O_RDWR | os.O_CREAT)
low, high = 0, 409_600
while high - low > 1:
    middle = (low + high) // 2
    try: os.ftruncate(f, middle); low = middle
    except OSError as e: assert e.errno == errno.EFBIG; high = middle
os.ftruncate(f, low); assert name(lambda: os.pwrite(f, b'x', low)) == 'EFBIG'
assert os.fstat(f).st_size == low
os.ftruncate(f, 0); os.pwrite(f, b'y' * low, 0); os.close(f); print(low)";
    let limit: usize = mount.python(script).trim().parse().unwrap();
    assert!((300_000..409_600).contains(&limit), "{limit}");
    mount.settled();
    let more = wallet.path().join("more");
    fs::write(&more, vec![b'z'; limit + 1]).unwrap();
    let more = more.display();
    let generation = mount.generation();
    for refused in [
        format!("cp {more} f"),
        format!("cat {more} > f"),
        format!("dd if={more} of=f bs=64k status=none"),
        "echo -n x >> f".into(),
        format!("truncate -s {} f", limit + 1),
        format!("printf x | dd of=f bs=1 seek={limit} conv=notrunc status=none"),
        "echo -n 'longer than before' > other".into(),
        "echo x > new".into(),
        ": > new".into(),
        "mkdir -p ../b; cp f ../b/f; mv ../b/f g".into(),
    ] {
        let said = mount.sh(&format!(
            "export LC_ALL=C; {{ {refused}; }} 2>&1 && echo done; rm -rf ../b"
        ));
        assert!(said.contains("File too large"), "{refused}: {said}");
        assert!(!said.contains("done"), "{refused}: {said}");
        let content = fs::read(mount.path("d/a/f")).unwrap();
        assert!(content == vec![b'y'; limit], "{refused}");
        assert_eq!(mount.read("d/a/other"), "old", "{refused}");
        assert_eq!(mount.names("d/a"), ["f", "other"], "{refused}");
    }
    // What the last one made and removed.
    assert!(mount.settled() > generation);
    let mount = mount.again();
    assert!(fs::read(mount.path("d/a/f")).unwrap() == vec![b'y'; limit]);
    assert_eq!(mount.read("d/a/other"), "old");
}

/// Ten thousand domains, each listed once, with nothing to wait for.
/// Proves semantics 7.5.
#[test]
fn ten_thousand_domains() {
    let wallet = Wallet::new();
    let mount = wallet.mount("w", &["--cache-ttl", "600"]);
    let script = "
names = [f'domain {i}' for i in range(10_000)]
for name_ in names: os.mkdir(name_)
listed = os.listdir('.'); assert len(listed) == 10_000 and set(listed) == set(names)
assert len({entry.inode() for entry in os.scandir('.')}) == 10_000
for name_ in names[::2]: os.rmdir(name_)
assert len(os.listdir('.')) == 5_000 == os.stat('.').st_nlink - 2";
    let ((), commits) = mount.commits(|| {
        run(python(script).current_dir(mount.dir())).success();
    });
    assert_eq!(commits, 0);
}

/// A directory that is removed while it is listed, and while somebody is in it.
#[test]
fn a_directory_is_removed_while_it_is_listed() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    for i in 0..50 {
        fs::write(mount.path(&format!("d/a/{i}")), "").unwrap();
    }
    mount.settled();
    let script = "
with os.scandir('.') as entries:
    first = next(entries).name
    for name_ in os.listdir('.'): os.unlink(name_)
    os.rmdir('../a')
    rest = [entry.name for entry in entries]
assert len({first, *rest}) == 1 + len(rest) <= 50
print(name(lambda: os.listdir('../a')), os.listdir('..'))
os.mkdir('../a'); print(name(lambda: os.stat('../a')), os.listdir('../a'))";
    assert_eq!(mount.python(script), "ENOENT []\nok []\n");
    assert_eq!(mount.again().names("d"), ["a"]);
}
