//! What the wallet says of itself: [`State`], [`HeadInfo`], [`Freshness`].

use std::time::Duration;

/// The state of the snapshot, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The generation that the snapshot shows.
    pub generation: u64,
    /// How long ago it was last known to be the store's newest.
    pub age: Duration,
    /// Whether it is that of this device's replica, since the store could not be reached at unlock.
    pub replica: bool,
    /// Why it cannot be made newer: the store is away, or other devices keep committing.
    pub stale: Option<String>,
    /// What is wrong with the stored items; then nothing can be changed.
    pub fault: Option<String>,
}

/// What the newest head that is known says, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadInfo {
    /// The wallet, whatever its name and its store.
    pub wallet_id: [u8; 16],
    /// Number of commits, the first included.
    pub generation: u64,
    /// Number of secrets, those included that were removed and are kept.
    pub count: u64,
    /// When the wallet was made: nanoseconds since 1970.
    pub created_ns: u64,
    /// When the newest commit was made: nanoseconds since 1970.
    pub committed_ns: u64,
}

/// What [`super::Wallet::freshen`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The snapshot was the store's newest less than the cache's life ago.
    Current,
    /// The snapshot could not be made newer, for this reason, and is the last one known to be true.
    Stale(String),
}
