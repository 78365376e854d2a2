//! The memory engine: a store for tests. Listings are cut into pages as DynamoDB cuts them.

use super::{
    Change, Commit, Cursor, Expect, Id, Item, Limits, Notice, Page, Refusal, Store, StoreError,
    item_size, limits,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

type Items = Arc<Mutex<BTreeMap<Id, Item>>>;

/// A store in this process's memory.
pub struct MemoryStore {
    wallet: String,
    items: Items,
    /// The items of every wallet by its name, shared by the stores of sibling wallets.
    wallets: Arc<Mutex<BTreeMap<String, Items>>>,
    page_bytes: usize,
    limits: Limits,
}

impl MemoryStore {
    /// An empty store with DynamoDB's limits and its pages of 1 MiB.
    pub fn new() -> Self {
        Self::with_page_bytes(1 << 20)
    }

    /// An empty store whose pages end once they hold `page_bytes` (tests use small ones).
    pub fn with_page_bytes(page_bytes: usize) -> Self {
        Self::of("default".into(), Arc::default(), page_bytes)
    }

    fn of(wallet: String, wallets: Arc<Mutex<BTreeMap<String, Items>>>, page_bytes: usize) -> Self {
        let items = {
            let mut all = wallets.lock().expect("no holder of this lock panics");
            Arc::clone(all.entry(wallet.clone()).or_default())
        };
        MemoryStore {
            wallet,
            items,
            wallets,
            page_bytes,
            limits: Limits::default(),
        }
    }

    /// The store of another wallet beside this one (see [`Store::sibling`]), as its own type.
    pub fn beside(&self, wallet: &str) -> MemoryStore {
        Self::of(
            wallet.to_owned(),
            Arc::clone(&self.wallets),
            self.page_bytes,
        )
    }

    /// The names of the wallets that hold an item, ascending.
    pub fn wallets(&self) -> Vec<String> {
        let all = self.wallets.lock().expect("no holder of this lock panics");
        let held = all.iter().filter(|(_, items)| {
            let items = items.lock().expect("no holder of this lock panics");
            !items.is_empty()
        });
        held.map(|(name, _)| name.clone()).collect()
    }

    /// The items themselves, for tests that play an adversary.
    pub fn items(&self) -> MutexGuard<'_, BTreeMap<Id, Item>> {
        self.items.lock().expect("no holder of this lock panics")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        Ok(Vec::new())
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        Ok(self.items().get(&id).cloned())
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        let items = self.items();
        let from = after.map_or(Bound::Unbounded, |Cursor(id)| Bound::Excluded(id));
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut bytes = 0;
        for (id, item) in items.range((from, Bound::Unbounded)) {
            page.items.push(item.clone());
            bytes += item_size(&self.wallet, item);
            if bytes >= self.page_bytes {
                page.next = Some(Cursor(*id));
                break;
            }
        }
        Ok(page)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        limits::check(&self.limits, &self.wallet, &changes)?;
        let mut items = self.items();
        let refusals: Vec<Refusal> = changes
            .iter()
            .enumerate()
            .filter_map(|(change, wanted)| {
                let found = items.get(&wanted.id());
                let expected = match wanted {
                    Change::Put {
                        expect: Expect::Absent,
                        ..
                    } => None,
                    Change::Put {
                        expect: Expect::Version(v),
                        ..
                    } => Some(*v),
                    Change::Delete { expect, .. } => Some(*expect),
                };
                let met = found.map(|item| item.version) == expected;
                (!met).then(|| Refusal {
                    change,
                    winner: found.cloned(),
                })
            })
            .collect();
        if !refusals.is_empty() {
            return Ok(Commit::Refused(refusals));
        }
        for change in changes {
            match change {
                Change::Put { item, .. } => items.insert(item.id, item),
                Change::Delete { id, .. } => items.remove(&id),
            };
        }
        Ok(Commit::Done)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn item_size(&self, item: &Item) -> usize {
        item_size(&self.wallet, item)
    }

    fn describe(&self) -> String {
        "memory".into()
    }

    fn wallet(&self) -> &str {
        &self.wallet
    }

    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        Arc::new(self.beside(wallet))
    }
}
