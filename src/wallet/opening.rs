//! Opening what a page of a listing brought, on as many processors as there are: a wallet of a hundred
//! thousand secrets is opened by several at a time, while the next page is on its way.

use super::WalletError;
use super::life::blocking;
use super::record::Meta;
use super::snapshot::{Term, is_older};
use crate::crypto::{Vault, sha256};
use crate::store::{Bytes, Id, Item};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use tokio::task::JoinSet;

/// Items that are opened sooner than a thread for them is woken.
const FEW: usize = 64;

/// How items are opened.
pub(super) struct Opener {
    vault: Arc<Vault>,
    /// The epoch that the terms are made under: that of a head which vouches for the items.
    pub(super) epoch: u32,
    /// Another epoch that the terms are made under, too.
    older: Option<u32>,
}

/// An item, opened.
pub(super) struct Opened {
    pub(super) id: Id,
    pub(super) version: u64,
    pub(super) term: Term,
    /// The term under the older epoch, if one is asked for.
    pub(super) under_older: Option<Term>,
    /// A part of it was sealed under an older epoch.
    pub(super) is_older: bool,
    /// `None` if it does not open.
    pub(super) meta: Option<Meta>,
    /// The sealed values, if they are those that the meta vouches for.
    pub(super) body: Option<Bytes>,
}

impl Opener {
    pub(super) fn new(vault: &Arc<Vault>, older: Option<u32>) -> Arc<Opener> {
        Arc::new(Opener {
            vault: vault.clone(),
            // A head of another epoch does not open as one.
            epoch: vault.newest_epoch(),
            older,
        })
    }

    /// Opens all, in their order.
    pub(super) async fn open_all(
        self: &Arc<Self>,
        mut items: Vec<Item>,
    ) -> Result<Vec<Opened>, WalletError> {
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| available_parallelism().map_or(1, usize::from));
        let share = items.len().div_ceil(*PROCESSORS).max(FEW);
        let mut parts = JoinSet::new();
        while items.len() > share {
            let part = items.split_off(items.len() - share);
            let (opener, at) = (self.clone(), items.len());
            parts.spawn(async move { (at, blocking(move || opener.open(part)).await) });
        }
        if parts.is_empty() {
            return self.open(items);
        }
        let opener = self.clone();
        let mut all = blocking(move || opener.open(items)).await?;
        let mut rest = parts.join_all().await;
        rest.sort_unstable_by_key(|(at, _)| *at);
        for (_, part) in rest {
            all.extend(part?);
        }
        Ok(all)
    }

    fn open(&self, items: Vec<Item>) -> Result<Vec<Opened>, WalletError> {
        items.into_iter().map(|item| self.open_one(item)).collect()
    }

    fn open_one(&self, item: Item) -> Result<Opened, WalletError> {
        let (vault, text) = (&self.vault, item.id.text());
        let term = |epoch| vault.item_digest(epoch, &text, item.version, &item.meta);
        let meta = vault
            .open_meta(&text, item.version, &item.meta)
            .and_then(|plain| Meta::decode(&plain))
            .ok();
        let vouched = meta
            .as_ref()
            .is_some_and(|meta| sha256(&item.data) == meta.data_hash);
        Ok(Opened {
            id: item.id,
            version: item.version,
            term: term(self.epoch)?,
            under_older: self.older.map(term).transpose()?,
            is_older: is_older(&item, self.epoch),
            meta,
            body: vouched.then_some(item.data),
        })
    }
}
