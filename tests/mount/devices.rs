//! Two mounts of one wallet: what one stores, the other shows within the cache's life, whatever the
//! kernel has cached of it.

use super::harness::*;
use std::fs;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

const TTL: Duration = Duration::from_millis(500);
const SHORT: [&str; 2] = ["--cache-ttl", "0.5"];

/// The end of what the kernel and the mount may believe.
fn wait() {
    sleep(TTL + Duration::from_millis(50));
}

/// Proves semantics 8.1.
#[test]
fn a_change_in_one_mount_is_seen_in_the_other() {
    let wallet = Wallet::new();
    let (a, b) = (wallet.mount_secret_with(&SHORT), wallet.mount("b", &SHORT));
    // What the kernel has cached of B: names, attributes, and what is not there.
    let look = |path: &str| {
        let there = b.path(path);
        let size = fs::metadata(&there).map(|there| there.len()).ok();
        (size, fs::read_to_string(there).ok())
    };
    let has = |content: &str| (Some(content.len() as u64), Some(content.to_owned()));
    assert_eq!(look("d/a/f"), (None, None));
    a.write("d/a/f", "one");
    wait();
    assert_eq!(look("d/a/f"), has("one"));
    a.write("d/a/f", "longer");
    wait();
    assert_eq!(look("d/a/f"), has("longer"));
    a.sh("chmod 400 f; touch -d @5 f");
    a.settled();
    wait();
    assert_eq!(b.sh("stat -c '%a %Y' f"), "400 5\n");
    a.sh("mv f g; echo new > f");
    wait();
    assert_eq!(
        (look("d/a/f"), look("d/a/g")),
        (has("new\n"), has("longer"))
    );
    a.sh("mv ../a ../c; mkdir ../../e; mv ../c ../../e");
    wait();
    assert_eq!((look("d/a/f"), look("e/c/f")), ((None, None), has("new\n")));
    let script = "
os.rename('e', 'h'); os.unlink('h/c/g'); os.rmdir('d')";
    run(python(script).current_dir(a.dir())).success();
    wait();
    assert_eq!(
        b.names(""),
        ["h"],
        "an empty domain lives in the other mount only"
    );
    assert_eq!(b.names("h/c"), ["f"]);
    fs::remove_dir_all(a.path("h")).unwrap();
    wait();
    assert!(!b.path("h").exists());
}

/// A listing that was opened before the change is stable; the next one is new.
#[test]
fn listings_follow() {
    let wallet = Wallet::new();
    let (a, b) = (wallet.mount_secret_with(&SHORT), wallet.mount("b", &SHORT));
    for name in ["one", "two", "three"] {
        a.write(&format!("d/a/{name}"), "x");
    }
    wait();
    assert_eq!(b.names("d/a"), ["one", "three", "two"]);
    a.sh("rm two; echo > four");
    wait();
    assert_eq!(b.names("d/a"), ["four", "one", "three"]);
    assert_eq!(b.sh("ls -l | wc -l"), "4\n");
}

/// A reader's handle keeps the content that it opened, to its end, whatever the other mount does to
/// the file.
/// Proves semantics 8.3.
#[test]
fn a_reader_is_not_torn() {
    for change in [
        "put('f', b'N' * 300)",
        "os.unlink('f')",
        "os.rename('../a', '../b')",
    ] {
        let wallet = Wallet::new();
        let (a, b) = (wallet.mount_secret_with(&SHORT), wallet.mount("b", &SHORT));
        a.write("d/a/f", vec![b'O'; 200_000]);
        wait();
        let mut reader = fs::File::open(b.path("d/a/f")).unwrap();
        let mut content = vec![0; 1000];
        reader.read_exact(&mut content).unwrap();
        a.python(change);
        wait();
        // This mount has taken notice.
        assert_ne!(
            fs::read(b.path("d/a/f")).ok(),
            Some(vec![b'O'; 200_000]),
            "{change}"
        );
        assert_eq!(reader.metadata().unwrap().len(), 200_000, "{change}");
        reader.read_to_end(&mut content).unwrap();
        assert!(content == [b'O'; 200_000], "{change}");
    }
}

