//! [`Slow`]: a decorator that adds a latency to each call of a store, as a network would. For
//! tests and benchmarks of what waits for the store, and of what must not.

use super::{
    Change, Commit, Cursor, Id, Item, Limits, Notice, Page, Store, StoreError, async_trait,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Waits before each call of the store below; calls wait at the same time, not one after another.
pub struct Slow {
    inner: Arc<dyn Store>,
    /// Shared with the decorators of sibling wallets.
    nanoseconds: Arc<AtomicU64>,
}

impl Slow {
    /// Each call takes `latency` longer.
    pub fn new(inner: Arc<dyn Store>, latency: Duration) -> Self {
        let slow = Slow {
            inner,
            nanoseconds: Arc::default(),
        };
        slow.set(latency);
        slow
    }

    /// From now on each call takes `latency` longer. One of more than 500 years is shortened.
    pub fn set(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    async fn wait(&self) {
        let latency = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }
}

#[async_trait]
impl Store for Slow {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.wait().await;
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        self.wait().await;
        self.inner.get(id).await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        self.wait().await;
        self.inner.list(after).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        self.wait().await;
        self.inner.commit(changes).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn item_size(&self, item: &Item) -> usize {
        self.inner.item_size(item)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn wallet(&self) -> &str {
        self.inner.wallet()
    }

    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        Arc::new(Slow {
            inner: self.inner.sibling(wallet),
            nanoseconds: Arc::clone(&self.nanoseconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn calls_wait_at_the_same_time() {
        let latency = Duration::from_secs(2);
        let store = Slow::new(Arc::new(MemoryStore::new()), latency);
        let begin = Instant::now();
        let (a, b, c) = tokio::join!(
            store.get(Id::Head),
            store.list(None),
            store.commit(Vec::new())
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(begin.elapsed(), latency);

        store.set(Duration::ZERO);
        store.create().await.unwrap();
        assert_eq!(begin.elapsed(), latency);
    }
}
