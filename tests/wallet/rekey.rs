//! A rekey: what it costs, that it can stop anywhere and go on, that the wallet is in use meanwhile,
//! and that the old keys open nothing afterwards.

use crate::support::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use walletfs::crypto::{self, DeviceKey, HeadMeta, OsRandom, RecoveryKey, Vault};
use walletfs::store::*;
use walletfs::wallet::*;

async fn filled(store: &Arc<MemoryStore>, secrets: usize) -> (Device, DeviceKey) {
    let (a, key) = first(store).await;
    for n in 0..secrets {
        let id = a.create("d", &format!("a{n}")).await;
        a.put(id, Field::Pwd, &format!("value {n}")).await;
    }
    (a, key)
}

fn vault(store: &MemoryStore, key: &DeviceKey) -> Vault {
    let head = store.items()[&Id::Head].clone();
    let meta = HeadMeta::decode(&head.meta).unwrap();
    let (keyring, _) = crypto::unlock(&meta, key, &memorable()).unwrap_or_else(|e| panic!("{e}"));
    Vault::new(meta.wallet_id, keyring, Arc::new(OsRandom))
}

/// How many parts of items `vault` opens.
fn opened(vault: &Vault, items: &BTreeMap<Id, Item>) -> usize {
    let opens = |item: &Item| {
        let text = item.id.text();
        let (meta, data) = match item.id {
            Id::Head => {
                let data = vault
                    .open_head(item.version, &item.meta, &item.data)
                    .is_ok();
                (false, data)
            }
            Id::Secret(_) => (
                vault.open_meta(&text, item.version, &item.meta).is_ok(),
                vault.open_data(&text, &item.data).is_ok(),
            ),
        };
        usize::from(meta) + usize::from(data)
    };
    items.values().map(opens).sum()
}

#[tokio::test(start_paused = true)]
async fn everything_is_sealed_anew_and_the_old_keyring_opens_nothing() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = filled(&store, 120).await;
    let old = vault(&store, &key);
    let before = a.contents().await;
    let revs: Vec<Meta> = a.wallet.view().all().map(|s| s.meta.clone()).collect();
    assert_eq!(opened(&old, &store.items()), 241);
    a.made();
    let mut last = None;
    a.wallet.rekey(None, |p| last = Some(p)).await.unwrap();
    let all = 120;
    assert_eq!(last, Some(RekeyProgress { done: all, all }));
    // 120 secrets are two commits; the key is appended in one and dropped in another.
    assert_eq!(a.made(), calls(2, 4, 4));
    assert_eq!(opened(&old, &store.items()), 0);
    assert!(!a.wallet.rekey_is_under_way().unwrap());
    assert_eq!(a.contents().await, before);
    for (before, after) in revs.iter().zip(a.wallet.view().all()) {
        assert!(before.fields == after.meta.fields, "no field has changed");
    }
    let fresh = another(&store, &key).await;
    assert_eq!(fresh.contents().await, before);
    // And once more.
    a.wallet.rekey(None, |_| {}).await.unwrap();
    assert_eq!(another(&store, &key).await.contents().await, before);
}

