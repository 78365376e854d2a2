//! Content that cannot be stored: it is reported, kept, shown, tried again, counted; what another
//! device did meanwhile is never overwritten.

use super::harness::*;
use walletfs::fs::Errno;
use walletfs::store::{Call, Failure, StoreError};

const F: &str = "/d/a/f";

async fn device() -> Device {
    let device = Device::new().await;
    device.secret("/d/a").await;
    device.put(F, b"old").await.unwrap();
    device.calls.take();
    device
}

/// Commits fail with this error, reads go on.
fn fail_commits(d: &Device, error: StoreError) {
    d.faults.plan(move |call| match call {
        Call::Commit(_) => Some(Failure::Before(error.clone())),
        _ => None,
    });
}

async fn settle(d: &Device) {
    // Retries run as tasks, and what they note on disk on threads.
    for _ in 0..1000 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        if d.fs.unsaved().failed == 0 {
            break;
        }
    }
}

/// `close` tells, the content stays and is shown, and the next access stores it.
/// Proves semantics 4.9, 10.8.
#[tokio::test]
async fn failed_content_is_kept_shown_and_tried_again() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"new").unwrap();
    fail_commits(&d, StoreError::Unreachable("test".into()));
    assert_eq!(errno(d.close(fh).await), Errno::ENETUNREACH);
    let unsaved = d.fs.unsaved();
    assert_eq!((unsaved.drafts, unsaved.failed), (0, 1));
    assert_eq!(
        d.cat(F).await.unwrap(),
        b"new",
        "after its last handle is gone"
    );
    assert_eq!(d.stored(F).await.unwrap(), b"old");

    d.faults.heal();
    d.stat(F).await.unwrap();
    settle(&d).await;
    assert_eq!(d.fs.unsaved(), Default::default());
    assert_eq!(d.stored(F).await.unwrap(), b"new");
    assert_eq!(d.cat(F).await.unwrap(), b"new");
}

/// At the lock it is tried once more, and counted if that fails.
#[tokio::test]
async fn failed_content_is_tried_at_the_lock() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"new").unwrap();
    fail_commits(&d, StoreError::Deadline);
    assert_eq!(errno(d.close(fh).await), Errno::ETIMEDOUT);
    assert_eq!(d.fs.store_unsaved().await, 1);
    d.faults.heal();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.stored(F).await.unwrap(), b"new");
}

/// A release that fails tells nobody: the content is kept all the same.
#[tokio::test]
async fn a_release_that_fails_keeps_the_content() {
    let d = device().await;
    let fh = d.create(F, TRUNCATE).await.unwrap();
    fail_commits(&d, StoreError::Busy("test".into()));
    d.fs.release(fh).await.unwrap();
    assert_eq!(d.fs.unsaved().failed, 1);
    assert_eq!(d.stat(F).await.unwrap().size, 0);
}

/// Each way in which the store is away has its errno.
/// Proves semantics 10.8.
#[tokio::test]
async fn each_failure_has_its_errno() {
    let d = device().await;
    for (error, expected) in [
        (StoreError::Unreachable("x".into()), Errno::ENETUNREACH),
        (StoreError::Deadline, Errno::ETIMEDOUT),
        (StoreError::Busy("x".into()), Errno::EBUSY),
        (StoreError::Denied("x".into()), Errno::EACCES),
        (StoreError::Failed("x".into()), Errno::EIO),
    ] {
        d.faults.fail_all(error);
        assert_eq!(
            errno(d.open(F, WRITE).await),
            expected,
            "opening for writing asks the store"
        );
        assert_eq!(errno(d.mkdir("/d/b").await), expected);
        assert_eq!(d.cat(F).await.unwrap(), b"old", "reads go on from memory");
        d.faults.heal();
        d.age();
        d.stat(F).await.unwrap();
    }
}

