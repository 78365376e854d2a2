//! Looking in the store at what was put: every page is listed once more, and each secret's item is
//! opened from the bytes that came, whatever is in memory.

use crate::crypto::sha256;
use crate::store::Item;
use crate::wallet::pages::Pages;
use crate::wallet::record::{Data, Meta};
use crate::wallet::{SecretPut, Wallet, WalletError};
use std::collections::BTreeMap;

impl Wallet {
    /// Reads back secrets that were put and compares every value: 1 list for each page of the
    /// wallet. Gives the positions of those that another device has changed or removed since.
    ///
    /// # Errors
    ///
    /// [`WalletError::Damaged`] if the store holds other bytes than were committed;
    /// [`WalletError::Integrity`] for a listing that is none.
    pub async fn read_back(&self, puts: &[SecretPut]) -> Result<Vec<usize>, WalletError> {
        let mut missing = Vec::new();
        let mut wanted = BTreeMap::new();
        {
            let view = self.view();
            for (at, put) in puts.iter().enumerate() {
                match view.find(&put.domain, &put.access) {
                    Some(id) => drop(wanted.insert(id, at)),
                    None => missing.push(at),
                }
            }
        }
        let mut pages = Pages::of(&self.store);
        while !wanted.is_empty() {
            let expected = self.held().snapshot.items() as u64;
            let Some(items) = pages.items(expected).await? else {
                break;
            };
            if wanted.len() > items.len() {
                pages.fetch();
            }
            for item in &items {
                if let Some(at) = wanted.remove(&item.id)
                    && !self.holds(item, &puts[at])?
                {
                    missing.push(at);
                }
            }
        }
        missing.extend(wanted.into_values());
        missing.sort_unstable();
        Ok(missing)
    }

    /// Whether an item holds what was put; `false` if it is of a later commit than the snapshot
    /// shows.
    fn holds(&self, item: &Item, put: &SecretPut) -> Result<bool, WalletError> {
        let damaged = |_| WalletError::Damaged(item.id);
        let vault = self.vault()?;
        let known = self.view().secret(item.id).map(|secret| secret.version);
        if known.is_none_or(|known| known < item.version) {
            return Ok(false);
        }
        let text = item.id.text();
        let plain = vault
            .open_meta(&text, item.version, &item.meta)
            .map_err(damaged)?;
        let meta = Meta::decode(&plain).map_err(damaged)?;
        let plain = vault.open_data(&text, &item.data).map_err(damaged)?;
        let data = Data::decode(plain.expose()).map_err(damaged)?;
        let kept = put.fields.iter().all(|(field, put)| {
            let value = data.values.get(field);
            meta.fields.contains_key(field) && value.is_some_and(|value| value.ct_eq(&put.value))
        });
        let named = meta.domain == put.domain && meta.access == put.access;
        match named && kept && meta.data_hash == sha256(&item.data) && Some(item.version) == known {
            true => Ok(true),
            false => Err(WalletError::Damaged(item.id)),
        }
    }
}
