//! Attacks on the head, and on everything at once.

use super::*;
use crate::head::RawHead;
use walletfs::store::Id;

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

/// All of them.
pub(super) fn attacks() -> Vec<Attack> {
    // What was written over a head of the same number is of another history.
    const BACK: &[&str] = &[
        ROLLED_BACK,
        SECOND,
        NEWER,
        NOT_ALL,
        COUNTED,
        VOUCHED,
        "is gone",
    ];
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
        // There is a removed secret, which would be one again.
        head("a required feature taken out", &[NO_HEAD], &[15], |h| {
            assert_eq!(h.features, ["trash"]);
            h.features.clear();
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
            |s, items| *items = s.two_keys[0].clone(),
        ),
        stored(
            "a slot for two passwords, proof of the other",
            HEAD,
            &[WRONG, NO_HEAD],
            &[10, 15],
            |s, items| *items = s.two_keys[1].clone(),
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
