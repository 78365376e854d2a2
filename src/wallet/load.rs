//! Loading: the head, every page, the head again. A listing is not a snapshot of one moment, so what
//! it brings is believed only if both heads are the same and the head's digest vouches for every
//! item.
//!
//! Three things may be wrong with a listing, and they are told apart: the head moved, so another
//! device is at work and it is loaded again, up to the deadline ([`WalletError::Contended`]); the
//! head did not move but the items are not those it vouches for, which a commit that becomes visible
//! piece by piece can cause for a moment, so only three listings a second apart are a fault
//! ([`WalletError::Integrity`]); or ids repeat or do not ascend, which no commit causes.

use super::catch_up::Caught;
use super::head::Head;
use super::life::{blocking, briefly, vanished};
use super::pages::{Pages, Step};
use super::patience::Patience;
use super::replica::Copying;
use super::snapshot::Contents;
use super::{Options, Seen, Turn, Wallet, WalletError};
use crate::crypto::HeadMeta;
use crate::store::{Bytes, Id, Item, Store};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// Listings that must contradict one head before that is a fault, and the time between them.
pub(super) const LISTINGS: u32 = 3;
pub(super) const BETWEEN: Duration = Duration::from_secs(1);

/// After this time the disk is asked to take the record of the newest head: once for all that was seen
/// meanwhile.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Times that catching up is tried before everything is loaded.
const CATCH_UPS: u32 = 3;

/// What one listing brought.
pub(super) struct Listing {
    pub(super) contents: Contents,
    pub(super) bodies: Vec<(Id, [u8; 32], Bytes)>,
    /// The head, which comes last; `None` if it did not come.
    pub(super) head: Option<Item>,
    /// A moment before the head was read.
    pub(super) moment: Duration,
}

/// A listing of which the first page may be on its way.
pub(super) struct Begun {
    pages: Pages,
    /// A moment before that page was asked for.
    moment: Duration,
}

impl Begun {
    /// Fetches the first page from now on: that takes no keys.
    pub(super) fn now(store: &Arc<dyn Store>, o: &Options) -> Begun {
        let moment = o.clock.monotonic();
        let mut pages = Pages::of(store);
        pages.fetch();
        Begun { pages, moment }
    }
}

impl Wallet {
    /// The head in the store now, authentic, no older than any that this device has seen: 1 get.
    pub(super) async fn read_head(&self) -> Result<Arc<Head>, WalletError> {
        let mut floor = 0;
        loop {
            // Weak: whoever waits for the store holds no key.
            let vault = Arc::downgrade(&self.vault()?);
            let Some(item) = self.store.get(Id::Head).await? else {
                return Err(vanished(&self.seen)
                    .await?
                    .unwrap_or(WalletError::NoSuchWallet));
            };
            if !vault.ptr_eq(&Arc::downgrade(&self.vault()?)) {
                // Somebody has followed a newer head to newer keys meanwhile: this one may be older.
                continue;
            }
            let head = self.open_head(item)?;
            match self.check_seen(&head).await {
                // Another process of this device may have committed after our read. Then the next
                // read shows what it recorded, or more; if not, the store goes back.
                Err(WalletError::RolledBack(both))
                    if both.seen.wallet_id == both.found.wallet_id
                        && both.seen.generation > both.found.generation.max(floor)
                        && both.found.generation >= floor =>
                {
                    floor = both.seen.generation;
                }
                checked => return checked.map(|()| head),
            }
        }
    }

    /// Opens a head that the store gave, if it is not the one at hand. Where another device has
    /// begun a rekey, takes up the new keys.
    pub(super) fn open_head(&self, item: Item) -> Result<Arc<Head>, WalletError> {
        let (vault, way, tip) = {
            let held = self.held();
            (held.vault()?.clone(), held.way()?.clone(), held.tip.clone())
        };
        if item == tip.item {
            return Ok(tip);
        }
        match Head::open(&vault, item.clone()) {
            Err(WalletError::KeysChanged) => {}
            opened => return opened.map(Arc::new),
        }
        let keyring = way.follow(&HeadMeta::decode(&item.meta)?)?;
        let newer = vault.followed(&keyring.ok_or(WalletError::KeysChanged)?);
        let head = Head::open(&newer, item)?;
        let mut held = self.held_mut();
        if Arc::ptr_eq(held.vault()?, &vault) {
            held.vault = Some(Arc::new(newer));
        }
        Ok(Arc::new(head))
    }

    /// Compares a head with the newest that this device has seen, and raises the record to it.
    pub(super) async fn check_seen(&self, head: &Head) -> Result<(), WalletError> {
        let sighting = head.sighting;
        self.seen(move |seen| seen.check_and_raise(&sighting)).await
    }

