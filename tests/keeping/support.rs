//! Wallets in memory, cheap to unlock.

use std::sync::Arc;
use std::time::Duration;
use walletfs::crypto::{self, DeviceKey, HeadMeta, KdfParams, OsRandom, SecretBytes, Vault};
use walletfs::store::*;
use walletfs::wallet::*;

/// The date of every commit: 2023-11-14 22:13:20 UTC.
pub(crate) const NOW: i64 = 1_700_000_000;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn wall_ns(&self) -> i64 {
        NOW * 1_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) fn options() -> Options {
    Options {
        clock: Arc::new(Still),
        ..Options::default()
    }
}

pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

pub(crate) fn device_password() -> SecretBytes {
    secret("device Passw0rd!")
}

pub(crate) fn memorable() -> SecretBytes {
    secret("memorable Passw0rd!")
}

/// Makes a wallet.
pub(crate) async fn create(store: Arc<dyn Store>) -> (Arc<Wallet>, DeviceKey) {
    let (device, memorable) = (device_password(), memorable());
    let (seen, kdf) = (Seen::in_memory(), KdfParams::LEAST);
    let made = Wallet::create(store, seen, &device, &memorable, kdf, options());
    made.await.unwrap()
}

pub(crate) async fn unlock(
    store: Arc<dyn Store>,
    seen: Seen,
    key: &DeviceKey,
) -> Result<Arc<Wallet>, WalletError> {
    Wallet::unlock(store, seen, key, &memorable(), options()).await
}

/// Makes a secret with a `pwd`.
pub(crate) async fn add(wallet: &Wallet, domain: &str, access: &str, pwd: &str) -> Id {
    let made = wallet.apply(Edit::Create {
        domain: domain.into(),
        access: access.into(),
    });
    let id = made.await.unwrap().created.unwrap();
    put(wallet, id, pwd).await;
    id
}

/// Writes the `pwd` of a secret.
pub(crate) async fn put(wallet: &Wallet, id: Id, pwd: &str) {
    let edit = FieldEdit {
        secret: id,
        field: Field::Pwd,
        expect: Expected::Any,
        change: FieldChange::Put {
            value: Arc::new(secret(pwd)),
            mtime_ns: 5,
            mode: 0o600,
        },
    };
    wallet.apply(Edit::Fields(vec![edit])).await.unwrap();
}

/// Every `pwd`, as `domain/access=pwd`, ascending.
pub(crate) async fn contents(wallet: &Wallet) -> Vec<String> {
    let secrets: Vec<(Id, String)> = {
        let view = wallet.view();
        let name = |s: &Secret| format!("{}/{}", s.meta.domain, s.shown);
        view.all().map(|s| (s.id, name(s))).collect()
    };
    let mut contents = Vec::new();
    for (id, name) in secrets {
        let body = wallet.body(id).await.unwrap();
        let value = wallet.value(&body, &Field::Pwd).unwrap();
        let value = std::str::from_utf8(value.expose()).unwrap();
        contents.push(format!("{name}={value}"));
    }
    contents.sort();
    contents
}

/// A store in memory, and what it is asked.
pub(crate) fn counted() -> (Arc<MemoryStore>, Arc<Counting>) {
    let memory = Arc::new(MemoryStore::new());
    (memory.clone(), Arc::new(Counting::new(memory)))
}

/// What is put into a wallet by [`fill`].
const FILLING: &str = "value";

/// Puts `n` secrets of one `pwd` into a wallet at once, sealed as the program seals them: making
/// them one by one would take longer than all that is tested with them.
pub(crate) fn fill(store: &MemoryStore, key: &DeviceKey, n: u32) {
    let mut items = store.items();
    let head = items[&Id::Head].clone();
    let public = HeadMeta::decode(&head.meta).unwrap();
    let (keyring, _) = crypto::unlock(&public, key, &memorable()).unwrap();
    let vault = Vault::new(public.wallet_id, keyring, Arc::new(OsRandom));
    let opened = vault.open_head(head.version, &head.meta, &head.data);
    let (mut data, epoch) = opened.unwrap();
    let version = head.version + 1;
    for i in 0..n {
        let mut raw = [0; 16];
        raw[..4].copy_from_slice(&i.to_be_bytes());
        let id = Id::Secret(raw);
        let text = id.text();
        let values = record::Data {
            values: [(Field::Pwd, secret(FILLING))].into(),
            ..Default::default()
        };
        let sealed = vault.seal_data(&text, values.encode().expose());
        let field = FieldMeta {
            size: FILLING.len() as u64,
            mtime_ns: 5,
            mode: 0o600,
            rev: version,
        };
        let meta = Meta {
            domain: format!("domain {}", i % 100).into(),
            access: format!("access {i}").into(),
            created_ns: 5,
            data_hash: crypto::sha256(&sealed),
            removed_ns: None,
            fields: [(Field::Pwd, field)].into(),
            unknown: Default::default(),
        };
        let meta = vault.seal_meta(&text, version, meta.encode().expose());
        let term = vault.item_digest(epoch, &text, version, &meta).unwrap();
        for (d, t) in data.digest.iter_mut().zip(term) {
            *d ^= t;
        }
        data.count += 1;
        let item = Item {
            id,
            version,
            meta,
            data: sealed,
        };
        assert!(items.insert(id, item).is_none());
    }
    let head = Item {
        version,
        data: vault.seal_head(version, &head.meta, &data),
        ..head
    };
    items.insert(Id::Head, head);
}

/// Makes every commit from the `n`th on fail, as when the process is killed there: before it, or
/// after it and before its answer.
pub(crate) fn kill_at(store: &Failing, n: usize, after: bool) {
    let mut commits = 0;
    store.plan(move |call| match call {
        Call::Commit(_) => {
            commits += 1;
            match commits.cmp(&(n + 1)) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal if after => Some(Failure::After(StoreError::Deadline)),
                _ => Some(Failure::Before(StoreError::Deadline)),
            }
        }
        _ => None,
    });
}

/// Pages of 1 MiB that a wallet of 10,000 secrets has, as [`fill`] makes them.
pub(crate) const PAGES: usize = 7;
