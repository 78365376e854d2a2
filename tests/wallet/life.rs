//! How a wallet is made, found, unlocked, joined and locked.

use crate::support::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;
use walletfs::crypto::{DeviceKey, HeadMeta, KdfParams};
use walletfs::store::*;
use walletfs::wallet::*;

async fn create(
    store: &Arc<Counting>,
    seen: Seen,
) -> Result<(Arc<Wallet>, DeviceKey), WalletError> {
    let store = store.clone();
    let (device, memorable) = (device_password(), memorable());
    Wallet::create(
        store,
        seen,
        &device,
        &memorable,
        KdfParams::LEAST,
        options(),
    )
    .await
}

async fn unlock(
    store: &Arc<Counting>,
    key: &DeviceKey,
    memorable: &str,
) -> Result<Arc<Wallet>, WalletError> {
    let seen = Seen::in_memory();
    Wallet::unlock(store.clone(), seen, key, &secret(memorable), options()).await
}

async fn join(
    store: &Arc<Counting>,
    seen: Seen,
    device: &str,
    memorable: &str,
) -> Result<(Arc<Wallet>, DeviceKey), WalletError> {
    let (device, memorable) = (secret(device), secret(memorable));
    Wallet::join(store.clone(), seen, &device, &memorable, options()).await
}

const DEVICE: &str = "device Passw0rd!";
const MEMORABLE: &str = "memorable Passw0rd!";