/// With the store away, reads go on from memory however old the snapshot is.
/// Proves semantics 8.8.
#[tokio::test]
async fn reads_go_on_while_the_store_is_away() {
    let d = device().await;
    d.faults.fail_all(StoreError::Unreachable("test".into()));
    d.age();
    assert_eq!(d.cat(F).await.unwrap(), b"old");
    assert_eq!(d.ls("/d/a").await, ["f"]);
    assert!(d.wallet.state().stale.is_some());
}

/// The same field changed elsewhere: ESTALE, and the writer's content is stored beside it.
#[tokio::test]
async fn a_field_changed_elsewhere_is_not_overwritten() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.open(F, WRITE).await.unwrap();
    d.write(fh, 0, b"mine").unwrap();
    other.put(F, b"theirs").await.unwrap();
    assert_eq!(errno(d.close(fh).await), Errno::ESTALE);
    d.age();
    assert_eq!(d.cat(F).await.unwrap(), b"theirs");
    let names = d.ls("/d/a").await;
    assert_eq!(names.len(), 2);
    let conflict = names
        .iter()
        .find(|name| name.starts_with("f.conflict-2025-11-24T"))
        .unwrap();
    assert_eq!(
        d.stored(&format!("/d/a/{conflict}")).await.unwrap(),
        b"mine"
    );
    assert_eq!(d.fs.unsaved(), Default::default());
}

/// The same for `uid`, whose conflict is an info key; and for two creators of one name.
/// Proves semantics 8.6.
#[tokio::test]
async fn two_creators_of_one_name_both_keep_their_content() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.create("/d/a/uid", TRUNCATE).await.unwrap();
    d.write(fh, 0, b"mine").unwrap();
    other.put("/d/a/uid", b"theirs").await.unwrap();
    assert_eq!(errno(d.close(fh).await), Errno::ESTALE);
    d.age();
    let names = d.ls("/d/a").await;
    assert_eq!(names[0], "uid");
    assert_eq!(d.cat("/d/a/uid").await.unwrap(), b"theirs");
    let conflict = names
        .iter()
        .find(|name| name.starts_with("uid.conflict-"))
        .unwrap();
    assert_eq!(d.cat(&format!("/d/a/{conflict}")).await.unwrap(), b"mine");
}

/// Other fields' changes merge, and so does a change of mode.
#[tokio::test]
async fn changes_of_other_fields_merge() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.open(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"mine").unwrap();
    other.put("/d/a/pwd", b"theirs").await.unwrap();
    other.chmod(F, 0o400).await.unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"mine");
    assert_eq!(d.stored("/d/a/pwd").await.unwrap(), b"theirs");
}

/// Over the limit: EFBIG at the write, and the old content is intact.
#[tokio::test]
async fn a_secret_over_its_limit_is_refused_at_the_write() {
    let d = device().await;
    let fh = d.open(F, WRITE).await.unwrap();
    assert_eq!(errno(d.fs.write(fh, 0, &vec![0; 410_000])), Errno::EFBIG);
    assert_eq!(errno(d.fs.write(fh, u64::MAX, b"x")), Errno::EFBIG);
    assert_eq!(errno(d.truncate(F, 1 << 40, Some(fh)).await), Errno::EFBIG);
    d.close(fh).await.unwrap();
    assert_eq!(errno(d.truncate(F, 1 << 40, None).await), Errno::EFBIG);
    assert_eq!(d.commits(), 0);
    assert_eq!(d.stored(F).await.unwrap(), b"old");
    // And what fits is taken.
    let large = vec![7; 350_000];
    d.put("/d/a/large", &large).await.unwrap();
    assert_eq!(d.stored("/d/a/large").await.unwrap(), large);
}