/// The same field in both: the second close is told, and its content stands beside the first's.
/// Proves semantics 8.5, 10.8.
#[test]
fn two_writers_of_one_field() {
    let wallet = Wallet::new();
    let (a, b) = (wallet.mount_secret_with(&SHORT), wallet.mount("b", &SHORT));
    a.write("d/a/f", "old");
    wait();
    let script = "
f = open('f', 'wb', 0); f.write(b'mine'); print('written'); input()
print(name(f.close)); assert get('f') == b'theirs', get('f')
assert os.stat('f').st_size == 6
names = sorted(os.listdir('.')); print(len(names), get(names[1]).decode())
assert names[1].startswith('f.conflict-'), names";
    let mut writer = Companion::python(script, b.path("d/a"));
    writer.says();
    a.write("d/a/f", "theirs");
    writer.go_on();
    assert_eq!(writer.says(), "ESTALE");
    assert_eq!(writer.says(), "2 mine");
    writer.end();
    b.settled();
    let a = a.again();
    assert_eq!(a.read("d/a/f"), "theirs");
    assert_eq!(a.names("d/a").len(), 2);
}

/// Different fields of one secret merge, and so do changes all over the wallet.
/// Proves semantics 8.4.
#[test]
fn two_writers_of_different_fields() {
    let wallet = Wallet::new();
    let (a, b) = (wallet.mount_secret_with(&SHORT), wallet.mount("b", &SHORT));
    a.write("d/a/f", "old");
    wait();
    let script = |name: &str| {
        format!(
            "for i in {{1..15}}; do echo $i > {name}; echo $i > {name}-$i; mkdir ../{name}-$i; done"
        )
    };
    std::thread::scope(|scope| {
        scope.spawn(|| a.sh(&script("one")));
        scope.spawn(|| b.sh(&script("two")));
    });
    a.settled();
    b.settled();
    wait();
    for mount in [&a, &b] {
        assert_eq!(mount.names("d").len(), 31);
        assert_eq!(mount.names("d/a").len(), 33, "{:?}", mount.names("d/a"));
        assert_eq!(
            (mount.read("d/a/one"), mount.read("d/a/two-7")),
            ("15\n".into(), "7\n".into())
        );
    }
}

/// A name that means another file by now, while the kernel still knows the old one by it: opened,
/// changed and removed by name, it is the new one.
/// Proves semantics 8.2.
#[test]
fn a_name_means_what_the_other_mount_put_there() {
    let wallet = Wallet::new();
    let a = wallet.mount_secret();
    a.write("d/a/f", "old");
    let b = wallet.mount("b", &["--cache-ttl", "30"]);
    let script = "
r = open('f', 'rb', 0); os.stat('f'); print('open'); input()
# Opening for writing reads the head, whatever the cache's life, and finds the other content.
with open('f', 'r+b', 0) as w: assert w.read() == b'theirs'; w.write(b'!')
assert get('f') == b'theirs!' and r.read() == b'old'
os.chmod('f', 0o400); assert stat.S_IMODE(os.stat('f').st_mode) == 0o400
os.truncate('f', 6); assert get('f') == b'theirs'
os.utime('f', (5, 5)); assert os.stat('f').st_mtime == 5 and os.fstat(r.fileno()).st_size == 3
os.unlink('f'); assert os.listdir('.') == []";
    let script = if root() {
        script.to_owned()
    } else {
        script.replace("0o400", "0o700")
    };
    let mut reader = Companion::python(&script, b.path("d/a"));
    reader.says();
    a.write("d/a/f", "theirs");
    reader.go_on();
    reader.end();
    drop(b);
    assert_eq!(a.again().names("d/a"), [""; 0]);
}
