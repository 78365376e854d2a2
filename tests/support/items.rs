//! Items and changes for tests of stores.

use walletfs::store::{Bytes, Change, Expect, Id, Item, Store};

/// The secret's id whose first bytes are `n`, so that ids order as their numbers.
pub(crate) fn id(n: u32) -> Id {
    let mut raw = [0x5a; 16];
    raw[..4].copy_from_slice(&n.to_be_bytes());
    Id::Secret(raw)
}

/// An item whose bytes tell its id and version apart from any other's.
pub(crate) fn item(id: Id, version: u64) -> Item {
    Item {
        id,
        version,
        meta: Bytes::from(format!("meta of {id} at {version}")),
        data: Bytes::from(format!("data of {id} at {version}")),
    }
}

/// An item whose size, as the store counts it, is `bytes`.
pub(crate) fn item_of(store: &dyn Store, id: Id, version: u64, bytes: usize) -> Item {
    let mut item = item(id, version);
    item.data = Bytes::new();
    let rest = bytes - store.item_size(&item);
    item.data = (0..rest)
        .map(|i| (i * 31 + version as usize) as u8)
        .collect();
    assert_eq!(store.item_size(&item), bytes);
    item
}

pub(crate) fn create(item: &Item) -> Change {
    Change::Put {
        item: item.clone(),
        expect: Expect::Absent,
    }
}

pub(crate) fn replace(item: &Item, version: u64) -> Change {
    Change::Put {
        item: item.clone(),
        expect: Expect::Version(version),
    }
}

pub(crate) fn delete(id: Id, version: u64) -> Change {
    Change::Delete {
        id,
        expect: version,
    }
}

/// Every item, page by page.
pub(crate) async fn all(store: &dyn Store) -> Vec<Item> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(after).await.expect("a page");
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}
