//! The attacks: what a store makes of a wallet's items, or answers in their place, and what is to be
//! said of it.

use crate::head::RawHead;
use crate::lies::Lie;
use crate::operations::Op;
use crate::places::Oddity;
use crate::scene::{Items, MEMORABLE, Scene};
use crate::two_keys::{GUESS, slot_for_two};
use std::sync::Arc;
use walletfs::store::{Bytes, Cursor, Id, Item, Page};

/// An attack.
#[derive(Clone)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) how: How,
    /// Exit codes that it may lead to.
    pub(crate) codes: &'static [u8],
    /// What is said of it: one of these.
    pub(crate) says: &'static [&'static str],
    /// Operations that tell it, and do not merely show what is true.
    pub(crate) tells: &'static [Op],
}

type Change = Arc<dyn Fn(&Scene, &mut Items) + Send + Sync>;

#[derive(Clone)]
pub(crate) enum How {
    /// The items that are stored are these instead.
    Stored(Change),
    /// The target's row is one that no walletfs writes.
    Odd(Oddity),
    /// What is stored is whole, and the answers are not.
    Answers(fn(&Scene) -> Lie),
}

/// An item that is not the last commit's.
const ITEM: &[Op] = &[Op::Mount, Op::Check, Op::Backup, Op::Rekey];
/// Values that are not those of their item.
const VALUES: &[Op] = &[Op::ReadTarget, Op::Check, Op::Backup, Op::Rekey];
/// A head that is not the last commit's.
const HEAD: &[Op] = &[
    Op::Mount,
    Op::List,
    Op::ReadTarget,
    Op::ReadOther,
    Op::Check,
    Op::Backup,
    Op::Rekey,
];
/// A listing that is none.
const LISTING: &[Op] = ITEM;

const VOUCHED: &str = "are not those that the head vouches for";
/// What a check says of the same.
const NOT_ALL: &str = "the secrets are not all those that the last commit left";
const UNOPENED: &str = "its name, sizes and times do not open";
const NO_VALUES: &str = "its values do not open";
const DAMAGED: &str = "are damaged";
/// What a backup says of an item.
const IS_DAMAGED: &str = "is damaged";
const NEWER: &str = "newer than the head";
const COUNTED: &str = "and the head";
const OUT_OF_ORDER: &str = "out of order";
const TWICE: &str = "lists an item twice";
const ENDLESS: &str = "come to it";
const UNCHANGEABLE: &str = "nothing can be changed until";
const ROLLED_BACK: &str = "rolled back";
const SECOND: &str = "second history";
const UNHEARD: &str = "what walletfs does not write";
const NO_HEAD: &str = "the head does not open";
const WRONG: &str = "wrong memorable password";

/// Everything that may be said of an item that is not the last commit's.
const OF_ITEMS: &[&str] = &[
    VOUCHED,
    NOT_ALL,
    UNOPENED,
    NO_VALUES,
    DAMAGED,
    IS_DAMAGED,
    NEWER,
    COUNTED,
    UNCHANGEABLE,
];
const OF_LISTINGS: &[&str] = &[
    OUT_OF_ORDER,
    TWICE,
    ENDLESS,
    "lead on",
    "goes back",
    COUNTED,
    "with the head",
    "repeat",
    "its head is missing",
    "but not its head",
    UNOPENED,
    "does not end",
    "does not come to an end",
    NOT_ALL,
];

fn stored(
    name: &'static str,
    tells: &'static [Op],
    says: &'static [&'static str],
    codes: &'static [u8],
    how: impl Fn(&Scene, &mut Items) + Send + Sync + 'static,
) -> Attack {
    Attack {
        name,
        how: How::Stored(Arc::new(how)),
        codes,
        says,
        tells,
    }
}

fn item(name: &'static str, how: impl Fn(&Scene, &mut Items) + Send + Sync + 'static) -> Attack {
    stored(name, ITEM, OF_ITEMS, &[15], how)
}

fn values(name: &'static str, how: impl Fn(&Scene, &mut Items) + Send + Sync + 'static) -> Attack {
    stored(name, VALUES, OF_ITEMS, &[15], how)
}

/// The head's public part is changed.
fn head(
    name: &'static str,
    says: &'static [&'static str],
    codes: &'static [u8],
    how: fn(&mut RawHead),
) -> Attack {
    stored(name, HEAD, says, codes, move |_, items| {
        let mut head = RawHead::of(items);
        how(&mut head);
        head.put(items);
    })
}

fn answers(name: &'static str, tells: &'static [Op], how: fn(&Scene) -> Lie) -> Attack {
    Attack {
        name,
        how: How::Answers(how),
        codes: &[15],
        says: OF_LISTINGS,
        tells,
    }
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

fn short(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len() - 1)
}

