//! `/.walletfs/trash`: secrets that were removed, as files, and brought back by a rename.

use crate::harness::*;
use walletfs::fs::{Errno, Ino};

/// A moment that the clock is turned to, and how it shows.
const NOON: i64 = 1_764_072_000;
const AT_NOON: &str = "2025-11-25T120000Z";

fn trash(path: &str) -> String {
    format!("/.walletfs/trash/{path}")
}

/// `rm -r`, as it goes about it.
async fn remove(d: &Device, path: &str) {
    for name in d.ls(path).await {
        d.unlink(&format!("{path}/{name}")).await.unwrap();
    }
    d.rmdir(path).await.unwrap();
}

/// A device with a secret of three files in `/d/a`, at noon.
async fn device() -> Device {
    let d = Device::new().await;
    d.secret("/d/a").await;
    d.put("/d/a/pwd", b"first").await.unwrap();
    d.put("/d/a/pwd", b"second").await.unwrap();
    d.put("/d/a/uid", b"joe").await.unwrap();
    d.put("/d/a/x%2Fy", b"z").await.unwrap();
    d.clock.turn_to(NOON);
    d
}

/// It shows what `rm -r` took, with the times that it had, and the directory the time of the removal;
/// for another device, too, and for one that is mounted read-only.
/// Proves semantics 1.11.
#[tokio::test]
async fn what_was_removed_is_there_as_files() {
    let d = device().await;
    let before = d.stat("/d/a/pwd").await.unwrap();
    assert_eq!(d.ls(&trash("")).await, [""; 0]);
    remove(&d, "/d/a").await;
    assert_eq!(d.ls("/d").await, [""; 0]);
    let (second, read_only) = (d.second().await, d.read_only().await);
    for d in [&d, &second, &read_only] {
        assert_eq!(d.ls(&trash("")).await, ["d"]);
        assert_eq!(d.ls(&trash("d")).await, ["a"]);
        assert_eq!(d.ls(&trash("d/a")).await, ["uid", "pwd", "x%2Fy"]);
        for (name, value) in [("pwd", "second"), ("uid", "joe"), ("x%2Fy", "z")] {
            let path = trash(&format!("d/a/{name}"));
            assert_eq!(d.cat(&path).await.unwrap(), value.as_bytes());
            let shown = d.stat(&path).await.unwrap();
            assert_eq!((shown.size, shown.mode), (value.len() as u64, 0o600));
        }
        let shown = d.stat(&trash("d/a/pwd")).await.unwrap();
        assert_eq!(shown.mtime_ns, before.mtime_ns);
        for path in ["d/a", "d", ""] {
            let shown = d.stat(&trash(path)).await.unwrap();
            assert_eq!(shown.mtime_ns / 1_000_000_000, NOON, "{path}");
        }
        // No view of the secrets that are there shows it.
        for section in ["history", "json"] {
            assert_eq!(d.ls(&format!("/.walletfs/{section}")).await, [""; 0]);
        }
        assert_eq!(errno(d.ino("/d/a").await), Errno::ENOENT);
    }
    // `cp -r` brings it back as well, without its earlier values.
    d.secret("/d/b").await;
    for name in d.ls(&trash("d/a")).await {
        let value = d.cat(&trash(&format!("d/a/{name}"))).await.unwrap();
        d.put(&format!("/d/b/{name}"), &value).await.unwrap();
    }
    assert_eq!(d.stored("/d/b/pwd").await.unwrap(), b"second");
}

/// `mv` brings it back whole, in one commit, and what the kernel holds of it is the secret from then
/// on.
/// Proves semantics 1.11.
#[tokio::test]
async fn a_rename_brings_it_back() {
    let d = device().await;
    remove(&d, "/d/a").await;
    d.mkdir("/e").await.unwrap();
    let directory = d.ino(&trash("d/a")).await.unwrap();
    d.commits();
    d.rename(&trash("d/a"), "/e/back").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 1));
    assert_eq!(d.ino("/e/back").await.unwrap(), directory);
    assert_eq!(d.ls(&trash("")).await, [""; 0]);
    assert_eq!(errno(d.ino(&trash("d/a")).await), Errno::ENOENT);
    let second = d.second().await;
    for d in [&d, &second] {
        assert_eq!(d.ls("/e/back").await, ["uid", "pwd", "x%2Fy"]);
        assert_eq!(d.cat("/e/back/pwd").await.unwrap(), b"second");
        let past = d.ls("/.walletfs/history/e/back/pwd").await;
        assert_eq!(past.len(), 1, "what came back is earlier no more");
        assert_eq!(d.ls("/.walletfs/history/e/back").await, ["pwd"]);
    }
    d.put("/e/back/pwd", b"third").await.unwrap();
    assert_eq!(d.stored("/e/back/pwd").await.unwrap(), b"third");
    // And once more.
    remove(&d, "/e/back").await;
    assert_eq!(d.cat(&trash("e/back/pwd")).await.unwrap(), b"third");
}

