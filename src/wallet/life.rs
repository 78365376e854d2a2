//! How a wallet comes to be open: made, unlocked, joined by another device, or taken up again from
//! an older head on purpose.

use super::head::Head;
use super::load::Begun;
use super::seen::{Rollback, Seen, Sighting};
use super::{Options, Wallet, WalletError};
use crate::crypto::{
    self, CryptoError, DeviceKey, HeadData, HeadMeta, KdfParams, Keyring, Recent, RecoveryKey,
    SecretBytes, Unknown, Vault, Way, derive_device_key,
};
use crate::store::{Change, Commit, Expect, Id, Item, Store};
use std::sync::Arc;
use tokio::runtime::RuntimeFlavor;

impl Wallet {
    /// Makes a wallet in a store that holds none: two derivations and one commit. Whoever calls has
    /// called [`Store::create`] and checked the strength of the passwords.
    ///
    /// # Errors
    ///
    /// [`WalletError::WalletExists`] if there is a head; [`WalletError::Orphans`] if there are items
    /// without one; [`WalletError::Vanished`] if this device has seen a wallet of this name.
    pub async fn create(
        store: Arc<dyn Store>,
        seen: Seen,
        device_password: &SecretBytes,
        memorable: &SecretBytes,
        kdf: KdfParams,
        o: Options,
    ) -> Result<(Arc<Wallet>, DeviceKey), WalletError> {
        kdf.check()?;
        if Wallet::peek(&*store).await?.is_some() {
            return Err(WalletError::WalletExists);
        }
        if !store.list(None).await?.items.is_empty() {
            return Err(WalletError::Orphans);
        }
        if let Some(vanished) = vanished(&seen).await? {
            return Err(vanished);
        }
        let mut wallet_id = [0; 16];
        o.random.fill(&mut wallet_id);
        let mut device_salt = [0; 16];
        o.random.fill(&mut device_salt);
        let keyring = Keyring::new(&*o.random);
        let (way, key) = blocking({
            let (device_password, memorable) = (copy(device_password), copy(memorable));
            let random = o.random.clone();
            move || -> Result<_, CryptoError> {
                let key = derive_device_key(&device_password, &device_salt, kdf)?;
                let way = Way::by_passwords(&key, &memorable, kdf, &*random)?;
                Ok((way, key))
            }
        })
        .await?;
        let slot = way.wrap(&keyring, &wallet_id, &*o.random);
        let meta = HeadMeta {
            wallet_id,
            device_salt,
            kdf,
            slots: vec![slot],
            trash: false,
            unknown: Unknown::default(),
        };
        let now = o.date_ns();
        let data = HeadData {
            digest: [0; 32],
            count: 0,
            created_ns: now,
            committed_ns: now,
            recent: Recent::default(),
            unknown: Unknown::default(),
        };
        let vault = Vault::new(wallet_id, keyring, o.random.clone());
        let head = Head::seal(&vault, 1, meta.encode(), data, None);
        let put = Change::Put {
            item: head.item.clone(),
            expect: Expect::Absent,
        };
        let began = o.clock.monotonic();
        match store.commit(vec![put]).await? {
            Commit::Done => {}
            Commit::Refused(_) => return Err(WalletError::WalletExists),
        }
        let epoch = vault.newest_epoch();
        let wallet = Wallet::new(store, seen, o, vault, way, head.clone());
        wallet.check_seen(&head).await?;
        let mut held = wallet.held_mut();
        (held.snapshot.generation, held.snapshot.epoch) = (1, epoch);
        held.confirm(began);
        drop(held);
        Ok((wallet, key))
    }

    /// The public part of the head, or `None` if there is no wallet: 1 get. Nothing of it is
    /// authentic yet.
    pub async fn peek(store: &dyn Store) -> Result<Option<HeadMeta>, WalletError> {
        let head = store.get(Id::Head).await?;
        Ok(head.map(|head| HeadMeta::decode(&head.meta)).transpose()?)
    }

    /// Unlocks a wallet on a device that has its key, and loads it: 1 get, one derivation, 1 list
    /// for each page, of which the first comes while the key is derived. All faults that a load can
    /// find are found here.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoSuchWallet`], [`WalletError::Vanished`], [`WalletError::WrongPassword`],
    /// [`WalletError::RolledBack`], [`WalletError::Integrity`], and whatever the store says.
    pub async fn unlock(
        store: Arc<dyn Store>,
        seen: Seen,
        key: &DeviceKey,
        memorable: &SecretBytes,
        o: Options,
    ) -> Result<Arc<Wallet>, WalletError> {
        let (item, meta) = find(&*store, &seen).await?;
        let begun = Begun::now(&store, &o);
        let (wallet, head) = open(store, seen, item, by_passwords(meta, key, memorable), o).await?;
        wallet.load_first(head, begun).await?;
        Ok(wallet)
    }

    /// Unlocks a wallet by its recovery key, and loads it as [`Wallet::unlock`] does.
    ///
    /// # Errors
    ///
    /// [`CryptoError::WrongRecoveryKey`]; as [`Wallet::unlock`].
    pub async fn recover(
        store: Arc<dyn Store>,
        seen: Seen,
        key: RecoveryKey,
        o: Options,
    ) -> Result<Arc<Wallet>, WalletError> {
        let (item, meta) = find(&*store, &seen).await?;
        let begun = Begun::now(&store, &o);
        let keys = move || crypto::unlock_by_recovery(&meta, &key).map(|keys| (meta, keys));
        let (wallet, head) = open(store, seen, item, keys, o).await?;
        wallet.load_first(head, begun).await?;
        Ok(wallet)
    }

