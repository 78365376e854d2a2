//! Open files: what each handle sees of what others do.

use super::harness::*;
use walletfs::fs::{Errno, Ino};

const F: &str = "/d/a/f";

async fn device() -> Device {
    let device = Device::new().await;
    device.secret("/d/a").await;
    device.put(F, b"old content").await.unwrap();
    device.calls.take();
    device
}

/// Unsaved content is seen at once by every handle, `stat` and later open of this mount; other
/// devices see commits only.
#[tokio::test]
async fn unsaved_content_is_seen_by_the_whole_mount_and_by_no_other() {
    let d = device().await;
    let reader = d.open(F, READ).await.unwrap();
    let writer = d.open(F, WRITE).await.unwrap();
    d.write(writer, 0, b"NEW").unwrap();
    assert_eq!(d.read(reader).unwrap(), b"NEW content");
    assert_eq!(d.cat(F).await.unwrap(), b"NEW content");
    d.write(writer, 11, b"!").unwrap();
    assert_eq!(d.stat(F).await.unwrap().size, 12);
    assert_eq!(d.stored(F).await.unwrap(), b"old content");
    d.close(writer).await.unwrap();
    assert_eq!(d.read(reader).unwrap(), b"NEW content!");
    assert_eq!(d.stored(F).await.unwrap(), b"NEW content!");
}

/// When another device changes a file, a handle keeps the content that it opened.
#[tokio::test]
async fn no_read_mixes_two_contents() {
    let d = device().await;
    let other = d.second().await;
    let reader = d.open(F, READ).await.unwrap();
    assert_eq!(d.fs.read(reader, 0, 3, false).unwrap().bytes(), b"old");
    other.put(F, b"NEW CONTENT, LONGER").await.unwrap();
    d.age();
    assert_eq!(
        d.cat(F).await.unwrap(),
        b"NEW CONTENT, LONGER",
        "a new handle"
    );
    assert_eq!(
        d.fs.read(reader, 3, 100, false).unwrap().bytes(),
        b" content",
        "the old one"
    );
    d.close(reader).await.unwrap();
    assert_eq!(d.cat(F).await.unwrap(), b"NEW CONTENT, LONGER");
}

/// A file that is removed while open stays readable and writable through its handle, and goes
/// nowhere on close; its link count is 0.
#[tokio::test]
async fn an_unlinked_file_lives_in_its_handle() {
    let d = device().await;
    let ino = d.ino(F).await.unwrap();
    let fh = d.open(F, WRITE).await.unwrap();
    d.write(fh, 0, b"unsaved").unwrap();
    d.unlink(F).await.unwrap();
    assert_eq!(d.commits(), 1);
    assert_eq!(errno(d.stat(F).await), Errno::ENOENT);
    let attr = d.fs.getattr(ino, SHELL).await.unwrap().attr;
    assert_eq!((attr.links, attr.size), (0, 11));
    d.write(fh, 0, b"UNSAVED").unwrap();
    assert_eq!(d.read(fh).unwrap(), b"UNSAVEDtent");
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 0);
    assert_eq!(d.ls("/d/a").await, [] as [&str; 0]);
    assert_eq!(errno(d.fs.getattr(ino, SHELL).await), Errno::ENOENT);
    assert_eq!(errno(d.stored(F).await), Errno::ENOENT);
}

/// The same for a file that is replaced by a rename.
#[tokio::test]
async fn a_replaced_file_lives_in_its_handle() {
    let d = device().await;
    d.put("/d/a/new", b"new").await.unwrap();
    let reader = d.open(F, READ).await.unwrap();
    let writer = d.open(F, WRITE).await.unwrap();
    d.rename("/d/a/new", F).await.unwrap();
    d.write(writer, 0, b"OLD").unwrap();
    d.close(writer).await.unwrap();
    assert_eq!(d.read(reader).unwrap(), b"OLD content");
    assert_eq!(d.cat(F).await.unwrap(), b"new");
    assert_eq!(d.stored(F).await.unwrap(), b"new");
}

