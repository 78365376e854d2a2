//! What each thing costs in requests to the store. With DynamoDB that is money and latency.

use super::harness::*;
use std::sync::Arc;
use walletfs::fs::Ino;
use walletfs::store::{Counting, StoreError};

async fn device() -> Device {
    let device = Device::new().await;
    for domain in ["d", "e"] {
        for access in ["a", "b"] {
            device.secret(&format!("/{domain}/{access}")).await;
            device
                .put(&format!("/{domain}/{access}/pwd"), b"secret")
                .await
                .unwrap();
        }
    }
    device.calls.take();
    device
}

/// Unlocking reads the head and the page; the first read within the cache's life costs nothing.
#[tokio::test]
async fn a_mount_and_a_first_read_are_one_get_and_one_list() {
    let first = device().await;
    let calls = Arc::new(Counting::new(first.calls.clone()));
    let d = first.unlock_over(calls.clone()).await;
    assert_eq!(d.cat("/d/a/pwd").await.unwrap(), b"secret");
    let tally = calls.tally();
    assert_eq!((tally.gets, tally.lists, tally.commits), (1, 1, 0));
}

#[tokio::test]
async fn reads_within_the_caches_life_cost_nothing_and_one_get_after_it() {
    let d = device().await;
    for _ in 0..3 {
        for path in ["/d/a/pwd", "/e/b/pwd"] {
            d.cat(path).await.unwrap();
        }
    }
    assert_eq!(d.requests(), (0, 0, 0));
    d.age();
    d.cat("/d/a/pwd").await.unwrap();
    d.cat("/e/b/pwd").await.unwrap();
    assert_eq!(d.requests(), (1, 0, 0));
}

/// Opening for writing reads the head, the close commits; the size does not matter.
#[tokio::test]
async fn a_write_of_any_size_is_one_get_and_one_commit() {
    let d = device().await;
    for content in [&b""[..], b"x", &[7; 100_000], &[8; 350_000]] {
        for path in ["/d/a/new", "/d/a/pwd"] {
            let fh = d.create(path, TRUNCATE).await.unwrap();
            for (i, part) in content.chunks(4096).enumerate() {
                d.write(fh, 4096 * i as u64, part).unwrap();
            }
            d.close(fh).await.unwrap();
            assert_eq!(d.requests(), (1, 0, 1), "{} bytes to {path}", content.len());
            d.put(path, b"").await.unwrap();
            d.calls.take();
        }
    }
}

/// The lookup before an open looks at the head when the snapshot is old: that look serves the open.
#[tokio::test]
async fn a_write_after_the_caches_life_is_one_get_and_one_commit_too() {
    let d = device().await;
    for path in ["/d/a/pwd", "/d/a/new"] {
        d.age();
        d.put(path, b"x").await.unwrap();
        assert_eq!(d.requests(), (1, 0, 1), "{path}");
    }
    // A reader's look serves its own open and no later one, nor another thread's.
    d.age();
    d.cat("/d/a/pwd").await.unwrap();
    d.put("/d/a/pwd", b"y").await.unwrap();
    assert_eq!(d.requests(), (2, 0, 1));
    d.age();
    d.stat("/d/a/pwd").await.unwrap();
    let fh = d.open_as("/d/a/pwd", WRITE, SHELL + 1).await.unwrap();
    assert_eq!(d.requests(), (2, 0, 0));
    d.close_as(fh, SHELL + 1).await.unwrap();
}

/// The kernel believed the name to be free, since another device made the file meanwhile: creating
/// it opens what is there, on the one look.
#[tokio::test]
async fn creating_what_another_device_made_is_one_get_and_one_load() {
    let d = device().await;
    let other = d.second().await;
    other.put("/d/a/new", b"theirs").await.unwrap();
    d.calls.take();
    let dir = d.ino("/d/a").await.unwrap();
    let (_, opened) = d.fs.create(dir, b"new", 0o600, WRITE, SHELL).await.unwrap();
    assert_eq!(d.read(opened.fh).unwrap(), b"theirs");
    assert_eq!(d.requests(), (1, 1, 0));
}

#[tokio::test]
async fn every_mv_is_one_commit_and_nothing_else() {
    let d = device().await;
    for (from, to) in [
        ("/d/a", "/d/z"),
        ("/d/z/pwd", "/d/z/key"),
        ("/e", "/f"),
        ("/d/b", "/f/c"),
    ] {
        d.rename(from, to).await.unwrap();
        assert_eq!(d.requests(), (0, 0, 1), "mv {from} {to}");
    }
}

#[tokio::test]
async fn mkdir_and_removals_are_one_commit_or_none() {
    let d = device().await;
    d.mkdir("/new").await.unwrap();
    assert_eq!(
        d.requests(),
        (0, 0, 0),
        "an empty domain lives in the mount only"
    );
    d.mkdir("/new/a").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 1));
    d.unlink("/d/a/pwd").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 1));
    d.rmdir("/d/a").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 1));
    d.rmdir("/new/a").await.unwrap();
    d.calls.take();
    d.rmdir("/new").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 0));
}

/// `ls -lR`, `find`, `grep -r`: no request at all.
#[tokio::test]
async fn walking_the_whole_tree_costs_nothing() {
    let d = device().await;
    for domain in d.ls("/").await {
        for access in d.ls(&format!("/{domain}")).await {
            for field in d.ls(&format!("/{domain}/{access}")).await {
                let path = format!("/{domain}/{access}/{field}");
                d.stat(&path).await.unwrap();
                d.cat(&path).await.unwrap();
            }
        }
    }
    assert_eq!(d.requests(), (0, 0, 0));
}

/// A change of another device costs the head and a load, once, however many look.
#[tokio::test]
async fn a_change_elsewhere_is_one_get_and_one_list() {
    let d = device().await;
    let other = d.second().await;
    other.put("/d/a/pwd", b"changed").await.unwrap();
    d.age();
    let (one, two) = tokio::join!(d.cat("/d/a/pwd"), d.cat("/d/a/pwd"));
    assert_eq!(
        (one.unwrap(), two.unwrap()),
        (b"changed".to_vec(), b"changed".to_vec())
    );
    assert_eq!(d.requests(), (1, 1, 0));
}

/// statfs, the mount's own files and a closed gate ask no store.
#[tokio::test]
async fn the_mounts_own_files_ask_no_store() {
    let d = device().await;
    d.age();
    d.faults.fail_all(StoreError::Deadline);
    assert_eq!(d.fs.statfs().name_max, 255);
    assert_eq!(d.cat("/.walletfs/status").await.unwrap(), b"{}");
    assert_eq!(
        d.ls("/.walletfs").await,
        ["history", "json", "totp", "totp.json", "trash", "status"]
    );
    assert!(!d.fs.is_secret(Ino::ROOT) && !d.fs.is_secret(Ino::STATUS));
    assert_eq!(d.requests(), (0, 0, 0));
}
