//! Moving to another store.

use crate::support::*;
use std::sync::Arc;
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::backup::{self, Migrated, Migration, Target};
use walletfs::wallet::*;

async fn migrate(
    from: Arc<dyn Store>,
    key: &DeviceKey,
    to: Arc<dyn Store>,
) -> Result<(Target, Migrated), WalletError> {
    let seen = Seen::in_memory();
    let memorable = memorable();
    let wallet = Wallet::unlock_to_copy(from, seen, key, &memorable, options()).await?;
    let migration = Migration::prepare(wallet, to).await?;
    let target = migration.target();
    Ok((target, migration.run(&backup::quietly).await?))
}

async fn wallet() -> (Arc<MemoryStore>, Arc<Wallet>, DeviceKey) {
    let memory = Arc::new(MemoryStore::new());
    let (wallet, key) = create(memory.clone()).await;
    for name in ["current", "savings", "third"] {
        add(&wallet, "bank", name, "old").await;
    }
    (memory, wallet, key)
}

fn same(a: &MemoryStore, b: &MemoryStore) -> bool {
    *a.items() == *b.items()
}

#[tokio::test]
async fn there_and_back_it_is_the_same_bytes() {
    let (memory, wallet, key) = wallet().await;
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Arc::new(SqliteStore::open(directory.path().join("w"), "default"));
    sqlite.create().await.unwrap();
    let (target, moved) = migrate(memory.clone(), &key, sqlite.clone()).await.unwrap();
    assert_eq!(target, Target::Empty);
    assert_eq!((moved.generation, moved.count), (7, 3));
    let again = migrate(memory.clone(), &key, sqlite.clone()).await.unwrap();
    assert_eq!(again.0, Target::Same);

    let there = unlock(sqlite.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    assert_eq!(contents(&there).await, contents(&wallet).await);
    add(&there, "post", "office", "new").await;
    // Back: the source, which stayed, is older now. It is kept, and replaced.
    let (target, moved) = migrate(sqlite.clone(), &key, memory.clone()).await.unwrap();
    assert_eq!(target, Target::Older { generation: 7 });
    let kept = moved.kept.unwrap();
    let kept = unlock(memory.sibling(&kept), Seen::in_memory(), &key)
        .await
        .unwrap();
    assert_eq!(contents(&kept).await.len(), 3);
    let back = unlock(memory.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    assert_eq!(contents(&back).await, contents(&there).await);

    // And the other device, whose store is behind, finds it there already.
    let (target, moved) = {
        add(&back, "post", "card", "new").await;
        migrate(sqlite, &key, memory.clone()).await.unwrap()
    };
    assert_eq!(target, Target::Newer { generation: 11 });
    assert_eq!((moved.generation, moved.count), (11, 5));
}

#[tokio::test]
async fn killed_at_every_commit_it_completes_when_run_again() {
    for older in [false, true] {
        let mut kills = 0;
        for after in [false, true] {
            for at in 0.. {
                let (memory, wallet, key) = wallet().await;
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("w");
                let to = Arc::new(SqliteStore::with_commit_limit(file, "default", 2));
                to.create().await.unwrap();
                if older {
                    migrate(memory.clone(), &key, to.clone()).await.unwrap();
                    let id = wallet.view().find("bank", "third").unwrap();
                    put(&wallet, id, "new").await;
                }
                let failing = Arc::new(Failing::new(to.clone()));
                kill_at(&failing, at, after);
                let killed = migrate(memory.clone(), &key, failing).await;
                // The source is as it was, in any case.
                let source = unlock(memory.clone(), Seen::in_memory(), &key)
                    .await
                    .unwrap();
                assert_eq!(contents(&source).await, contents(&wallet).await);
                let done = killed.is_ok();
                // Meanwhile something changes, at the source.
                if !done {
                    kills += 1;
                    let id = wallet.view().find("bank", "current").unwrap();
                    put(&wallet, id, "newer").await;
                }
                migrate(memory.clone(), &key, to.clone()).await.unwrap();
                let there = unlock(to, Seen::in_memory(), &key).await.unwrap();
                assert_eq!(contents(&there).await, contents(&wallet).await);
                if done {
                    break;
                }
            }
        }
        // 3 secrets in 2 commits, and the head; or: a backup of 4 items in 2 commits and 2 of the
        // index, the old head and one secret in a commit, and the new head.
        assert_eq!(kills, if older { 2 * (4 + 2) } else { 2 * 3 });
    }
}

#[tokio::test]
async fn another_wallet_in_the_target_is_left_alone() {
    let (memory, wallet, key) = wallet().await;
    let other = Arc::new(MemoryStore::new());
    create(other.clone()).await;
    let before = other.items().clone();
    let refused = migrate(memory.clone(), &key, other.clone()).await;
    assert!(
        matches!(refused, Err(WalletError::WalletExists)),
        "{refused:?}"
    );
    // So are items of one, and another history of this one.
    other.items().clear();
    let stranger = Item {
        id: Id::Secret([1; 16]),
        version: 1,
        meta: Bytes::from_static(b"x"),
        data: Bytes::new(),
    };
    other.items().insert(stranger.id, stranger);
    let refused = migrate(memory.clone(), &key, other.clone()).await;
    assert!(matches!(refused, Err(WalletError::Orphans)), "{refused:?}");
    *other.items() = memory.items().clone();
    let there = unlock(other.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    add(&there, "post", "office", "x").await;
    add(&wallet, "post", "office", "y").await;
    let refused = migrate(memory.clone(), &key, other.clone()).await;
    assert!(
        matches!(refused, Err(WalletError::WalletExists)),
        "{refused:?}"
    );
    assert!(!before.is_empty() && !same(&memory, &other));
}

#[tokio::test]
async fn a_damaged_wallet_does_not_move() {
    let (memory, _, key) = wallet().await;
    let id = *memory.items().keys().next().unwrap();
    memory.items().get_mut(&id).unwrap().data = Bytes::from_static(b"rubbish");
    let to = Arc::new(MemoryStore::new());
    let refused = migrate(memory, &key, to.clone()).await;
    assert!(
        matches!(refused, Err(WalletError::Integrity(_))),
        "{refused:?}"
    );
    assert!(to.items().is_empty());
}

/// Another device commits while the items are being copied: what it wrote comes along.
#[tokio::test]
async fn a_commit_meanwhile_comes_along() {
    let (memory, wallet, key) = wallet().await;
    let to = Arc::new(MemoryStore::new());
    let failing = Arc::new(Failing::new(to.clone()));
    let from = memory.clone();
    let mut first = true;
    let before = memory.items().clone();
    add(&wallet, "post", "office", "new").await;
    let now = std::mem::replace(&mut *memory.items(), before);
    failing.plan(move |call| {
        if matches!(call, Call::Commit(_)) && std::mem::take(&mut first) {
            *from.items() = now.clone();
        }
        None
    });
    let (_, moved) = migrate(memory.clone(), &key, failing).await.unwrap();
    assert_eq!((moved.generation, moved.count), (9, 4));
    assert!(same(&memory, &to));
}

#[tokio::test]
async fn ten_thousand_secrets_are_a_bounded_number_of_requests() {
    let (memory, calls) = counted();
    let (_, key) = create(memory.clone()).await;
    fill(&memory, &key, 10_000);
    let (target, there) = counted();
    migrate(calls.clone(), &key, there.clone()).await.unwrap();
    assert!(same(&memory, &target));
    let tally = calls.take();
    // The head: to unlock, before the pages, and before the end.
    assert_eq!((tally.gets, tally.lists, tally.commits), (3, PAGES, 0));
    let tally = there.take();
    // A look at what is there, and everything read back; 100 commits of secrets, 1 of the head.
    assert_eq!(
        (tally.gets, tally.lists, tally.commits),
        (0, 1 + PAGES, 101)
    );
}
