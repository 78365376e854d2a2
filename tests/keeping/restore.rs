//! Restoring: what changes, what stays, and what an interruption leaves.

use crate::support::*;
use std::sync::Arc;
use walletfs::crypto::{DeviceKey, KdfParams, OsRandom};
use walletfs::store::*;
use walletfs::wallet::backup::{
    self, Fate, Keys, Outline, Restore, Restored, Sealed, Shelf, There,
};
use walletfs::wallet::*;

async fn keys(head: &Item, key: &DeviceKey) -> Keys {
    Keys::open(head, key, &memorable(), Arc::new(OsRandom))
        .await
        .unwrap()
}

/// Prepares a restore with one password for all.
async fn prepare(
    store: Arc<dyn Store>,
    seen: &Seen,
    backup: &Sealed,
    key: &DeviceKey,
) -> Result<Restore, WalletError> {
    let own = keys(backup.head(), key).await;
    let current = match store.get(Id::Head).await.unwrap() {
        Some(head) => Keys::open(&head, key, &memorable(), Arc::new(OsRandom))
            .await
            .ok(),
        None => None,
    };
    let (seen, backup) = (seen.clone(), backup.clone());
    Restore::prepare(store, seen, backup, current.as_ref(), Some(&own), options()).await
}

async fn restore(
    store: Arc<dyn Store>,
    seen: &Seen,
    backup: &Sealed,
    key: &DeviceKey,
) -> Result<Restored, WalletError> {
    let restore = prepare(store, seen, backup, key).await?;
    restore.run(&backup::quietly).await
}

/// A wallet of three secrets, a backup of it, and what came after: one secret more, one less, one
/// changed.
async fn changed_since() -> (Arc<MemoryStore>, Seen, DeviceKey, Sealed) {
    let memory = Arc::new(MemoryStore::new());
    let (wallet, key) = create(memory.clone()).await;
    add(&wallet, "bank", "savings", "old").await;
    let current = add(&wallet, "bank", "current", "old").await;
    let post = add(&wallet, "post", "office", "old").await;
    let sealed = wallet.sealed().await.unwrap();
    add(&wallet, "bank", "new", "new").await;
    put(&wallet, current, "new").await;
    let gone = Edit::Remove { secret: post };
    wallet.apply(clear(post)).await.unwrap();
    wallet.apply(gone).await.unwrap();
    let seen = Seen::in_memory();
    let wallet = unlock(memory.clone(), seen.clone(), &key).await.unwrap();
    let now = ["bank/current=new", "bank/new=new", "bank/savings=old"];
    assert_eq!(contents(&wallet).await, now);
    (memory, seen, key, sealed)
}

fn clear(secret: Id) -> Edit {
    Edit::Fields(vec![FieldEdit {
        secret,
        field: Field::Pwd,
        expect: Expected::Any,
        change: FieldChange::Remove,
    }])
}

const BEFORE: [&str; 3] = ["bank/current=old", "bank/savings=old", "post/office=old"];

#[tokio::test]
async fn a_restore_brings_back_changes_and_removes() {
    let (memory, seen, key, sealed) = changed_since().await;
    let newest = memory.items()[&Id::Head].version;
    let plan = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let There::Open { generation, .. } = plan.outline().there else {
        panic!("{:?}", plan.outline());
    };
    assert_eq!(generation, newest);
    let outline = Outline {
        added: 1,
        changed: 1,
        removed: 1,
        same: 1,
        damaged: 0,
        there: plan.outline().there,
    };
    assert_eq!(plan.outline(), outline);
    let named: Vec<_> = plan
        .affected()
        .into_iter()
        .map(|affected| {
            let (domain, access) = affected.name.unwrap();
            (affected.fate, format!("{domain}/{access}"))
        })
        .collect();
    for expected in [
        (Fate::Added, "post/office"),
        (Fate::Changed, "bank/current"),
        (Fate::Removed, "bank/new"),
    ] {
        assert!(named.contains(&(expected.0, expected.1.to_owned())));
    }
    assert!(!plan.is_done());
    let before = memory.items().clone();
    let done = plan.run(&backup::quietly).await.unwrap();
    assert_eq!(done.generation, newest + 1);

    // What was there is kept, byte for byte; every device goes on, without a rollback.
    let kept = done.kept.unwrap();
    assert!(*memory.beside(&kept).items() == before);
    let wallet = unlock(memory.clone(), seen.clone(), &key).await.unwrap();
    assert_eq!(wallet.state().fault, None);
    assert_eq!(contents(&wallet).await, BEFORE);
    assert_eq!(seen.read().unwrap().unwrap().generation, newest + 1);

    // Again: there is nothing to do.
    let again = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    assert!(again.is_done());
}

