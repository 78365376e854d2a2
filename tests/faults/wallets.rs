//! A wallet made in memory, its items put into whatever store a test wants it in, and what another
//! client than the mount finds there.

use crate::support::items::{all, create};
use serde_json::Value;
use std::sync::Arc;
use walletfs::crypto::{DeviceKey, KdfParams, SecretBytes};
use walletfs::store::{Commit, Item, MemoryStore, Store};
use walletfs::wallet::{Edit, FieldPut, Options, SecretPut, Seen, There, Wallet, WalletError};

pub(crate) use crate::contents::contents;
pub(crate) use crate::mounts::{DEVICE, MEMORABLE};

/// A wallet that is in no store yet.
pub(crate) struct Sealed {
    items: Vec<Item>,
    key: Vec<u8>,
}

/// What another client finds.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) generation: u64,
    pub(crate) contents: Value,
}

impl Sealed {
    /// A wallet with these info fields, each `domain/access/key` (without a key: a secret without
    /// fields), in one commit. Its keys are derived as cheaply as the format allows.
    pub(crate) async fn with(files: &[(&str, &[u8])]) -> Sealed {
        let secret = |text: &str| SecretBytes::new(text.into());
        let (device, memorable) = (secret(DEVICE), secret(MEMORABLE));
        let store = Arc::new(MemoryStore::new());
        let (kdf, options) = (KdfParams::LEAST, Options::default());
        let seen = Seen::in_memory();
        let made = Wallet::create(store.clone(), seen, &device, &memorable, kdf, options).await;
        let (wallet, key) = made.unwrap();
        let mut puts: Vec<SecretPut> = Vec::new();
        for (path, value) in files {
            let [domain, access, field] = path.split('/').collect::<Vec<_>>()[..] else {
                panic!("{path} is no path");
            };
            let named = |put: &SecretPut| &*put.domain == domain && &*put.access == access;
            let at = puts.iter().position(named).unwrap_or_else(|| {
                puts.push(SecretPut {
                    domain: domain.into(),
                    access: access.into(),
                    fields: Default::default(),
                    there: There::Kept,
                });
                puts.len() - 1
            });
            let put = FieldPut {
                value: Arc::new(SecretBytes::new(value.to_vec())),
                mtime_ns: 1_000_000_000,
                mode: 0o600,
            };
            if !field.is_empty() {
                let field = walletfs::wallet::Field::Info(field.into());
                puts[at].fields.insert(field, put);
            }
        }
        wallet.apply(Edit::Secrets(puts)).await.unwrap();
        Sealed {
            items: all(&*store).await,
            key: key.expose().to_vec(),
        }
    }

    /// The generation that it has before anything is done with it.
    pub(crate) fn generation(&self) -> u64 {
        let versions = self.items.iter().map(|item| item.version);
        versions.max().expect("a wallet has a head")
    }

    /// The device key.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Puts it into a store, which is made.
    pub(crate) async fn put(&self, store: &dyn Store) {
        store.create().await.unwrap();
        let changes = self.items.iter().map(create).collect();
        assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    }

    /// Opens it as a device that has never seen it, which verifies the digest over every item.
    pub(crate) async fn open(&self, store: Arc<dyn Store>) -> Result<Arc<Wallet>, WalletError> {
        Self::open_with(&self.key, store).await
    }

    /// As [`Sealed::open`], by the device key.
    pub(crate) async fn open_with(
        key: &[u8],
        store: Arc<dyn Store>,
    ) -> Result<Arc<Wallet>, WalletError> {
        let key = DeviceKey::from_bytes(key.try_into().expect("32 bytes"));
        let password = SecretBytes::new(MEMORABLE.into());
        let options = Options::default();
        let wallet = Wallet::unlock(store, Seen::in_memory(), &key, &password, options).await?;
        match wallet.state().fault {
            None => Ok(wallet),
            Some(fault) => Err(WalletError::Integrity(fault)),
        }
    }

    /// Everything that another client finds in the store.
    pub(crate) async fn find(&self, store: Arc<dyn Store>) -> Result<Found, WalletError> {
        let wallet = self.open(store).await?;
        Ok(Found {
            generation: wallet.head_info().generation,
            contents: undated(contents(&wallet).await?),
        })
    }
}

/// Contents without the moments at which earlier values were replaced, which no two runs have alike.
fn undated(mut contents: Value) -> Value {
    let domains = contents.as_object_mut().into_iter().flatten();
    let secrets = domains.flat_map(|(_, domain)| domain.as_object_mut().into_iter().flatten());
    for (_, secret) in secrets {
        let infos = secret.pointer_mut("/history/info");
        let fields = infos.and_then(Value::as_object_mut).into_iter().flatten();
        for past in fields.flat_map(|(_, values)| values.as_array_mut().into_iter().flatten()) {
            past[0] = Value::Null;
        }
    }
    contents
}
