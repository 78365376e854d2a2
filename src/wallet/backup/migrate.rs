//! [`Migration`]: the same wallet in another store, item by item the same bytes.
//!
//! The head is written last, after a look whether the source is still the same: a target without a
//! head is a migration that was interrupted, which the next one goes on with. An older copy of the
//! wallet that the target may hold is kept there as a backup, and its head is the first thing to go.

use super::commits::{batches, commit};
use super::sealed::{list, open};
use super::{Progress, Sealed, Shelf, State};
use crate::crypto::{HeadMeta, Vault};
use crate::store::{Change, Expect, Id, Item, Store};
use crate::wallet::life::blocking;
use crate::wallet::pages::UNCOUNTED;
use crate::wallet::patience::Patience;
use crate::wallet::{Wallet, WalletError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the target holds under the wallet's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Empty,
    /// What an interrupted migration left.
    Begun,
    /// The wallet as it is.
    Same,
    /// An older state of the wallet, or a damaged copy of this one.
    Older {
        /// Its generation.
        generation: u64,
    },
    /// A newer state of the wallet: another device has moved it there and goes on.
    Newer {
        /// Its generation.
        generation: u64,
    },
}

/// A migration that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The generation that the target holds.
    pub generation: u64,
    /// Secrets in it.
    pub count: u64,
    /// The backup, in the target, of an older copy that was there.
    pub kept: Option<String>,
}

/// A migration that is ready to be made.
pub struct Migration {
    wallet: Arc<Wallet>,
    vault: Arc<Vault>,
    to: Arc<dyn Store>,
    sealed: Sealed,
    there: BTreeMap<Id, Item>,
    target: Target,
}

impl Migration {
    /// Looks at both sides: of a wallet of n pages, 1 get and n lists, and a list for each page of
    /// the target, which must have been made ([`Store::create`]).
    ///
    /// # Errors
    ///
    /// [`WalletError::Integrity`] for a wallet that is damaged; [`WalletError::WalletExists`] if the
    /// target holds another wallet, or another history of this one; what the stores say.
    pub async fn prepare(
        wallet: Arc<Wallet>,
        to: Arc<dyn Store>,
    ) -> Result<Migration, WalletError> {
        let vault = wallet.vault()?;
        let sealed = whole(wallet.sealed().await?, &vault).await?;
        let count = sealed.secrets().len() as u64;
        let there = list(&to, count.max(UNCOUNTED)).await?;
        let target = judge(&sealed, &there, &vault)?;
        if let Target::Newer { .. } = target {
            whole(Sealed::new(there.clone())?, &vault).await?;
        }
        Ok(Migration {
            wallet,
            vault,
            to,
            sealed,
            there: there.into_iter().map(|item| (item.id, item)).collect(),
            target,
        })
    }

    /// What the target holds now.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The generation of the source.
    pub fn generation(&self) -> u64 {
        self.sealed.generation()
    }

    /// Makes the target what the source is, and reads it back: 1 commit for each 100 items or 4 MiB
    /// that differ, 1 for the head, 1 get, 1 list for each page. Nothing for a target that is the
    /// same or newer.
    ///
    /// # Errors
    ///
    /// What was written stays, and another migration goes on. [`WalletError::Contended`] if another
    /// device writes to either side; what the stores say.
    pub async fn run(mut self, progress: Progress<'_>) -> Result<Migrated, WalletError> {
        let mut kept = None;
        match self.target {
            Target::Same => return Ok(self.done(None)),
            Target::Newer { generation } => {
                return Ok(Migrated {
                    generation,
                    count: self.there.len() as u64 - 1,
                    kept: None,
                });
            }
            Target::Empty | Target::Begun => {}
            Target::Older { .. } => kept = Some(self.keep().await?),
        }
        let mut patience = Patience::new();
        loop {
            self.copy_secrets(progress).await?;
            let head = self.wallet.read_head().await?;
            if head.item == *self.sealed.head() {
                break;
            }
            patience.pause(&*self.wallet.options.random).await?;
            self.sealed = whole(self.wallet.sealed().await?, &self.vault).await?;
        }
        let head = self.sealed.head().clone();
        let put = Change::Put {
            item: head,
            expect: Expect::Absent,
        };
        commit(&*self.to, vec![put]).await?;
        let count = self.sealed.secrets().len() as u64;
        let back = Sealed::new(list(&self.to, count).await?)?;
        if back != self.sealed {
            return Err(WalletError::Integrity(
                "the new store did not keep the wallet as it was written; nothing was switched"
                    .into(),
            ));
        }
        Ok(self.done(kept))
    }

