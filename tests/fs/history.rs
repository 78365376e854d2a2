//! `/.walletfs/history`: what fields held before, as files.

use crate::harness::*;
use std::time::Duration;
use walletfs::fs::{Errno, Ino};

/// A moment that the clock is turned to, and how it shows.
const NOON: i64 = 1_764_072_000;
const AT_NOON: &str = "2025-11-25T120000Z";

async fn device() -> Device {
    let d = Device::new().await;
    d.secret("/d/a").await;
    d.clock.turn_to(NOON);
    d
}

fn past(path: &str) -> String {
    format!("/.walletfs/history/{path}")
}

/// Each value that a field had is a file, called by the time at which it was replaced or removed,
/// with the size and the modification time that it had.
/// Proves semantics 1.9.
#[tokio::test]
async fn values_are_files_by_the_time_of_their_end() {
    let d = device().await;
    d.put("/d/a/pwd", b"first").await.unwrap();
    // Later than a moment, within which a time waits for the next commit.
    d.age();
    d.utimens("/d/a/pwd", 1_000_000_007).await.unwrap();
    d.clock.turn_to(NOON);
    d.put("/d/a/pwd", b"second!").await.unwrap();
    d.clock.turn_to(NOON + 61);
    d.put("/d/a/pwd", b"third").await.unwrap();
    d.unlink("/d/a/pwd").await.unwrap();
    assert_eq!(d.ls(&past("")).await, ["d"]);
    assert_eq!(d.ls(&past("d")).await, ["a"]);
    assert_eq!(d.ls(&past("d/a")).await, ["pwd"]);
    let names = d.ls(&past("d/a/pwd")).await;
    let later = "2025-11-25T120101Z";
    assert_eq!(names, [AT_NOON, later, &format!("{later}-2")]);
    for (name, value) in names.iter().zip(["first", "second!", "third"]) {
        let path = past(&format!("d/a/pwd/{name}"));
        assert_eq!(d.cat(&path).await.unwrap(), value.as_bytes());
        let shown = d.stat(&path).await.unwrap();
        assert_eq!((shown.size, shown.mode), (value.len() as u64, 0o400));
    }
    let first = d.stat(&past(&format!("d/a/pwd/{AT_NOON}"))).await.unwrap();
    assert_eq!(first.mtime_ns, 1_000_000_007);
    // So it is had back: `cp` of the last one.
    let last = d.cat(&past(&format!("d/a/pwd/{later}-2"))).await.unwrap();
    d.put("/d/a/pwd", &last).await.unwrap();
    assert_eq!(d.stored("/d/a/pwd").await.unwrap(), b"third");
}

/// Names are spelled as in the main tree; history goes along with a renamed secret; nothing of a
/// scratch file is kept.
/// Proves semantics 1.9.
#[tokio::test]
async fn it_is_found_by_the_names_of_the_main_tree() {
    let d = device().await;
    for value in [&b"1"[..], b"2"] {
        d.put("/d/a/%70wd", value).await.unwrap();
        d.put("/d/a/x%2Fy", value).await.unwrap();
        d.put("/d/a/note~", value).await.unwrap();
    }
    d.rename("/d/a", "/d/..%2F").await.unwrap();
    assert_eq!(errno(d.ino(&past("d/a")).await), Errno::ENOENT);
    assert_eq!(d.ls(&past("d/..%2F")).await, ["%70wd", "x%2Fy"]);
    assert_eq!(d.ls(&past("d/..%2F/x%2Fy")).await, [AT_NOON]);
    for (path, refused) in [
        ("d/..%2F/none", Errno::ENOENT),
        ("d/..%2F/x%2Fy/none", Errno::ENOENT),
        ("d/..%2F/pwd", Errno::ENOENT),
        ("d/..%2F/a%25b", Errno::EINVAL),
        (&format!("d/..%2F/x%2Fy/{AT_NOON}/z"), Errno::ENOTDIR),
    ] {
        assert_eq!(errno(d.ino(&past(path)).await), refused, "{path}");
    }
    // An editor's save by a temporary file: the file that is replaced leaves its value, the
    // temporary one nothing.
    d.put("/d/..%2F/tmp", b"3").await.unwrap();
    d.rename("/d/..%2F/tmp", "/d/..%2F/x%2Fy").await.unwrap();
    assert_eq!(d.ls(&past("d/..%2F")).await, ["%70wd", "x%2Fy"]);
    assert_eq!(d.ls(&past("d/..%2F/x%2Fy")).await.len(), 2);
    d.unlink("/d/..%2F/x%2Fy").await.unwrap();
    d.unlink("/d/..%2F/%70wd").await.unwrap();
    d.unlink("/d/..%2F/note~").await.unwrap();
    d.rmdir("/d/..%2F").await.unwrap();
    assert_eq!(d.ls(&past("")).await, [""; 0]);
}

