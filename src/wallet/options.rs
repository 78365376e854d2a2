//! [`Options`] of an unlocked wallet, and the [`Clock`] it reads.

use crate::crypto::{OsRandom, Random};
use crate::store::Replica;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Told as a long operation goes on: steps done, and steps in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Whom to tell, for operations that nobody waits for in one place.
pub type Told = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// Tells nobody.
pub fn quietly(_done: u64, _all: u64) {}

/// How an unlocked wallet behaves.
#[derive(Clone)]
pub struct Options {
    /// How long a snapshot is used before the head is read again. Default: 1 s.
    pub cache_ttl: Duration,
    /// Bytes of sealed values kept in memory. Default: 64 MiB.
    pub cache_bytes: usize,
    /// Refuse every change with [`super::WalletError::ReadOnly`]. Default: no.
    pub read_only: bool,
    /// Values that each field had before, and that are kept: [`super::history::MOST`] at most.
    /// Default: 10.
    pub history: usize,
    /// How long secrets that were removed are kept, so that they can be brought back; zero: not at
    /// all. Default: 30 days.
    pub trash: Duration,
    /// Where to keep a copy of the sealed items for the time when the store cannot be reached.
    /// Default: nowhere.
    pub replica: Option<Arc<Replica>>,
    /// Told as a load goes on. Default: nobody.
    pub progress: Told,
    /// The time, for ages and for dates in items.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids, nonces, keys and back-off.
    pub random: Arc<dyn Random>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_ttl: Duration::from_secs(1),
            cache_bytes: 64 << 20,
            read_only: false,
            history: super::history::KEPT,
            trash: super::trash::days(super::trash::KEPT_DAYS),
            replica: None,
            progress: Arc::new(quietly),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }
}

impl Options {
    /// The date of a commit: nanoseconds since 1970, 0 if the clock says before.
    pub(super) fn date_ns(&self) -> u64 {
        u64::try_from(self.clock.wall_ns()).unwrap_or(0)
    }
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970 by the wall clock.
    fn wall_ns(&self) -> i64;

    /// Time since some fixed moment, never going back: ages are measured with it.
    fn monotonic(&self) -> Duration;
}

/// The clock of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ns(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        }
    }

    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}
