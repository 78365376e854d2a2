//! Reading values: from the cache of ciphertext, or by one get; opened only when asked for.

use super::record::{self, Data, Field};
use super::{Body, Secret, Wallet, WalletError};
use crate::crypto::{SecretBytes, Vault, sha256};
use crate::store::{Id, Item};

/// Times that a body is fetched while its secret keeps changing.
const TRIES: u32 = 5;

/// What a get of a secret's item gave.
pub(super) enum Fetched {
    Body(Body),
    /// Another item than the snapshot shows: newer, older or none.
    Moved,
}

impl Wallet {
    /// The body of a secret if it is in memory: no store is asked.
    pub fn cached_body(&self, id: Id) -> Option<Body> {
        let hash = self.held().snapshot.item(id)?.meta.data_hash;
        let data = self.bodies().get(id, &hash)?;
        Some(Body { id, data, hash })
    }

    /// The body of a secret: from memory, else by 1 get. If the item moved since the snapshot, the
    /// snapshot is made new first.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotFound`] if there is no such secret; [`WalletError::Damaged`] if the store
    /// holds other data than the secret's meta vouches for; as [`Wallet::require_current`].
    pub async fn body(&self, id: Id) -> Result<Body, WalletError> {
        for _ in 0..TRIES {
            let before = self.version(id)?;
            if let Fetched::Body(body) = self.fetch(id).await? {
                return Ok(body);
            }
            self.require_current().await?;
            // Still the same secret by a head just read: the store holds another item in its place.
            if self.version(id)? == before {
                return Err(WalletError::Damaged(id));
            }
        }
        Err(WalletError::Contended)
    }

    /// The value of a field, opened.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotFound`] if `body` has no such field; [`WalletError::Damaged`] if it should
    /// have, or does not open.
    pub fn value(&self, body: &Body, field: &Field) -> Result<SecretBytes, WalletError> {
        let value = self
            .vault()?
            .open_data(&body.id.text(), &body.data)
            .and_then(|plain| record::value(plain.expose(), field))
            .map_err(|_| WalletError::Damaged(body.id))?;
        if let Some(value) = value {
            return Ok(value);
        }
        let held = self.held();
        let lost = held.snapshot.item(body.id).is_some_and(|secret| {
            secret.meta.data_hash == body.hash && secret.meta.fields.contains_key(field)
        });
        Err(match lost {
            true => WalletError::Damaged(body.id),
            false => WalletError::NotFound,
        })
    }

    /// All values of a secret, opened.
    ///
    /// # Errors
    ///
    /// [`WalletError::Damaged`] if they do not open.
    pub fn values(&self, body: &Body) -> Result<Data, WalletError> {
        open(&*self.vault()?, body)
    }

    /// The body of a secret as the snapshot shows it: from memory or the replica, else by 1 get.
    pub(super) async fn fetch(&self, id: Id) -> Result<Fetched, WalletError> {
        if let Some(body) = self.cached_body(id) {
            return Ok(Fetched::Body(body));
        }
        if let Some(item) = self.copied(id).await
            && let Ok(Fetched::Body(body)) = self.judge(id, Some(item))
        {
            return Ok(Fetched::Body(body));
        }
        let item = self.store.get(id).await?;
        self.judge(id, item)
    }

    /// What an item is to the snapshot.
    fn judge(&self, id: Id, item: Option<Item>) -> Result<Fetched, WalletError> {
        let (version, hash) = {
            let held = self.held();
            held.vault()?;
            let Secret { version, meta, .. } =
                held.snapshot.item(id).ok_or(WalletError::NotFound)?;
            (*version, meta.data_hash)
        };
        match item {
            Some(item) if sha256(&item.data) == hash => {
                self.bodies().put(id, hash, item.data.clone());
                Ok(Fetched::Body(Body {
                    id,
                    data: item.data,
                    hash,
                }))
            }
            Some(item) if item.version == version => Err(WalletError::Damaged(id)),
            _ => Ok(Fetched::Moved),
        }
    }

    fn version(&self, id: Id) -> Result<u64, WalletError> {
        let held = self.held();
        held.vault()?;
        let secret = held.snapshot.item(id).ok_or(WalletError::NotFound)?;
        Ok(secret.version)
    }
}

/// Opens all values of a secret.
pub(super) fn open(vault: &Vault, body: &Body) -> Result<Data, WalletError> {
    vault
        .open_data(&body.id.text(), &body.data)
        .and_then(|plain| Data::decode(plain.expose()))
        .map_err(|_| WalletError::Damaged(body.id))
}
