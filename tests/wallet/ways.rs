//! Passwords and recovery keys: which open the wallet after each change, on this device and others.

use crate::support::*;
use std::sync::Arc;
use walletfs::crypto::{DeviceKey, KdfParams, OsRandom, RecoveryKey};
use walletfs::store::*;
use walletfs::wallet::*;

const LEAST: KdfParams = KdfParams::LEAST;

async fn opens(store: &Arc<MemoryStore>, key: &DeviceKey, memorable: &str) -> bool {
    let memorable = secret(memorable);
    let seen = Seen::in_memory();
    match Wallet::unlock(store.clone(), seen, key, &memorable, options()).await {
        Ok(_) => true,
        Err(WalletError::WrongPassword) => false,
        Err(e) => panic!("{e}"),
    }
}

async fn recovers(store: &Arc<MemoryStore>, key: &RecoveryKey) -> bool {
    let key = RecoveryKey::parse(&key.words()).unwrap_or_else(|e| panic!("{e}"));
    match Wallet::recover(store.clone(), Seen::in_memory(), key, options()).await {
        Ok(_) => true,
        Err(WalletError::WrongRecoveryKey) => false,
        Err(e) => panic!("{e}"),
    }
}

const OLD: &str = "memorable Passw0rd!";
const NEW: &str = "another Passw0rd!";

#[tokio::test(start_paused = true)]
async fn a_new_memorable_password_is_one_commit_and_the_old_one_opens_no_more() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let b = another(&store, &key).await;
    let id = a.create("d", "a").await;
    a.put(id, Field::Pwd, "x").await;
    a.made();
    a.wallet
        .change_memorable(&key, &secret(NEW), LEAST)
        .await
        .unwrap();
    assert_eq!(a.made(), calls(1, 0, 1));
    assert!(!opens(&store, &key, OLD).await);
    assert!(opens(&store, &key, NEW).await);
    // Sessions that are open go on, with the master key that stays.
    grow_old().await;
    assert_eq!(b.wallet.freshen().await.unwrap(), Freshness::Current);
    b.put(id, Field::Uid, "b").await;
    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.read(id, &Field::Uid).await.unwrap(), "b");
    // But only who knows the new one changes it again.
    let late = b.wallet.change_memorable(&key, &secret(OLD), LEAST).await;
    assert!(matches!(late, Err(WalletError::KeysChanged)), "{late:?}");
    a.wallet
        .change_memorable(&key, &secret(OLD), LEAST)
        .await
        .unwrap();
    assert!(opens(&store, &key, OLD).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_device_password_shuts_out_every_device_that_has_not_joined_again() {
    let store = Arc::new(MemoryStore::new());
    let (a, old) = first(&store).await;
    let before = a.wallet.device_salt().unwrap();
    let device = a.wallet.new_device(&secret("device New0!"), LEAST).await;
    let device = device.unwrap();
    assert!(opens(&store, &old, OLD).await, "nothing is changed yet");
    a.wallet
        .change_device(&device, &memorable(), LEAST)
        .await
        .unwrap();
    assert!(!opens(&store, &old, OLD).await);
    assert!(opens(&store, &device.key, OLD).await);
    assert_eq!(a.wallet.device_salt().unwrap(), device.salt);
    assert_ne!(device.salt, before);
    let (password, memorable) = (secret("device New0!"), memorable());
    let seen = Seen::in_memory();
    let joined = Wallet::join(store.clone(), seen, &password, &memorable, options()).await;
    let (_, key) = joined.unwrap();
    assert_eq!(key.expose(), device.key.expose());
}

/// The cost of a derivation never falls.
#[tokio::test(start_paused = true)]
async fn parameters_are_never_below_those_replaced() {
    let store = Arc::new(MemoryStore::new());
    let dear = KdfParams {
        passes: 3,
        ..KdfParams::LEAST
    };
    let (a, key) = first(&store).await;
    let kdf = || async {
        let meta = Wallet::peek(&*store).await.unwrap().unwrap();
        (meta.kdf, meta.slots[0].kdf().unwrap())
    };
    let change = |kdf| a.wallet.change_memorable(&key, &OLD_SECRET, kdf);
    static OLD_SECRET: std::sync::LazyLock<walletfs::crypto::SecretBytes> =
        std::sync::LazyLock::new(memorable);
    change(dear).await.unwrap();
    assert_eq!(kdf().await, (LEAST, dear));
    change(LEAST).await.unwrap();
    assert_eq!(kdf().await, (LEAST, dear));
    let device = a.wallet.new_device(&secret("device New0!"), dear).await;
    a.wallet
        .change_device(&device.unwrap(), &memorable(), LEAST)
        .await
        .unwrap();
    let device = a.wallet.new_device(&secret("device New1!"), LEAST).await;
    a.wallet
        .change_device(&device.unwrap(), &memorable(), LEAST)
        .await
        .unwrap();
    assert_eq!(kdf().await, (dear, dear));
}

#[tokio::test(start_paused = true)]
async fn a_recovery_key_opens_sets_passwords_and_is_replaced_by_the_next() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let (one, two) = (RecoveryKey::new(&OsRandom), RecoveryKey::new(&OsRandom));
    assert!(!a.wallet.has_recovery().unwrap());
    assert!(!recovers(&store, &one).await);
    a.made();
    a.wallet.change_recovery(&one).await.unwrap();
    assert_eq!(a.made(), calls(1, 0, 1));
    assert!(a.wallet.has_recovery().unwrap());
    assert!(recovers(&store, &one).await);
    assert!(opens(&store, &key, OLD).await);
    a.wallet.change_recovery(&two).await.unwrap();
    assert!(!recovers(&store, &one).await);

    // Both passwords are lost.
    let again = RecoveryKey::parse(&two.words()).unwrap_or_else(|e| panic!("{e}"));
    let recovered = Wallet::recover(store.clone(), Seen::in_memory(), again, options());
    let recovered = recovered.await.unwrap();
    let device = recovered.new_device(&secret("device New0!"), LEAST).await;
    let device = device.unwrap();
    recovered
        .change_device(&device, &secret(NEW), LEAST)
        .await
        .unwrap();
    assert!(opens(&store, &device.key, NEW).await);
    assert!(!opens(&store, &key, OLD).await);
    assert!(recovers(&store, &two).await, "it goes on to open");
    let slots = Wallet::peek(&*store).await.unwrap().unwrap().slots;
    assert_eq!(slots.len(), 2);
}