/// As a rename of a secret: no other that holds something is replaced, and the levels stay.
#[tokio::test]
async fn a_rename_goes_by_the_rules_of_secrets() {
    let d = device().await;
    remove(&d, "/d/a").await;
    d.secret("/d/full").await;
    d.put("/d/full/pwd", b"x").await.unwrap();
    d.secret("/d/empty").await;
    let from = trash("d/a");
    for (to, no_replace, refused) in [
        ("/d/full", false, Errno::ENOTEMPTY),
        ("/d/full", true, Errno::EEXIST),
        ("/d/empty", true, Errno::EEXIST),
        ("/a", false, Errno::EPERM),
        ("/d/full/a", false, Errno::EPERM),
        ("/none/a", false, Errno::ENOENT),
        ("/d/a%25b", false, Errno::EINVAL),
        ("/.walletfs/trash/d/b", false, Errno::EROFS),
    ] {
        let made = d.rename_flags(&from, to, no_replace).await;
        assert_eq!(errno(made), refused, "{to}");
    }
    let read_only = d.read_only().await;
    assert_eq!(errno(read_only.rename(&from, "/d/b").await), Errno::EROFS);
    assert_eq!(d.ls(&trash("d")).await, ["a"]);
    d.rename(&from, "/d/empty").await.unwrap();
    assert_eq!(d.cat("/d/empty/pwd").await.unwrap(), b"second");
    assert_eq!(d.ls("/d").await, ["empty", "full"]);
}

/// Of two that had one name the one that was removed last has it; both come back.
/// Proves semantics 1.12.
#[tokio::test]
async fn two_of_one_name_are_told_apart_by_the_time() {
    let d = device().await;
    remove(&d, "/d/a").await;
    d.secret("/d/a").await;
    d.put("/d/a/pwd", b"another").await.unwrap();
    d.clock.turn_to(NOON + 60);
    remove(&d, "/d/a").await;
    let older = format!("a~{AT_NOON}");
    assert_eq!(d.ls(&trash("d")).await, ["a", &older]);
    assert_eq!(d.cat(&trash("d/a/pwd")).await.unwrap(), b"another");
    let pwd = trash(&format!("d/{older}/pwd"));
    assert_eq!(d.cat(&pwd).await.unwrap(), b"second");
    d.rename(&trash(&format!("d/{older}")), "/d/a")
        .await
        .unwrap();
    assert_eq!(d.cat("/d/a/uid").await.unwrap(), b"joe");
    assert_eq!(d.ls(&trash("d")).await, ["a"]);
}

/// Nothing in it can be written.
#[tokio::test]
async fn it_is_read_only() {
    let d = device().await;
    remove(&d, "/d/a").await;
    d.secret("/d/b").await;
    d.put("/d/b/pwd", b"x").await.unwrap();
    let file = trash("d/a/pwd");
    d.commits();
    for refused in [
        d.open(&file, WRITE).await.map(drop),
        d.open(&file, TRUNCATE).await.map(drop),
        d.create(&trash("d/a/x"), WRITE).await.map(drop),
        d.mkdir(&trash("d/b")).await,
        d.mkdir(&trash("e")).await,
        d.mkdir(&trash("d/a/x")).await,
        d.chmod(&file, 0o400).await,
        d.truncate(&file, 0, None).await,
        d.rename(&file, "/d/b/uid").await,
        d.rename("/d/b/pwd", &trash("d/a/pwd")).await,
        d.rename("/d/b", &trash("d/b")).await,
        d.rename(&trash("d"), "/e").await,
    ] {
        assert_eq!(errno(refused), Errno::EROFS);
    }
    for missing in ["e", "d/b", "d/a/none", "d/a/note~"] {
        let found = d.ino(&trash(missing)).await;
        assert_eq!(errno(found), Errno::ENOENT, "{missing}");
    }
    assert_eq!(d.commits(), 0);
}

/// What its history gives no room to is lost to it: an empty value, and one that is too large. Without
/// anything to come back with, a secret is not kept.
/// Proves semantics 1.11.
#[tokio::test]
async fn what_no_history_keeps_does_not_come_back() {
    let d = Device::new().await;
    for (path, value) in [
        ("/d/a/empty", &b""[..]),
        ("/d/a/large", &[b'x'; 64 << 10]),
        ("/d/a/small", b"x"),
        ("/d/b/empty", b""),
    ] {
        let (secret, _) = path.rsplit_once('/').unwrap();
        d.secret(secret).await;
        d.put(path, value).await.unwrap();
    }
    d.chmod("/d/a/small", 0o400).await.unwrap();
    d.age();
    remove(&d, "/d/a").await;
    remove(&d, "/d/b").await;
    assert_eq!(d.ls(&trash("d")).await, ["a"]);
    assert_eq!(d.ls(&trash("d/a")).await, ["small"]);
    d.rename(&trash("d/a"), "/d/a").await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["small"]);
    assert_eq!(d.stat("/d/a/small").await.unwrap().mode, 0o600);
}

