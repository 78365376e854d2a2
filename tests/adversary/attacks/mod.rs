//! The attacks: what a store makes of a wallet's items, or answers in their place, and what is to be
//! said of it.

mod answers;
mod heads;
mod items;

use crate::lies::Lie;
use crate::operations::Op;
use crate::places::Oddity;
use crate::scene::{Items, Scene};
use std::sync::Arc;
use walletfs::store::Bytes;

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

/// Every attack.
pub(crate) fn all() -> Vec<Attack> {
    [items::attacks(), heads::attacks(), answers::attacks()].concat()
}
