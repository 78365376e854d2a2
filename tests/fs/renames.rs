//! Renaming, and scratch files.

use super::harness::*;
use walletfs::fs::{Errno, Fh};
use walletfs::store::Call;

async fn device() -> Device {
    let device = Device::new().await;
    device.secret("/d/a").await;
    device.put("/d/a/f", b"F").await.unwrap();
    device.put("/d/a/g", b"G").await.unwrap();
    device.secret("/d/b").await;
    device.secret("/e/c").await;
    device.calls.take();
    device
}

#[tokio::test]
async fn a_field_is_renamed_replaced_and_moved_in_one_commit_each() {
    let d = device().await;
    d.utimens("/d/a/f", 7).await.unwrap();
    d.calls.take();
    let ino = d.ino("/d/a/f").await.unwrap();
    for (from, to) in [
        ("/d/a/f", "/d/a/h"),
        ("/d/a/h", "/d/a/g"),
        ("/d/a/g", "/e/c/pwd"),
    ] {
        d.rename(from, to).await.unwrap();
        assert_eq!(d.commits(), 1, "{from} {to}");
        assert_eq!(errno(d.stat(from).await), Errno::ENOENT);
        assert_eq!(d.ino(to).await.unwrap(), ino);
        assert_eq!(d.stored(to).await.unwrap(), b"F");
        assert_eq!(d.stat(to).await.unwrap().mtime_ns, 7);
    }
    assert_eq!(d.ls("/d/a").await, [] as [&str; 0]);
}

#[tokio::test]
async fn noreplace_refuses_what_exists_and_nothing_happens() {
    let d = device().await;
    for (from, to) in [("/d/a/f", "/d/a/g"), ("/d/a", "/d/b"), ("/d", "/e")] {
        assert_eq!(
            errno(d.rename_flags(from, to, true).await),
            Errno::EEXIST,
            "{from} {to}"
        );
    }
    assert_eq!(d.commits(), 0);
    d.rename_flags("/d/a/f", "/d/a/new", true).await.unwrap();
    d.rename_flags("/d/a", "/d/new", true).await.unwrap();
    d.rename_flags("/d", "/new", true).await.unwrap();
    assert_eq!(d.stored("/new/new/new").await.unwrap(), b"F");
}

#[tokio::test]
async fn a_secret_is_renamed_and_moved_in_one_commit() {
    let d = device().await;
    let ino = d.ino("/d/a").await.unwrap();
    d.rename("/d/a", "/d/z").await.unwrap();
    assert_eq!(d.commits(), 1);
    // Onto an empty secret, in another domain.
    d.rename("/d/z", "/e/c").await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.ino("/e/c").await.unwrap(), ino);
    assert_eq!(d.stored("/e/c/f").await.unwrap(), b"F");
    assert_eq!(d.ls("/e").await, ["c"]);
    // Not onto one that holds something.
    assert_eq!(errno(d.rename("/d/b", "/e/c").await), Errno::ENOTEMPTY);
    // A domain that a secret leaves stays until rmdir.
    d.rename("/d/b", "/e/b").await.unwrap();
    assert_eq!(d.ls("/d").await, [] as [&str; 0]);
    d.rmdir("/d").await.unwrap();
    assert_eq!(d.ls("/").await, ["e"]);
}

#[tokio::test]
async fn a_domain_of_40_secrets_is_renamed_in_one_commit() {
    let d = device().await;
    for i in 0..38 {
        d.secret(&format!("/d/n{i}")).await;
    }
    d.calls.take();
    d.rename("/d", "/renamed").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 1));
    assert_eq!(d.ls("/").await, ["e", "renamed"]);
    assert_eq!(d.ls("/renamed").await.len(), 40);
    assert_eq!(d.stored("/renamed/a/f").await.unwrap(), b"F");
    assert_eq!(errno(d.rename("/renamed", "/e").await), Errno::ENOTEMPTY);
}

