//! The order in which a session is given up: refuse every request, let the commits under way
//! finish, wipe, unmount, and then leave the process, since only the close of `/dev/fuse` makes
//! open handles fail. Every step has a bound; none waits for whoever holds a file open.

use super::gate::Gate;
use super::mountinfo::Watch;
use super::mountpoint;
use crate::fs::{Fs, Unsaved};
use crate::fuse::Mount;
use crate::wallet::Wallet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Bound for the commits under way: a store call ends within 10 s.
const COMMITS: Duration = Duration::from_secs(12);
/// Bound for an unmount, plain and then lazily, each by a helper program at the worst.
const UNMOUNT: Duration = Duration::from_secs(12);

/// What a session holds.
pub(super) struct Held {
    pub(super) gate: Arc<Gate>,
    pub(super) fs: Arc<Fs>,
    pub(super) wallet: Arc<Wallet>,
    pub(super) mount: Mount,
    pub(super) watch: Watch,
}

/// Files whose content the store does not have.
pub(super) fn lacking(unsaved: &Unsaved) -> usize {
    unsaved.drafts + unsaved.failed
}

impl Held {
    /// Stores what is unsaved and waits for the commits under way, within a bound. Gives the number
    /// of files whose content the store does not have.
    pub(super) async fn settle(&self) -> usize {
        let all = async {
            self.fs.store_unsaved().await;
            self.wallet.settled().await;
        };
        if timeout(COMMITS, all).await.is_err() {
            tracing::warn!("commits under way did not end in time");
        }
        lacking(&self.fs.unsaved())
    }

    /// Locks. `hurry` ends the wait for commits. Gives the number of files whose unsaved content is
    /// lost.
    pub(super) async fn give_up(self, hurry: impl Future<Output = ()>) -> usize {
        self.gate.close();
        tokio::select! {
            _ = self.settle() => {}
            () = hurry => tracing::warn!("told again to lock: not waiting for commits"),
        }
        let lost = lacking(&self.fs.unsaved());

        let Held {
            fs,
            wallet,
            mount,
            watch,
            ..
        } = self;
        // What private mappings left in the page cache; by a thread that answers no request.
        mount.drop_pages();
        fs.lock();
        wallet.lock();
        if timeout(UNMOUNT, spawn_blocking(move || unmount(&watch)))
            .await
            .is_err()
        {
            tracing::error!("the unmount did not end in time; it ends with this process");
        }
        lost
    }
}

fn unmount(watch: &Watch) {
    let entry = match watch.entry() {
        Ok(Some(entry)) => entry,
        // It is gone already.
        Ok(None) => return,
        Err(error) => return tracing::error!("the table of mounts cannot be read: {error}"),
    };
    let path = &entry.path;
    let Err(busy) = mountpoint::unmount(path, false) else {
        return;
    };
    tracing::info!(
        "{} is in use ({busy}); unmounting it lazily",
        path.display()
    );
    if let Err(error) = mountpoint::unmount(path, true) {
        tracing::error!("{} stays mounted, but dead: {error}", path.display());
    }
}
