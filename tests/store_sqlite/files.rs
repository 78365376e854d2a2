//! Files that are missing, replaced, damaged, or not this engine's.

use crate::support::items::{create, id, item, item_of, replace};
use crate::{Place, mode};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use walletfs::store::{Change, Commit, Id, SqliteStore, Store, StoreError};

/// A directory that was there keeps its mode.
#[tokio::test]
async fn a_directory_of_yours_is_left_alone() {
    let place = Place::empty();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o750)).unwrap();
    place.store().create().await.expect("the file is made");
    assert_eq!(mode(place.directory.path()), 0o750);
}

#[tokio::test]
async fn a_missing_file_is_told_and_not_made() {
    let place = Place::empty();
    let store = place.store();
    let changes = vec![create(&item(Id::Head, 1))];
    for error in [
        store.get(Id::Head).await.map(drop),
        store.list(None).await.map(drop),
        store.commit(changes).await.map(drop),
    ] {
        let Err(StoreError::Missing(text)) = error else {
            panic!("{error:?}");
        };
        assert!(text.contains("walletfs init"), "{text}");
        assert!(text.contains(place.path.to_str().unwrap()), "{text}");
    }
    assert_eq!(place.files(), [""; 0]);
}

/// An `init` that was killed leaves an empty file: it holds nothing, and can be made again.
#[tokio::test]
async fn an_empty_file_is_missing_until_it_is_made() {
    let place = Place::empty();
    fs::write(&place.path, "").unwrap();
    let store = place.store();
    let missing = store.get(Id::Head).await;
    assert!(
        matches!(missing, Err(StoreError::Missing(_))),
        "{missing:?}"
    );
    store.create().await.expect("the file is made");
    assert_eq!(store.get(Id::Head).await, Ok(None));
}

/// What is not this engine's is refused by every call, in words, and keeps its bytes.
#[tokio::test]
async fn a_file_of_another_program_is_refused_and_not_changed() {
    type Make = fn(&Path);
    let cases: [(Make, &str); 5] = [
        (
            |path| fs::write(path, "Dear diary").unwrap(),
            "not a wallet file",
        ),
        (
            |path| fs::write(path, [0; 4096]).unwrap(),
            "not a wallet file",
        ),
        (
            |path| {
                let other = Connection::open(path).unwrap();
                other.execute_batch("CREATE TABLE items (id)").unwrap();
            },
            "another program",
        ),
        (
            |path| {
                let other = Connection::open(path).unwrap();
                other.pragma_update(None, "application_id", 77).unwrap();
            },
            "another program",
        ),
        (
            |path| {
                let other = Connection::open(path).unwrap();
                other
                    .pragma_update(None, "application_id", 0x7766_7331)
                    .unwrap();
                other.pragma_update(None, "user_version", 2).unwrap();
            },
            "update walletfs",
        ),
    ];
    for (make, words) in cases {
        let place = Place::empty();
        make(&place.path);
        let before = fs::read(&place.path).unwrap();
        let store = place.store();
        let changes = vec![create(&item(Id::Head, 1))];
        for error in [
            store.create().await.map(drop),
            store.get(Id::Head).await.map(drop),
            store.list(None).await.map(drop),
            store.commit(changes).await.map(drop),
        ] {
            let Err(StoreError::Failed(text)) = error else {
                panic!("{words}: {error:?}");
            };
            assert!(text.contains(words), "{text}");
        }
        assert!(fs::read(&place.path).unwrap() == before, "{words}");
        assert_eq!(place.files(), ["wallet.sqlite"]);
    }
}

#[tokio::test]
async fn a_path_that_is_no_file_is_refused() {
    let place = Place::empty();
    fs::create_dir(&place.path).unwrap();
    let error = place.store().create().await;
    assert!(matches!(error, Err(StoreError::Failed(_))), "{error:?}");

    let place = Place::empty();
    std::os::unix::fs::symlink("nowhere", &place.path).unwrap();
    for error in [
        place.store().create().await.map(drop),
        place.store().get(Id::Head).await.map(drop),
    ] {
        let Err(StoreError::Failed(text)) = error else {
            panic!("{error:?}");
        };
        assert!(text.contains("symbolic link"), "{text}");
    }
    assert!(!place.directory.path().join("nowhere").exists());

    let place = Place::empty();
    fs::write(&place.path, "").unwrap();
    let below = SqliteStore::open(place.path.join("wallet.sqlite"), "wallet");
    let error = below.create().await;
    assert!(matches!(error, Err(StoreError::Failed(_))), "{error:?}");
}