/// `rm -r` in it deletes for good: a file alone, a secret, a domain with several of one name.
/// Proves semantics 1.12.
#[tokio::test]
async fn what_is_removed_there_is_gone() {
    let d = device().await;
    remove(&d, "/d/a").await;
    for minute in 1..4 {
        d.secret("/d/a").await;
        d.put("/d/a/pwd", b"another").await.unwrap();
        d.put("/d/a/uid", b"x").await.unwrap();
        d.clock.turn_to(NOON + 60 * minute);
        remove(&d, "/d/a").await;
    }
    d.secret("/e/b").await;
    d.put("/e/b/pwd", b"x").await.unwrap();
    remove(&d, "/e/b").await;
    let all = d.ls(&trash("d")).await;
    assert_eq!(all.len(), 4);
    // Not while there is something in it.
    for full in ["d", "d/a"] {
        assert_eq!(errno(d.rmdir(&trash(full)).await), Errno::ENOTEMPTY);
    }
    let read_only = d.read_only().await;
    read_only.ls(&trash("d/a")).await;
    for refused in [
        read_only.unlink(&trash("d/a/pwd")).await,
        read_only.rmdir(&trash("d/a")).await,
    ] {
        assert_eq!(errno(refused), Errno::EROFS);
    }
    // A file alone: the others stay.
    d.unlink(&trash("d/a/uid")).await.unwrap();
    assert_eq!(d.ls(&trash("d/a")).await, ["pwd"]);
    assert_eq!(d.second().await.ls(&trash("d/a")).await, ["pwd"]);
    // By the names that there were, as `rm -r` does: the next has the name as soon as one is gone.
    for name in all {
        remove(&d, &trash(&format!("d/{name}"))).await;
    }
    assert_eq!(d.ls(&trash("d")).await, [""; 0]);
    d.rmdir(&trash("d")).await.unwrap();
    assert_eq!(d.ls(&trash("")).await, ["e"]);
    assert_eq!(errno(d.ino(&trash("d")).await), Errno::ENOENT);
    assert_eq!(d.second().await.ls(&trash("")).await, ["e"]);
    assert_eq!(d.wallet.head_info().count, 1);
}

/// It costs what the history costs: nothing to list the names, and the values of a secret once; and
/// nothing while there is nothing in it.
#[tokio::test]
async fn what_it_costs() {
    let d = device().await;
    d.commits();
    assert_eq!(d.ls(&trash("")).await, [""; 0]);
    assert_eq!(d.requests(), (0, 0, 0));
    remove(&d, "/d/a").await;
    // One for each file, and one for the secret.
    assert_eq!(d.requests(), (0, 0, 4));
    let e = d.second().await;
    assert_eq!(e.ls(&trash("d")).await, ["a"]);
    assert_eq!(e.requests(), (0, 0, 0));
    e.ls(&trash("d/a")).await;
    e.cat(&trash("d/a/pwd")).await.unwrap();
    assert_eq!(e.requests(), (1, 0, 0));
    e.age();
    e.ls(&trash("d/a")).await;
    assert_eq!(e.requests(), (1, 0, 0));
}

/// A secret that another device removes or brings back goes and comes here, and what is known of a
/// place in the trash is nothing when it is left.
#[tokio::test]
async fn it_follows_another_device() {
    let d = device().await;
    let e = d.second().await;
    e.clock.turn_to(NOON);
    let file = e.ino("/d/a/pwd").await.unwrap();
    remove(&d, "/d/a").await;
    e.age();
    assert_eq!(errno(e.ino("/d/a").await), Errno::ENOENT);
    assert_eq!(e.ls(&trash("d/a")).await, ["uid", "pwd", "x%2Fy"]);
    let past = e.ino(&trash("d/a/pwd")).await.unwrap();
    d.rename(&trash("d/a"), "/d/a").await.unwrap();
    e.age();
    assert_eq!(errno(e.fs.getattr(past, SHELL).await), Errno::ESTALE);
    assert_eq!(e.fs.getattr(file, SHELL).await.unwrap().attr.size, 6);
    assert_eq!(e.cat("/d/a/pwd").await.unwrap(), b"second");
    // Both at once: the second finds that there is nothing to be brought back.
    remove(&d, "/d/a").await;
    e.age();
    e.ls(&trash("d")).await;
    d.rename(&trash("d/a"), "/d/a").await.unwrap();
    assert_eq!(errno(e.rename(&trash("d/a"), "/d/b").await), Errno::ENOENT);
    assert_eq!(d.second().await.ls("/d").await, ["a"]);
}

/// What an audit is told, and that a look at it is an access.
#[tokio::test]
async fn it_is_an_access_to_a_secret() {
    let d = device().await;
    remove(&d, "/d/a").await;
    let file = d.ino(&trash("d/a/x%2Fy")).await.unwrap();
    let path = d.fs.path(file);
    assert_eq!(path.as_deref(), Some(".walletfs/trash/d/a/x%2Fy"));
    assert!(d.fs.is_secret(file));
    let directory = d.ino(&trash("d/a")).await.unwrap();
    assert!(d.fs.is_secret(directory));
    let all: Ino = d.ino(&trash("")).await.unwrap();
    assert!(!d.fs.is_secret(all));
}
