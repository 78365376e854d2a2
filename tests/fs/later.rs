//! Modes and times that come right after a close, by name: they wait for a commit that takes them
//! along.

use super::harness::*;
use std::time::Duration;
use walletfs::fs::Errno;
use walletfs::store::{Call, Failure, StoreError};

const F: &str = "/d/a/f";

async fn device() -> Device {
    let d = Device::new().await;
    d.secret("/d/a").await;
    d.calls.take();
    d
}

/// Waits until what waits has been stored, or has failed.
async fn settle(d: &Device) {
    for _ in 0..5000 {
        if d.fs.unsaved().drafts == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it waits for ever");
}

/// Unless something else takes it along, it is stored by itself, in a moment.
/// Proves semantics 4.7.
#[tokio::test]
async fn a_mode_after_a_close_is_stored_in_a_moment() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    assert_eq!(d.commits(), 1);
    d.chmod(F, 0o400).await.unwrap();
    assert_eq!(d.commits(), 0);
    assert_eq!(d.stat(F).await.unwrap().mode, 0o400, "shown at once");
    assert_eq!(d.fs.unsaved().drafts, 1);
    settle(&d).await;
    assert_eq!(d.commits(), 1);
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o400);
    // Nothing changes: nothing waits.
    d.chmod(F, 0o444).await.unwrap();
    assert_eq!(d.fs.unsaved(), Default::default());
}

/// As rsync does: a temporary file, closed; its time; its new name, over the old file.
/// Proves semantics 4.7.
#[tokio::test]
async fn a_rename_takes_it_along() {
    let d = device().await;
    d.put(F, b"old").await.unwrap();
    d.calls.take();
    d.put("/d/a/.f.XyZ123", b"new").await.unwrap();
    d.utimens("/d/a/.f.XyZ123", 5).await.unwrap();
    // By a descriptor of its own, for reading.
    let fh = d.open("/d/a/.f.XyZ123", READ).await.unwrap();
    d.chmod("/d/a/.f.XyZ123", 0o644).await.unwrap();
    d.close(fh).await.unwrap();
    d.rename("/d/a/.f.XyZ123", F).await.unwrap();
    assert_eq!(d.commits(), 2);
    assert_eq!(d.fs.unsaved(), Default::default());
    let other = d.second().await;
    assert_eq!(other.cat(F).await.unwrap(), b"new");
    assert_eq!(other.stat(F).await.unwrap().mtime_ns, 5);
    assert_eq!(other.ls("/d/a").await, ["f"]);
}

/// The release of a file comes after its close, and may come after what waits: it stores nothing then.
#[tokio::test]
async fn a_late_release_takes_nothing() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"content").unwrap();
    d.fs.flush(fh, SHELL).await.unwrap();
    d.utimens(F, 5).await.unwrap();
    d.fs.release(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.fs.unsaved().drafts, 1);
    settle(&d).await;
    assert_eq!(d.stat(F).await.unwrap().mtime_ns, 5);
    assert_eq!(d.second().await.stat(F).await.unwrap().mtime_ns, 5);
}

/// As unzip does, file after file: each commit takes along what waits in its secret.
/// Proves semantics 4.7.
#[tokio::test]
async fn the_next_commit_in_the_secret_takes_it_along() {
    let d = device().await;
    let files = ["/d/a/1", "/d/a/2", "/d/a/3", "/d/a/4"];
    for (file, time) in files.iter().zip(1..) {
        d.put(file, b"content").await.unwrap();
        d.utimens(file, time).await.unwrap();
    }
    assert_eq!(d.commits(), 4);
    assert_eq!(d.fs.unsaved().drafts, 1, "the last one's");
    settle(&d).await;
    assert_eq!(d.commits(), 1);
    let other = d.second().await;
    for (file, time) in files.iter().zip(1..) {
        assert_eq!(other.stat(file).await.unwrap().mtime_ns, time);
    }
}

/// What waits does not keep the next commit from being made, if another device has removed its file.
#[tokio::test]
async fn a_file_that_is_gone_holds_up_nobody() {
    let d = device().await;
    let other = d.second().await;
    d.put(F, b"content").await.unwrap();
    d.utimens(F, 5).await.unwrap();
    other.age();
    other.unlink(F).await.unwrap();
    d.put("/d/a/g", b"content").await.unwrap();
    settle(&d).await;
    d.age();
    assert_eq!(d.ls("/d/a").await, ["g"]);
    assert_eq!(d.fs.unsaved(), Default::default());
}

/// `fsync` of any handle stores it, and so does the end of the mount.
/// Proves semantics 4.7.
#[tokio::test]
async fn fsync_and_the_lock_do_not_wait() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    d.chmod(F, 0o400).await.unwrap();
    let fh = d.open(F, READ).await.unwrap();
    d.fs.fsync(fh).await.unwrap();
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o400);
    d.close(fh).await.unwrap();
    d.chmod(F, 0o600).await.unwrap();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o600);
}

/// Removed or replaced before it was stored, it is nowhere; and it opens, and is read, as before.
#[tokio::test]
async fn it_belongs_to_the_file() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    d.chmod(F, 0o400).await.unwrap();
    assert_eq!(d.cat(F).await.unwrap(), b"content");
    d.put(F, b"written again").await.unwrap();
    assert_eq!(d.fs.unsaved(), Default::default());
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o400);
    d.chmod(F, 0o600).await.unwrap();
    d.unlink(F).await.unwrap();
    assert_eq!(d.fs.unsaved(), Default::default());
    assert_eq!(errno(d.stored(F).await), Errno::ENOENT);
}

/// The store is away by then: it is kept, counted and tried again, as content is.
#[tokio::test]
async fn what_cannot_be_stored_is_kept() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    let gone = StoreError::Unreachable("test".into());
    d.faults.plan(move |call| match call {
        Call::Commit(_) => Some(Failure::Before(gone.clone())),
        _ => None,
    });
    d.chmod(F, 0o400).await.unwrap();
    settle(&d).await;
    assert_eq!(d.fs.unsaved().failed, 1);
    d.faults.heal();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o400);
}