    /// Runs what reads or writes the record of heads seen.
    pub(super) async fn seen<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Seen) -> Result<T, WalletError> + Send + 'static,
    ) -> Result<T, WalletError> {
        let seen = self.seen.clone();
        let done = briefly(move || act(&seen)).await;
        if self.seen.is_unsynced() && !self.syncing.swap(true, Ordering::Relaxed) {
            let (seen, syncing) = (self.seen.clone(), self.syncing.clone());
            tokio::spawn(async move {
                sleep(SYNC_AFTER).await;
                syncing.store(false, Ordering::Relaxed);
                if let Err(e) = blocking(move || seen.sync()).await {
                    tracing::error!("{e}");
                }
            });
        }
        done
    }

    /// Takes up an authentic head that came by other ways than [`Wallet::read_head`]: gives it, or
    /// a newer one if this device has seen one.
    pub(super) async fn admit(&self, head: Arc<Head>) -> Result<Arc<Head>, WalletError> {
        let head = match self.check_seen(&head).await {
            Ok(()) => head,
            // Old, or old already: a look at the store tells which.
            Err(WalletError::RolledBack(both))
                if both.seen.wallet_id == both.found.wallet_id
                    && both.seen.generation > both.found.generation =>
            {
                self.read_head().await?
            }
            Err(e) => return Err(e),
        };
        self.held_mut().advance(&head);
        Ok(head)
    }

    /// Brings the snapshot up to `head`, which was read before and is no older than any seen, or to
    /// a newer one: by what changed, where that is known and little, else by all there is.
    pub(super) async fn load(&self, turn: &Turn<'_>, head: Arc<Head>) -> Result<(), WalletError> {
        let mut head = head;
        for _ in 0..CATCH_UPS {
            match self.catch_up(turn, &head).await? {
                Caught::Up => return Ok(()),
                Caught::NoWay => break,
                // Another commit came in between, as a rule.
                Caught::Missed => head = self.admit(self.read_head().await?).await?,
            }
        }
        self.load_whole(turn, head).await
    }

    /// Makes the snapshot anew from a listing. `head` as for [`Wallet::load`].
    pub(super) async fn load_whole(
        &self,
        turn: &Turn<'_>,
        head: Arc<Head>,
    ) -> Result<(), WalletError> {
        let begun = Begun::now(&self.store, &self.options);
        self.load_begun(turn, head, begun).await
    }

    /// As [`Wallet::load_whole`], from a listing that was begun after `head` was read.
    pub(super) async fn load_begun(
        &self,
        turn: &Turn<'_>,
        head: Arc<Head>,
        begun: Begun,
    ) -> Result<(), WalletError> {
        let (mut head, mut begun) = (head, Some(begun));
        let mut patience = Patience::new();
        let mut contradictions = 0;
        loop {
            let vault = self.vault()?;
            let mut copying = self.copying().await;
            let contents = Contents::new(&vault);
            let begun = begun
                .take()
                .unwrap_or_else(|| Begun::now(&self.store, &self.options));
            let listing = self.list(begun, contents, &head, &mut copying).await?;
            let (last, came) = match listing.head {
                Some(item) if item == head.item => (head.clone(), true),
                // It moved, or did not come.
                _ => (self.read_head().await?, false),
            };
            if last.item != head.item {
                head = self.admit(last).await?;
                contradictions = 0;
                patience.pause(&*self.options.random).await?;
                continue;
            }
            let contents = listing.contents;
            let mismatch = match came {
                true => contents.mismatch(&head),
                false => Some("the listing did not come to its end with the head".into()),
            };
            let fault = match mismatch {
                None => None,
                Some(_) if contradictions + 1 < LISTINGS => {
                    contradictions += 1;
                    sleep(BETWEEN).await;
                    continue;
                }
                Some(what) if came && contents.readable(&head, &self.held().snapshot) => Some(what),
                Some(what) => return Err(WalletError::Integrity(what)),
            };
            if fault.is_none() {
                copying.finish(&head).await;
            }
            return self.install(turn, head, contents, listing.bodies, listing.moment, fault);
        }
    }

    /// Takes in every page of the store, or of the replica.
    pub(super) async fn list(
        &self,
        Begun {
            mut pages,
            mut moment,
        }: Begun,
        contents: Contents,
        head: &Head,
        copying: &mut Copying,
    ) -> Result<Listing, WalletError> {
        let opener = contents.opener();
        let mut listing = Listing {
            contents,
            bodies: Vec::new(),
            head: None,
            moment: Duration::ZERO,
        };
        let mut room = self.options.cache_bytes;
        let mut listed = 0;
        loop {
            let mut items = match pages.next(head.data.count).await? {
                Step::Items(items) => items,
                // A head that did not come tells the one from the other.
                Step::End | Step::Endless => return Ok(listing),
            };
            listing.moment = std::mem::replace(&mut moment, self.now());
            pages.fetch();
            copying.take(&items).await;
            if let Some(head) = items.pop_if(|item| item.id == Id::Head) {
                listing.head = Some(head);
            }
            for opened in opener.open_all(items).await? {
                let id = opened.id;
                if let Some((data, hash)) = listing.contents.take(opened)
                    && data.len() <= room
                    && !self.bodies().has(id, &hash)
                {
                    room -= data.len();
                    listing.bodies.push((id, hash, data));
                }
                listed += 1;
            }
            (self.options.progress)(listed, head.data.count);
        }
    }

    /// Puts a load in place of the snapshot.
    pub(super) fn install(
        &self,
        _turn: &Turn<'_>,
        head: Arc<Head>,
        contents: Contents,
        bodies: Vec<(Id, [u8; 32], Bytes)>,
        moment: Duration,
        fault: Option<String>,
    ) -> Result<(), WalletError> {
        let snapshot = contents.into_snapshot(head.generation(), fault);
        match &snapshot.fault {
            Some(fault) => tracing::error!(
                "integrity fault: {fault}; {} items do not open, the others can be read and none \
                 changed: see `walletfs check`",
                snapshot.damaged().count()
            ),
            None => tracing::debug!(generation = snapshot.generation, "loaded"),
        }
        let mut cache = self.bodies();
        let current = |id| snapshot.secret(id).map(|secret| &secret.meta.data_hash);
        cache.retain(|id, hash| current(id) == Some(hash));
        for (id, hash, data) in bodies {
            cache.fill(id, hash, data);
        }
        drop(cache);
        let mut held = self.held_mut();
        held.vault()?;
        held.advance(&head);
        let old = std::mem::replace(&mut held.snapshot, snapshot);
        held.confirm(moment);
        drop(held);
        // Outside the lock: it may take a while.
        drop(old);
        Ok(())
    }
}