/// Proves semantics 5.4, 10.11.
#[tokio::test]
async fn a_domain_too_large_for_one_commit_is_left_to_mv() {
    let d = device().await;
    for i in 0..98 {
        d.secret(&format!("/d/n{i}")).await;
    }
    d.calls.take();
    assert_eq!(errno(d.rename("/d", "/x").await), Errno::EXDEV);
    assert_eq!(d.commits(), 0);
    assert_eq!(d.ls("/d").await.len(), 100);
}

#[tokio::test]
async fn an_empty_domain_is_renamed_in_memory() {
    let d = device().await;
    d.mkdir("/m").await.unwrap();
    d.rename("/m", "/n").await.unwrap();
    assert_eq!(d.ls("/").await, ["d", "e", "n"]);
    d.rename("/d", "/n").await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.ls("/").await, ["e", "n"]);
}

#[tokio::test]
async fn levels_do_not_mix() {
    let d = device().await;
    for (from, to) in [
        ("/d/a/f", "/d/f"),
        ("/d/a/f", "/f"),
        ("/d/a", "/x"),
        ("/d", "/e/d"),
    ] {
        assert_eq!(errno(d.rename(from, to).await), Errno::EPERM, "{from} {to}");
    }
    for to in ["/.walletfs", "/.walletfs/x"] {
        assert_eq!(errno(d.rename("/d", to).await), Errno::EROFS, "{to}");
    }
    assert_eq!(
        errno(d.rename("/.walletfs/status", "/d/a/s").await),
        Errno::EROFS
    );
    assert_eq!(d.commits(), 0);
}

/// The way of emacs, VS Code and `sed -i`: a temporary file is written, then renamed over.
#[tokio::test]
async fn a_save_by_temporary_file_and_rename_is_two_commits() {
    let d = device().await;
    d.put("/d/a/sedX1Y2", b"edited").await.unwrap();
    d.rename("/d/a/sedX1Y2", "/d/a/f").await.unwrap();
    assert_eq!(d.commits(), 2);
    assert_eq!(d.stored("/d/a/f").await.unwrap(), b"edited");
    assert_eq!(d.ls("/d/a").await, ["f", "g"]);
}

/// A scratch file never reaches the store; renamed to an ordinary name it does, in one commit.
#[tokio::test]
async fn a_scratch_file_lives_in_memory_until_it_gets_an_ordinary_name() {
    let d = device().await;
    d.put("/d/a/.f.swp", b"scratch").await.unwrap();
    d.chmod("/d/a/.f.swp", 0o400).await.unwrap();
    d.put("/d/a/.goutputstream-1", b"saved").await.unwrap();
    d.rename("/d/a/.f.swp", "/d/a/.f.swo").await.unwrap();
    assert_eq!(d.requests(), (0, 0, 0));
    assert_eq!(d.ls("/d/a").await, [".f.swo", ".goutputstream-1", "f", "g"]);
    assert_eq!(d.cat("/d/a/.f.swo").await.unwrap(), b"scratch");
    assert_eq!(d.fs.unsaved().scratch, 2);
    d.rename("/d/a/.goutputstream-1", "/d/a/f").await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored("/d/a/f").await.unwrap(), b"saved");
    assert_eq!(errno(d.rmdir("/d/a").await), Errno::ENOTEMPTY);
    d.unlink("/d/a/.f.swo").await.unwrap();
    assert_eq!(d.commits(), 0);
    assert_eq!(d.second().await.ls("/d/a").await, ["f", "g"]);
}

