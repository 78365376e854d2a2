//! Backups: the sealed items of a wallet as they are at one moment, kept beside it in the store as
//! a wallet of its own.
//!
//! A backup holds the very bytes that the store holds, head and all: it opens with the passwords
//! that the wallet had at that moment, and what it lacks or what was changed in it is found out as
//! in the wallet itself, since seals are bound to the wallet's id and not to its name. So copying
//! needs no key, and believing a copy does.
//!
//! Which backups there are stands in an index (see `index`), since no store is ever asked which
//! wallets it holds. A backup is entered there before its first item is written, and marked as whole
//! once it has been read back and opened: what was interrupted is never taken for a backup.

mod commits;
pub mod file;
mod index;
mod keys;
mod migrate;
mod outline;
mod place;
mod restore;
mod sealed;
mod shelf;
mod stamp;

use super::life::{blocking, by_passwords, find, open};
use super::load::{BETWEEN, LISTINGS};
use super::patience::Patience;
use super::{Options, Seen, Wallet, WalletError};
use crate::crypto::{DeviceKey, SecretBytes};
use crate::store::Store;
use std::sync::Arc;

pub use file::{Description, FileError};
pub use index::{Entry, State};
pub use keys::Keys;
pub use migrate::{Migrated, Migration, Target};
pub use outline::{Affected, Fate, Outline, There};
pub use restore::{Restore, Restored};
pub use sealed::Sealed;
pub use shelf::Shelf;
pub use stamp::Stamp;

pub use super::options::{Progress, quietly};

/// What lies between a wallet's name and the time, in the name of a backup.
pub const INFIX: &str = ".backup-";

/// Bytes by which the name of a backup is longer than its wallet's: every item must fit there too.
pub(super) const NAME_BYTES: usize = INFIX.len() + Stamp::BYTES;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Its name in the store: the wallet's, [`INFIX`] and the time.
    pub name: String,
    /// The generation that it holds.
    pub generation: u64,
    /// Secrets in it.
    pub count: u64,
    /// What is wrong with the wallet, and so with the copy of it, as sentences; empty: every item
    /// opens and the head vouches for all of them.
    pub faults: Vec<String>,
}

impl Wallet {
    /// Unlocks a wallet and looks at nothing but its head, so that it can be copied, however
    /// damaged the rest is: 1 get and one derivation.
    ///
    /// # Errors
    ///
    /// As [`Wallet::unlock`], without what a load finds.
    pub async fn unlock_to_copy(
        store: Arc<dyn Store>,
        seen: Seen,
        key: &DeviceKey,
        memorable: &SecretBytes,
        o: Options,
    ) -> Result<Arc<Wallet>, WalletError> {
        let (item, meta) = find(&*store, &seen).await?;
        let keys = by_passwords(meta, key, memorable);
        let (wallet, head) = open(store, seen, item, keys, o).await?;
        wallet.admit(head).await?;
        Ok(wallet)
    }

    /// Copies all items of the wallet beside it in the store, and reads the copy back: it holds
    /// the same bytes, and every item of it is opened. For a wallet of `n` pages and `m` commits
    /// (of 100 changes or 4 MiB): 1 get, `2n` lists, `m + 2` commits. More when another device commits meanwhile.
    ///
    /// A wallet that is damaged is copied too, as it is: see [`BackedUp::faults`].
    ///
    /// # Errors
    ///
    /// What the store says; [`WalletError::Contended`] when others do not stop committing; faults
    /// of the head, as [`Wallet::require_current`]; [`WalletError::Integrity`] if the store gives
    /// back something else than was written.
    pub async fn back_up(&self, progress: Progress<'_>) -> Result<BackedUp, WalletError> {
        let (sealed, faults) = self.examined().await?;
        let shelf = Shelf::beside(&self.store);
        let date = self.options.date_ns();
        let state = match faults.is_empty() {
            true => State::Whole,
            false => State::AsFound,
        };
        let stamp = shelf.put(&sealed, date, state, progress).await?;
        Ok(BackedUp {
            name: shelf.name(stamp),
            generation: sealed.generation(),
            count: sealed.secrets().len() as u64,
            faults,
        })
    }

    /// [`Wallet::sealed`], and all that is wrong with it: every item is opened.
    pub async fn examined(&self) -> Result<(Sealed, Vec<String>), WalletError> {
        let sealed = self.sealed().await?;
        let vault = self.vault()?;
        blocking(move || sealed.faults(&vault).map(|faults| (sealed, faults))).await
    }

    /// Every item of the wallet, sealed, as the store holds them at one moment: the same head
    /// before and after, which vouches for all of them, unless the wallet is damaged.
    pub async fn sealed(&self) -> Result<Sealed, WalletError> {
        let mut head = self.read_head().await?;
        let mut patience = Patience::new();
        let mut contradictions = 0;
        loop {
            let vault = self.vault()?;
            let sealed = Sealed::list(&self.store, head.data.count).await?;
            if *sealed.head() != head.item {
                let moved = self.open_head(sealed.head().clone())?;
                head = self.admit(moved).await?;
                contradictions = 0;
                patience.pause(&*self.options.random).await?;
                continue;
            }
            // Commits that become visible piece by piece contradict a head for a moment only.
            contradictions += 1;
            if contradictions == LISTINGS || sealed.mismatch(&vault, &head)?.is_none() {
                return Ok(sealed);
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}
