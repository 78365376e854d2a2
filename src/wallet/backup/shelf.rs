//! [`Shelf`]: the backups beside a wallet in its store.
//!
//! The order of the commits is what makes an interruption harmless. Writing: the entry in the index
//! as unfinished, the secrets, with the last of them the head, and, once all of it has been read back,
//! the entry as whole. Removing: the entry as unfinished, the items, the entry. So whatever the index
//! calls whole is whole, and what was interrupted is found and can be removed.

use super::commits::{batches, commit};
use super::index::{self, Entry, State};
use super::sealed::{Sealed, list};
use super::{INFIX, Progress, Stamp};
use crate::crypto::HeadMeta;
use crate::store::{Change, Commit, Expect, Item, Store};
use crate::wallet::WalletError;
use std::sync::Arc;

/// The name of the index, behind [`INFIX`].
const INDEX: &str = "index";

/// More backups than anybody keeps: a store that lists far more makes them up.
const BACKUPS: u64 = 1_000;

/// Seconds after which what is unfinished was surely interrupted: no backup takes so long.
const ABANDONED: i64 = 3_600;

/// The backups of one wallet in its store.
pub struct Shelf {
    store: Arc<dyn Store>,
    index: Arc<dyn Store>,
}

impl Shelf {
    /// The backups beside the wallet of this store.
    pub fn beside(store: &Arc<dyn Store>) -> Shelf {
        Shelf {
            index: store.sibling(&format!("{}{INFIX}{INDEX}", store.wallet())),
            store: Arc::clone(store),
        }
    }

    /// The name of the backup of this moment, as a wallet in the store.
    pub fn name(&self, stamp: Stamp) -> String {
        format!("{}{INFIX}{stamp}", self.store.wallet())
    }

    /// The backup that a person names, in full or by its time alone.
    pub fn parse(&self, name: &str) -> Option<Stamp> {
        let short = name.strip_prefix(self.store.wallet());
        let short = short.and_then(|rest| rest.strip_prefix(INFIX));
        Stamp::parse(short.unwrap_or(name).as_bytes())
    }

    /// The backups, the oldest first: 1 list. Entries that this version does not understand are
    /// left out.
    pub async fn list(&self) -> Result<Vec<Entry>, WalletError> {
        let items = list(&self.index, BACKUPS).await?;
        Ok(items.iter().filter_map(Entry::read).collect())
    }

    /// The items of a backup: 1 list for each page. Nothing of them has been opened.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoSuchBackup`] if it is not there, or not whole.
    pub async fn get(&self, stamp: Stamp) -> Result<Sealed, WalletError> {
        let entries = self.list().await?;
        let entry = entries.iter().find(|entry| entry.stamp == stamp);
        match entry {
            Some(entry) if entry.state != State::Unfinished => self.read(stamp, entry.count).await,
            _ => Err(WalletError::NoSuchBackup(self.name(stamp))),
        }
    }

    async fn read(&self, stamp: Stamp, count: u64) -> Result<Sealed, WalletError> {
        let name = self.name(stamp);
        let items = list(&self.store.sibling(&name), count).await?;
        Sealed::new(items).map_err(|e| match e {
            WalletError::Integrity(what) => {
                WalletError::Integrity(format!("the backup {name} is damaged: {what}"))
            }
            e => e,
        })
    }