/// `cp` of a file that is too large: what was begun anew and refused in part never takes the place
/// of what is stored.
#[tokio::test]
async fn a_part_of_new_content_does_not_replace_the_old() {
    let d = device().await;
    let part = vec![7; 128 << 10];
    for name in [F, "/d/a/new"] {
        let fh = d.create(name, TRUNCATE).await.unwrap();
        let mut at = 0;
        let refused = loop {
            match d.write(fh, at, &part) {
                Ok(written) => at += written as u64,
                Err(e) => break e.errno,
            }
        };
        assert_eq!((refused, at), (Errno::EFBIG, 3 * (128 << 10)));
        assert_eq!(errno(d.fs.fsync(fh).await), Errno::EFBIG);
        assert_eq!(errno(d.rename(name, "/d/a/g").await), Errno::EFBIG);
        assert_eq!(d.fs.store_unsaved().await, 1, "an unmount is told");
        assert_eq!(errno(d.close(fh).await), Errno::EFBIG);
        assert_eq!(d.fs.unsaved(), Default::default());
    }
    assert_eq!(d.commits(), 0);
    assert_eq!(d.cat(F).await.unwrap(), b"old");
    assert_eq!(d.ls("/d/a").await, ["f"]);
    d.put(F, b"new").await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"new");
}

/// A truncation by name that is refused is no part of what a writer, whose handle the kernel has not
/// released yet, has begun: the file is stored, then and later.
#[tokio::test]
async fn a_truncation_by_name_that_is_refused_leaves_a_writers_content_whole() {
    let d = device().await;
    let fh = d.open(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"new").unwrap();
    assert_eq!(errno(d.truncate(F, 1 << 40, None).await), Errno::EFBIG);
    d.close_one(fh, SHELL).await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"new");
    assert_eq!(errno(d.truncate(F, 1 << 40, None).await), Errno::EFBIG);
    d.utimens(F, 7_000_000_000).await.unwrap();
    d.fs.release(fh).await.unwrap();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.stored(F).await.unwrap(), b"new");
}

/// A writer that begins again after the refusal, and fits, is stored.
#[tokio::test]
async fn content_that_was_begun_again_is_stored() {
    let d = device().await;
    let fh = d.open(F, TRUNCATE).await.unwrap();
    assert_eq!(errno(d.fs.write(fh, 0, &vec![0; 410_000])), Errno::EFBIG);
    d.truncate(F, 0, Some(fh)).await.unwrap();
    d.write(fh, 0, b"fits").unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"fits");
}

/// What was appended to the old content before the refusal is no loss of it, and is stored.
#[tokio::test]
async fn what_was_appended_before_the_refusal_is_stored() {
    let d = device().await;
    let fh = d.open(F, APPEND).await.unwrap();
    d.write(fh, 0, b" and new").unwrap();
    assert_eq!(errno(d.fs.write(fh, 0, &vec![0; 410_000])), Errno::EFBIG);
    d.close(fh).await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"old and new");
}

/// A commit whose answer was lost is not reported as failed for good, nor as another's change.
#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_out() {
    let d = device().await;
    d.faults.plan(|call| match call {
        Call::Commit(_) => Some(Failure::After(StoreError::Deadline)),
        _ => None,
    });
    let fh = d.open(F, TRUNCATE).await.unwrap();
    d.write(fh, 0, b"new").unwrap();
    assert_eq!(errno(d.close(fh).await), Errno::ETIMEDOUT);
    d.faults.heal();
    assert_eq!(d.fs.store_unsaved().await, 0);
    assert_eq!(d.ls("/d/a").await, ["f"], "no conflict with oneself");
    assert_eq!(d.cat(F).await.unwrap(), b"new");
    d.put(F, b"newer").await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"newer");
}

/// Nor is a new file without content, though an empty value could be anybody's: it is known by its
/// time. Another device's stays another's.
#[tokio::test]
async fn an_empty_file_whose_answer_was_lost_is_found_out() {
    for theirs in [false, true] {
        let d = device().await;
        let other = d.second().await;
        let failure = match theirs {
            false => Failure::After(StoreError::Deadline),
            true => Failure::Before(StoreError::Deadline),
        };
        d.faults.plan(move |call| match call {
            Call::Commit(_) => Some(failure.clone()),
            _ => None,
        });
        let fh = d.create("/d/a/new", TRUNCATE).await.unwrap();
        d.fs.release(fh).await.unwrap();
        assert_eq!(d.fs.unsaved().failed, 1);
        d.faults.heal();
        if theirs {
            other.put("/d/a/new", b"").await.unwrap();
        }
        assert_eq!(d.fs.store_unsaved().await, 0);
        d.age();
        let names = d.ls("/d/a").await;
        assert_eq!(names.len(), if theirs { 3 } else { 2 }, "{names:?}");
    }
}