/// A handle follows its file through a rename, and stores under the new name.
#[tokio::test]
async fn a_handle_follows_its_file_through_a_rename() {
    let d = device().await;
    let fh = d.open(F, WRITE).await.unwrap();
    d.rename(F, "/d/a/g").await.unwrap();
    d.write(fh, 0, b"NEW").unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["g"]);
    assert_eq!(d.stored("/d/a/g").await.unwrap(), b"NEW content");
}

/// After another device has won, a handle takes no more: ESTALE at the write already.
#[tokio::test]
async fn a_superseded_handle_takes_no_more() {
    let d = device().await;
    let other = d.second().await;
    let fh = d.open(F, WRITE).await.unwrap();
    d.write(fh, 0, b"mine").unwrap();
    other.put(F, b"theirs").await.unwrap();
    assert_eq!(errno(d.fs.fsync(fh).await), Errno::ESTALE);
    assert_eq!(errno(d.fs.write(fh, 0, b"more")), Errno::ESTALE);
    d.close(fh).await.unwrap();
}

/// A close and reopen in one mount is no conflict with oneself, however often.
#[tokio::test]
async fn one_mount_never_conflicts_with_itself() {
    let d = device().await;
    let long = d.open(F, WRITE).await.unwrap();
    for i in 0..5u8 {
        d.put(F, &[b'0' + i]).await.unwrap();
        d.write(long, 1, b"x").unwrap();
        d.fs.fsync(long).await.unwrap();
    }
    // The same bytes again, after which a change must still be taken.
    d.write(long, 1, b"x").unwrap();
    d.fs.fsync(long).await.unwrap();
    d.write(long, 1, b"y").unwrap();
    d.close(long).await.unwrap();
    assert_eq!(d.ls("/d/a").await, ["f"]);
    assert_eq!(d.stored(F).await.unwrap(), b"4y");
}

/// Directory handles: a listing is stable while the directory changes, and anew after a rewind.
#[tokio::test]
async fn a_listing_is_stable_while_the_directory_changes() {
    let d = device().await;
    for i in 0..6 {
        d.put(&format!("/d/a/n{i}"), b"x").await.unwrap();
    }
    let fh = d.fs.opendir(d.ino("/d/a").await.unwrap()).unwrap();
    let mut seen = Vec::new();
    let mut offset = 0;
    for round in 0.. {
        let before = offset;
        let mut one = true;
        let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
            if std::mem::take(&mut one) {
                (offset, _) = (entry.next, seen.push(entry.name.to_owned()));
                return true;
            }
            false
        };
        d.fs.readdir(fh, before, false, &mut add).await.unwrap();
        if offset == before {
            break;
        }
        match round {
            3 => d.unlink("/d/a/n5").await.unwrap(),
            4 => d.put("/d/a/a-new-one", b"x").await.unwrap(),
            _ => {}
        }
    }
    assert_eq!(seen, [".", "..", "f", "n0", "n1", "n2", "n3", "n4", "n5"]);
    let mut names = Vec::new();
    let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
        names.push(entry.name.to_owned());
        true
    };
    d.fs.readdir(fh, 0, false, &mut add).await.unwrap();
    assert_eq!(
        names,
        [".", "..", "a-new-one", "f", "n0", "n1", "n2", "n3", "n4"]
    );
    d.fs.releasedir(fh);
}

/// Handles of the kernel's making only: others are refused.
#[tokio::test]
async fn unknown_handles_are_refused() {
    let d = device().await;
    let fh = d.open(F, READ).await.unwrap();
    assert_eq!(errno(d.fs.write(fh, 0, b"x")), Errno::EBADF);
    d.close(fh).await.unwrap();
    assert_eq!(errno(d.read(fh)), Errno::EBADF);
    assert_eq!(errno(d.fs.getattr(Ino(999), SHELL).await), Errno::ENOENT);
}
