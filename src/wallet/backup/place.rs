//! What stands in a wallet's place in a store, whether or not it is a wallet.

use super::sealed::list;
use super::{Keys, Sealed};
use crate::store::{Id, Item, Store};
use crate::wallet::head::Head;
use crate::wallet::load::{BETWEEN, LISTINGS};
use crate::wallet::pages::UNCOUNTED;
use crate::wallet::patience::Patience;
use crate::wallet::{Options, WalletError};
use std::sync::Arc;

/// What a store holds in the wallet's place.
pub(super) struct Place {
    pub(super) items: Vec<Item>,
    pub(super) head: Option<Item>,
    /// Whether it is anything but a wallet that `current` opens and that is in order.
    pub(super) faults: bool,
}

/// Everything that a store holds of a wallet, under one head, or without one.
pub(super) async fn place(
    store: &Arc<dyn Store>,
    current: Option<&Keys>,
    options: &Options,
) -> Result<Place, WalletError> {
    let mut patience = Patience::new();
    let mut contradictions = 0;
    loop {
        let before = store.get(Id::Head).await?;
        // Nothing vouches for how many there are, as yet.
        let mut items = list(store, UNCOUNTED).await?;
        let head = items.pop_if(|item| item.id == Id::Head);
        if head != before {
            patience.pause(&*options.random).await?;
            contradictions = 0;
            continue;
        }
        let faults = match (&head, current) {
            (Some(item), Some(keys)) => match Head::open(&keys.0, item.clone()) {
                Ok(head) => {
                    let all = items.iter().cloned().chain([item.clone()]).collect();
                    let sealed = Sealed::new(all)?;
                    if sealed.mismatch(&keys.0, &head)?.is_some() {
                        contradictions += 1;
                        if contradictions < LISTINGS {
                            tokio::time::sleep(BETWEEN).await;
                            continue;
                        }
                    }
                    !sealed.faults(&keys.0)?.is_empty()
                }
                Err(_) => true,
            },
            _ => true,
        };
        return Ok(Place {
            items,
            head,
            faults,
        });
    }
}