/// Stopped before each of its commits in turn, and after each, it leaves a wallet that reads and
/// writes, and the next one ends it.
#[tokio::test(start_paused = true)]
async fn a_rekey_that_stops_anywhere_goes_on() {
    for after in [false, true] {
        for stop in 0..4 {
            let store = Arc::new(MemoryStore::new());
            let (a, key) = filled(&store, 120).await;
            let old = vault(&store, &key);
            let before = a.contents().await;
            let faults = Arc::new(Failing::new(store.clone()));
            let commits = AtomicUsize::new(0);
            faults.plan(move |call| {
                let at = match call {
                    Call::Commit(_) => commits.fetch_add(1, Ordering::SeqCst),
                    _ => {
                        return (commits.load(Ordering::SeqCst) > stop)
                            .then_some(Failure::Before(StoreError::Deadline));
                    }
                };
                let dead = StoreError::Deadline;
                match at == stop {
                    true if after => Some(Failure::After(dead)),
                    _ => (at >= stop).then_some(Failure::Before(dead)),
                }
            });
            let seen = Seen::in_memory();
            let killed = Wallet::unlock(faults, seen, &key, &memorable(), options()).await;
            let died = killed.unwrap().rekey(None, |_| {}).await;
            assert!(died.is_err(), "{stop}");

            let next = another(&store, &key).await;
            assert_eq!(next.contents().await, before, "{stop}");
            let id = next.wallet.view().all().next().unwrap().id;
            next.put(id, Field::Uid, "written").await;
            // Moves values as they are sealed.
            let moved = next.wallet.view().all().last().unwrap().id;
            next.rename(moved, "e", "moved", None).await.unwrap();
            // One that was open all the while.
            grow_old().await;
            a.wallet.freshen().await.unwrap();
            assert_eq!(a.read(id, &Field::Uid).await.unwrap(), "written");
            next.wallet.rekey(None, |_| {}).await.unwrap();
            assert_eq!(opened(&old, &store.items()), 0, "{stop}");
            let end = another(&store, &key).await;
            assert_eq!(end.contents().await.len(), before.len() + 1);
        }
    }
}

/// The old key is dropped only if a load finds nothing that needs it: here the walk missed a secret.
#[tokio::test(start_paused = true)]
async fn what_a_walk_missed_is_sealed_by_the_next() {
    let store = Arc::new(MemoryStore::new());
    let (_, key) = filled(&store, 5).await;
    let old = vault(&store, &key);
    let liar = Liar::new(store.clone());
    let lists = AtomicUsize::new(0);
    liar.pages(move |_, mut page| {
        // Unlocking, loading and counting under the new key come first.
        if lists.fetch_add(1, Ordering::SeqCst) == 3 {
            page.items.remove(2);
        }
        page
    });
    let seen = Seen::in_memory();
    let a = Wallet::unlock(liar, seen, &key, &memorable(), options()).await;
    a.unwrap().rekey(None, |_| {}).await.unwrap();
    assert_eq!(opened(&old, &store.items()), 0);
    assert_eq!(another(&store, &key).await.contents().await.len(), 5);
}

/// Another device reads and writes before each commit of a rekey: values, a rename (which moves data
/// as it is), a new secret, a removed one. Nothing is lost, and nothing is left under the old key.
#[tokio::test(start_paused = true)]
async fn the_wallet_is_in_use_meanwhile() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = filled(&store, 120).await;
    let old = vault(&store, &key);
    let b = Arc::new(another(&store, &key).await);
    let hooked = Hooked::new(store.clone());
    let seen = Seen::in_memory();
    let c = Wallet::unlock(hooked.clone(), seen, &key, &memorable(), options()).await;
    let c = c.unwrap();
    let ids: Vec<Id> = a.wallet.view().all().map(|s| s.id).collect();
    let times = Arc::new(AtomicUsize::new(0));
    hooked.hook({
        let (b, times) = (b.clone(), times.clone());
        move |did| {
            let (b, times, ids) = (b.clone(), times.clone(), ids.clone());
            async move {
                if did != Did::Committing {
                    return;
                }
                // Every other commit of the rekey finds that it was not the first.
                let n = times.fetch_add(1, Ordering::SeqCst);
                if n.is_multiple_of(2) && n < 20 {
                    b.put(ids[n], Field::Uid, "b").await;
                    b.rename(ids[119 - n], "e", &format!("r{n}"), None)
                        .await
                        .unwrap();
                    b.create("new", &format!("n{n}")).await;
                    let value = b.read(ids[5], &Field::Pwd).await.unwrap();
                    assert!(value.starts_with("value"));
                }
            }
        }
    });
    c.rekey(None, |_| {}).await.unwrap();
    hooked.unhook();
    let done = times.load(Ordering::SeqCst).min(20).div_ceil(2);
    assert!(done >= 3);
    assert_eq!(opened(&old, &store.items()), 0);
    let d = another(&store, &key).await;
    let names = d.names();
    let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert_eq!((count("new/"), count("e/r")), (done, done));
    let uids = d.contents().await;
    let uids = uids.keys().filter(|(_, field)| *field == Field::Uid);
    assert_eq!(uids.count(), done);
    // Sessions from before read and write on.
    for device in [&a, &*b] {
        grow_old().await;
        device.wallet.freshen().await.unwrap();
        assert_eq!(device.contents().await, d.contents().await);
    }
}

