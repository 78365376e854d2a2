//! When content is stored: the rules of section 6, by the calls of the programs named there.

use super::harness::*;
use std::sync::{Arc, Mutex};
use walletfs::fs::{OpenHow, SetAttr};
use walletfs::store::Call;

const F: &str = "/d/a/f";

async fn device() -> Device {
    let device = Device::new().await;
    device.secret("/d/a").await;
    device.calls.take();
    device
}

/// `echo x > f`: the shell opens, dup2s onto 1, closes the first descriptor, writes, closes.
#[tokio::test]
async fn echo_redirected_is_one_commit() {
    let d = device().await;
    for content in [b"one\n", b"two\n"] {
        let fh = d.create(F, TRUNCATE).await.unwrap();
        d.close_one(fh, SHELL).await.unwrap();
        assert_eq!(d.commits(), 0, "dup2's close comes before the write");
        d.write(fh, 0, content).unwrap();
        d.close(fh).await.unwrap();
        assert_eq!(d.commits(), 1);
        assert_eq!(d.stored(F).await.unwrap(), content);
    }
}

/// The store never holds the empty state between: after O_TRUNC and before the write, another
/// device still has the old content.
#[tokio::test]
async fn the_empty_state_between_is_never_stored() {
    let d = device().await;
    d.put(F, b"old").await.unwrap();
    d.calls.take();
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.close_one(fh, SHELL).await.unwrap();
    assert_eq!(
        d.stat(F).await.unwrap().size,
        0,
        "this mount sees it at once"
    );
    assert_eq!(d.stored(F).await.unwrap(), b"old");
    d.write(fh, 0, b"new").unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored(F).await.unwrap(), b"new");
}

/// `(echo a; /bin/true; echo b) > f`: the child inherits the descriptor and closes it at its end.
#[tokio::test]
async fn a_child_that_inherited_the_descriptor_commits_nothing() {
    let d = device().await;
    let (subshell, child) = (200, 201);
    let fh = d.create_as(F, TRUNCATE, subshell).await.unwrap();
    d.close_one(fh, subshell).await.unwrap();
    d.write(fh, 0, b"a\n").unwrap();
    d.close_one(fh, child).await.unwrap();
    assert_eq!(d.commits(), 0);
    d.write(fh, 2, b"b\n").unwrap();
    d.close_as(fh, subshell).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored(F).await.unwrap(), b"a\nb\n");
}

/// A thread of the opener closes: it is the same process.
#[tokio::test]
async fn a_close_by_another_thread_of_the_opener_commits() {
    let d = device().await;
    d.processes.thread_of(301, 300);
    let fh = d.create_as(F, TRUNCATE, 300).await.unwrap();
    d.write(fh, 0, b"x").unwrap();
    d.close_one(fh, 301).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.close_as(fh, 300).await.unwrap();
    assert_eq!(d.commits(), 0, "nothing is left to store");
}

/// The opener has ended: any close commits.
#[tokio::test]
async fn a_close_after_the_opener_ended_commits() {
    let d = device().await;
    let (opener, child) = (400, 401);
    let fh = d.create_as(F, TRUNCATE, opener).await.unwrap();
    d.write(fh, 0, b"x").unwrap();
    d.processes.end(opener);
    d.close_one(fh, child).await.unwrap();
    assert_eq!(d.commits(), 1);
}

/// A child goes on writing after its parent's close; its own last close is the release.
#[tokio::test]
async fn the_release_stores_what_a_child_wrote() {
    let d = device().await;
    let (parent, child) = (500, 501);
    let fh = d.create_as(F, TRUNCATE, parent).await.unwrap();
    d.write(fh, 0, b"parent ").unwrap();
    d.close_one(fh, parent).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.write(fh, 7, b"child").unwrap();
    d.close_as(fh, child).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored(F).await.unwrap(), b"parent child");
}

/// `: > f`: nothing is written; the release stores the empty content.
#[tokio::test]
async fn a_bare_truncation_waits_for_the_release() {
    let d = device().await;
    for existing in [false, true] {
        let fh = d.create(F, TRUNCATE).await.unwrap();
        d.close_one(fh, SHELL).await.unwrap();
        d.close_one(fh, SHELL).await.unwrap();
        assert_eq!(d.commits(), 0, "existing: {existing}");
        d.fs.release(fh).await.unwrap();
        assert_eq!(d.commits(), 1, "existing: {existing}");
        assert_eq!(d.stored(F).await.unwrap(), b"");
    }
}

/// `touch f`: O_CREAT, then utimensat without a handle, then the close.
#[tokio::test]
async fn touch_is_one_commit() {
    let d = device().await;
    for time in [1_000_000_000, 2_000_000_000] {
        let fh = d.create(F, WRITE).await.unwrap();
        d.close_one(fh, SHELL).await.unwrap();
        d.utimens(F, time).await.unwrap();
        let before = d.commits();
        d.close(fh).await.unwrap();
        assert_eq!(before + d.commits(), 1);
        assert_eq!(d.second().await.stat(F).await.unwrap().mtime_ns, time);
    }
}

/// `cp -p`: content, times, owner and mode, all but the content without a handle.
#[tokio::test]
async fn cp_p_is_one_commit() {
    let d = device().await;
    let fh = d
        .create(
            F,
            OpenHow {
                exclusive: true,
                ..WRITE
            },
        )
        .await
        .unwrap();
    d.write(fh, 0, b"copied").unwrap();
    d.utimens(F, 1_234_567_890_123_456_789).await.unwrap();
    let chown = SetAttr {
        uid: Some(1000),
        gid: Some(1000),
        ..SetAttr::default()
    };
    d.setattr(F, chown, None).await.unwrap();
    d.chmod(F, 0o100644).await.unwrap();
    assert_eq!(d.commits(), 0);
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    let other = d.second().await;
    let attr = other.stat(F).await.unwrap();
    assert_eq!(
        (attr.mode, attr.mtime_ns),
        (0o600, 1_234_567_890_123_456_789)
    );
    assert_eq!(other.cat(F).await.unwrap(), b"copied");
}