#[tokio::test]
async fn what_is_restored_keeps_times_modes_and_revisions() {
    let (memory, seen, key, sealed) = changed_since().await;
    restore(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let wallet = unlock(memory.clone(), seen, &key).await.unwrap();
    let copy = memory.beside("default.backup-copy");
    for item in sealed.items() {
        copy.items().insert(item.id, item.clone());
    }
    let copy = unlock(Arc::new(copy), Seen::in_memory(), &key)
        .await
        .unwrap();
    let metas =
        |wallet: &Wallet| -> Vec<Meta> { wallet.view().all().map(|s| s.meta.clone()).collect() };
    assert!(metas(&wallet) == metas(&copy));
}

/// A commit limit of 2 makes a commit of every step. Killed at each of them, before it or before
/// its answer, the wallet opens, all of it, and another restore does the rest.
#[tokio::test]
async fn killed_at_every_commit_it_completes_when_run_again() {
    let mut kills = 0;
    for after in [false, true] {
        for at in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("w.sqlite");
            let sqlite = Arc::new(SqliteStore::with_commit_limit(&file, "w", 2));
            sqlite.create().await.unwrap();
            let (memory, seen, key, sealed) = changed_since().await;
            copy(&memory, &*sqlite).await;
            let failing = Arc::new(Failing::new(sqlite.clone()));
            kill_at(&failing, at, after);
            let killed = restore(failing, &seen, &sealed, &key).await;
            let wallet = unlock(sqlite.clone(), seen.clone(), &key).await.unwrap();
            assert_eq!(wallet.state().fault, None);
            let now = contents(&wallet).await;
            // Never less than in the backup or in what was there.
            assert!(now.len() >= 3, "{now:?}");
            if killed.is_ok() {
                assert_eq!(now, BEFORE);
                break;
            }
            kills += 1;
            let again = prepare(sqlite.clone(), &seen, &sealed, &key).await.unwrap();
            if !again.is_done() {
                again.run(&backup::quietly).await.unwrap();
            }
            let wallet = unlock(sqlite.clone(), seen, &key).await.unwrap();
            assert_eq!(contents(&wallet).await, BEFORE);
        }
    }
    // The backup of what is there is 5 items in 3 commits, and 2 for the index; then 3 steps.
    assert_eq!(kills, 2 * (3 + 2 + 3));
}

async fn copy(from: &MemoryStore, to: &dyn Store) {
    let mut items: Vec<Item> = from.items().values().cloned().collect();
    while !items.is_empty() {
        let rest = items.split_off(2.min(items.len()));
        let put = |item| Change::Put {
            item,
            expect: Expect::Absent,
        };
        let done = to.commit(items.into_iter().map(put).collect()).await;
        assert_eq!(done, Ok(Commit::Done));
        items = rest;
    }
}

#[tokio::test]
async fn a_lost_wallet_comes_back_above_every_generation_known() {
    let (memory, seen, key, sealed) = changed_since().await;
    let newest = memory.items()[&Id::Head].version;
    memory.items().clear();
    let plan = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    assert_eq!(plan.outline().there, There::Nothing);
    assert_eq!(plan.outline().added, 3);
    let done = plan.run(&backup::quietly).await.unwrap();
    // This device had seen that one, which the backup is older than.
    assert_eq!(done.generation, newest + 1);
    assert_eq!(done.kept, None);
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(contents(&wallet).await, BEFORE);
}

