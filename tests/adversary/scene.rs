//! The wallet that is attacked: its histories, each as the items that a store would hold, and what is
//! true of it.

use crate::two_keys::{GUESS, slot_for_two};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use walletfs::crypto::{
    self, DeviceKey, HeadMeta, KdfParams, Keyring, OsRandom, SecretBytes, Vault, Way,
};
use walletfs::store::{Id, Item, MemoryStore, Store};
use walletfs::wallet::{
    Edit, Expected, Field, FieldChange, FieldEdit, Options, Seen, Sighting, Wallet,
};

/// What a store holds of a wallet.
pub(crate) type Items = BTreeMap<Id, Item>;

/// What is true: every value that a name may have.
pub(crate) type Truth = BTreeMap<String, BTreeSet<String>>;

pub(crate) const DEVICE: &str = "Device 22!";
pub(crate) const MEMORABLE: &str = "Memorable 1!";

/// Histories of a wallet of three secrets. All values are of `pwd`.
pub(crate) struct Scene {
    pub(crate) key: [u8; 32],
    /// The secret that is attacked, one that is not, and one that is written to.
    pub(crate) target: Id,
    pub(crate) other: Id,
    pub(crate) third: Id,
    /// One that was removed before `now`.
    pub(crate) gone: Id,
    /// What the device has seen, and an honest store holds.
    pub(crate) now: Items,
    pub(crate) seen: Sighting,
    /// Some commits before.
    pub(crate) early: Items,
    /// As long a history as `now`, on from `early`, by a writer who was refused.
    pub(crate) fork: Items,
    /// Another wallet, with the same passwords, and one with the same keys and another id.
    pub(crate) foreign: Items,
    pub(crate) renamed: Items,
    /// Two secrets of the target's name, by a device that holds the keys.
    pub(crate) namesakes: Items,
    /// A slot that AES-GCM opens by two passwords: with the proof of the right one, of the other one.
    pub(crate) two_keys: [Items; 2],
}

pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.into())
}

/// Options of a session that asks the store each time.
pub(crate) fn options() -> Options {
    Options {
        cache_ttl: std::time::Duration::ZERO,
        cache_bytes: 0,
        ..Options::default()
    }
}

/// Writes `pwd`.
pub(crate) async fn put(
    wallet: &Wallet,
    secret_id: Id,
    value: &str,
) -> Result<(), walletfs::wallet::WalletError> {
    put_field(wallet, secret_id, Field::Pwd, value).await
}

pub(crate) async fn put_field(
    wallet: &Wallet,
    secret_id: Id,
    field: Field,
    value: &str,
) -> Result<(), walletfs::wallet::WalletError> {
    let edit = FieldEdit {
        secret: secret_id,
        field,
        expect: Expected::Any,
        change: FieldChange::Put {
            value: Arc::new(secret(value)),
            mtime_ns: 5,
            mode: 0o600,
        },
    };
    wallet.apply(Edit::Fields(vec![edit])).await.map(drop)
}

async fn add(wallet: &Wallet, access: &str, value: &str) -> Id {
    let (domain, access) = ("d".into(), access.into());
    let made = wallet.apply(Edit::Create { domain, access }).await;
    let id = made.unwrap().created.unwrap();
    put(wallet, id, value).await.unwrap();
    id
}

