//! [`Adversary`]: a store that answers what it likes, from the moment it is told to.

use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use walletfs::store::{
    Change, Commit, Cursor, Id, Item, Limits, Notice, Page, Refusal, Store, StoreError,
};

/// How it lies.
#[derive(Clone)]
pub(crate) enum Lie {
    /// Not at all.
    None,
    /// A page of a listing.
    Pages(Arc<dyn Fn(Page) -> Page + Send + Sync>),
    /// Pages of what is not there at all.
    MadeUp(Arc<dyn Fn(Option<Cursor>) -> Page + Send + Sync>),
    /// A single item.
    Gets(Arc<dyn Fn(Id, Option<Item>) -> Option<Item> + Send + Sync>),
    /// The winner that a refused commit carries.
    Winners(Arc<dyn Fn(Id, Option<Item>) -> Option<Item> + Send + Sync>),
    /// A commit that is said to be made: only the changes of these items are.
    Commits(fn(Id) -> bool),
    /// A commit is refused, with the head that is there, again and again.
    Refuses,
}

pub(crate) struct Adversary {
    inner: Arc<dyn Store>,
    lie: Lie,
    lies: AtomicBool,
}

impl Adversary {
    /// Honest at first.
    pub(crate) fn new(inner: Arc<dyn Store>, lie: Lie) -> Arc<Adversary> {
        Arc::new(Adversary {
            inner,
            lie,
            lies: AtomicBool::new(false),
        })
    }

    pub(crate) fn begin(&self) {
        self.lies.store(true, Ordering::SeqCst);
    }

    fn lie(&self) -> &Lie {
        match self.lies.load(Ordering::SeqCst) {
            true => &self.lie,
            false => &Lie::None,
        }
    }
}

#[async_trait]
impl Store for Adversary {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        let item = self.inner.get(id).await?;
        Ok(match self.lie() {
            Lie::Gets(lie) => lie(id, item),
            _ => item,
        })
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        match self.lie() {
            // Of a wallet of one page.
            Lie::Pages(lie) => Ok(lie(self.inner.list(None).await?)),
            Lie::MadeUp(lie) => Ok(lie(after)),
            _ => self.inner.list(after).await,
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        match self.lie() {
            Lie::Commits(keep) => {
                let kept: Vec<Change> = changes.into_iter().filter(|c| keep(c.id())).collect();
                if !kept.is_empty() {
                    let _ = self.inner.commit(kept).await?;
                }
                Ok(Commit::Done)
            }
            Lie::Refuses => Ok(Commit::Refused(vec![Refusal {
                change: changes.len() - 1,
                winner: self.inner.get(Id::Head).await?,
            }])),
            Lie::Winners(lie) => {
                let ids: Vec<Id> = changes.iter().map(Change::id).collect();
                Ok(match self.inner.commit(changes).await? {
                    Commit::Done => Commit::Done,
                    Commit::Refused(refusals) => {
                        let forged = refusals.into_iter().map(|refusal| Refusal {
                            winner: lie(ids[refusal.change], refusal.winner),
                            ..refusal
                        });
                        Commit::Refused(forged.collect())
                    }
                })
            }
            _ => self.inner.commit(changes).await,
        }
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

    /// Another wallet's items are left alone.
    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        self.inner.sibling(wallet)
    }
}
