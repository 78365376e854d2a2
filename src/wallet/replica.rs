//! The replica in use: filled by every load and every commit, looked into for bodies, and read in
//! place of the store while that cannot be reached. Nothing fails for its sake: what goes wrong with
//! it is logged, and the next load tries again.

use super::held::Away;
use super::life::{by_passwords, open};
use super::load::{Begun, LISTINGS};
use super::snapshot::Contents;
use super::{Head, Options, Seen, Turn, Wallet, WalletError};
use crate::crypto::{DeviceKey, HeadMeta, SecretBytes};
use crate::store::{Change, Id, Item, Refresh, Replica, Store, StoreError};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What a load hands to the replica on its way, if there is one.
pub(super) struct Copying(Option<Refresh>);

impl Copying {
    /// Nowhere.
    pub(super) fn nowhere() -> Copying {
        Copying(None)
    }

    pub(super) async fn take(&mut self, items: &[Item]) {
        if let Some(refresh) = self.0.take() {
            let secrets = items.iter().filter(|item| item.id != Id::Head);
            self.0 = logged(refresh.take(secrets.cloned().collect()).await);
        }
    }

    /// The items that were taken are all that this head vouches for.
    pub(super) async fn finish(self, head: &Head) {
        if let Some(refresh) = self.0 {
            logged(refresh.finish(head.item.clone()).await);
        }
    }
}

impl Wallet {
    /// As [`Wallet::unlock`]; but while the store cannot be reached, from the replica, if there is
    /// one ([`Options::replica`]). Then reading goes on as it does when the store goes away later:
    /// every change fails with the reason, and when the store answers again the wallet is that of
    /// the store.
    ///
    /// A replica that is older than what this device has seen is read all the same: it lies beside
    /// the record of what was seen, so that who could replace the one could replace the other.
    /// [`super::State::age`] says how old it is.
    pub async fn unlock_readable(
        store: Arc<dyn Store>,
        seen: Seen,
        key: &DeviceKey,
        memorable: &SecretBytes,
        o: Options,
    ) -> Result<Arc<Wallet>, WalletError> {
        let unlocked = Wallet::unlock(store.clone(), seen.clone(), key, memorable, o.clone()).await;
        let why = match unlocked {
            Err(WalletError::Store(why)) if is_unreachable(&why) => why,
            unlocked => return unlocked,
        };
        let Some(replica) = o.replica.clone() else {
            return Err(why.into());
        };
        let Some(item) = replica.get(Id::Head).await else {
            tracing::info!("there is no replica to read while the store cannot be reached");
            return Err(why.into());
        };
        let meta = HeadMeta::decode(&item.meta)?;
        let (wallet, head) = open(store, seen, item, by_passwords(meta, key, memorable), o).await?;
        wallet.check_replica(&head).await?;
        let turn = wallet.turn().await;
        wallet.load_replica(&turn, &replica, head).await?;
        drop(turn);
        tracing::warn!("reading from this device's replica: {why}");
        let now = wallet.now();
        let mut held = wallet.held_mut();
        held.replica_ns = Some(refreshed_ns(&replica));
        held.away = Some(Away {
            why: why.to_string(),
            tried: now,
        });
        drop(held);
        Ok(wallet)
    }

    /// Refuses a replica of another wallet, or of another history of this one.
    async fn check_replica(&self, head: &Head) -> Result<(), WalletError> {
        let found = head.sighting;
        self.seen(move |seen| match seen.read()? {
            Some(known)
                if known.wallet_id == found.wallet_id && known.generation > found.generation =>
            {
                Ok(())
            }
            _ => seen.check_and_raise(&found),
        })
        .await
    }

    /// Makes the snapshot from the replica.
    async fn load_replica(
        &self,
        turn: &Turn<'_>,
        replica: &Replica,
        head: Arc<Head>,
    ) -> Result<(), WalletError> {
        let mut head = head;
        let store = replica.store();
        for _ in 0..LISTINGS {
            let vault = self.vault()?;
            let mut copying = Copying::nowhere();
            let contents = Contents::new(&vault);
            let begun = Begun::now(&store, &self.options);
            let listed = self.list(begun, contents, &head, &mut copying);
            let listing = match listed.await {
                Err(WalletError::Store(why)) => {
                    tracing::error!("the replica: {why}");
                    break;
                }
                listed => listed?,
            };
            let Some(last) = listing.head else {
                break;
            };
            if last == head.item && listing.contents.mismatch(&head).is_none() {
                let (contents, bodies) = (listing.contents, listing.bodies);
                return self.install(turn, head, contents, bodies, listing.moment, None);
            }
            // Another process has refreshed it meanwhile.
            head = self.open_head(last)?;
            self.check_replica(&head).await?;
            self.held_mut().advance(&head);
        }
        Err(WalletError::Integrity(
            "this device's replica is not what its head vouches for; it is made anew when the store \
             answers"
                .into(),
        ))
    }

    /// Begins to copy what a load brings.
    pub(super) async fn copying(&self) -> Copying {
        match &self.options.replica {
            Some(replica) => Copying(logged(replica.refresh().await)),
            None => Copying::nowhere(),
        }
    }

    /// Has the replica follow a commit that was made, or several in one.
    pub(super) async fn follow(&self, changes: &[Change]) {
        if let Some(replica) = &self.options.replica
            && let Some(false) = logged(replica.follow(changes.to_vec()).await)
        {
            tracing::debug!("the replica is behind until the next load");
        }
    }

    /// An item as the replica has it: whoever asks checks it, as one of the store.
    pub(super) async fn copied(&self, id: Id) -> Option<Item> {
        match &self.options.replica {
            Some(replica) => replica.get(id).await,
            None => None,
        }
    }
}

/// Whether the store cannot be reached or does not get to answering: that, and nothing that it says,
/// is what a replica stands in for. Access that was taken away stays taken away.
fn is_unreachable(why: &StoreError) -> bool {
    match why {
        StoreError::Unreachable(_) | StoreError::Deadline | StoreError::Busy(_) => true,
        StoreError::Denied(_)
        | StoreError::Missing(_)
        | StoreError::Failed(_)
        | StoreError::Full(_)
        | StoreError::TooLarge(_)
        | StoreError::Invalid(_) => false,
    }
}

fn refreshed_ns(replica: &Replica) -> i64 {
    let since = replica
        .refreshed()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn logged<T>(done: Result<T, StoreError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(
                "the replica is not refreshed: {error}; if that goes on, make it anew with \
                 `walletfs conf replica off` and `walletfs conf replica on`"
            );
            None
        }
    }
}
