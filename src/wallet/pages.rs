//! [`Pages`]: a walk through every item of a store. The next page can be fetched while this one is
//! used. A store that makes items up, repeats them or leads nowhere is not followed for ever.

use super::WalletError;
use crate::store::{Cursor, Id, Item, Page, Store, StoreError};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Items that a listing may bring beyond twice those that are expected (others may be adding some:
/// these are ten commits within the moments of a listing), and pages in a row without any, before the
/// store is taken to make them up. Each may be of 400 KB, and some who list keep them all.
pub(super) const MORE_ITEMS: u64 = 1_000;
pub(super) const EMPTY_PAGES: u32 = 100;

/// Items that a listing may bring where no head vouches for their number.
pub(super) const UNCOUNTED: u64 = 1_000_000;

/// What comes next in a walk.
pub(super) enum Step {
    /// The items of a page, ascending and above those of every earlier page.
    Items(Vec<Item>),
    /// There are no more.
    End,
    /// There are far more than there can be.
    Endless,
}

/// A walk. Dropping it gives up what is being fetched.
pub(super) struct Pages {
    store: Arc<dyn Store>,
    /// The next page, if it is being fetched.
    coming: JoinSet<Result<Page, StoreError>>,
    /// Where the page after the last one begins; `None` after all of them.
    next: Option<Option<Cursor>>,
    /// The highest id so far.
    last: Option<Id>,
    /// Items so far, and pages without any since the last that had some.
    items: u64,
    empty: u32,
}

impl Pages {
    /// Begins: makes no request yet.
    pub(super) fn of(store: &Arc<dyn Store>) -> Pages {
        Pages {
            store: store.clone(),
            coming: JoinSet::new(),
            next: Some(None),
            last: None,
            items: 0,
            empty: 0,
        }
    }

    /// Has the next page be fetched from now on, if there is one.
    pub(super) fn fetch(&mut self) {
        if let (Some(after), true) = (self.next, self.coming.is_empty()) {
            let store = self.store.clone();
            self.coming.spawn(async move { store.list(after).await });
        }
    }

    /// The next step; `expected` is how many items there should be.
    ///
    /// # Errors
    ///
    /// [`WalletError::Integrity`] if ids repeat or do not ascend, or the store's cursor does not lead
    /// on; whatever the store says.
    pub(super) async fn next(&mut self, expected: u64) -> Result<Step, WalletError> {
        let most = expected.saturating_mul(2).saturating_add(MORE_ITEMS);
        if self.next.is_some() && (self.items > most || self.empty > EMPTY_PAGES) {
            return Ok(Step::Endless);
        }
        self.fetch();
        let page = match self.coming.join_next().await {
            None => return Ok(Step::End),
            Some(Ok(page)) => page?,
            Some(Err(e)) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // Cancelled: the runtime is ending, and this task with it.
            Some(Err(_)) => std::future::pending().await,
        };
        self.check_order(&page)?;
        self.next = page.next.map(Some);
        self.items += page.items.len() as u64;
        self.empty = match page.items.is_empty() {
            true => self.empty + 1,
            false => 0,
        };
        Ok(Step::Items(page.items))
    }

    /// As [`Pages::next`], where an endless listing is a fault and nothing else is to be found out.
    pub(super) async fn items(&mut self, expected: u64) -> Result<Option<Vec<Item>>, WalletError> {
        match self.next(expected).await? {
            Step::Items(items) => Ok(Some(items)),
            Step::End => Ok(None),
            Step::Endless => Err(WalletError::Integrity(
                "the store's listing does not come to an end".into(),
            )),
        }
    }

    /// Refuses ids that repeat or do not ascend, within a page or from one to the next, and a cursor
    /// that does not lead on.
    fn check_order(&mut self, page: &Page) -> Result<(), WalletError> {
        for item in &page.items {
            if self.last.is_some_and(|last| item.id <= last) {
                return Err(WalletError::Integrity(
                    "the store's listing repeats an item or is out of order".into(),
                ));
            }
            self.last = Some(item.id);
        }
        let after = self.next.flatten();
        let leads_on = page.next.is_none_or(|Cursor(next)| {
            self.last.is_none_or(|last| next >= last)
                && after.is_none_or(|Cursor(after)| next > after)
        });
        match leads_on {
            true => Ok(()),
            false => Err(WalletError::Integrity(
                "the store's listing does not lead on".into(),
            )),
        }
    }
}