    fn done(&self, kept: Option<String>) -> Migrated {
        Migrated {
            generation: self.sealed.generation(),
            count: self.sealed.secrets().len() as u64,
            kept,
        }
    }

    /// Keeps the older copy that the target holds, as a backup there.
    async fn keep(&self) -> Result<String, WalletError> {
        let there = Sealed::new(self.there.values().cloned().collect())?;
        let vouched = there
            .faults(&self.vault)
            .is_ok_and(|faults| faults.is_empty());
        let state = match vouched {
            true => State::Whole,
            false => State::AsFound,
        };
        let shelf = Shelf::beside(&self.to);
        let date = self.wallet.options.date_ns();
        let stamp = shelf.put(&there, date, state, &super::quietly).await?;
        Ok(shelf.name(stamp))
    }

    /// Makes the secrets in the target those of the source; the head that is there goes first.
    async fn copy_secrets(&mut self, progress: Progress<'_>) -> Result<(), WalletError> {
        let mut changes = Vec::new();
        let mut rest = self.there.clone();
        if let Some(head) = rest.remove(&Id::Head) {
            changes.push(removal(&head));
        }
        for item in self.sealed.secrets() {
            let expect = match rest.remove(&item.id) {
                Some(there) if there == *item => continue,
                Some(there) => Expect::Version(there.version),
                None => Expect::Absent,
            };
            let item = item.clone();
            changes.push(Change::Put { item, expect });
        }
        changes.extend(rest.values().map(removal));
        let all = changes.len() as u64 + 1;
        let mut done = 0;
        for batch in batches(&*self.to, changes) {
            commit(&*self.to, batch.clone()).await?;
            done += batch.len() as u64;
            progress(done, all);
            for change in batch {
                match change {
                    Change::Put { item, .. } => self.there.insert(item.id, item),
                    Change::Delete { id, .. } => self.there.remove(&id),
                };
            }
        }
        Ok(())
    }
}

/// Refuses a wallet that is damaged.
async fn whole(sealed: Sealed, vault: &Arc<Vault>) -> Result<Sealed, WalletError> {
    let vault = Arc::clone(vault);
    let checked = blocking(move || sealed.faults(&vault).map(|faults| (sealed, faults)));
    let (sealed, faults) = checked.await?;
    match faults.into_iter().next() {
        None => Ok(sealed),
        Some(fault) => Err(WalletError::Integrity(format!(
            "{fault}; `walletfs check` says more, and a wallet moves only when it is whole"
        ))),
    }
}

fn judge(source: &Sealed, there: &[Item], vault: &Vault) -> Result<Target, WalletError> {
    let Some(last) = there.last() else {
        return Ok(Target::Empty);
    };
    if last.id != Id::Head {
        // Only this wallet's items open with its keys.
        let ours = |item| open(vault, item).is_some();
        return match there.iter().all(ours) {
            true => Ok(Target::Begun),
            false => Err(WalletError::Orphans),
        };
    }
    let same_wallet = HeadMeta::decode(&last.meta).is_ok_and(|m| m.wallet_id == vault.wallet_id());
    if !same_wallet {
        return Err(WalletError::WalletExists);
    }
    let (generation, ours) = (last.version, source.generation());
    let same_head = last == source.head();
    if same_head && source.items().eq(there) {
        return Ok(Target::Same);
    }
    match generation.cmp(&ours) {
        std::cmp::Ordering::Greater => Ok(Target::Newer { generation }),
        std::cmp::Ordering::Equal if !same_head => Err(WalletError::WalletExists),
        _ => Ok(Target::Older { generation }),
    }
}

fn removal(item: &Item) -> Change {
    Change::Delete {
        id: item.id,
        expect: item.version,
    }
}
