//! Wallets in memory, cheap to unlock.

use std::sync::Arc;
use std::time::Duration;
use walletfs::crypto::{DeviceKey, KdfParams, SecretBytes};
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