/// Written again before that was found out, twice, and the first commit had been made after all: that
/// was this file's own content, which the new one may replace.
#[tokio::test]
async fn content_written_over_a_commit_whose_answer_was_lost_replaces_it() {
    let d = device().await;
    let fh = d.open(F, TRUNCATE).await.unwrap();
    let mut commits = 0;
    d.faults.plan(move |call| match call {
        Call::Commit(_) if commits == 0 => {
            commits += 1;
            Some(Failure::After(StoreError::Deadline))
        }
        _ => Some(Failure::Before(StoreError::Unreachable("test".into()))),
    });
    d.write(fh, 0, b"new").unwrap();
    assert_eq!(errno(d.fs.fsync(fh).await), Errno::ETIMEDOUT);
    d.write(fh, 0, b"newer").unwrap();
    assert_eq!(errno(d.fs.fsync(fh).await), Errno::ENETUNREACH);
    d.write(fh, 0, b"newest").unwrap();
    d.faults.heal();
    assert_eq!(d.stored(F).await.unwrap(), b"new");
    d.close(fh).await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["f"], "no conflict with oneself");
    assert_eq!(d.stored(F).await.unwrap(), b"newest");
}

/// But what another device made of that content is not replaced.
#[tokio::test]
async fn content_written_over_a_commit_whose_answer_was_lost_does_not_replace_anothers() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.open(F, TRUNCATE).await.unwrap();
    d.faults.plan(|call| match call {
        Call::Commit(_) => Some(Failure::After(StoreError::Deadline)),
        _ => None,
    });
    d.write(fh, 0, b"new").unwrap();
    assert_eq!(errno(d.fs.fsync(fh).await), Errno::ETIMEDOUT);
    d.faults.heal();
    other.age();
    other.put(F, b"theirs").await.unwrap();
    d.write(fh, 0, b"newer").unwrap();
    assert_eq!(errno(d.close(fh).await), Errno::ESTALE);
    assert_eq!(d.stored(F).await.unwrap(), b"theirs");
    let names = d.ls("/d/a").await;
    assert_eq!(names.len(), 2);
    let beside = format!("/d/a/{}", names[1]);
    assert_eq!(d.stored(&beside).await.unwrap(), b"newer");
}

/// The whole secret was removed elsewhere: it is made again, for this content alone.
/// Proves semantics 8.7.
#[tokio::test]
async fn content_of_a_secret_removed_elsewhere_is_kept() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.open(F, WRITE).await.unwrap();
    d.write(fh, 0, b"mine").unwrap();
    other.unlink(F).await.unwrap();
    other.rmdir("/d/a").await.unwrap();
    assert_eq!(errno(d.close(fh).await), Errno::ESTALE);
    assert_eq!(d.fs.unsaved(), Default::default());
    let names = d.ls("/d/a").await;
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with("f.conflict-"));
    assert_eq!(
        d.stored(&format!("/d/a/{}", names[0])).await.unwrap(),
        b"mine"
    );
}

/// Two unsaved files of one secret: the one that would take it over its limit is refused at the
/// write, not at the close.
#[tokio::test]
async fn unsaved_files_of_one_secret_count_together() {
    let d = device().await;
    let half = vec![7; 240_000];
    let one = d.create("/d/a/one", TRUNCATE).await.unwrap();
    d.write(one, 0, &half).unwrap();
    let two = d.create("/d/a/two", TRUNCATE).await.unwrap();
    assert_eq!(errno(d.fs.write(two, 0, &half)), Errno::EFBIG);
    d.close(one).await.unwrap();
    d.fs.release(two).await.unwrap();
    assert_eq!(d.stored("/d/a/one").await.unwrap(), half);
}
