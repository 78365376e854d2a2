//! [`Held`]: all that an unlocked wallet keeps in memory but the bodies, under one lock that is
//! never held across an await.

use super::WalletError;
use super::head::Head;
use super::snapshot::Snapshot;
use crate::crypto::{Vault, Way};
use std::sync::Arc;
use std::time::Duration;

/// What is in memory. Moments are of [`super::Clock::monotonic`].
pub(super) struct Held {
    /// The keys; `None` once the wallet is locked.
    pub(super) vault: Option<Arc<Vault>>,
    /// How the keys were opened: the way to follow when another device rewraps them.
    pub(super) way: Option<Arc<Way>>,
    /// The newest head that is known. Newer than the snapshot while foreign commits are known but
    /// not loaded.
    pub(super) tip: Arc<Head>,
    pub(super) snapshot: Snapshot,
    /// The last moment at which the tip was the store's newest head.
    pub(super) checked: Duration,
    /// The moment at which a commit ended without an answer, until a later look at the head.
    pub(super) doubted: Option<Duration>,
    /// Set while the snapshot cannot be made newer.
    pub(super) away: Option<Away>,
    /// The snapshot is that of the replica, which was the store's at this moment: nanoseconds since
    /// 1970.
    pub(super) replica_ns: Option<i64>,
    /// The last look at the store found a fault, at this moment.
    pub(super) refused: Option<(Duration, WalletError)>,
}

/// Why the snapshot cannot be made newer.
pub(super) struct Away {
    pub(super) why: String,
    /// When that was last tried.
    pub(super) tried: Duration,
}

impl Held {
    /// Whether the snapshot shows all commits up to the tip.
    pub(super) fn complete(&self) -> bool {
        self.snapshot.generation == self.tip.generation()
    }

    /// Whether the terms of the snapshot are those that the newest head's digest is made of. They
    /// are not once a rekey has begun elsewhere.
    pub(super) fn terms_are_current(&self) -> bool {
        let newest = self.vault.as_ref().map(|vault| vault.newest_epoch());
        newest == Some(self.snapshot.epoch)
    }

    /// The keys, or [`WalletError::Locked`].
    pub(super) fn vault(&self) -> Result<&Arc<Vault>, WalletError> {
        self.vault.as_ref().ok_or(WalletError::Locked)
    }

    /// The way that the keys were opened by, or [`WalletError::Locked`].
    pub(super) fn way(&self) -> Result<&Arc<Way>, WalletError> {
        self.way.as_ref().ok_or(WalletError::Locked)
    }

    /// Takes note that the tip was the store's newest head at `moment`.
    pub(super) fn confirm(&mut self, moment: Duration) {
        self.checked = self.checked.max(moment);
        self.replica_ns = None;
        self.doubted = self.doubted.filter(|doubted| *doubted > moment);
    }

    /// Takes note of a newer head.
    pub(super) fn advance(&mut self, head: &Arc<Head>) {
        if head.generation() > self.tip.generation() {
            self.tip = head.clone();
        }
    }
}
