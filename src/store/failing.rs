//! [`Failing`]: a decorator that makes chosen calls of a store fail, before their work or after it.
//! For tests of what a failed call leaves behind.

use super::{
    Change, Commit, Cursor, Id, Item, Limits, Notice, Page, Store, StoreError, async_trait,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Fails the calls that its plan chooses. Keep an `Arc` of it to change the plan.
pub struct Failing {
    inner: Arc<dyn Store>,
    /// Shared with the decorators of sibling wallets.
    plan: Arc<Mutex<Option<Plan>>>,
}

type Plan = Box<dyn FnMut(Call<'_>) -> Option<Failure> + Send>;

/// A call that a plan decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// [`Store::create`].
    Create,
    /// [`Store::get`] of this item.
    Get(Id),
    /// [`Store::list`] after this item.
    List(Option<Cursor>),
    /// [`Store::commit`] of these changes.
    Commit(&'a [Change]),
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The call does nothing and gives this error.
    Before(StoreError),
    /// The call does its work, but its answer is lost and this error given instead.
    After(StoreError),
}

impl Failing {
    /// Fails nothing as yet.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Failing {
            inner,
            plan: Arc::default(),
        }
    }

    /// From now on `plan` is asked at each call whether it fails.
    pub fn plan(&self, plan: impl FnMut(Call<'_>) -> Option<Failure> + Send + 'static) {
        *self.lock() = Some(Box::new(plan));
    }

    /// From now on every call does nothing and gives this error, as when the store is away.
    pub fn fail_all(&self, error: StoreError) {
        self.plan(move |_| Some(Failure::Before(error.clone())));
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run<T>(
        &self,
        failure: Option<Failure>,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match failure {
            None => work.await,
            Some(Failure::Before(error)) => Err(error),
            Some(Failure::After(error)) => work.await.and(Err(error)),
        }
    }

    fn ask(&self, call: Call<'_>) -> Option<Failure> {
        self.lock().as_mut().and_then(|plan| plan(call))
    }
}

#[async_trait]
impl Store for Failing {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        let failure = self.ask(Call::Create);
        self.run(failure, self.inner.create()).await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        let failure = self.ask(Call::Get(id));
        self.run(failure, self.inner.get(id)).await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        let failure = self.ask(Call::List(after));
        self.run(failure, self.inner.list(after)).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        let failure = self.ask(Call::Commit(&changes));
        self.run(failure, self.inner.commit(changes)).await
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
        Arc::new(Failing {
            inner: self.inner.sibling(wallet),
            plan: Arc::clone(&self.plan),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bytes, Expect, MemoryStore};
    use super::*;

    fn head() -> Item {
        Item {
            id: Id::Head,
            version: 1,
            meta: Bytes::new(),
            data: Bytes::new(),
        }
    }

    fn put() -> Vec<Change> {
        vec![Change::Put {
            item: head(),
            expect: Expect::Absent,
        }]
    }

    #[tokio::test]
    async fn before_does_nothing_and_after_does_it() {
        let store = Failing::new(Arc::new(MemoryStore::new()));
        store.fail_all(StoreError::Deadline);
        assert_eq!(store.commit(put()).await, Err(StoreError::Deadline));
        store.heal();
        assert_eq!(store.get(Id::Head).await, Ok(None));

        store.plan(|call| match call {
            Call::Commit([_]) => Some(Failure::After(StoreError::Deadline)),
            _ => None,
        });
        assert_eq!(store.commit(put()).await, Err(StoreError::Deadline));
        assert_eq!(store.get(Id::Head).await, Ok(Some(head())));
    }

    #[tokio::test]
    async fn a_plan_counts_as_it_likes() {
        let store = Failing::new(Arc::new(MemoryStore::new()));
        let mut calls = 0;
        store.plan(move |call| {
            calls += usize::from(matches!(call, Call::Get(_)));
            (calls == 2).then_some(Failure::Before(StoreError::Deadline))
        });
        assert_eq!(store.get(Id::Head).await, Ok(None));
        assert_eq!(store.get(Id::Head).await, Err(StoreError::Deadline));
        assert_eq!(store.get(Id::Head).await, Ok(None));
    }
}
