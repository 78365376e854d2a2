//! The tree: what exists, what is refused, what `stat` shows.

use super::harness::*;
use walletfs::fs::{Errno, Ino, Kind, OpenHow, SetAttr};

async fn device() -> Device {
    let device = Device::new().await;
    device.secret("/d/a").await;
    device.put("/d/a/pwd", b"xy67Gh!8\n").await.unwrap();
    device.calls.take();
    device
}

/// Bytes are exact: nothing trims a newline; an empty file is an empty value; no file is null.
/// Proves semantics 3.1.
#[tokio::test]
async fn bytes_are_exact() {
    let d = device().await;
    assert_eq!(d.stored("/d/a/pwd").await.unwrap(), b"xy67Gh!8\n");
    for content in [&b""[..], b"\n", b"\0\xff\x00", b" both sides "] {
        d.put("/d/a/pwd", content).await.unwrap();
        assert_eq!(d.stored("/d/a/pwd").await.unwrap(), content);
    }
    assert_eq!(errno(d.stored("/d/a/uid").await), Errno::ENOENT);
    d.unlink("/d/a/pwd").await.unwrap();
    assert_eq!(errno(d.stored("/d/a/pwd").await), Errno::ENOENT);
}

/// The hidden directory: found, not listed, read-only.
#[tokio::test]
async fn the_mounts_own_directory_is_hidden_and_read_only() {
    let d = device().await;
    assert_eq!(d.ls("/").await, ["d"]);
    let status = d.ino("/.walletfs/status").await.unwrap();
    assert_eq!(d.stat("/.walletfs").await.unwrap().kind, Kind::Directory);
    for refused in [
        d.fs.open(status, WRITE, SHELL).await.map(drop),
        d.fs.create(Ino::CONTROL, b"x", 0o600, WRITE, SHELL)
            .await
            .map(drop),
        d.unlink("/.walletfs/status").await,
        d.rmdir("/.walletfs").await,
        d.mkdir("/.walletfs/x").await,
        d.chmod("/.walletfs/status", 0o600).await,
    ] {
        assert_eq!(errno(refused), Errno::EROFS);
    }
    assert_eq!(errno(d.mkdir("/.walletfs").await), Errno::EEXIST);
}

/// What is not in the layout is refused: files in `/` and `/D`, directories in `/D/A`, a bin.
#[tokio::test]
async fn what_is_not_in_the_layout_is_refused() {
    let d = device().await;
    for refused in [
        d.create("/f", WRITE).await.map(drop),
        d.create("/d/f", WRITE).await.map(drop),
        d.mkdir("/d/a/x").await,
        d.mkdir("/.Trash").await,
        d.mkdir("/.Trash-1000").await,
        d.rename("/d", "/.Trash-1000").await,
    ] {
        assert_eq!(errno(refused), Errno::EPERM);
    }
    assert_eq!(
        errno(
            d.fs.lookup(d.ino("/d/a/pwd").await.unwrap(), b"x", SHELL)
                .await
        ),
        Errno::ENOTDIR
    );
    let dir = d.ino("/d/a").await.unwrap();
    assert_eq!(errno(d.fs.open(dir, READ, SHELL).await), Errno::EISDIR);
    assert_eq!(errno(d.unlink("/d/a").await), Errno::EISDIR);
    assert_eq!(errno(d.rmdir("/d/a/pwd").await), Errno::ENOTDIR);
    assert_eq!(d.requests(), (0, 0, 0));
}

