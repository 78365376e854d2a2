//! Attacks on the items of secrets: parts and items of other places and times, cut short, made up.

use super::*;
use crate::places::Oddity;
use walletfs::store::{Id, Item};

fn item(name: &'static str, how: impl Fn(&Scene, &mut Items) + Send + Sync + 'static) -> Attack {
    stored(name, ITEM, OF_ITEMS, &[15], how)
}

fn values(name: &'static str, how: impl Fn(&Scene, &mut Items) + Send + Sync + 'static) -> Attack {
    stored(name, VALUES, OF_ITEMS, &[15], how)
}

/// Takes a part of another item.
fn graft(items: &mut Items, id: Id, from: &Item, meta: bool, data: bool) {
    let item = items.get_mut(&id).unwrap();
    if meta {
        item.meta = from.meta.clone();
    }
    if data {
        item.data = from.data.clone();
    }
}

/// Attacks on items.
pub(super) fn attacks() -> Vec<Attack> {
    vec![
        item("two items swapped", |s, items| {
            let (a, b) = (items[&s.target].clone(), items[&s.other].clone());
            items.insert(s.target, Item { id: s.target, ..b });
            items.insert(s.other, Item { id: s.other, ..a });
        }),
        item("two metas swapped", |s, items| {
            let (a, b) = (items[&s.target].clone(), items[&s.other].clone());
            graft(items, s.target, &b, true, false);
            graft(items, s.other, &a, true, false);
        }),
        values("two data swapped", |s, items| {
            let (a, b) = (items[&s.target].clone(), items[&s.other].clone());
            graft(items, s.target, &b, false, true);
            graft(items, s.other, &a, false, true);
        }),
        item("an old meta on new data", |s, items| {
            graft(items, s.target, &s.early[&s.target], true, false);
        }),
        values("old data under a new meta", |s, items| {
            graft(items, s.target, &s.early[&s.target], false, true);
        }),
        item("an old item", |s, items| {
            items.insert(s.target, s.early[&s.target].clone());
        }),
        item("an old item with the new version", |s, items| {
            let version = items[&s.target].version;
            let old = s.early[&s.target].clone();
            items.insert(s.target, Item { version, ..old });
        }),
        item("a refused writer's item", |s, items| {
            items.insert(s.target, s.fork[&s.target].clone());
        }),
        item("a refused writer's meta", |s, items| {
            graft(items, s.target, &s.fork[&s.target], true, false);
        }),
        values("a refused writer's data", |s, items| {
            graft(items, s.target, &s.fork[&s.target], false, true);
        }),
        item("an item deleted", |s, items| drop(items.remove(&s.target))),
        item("an item copied under another id", |s, items| {
            let id = Id::Secret([0; 16]);
            let copy = items[&s.target].clone();
            items.insert(id, Item { id, ..copy });
        }),
        item("a removed item again", |s, items| {
            items.insert(s.gone, s.early[&s.gone].clone());
        }),
        item("a removed item for another", |s, items| {
            items.remove(&s.target);
            items.insert(s.gone, s.early[&s.gone].clone());
        }),
        item("an item of another wallet", |s, items| {
            let (id, foreign) = s.foreign.iter().next().unwrap();
            items.remove(&s.target);
            items.insert(*id, foreign.clone());
        }),
        item("a version of a later time", |s, items| {
            items.get_mut(&s.target).unwrap().version = i64::MAX as u64;
        }),
        item("a meta cut short", |s, items| {
            let item = items.get_mut(&s.target).unwrap();
            item.meta = short(&item.meta);
        }),
        item("no meta", |s, items| {
            items.get_mut(&s.target).unwrap().meta = Bytes::new();
        }),
        values("data cut short", |s, items| {
            let item = items.get_mut(&s.target).unwrap();
            item.data = short(&item.data);
        }),
        item("a giant meta", |s, items| {
            items.get_mut(&s.target).unwrap().meta = junk(390 << 10);
        }),
        values("giant data", |s, items| {
            items.get_mut(&s.target).unwrap().data = junk(390 << 10);
        }),
        odd("an id that is none", Oddity::Id, ITEM),
        odd("a text for bytes", Oddity::Text, ITEM),
        odd("a negative version", Oddity::Negative, ITEM),
        odd("a row beyond all bounds", Oddity::Giant, VALUES),
    ]
}

fn odd(name: &'static str, oddity: Oddity, tells: &'static [Op]) -> Attack {
    Attack {
        name,
        how: How::Odd(oddity),
        codes: &[1, 15],
        says: &[
            UNHEARD,
            "the store failed",
            NO_VALUES,
            DAMAGED,
            IS_DAMAGED,
            COUNTED,
        ],
        tells,
    }
}
