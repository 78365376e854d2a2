//! Backups beside the wallet in its store.

use crate::support::*;
use std::sync::Arc;
use walletfs::store::*;
use walletfs::wallet::backup::{self, Shelf, State};
use walletfs::wallet::*;

const FIRST: &str = "default.backup-20231114T221320Z";
const INDEX: &str = "default.backup-index";

#[tokio::test]
async fn a_backup_is_the_items_under_another_name_and_opens() {
    let (memory, calls) = counted();
    let (wallet, key) = create(calls.clone()).await;
    add(&wallet, "bank", "savings", "old").await;
    calls.take();
    let made = wallet.back_up(&backup::quietly).await.unwrap();
    assert_eq!(made.name, FIRST);
    assert_eq!((made.generation, made.count), (3, 1));
    assert_eq!(made.faults, [""; 0]);
    assert_eq!(
        calls.take(),
        Tally {
            creates: 0,
            gets: 1,
            lists: 2,
            commits: 3,
            changes: 4,
        }
    );
    assert_eq!(memory.wallets(), ["default", FIRST, INDEX]);
    assert!(*memory.items() == *memory.beside(FIRST).items());

    // It is a wallet like any other: what happens to the first does not touch it.
    add(&wallet, "bank", "current", "new").await;
    let copy = unlock(memory.sibling(FIRST), Seen::in_memory(), &key);
    assert_eq!(contents(&copy.await.unwrap()).await, ["bank/savings=old"]);
}

#[tokio::test]
async fn a_second_one_in_the_same_second_has_the_next_name() {
    let (memory, calls) = counted();
    let (wallet, _) = create(calls).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(wallet.back_up(&backup::quietly).await.unwrap().name);
    }
    let expected = [0, 1, 2].map(|s| format!("default.backup-20231114T22132{s}Z"));
    assert_eq!(names, expected);
    let store: Arc<dyn Store> = memory.clone();
    let shelf = Shelf::beside(&store);
    let list = shelf.list().await.unwrap();
    let listed: Vec<_> = list
        .iter()
        .map(|e| (shelf.name(e.stamp), e.state))
        .collect();
    let whole = expected.map(|name| (name, State::Whole));
    assert_eq!(listed, whole);

    // Nothing was interrupted an hour ago, and three are there.
    let now = NOW as u64 * 1_000_000_000;
    let quietly = &backup::quietly;
    assert_eq!(shelf.prune(3, now, quietly).await.unwrap(), []);
    let removed = shelf.prune(1, now, quietly).await.unwrap();
    assert_eq!(removed, [list[0].stamp, list[1].stamp]);
    assert_eq!(memory.wallets(), ["default", &whole[2].0, INDEX]);
}

#[tokio::test]
async fn an_interrupted_backup_is_never_taken_for_one() {
    for at in 0..3 {
        let memory = Arc::new(MemoryStore::new());
        let failing = Arc::new(Failing::new(memory.clone()));
        let (wallet, _) = create(failing.clone()).await;
        add(&wallet, "bank", "savings", "old").await;
        kill_at(&failing, at, false);
        wallet.back_up(&backup::quietly).await.unwrap_err();
        failing.heal();

        let store: Arc<dyn Store> = memory.clone();
        let shelf = Shelf::beside(&store);
        let left = shelf.list().await.unwrap();
        assert_eq!(left.len(), at.min(1));
        for entry in &left {
            assert_eq!(entry.state, State::Unfinished);
            let refused = shelf.get(entry.stamp).await;
            assert!(matches!(refused, Err(WalletError::NoSuchBackup(_))));
        }

        // What may still be being written stays; an hour later it goes, and the whole one does not.
        let whole = wallet.back_up(&backup::quietly).await.unwrap().name;
        let quietly = &backup::quietly;
        let now = NOW as u64 * 1_000_000_000;
        assert_eq!(shelf.prune(1, now, quietly).await.unwrap(), []);
        let later = now + 3_700 * 1_000_000_000;
        let gone: Vec<_> = left.iter().map(|entry| entry.stamp).collect();
        assert_eq!(shelf.prune(1, later, quietly).await.unwrap(), gone);
        assert_eq!(memory.wallets(), ["default", &whole, INDEX]);
    }
}