#[tokio::test]
async fn directories_are_made_once_and_removed_when_empty() {
    let d = device().await;
    assert_eq!(errno(d.mkdir("/d").await), Errno::EEXIST);
    assert_eq!(errno(d.mkdir("/d/a").await), Errno::EEXIST);
    assert_eq!(errno(d.rmdir("/d").await), Errno::ENOTEMPTY);
    assert_eq!(errno(d.rmdir("/d/a").await), Errno::ENOTEMPTY);
    d.mkdir("/new").await.unwrap();
    assert_eq!(d.ls("/").await, ["d", "new"]);
    assert_eq!(
        d.second().await.ls("/").await,
        ["d"],
        "an empty domain lives in the mount only"
    );
    d.unlink("/d/a/pwd").await.unwrap();
    d.rmdir("/d/a").await.unwrap();
    assert_eq!(errno(d.rmdir("/d/a").await), Errno::ENOENT);
    assert_eq!(
        d.ls("/").await,
        ["d", "new"],
        "an emptied domain stays until rmdir"
    );
    d.rmdir("/d").await.unwrap();
    assert_eq!(d.second().await.ls("/").await, [] as [&str; 0]);
}

/// O_EXCL on a file that another device made meanwhile, unseen by the kernel.
#[tokio::test]
async fn an_exclusive_create_sees_what_another_device_made() {
    let d = device().await;
    let other = d.second().await;
    let dir = d.ino("/d/a").await.unwrap();
    other.put("/d/a/new", b"theirs").await.unwrap();
    let how = OpenHow {
        exclusive: true,
        ..WRITE
    };
    assert_eq!(
        errno(d.fs.create(dir, b"new", 0o600, how, SHELL).await),
        Errno::EEXIST
    );
    let (entry, opened) = d.fs.create(dir, b"new", 0o600, WRITE, SHELL).await.unwrap();
    assert_eq!(entry.attr.size, 6);
    d.close(opened.fh).await.unwrap();
    assert_eq!(d.stored("/d/a/new").await.unwrap(), b"theirs");
}

/// Proves semantics 7.2, 7.5.
#[tokio::test]
async fn modes_times_owners_and_links() {
    let d = device().await;
    d.age();
    let pwd = d.stat("/d/a/pwd").await.unwrap();
    assert_eq!(
        (pwd.mode, pwd.links, pwd.size, pwd.kind),
        (0o600, 1, 9, Kind::File)
    );
    d.chmod("/d/a/pwd", 0o100_755).await.unwrap();
    assert_eq!(
        d.stat("/d/a/pwd").await.unwrap().mode,
        0o700,
        "group and other are dropped"
    );
    d.chmod("/d/a", 0o755).await.unwrap();
    let dir = d.stat("/d/a").await.unwrap();
    assert_eq!((dir.mode, dir.links), (0o700, 2));
    assert_eq!(d.stat("/").await.unwrap().links, 3);
    // A directory's time is the latest of what it holds.
    d.utimens("/d/a/pwd", 4_000_000_000_000_000_000)
        .await
        .unwrap();
    for path in ["/", "/d", "/d/a", "/d/a/pwd"] {
        assert_eq!(
            d.stat(path).await.unwrap().mtime_ns,
            4_000_000_000_000_000_000,
            "{path}"
        );
    }
    d.utimens("/d/a/pwd", -5).await.unwrap();
    assert_eq!(
        d.second().await.stat("/d/a/pwd").await.unwrap().mtime_ns,
        -5
    );
    let chown = |uid| SetAttr {
        uid: Some(uid),
        ..SetAttr::default()
    };
    d.setattr("/d/a/pwd", chown(1000), None).await.unwrap();
    assert_eq!(
        errno(d.setattr("/d/a/pwd", chown(0), None).await),
        Errno::EPERM
    );
    assert_eq!(errno(d.truncate("/d/a", 0, None).await), Errno::EISDIR);
}

