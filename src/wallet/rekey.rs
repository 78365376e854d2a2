//! A new master key for everything, while the wallet is in use, here and elsewhere.
//!
//! Three steps, each a commit or many, and each can be the last of a process that is killed: the
//! next rekey goes on from what the store holds. 1. The keyring gets a new key beside the old; the
//! head and its digest are of the new one from then on, and so is everything that is sealed. 2. Every
//! item that is sealed under an old key is sealed anew, some at a time. 3. Once a load has found no
//! such item, a commit on that very load's head drops the old keys.
//!
//! Another session that is open follows by the way it came in ([`Way::follow`]): so nobody who has
//! only an old keyring can.

use super::edit::Edit;
use super::head::Head;
use super::load::Begun;
use super::pages::Pages;
use super::patience::Patience;
use super::replica::Copying;
use super::seal::{Ready, next, put_head};
use super::snapshot::{Contents, is_older};
use super::ways::has_recovery;
use super::{Turn, Wallet, WalletError};
use crate::crypto::{HeadMeta, Keyring, RecoveryKey, Way, sha256};
use crate::store::{Commit, Id};
use std::sync::Arc;

/// How far a rekey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RekeyProgress {
    /// Secrets that are sealed under the new key.
    pub done: usize,
    /// All secrets.
    pub all: usize,
}

impl Wallet {
    /// Whether a rekey has begun and not ended.
    ///
    /// # Errors
    ///
    /// [`WalletError::KeysChanged`] if another device has changed the password.
    pub fn rekey_is_under_way(&self) -> Result<bool, WalletError> {
        let keyring = self.keyring_in(&self.head_meta()?)?;
        Ok(keyring.epochs() > 1)
    }

    /// Seals everything under a new master key, or ends a rekey that was begun before. Whoever
    /// calls has made a backup. A recovery key of before is good no more: `recovery` is in its place,
    /// and must be given if there is one. For a wallet of n pages and m secrets: 2 or 3 gets, about
    /// 5 n lists, m / 99 + 2 commits.
    ///
    /// # Errors
    ///
    /// What was done stays done, and the next call goes on. [`WalletError::KeysChanged`];
    /// [`WalletError::Damaged`] or [`WalletError::Integrity`] while an item does not open;
    /// [`WalletError::Contended`]; [`WalletError::ReadOnly`]; what the store says.
    pub async fn rekey(
        &self,
        recovery: Option<&RecoveryKey>,
        mut progress: impl FnMut(RekeyProgress),
    ) -> Result<(), WalletError> {
        if self.options.read_only {
            return Err(WalletError::ReadOnly);
        }
        let wallet_id = self.head_info().wallet_id;
        let random = &*self.options.random;
        let recovery = recovery.map(|key| Way::by_recovery(key, &wallet_id, random));
        let way = self.held().way()?.clone();
        // Slots of unknown kinds cannot be rewrapped, and a keyring of before is of no use.
        let slots = |meta: &mut HeadMeta, keyring: &Keyring| {
            meta.slots = [Some(&*way), recovery.as_ref()]
                .into_iter()
                .flatten()
                .map(|way| way.wrap(keyring, &wallet_id, random))
                .collect();
        };
        if has_recovery(&self.head_meta()?) && recovery.is_none() {
            return Err(WalletError::NoRecoveryKey);
        }
        {
            let turn = self.turn().await;
            match self.rekey_is_under_way()? {
                true => self.rewrap(&turn, slots).await?,
                false => self.append_epoch(&turn, &slots).await?,
            }
        }
        loop {
            self.reseal_older(&mut progress).await?;
            if self.drop_older_epochs(&slots).await? {
                return Ok(());
            }
        }
    }

