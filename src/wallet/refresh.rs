//! Keeping the snapshot new: one look at the head serves all who wait for it, and none waits while
//! the store is known to be away.

use super::held::Away;
use super::{Freshness, Wallet, WalletError};
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Looks at the head, numbered from 1, one at a time.
#[derive(Default)]
pub(super) struct Refreshing {
    /// The number of the last look that began, and of the last that ended.
    began: AtomicU64,
    ended: AtomicU64,
    /// The last look that ended. Held by the one under way.
    last: tokio::sync::Mutex<Look>,
    /// Whether a look is under way that nobody waits for.
    background: AtomicBool,
}

struct Look {
    number: u64,
    outcome: Result<(), WalletError>,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            number: 0,
            outcome: Ok(()),
        }
    }
}

/// Whose look will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    /// One that ends after now.
    Any,
    /// One that begins after now: it shows every commit that was made before.
    Later,
}

/// What a snapshot is good for.
enum Standing {
    Fresh,
    Old,
    Away(String),
    Refused(WalletError),
}

impl Wallet {
    /// What remains of the snapshot's life: for so long it may be served without asking. `None`: it
    /// is older than [`super::Options::cache_ttl`], or behind commits that are known, or a fault was
    /// found, and [`Wallet::freshen`] comes first. While the store is away the last snapshot lives on between
    /// attempts to reach it; `Some(0)` while one is under way.
    pub fn fresh_for(&self) -> Option<Duration> {
        let now = self.now();
        let ttl = self.options.cache_ttl;
        let left = |since| {
            ttl.checked_sub(now.saturating_sub(since))
                .filter(|left| !left.is_zero())
        };
        let held = self.held();
        held.vault.as_ref()?;
        match &held.away {
            Some(away) => left(away.tried).or_else(|| {
                let trying = self.refreshing.background.load(Ordering::Acquire);
                trying.then_some(Duration::ZERO)
            }),
            None if held.refused.is_some() || held.doubted.is_some() => None,
            None if !held.complete() => None,
            None => left(held.checked),
        }
    }

    /// Makes the snapshot new if it is older than [`super::Options::cache_ttl`]: 1 get of the head,
    /// and, if it moved, 1 get for each secret that changed, where these are known and few, else 1
    /// list for each page. All who call at the same time share one look. When the store is away, or
    /// other devices never stop committing, the last snapshot goes on ([`Freshness::Stale`], logged
    /// once), and later calls do not wait: they have it tried again in the background.
    ///
    /// # Errors
    ///
    /// Faults of what the store holds: [`WalletError::Integrity`], [`WalletError::RolledBack`],
    /// [`WalletError::Vanished`], [`WalletError::KeysChanged`], [`WalletError::Crypto`];
    /// [`WalletError::Record`]; [`WalletError::Locked`].
    pub async fn freshen(&self) -> Result<Freshness, WalletError> {
        match self.standing()? {
            Standing::Fresh => Ok(Freshness::Current),
            Standing::Refused(e) => Err(e),
            Standing::Away(why) => {
                self.look_in_background();
                Ok(Freshness::Stale(why))
            }
            Standing::Old => match Box::pin(self.look(Share::Any)).await {
                Ok(()) => Ok(Freshness::Current),
                Err(e) if is_away(&e) => Ok(Freshness::Stale(e.to_string())),
                Err(e) => Err(e),
            },
        }
    }

    /// Reads the head, however new the snapshot is, and loads if it moved: on return the snapshot
    /// shows every commit made before the call. Comes before an opening for writing.
    ///
    /// # Errors
    ///
    /// As [`Wallet::freshen`]; and [`WalletError::Store`] or [`WalletError::Contended`] where that
    /// goes on from memory.
    pub async fn require_current(&self) -> Result<(), WalletError> {
        self.vault()?;
        Box::pin(self.look(Share::Later)).await
    }

    fn standing(&self) -> Result<Standing, WalletError> {
        let fresh = self.fresh_for().is_some();
        let now = self.now();
        let held = self.held();
        held.vault()?;
        Ok(match (&held.away, &held.refused) {
            (Some(away), _) => Standing::Away(away.why.clone()),
            // A fault is not looked for again at every step of a listing.
            (None, Some((at, e))) if now.saturating_sub(*at) < self.options.cache_ttl => {
                Standing::Refused(e.clone())
            }
            (None, None) if fresh => Standing::Fresh,
            (None, _) => Standing::Old,
        })
    }