#[tokio::test]
async fn items_without_a_head_are_kept_and_replaced() {
    let (memory, seen, key, sealed) = changed_since().await;
    memory.items().remove(&Id::Head);
    let left = memory.items().clone();
    let plan = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    assert_eq!(plan.outline().there, There::Headless);
    let done = plan.run(&backup::quietly).await.unwrap();
    let kept = memory.beside(&done.kept.unwrap());
    assert!(left.iter().all(|(id, item)| kept.items()[id] == *item));
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(contents(&wallet).await, BEFORE);
    // What was kept opens, too.
    let kept = unlock(Arc::new(kept), Seen::in_memory(), &key)
        .await
        .unwrap();
    let now = ["bank/current=new", "bank/new=new", "bank/savings=old"];
    assert_eq!(contents(&kept).await, now);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_wallet_is_whole_again() {
    let (memory, seen, key, sealed) = changed_since().await;
    let id = *memory.items().keys().next().unwrap();
    memory.items().get_mut(&id).unwrap().meta = Bytes::from_static(b"rubbish");
    let done = restore(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let wallet = unlock(memory.clone(), seen, &key).await.unwrap();
    assert_eq!(wallet.state().fault, None);
    assert_eq!(contents(&wallet).await, BEFORE);
    let kept = memory.beside(&done.kept.unwrap());
    assert_eq!(&kept.items()[&id].meta[..], b"rubbish");
}

/// What does not open in the backup is no reason to take it from the wallet.
#[tokio::test]
async fn what_is_damaged_in_the_backup_stays_as_it_is() {
    let (memory, seen, key, sealed) = changed_since().await;
    let mut items: Vec<Item> = sealed.items().cloned().collect();
    for item in items.iter_mut().filter(|item| item.id != Id::Head) {
        item.data = Bytes::from_static(b"rubbish");
    }
    let damaged = Sealed::new(items).unwrap();
    let plan = prepare(memory.clone(), &seen, &damaged, &key)
        .await
        .unwrap();
    let outline = plan.outline();
    assert_eq!((outline.damaged, outline.added, outline.changed), (3, 0, 0));
    assert_eq!(outline.removed, 1);
    plan.run(&backup::quietly).await.unwrap();
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(
        contents(&wallet).await,
        ["bank/current=new", "bank/savings=old"]
    );
}

/// After a change of the memorable password the old backup comes back, and the old password does
/// not.
#[tokio::test]
async fn the_wallet_keeps_its_keys() {
    let (memory, seen, key, sealed) = changed_since().await;
    let wallet = unlock(memory.clone(), seen.clone(), &key).await.unwrap();
    let newer = secret("newer Passw0rd!");
    let change = wallet.change_memorable(&key, &newer, KdfParams::LEAST);
    change.await.unwrap();
    let head = memory.get(Id::Head).await.unwrap().unwrap();
    let keys = Keys::open(&head, &key, &newer, Arc::new(OsRandom))
        .await
        .unwrap();
    assert!(keys.fit(sealed.head()));
    let (store, record) = (memory.clone(), seen.clone());
    let plan = Restore::prepare(store, record, sealed, Some(&keys), None, options());
    plan.await.unwrap().run(&backup::quietly).await.unwrap();
    let old = unlock(memory.clone(), seen.clone(), &key).await;
    assert!(matches!(old, Err(WalletError::WrongPassword)));
    let wallet = Wallet::unlock(memory, seen, &key, &newer, options())
        .await
        .unwrap();
    assert_eq!(contents(&wallet).await, BEFORE);
}

/// After a rekey the backup is sealed anew under the keys of now.
#[tokio::test]
async fn a_backup_from_before_a_rekey_is_sealed_anew() {
    let (memory, seen, key, sealed) = changed_since().await;
    let wallet = unlock(memory.clone(), seen.clone(), &key).await.unwrap();
    wallet.rekey(None, |_| ()).await.unwrap();
    let head = memory.get(Id::Head).await.unwrap().unwrap();
    let current = keys(&head, &key).await;
    assert!(!current.fit(sealed.head()));
    let alone = Restore::prepare(
        memory.clone(),
        seen.clone(),
        sealed.clone(),
        Some(&current),
        None,
        options(),
    );
    assert!(matches!(alone.await, Err(WalletError::WrongPassword)));
    restore(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let wallet = unlock(memory.clone(), seen, &key).await.unwrap();
    assert_eq!(contents(&wallet).await, BEFORE);
    // All of it is under the new key, values too.
    for item in memory.items().values() {
        assert_eq!(item.data[1..5], [0, 0, 0, 2]);
    }
}

#[tokio::test]
async fn a_wallet_that_these_passwords_do_not_open_gets_the_backups_keys() {
    let (memory, _, key, sealed) = changed_since().await;
    // Somebody made another wallet in its place.
    memory.items().clear();
    let (other, _) = create(memory.clone()).await;
    add(&other, "bank", "other", "new").await;
    let seen = Seen::in_memory();
    unlock_seen(&seen, &other);
    let plan = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let there = There::Closed {
        generation: 3,
        same_wallet: false,
    };
    assert_eq!(plan.outline().there, there);
    assert_eq!(plan.outline().removed, 1);
    plan.run(&backup::quietly).await.unwrap();
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(contents(&wallet).await, BEFORE);
}

/// This device has seen the other wallet.
fn unlock_seen(seen: &Seen, wallet: &Wallet) {
    let head = wallet.head_info();
    let sighting = Sighting {
        wallet_id: head.wallet_id,
        generation: head.generation,
        hash: [0; 32],
        committed_ns: head.committed_ns,
    };
    seen.accept(&sighting).unwrap();
}

#[tokio::test]
async fn another_devices_commit_meanwhile_is_never_overwritten() {
    let (memory, seen, key, sealed) = changed_since().await;
    let plan = prepare(memory.clone(), &seen, &sealed, &key).await.unwrap();
    let wallet = unlock(memory.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    add(&wallet, "bank", "late", "new").await;
    let refused = plan.run(&backup::quietly).await;
    assert!(
        matches!(refused, Err(WalletError::Contended)),
        "{refused:?}"
    );
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(contents(&wallet).await.len(), 4);
}

#[tokio::test]
async fn ten_thousand_secrets_are_a_bounded_number_of_requests() {
    let (memory, calls) = counted();
    let (wallet, key) = create(memory.clone()).await;
    let empty = wallet.sealed().await.unwrap();
    fill(&memory, &key, 10_000);
    let seen = Seen::in_memory();
    let full = unlock(memory.clone(), seen.clone(), &key).await.unwrap();
    let full = full.sealed().await.unwrap();
    for (backup, pages_before, pages_after, backup_commits, commits) in [
        // All are removed, 99 a commit; what was there is kept first.
        (&empty, PAGES, 1, 103, 102),
        // All come back; an empty wallet is kept first, in the second after the other.
        (&full, 1, PAGES, 4, 102),
    ] {
        let plan = prepare(calls.clone(), &seen, backup, &key).await.unwrap();
        let tally = calls.take();
        // 1 of the gets is the test's, to find out which keys are there.
        assert_eq!((tally.gets, tally.lists), (1 + 1, pages_before));
        plan.run(&backup::quietly).await.unwrap();
        let tally = calls.take();
        assert_eq!(tally.gets, 0);
        // The copy read back, and the wallet.
        assert_eq!(tally.lists, pages_before + pages_after);
        assert_eq!(tally.commits, backup_commits + commits);
    }
    let shelf: Arc<dyn Store> = memory.clone();
    assert_eq!(Shelf::beside(&shelf).list().await.unwrap().len(), 2);
    let wallet = unlock(memory, seen, &key).await.unwrap();
    assert_eq!(wallet.head_info().count, 10_000);
}