/// Inode numbers in listings are `stat`'s, and a listing in pages of any size is whole.
#[tokio::test]
async fn listings_are_whole_and_their_inodes_are_stats() {
    let d = device().await;
    for i in 0..23 {
        d.put(&format!("/d/a/key {i:02}"), b"x").await.unwrap();
    }
    let whole = d.ls("/d/a").await;
    assert_eq!(whole.len(), 24);
    for page in 1..30 {
        assert_eq!(
            d.ls_pages("/d/a", page).await.unwrap(),
            whole,
            "pages of {page}"
        );
    }
    let fh = d.fs.opendir(d.ino("/d/a").await.unwrap()).unwrap();
    let mut listed = Vec::new();
    let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
        listed.push((entry.name.to_owned(), entry.ino, entry.entry));
        true
    };
    d.fs.readdir(fh, 0, true, &mut add).await.unwrap();
    for (name, ino, entry) in listed.into_iter().skip(2) {
        let attr = d.stat(&format!("/d/a/{name}")).await.unwrap();
        assert_eq!((ino, entry.unwrap().attr), (attr.ino, attr));
    }
}

#[tokio::test]
async fn a_read_only_mount_refuses_every_change() {
    let first = device().await;
    let d = first.read_only().await;
    assert_eq!(d.cat("/d/a/pwd").await.unwrap(), b"xy67Gh!8\n");
    for refused in [
        d.open("/d/a/pwd", WRITE).await.map(drop),
        d.open(
            "/d/a/pwd",
            OpenHow {
                truncate: true,
                ..READ
            },
        )
        .await
        .map(drop),
        d.create("/d/a/new", WRITE).await.map(drop),
        d.mkdir("/new").await,
        d.mkdir("/d/new").await,
        d.unlink("/d/a/pwd").await,
        d.rmdir("/d/a").await,
        d.rename("/d/a/pwd", "/d/a/x").await,
        d.rename("/d/a", "/d/x").await,
        d.rename("/d", "/x").await,
        d.chmod("/d/a/pwd", 0o400).await,
        d.truncate("/d/a/pwd", 0, None).await,
    ] {
        assert_eq!(errno(refused), Errno::EROFS);
    }
    assert_eq!(d.requests(), (0, 0, 0));
}

/// What another device made, renamed and removed is seen within the cache's life.
#[tokio::test]
async fn changes_of_another_device_show_within_the_caches_life() {
    let d = device().await;
    let other = d.second().await;
    other.secret("/d/new").await;
    other.rename("/d/a", "/d/z").await.unwrap();
    other.put("/d/z/uid", b"joe").await.unwrap();
    other.unlink("/d/z/pwd").await.unwrap();
    d.age();
    assert_eq!(d.ls("/d").await, ["new", "z"]);
    assert_eq!(d.ls("/d/z").await, ["uid"]);
    assert_eq!(d.cat("/d/z/uid").await.unwrap(), b"joe");
}

/// A wallet remembers nothing of forgotten inodes that are gone.
#[tokio::test]
async fn forget_drops_what_is_gone_only() {
    let d = device().await;
    let ino = d.ino("/d/a/pwd").await.unwrap();
    d.fs.forget(ino, 1);
    assert_eq!(
        d.ino("/d/a/pwd").await.unwrap(),
        ino,
        "still there, the same number"
    );
    d.unlink("/d/a/pwd").await.unwrap();
    d.fs.forget(ino, 1);
    assert_eq!(errno(d.fs.getattr(ino, SHELL).await), Errno::ESTALE);
}

/// Whoever is in a directory that was removed can leave it by `..`, for which the kernel asks for
/// its attributes.
#[tokio::test]
async fn a_removed_directory_can_be_left() {
    let d = device().await;
    d.secret("/d/empty").await;
    let ino = d.ino("/d/empty").await.unwrap();
    d.rmdir("/d/empty").await.unwrap();
    let attr = d.fs.getattr(ino, SHELL).await.unwrap().attr;
    assert_eq!((attr.kind, attr.links), (Kind::Directory, 0));
    assert!(d.fs.opendir(ino).is_err());
    d.fs.forget(ino, 2);
    assert_eq!(errno(d.fs.getattr(ino, SHELL).await), Errno::ESTALE);
}
