//! [`Sealed`]: the items of a wallet, sealed, and what is wrong with them once keys are at hand.

use crate::crypto::{Vault, sha256};
use crate::store::{Id, Item, Store};
use crate::wallet::WalletError;
use crate::wallet::head::Head;
use crate::wallet::pages::Pages;
use crate::wallet::record::{Data, Meta};
use crate::wallet::snapshot::{UNTOLD, toggle};
use std::sync::Arc;

/// All items of a wallet, as one listing brought them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    secrets: Vec<Item>,
    head: Item,
}

impl Sealed {
    /// Items of which the last is the head and the others ascend, as a listing gives them.
    ///
    /// # Errors
    ///
    /// [`WalletError::Integrity`] if they are not so.
    pub fn new(mut items: Vec<Item>) -> Result<Sealed, WalletError> {
        if !items.is_sorted_by(|a, b| a.id < b.id) {
            return Err(integrity("its items repeat or are out of order"));
        }
        match items.pop() {
            Some(head) if head.id == Id::Head => Ok(Sealed {
                secrets: items,
                head,
            }),
            _ => Err(integrity("its head is missing")),
        }
    }

    /// Lists a wallet: 1 list for each page. `count` is how many secrets there may be about; a store
    /// that gives far more is taken to make them up.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoSuchWallet`] if there is nothing; [`WalletError::Orphans`] if the head is
    /// missing; [`WalletError::Integrity`] for a listing that is none.
    pub async fn list(store: &Arc<dyn Store>, count: u64) -> Result<Sealed, WalletError> {
        let items = list(store, count).await?;
        match items.last() {
            None => Err(WalletError::NoSuchWallet),
            Some(last) if last.id != Id::Head => Err(WalletError::Orphans),
            Some(_) => Sealed::new(items),
        }
    }

    /// The items of the secrets, ascending by id.
    pub fn secrets(&self) -> &[Item] {
        &self.secrets
    }

    /// The head's item.
    pub fn head(&self) -> &Item {
        &self.head
    }

    /// The generation.
    pub fn generation(&self) -> u64 {
        self.head.version
    }

    /// Every item, the head last.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.secrets.iter().chain([&self.head])
    }

    /// What the head does not vouch for, without opening any secret.
    pub(in crate::wallet) fn mismatch(
        &self,
        vault: &Vault,
        head: &Head,
    ) -> Result<Option<String>, WalletError> {
        let (listed, count) = (self.secrets.len() as u64, head.data.count);
        if listed != count {
            return Ok(Some(format!(
                "there are {listed} items, and the head says {count}"
            )));
        }
        let mut digest = [0; 32];
        for item in &self.secrets {
            if item.version > head.generation() {
                return Ok(Some(format!("item {} is newer than the head", item.id)));
            }
            let epoch = vault.newest_epoch();
            let term = vault.item_digest(epoch, &item.id.text(), item.version, &item.meta)?;
            toggle(&mut digest, &term);
        }
        let vouched = digest == head.data.digest;
        Ok((!vouched).then(|| "the items are not those that the head vouches for".into()))
    }

    /// All that is wrong, as sentences: opens every item. Nothing: this is a wallet, whole, at one
    /// generation.
    ///
    /// # Errors
    ///
    /// What opens no head: [`WalletError::Integrity`], [`WalletError::KeysChanged`].
    pub fn faults(&self, vault: &Vault) -> Result<Vec<String>, WalletError> {
        let head = Head::open(vault, self.head.clone())?;
        let mut faults: Vec<String> = self.mismatch(vault, &head)?.into_iter().collect();
        let mut removed = false;
        for item in &self.secrets {
            match open(vault, item) {
                Some((meta, _)) => removed |= meta.removed_ns.is_some(),
                None => faults.push(format!("item {} is damaged", item.id)),
            }
        }
        if removed && !head.trash {
            faults.push(UNTOLD.into());
        }
        Ok(faults)
    }
}

/// Opens an item, meta and data; `None` if anything in it is not as it was sealed.
pub(in crate::wallet) fn open(vault: &Vault, item: &Item) -> Option<(Meta, Data)> {
    let text = item.id.text();
    let meta = meta(vault, item)?;
    if sha256(&item.data) != meta.data_hash {
        return None;
    }
    let plain = vault.open_data(&text, &item.data).ok()?;
    let data = Data::decode(plain.expose()).ok()?;
    let sizes = |field| meta.fields.get(field).map(|known| known.size);
    let as_said = data.values.len() == meta.fields.len()
        && data
            .values
            .iter()
            .all(|(field, value)| sizes(field) == Some(value.expose().len() as u64));
    as_said.then_some((meta, data))
}

/// Opens the meta of an item.
pub(in crate::wallet) fn meta(vault: &Vault, item: &Item) -> Option<Meta> {
    let plain = vault.open_meta(&item.id.text(), item.version, &item.meta);
    Meta::decode(&plain.ok()?).ok()
}

/// Every item of a wallet, ascending: 1 list for each page.
pub(in crate::wallet) async fn list(
    store: &Arc<dyn Store>,
    count: u64,
) -> Result<Vec<Item>, WalletError> {
    let mut all = Vec::new();
    let mut pages = Pages::of(store);
    while let Some(items) = pages.items(count).await? {
        pages.fetch();
        all.extend(items);
    }
    Ok(all)
}

fn integrity(what: &str) -> WalletError {
    WalletError::Integrity(what.into())
}
