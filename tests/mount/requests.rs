//! What the mounted program asks of DynamoDB, counted on the wire by a proxy before the engine.

use super::bench::{Bench, LONG};
use super::support::http_count::counted;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

fn some_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for secret in 0..12 {
        files.push((format!("d/{secret}/uid"), b"joe\n".to_vec()));
        files.push((format!("d/{secret}/key"), vec![b'k'; 20_000]));
    }
    files.push(("d/a/f".into(), b"content".to_vec()));
    files
}

/// The head and the page, and nothing else, for as long as the cache lives.
#[test]
fn mounting_and_reading() {
    let bench = Bench::with(&some_files());
    let mount = bench.wallet.mount("w", &LONG);
    assert_eq!(mount.read("d/a/f"), "content");
    assert_eq!(bench.proxy.take(), counted(&[("GetItem", 1), ("Query", 1)]));
    let script = "
        cat f; ls -lR ../.. | grep -c ^-; find ../.. -type f | wc -l; grep -rl joe ../.. | wc -l
        cat ../*/key | wc -c; stat -c %s ../7/uid; cat ../../.walletfs/status | wc -c > /dev/null
        ls x 2> /dev/null; df . > /dev/null";
    let asked = bench.asks(&mount, || {
        assert_eq!(mount.sh(script), "content25\n25\n12\n240000\n4\n");
    });
    assert_eq!(asked, counted(&[]));
}

/// After the cache's life, one look at the head, whatever is read.
#[test]
fn reading_after_the_caches_life() {
    let bench = Bench::with(&some_files());
    let mount = bench.wallet.mount("w", &["--cache-ttl", "4"]);
    for _ in 0..2 {
        mount.read("d/a/f");
        bench.proxy.take();
        sleep(Duration::from_millis(4_200));
        let asked = bench.asks(&mount, || {
            mount.read("d/a/f");
            mount.names("d");
            mount.read("d/3/key");
        });
        assert_eq!(asked, counted(&[("GetItem", 1)]));
    }
}

/// One look at the head when the file is opened, one commit when it is closed.
/// Proves semantics 1.2, 4.8, 6.1.
#[test]
fn writing() {
    let bench = Bench::with(&some_files());
    let large = bench.wallet.path().join("large");
    fs::write(&large, vec![b'x'; 300_000]).unwrap();
    let mount = bench.wallet.mount("w", &LONG);
    mount.read("d/a/f");
    bench.proxy.take();
    let large = large.display();
    for script in [
        "echo x > f".into(),
        "echo y > new".into(),
        ": > empty".into(),
        "echo z >> f".into(),
        format!("cp {large} large"),
        format!("cp -p {large} large"),
        format!("cat {large} > large"),
        "truncate -s 100 large".into(),
        "printf x | dd of=large bs=1 seek=50 conv=notrunc status=none".into(),
        "touch f".into(),
    ] {
        let asked = bench.asks(&mount, || drop(mount.sh(&script)));
        let expected = counted(&[("GetItem", 1), ("TransactWriteItems", 1)]);
        assert_eq!(asked, expected, "{script}");
    }
    for script in ["rm f", "chmod 400 new", "mkdir ../b", "rmdir ../b"] {
        let asked = bench.asks(&mount, || drop(mount.sh(script)));
        assert_eq!(asked, counted(&[("TransactWriteItems", 1)]), "{script}");
    }
    for script in [
        "chmod 444 new",
        "mkdir ../../e; rmdir ../../e",
        "echo x > .f.swp",
    ] {
        let asked = bench.asks(&mount, || drop(mount.sh(script)));
        assert_eq!(asked, counted(&[]), "{script}");
    }
}

/// One commit for a field, for a secret, and for a domain of forty.
#[test]
fn renaming() {
    let files: Vec<_> = (0..40)
        .map(|secret| (format!("forty/{secret}/uid"), b"joe".to_vec()))
        .chain([
            ("d/a/f".into(), b"content".to_vec()),
            ("d/b/g".into(), b"other".to_vec()),
        ])
        .collect();
    let bench = Bench::with(&files);
    let mount = bench.wallet.mount("w", &LONG);
    mount.read("d/a/f");
    bench.proxy.take();
    for script in [
        "mv f h",
        "mv h uid",
        "mv uid ../b/uid",
        "mv ../b/uid ../b/g",
        "mv ../b ../c",
        "mv ../c ../../forty",
        "mv ../../forty ../../fifty",
    ] {
        let asked = bench.asks(&mount, || drop(mount.sh(script)));
        assert_eq!(asked, counted(&[("TransactWriteItems", 1)]), "{script}");
    }
    assert_eq!(mount.names("fifty").len(), 41);
    let mount = mount.again();
    assert_eq!(mount.names("fifty").len(), 41);
    assert_eq!(mount.read("fifty/c/g"), "content");
}