    /// Unlocks a wallet on a device that does not have its key, by both passwords, and loads it as
    /// [`Wallet::unlock`] does. The head, once opened, is the first that this device has seen. The
    /// key is for the device's file.
    pub async fn join(
        store: Arc<dyn Store>,
        seen: Seen,
        device_password: &SecretBytes,
        memorable: &SecretBytes,
        o: Options,
    ) -> Result<(Arc<Wallet>, DeviceKey), WalletError> {
        let (item, meta) = find(&*store, &seen).await?;
        let begun = Begun::now(&store, &o);
        let key = blocking({
            let (password, salt, kdf) = (copy(device_password), meta.device_salt, meta.kdf);
            move || derive_device_key(&password, &salt, kdf)
        })
        .await?;
        let (wallet, head) =
            open(store, seen, item, by_passwords(meta, &key, memorable), o).await?;
        wallet.load_first(head, begun).await?;
        Ok((wallet, key))
    }

    /// Unlocks a wallet whose head contradicts the record of the newest head seen, because the
    /// person has looked at both and chosen `found` ([`WalletError::RolledBack`] carried them).
    /// Loads it, and then commits a head one above the highest generation known, so that every
    /// device goes on from here: 1 get, 1 list for each page, 1 commit.
    ///
    /// # Errors
    ///
    /// [`WalletError::RolledBack`] if the store now shows another head than `found`;
    /// [`WalletError::Contended`] if another device commits in between; else as
    /// [`Wallet::unlock`].
    pub async fn unlock_rolled_back(
        store: Arc<dyn Store>,
        seen: Seen,
        key: &DeviceKey,
        memorable: &SecretBytes,
        found: &Sighting,
        o: Options,
    ) -> Result<Arc<Wallet>, WalletError> {
        if o.read_only {
            return Err(WalletError::ReadOnly);
        }
        let (item, meta) = find(&*store, &seen).await?;
        let (wallet, head) = open(store, seen, item, by_passwords(meta, key, memorable), o).await?;
        let known = wallet.seen(|seen| seen.read()).await?;
        if head.sighting != *found {
            let seen = known.unwrap_or(*found);
            let found = head.sighting;
            return Err(WalletError::RolledBack(Box::new(Rollback { seen, found })));
        }
        let highest = known
            .map_or(0, |seen| seen.generation)
            .max(found.generation);
        let turn = wallet.turn().await;
        wallet.load(&turn, head).await?;
        wallet.raise_head(&turn, highest).await?;
        drop(turn);
        Ok(wallet)
    }

    async fn load_first(&self, head: Arc<Head>, begun: Begun) -> Result<(), WalletError> {
        let head = self.admit(head).await?;
        self.load_begun(&self.turn().await, head, begun).await
    }
}

/// The head that the store holds, and its public part.
pub(super) async fn find(store: &dyn Store, seen: &Seen) -> Result<(Item, HeadMeta), WalletError> {
    let Some(item) = store.get(Id::Head).await? else {
        return Err(vanished(seen).await?.unwrap_or(WalletError::NoSuchWallet));
    };
    let meta = HeadMeta::decode(&item.meta)?;
    Ok((item, meta))
}

/// What to say of a store without a head, if this device has seen one there.
pub(super) async fn vanished(seen: &Seen) -> Result<Option<WalletError>, WalletError> {
    let record = seen.to_string();
    let seen = seen.clone();
    let known = blocking(move || seen.read()).await?;
    Ok(known.map(|head| WalletError::Vanished {
        generation: head.generation,
        record,
    }))
}

/// The keyring of a head, and the way it was opened.
pub(super) type Keys = Result<(HeadMeta, (Keyring, Way)), CryptoError>;

/// How both passwords open a head.
pub(super) fn by_passwords(
    meta: HeadMeta,
    key: &DeviceKey,
    memorable: &SecretBytes,
) -> impl FnOnce() -> Keys + Send + 'static {
    let key = DeviceKey::from_bytes(*key.expose());
    let memorable = copy(memorable);
    move || crypto::unlock(&meta, &key, &memorable).map(|keys| (meta, keys))
}

/// Unlocks the keyring and opens the head: authentic from here on, but perhaps old.
pub(super) async fn open(
    store: Arc<dyn Store>,
    seen: Seen,
    item: Item,
    keys: impl FnOnce() -> Keys + Send + 'static,
    o: Options,
) -> Result<(Arc<Wallet>, Arc<Head>), WalletError> {
    let (meta, (keyring, way)) = blocking(keys).await?;
    let vault = Vault::new(meta.wallet_id, keyring, o.random.clone());
    let head = Head::open(&vault, item)?;
    let wallet = Wallet::new(store, seen, o, vault, way, head);
    let head = wallet.held().tip.clone();
    Ok((wallet, head))
}

/// Derivations and the disk would hold up other calls: they run on a thread of their own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        // Cancelled: the runtime is ending, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

/// A few short calls of the disk, on this thread: another one is woken to go on with what this one
/// would have done, but nobody waits for a second thread. Where there is only one, they run apart.
pub(super) async fn briefly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => blocking(work).await,
    }
}

/// A copy for another thread, wiped there.
pub(super) fn copy(secret: &SecretBytes) -> SecretBytes {
    secret.duplicate()
}
