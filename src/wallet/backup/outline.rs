//! What a restore comes to, told before it is made: [`Outline`], [`Affected`].

use std::sync::Arc;

/// What a restore comes to, for the person who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Secrets that are not in the wallet and come back.
    pub added: usize,
    /// Secrets that become what they were.
    pub changed: usize,
    /// Secrets that are not in the backup, and go.
    pub removed: usize,
    /// Secrets that are as they were.
    pub same: usize,
    /// Items of the backup that do not open, and are left out: what the wallet holds of them stays.
    pub damaged: usize,
    /// What is there now.
    pub there: There,
}

/// What a restore finds in the place of the wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    #[default]
    Nothing,
    /// The wallet, whose keys stay.
    Open {
        /// Its generation.
        generation: u64,
        /// When that was committed: nanoseconds since 1970.
        committed_ns: u64,
    },
    /// A head that these passwords do not open: the wallet gets the keys of the backup.
    Closed {
        /// Its generation.
        generation: u64,
        /// Whether it says that it is this wallet's.
        same_wallet: bool,
    },
    /// Items without a head.
    Headless,
}

/// What becomes of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes back.
    Added,
    /// It becomes what it was.
    Changed,
    /// It goes.
    Removed,
}

/// A secret that does not stay as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// What becomes of it.
    pub fate: Fate,
    /// Domain and access, if they open.
    pub name: Option<(Arc<str>, Arc<str>)>,
}