/// It can be changed by nothing but what changes the fields.
#[tokio::test]
async fn it_is_read_only() {
    let d = device().await;
    for value in [&b"1"[..], b"2"] {
        d.put("/d/a/pwd", value).await.unwrap();
    }
    let file = past(&format!("d/a/pwd/{AT_NOON}"));
    for refused in [
        d.open(&file, WRITE).await.map(drop),
        d.open(&file, TRUNCATE).await.map(drop),
        d.create(&past("d/a/pwd/x"), WRITE).await.map(drop),
        d.create(&past("d/a/x"), WRITE).await.map(drop),
        d.unlink(&file).await,
        d.rmdir(&past("d/a/pwd")).await,
        d.rmdir(&past("d/a")).await,
        d.mkdir(&past("d/b")).await,
        d.mkdir(&past("d/a/pwd/x")).await,
        d.chmod(&file, 0o600).await,
        d.truncate(&file, 0, None).await,
        d.rename(&file, "/d/a/uid").await,
        d.rename(&past("d/a"), "/d/b").await,
        d.rename("/d/a/pwd", &past("d/a/x")).await,
        d.rename("/d/a", &past("d/b")).await,
    ] {
        assert_eq!(errno(refused), Errno::EROFS);
    }
    assert_eq!(errno(d.open(&past("d/a"), READ).await), Errno::EISDIR);
    assert_eq!(d.cat(&file).await.unwrap(), b"1");
}

/// A change keeps its one commit; a look costs what a read of the secret costs, once.
#[tokio::test]
async fn what_it_costs() {
    let d = device().await;
    d.put("/d/a/pwd", b"1").await.unwrap();
    d.requests();
    d.put("/d/a/pwd", b"2").await.unwrap();
    let (_, lists, commits) = d.requests();
    assert_eq!((lists, commits), (0, 1));
    let second = d.second().await;
    second.ls(&past("d/a/pwd")).await;
    second
        .cat(&past(&format!("d/a/pwd/{AT_NOON}")))
        .await
        .unwrap();
    assert_eq!(second.requests(), (0, 0, 0), "a load brings values along");
    second.age();
    second
        .cat(&past(&format!("d/a/pwd/{AT_NOON}")))
        .await
        .unwrap();
    assert_eq!(second.requests(), (1, 0, 0), "the head");
    // What another device changes is shown.
    d.clock.advance(Duration::from_secs(5));
    d.put("/d/a/pwd", b"3").await.unwrap();
    second.age();
    assert_eq!(second.ls(&past("d/a/pwd")).await.len(), 2);
}

/// Many secrets are looked at in turn; a listing finds all of each, in pages of any size.
#[tokio::test]
async fn many_are_looked_at() {
    let d = device().await;
    for n in 0..20 {
        d.secret(&format!("/d/s{n}")).await;
        for value in 0..4 {
            let value = format!("{n} {value}");
            d.put(&format!("/d/s{n}/pwd"), value.as_bytes())
                .await
                .unwrap();
        }
    }
    for n in 0..20 {
        let names = d.ls_pages(&past(&format!("d/s{n}/pwd")), 1).await.unwrap();
        assert_eq!(names.len(), 3);
        for (at, name) in names.iter().enumerate() {
            let path = past(&format!("d/s{n}/pwd/{name}"));
            let shown = d.cat(&path).await.unwrap();
            assert_eq!(shown, format!("{n} {at}").into_bytes());
        }
    }
    // Numbers agree between listings and looks, and are given back.
    let dir = d.ino(&past("d/s3/pwd")).await.unwrap();
    let fh = d.fs.opendir(dir).unwrap();
    let mut numbers = Vec::new();
    let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
        numbers.push((entry.name.to_owned(), entry.ino));
        true
    };
    d.fs.readdir(fh, 0, true, &mut add).await.unwrap();
    for (name, ino) in numbers.split_off(2) {
        assert_eq!(d.ino(&past(&format!("d/s3/pwd/{name}"))).await, Ok(ino));
        assert_ne!(ino, Ino::ROOT);
    }
    assert_eq!(numbers[1].1, d.ino(&past("d/s3")).await.unwrap());
}

/// A look at what a field held is an access to the secret, and is written down as one.
#[tokio::test]
async fn it_counts_as_an_access() {
    let d = device().await;
    for value in [&b"1"[..], b"2"] {
        d.put("/d/a/pwd", value).await.unwrap();
    }
    let path = past(&format!("d/a/pwd/{AT_NOON}"));
    for (path, is_access, is_open) in [
        (past(""), false, false),
        (past("d"), true, false),
        (past("d/a/pwd"), true, false),
        (path.clone(), true, true),
    ] {
        let ino = d.ino(&path).await.unwrap();
        assert_eq!(d.fs.is_secret(ino), is_access, "{path}");
        assert_eq!(d.fs.path(ino), is_open.then(|| path[1..].to_owned()));
    }
}