/// A change of passwords gets between other devices' commits, and loses none.
#[tokio::test(start_paused = true)]
async fn a_change_among_other_commits_loses_none() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let id = a.create("d", "a").await;
    let b = Arc::new(another(&store, &key).await);
    let hooked = Hooked::new(store.clone());
    let seen = Seen::in_memory();
    let c = Wallet::unlock(hooked.clone(), seen, &key, &memorable(), options()).await;
    let c = c.unwrap();
    let times = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    hooked.hook({
        let (b, times) = (b.clone(), times.clone());
        move |did| {
            let (b, times) = (b.clone(), times.clone());
            async move {
                if did == Did::Committing
                    && times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3
                {
                    b.put(id, Field::Pwd, "b").await;
                }
            }
        }
    });
    c.change_memorable(&key, &secret(NEW), LEAST).await.unwrap();
    assert!(opens(&store, &key, NEW).await);
    let d = Wallet::unlock(store, Seen::in_memory(), &key, &secret(NEW), options()).await;
    let body = d.as_ref().unwrap().body(id).await.unwrap();
    let value = d.unwrap().value(&body, &Field::Pwd).unwrap();
    assert_eq!(value.expose(), b"b");
}

#[tokio::test(start_paused = true)]
async fn a_read_only_wallet_changes_no_password() {
    let store = Arc::new(MemoryStore::new());
    let (_, key) = first(&store).await;
    let o = Options {
        read_only: true,
        ..options()
    };
    let d = try_another(&store, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    let refused = d.wallet.change_memorable(&key, &secret(NEW), LEAST).await;
    assert!(matches!(refused, Err(WalletError::ReadOnly)));
    assert!(opens(&store, &key, OLD).await);
}
