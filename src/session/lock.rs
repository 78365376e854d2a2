//! The order in which a session is given up: refuse every request, let the commits under way
//! finish, end the calls that wait for a store, wipe, unmount, and then leave the process, since
//! only the close of `/dev/fuse` makes open handles fail. Every step has a bound; none waits for
//! whoever holds a file open, and none for whoever waits for the store.

use super::calls::Calls;
use super::gate::Gate;
use super::mountinfo::Watch;
use super::mountpoint;
use crate::fs::{Fs, Unsaved};
use crate::fuse::Mount;
use crate::wallet::Wallet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Bound for the commits under way when the session may go on without them: a store call ends
/// within 10 s.
const COMMITS: Duration = Duration::from_secs(12);
/// Bound for them when it may not: all is gone within 2 s, and a suspend is not delayed for longer.
const GRACE: Duration = Duration::from_millis(1500);
/// Bound for an unmount, plain and then lazily, each by a helper program at the worst.
const UNMOUNT: Duration = Duration::from_secs(12);
/// Bound for the keys to be wiped: a call that is opening or sealing a value has them in hand.
const WIPE: Duration = Duration::from_secs(1);

/// What a session holds.
pub(super) struct Held {
    pub(super) gate: Arc<Gate>,
    pub(super) fs: Arc<Fs>,
    pub(super) wallet: Arc<Wallet>,
    pub(super) mount: Mount,
    pub(super) watch: Watch,
    pub(super) calls: Calls,
}

/// Files whose content the store does not have.
pub(super) fn lacking(unsaved: &Unsaved) -> usize {
    unsaved.drafts + unsaved.failed
}

impl Held {
    /// Stores what is unsaved and waits for the commits under way, within a bound. Gives the number
    /// of files whose content the store does not have.
    pub(super) async fn settle(&self) -> usize {
        self.settle_within(COMMITS).await
    }

    async fn settle_within(&self, bound: Duration) -> usize {
        let all = async {
            self.fs.store_unsaved().await;
            self.wallet.settled().await;
        };
        if timeout(bound, all).await.is_err() {
            tracing::warn!("commits under way did not end in time");
        }
        lacking(&self.fs.unsaved())
    }

    /// Locks, for a reason that came up at `trigger`. `hurry` ends the wait for commits. Gives the
    /// number of files whose unsaved content is lost.
    pub(super) async fn give_up(self, trigger: Instant, hurry: impl Future<Output = ()>) -> usize {
        self.gate.close();
        tokio::select! {
            _ = self.settle_within(GRACE) => {}
            () = hurry => tracing::warn!("told again to lock: not waiting for commits"),
        }
        let lost = lacking(&self.fs.unsaved());

        let Held {
            fs,
            wallet,
            mount,
            watch,
            calls,
            ..
        } = self;
        // What private mappings left in the page cache; by a thread that answers no request.
        mount.drop_pages();
        calls.stop().await;
        fs.lock();
        let wiped = wallet.lock();
        let end = Instant::now() + WIPE;
        while !wiped.is_done() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match wiped.is_done() {
            true => tracing::info!(
                "keys and values are wiped, {} ms after",
                trigger.elapsed().as_millis()
            ),
            false => tracing::error!("a call still uses the keys: they end with this process"),
        }
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
