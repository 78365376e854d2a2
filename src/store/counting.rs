//! [`Counting`]: a decorator that counts the calls of a store. What a call costs in requests is
//! money and latency, so tests assert exact numbers.

use super::{
    Change, Commit, Cursor, Id, Item, Limits, Notice, Page, Store, StoreError, async_trait,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the calls of the store below. Keep an `Arc` of it to read the counts.
pub struct Counting {
    inner: Arc<dyn Store>,
    /// Shared with the decorators of sibling wallets, whose calls are counted too.
    tally: Arc<Mutex<Tally>>,
}

/// Calls made, failed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of [`Store::create`].
    pub creates: usize,
    /// Calls of [`Store::get`].
    pub gets: usize,
    /// Calls of [`Store::list`]: one for each page.
    pub lists: usize,
    /// Calls of [`Store::commit`].
    pub commits: usize,
    /// Changes in those commits.
    pub changes: usize,
}

impl Counting {
    /// Counts from zero.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Counting {
            inner,
            tally: Arc::default(),
        }
    }

    /// The calls so far.
    pub fn tally(&self) -> Tally {
        *self.lock()
    }

    /// The calls so far; counts from zero again.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Counting {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.lock().creates += 1;
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        self.lock().gets += 1;
        self.inner.get(id).await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        self.lock().lists += 1;
        self.inner.list(after).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        {
            let mut tally = self.lock();
            tally.commits += 1;
            tally.changes += changes.len();
        }
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
        Arc::new(Counting {
            inner: self.inner.sibling(wallet),
            tally: Arc::clone(&self.tally),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bytes, Expect, MemoryStore};
    use super::*;

    #[tokio::test]
    async fn every_call_is_counted() {
        let store = Counting::new(Arc::new(MemoryStore::new()));
        let put = |id| Change::Put {
            item: Item {
                id,
                version: 1,
                meta: Bytes::new(),
                data: Bytes::new(),
            },
            expect: Expect::Absent,
        };
        store.create().await.unwrap();
        store.get(Id::Head).await.unwrap();
        store.get(Id::Head).await.unwrap();
        store.list(None).await.unwrap();
        let changes = vec![put(Id::Head), put(Id::Secret([0; 16]))];
        assert_eq!(store.commit(changes).await, Ok(Commit::Done));
        let expected = Tally {
            creates: 1,
            gets: 2,
            lists: 1,
            commits: 1,
            changes: 2,
        };
        assert_eq!(store.tally(), expected);
        assert_eq!(store.take(), expected);
        assert_eq!(store.tally(), Tally::default());
    }
}