#[tokio::test]
async fn an_interrupted_removal_goes_on() {
    let memory = Arc::new(MemoryStore::new());
    let failing = Arc::new(Failing::new(memory.clone()));
    let (wallet, _) = create(failing.clone()).await;
    add(&wallet, "bank", "savings", "old").await;
    let store: Arc<dyn Store> = failing.clone();
    let shelf = Shelf::beside(&store);
    for at in 0..3 {
        failing.heal();
        wallet.back_up(&backup::quietly).await.unwrap();
        let entry = shelf.list().await.unwrap().pop().unwrap();
        kill_at(&failing, at, false);
        shelf.remove(&entry, &backup::quietly).await.unwrap_err();
        failing.heal();
        let entry = shelf.list().await.unwrap().pop().unwrap();
        let state = if at == 0 {
            State::Whole
        } else {
            State::Unfinished
        };
        assert_eq!(entry.state, state);
        shelf.remove(&entry, &backup::quietly).await.unwrap();
        assert_eq!(memory.wallets(), ["default"]);
    }
}

#[tokio::test]
async fn what_the_store_did_not_keep_is_found_out() {
    let memory = Arc::new(MemoryStore::new());
    let failing = Arc::new(Failing::new(memory.clone()));
    let (wallet, _) = create(failing.clone()).await;
    add(&wallet, "bank", "savings", "old").await;
    // The store changes a byte of the copy between the writing and the reading.
    let copy = memory.beside(FIRST);
    failing.plan(move |call| {
        if let (Call::List(None), Some(mut item)) = (call, copy.items().first_entry()) {
            let item = item.get_mut();
            let mut data = item.data.to_vec();
            data[20] ^= 1;
            item.data = data.into();
        }
        None
    });
    let refused = wallet.back_up(&backup::quietly).await.unwrap_err();
    assert!(refused.to_string().contains("it is not used"), "{refused}");
    failing.heal();
    let store: Arc<dyn Store> = memory;
    let entries = Shelf::beside(&store).list().await.unwrap();
    assert_eq!(entries[0].state, State::Unfinished);
}

#[tokio::test]
async fn a_damaged_wallet_is_kept_as_it_is_and_told() {
    let memory = Arc::new(MemoryStore::new());
    let (wallet, _) = create(memory.clone()).await;
    let id = add(&wallet, "bank", "savings", "old").await;
    add(&wallet, "bank", "current", "new").await;
    memory.items().get_mut(&id).unwrap().data = Bytes::from_static(b"rubbish");
    let made = wallet.back_up(&backup::quietly).await.unwrap();
    assert_eq!(made.faults, [format!("item {id} is damaged")]);
    assert!(*memory.items() == *memory.beside(&made.name).items());
    let store: Arc<dyn Store> = memory;
    let entries = Shelf::beside(&store).list().await.unwrap();
    assert_eq!(entries[0].state, State::AsFound);
}

#[tokio::test]
async fn ten_thousand_secrets_are_a_bounded_number_of_requests() {
    let (memory, calls) = counted();
    let (_, key) = create(memory.clone()).await;
    fill(&memory, &key, 10_000);
    let wallet = unlock(calls.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    calls.take();
    let made = wallet.back_up(&backup::quietly).await.unwrap();
    assert_eq!(made.faults, [""; 0]);
    let tally = calls.take();
    // 1 for the head; the pages of 1 MiB twice; 101 for the items and 2 for the index.
    assert_eq!((tally.gets, tally.commits), (1, 103));
    assert_eq!(tally.lists, 2 * PAGES);

    let store: Arc<dyn Store> = calls.clone();
    let shelf = Shelf::beside(&store);
    let entry = shelf.list().await.unwrap().pop().unwrap();
    calls.take();
    shelf.remove(&entry, &backup::quietly).await.unwrap();
    let tally = calls.take();
    assert_eq!((tally.gets, tally.lists, tally.commits), (0, PAGES, 103));
}

/// Authentic all the same, and of this very secret, but of before.
#[tokio::test(start_paused = true)]
async fn what_is_replayed_is_told() {
    let memory = Arc::new(MemoryStore::new());
    let (wallet, _) = create(memory.clone()).await;
    let id = add(&wallet, "bank", "savings", "old").await;
    let old = memory.items()[&id].clone();
    put(&wallet, id, "new").await;
    let new = memory.items()[&id].clone();
    let with_old_data = Item {
        data: old.data.clone(),
        ..new
    };
    for (item, told) in [
        (with_old_data, format!("item {id} is damaged")),
        (
            old,
            "the items are not those that the head vouches for".into(),
        ),
    ] {
        memory.items().insert(id, item);
        let made = wallet.back_up(&backup::quietly).await.unwrap();
        assert_eq!(made.faults, [told]);
    }
}