    /// Writes a backup, reads it back, compares every byte, and marks it as `state`. Its moment is
    /// that of `now_ns` (nanoseconds since 1970), or the first later second without a backup.
    pub async fn put(
        &self,
        sealed: &Sealed,
        now_ns: u64,
        state: State,
        progress: Progress<'_>,
    ) -> Result<Stamp, WalletError> {
        let mut entry = self.enter(sealed, now_ns).await?;
        let target = self.store.sibling(&self.name(entry.stamp));
        let all = sealed.secrets().len() as u64 + 1;
        let mut done = 0;
        let put = |item: &Item| Change::Put {
            item: item.clone(),
            expect: Expect::Absent,
        };
        for batch in batches(&*target, sealed.items().map(put)) {
            done += batch.len() as u64;
            // Refused: an abandoned backup of the same second that somebody is removing, at worst.
            commit(&*target, batch).await?;
            progress(done, all);
        }
        let back = self
            .read(entry.stamp, sealed.secrets().len() as u64)
            .await?;
        if back != *sealed {
            return Err(WalletError::Integrity(format!(
                "the store did not keep the backup {} as it was written; it is not used",
                self.name(entry.stamp)
            )));
        }
        entry.state = state;
        self.mark(&entry, State::Unfinished).await?;
        Ok(entry.stamp)
    }

    /// Enters a new backup into the index, unfinished: 1 commit, and 1 more for each second that is
    /// taken.
    async fn enter(&self, sealed: &Sealed, now_ns: u64) -> Result<Entry, WalletError> {
        let head = HeadMeta::decode(&sealed.head().meta)?;
        let mut seconds = (now_ns / 1_000_000_000) as i64;
        loop {
            let entry = Entry {
                stamp: Stamp::at(seconds).ok_or_else(|| {
                    WalletError::Record(
                        "the clock is past the year 9999: set it, and try again".into(),
                    )
                })?,
                state: State::Unfinished,
                wallet_id: head.wallet_id,
                generation: sealed.generation(),
                count: sealed.secrets().len() as u64,
            };
            let put = Change::Put {
                item: entry.item(),
                expect: Expect::Absent,
            };
            match self.index.commit(vec![put]).await? {
                Commit::Done => return Ok(entry),
                Commit::Refused(_) => seconds += 1,
            }
        }
    }

    /// Changes the state of an entry from `before`: 1 commit.
    async fn mark(&self, entry: &Entry, before: State) -> Result<(), WalletError> {
        let put = Change::Put {
            item: entry.item(),
            expect: Expect::Version(before.version()),
        };
        commit(&*self.index, vec![put]).await
    }

    /// Removes a backup, whole or not: 2 commits for the index, 1 list for each page and 1 commit
    /// for each 100 items.
    pub async fn remove(&self, entry: &Entry, progress: Progress<'_>) -> Result<(), WalletError> {
        let unfinished = Entry {
            state: State::Unfinished,
            ..entry.clone()
        };
        self.mark(&unfinished, entry.state).await?;
        let target = self.store.sibling(&self.name(entry.stamp));
        let items = list(&target, entry.count).await?;
        let mut done = 0;
        for batch in items.chunks(target.limits().changes) {
            let changes = batch.iter().map(|item| Change::Delete {
                id: item.id,
                expect: item.version,
            });
            commit(&*target, changes.collect()).await?;
            done += batch.len() as u64;
            progress(done, items.len() as u64);
        }
        let gone = Change::Delete {
            id: index::id(entry.stamp),
            expect: State::Unfinished.version(),
        };
        commit(&*self.index, vec![gone]).await
    }

    /// Removes all but the newest `keep` whole backups, what is older than these, and what was
    /// interrupted more than an hour before `now_ns`. Gives the moments of those removed.
    pub async fn prune(
        &self,
        keep: usize,
        now_ns: u64,
        progress: Progress<'_>,
    ) -> Result<Vec<Stamp>, WalletError> {
        let entries = self.list().await?;
        let now = (now_ns / 1_000_000_000) as i64;
        let whole = entries.iter().rev().filter(|e| e.state == State::Whole);
        let oldest_kept = whole.take(keep).last().map(|entry| entry.stamp);
        let mut removed = Vec::new();
        for entry in entries {
            let goes = match entry.state {
                State::Unfinished => entry.stamp.seconds() < now - ABANDONED,
                State::Whole | State::AsFound => oldest_kept.is_some_and(|kept| entry.stamp < kept),
            };
            if goes {
                self.remove(&entry, progress).await?;
                removed.push(entry.stamp);
            }
        }
        Ok(removed)
    }
}
