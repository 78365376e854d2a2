//! Secrets: snapshot, read, change, merge.
//!
//! A [`Wallet`] holds the names, sizes and times of every secret in memory (the snapshot), true for
//! one generation, and a bounded cache of sealed values. Reads are answered from these without a
//! store for as long as [`Options::cache_ttl`]; then the head is read, one item, and only if it
//! moved what changed is fetched, or everything is loaded again. A change is one conditional commit that carries the head, so that
//! writers are serialised by the store, and what they make of the snapshot is known without a load.
//!
//! Nothing here knows file names, inodes or any engine of a store.
//!
//! Locks, in the order in which they are taken: `refreshing` (one look at the head at a time),
//! `commits` (commits and loads, which exclude each other), then `held` or `bodies`, for moments and
//! never both.

mod apply;
pub mod backup;
mod bodies;
mod catch_up;
mod check;
mod draft;
mod edit;
mod error;
pub mod export;
mod head;
mod held;
pub mod history;
pub mod import;
mod index;
mod life;
mod load;
pub mod name;
mod opening;
mod options;
mod pages;
mod patience;
mod plan;
pub mod record;
mod refresh;
mod rekey;
mod replica;
mod seal;
pub(crate) mod seen;
mod size;
mod snapshot;
mod state;
pub mod trash;
mod utc;
mod value;
mod view;
mod ways;

use crate::crypto::{Vault, Way};
use crate::store::Store;
use bodies::Bodies;
use head::Head;
use held::Held;
use refresh::Refreshing;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;
use tokio::sync::watch;

pub use bodies::Body;
pub use check::{Fault, Findings, Touched};
pub use edit::{Applied, Edit, Expected, FieldChange, FieldEdit, FieldPut, SecretPut, There};
pub use error::WalletError;
pub use options::{Clock, Options, SystemClock, Told};
pub use record::{Field, FieldMeta, Meta};
pub use rekey::RekeyProgress;
pub use seen::{Rollback, Seen, Sighting};
pub use state::{Freshness, HeadInfo, State};
pub use utc::utc;
pub use view::{Secret, View};
pub use ways::NewDevice;

/// An unlocked wallet. Made by [`Wallet::create`], [`Wallet::unlock`] or [`Wallet::join`].
pub struct Wallet {
    store: Arc<dyn Store>,
    seen: Seen,
    /// Set while the disk is about to be asked to take what was seen.
    syncing: Arc<AtomicBool>,
    options: Options,
    held: RwLock<Held>,
    bodies: Mutex<Bodies>,
    /// Held by whoever commits or loads: the snapshot changes only under it.
    commits: tokio::sync::Mutex<()>,
    refreshing: Refreshing,
    /// Edits that are being made, or wait for their turn.
    edits: watch::Sender<usize>,
    me: Weak<Wallet>,
}

/// An edit that is being made, until it is dropped.
struct EditUnderWay<'a>(&'a watch::Sender<usize>);

impl Drop for EditUnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|edits| *edits -= 1);
    }
}

/// What remains of the keys after [`Wallet::lock`].
pub struct Wiped {
    vault: Weak<Vault>,
    way: Weak<Way>,
}

impl Wiped {
    /// Whether nobody holds the keys any more, so that they are wiped: a call that was using them
    /// when the wallet was locked does so until it ends.
    pub fn is_done(&self) -> bool {
        self.vault.strong_count() == 0 && self.way.strong_count() == 0
    }
}

/// Proof that `Wallet::commits` is held.
struct Turn<'a> {
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Wallet {
    /// The wallet of this head, its snapshot still to be loaded.
    fn new(
        store: Arc<dyn Store>,
        seen: Seen,
        options: Options,
        vault: Vault,
        way: Way,
        tip: Head,
    ) -> Arc<Wallet> {
        Arc::new_cyclic(|me| Wallet {
            store,
            seen,
            syncing: Arc::default(),
            held: RwLock::new(Held {
                vault: Some(Arc::new(vault)),
                way: Some(Arc::new(way)),
                tip: Arc::new(tip),
                snapshot: Default::default(),
                checked: Duration::ZERO,
                doubted: None,
                away: None,
                replica_ns: None,
                refused: None,
            }),
            bodies: Mutex::new(Bodies::new(options.cache_bytes)),
            commits: Default::default(),
            refreshing: Default::default(),
            edits: watch::Sender::new(0),
            me: me.clone(),
            options,
        })
    }

    /// What the newest head that is known says.
    pub fn head_info(&self) -> HeadInfo {
        let held = self.held();
        let (sighting, data) = (&held.tip.sighting, &held.tip.data);
        HeadInfo {
            wallet_id: sighting.wallet_id,
            generation: sighting.generation,
            count: data.count,
            created_ns: data.created_ns,
            committed_ns: data.committed_ns,
        }
    }

    /// The state of the snapshot.
    pub fn state(&self) -> State {
        let now = self.now();
        let wall_ns = self.options.clock.wall_ns();
        let held = self.held();
        let since_ns = |then: i64| u64::try_from(wall_ns.saturating_sub(then)).unwrap_or(0);
        State {
            generation: held.snapshot.generation,
            age: match held.replica_ns {
                Some(then) => Duration::from_nanos(since_ns(then)),
                None => now.saturating_sub(held.checked),
            },
            replica: held.replica_ns.is_some(),
            stale: held.away.as_ref().map(|away| away.why.clone()),
            fault: held.snapshot.fault.clone(),
        }
    }

    /// The snapshot, as it is now, however old.
    pub fn view(&self) -> View<'_> {
        View(self.held())
    }

    /// Waits for the edits that are being made, and for those that wait their turn. Whoever only
    /// reads is not waited for, whatever the store lets him wait for.
    pub async fn settled(&self) {
        // The sender lives as long as this does.
        let _ = self.edits.subscribe().wait_for(|edits| *edits == 0).await;
    }

    /// Notes an edit, for as long as the guard lives.
    fn under_way(&self) -> EditUnderWay<'_> {
        self.edits.send_modify(|edits| *edits += 1);
        EditUnderWay(&self.edits)
    }

    /// Drops the keys and all that is in memory. Every later call gives [`WalletError::Locked`];
    /// one under way ends as it can, and keeps nothing.
    pub fn lock(&self) -> Wiped {
        let mut held = self.held_mut();
        let (vault, way) = (held.vault.take(), held.way.take());
        held.snapshot = Default::default();
        drop(held);
        self.bodies().close();
        Wiped {
            vault: vault.as_ref().map_or_else(Weak::new, Arc::downgrade),
            way: way.as_ref().map_or_else(Weak::new, Arc::downgrade),
        }
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().expect("no holder of this lock panics")
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().expect("no holder of this lock panics")
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().expect("no holder of this lock panics")
    }

    fn vault(&self) -> Result<Arc<Vault>, WalletError> {
        self.held().vault().cloned()
    }

    fn now(&self) -> Duration {
        self.options.clock.monotonic()
    }

    async fn turn(&self) -> Turn<'_> {
        Turn {
            _held: self.commits.lock().await,
        }
    }
}
