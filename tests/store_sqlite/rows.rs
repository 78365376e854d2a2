//! What is in the file: rows, pages, and nothing of what was replaced.

use crate::Place;
use crate::support::items::{create, delete, id, item, item_of, replace};
use rusqlite::Connection;
use std::fs;
use walletfs::store::{Commit, Id, Store, StoreError};

/// Between two commits there is one file, and what a commit replaced or removed is not in it.
#[tokio::test]
async fn nothing_is_left_of_what_was_replaced() {
    let (place, store) = Place::with_wallet().await;
    let bytes = |text: &str| {
        let file = fs::read(&place.path).unwrap();
        file.windows(text.len()).any(|part| part == text.as_bytes())
    };
    let (old, gone) = (
        format!("data of {} at 1", id(3)),
        format!("data of {} at 1", id(4)),
    );
    assert!(bytes(&old) && bytes(&gone));
    let changes = vec![replace(&item(id(3), 2), 1), delete(id(4), 1)];
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    assert!(!bytes(&old) && !bytes(&gone));
    assert!(bytes(&format!("data of {} at 2", id(3))));
    assert_eq!(place.files(), ["wallet.sqlite"]);
}

/// A commit that fails halfway, here at its last change, leaves nothing behind.
#[tokio::test]
async fn a_commit_that_fails_halfway_changes_nothing() {
    let (place, store) = Place::with_wallet().await;
    let other = Connection::open(&place.path).unwrap();
    let sql = "SELECT sql FROM sqlite_schema";
    let table: String = other.query_row(sql, [], |row| row.get(0)).unwrap();
    let remake = |table: &str| {
        let copy = "INSERT INTO items SELECT * FROM old; DROP TABLE old;";
        let remake = format!("ALTER TABLE items RENAME TO old; {table}; {copy}");
        other.execute_batch(&remake).unwrap();
    };
    let key = "PRIMARY KEY (wallet, id)";
    remake(&table.replace(key, &format!("{key}, CHECK (id NOT LIKE '00000063%')")));
    let changes = vec![
        replace(&item(Id::Head, 2), 1),
        delete(id(1), 1),
        create(&item(id(0x63), 2)),
    ];
    let failed = store.commit(changes).await;
    assert!(matches!(failed, Err(StoreError::Invalid(_))), "{failed:?}");
    // With another table in it the file is another program's.
    assert!(matches!(
        store.get(Id::Head).await,
        Err(StoreError::Failed(_))
    ));
    remake(&table);
    assert_eq!(store.get(Id::Head).await, Ok(Some(item(Id::Head, 1))));
    assert_eq!(store.get(id(1)).await, Ok(Some(item(id(1), 1))));
    assert_eq!(store.get(id(0x63)).await, Ok(None));
}

/// Rows that no walletfs writes, as a hostile file may hold them.
#[tokio::test]
async fn a_row_that_walletfs_does_not_write_is_refused() {
    for values in [
        "'tail', 1, x'00', x'00'",
        "'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF', 1, x'00', x'00'",
        "x'00', 1, x'00', x'00'",
        "'head', -1, x'00', x'00'",
        "'head', 'one', x'00', x'00'",
        "'head', 1.5, x'00', x'00'",
        "'head', 1, 'text', x'00'",
        "'head', 1, x'00', 7",
        "'head', 1, x'00', zeroblob(2000000)",
    ] {
        let place = Place::empty();
        let store = place.store();
        store.create().await.expect("the file is made");
        let other = Connection::open(&place.path).unwrap();
        other
            .execute_batch(&format!("INSERT INTO items VALUES ('wallet', {values})"))
            .unwrap();
        let error = store.list(None).await.map(drop);
        assert!(
            matches!(error, Err(StoreError::Invalid(_))),
            "{values}: {error:?}"
        );
        if values.starts_with("'head'") {
            let error = store.get(Id::Head).await.map(drop);
            assert!(
                matches!(error, Err(StoreError::Invalid(_))),
                "{values}: {error:?}"
            );
        }
    }
}

/// A version that the file cannot hold is refused before anything is written.
#[tokio::test]
async fn a_version_beyond_the_files_numbers_is_refused() {
    let (_place, store) = Place::with_wallet().await;
    let changes = vec![
        create(&item(id(98), 1)),
        create(&item(id(99), i64::MAX as u64 + 1)),
    ];
    let failed = store.commit(changes).await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    assert_eq!(store.get(id(98)).await, Ok(None));
}

/// A page ends before the item that would take it over 1 MiB, and the last page names no other.
#[tokio::test]
async fn pages_end_before_1_mib() {
    let place = Place::empty();
    let store = place.store();
    store.create().await.expect("the file is made");
    let quarter = 1 << 18;
    let items: Vec<_> = (0..8).map(|n| item_of(&store, id(n), 1, quarter)).collect();
    assert_eq!(
        store.commit(items.iter().map(create).collect()).await,
        Ok(Commit::Done)
    );
    let first = store.list(None).await.unwrap();
    assert!(first.items == items[..4]);
    let second = store.list(first.next).await.unwrap();
    assert!(second.items == items[4..]);
    assert_eq!(second.next, None);
}
