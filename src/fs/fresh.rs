//! How fresh the snapshot is that a call sees: as the cache's life demands, or, for an opening for
//! writing, as of now.
//!
//! An opening for writing reads the head. When the snapshot was old, the lookup that the kernel
//! sends just before has done so already, on behalf of the same thread: that one look serves both.

use super::Fs;
use super::error::FsResult;
use crate::wallet::Freshness;
use std::time::{Duration, Instant};

/// How long a lookup's look at the head serves the open that follows it.
const SERVES: Duration = Duration::from_millis(100);

/// A look at the head by a lookup, which the same thread's next open may take for its own.
pub(super) struct Look {
    tid: u32,
    at: Instant,
}

impl Fs {
    /// Makes the snapshot as fresh as the cache's life demands. While the store is away, reads go
    /// on from the last snapshot.
    pub(super) async fn freshen(&self) -> FsResult<()> {
        if self.wallet.fresh_for().is_none() {
            self.wallet.freshen().await?;
        }
        Ok(())
    }

    /// As [`Fs::freshen`], for a lookup by the thread `tid`.
    pub(super) async fn freshen_for(&self, tid: u32) -> FsResult<()> {
        if self.wallet.fresh_for().is_none() && self.wallet.freshen().await? == Freshness::Current {
            *self.look() = Some(Look {
                tid,
                at: Instant::now(),
            });
        }
        Ok(())
    }

    /// Makes the snapshot as fresh as an opening by the thread `tid` demands.
    pub(super) async fn freshen_to_open(&self, tid: u32, write: bool) -> FsResult<()> {
        let look = self.look().take();
        if !write {
            return self.freshen().await;
        }
        let served = look.is_some_and(|look| look.tid == tid && look.at.elapsed() < SERVES);
        if !served || self.wallet.fresh_for().is_none() {
            self.wallet.require_current().await?;
        }
        Ok(())
    }
}