/// Two shells append at the same time: no line is lost, each close is one commit.
#[tokio::test]
async fn two_shells_appending_lose_no_line() {
    let d = device().await;
    d.put(F, b"0\n").await.unwrap();
    d.calls.take();
    let one = d.create_as(F, APPEND, 600).await.unwrap();
    let two = d.create_as(F, APPEND, 700).await.unwrap();
    // Both were told the same size, so the kernel may send the same offset.
    d.write(one, 2, b"one\n").unwrap();
    d.write(two, 2, b"two\n").unwrap();
    d.close_as(one, 600).await.unwrap();
    d.close_as(two, 700).await.unwrap();
    assert!(d.commits() <= 2);
    assert_eq!(d.stored(F).await.unwrap(), b"0\none\ntwo\n");
}

/// A second writer that did nothing stores nothing of the first one's by its close.
#[tokio::test]
async fn a_writer_that_did_nothing_commits_nothing() {
    let d = device().await;
    let one = d.create_as(F, TRUNCATE, 600).await.unwrap();
    d.write(one, 0, b"half").unwrap();
    let two = d.create_as(F, WRITE, 700).await.unwrap();
    d.close_as(two, 700).await.unwrap();
    assert_eq!(d.commits(), 0);
    d.write(one, 4, b" done").unwrap();
    d.close_as(one, 600).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored(F).await.unwrap(), b"half done");
}

/// fsync stores at once, also what was only truncated; a second one has nothing to do.
#[tokio::test]
async fn fsync_commits_at_once() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.fs.fsync(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.write(fh, 0, b"x").unwrap();
    d.fs.fsync(fh).await.unwrap();
    d.fs.fsync(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 0);
}

/// ftruncate counts as something done.
#[tokio::test]
async fn ftruncate_then_close_is_one_commit() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    d.calls.take();
    let fh = d.open(F, WRITE).await.unwrap();
    d.truncate(F, 4, Some(fh)).await.unwrap();
    assert_eq!(d.commits(), 0);
    d.close_one(fh, SHELL).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored(F).await.unwrap(), b"cont");
}

/// chmod, utimens, truncate of a file that nobody writes are one commit each, and none if nothing
/// changes.
#[tokio::test]
async fn attribute_changes_commit_once_or_not_at_all() {
    let d = device().await;
    d.put(F, b"content").await.unwrap();
    // Not right after its close (`later.rs`).
    d.age();
    d.stat(F).await.unwrap();
    d.calls.take();
    d.chmod(F, 0o400).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.chmod(F, 0o444).await.unwrap();
    assert_eq!(
        d.commits(),
        0,
        "group and other bits are dropped, so nothing changes"
    );
    d.utimens(F, 5).await.unwrap();
    assert_eq!(d.commits(), 1);
    d.utimens(F, 5).await.unwrap();
    assert_eq!(d.commits(), 0);
    d.truncate(F, 3, None).await.unwrap();
    assert_eq!(d.commits(), 1);
    let other = d.second().await;
    assert_eq!(other.cat(F).await.unwrap(), b"con");
    assert_eq!(other.stat(F).await.unwrap().mode, 0o400);
}

/// A write while a commit is under way is not lost: it stays unsaved, for the next one.
#[tokio::test]
async fn a_write_during_a_commit_is_seen_and_stored_next() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"first").unwrap();
    let fs = d.fs.clone();
    d.faults.plan(move |call| {
        if let Call::Commit(_) = call {
            // The commit has taken its content; now more comes.
            fs.write(fh, 0, b"FIRST").unwrap();
        }
        None
    });
    d.close_one(fh, SHELL).await.unwrap();
    d.faults.heal();
    assert_eq!(d.stored(F).await.unwrap(), b"first");
    assert_eq!(d.cat(F).await.unwrap(), b"FIRST");
    assert_eq!(d.fs.unsaved().drafts, 1);
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 2);
    assert_eq!(d.stored(F).await.unwrap(), b"FIRST");
    assert_eq!(d.fs.unsaved().drafts, 0);
}

/// `: > f; chmod 400 f`: the release comes after the close, and the chmod while it is being stored.
#[tokio::test]
async fn a_change_during_the_last_commit_is_stored_too() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    let ino = d.ino(F).await.unwrap();
    let chmod = SetAttr {
        mode: Some(0o400),
        ..SetAttr::default()
    };
    let (fs, changing) = (d.fs.clone(), Arc::new(Mutex::new(None)));
    let changed = changing.clone();
    d.faults.plan(move |call| {
        if let Call::Commit(_) = call {
            let fs = fs.clone();
            let mut task = changing.lock().unwrap();
            task.get_or_insert_with(|| {
                tokio::spawn(async move { fs.setattr(ino, chmod, None, SHELL).await.map(drop) })
            });
        }
        None
    });
    // The commit has taken its content when it comes to the store; then the task runs.
    d.close(fh).await.unwrap();
    let task = changed.lock().unwrap().take().unwrap();
    task.await.unwrap().unwrap();
    d.faults.heal();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.second().await.stat(F).await.unwrap().mode, 0o400);
}