async fn make(store: &Arc<MemoryStore>, seen: &Seen) -> (Arc<Wallet>, DeviceKey) {
    let (device, memorable, kdf) = (secret(DEVICE), secret(MEMORABLE), KdfParams::LEAST);
    let store: Arc<dyn Store> = store.clone();
    let made = Wallet::create(store, seen.clone(), &device, &memorable, kdf, options());
    made.await.unwrap()
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let store = Arc::new(MemoryStore::new());
        let record = Seen::in_memory();
        let (wallet, key) = make(&store, &record).await;
        let target = add(&wallet, "target", "old").await;
        let other = add(&wallet, "other", "other").await;
        let third = add(&wallet, "third", "third").await;
        let gone = add(&wallet, "gone", "gone").await;
        let early = store.items().clone();

        // Four commits.
        put(&wallet, target, "older").await.unwrap();
        let (secret_id, field) = (gone, Field::Pwd);
        let remove = FieldEdit {
            secret: secret_id,
            field,
            expect: Expected::Any,
            change: FieldChange::Remove,
        };
        wallet.apply(Edit::Fields(vec![remove])).await.unwrap();
        wallet.apply(Edit::Remove { secret: gone }).await.unwrap();
        put(&wallet, target, "true").await.unwrap();
        let now = store.items().clone();
        let seen = record.read().unwrap().unwrap();

        let fork = Arc::new(MemoryStore::new());
        *fork.items() = early.clone();
        let refused = unlock(fork.clone(), Seen::in_memory(), &key).await.unwrap();
        for value in ["1", "2", "3", "refused"] {
            put(&refused, target, value).await.unwrap();
        }
        let fork = fork.items().clone();
        assert_eq!(fork[&Id::Head].version, now[&Id::Head].version);
        assert_eq!(fork[&target].version, now[&target].version);

        let foreign = Arc::new(MemoryStore::new());
        let (wallet, _) = make(&foreign, &Seen::in_memory()).await;
        add(&wallet, "target", "foreign").await;
        let foreign = foreign.items().clone();

        let mut scene = Scene {
            key: *key.expose(),
            target,
            other,
            third,
            gone,
            renamed: Items::new(),
            namesakes: Items::new(),
            two_keys: [now.clone(), now.clone()],
            now,
            seen,
            early,
            fork,
            foreign,
        };
        scene.renamed = scene.renamed();
        scene.namesakes = scene.namesakes().await;
        scene.two_keys = [MEMORABLE, GUESS].map(|proof_of| slot_for_two(&scene, proof_of));
        scene
    }

    pub(crate) fn key(&self) -> DeviceKey {
        DeviceKey::from_bytes(self.key)
    }

    /// The record of a device that has seen `now`.
    pub(crate) fn seen(&self) -> Seen {
        let seen = Seen::in_memory();
        seen.check_and_raise(&self.seen).unwrap();
        seen
    }

    /// The keys, as whoever knows both passwords has them.
    pub(crate) fn keys(&self) -> (HeadMeta, Keyring) {
        let meta = HeadMeta::decode(&self.now[&Id::Head].meta).unwrap();
        let (keyring, _) = crypto::unlock(&meta, &self.key(), &secret(MEMORABLE)).unwrap();
        (meta, keyring)
    }

    pub(crate) fn truth(&self) -> Truth {
        [("target", "true"), ("other", "other"), ("third", "third")]
            .map(|(name, value)| (format!("d/{name}"), [value.to_owned()].into()))
            .into()
    }

    /// What is true of [`Scene::namesakes`], and was true before.
    pub(crate) fn both_names(&self, truth: &mut Truth) {
        let second = |id: &&Id| !self.now.contains_key(id);
        let second = *self.namesakes.keys().find(second).unwrap();
        let (low, high) = (self.target.min(second), self.target.max(second));
        let value = |id| if id == self.target { "true" } else { "second" };
        for (name, id) in [
            ("d/target".to_owned(), low),
            (format!("d/target.duplicate-{high}"), high),
        ] {
            truth.entry(name).or_default().insert(value(id).into());
        }
    }

    /// A wallet that the same passwords open on this device, one generation on, of another id.
    fn renamed(&self) -> Items {
        let (meta, keyring) = self.keys();
        let wallet_id = [0xee; 16];
        let way = Way::by_passwords(&self.key(), &secret(MEMORABLE), meta.kdf, &OsRandom).unwrap();
        let head = self.now[&Id::Head].clone();
        let (data, _) = Vault::new(meta.wallet_id, keyring.newest_alone(), Arc::new(OsRandom))
            .open_head(head.version, &head.meta, &head.data)
            .unwrap();
        let meta = HeadMeta {
            wallet_id,
            slots: vec![way.wrap(&keyring, &wallet_id, &OsRandom)],
            ..meta
        };
        let (version, meta) = (head.version + 1, meta.encode());
        let vault = Vault::new(wallet_id, keyring, Arc::new(OsRandom));
        let data = vault.seal_head(version, &meta, &data);
        let mut items = self.now.clone();
        items.insert(
            Id::Head,
            Item {
                id: Id::Head,
                version,
                meta,
                data,
            },
        );
        items
    }

    /// What a device with the keys, but without the rule that names are unique, leaves.
    async fn namesakes(&self) -> Items {
        let store = Arc::new(MemoryStore::new());
        *store.items() = self.now.clone();
        let wallet = unlock(store.clone(), Seen::in_memory(), &self.key()).await;
        let second = add(&wallet.unwrap(), "second", "second").await;
        let mut items = store.items().clone();
        let (meta, keyring) = self.keys();
        let vault = Vault::new(meta.wallet_id, keyring, Arc::new(OsRandom));
        let (head, item) = (items[&Id::Head].clone(), items[&second].clone());
        let text = second.text();
        let plain = vault.open_meta(&text, item.version, &item.meta).unwrap();
        let mut plain = walletfs::wallet::Meta::decode(&plain).unwrap();
        plain.access = "target".into();
        let sealed = vault.seal_meta(&text, item.version, plain.encode().expose());
        let (mut data, epoch) = vault
            .open_head(head.version, &head.meta, &head.data)
            .unwrap();
        for meta in [&item.meta, &sealed] {
            let term = vault.item_digest(epoch, &text, item.version, meta).unwrap();
            for (d, t) in data.digest.iter_mut().zip(term) {
                *d ^= t;
            }
        }
        let data = vault.seal_head(head.version, &head.meta, &data);
        items.insert(Id::Head, Item { data, ..head });
        items.insert(
            second,
            Item {
                meta: sealed,
                ..item
            },
        );
        items
    }
}

pub(crate) async fn unlock(
    store: Arc<dyn Store>,
    seen: Seen,
    key: &DeviceKey,
) -> Result<Arc<Wallet>, walletfs::wallet::WalletError> {
    Wallet::unlock(store, seen, key, &secret(MEMORABLE), options()).await
}
