//! `mount --accept-rollback`: a person looks at an older state of the wallet and takes it for the
//! newest.

use super::args::Global;
use super::exit::{Exit, Failure, note};
use super::init::utc;
use super::opened::{self, Access};
use super::prompt;
use crate::crypto::SecretBytes;
use crate::wallet::{Rollback, Wallet, WalletError};

/// Unlocks the wallet; if it contradicts what this device has seen, asks, and goes on from what the
/// store shows.
pub(super) fn rollback(global: &Global, memorable: &SecretBytes) -> Result<(), Failure> {
    opened::run(async {
        let access = Access::new(global).await?;
        let key = access.key().await?;
        let (store, seen, o) = (access.store.clone(), access.seen(), access.options()?);
        let both = match Wallet::unlock(store, seen, &key, memorable, o).await {
            Ok(_) => {
                note("the store shows nothing older than this device has seen: nothing to accept");
                return Ok(());
            }
            Err(WalletError::RolledBack(both)) => both,
            Err(error) => return Err(error.into()),
        };
        ask(&both)?;
        let (store, seen, o) = (access.store.clone(), access.seen(), access.options()?);
        let accepted =
            Wallet::unlock_rolled_back(store, seen, &key, memorable, &both.found, o).await?;
        let generation = accepted.head_info().generation;
        note(&format!(
            "accepted; the wallet goes on with generation {generation}"
        ));
        Ok(())
    })
}

fn ask(both: &Rollback) -> Result<(), Failure> {
    let (seen, found) = (&both.seen, &both.found);
    note(&format!(
        "this device has seen generation {} of {}; the store shows generation {} of {}{}. Whatever \
         was changed in between is lost if the older one is taken",
        seen.generation,
        utc(seen.committed_ns),
        found.generation,
        utc(found.committed_ns),
        match seen.wallet_id == found.wallet_id {
            true => "",
            false => ", and of another wallet",
        }
    ));
    if !prompt::possible() {
        let message = "--accept-rollback needs a terminal, to ask whether the older state is meant";
        return Err(Failure::new(Exit::RolledBack, message));
    }
    match prompt::yes("Take what the store shows for the newest (yes, no) [no]")? {
        true => Ok(()),
        false => Err(Failure::new(Exit::RolledBack, "nothing was changed")),
    }
}