/// A name that SQLite would read as something else is a name.
#[tokio::test]
async fn a_strange_name_is_a_name() {
    for name in ["file:a?mode=memory", ":memory:", "a ?b#c%41'd.sqlite"] {
        let place = Place::empty();
        let store = SqliteStore::open(place.directory.path().join(name), "wallet");
        store.create().await.expect("the file is made");
        assert_eq!(place.files(), [name]);
    }
}

/// Another file takes the name while the store has the old one open: what is read and written from
/// then on is the new one's.
#[tokio::test]
async fn a_file_that_was_replaced_is_let_go() {
    let (place, store) = Place::with_wallet().await;
    let copy = place.directory.path().join("copy");
    fs::copy(&place.path, &copy).unwrap();
    let newer = vec![replace(&item(Id::Head, 2), 1)];
    assert_eq!(store.commit(newer.clone()).await, Ok(Commit::Done));

    fs::rename(&copy, &place.path).unwrap();
    assert_eq!(store.get(Id::Head).await, Ok(Some(item(Id::Head, 1))));
    assert_eq!(store.commit(newer).await, Ok(Commit::Done));
    assert_eq!(
        place.store().get(Id::Head).await,
        Ok(Some(item(Id::Head, 2)))
    );

    fs::remove_file(&place.path).unwrap();
    let gone = store.get(Id::Head).await;
    assert!(matches!(gone, Err(StoreError::Missing(_))), "{gone:?}");
    assert_eq!(place.files(), [""; 0]);
}

/// Someone switched the file to write-ahead logging, which keeps commits in other files.
#[tokio::test]
async fn a_file_in_another_journal_mode_is_brought_back() {
    let (place, store) = Place::with_wallet().await;
    drop(store);
    let mode = |mode: Option<&str>| -> String {
        let other = Connection::open(&place.path).unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get(0);
        match mode {
            Some(mode) => other.pragma_update_and_check(None, "journal_mode", mode, read),
            None => other.pragma_query_value(None, "journal_mode", read),
        }
        .unwrap()
    };
    assert_eq!(mode(Some("wal")), "wal");
    let store = place.store();
    assert_eq!(store.get(Id::Head).await, Ok(Some(item(Id::Head, 1))));
    assert_eq!(mode(None), "delete");
    assert_eq!(place.files(), ["wallet.sqlite"]);
}

/// Whatever byte of the file is damaged, or wherever it is cut, a call answers or fails: it never
/// panics, and never loops.
#[tokio::test]
async fn a_damaged_file_is_an_error_or_an_answer() {
    let (place, store) = Place::with_wallet().await;
    let changes: Vec<Change> = (100..120)
        .map(|n| create(&item_of(&store, id(n), 1, 3000)))
        .collect();
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    drop(store);
    let good = fs::read(&place.path).unwrap();
    let mut errors = 0;
    for step in 0..400 {
        let mut bad = good.clone();
        if step % 4 == 0 {
            bad.truncate(step * good.len() / 400);
        } else {
            // The first bytes of each page say how it is laid out.
            let page = (step % 16) * 4096 % good.len();
            bad[(page + step) % good.len()] ^= 0xff;
        }
        fs::write(&place.path, &bad).unwrap();
        let store = place.store();
        let mut after = None;
        for _ in 0..10 {
            match store.list(after).await {
                Ok(page) if page.next.is_some() => after = page.next,
                Ok(_) => break,
                Err(_) => {
                    errors += 1;
                    break;
                }
            }
        }
        let _ = store.commit(vec![replace(&item(Id::Head, 2), 1)]).await;
    }
    assert!(errors > 100, "only {errors} faults were seen");
}
