//! A fault and what it comes to ([`Row`]); a store that has it ([`Rig`]).

use crate::mounts::Wallet;
use crate::outcomes::Expect;
use std::sync::Arc;
use walletfs::store::Store;

/// A fault, and what it comes to.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Calls that memory answers.
    pub(crate) memory: Expect,
    /// Calls that ask the store: a cold read, opening for writing.
    pub(crate) asks: Expect,
    /// Calls that commit.
    pub(crate) commits: Expect,
    /// The exit code of `mount`.
    pub(crate) mount: i32,
    /// What the log, or `mount`, says of it.
    pub(crate) says: &'static str,
    /// Whether a commit that fails may have been made.
    pub(crate) may_apply: bool,
}

/// A store that has a fault while it is told to.
pub(crate) trait Rig: Send + Sync {
    /// The device.
    fn wallet(&self) -> &Wallet;
    /// What comes before anything is mounted.
    fn prepare(&self) {}
    /// The fault begins.
    fn inject(&self);
    /// It ends.
    fn heal(&self);
    /// As [`Rig::heal`], for a mount whose credentials nobody renews.
    fn relent(&self) {
        self.heal();
    }
    /// The store, as another device that the fault does not concern has it.
    fn direct(&self) -> Arc<dyn Store>;
    /// The store with its fault, for a mount of this process.
    fn through(&self) -> Arc<dyn Store>;
    /// Calls of the store that met the fault.
    fn injected(&self) -> usize;
    /// Commits that another device made meanwhile.
    fn others(&self) -> u64 {
        0
    }
}