/// Bytes that nobody compresses.
fn junk(len: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Attacks on items.
fn on_items() -> Vec<Attack> {
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

/// Attacks on the head, and on everything at once.
fn on_heads() -> Vec<Attack> {
    // What was written over a head of the same number is of another history.
    const BACK: &[&str] = &[ROLLED_BACK, SECOND, NEWER, NOT_ALL, COUNTED, "is gone"];
    vec![
        stored("an old head", HEAD, BACK, &[15, 16], |s, items| {
            items.insert(Id::Head, s.early[&Id::Head].clone());
        }),
        stored("everything, old", HEAD, BACK, &[15, 16], |s, items| {
            *items = s.early.clone();
        }),
        stored(
            "a fork of the same length",
            HEAD,
            BACK,
            &[15, 16],
            |s, items| {
                *items = s.fork.clone();
            },
        ),
        stored("no head", HEAD, BACK, &[15, 16], |_, items| {
            items.remove(&Id::Head);
        }),
        stored("nothing", HEAD, BACK, &[15, 16], |_, items| items.clear()),
        stored(
            "another wallet",
            HEAD,
            &[WRONG, "of another wallet"],
            &[10, 15],
            |s, items| *items = s.foreign.clone(),
        ),
        stored(
            "a wallet of another id, by the same keys",
            HEAD,
            &["another wallet", UNOPENED],
            &[15, 16],
            |s, items| *items = s.renamed.clone(),
        ),
        stored(
            "the head's data cut short",
            HEAD,
            &[NO_HEAD],
            &[15],
            |_, items| {
                let head = items.get_mut(&Id::Head).unwrap();
                head.data = short(&head.data);
            },
        ),
        stored("a giant head", HEAD, &["64 KiB"], &[15], |_, items| {
            items.get_mut(&Id::Head).unwrap().meta = junk(390 << 10);
        }),
        stored(
            "a head cut short",
            HEAD,
            &["walletfs's format"],
            &[15],
            |_, items| {
                let head = items.get_mut(&Id::Head).unwrap();
                head.meta = short(&head.meta);
            },
        ),
        stored(
            "a head under another version",
            HEAD,
            &[NO_HEAD],
            &[15],
            |_, items| {
                items.get_mut(&Id::Head).unwrap().version += 1;
            },
        ),
        head("weak key derivation", &["outside what"], &[15], |h| {
            h.slots[0].kdf = [8, 1, 1];
        }),
        head("a cheaper device key", &["outside what"], &[15], |h| {
            h.kdf = [8, 1, 1]
        }),
        head("absurd key derivation", &["outside what"], &[15], |h| {
            h.slots[0].kdf = [u32::MAX; 3];
        }),
        head("dear key derivation", &[WRONG, NO_HEAD], &[10, 15], |h| {
            h.slots[0].kdf = [128 << 10, 2, 1];
        }),
        head("an unknown way in", &[WRONG, NO_HEAD], &[10, 15], |h| {
            h.slots[0].kind = 99
        }),
        head("a thousand ways in", &["more than 8 slots"], &[15], |h| {
            h.slots = vec![h.slots[0].clone(); 200];
        }),
        head("no way in", &["walletfs's format", "missing"], &[15], |h| {
            h.slots.clear()
        }),
        head("a format of a later time", &["format 2"], &[15], |h| {
            h.format = 2
        }),
        head("a required feature", &["requires \"glass\""], &[15], |h| {
            h.features = vec!["glass".into()];
        }),
        head(
            "a feature with no proper name",
            &["proper name"],
            &[15],
            |h| {
                h.features = vec!["\u{1b}[2J".into()];
            },
        ),
        head("another salt", &[WRONG, NO_HEAD], &[10, 15], |h| {
            h.slots[0].salt[0] ^= 1
        }),
        stored(
            "a slot for two passwords, proof of the right one",
            HEAD,
            &["walletfs's format", NO_HEAD],
            &[15],
            |s, items| slot_for_two(s, items, MEMORABLE),
        ),
        stored(
            "a slot for two passwords, proof of the other",
            HEAD,
            &[WRONG, NO_HEAD],
            &[10, 15],
            |s, items| slot_for_two(s, items, GUESS),
        ),
        stored(
            "two secrets of one name",
            &[Op::Check],
            &["has the same name"],
            &[15],
            |s, items| *items = s.namesakes.clone(),
        ),
    ]
}

/// The id after another one.
fn after(cursor: Option<Cursor>, n: u128) -> Id {
    let first = match cursor {
        Some(Cursor(Id::Secret(raw))) => u128::from_be_bytes(raw) + 1,
        _ => 0,
    };
    Id::Secret((first + n).to_be_bytes())
}

fn pages(lie: impl Fn(Page) -> Page + Send + Sync + 'static) -> Lie {
    Lie::Pages(Arc::new(lie))
}

/// Made-up items without end, a page of so many of this size after the other.
fn without_end(number: u128, bytes: usize) -> Lie {
    let data = junk(bytes);
    Lie::MadeUp(Arc::new(move |cursor| {
        let item = |n| Item {
            id: after(cursor, n),
            version: 1,
            meta: Bytes::from_static(b"made up"),
            data: data.clone(),
        };
        let items: Vec<Item> = (0..number).map(item).collect();
        let next = items.last().map(|item| Cursor(item.id));
        Page { items, next }
    }))
}

/// Attacks by answers.
fn by_answers() -> Vec<Attack> {
    const NONE: &[Op] = &[];
    let told = |attack: Attack, codes, says| Attack {
        codes,
        says,
        ..attack
    };
    vec![
        answers("an item listed twice", LISTING, |_| {
            pages(|mut page| {
                page.items.insert(1, page.items[0].clone());
                page
            })
        }),
        answers("a removed item listed twice", LISTING, |scene| {
            let gone = scene.early[&scene.gone].clone();
            pages(move |mut page| {
                page.items.retain(|item| item.id < gone.id);
                page.items.extend([gone.clone(), gone.clone()]);
                page
            })
        }),
        answers("a listing out of order", LISTING, |_| {
            pages(|mut page| {
                page.items.swap(0, 1);
                page
            })
        }),
        answers("a listing without the head", LISTING, |_| {
            pages(|mut page| {
                page.items.retain(|item| item.id != Id::Head);
                page
            })
        }),
        answers("the same page for ever", LISTING, |_| {
            pages(|page| Page {
                next: page.items.first().map(|item| Cursor(item.id)),
                ..page
            })
        }),
        answers("empty pages for ever", LISTING, |_| {
            Lie::MadeUp(Arc::new(|cursor| Page {
                items: Vec::new(),
                next: Some(Cursor(after(cursor, 0))),
            }))
        }),
        answers("items without end", LISTING, |_| without_end(1000, 100)),
        answers("large items without end", LISTING, |_| {
            without_end(60, 16 << 10)
        }),
        told(
            answers("a giant page", LISTING, |_| {
                let Lie::MadeUp(made_up) = without_end(30, 390 << 10) else {
                    unreachable!("they are made up")
                };
                Lie::MadeUp(Arc::new(move |cursor| Page {
                    next: None,
                    ..made_up(cursor)
                }))
            }),
            // DynamoDB has no answers so long.
            &[1, 13, 15],
            &[
                "with the head",
                UNOPENED,
                "but not its head",
                "the store failed",
                "cannot be reached",
                "did not answer",
            ],
        ),
        told(
            answers(
                "another item for the one asked for",
                &[Op::ReadTarget],
                |scene| {
                    let (target, other) = (scene.target, scene.now[&scene.other].clone());
                    Lie::Gets(Arc::new(move |id, item| match id == target {
                        true => Some(other.clone()),
                        false => item,
                    }))
                },
            ),
            &[15],
            &[DAMAGED],
        ),
        told(
            answers(
                "an old item for the one asked for",
                &[Op::ReadTarget],
                |scene| {
                    let (target, old) = (scene.target, scene.early[&scene.target].clone());
                    Lie::Gets(Arc::new(move |id, item| match id == target {
                        true => Some(old.clone()),
                        false => item,
                    }))
                },
            ),
            &[15],
            &[DAMAGED],
        ),
        told(
            answers("a commit that is not made", NONE, |_| {
                Lie::Commits(|_| false)
            }),
            &[15, 16],
            &[ROLLED_BACK, DAMAGED, VOUCHED, "under an old epoch"],
        ),
        told(
            answers("a commit of the head alone", NONE, |_| {
                Lie::Commits(|id| id == Id::Head)
            }),
            &[15, 16],
            &[VOUCHED, DAMAGED, NOT_ALL, ROLLED_BACK],
        ),
        told(
            answers("a commit without the head", NONE, |_| {
                Lie::Commits(|id| id != Id::Head)
            }),
            &[15, 16],
            &[VOUCHED, NEWER, ROLLED_BACK, DAMAGED, "under an old epoch"],
        ),
        told(
            answers("a commit that is always refused", NONE, |_| Lie::Refuses),
            &[17],
            &["other devices"],
        ),
    ]
}

/// Every attack.
pub(crate) fn all() -> Vec<Attack> {
    [on_items(), on_heads(), by_answers()].concat()
}
