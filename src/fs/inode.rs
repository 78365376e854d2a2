//! Inode numbers: which number stands for what, and for how long.
//!
//! A number is given at the first mention (a lookup or a listing, so that both agree) and stays
//! with its thing through renames. It is taken back when the kernel has forgotten it and the thing
//! is no longer there. Nothing here knows a wallet; callers say when a thing is gone.

use super::own::Own;
use crate::store::Id;
use crate::wallet::Field;
use std::collections::HashMap;
use std::sync::Arc;

/// An inode number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ino(pub u64);

impl Ino {
    /// `/` (FUSE_ROOT_ID).
    pub const ROOT: Ino = Ino(1);
    /// `/.walletfs`.
    pub const CONTROL: Ino = Ino(2);
    /// `/.walletfs/status`.
    pub const STATUS: Ino = Ino(3);
}

/// A file's place: a field of a secret, stored or not (yet).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The secret's id.
    pub secret: Id,
    /// The field that its name shows.
    pub field: Field,
}

/// What an inode number stands for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// `/`
    Root,
    /// `/.walletfs`, or something in it.
    Own(Own),
    /// `/D`, by its key.
    Domain(Arc<str>),
    /// `/D/A`, by its item's id.
    Secret(Id),
    /// `/D/A/F`
    File(Place),
}

impl Node {
    /// Whether it is a file, not a directory.
    pub(super) fn is_file(&self) -> bool {
        match self {
            Node::Root | Node::Domain(_) | Node::Secret(_) => false,
            Node::Own(own) => own.is_file(),
            Node::File(_) => true,
        }
    }
}

struct Entry {
    /// `None`: removed or replaced, and still held by the kernel.
    node: Option<Node>,
    is_file: bool,
    lookups: u64,
}

/// The table of inode numbers.
pub(super) struct Inodes {
    entries: HashMap<Ino, Entry>,
    numbers: HashMap<Node, Ino>,
    next: u64,
}

impl Inodes {
    pub(super) fn new() -> Self {
        let mut inodes = Inodes {
            entries: HashMap::new(),
            numbers: HashMap::new(),
            next: Ino::ROOT.0,
        };
        for (node, ino) in [
            (Node::Root, Ino::ROOT),
            (Node::Own(Own::Control), Ino::CONTROL),
            (Node::Own(Own::Status), Ino::STATUS),
        ] {
            assert_eq!(inodes.number(&node), ino, "the fixed inodes come first");
        }
        inodes
    }

    /// The number of `node`, given now if it has none.
    pub(super) fn number(&mut self, node: &Node) -> Ino {
        if let Some(ino) = self.numbers.get(node) {
            return *ino;
        }
        let ino = Ino(self.next);
        self.next += 1;
        self.entries.insert(
            ino,
            Entry {
                node: Some(node.clone()),
                is_file: node.is_file(),
                lookups: 0,
            },
        );
        self.numbers.insert(node.clone(), ino);
        ino
    }

    /// The number of `node`, if it has one.
    pub(super) fn find(&self, node: &Node) -> Option<Ino> {
        self.numbers.get(node).copied()
    }

    /// What `ino` stands for; `None` when that was removed or the number was never given.
    pub(super) fn node(&self, ino: Ino) -> Option<&Node> {
        self.entries.get(&ino)?.node.as_ref()
    }

    /// Whether `ino` stands for a directory, or did until that was removed.
    pub(super) fn is_directory(&self, ino: Ino) -> bool {
        self.entries.get(&ino).is_some_and(|entry| !entry.is_file)
    }

    /// The kernel was given `ino` once more (a lookup, a create, a readdirplus entry).
    pub(super) fn look_up(&mut self, ino: Ino) {
        if let Some(entry) = self.entries.get_mut(&ino) {
            entry.lookups += 1;
        }
    }

    /// The kernel gives back `count` lookups of `ino`. `there` says whether its node still exists:
    /// if not, and the kernel holds it no more, the number is dropped.
    pub(super) fn forget(&mut self, ino: Ino, count: u64, there: bool) {
        let Some(entry) = self.entries.get_mut(&ino) else {
            return;
        };
        entry.lookups = entry.lookups.saturating_sub(count);
        if entry.lookups == 0 && (entry.node.is_none() || !there) {
            self.drop_entry(ino);
        }
    }

    /// `from` is called `to` now and keeps its number. What `to` was is replaced; its number is
    /// returned.
    pub(super) fn rename(&mut self, from: &Node, to: Node) -> Option<Ino> {
        let replaced = if *from == to { None } else { self.detach(&to) };
        if let Some(ino) = self.numbers.remove(from) {
            if let Some(entry) = self.entries.get_mut(&ino) {
                entry.node = Some(to.clone());
            }
            self.numbers.insert(to, ino);
        }
        replaced
    }

    /// `node` was removed. Its number, if it had one, stands for nothing any more; it is not given
    /// again.
    pub(super) fn detach(&mut self, node: &Node) -> Option<Ino> {
        let ino = self.numbers.remove(node)?;
        let entry = self
            .entries
            .get_mut(&ino)
            .expect("each number has an entry");
        entry.node = None;
        if entry.lookups == 0 {
            self.entries.remove(&ino);
        }
        Some(ino)
    }

    fn drop_entry(&mut self, ino: Ino) {
        if let Some(Entry {
            node: Some(node), ..
        }) = self.entries.remove(&ino)
        {
            self.numbers.remove(&node);
        }
    }

    /// How many numbers are given out (tests watch for leaks).
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Node {
        Node::File(Place {
            secret: Id::Secret([7; 16]),
            field: Field::Info(name.into()),
        })
    }

    #[test]
    fn a_number_stays_through_a_rename_and_is_not_reused() {
        let mut inodes = Inodes::new();
        let a = inodes.number(&file("a"));
        let b = inodes.number(&file("b"));
        inodes.look_up(b);
        assert_eq!(inodes.rename(&file("a"), file("b")), Some(b));
        assert_eq!(inodes.find(&file("b")), Some(a));
        assert!(
            inodes.node(b).is_none(),
            "replaced, still held by the kernel"
        );
        let again = inodes.number(&file("a"));
        assert!(again != a && again != b);
    }

    #[test]
    fn forgotten_numbers_of_what_is_gone_are_dropped() {
        let mut inodes = Inodes::new();
        let before = inodes.len();
        let a = inodes.number(&file("a"));
        inodes.look_up(a);
        inodes.look_up(a);
        inodes.forget(a, 1, false);
        assert_eq!(inodes.len(), before + 1, "the kernel still holds one");
        inodes.forget(a, 1, true);
        assert_eq!(
            inodes.find(&file("a")),
            Some(a),
            "still there: listings show the same number"
        );
        inodes.look_up(a);
        inodes.detach(&file("a"));
        inodes.forget(a, 1, false);
        assert_eq!(inodes.len(), before);
        inodes.number(&file("b"));
        inodes.detach(&file("b"));
        assert_eq!(inodes.len(), before, "removed before the kernel knew it");
    }
}