/// A session that slept through the whole rekey takes the new key and reads what it holds open.
#[tokio::test(start_paused = true)]
async fn a_session_that_slept_through_it_follows() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = filled(&store, 3).await;
    let b = another(&store, &key).await;
    let id = b.wallet.view().all().next().unwrap().id;
    let held = b.wallet.body(id).await.unwrap();
    a.wallet.rekey(None, |_| {}).await.unwrap();
    grow_old().await;
    // A commit of a value alone, which needs no load otherwise.
    b.put(id, Field::Uid, "b").await;
    let value = b.wallet.value(&held, &Field::Pwd).unwrap();
    assert!(
        value.expose().starts_with(b"value"),
        "what was open stays readable"
    );
    let c = another(&store, &key).await;
    assert_eq!(c.read(id, &Field::Uid).await.unwrap(), "b");
}

/// Who came in by a password that was changed before the rekey stays out.
#[tokio::test(start_paused = true)]
async fn a_session_of_an_old_password_does_not_follow() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = filled(&store, 3).await;
    let b = another(&store, &key).await;
    let least = walletfs::crypto::KdfParams::LEAST;
    a.wallet
        .change_memorable(&key, &secret("another Passw0rd!"), least)
        .await
        .unwrap();
    a.wallet.rekey(None, |_| {}).await.unwrap();
    grow_old().await;
    let refused = b.wallet.freshen().await;
    assert!(
        matches!(refused, Err(WalletError::KeysChanged)),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_recovery_key_is_replaced_and_opens_at_every_point() {
    let store = Arc::new(MemoryStore::new());
    let (a, _) = filled(&store, 3).await;
    let [old, new] = [(); 2].map(|()| RecoveryKey::new(&OsRandom));
    a.wallet.change_recovery(&old).await.unwrap();
    let refused = a.wallet.rekey(None, |_| {}).await;
    assert!(matches!(refused, Err(WalletError::NoRecoveryKey)));
    a.wallet.rekey(Some(&new), |_| {}).await.unwrap();
    let by = |key: &RecoveryKey| {
        let key = RecoveryKey::parse(&key.words()).unwrap_or_else(|e| panic!("{e}"));
        Wallet::recover(store.clone(), Seen::in_memory(), key, options())
    };
    let gone = by(&old).await.err();
    assert!(matches!(gone, Some(WalletError::WrongRecoveryKey)));
    let recovered = by(&new).await.unwrap();
    assert!(!recovered.rekey_is_under_way().unwrap());
    assert_eq!(recovered.view().len(), 3);
}

/// An item that does not open stops it before anything is changed.
#[tokio::test(start_paused = true)]
async fn a_damaged_item_stops_a_rekey() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = filled(&store, 3).await;
    let id = a.wallet.view().all().next().unwrap().id;
    let mut item = store.items()[&id].clone();
    let mut data = item.data.to_vec();
    data[40] ^= 1;
    item.data = data.into();
    store.items().insert(id, item);
    let b = another(&store, &key).await;
    let stopped = b.wallet.rekey(None, |_| {}).await;
    assert!(
        matches!(stopped, Err(WalletError::Damaged(at)) if at == id),
        "{stopped:?}"
    );
}