/// A stored field that is renamed to a scratch name stays stored (vim's backup).
/// Proves semantics 6.3.
#[tokio::test]
async fn a_stored_field_stays_stored_under_a_scratch_name() {
    let d = device().await;
    d.rename("/d/a/f", "/d/a/f~").await.unwrap();
    assert_eq!(d.stored("/d/a/f~").await.unwrap(), b"F");
    // Written through that name it is stored too: it was not created as a scratch file.
    d.put("/d/a/f~", b"F2").await.unwrap();
    assert_eq!(d.stored("/d/a/f~").await.unwrap(), b"F2");
    // A scratch file renamed onto it takes its place in the store.
    d.put("/d/a/.f.swp", b"S").await.unwrap();
    d.rename("/d/a/.f.swp", "/d/a/f~").await.unwrap();
    assert_eq!(d.stored("/d/a/f~").await.unwrap(), b"S");
}

/// A file that was created and not stored yet is stored under its new name by the rename.
#[tokio::test]
async fn an_unsaved_file_is_stored_by_its_rename() {
    let d = device().await;
    let fh = d.create("/d/a/tmp", TRUNCATE).await.unwrap();
    d.write(fh, 0, b"content").unwrap();
    d.rename("/d/a/tmp", "/d/a/f").await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored("/d/a/f").await.unwrap(), b"content");
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 0, "nothing is left to store");
    assert_eq!(d.second().await.ls("/d/a").await, ["f", "g"]);
}

/// Unsaved content of a stored file goes with it, and its old name goes, in one commit.
#[tokio::test]
async fn unsaved_content_of_a_stored_file_moves_with_it() {
    let d = device().await;
    let fh = d.open("/d/a/f", WRITE).await.unwrap();
    d.write(fh, 1, b"+").unwrap();
    d.rename("/d/a/f", "/d/b/f").await.unwrap();
    assert_eq!(d.commits(), 1);
    d.write(fh, 2, b"+").unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(d.stored("/d/b/f").await.unwrap(), b"F++");
    assert_eq!(errno(d.stored("/d/a/f").await), Errno::ENOENT);
}

/// A commit that is under way, and what is opened meanwhile: by a writer who has not looked again.
async fn while_committing(d: &Device, path: &str, call: impl Future<Output = ()>) -> Fh {
    let (reached, entered) = tokio::sync::oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let mut once = Some((reached, wait));
    d.faults.plan(move |call| {
        if let (Call::Commit(_), Some((reached, wait))) = (call, once.take()) {
            reached.send(()).unwrap();
            // Holds up this one thread only: the runtime of these tests has more.
            tokio::task::block_in_place(|| wait.recv().unwrap());
        }
        None
    });
    let ino = d.ino(path).await.unwrap();
    let fs = d.fs.clone();
    let open = async move {
        entered.await.unwrap();
        let fh = tokio::spawn(async move { fs.open(ino, READ, SHELL).await.unwrap().fh });
        let fh = fh.await.unwrap();
        go.send(()).unwrap();
        fh
    };
    let opened = tokio::spawn(open);
    call.await;
    opened.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_opened_while_it_is_removed_or_renamed_follows() {
    let d = device().await;
    let ino = d.ino("/d/a/g").await.unwrap();
    let fh = while_committing(&d, "/d/a/g", async { d.unlink("/d/a/g").await.unwrap() }).await;
    assert_eq!(d.read(fh).unwrap(), b"G");
    // Through /proc/PID/fd, for writing: it goes nowhere.
    let again = d.fs.open(ino, WRITE, SHELL).await.unwrap().fh;
    d.write(again, 0, b"+").unwrap();
    assert_eq!(d.read(fh).unwrap(), b"+", "both are one file");
    d.close(again).await.unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["f"]);

    let rename = async { d.rename("/d/a/f", "/d/a/h").await.unwrap() };
    let fh = while_committing(&d, "/d/a/f", rename).await;
    let again = d.open("/d/a/h", WRITE).await.unwrap();
    d.write(again, 0, b"H").unwrap();
    assert_eq!(d.read(fh).unwrap(), b"H", "both are one file");
    d.close(again).await.unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["h"]);
    assert_eq!(d.stored("/d/a/h").await.unwrap(), b"H");
}
