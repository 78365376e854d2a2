//! Open files: what each handle sees of what others do.

use super::harness::*;
use walletfs::fs::{Errno, Ino, SetAttr, SetTime};

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

/// The two contents have two numbers: the kernel keeps size and pages by number. Whoever comes by the
/// old one without a handle is told to look the name up again.
#[tokio::test]
async fn a_file_that_another_device_changed_while_it_was_open_has_another_number() {
    let d = device().await;
    let other = d.second().await;
    let old = d.ino(F).await.unwrap();
    let reader = d.open(F, READ).await.unwrap();
    other.put(F, b"NEW CONTENT, LONGER").await.unwrap();
    d.age();
    let attr = d.fs.getattr(old, SHELL).await.unwrap().attr;
    assert_eq!((attr.ino, attr.size, attr.links), (old, 11, 0), "fstat");
    let attr = d.stat(F).await.unwrap();
    assert_ne!(attr.ino, old);
    assert_eq!((attr.size, attr.links), (19, 1), "stat");
    let listed = d.fs.opendir(d.ino("/d/a").await.unwrap()).unwrap();
    let mut numbers = Vec::new();
    let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
        numbers.push(entry.ino);
        true
    };
    d.fs.readdir(listed, 0, true, &mut add).await.unwrap();
    assert_eq!(numbers[2], attr.ino, "a listing");
    assert_eq!(errno(d.fs.open(old, READ, SHELL).await), Errno::ESTALE);
    assert_eq!(errno(d.fs.open(old, TRUNCATE, SHELL).await), Errno::ESTALE);
    let chmod = SetAttr {
        mode: Some(0o400),
        ..SetAttr::default()
    };
    assert_eq!(
        errno(d.fs.setattr(old, chmod, None, SHELL).await),
        Errno::ESTALE
    );
    d.close(reader).await.unwrap();
    assert_eq!(errno(d.fs.getattr(old, SHELL).await), Errno::ESTALE);
    assert_eq!(d.ino(F).await.unwrap(), attr.ino);
}

/// Found out by the open itself, by the kernel's number for the name.
#[tokio::test]
async fn an_open_by_the_old_number_is_told_to_look_the_name_up() {
    let d = device().await;
    let other = d.second().await;
    let old = d.ino(F).await.unwrap();
    let reader = d.open(F, READ).await.unwrap();
    other.put(F, b"new").await.unwrap();
    assert_eq!(errno(d.fs.open(old, WRITE, SHELL).await), Errno::ESTALE);
    assert_eq!(d.read(reader).unwrap(), b"old content");
    assert_eq!(d.cat(F).await.unwrap(), b"new");
    d.close(reader).await.unwrap();
}

/// Without a handle there is no content to keep apart: the number stays.
#[tokio::test]
async fn a_file_that_nobody_has_open_keeps_its_number() {
    let d = device().await;
    let other = d.second().await;
    let ino = d.ino(F).await.unwrap();
    d.cat(F).await.unwrap();
    other.put(F, b"new").await.unwrap();
    d.age();
    assert_eq!(d.ino(F).await.unwrap(), ino);
}

/// A rename moves what the name means: another device's content, not the older one that is open.
#[tokio::test]
async fn a_rename_moves_what_another_device_has_put_in_place() {
    let d = device().await;
    let other = d.second().await;
    let writer = d.open(F, WRITE).await.unwrap();
    other.put(F, b"theirs").await.unwrap();
    // Within the cache's life: this mount does not know yet.
    d.rename(F, "/d/a/g").await.unwrap();
    assert_eq!(d.cat("/d/a/g").await.unwrap(), b"theirs");
    assert_eq!(d.read(writer).unwrap(), b"old content");
    d.write(writer, 0, b"OLD").unwrap();
    assert_eq!(errno(d.close(writer).await), Errno::ESTALE);
    assert_eq!(d.stored("/d/a/g").await.unwrap(), b"theirs");
}

/// Nor does it take away what another device has put where unsaved content is renamed from.
#[tokio::test]
async fn a_rename_of_unsaved_content_does_not_remove_another_devices() {
    let d = device().await;
    let other = d.second().await;
    let writer = d.open(F, WRITE).await.unwrap();
    d.write(writer, 0, b"MINE").unwrap();
    other.put(F, b"theirs").await.unwrap();
    assert_eq!(errno(d.rename(F, "/d/a/g").await), Errno::ESTALE);
    assert_eq!(d.stored(F).await.unwrap(), b"theirs");
    assert_eq!(errno(d.close(writer).await), Errno::ESTALE);
    d.age();
    let names = d.ls("/d/a").await;
    assert!(
        names.len() == 2 && names[1].starts_with("f.conflict-"),
        "{names:?}"
    );
    let beside = format!("/d/a/{}", names[1]);
    assert_eq!(d.cat(&beside).await.unwrap(), b"MINEcontent");
}

/// After a conflict the name shows the other device's content, also to who comes by the number.
#[tokio::test]
async fn after_a_conflict_the_old_number_is_stale() {
    let d = device().await;
    let other = d.second().await;
    let ino = d.ino(F).await.unwrap();
    let writer = d.open(F, WRITE).await.unwrap();
    d.write(writer, 0, b"mine").unwrap();
    other.put(F, b"theirs").await.unwrap();
    assert_eq!(errno(d.close(writer).await), Errno::ESTALE);
    assert_eq!(errno(d.fs.getattr(ino, SHELL).await), Errno::ESTALE);
    assert_eq!(d.cat(F).await.unwrap(), b"theirs");
}

/// What is written through a shared mapping goes to its place, also by a handle that appends.
#[tokio::test]
async fn a_mapping_of_an_appending_handle_is_written_in_place() {
    let d = device().await;
    let fh = d.open(F, APPEND).await.unwrap();
    d.fs.write_mapped(fh, 0, b"OLD").unwrap();
    d.write(fh, 0, b"!").unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.stored(F).await.unwrap(), b"OLD content!");
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
    assert_eq!(errno(d.fs.getattr(ino, SHELL).await), Errno::ESTALE);
    assert_eq!(errno(d.stored(F).await), Errno::ENOENT);
}

/// What comes by its number, as `fchmod`, `futimens` and an open of `/proc/self/fd/N` do, reaches
/// the removed file; it goes nowhere either.
#[tokio::test]
async fn an_unlinked_file_is_changed_and_opened_by_its_number() {
    let d = device().await;
    let ino = d.ino(F).await.unwrap();
    let fh = d.open(F, WRITE).await.unwrap();
    d.unlink(F).await.unwrap();
    d.commits();
    let set = SetAttr {
        mode: Some(0o400),
        mtime: Some(SetTime::At(5)),
        size: Some(3),
        ..SetAttr::default()
    };
    let attr = d.fs.setattr(ino, set, None, SHELL).await.unwrap().attr;
    assert_eq!(
        (attr.mode, attr.mtime_ns, attr.size, attr.links),
        (0o400, 5, 3, 0)
    );
    let again = d.fs.open(ino, TRUNCATE, SHELL).await.unwrap().fh;
    d.write(again, 0, b"new").unwrap();
    assert_eq!(d.read(fh).unwrap(), b"new");
    d.close(again).await.unwrap();
    d.close(fh).await.unwrap();
    assert_eq!(d.commits(), 0);
    assert_eq!(errno(d.stored(F).await), Errno::ENOENT);
    assert_eq!(errno(d.fs.open(ino, READ, SHELL).await), Errno::ESTALE);
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
/// Proves semantics 5.9.
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
    assert_eq!(errno(d.fs.getattr(Ino(999), SHELL).await), Errno::ESTALE);
}
