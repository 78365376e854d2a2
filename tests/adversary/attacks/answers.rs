//! Attacks by answers: what is stored is whole.

use super::*;
use walletfs::store::{Cursor, Id, Item, Page};

fn answers(name: &'static str, tells: &'static [Op], how: fn(&Scene) -> Lie) -> Attack {
    Attack {
        name,
        how: How::Answers(how),
        codes: &[15],
        says: OF_LISTINGS,
        tells,
    }
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
pub(super) fn attacks() -> Vec<Attack> {
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
        answers("pages of 1 MB without end", LISTING, |_| {
            without_end(250, 4 << 10)
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
                COUNTED,
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