    /// The first step: a commit of the head alone, on a listing that its digest vouches for.
    async fn append_epoch(
        &self,
        turn: &Turn<'_>,
        slots: &impl Fn(&mut HeadMeta, &Keyring),
    ) -> Result<(), WalletError> {
        let mut patience = Patience::new();
        loop {
            let head = self.read_head().await?;
            // Judges what is wrong, if something is.
            self.load_whole(turn, head).await?;
            let (vault, tip) = self.unfaulted()?;
            let mut meta = HeadMeta::decode(&tip.item.meta)?;
            let older = self.keyring_in(&meta)?;
            let keyring = older.appended(&*self.options.random)?;
            let newer = Arc::new(vault.followed(&keyring));
            let contents = Contents::for_new_epoch(&newer, older.newest_epoch());
            let mut copying = Copying::nowhere();
            let begun = Begun::now(&self.store, &self.options);
            let listing = self.list(begun, contents, &tip, &mut copying).await?;
            let same = listing.head.as_ref() == Some(&tip.item);
            if !same || listing.contents.mismatch(&tip).is_some() {
                patience.pause(&*self.options.random).await?;
                continue;
            }
            if let Some(id) = listing.contents.damaged().next() {
                return Err(WalletError::Damaged(id));
            }
            slots(&mut meta, &keyring);
            let mut data = tip.data.clone();
            data.digest = listing.contents.digest();
            data.committed_ns = self.options.date_ns();
            let head = Head::seal(&newer, next(&tip)?, meta.encode(), data, None);
            let ready = Ready {
                changes: vec![put_head(&head, &tip)],
                head: Arc::new(head),
                effects: Vec::new(),
            };
            match self.commit(&ready).await? {
                Commit::Done => {
                    let head = ready.head;
                    self.check_seen(&head).await?;
                    {
                        let mut held = self.held_mut();
                        held.vault()?;
                        held.vault = Some(newer);
                    }
                    let (contents, bodies) = (listing.contents, listing.bodies);
                    return self.install(turn, head, contents, bodies, listing.moment, None);
                }
                Commit::Refused(_) => patience.pause(&*self.options.random).await?,
            }
        }
    }

    /// The second step: one walk through the listing.
    async fn reseal_older(
        &self,
        progress: &mut impl FnMut(RekeyProgress),
    ) -> Result<(), WalletError> {
        let limits = self.store.limits();
        let epoch = self.vault()?.newest_epoch();
        let mut done = 0;
        let mut batch: Vec<Id> = Vec::new();
        // What is sealed anew is as long as before; the head comes on top.
        let head = {
            let tip = self.held().tip.clone();
            self.store.item_size(&tip.item)
        };
        let mut bytes = head;
        let mut pages = Pages::of(&self.store);
        loop {
            let expected = self.held().snapshot.items() as u64;
            let Some(items) = pages.items(expected).await? else {
                self.reseal(&mut batch, progress, done).await?;
                return Ok(());
            };
            for item in items.into_iter().filter(|item| item.id != Id::Head) {
                if !is_older(&item, epoch) {
                    done += 1;
                    continue;
                }
                let size = self.store.item_size(&item);
                if batch.len() + 1 >= limits.changes || bytes + size > limits.commit_bytes {
                    done += self.reseal(&mut batch, progress, done).await?;
                    bytes = head;
                }
                bytes += size;
                batch.push(item.id);
                self.keep_body(item.id, item.data);
            }
        }
    }

    async fn reseal(
        &self,
        batch: &mut Vec<Id>,
        progress: &mut impl FnMut(RekeyProgress),
        done: usize,
    ) -> Result<usize, WalletError> {
        let batch = std::mem::take(batch);
        let count = batch.len();
        if count > 0 {
            self.apply(Edit::Reseal(batch)).await?;
            let all = self.held().snapshot.items();
            let done = (done + count).min(all);
            progress(RekeyProgress { done, all });
        }
        Ok(count)
    }

    /// Keeps the data of an item that a listing brought, if the snapshot vouches for it.
    fn keep_body(&self, id: Id, data: crate::store::Bytes) {
        let vouched = self.held().snapshot.item(id).map(|s| s.meta.data_hash);
        if let Some(hash) = vouched
            && sha256(&data) == hash
        {
            self.bodies().put(id, hash, data);
        }
    }

    /// The third step, if a load finds no item of an older epoch; says whether it did.
    async fn drop_older_epochs(
        &self,
        slots: &impl Fn(&mut HeadMeta, &Keyring),
    ) -> Result<bool, WalletError> {
        let turn = self.turn().await;
        let mut patience = Patience::new();
        loop {
            let head = self.read_head().await?;
            self.load_whole(&turn, head).await?;
            let (_, tip) = self.unfaulted()?;
            let (older, damaged) = {
                let held = self.held();
                (held.snapshot.older, held.snapshot.damaged().next())
            };
            if let Some(id) = damaged {
                return Err(WalletError::Damaged(id));
            }
            if older > 0 {
                return Ok(false);
            }
            let ready = self.rewrapped(&tip, &|meta: &mut HeadMeta, keyring: &Keyring| {
                slots(meta, &keyring.newest_alone());
            })?;
            let began = self.now();
            match self.commit(&ready).await? {
                Commit::Done => {
                    self.settle(&turn, ready, began).await?;
                    return Ok(true);
                }
                Commit::Refused(_) => patience.pause(&*self.options.random).await?,
            }
        }
    }
}