#[tokio::test(start_paused = true)]
async fn a_wallet_is_made_once_found_and_opened_by_both_passwords_alone() {
    let store = Arc::new(Counting::new(Arc::new(MemoryStore::new())));
    assert_eq!(Wallet::peek(&*store).await.unwrap(), None);
    let absent = unlock(&store, &DeviceKey::from_bytes([0; 32]), MEMORABLE).await;
    assert!(matches!(absent, Err(WalletError::NoSuchWallet)));
    let absent = join(&store, Seen::in_memory(), DEVICE, MEMORABLE).await;
    assert!(matches!(absent, Err(WalletError::NoSuchWallet)));

    store.take();
    let seen = Seen::in_memory();
    let (wallet, key) = create(&store, seen.clone()).await.unwrap();
    let tally = store.take();
    assert_eq!((tally.gets, tally.lists, tally.commits), (1, 1, 1));
    let info = wallet.head_info();
    assert_eq!((info.generation, info.count), (1, 0));
    assert_eq!(info.created_ns, info.committed_ns);
    assert_eq!(wallet.state().generation, 1);
    assert_eq!(wallet.fresh_for(), Some(TTL));
    let meta: HeadMeta = Wallet::peek(&*store).await.unwrap().unwrap();
    assert_eq!(meta.wallet_id, info.wallet_id);
    assert_eq!(seen.read().unwrap().unwrap().generation, 1);
    let twice = create(&store, Seen::in_memory()).await;
    assert!(matches!(twice, Err(WalletError::WalletExists)));

    let again = unlock(&store, &key, MEMORABLE).await.unwrap();
    assert_eq!(again.head_info(), info);
    let seen = Seen::in_memory();
    store.take();
    let (joined, same) = join(&store, seen.clone(), DEVICE, MEMORABLE).await.unwrap();
    let tally = store.take();
    assert_eq!((tally.gets, tally.lists), (1, 1));
    assert_eq!(joined.head_info(), info);
    assert!(same.expose() == key.expose());
    assert_eq!(seen.read().unwrap().unwrap().wallet_id, info.wallet_id);

    let wrong = [
        unlock(&store, &key, "wrong Passw0rd!").await.err(),
        unlock(&store, &DeviceKey::from_bytes([7; 32]), MEMORABLE)
            .await
            .err(),
        join(&store, Seen::in_memory(), "wrong Passw0rd!", MEMORABLE)
            .await
            .err(),
        join(&store, Seen::in_memory(), DEVICE, "wrong Passw0rd!")
            .await
            .err(),
    ];
    for e in wrong {
        assert!(matches!(e, Some(WalletError::WrongPassword)), "{e:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_wallet_is_not_built_upon() {
    let memory = Arc::new(MemoryStore::new());
    let (device, key) = first(&memory).await;
    device.create("d", "s").await;
    memory.items().remove(&Id::Head);
    let store = Arc::new(Counting::new(memory.clone()));
    let orphans = create(&store, Seen::in_memory()).await;
    assert!(matches!(orphans, Err(WalletError::Orphans)));
    // A device that has seen the wallet does not take an empty store for a new beginning.
    memory.items().clear();
    let vanished = create(&store, device.seen.clone()).await.err().unwrap();
    assert!(
        matches!(vanished, WalletError::Vanished { generation: 2, .. }),
        "{vanished:?}"
    );
    assert!(memory.items().is_empty());
    let absent = unlock(&store, &key, MEMORABLE).await;
    assert!(matches!(absent, Err(WalletError::NoSuchWallet)));
}

#[tokio::test(start_paused = true)]
async fn a_wallet_that_appears_while_one_is_made_wins() {
    let memory = Arc::new(MemoryStore::new());
    let hooked = Hooked::new(memory.clone());
    let other = memory.clone();
    hooked.hook(move |did| {
        let other = other.clone();
        async move {
            if did == Did::Committing {
                first(&other).await;
            }
        }
    });
    let store = Arc::new(Counting::new(hooked));
    let late = create(&store, Seen::in_memory()).await;
    assert!(matches!(late, Err(WalletError::WalletExists)));
}

#[tokio::test(start_paused = true)]
async fn absurd_derivations_and_unknown_formats_are_refused_before_any_work() {
    let memory = Arc::new(MemoryStore::new());
    let (_, key) = first(&memory).await;
    let store = Arc::new(Counting::new(memory.clone()));
    let kdf = KdfParams {
        memory_kib: 2 << 20,
        ..KdfParams::LEAST
    };
    let (password, seen) = (device_password(), Seen::in_memory());
    let made = Wallet::create(store.clone(), seen, &password, &password, kdf, options()).await;
    assert!(matches!(made, Err(WalletError::Crypto(_))));
    assert_eq!(store.take(), Tally::default());

    let head = memory.items()[&Id::Head].clone();
    let mut meta = HeadMeta::decode(&head.meta).unwrap();
    meta.kdf = kdf;
    let format_9: Bytes = b"\xa1\x01\x09".to_vec().into();
    for bad in [meta.encode(), format_9] {
        let item = Item {
            meta: bad,
            ..head.clone()
        };
        memory.items().insert(Id::Head, item);
        let refused = [
            unlock(&store, &key, MEMORABLE).await.err(),
            join(&store, Seen::in_memory(), DEVICE, MEMORABLE)
                .await
                .err(),
            Wallet::peek(&*store).await.err(),
        ];
        for e in refused {
            assert!(matches!(e, Some(WalletError::Crypto(_))), "{e:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_public_part_was_changed_is_refused() {
    let memory = Arc::new(MemoryStore::new());
    let (_, key) = first(&memory).await;
    let store = Arc::new(Counting::new(memory.clone()));
    let head = memory.items()[&Id::Head].clone();
    let mut meta = HeadMeta::decode(&head.meta).unwrap();
    meta.device_salt[0] ^= 1;
    let item = Item {
        meta: meta.encode(),
        ..head
    };
    memory.items().insert(Id::Head, item);
    let refused = unlock(&store, &key, MEMORABLE).await.err().unwrap();
    assert!(matches!(refused, WalletError::Integrity(_)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_locked_wallet_holds_nothing_and_does_nothing() {
    let store = Arc::new(MemoryStore::new());
    let (device, _) = first(&store).await;
    let id = device.create("d", "s").await;
    device.put(id, Field::Uid, "uid").await;
    let body = device.wallet.body(id).await.unwrap();
    device.made();
    let wallet = &device.wallet;
    assert!(wallet.lock().is_done(), "the keys are wiped");
    let locked = |e: Option<WalletError>| matches!(e, Some(WalletError::Locked));
    assert!(locked(wallet.freshen().await.err()));
    assert!(locked(wallet.require_current().await.err()));
    assert!(locked(wallet.body(id).await.err()));
    assert!(locked(wallet.value(&body, &Field::Uid).err()));
    assert!(locked(
        wallet.apply(Edit::Remove { secret: id }).await.err()
    ));
    assert!(wallet.cached_body(id).is_none());
    assert!(wallet.fresh_for().is_none());
    assert!(!wallet.fits(id, &[]));
    assert!(wallet.view().is_empty());
    assert!(wallet.view().find("d", "s").is_none());
    assert_eq!(wallet.view().generation(), 0);
    assert_eq!(device.made(), calls(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_lock_leaves_nothing_behind() {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("d", "s").await;
    let hooked = Hooked::new(memory.clone());
    let o = Options {
        cache_bytes: 0,
        ..options()
    };
    for at in [Did::Get(id), Did::List { more: false }, Did::Committing] {
        let device = match at {
            Did::Get(_) => try_another(&hooked, &key, Seen::in_memory(), o.clone())
                .await
                .unwrap(),
            _ => another(&hooked, &key).await,
        };
        maker.put(id, Field::Uid, &format!("{at:?}")).await;
        let wallet = device.wallet.clone();
        hooked.hook(move |did| {
            let wallet = wallet.clone();
            async move {
                if did == at {
                    wallet.lock();
                }
            }
        });
        let locked = match at {
            Did::Get(_) => device.wallet.body(id).await.err(),
            Did::List { .. } => device.wallet.require_current().await.err(),
            // The commit itself is made.
            Did::Committing => {
                device.wallet.require_current().await.unwrap();
                device.put(id, Field::Pwd, "pwd").await;
                Some(WalletError::Locked)
            }
        };
        assert!(
            matches!(locked, Some(WalletError::Locked)),
            "{at:?} {locked:?}"
        );
        assert!(device.wallet.view().is_empty());
        assert!(device.wallet.cached_body(id).is_none());
        hooked.unhook();
    }
    maker.wallet.require_current().await.unwrap();
    assert_eq!(maker.read(id, &Field::Pwd).await.unwrap(), "pwd");
}

#[tokio::test(start_paused = true)]
async fn only_commits_are_waited_for_before_a_lock() {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("d", "s").await;
    let hooked = Hooked::new(memory.clone());
    for at in [Did::List { more: false }, Did::Committing] {
        let device = another(&hooked, &key).await;
        maker.put(id, Field::Uid, &format!("{at:?}")).await;
        let waits = Arc::new(Mutex::new(None));
        hooked.hook({
            let (wallet, waits) = (device.wallet.clone(), waits.clone());
            move |did| {
                let (wallet, waits) = (wallet.clone(), waits.clone());
                async move {
                    if did == at {
                        let settled = timeout(Duration::from_secs(60), wallet.settled());
                        let waited = settled.await.is_err();
                        *waits.lock().unwrap() = Some(waited);
                    }
                }
            }
        });
        device.wallet.require_current().await.unwrap();
        if at == Did::Committing {
            device.put(id, Field::Pwd, "pwd").await;
        }
        hooked.unhook();
        assert_eq!(
            *waits.lock().unwrap(),
            Some(at == Did::Committing),
            "{at:?}"
        );
        device.wallet.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_in_the_store_has_the_keys_until_it_is_dropped() {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("d", "s").await;
    let hooked = Hooked::new(memory.clone());
    let device = another(&hooked, &key).await;
    maker.put(id, Field::Uid, "newer").await;
    hooked.hook(|did| async move {
        if did == (Did::List { more: false }) {
            std::future::pending::<()>().await;
        }
    });
    let wallet = device.wallet.clone();
    let hangs = tokio::spawn(async move { wallet.require_current().await.is_ok() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let wiped = device.wallet.lock();
    assert!(!wiped.is_done(), "the load has them in hand");
    // As the end of a session does.
    hangs.abort();
    assert!(hangs.await.unwrap_err().is_cancelled());
    assert!(wiped.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_kept_is_said_and_a_commit_that_was_made_stays_made() {
    let store = Arc::new(MemoryStore::new());
    let (_, key) = first(&store).await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    std::fs::create_dir(&place).unwrap();
    let seen = Seen::at(place.join("w.seen"));
    let device = try_another(&store, &key, seen, options()).await.unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    let id = device.create("d", "s").await;
    assert_eq!(device.names(), ["d/s"]);
    let current = device.wallet.require_current().await;
    assert!(
        matches!(current, Err(WalletError::Record(_))),
        "{current:?}"
    );
    std::fs::create_dir(&place).unwrap();
    device.wallet.require_current().await.unwrap();
    device.put(id, Field::Uid, "x").await;
}