    /// Looks at the head, or takes the outcome of another caller's look.
    async fn look(&self, share: Share) -> Result<(), WalletError> {
        let ended = self.refreshing.ended.load(Ordering::Acquire);
        let floor = match share {
            Share::Any => ended,
            Share::Later => self.refreshing.began.load(Ordering::Acquire),
        };
        let mut last = self.refreshing.last.lock().await;
        if last.number > floor {
            return last.outcome.clone();
        }
        // One that was under way found the store away after now: a look of one's own would wait as
        // long again to say the same.
        if last.number > ended && last.outcome.as_ref().is_err_and(is_away) {
            return last.outcome.clone();
        }
        let number = self.refreshing.began.fetch_add(1, Ordering::AcqRel) + 1;
        let outcome = self.look_now().await;
        self.note(&outcome);
        *last = Look {
            number,
            outcome: outcome.clone(),
        };
        self.refreshing.ended.store(number, Ordering::Release);
        outcome
    }

    async fn look_now(&self) -> Result<(), WalletError> {
        let began = self.now();
        let head = self.read_head().await?;
        if self.confirm(head.generation(), began)? {
            return Ok(());
        }
        let turn = self.turn().await;
        // Own commits, or an edit's load, may have come in between.
        if self.confirm(head.generation(), began)? {
            return Ok(());
        }
        let tip = self.held().tip.clone();
        let newest = match head.generation() > tip.generation() {
            true => head,
            false => tip,
        };
        let generation = newest.generation();
        self.load(&turn, newest).await?;
        // That head was the newest when this began, and a load may know better.
        self.confirm(generation, began).map(drop)
    }

    /// Whether the snapshot shows everything up to this generation, which was the store's newest at
    /// some time after `began`; takes note of it if so.
    fn confirm(&self, newest: u64, began: Duration) -> Result<bool, WalletError> {
        let mut held = self.held_mut();
        held.vault()?;
        let current = held.complete() && newest <= held.tip.generation();
        if current {
            held.confirm(began);
        }
        Ok(current)
    }

    /// Takes note of what a look found, and says in the log when the store goes away and comes back,
    /// and each fault once.
    fn note(&self, outcome: &Result<(), WalletError>) {
        let now = self.now();
        let mut held = self.held_mut();
        let was_away = held.away.take().is_some();
        let before = held.refused.take();
        match outcome {
            Err(WalletError::Locked) => {}
            Ok(()) if was_away => tracing::info!("the store answers again"),
            Ok(()) => {}
            Err(e) if is_away(e) => {
                if !was_away {
                    tracing::warn!("reading goes on from memory: {e}");
                }
                held.away = Some(Away {
                    why: e.to_string(),
                    tried: now,
                });
            }
            Err(e) => {
                let known = before.is_some_and(|(_, known)| known.to_string() == e.to_string());
                if !known {
                    tracing::error!("{e}");
                }
                held.refused = Some((now, e.clone()));
            }
        }
    }

    /// Looks at the head without anybody waiting, one look at a time, and not before the last one is
    /// older than the cache's life.
    fn look_in_background(&self) {
        if self.fresh_for().is_some() {
            return;
        }
        let Some(me) = self.me.upgrade() else {
            return;
        };
        if me.refreshing.background.swap(true, Ordering::AcqRel) {
            return;
        }
        let under_way = UnderWay(me);
        tokio::spawn(async move {
            // The outcome is noted, and shown by `state`.
            let _ = under_way.0.look(Share::Any).await;
        });
    }
}

/// A look that nobody waits for; it ends with this.
struct UnderWay(Arc<Wallet>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let background = &self.0.refreshing.background;
        background.store(false, Ordering::Release);
    }
}

/// Whether reading may go on from memory: nothing is wrong with what the store holds, it cannot be
/// asked.
fn is_away(e: &WalletError) -> bool {
    match e {
        WalletError::Contended => true,
        WalletError::Store(e) => match e {
            StoreError::Unreachable(_)
            | StoreError::Deadline
            | StoreError::Busy(_)
            | StoreError::Denied(_)
            | StoreError::Missing(_)
            | StoreError::Full(_)
            | StoreError::Failed(_) => true,
            StoreError::TooLarge(_) | StoreError::Invalid(_) => false,
        },
        _ => false,
    }
}
