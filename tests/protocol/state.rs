//! What there is: a store with a head and four places for secrets, and two devices. Bytes are not
//! modelled, but everything that the protocol takes from them is: what was sealed twice differs
//! ([`Seal`]), a digest is the XOR of terms, an item's two parts have the epochs they were sealed
//! under.

use crate::edits::Edit;
use crate::scenes::Scene;
use std::hash::{Hash, Hasher};

/// Devices.
pub(crate) const DEVICES: usize = 2;
/// Places for secrets: two that are there from the start, and one for what each device makes.
pub(crate) const IDS: usize = 4;
/// Places on the first page of a listing; the head comes at the end of the second.
pub(crate) const FIRST_PAGE: usize = 2;
/// Fields of a secret.
pub(crate) const FIELDS: usize = 2;

/// Sealed bytes: every sealing gives others, so this is what tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seal(pub(crate) u8);

/// A field. Value 0: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Field {
    pub(crate) value: u8,
    pub(crate) rev: u8,
}

/// The item of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) version: u8,
    pub(crate) seal: Seal,
    pub(crate) name: u8,
    pub(crate) meta_epoch: u8,
    pub(crate) data_epoch: u8,
    pub(crate) fields: [Field; FIELDS],
    /// Of whom it is; no device sees this.
    pub(crate) by: Option<u8>,
}

pub(crate) type Items = [Option<Item>; IDS];

/// The head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Head {
    pub(crate) version: u8,
    pub(crate) seal: Seal,
    pub(crate) epoch: u8,
    /// The keyring: bit n for epoch n.
    pub(crate) ring: u8,
    pub(crate) digest: u64,
    pub(crate) count: u8,
    /// What the store held with it, or 0; no device sees this.
    pub(crate) truth: u64,
}

/// A change of a commit, of the item in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    /// The item, or none: it is deleted.
    pub(crate) after: Option<Item>,
    /// What it replaces.
    pub(crate) before: Option<Item>,
    /// The field that is changed, and the value that the person saw in it.
    pub(crate) saw: Option<(usize, u8)>,
}

/// A commit that is ready to be sent. The seal of its head serves as its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ready {
    pub(crate) device: usize,
    pub(crate) head: Head,
    pub(crate) expect: u8,
    pub(crate) changes: [Option<Change>; IDS],
    pub(crate) op: Option<u8>,
}

/// What the store says to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    Refused {
        /// The winner, if the head's version was at fault.
        head: Option<Head>,
        /// Whether an item's version was.
        items: bool,
        /// Whether a winner is what was sent.
        own: bool,
    },
}

/// What a device does, beyond a look at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    /// Only loads.
    Nothing,
    Edit(Edit),
    /// A rekey: the new epoch, the walk, the last commit.
    Append,
    Reseal(Edit),
    Drop,
    Restore,
}

/// Where it is with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Idle,
    /// Lists under a head that was read before.
    Loading {
        head: Head,
        first: [Option<Item>; FIRST_PAGE],
        page: usize,
        contradictions: u8,
        then: Doing,
    },
    /// Lists to find what is sealed under an old epoch.
    Walking,
    /// Reads what is there, to restore what was.
    Restoring,
    /// A commit is under way.
    Sent {
        ready: Ready,
        /// How often it was sent again.
        again: u8,
        answer: Option<Answer>,
        doing: Doing,
    },
    /// The deadline is over, and the truth is read.
    Truth {
        ready: Ready,
        doing: Doing,
    },
}

/// Names, values and times in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub(crate) generation: u8,
    /// The epoch of its terms.
    pub(crate) epoch: u8,
    pub(crate) items: Items,
}

/// What ends with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    /// The keys at hand.
    pub(crate) ring: u8,
    pub(crate) tip: Head,
    pub(crate) snapshot: Snapshot,
    pub(crate) task: Task,
    /// A head that a look at the store brought, and the keys at hand when it was asked for.
    pub(crate) looked: Option<(Head, u8)>,
}

/// A device. `.seen` is on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    pub(crate) seen: (u8, Seal),
    /// `None`: not running.
    pub(crate) memory: Option<Memory>,
    /// Of its list of operations, those that it has not begun: a bit each.
    pub(crate) left: u8,
    pub(crate) sealed: u8,
    /// It has refused the store as rolled back, and does nothing until the person restores.
    pub(crate) told: bool,
    /// The newest head that it was shown as true or told of as done; it does not see this.
    pub(crate) known: (u8, Seal),
}

/// What is remembered for the properties; no device sees this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// Two bits for each operation: how often the store made it.
    pub(crate) applied: u16,
    /// Operations that were acknowledged, a bit each.
    pub(crate) acknowledged: u8,
    /// Something was replaced by someone who had not seen it.
    pub(crate) overwritten: bool,
    pub(crate) torn: bool,
    pub(crate) alarmed: bool,
    pub(crate) lost_to_itself: bool,
    pub(crate) misreported: bool,
    pub(crate) deceived: bool,
    pub(crate) rolled_back: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) head: Head,
    pub(crate) items: Items,
    /// What listings may still show in part: what was there before the last commit.
    pub(crate) before: Option<(Head, Items)>,
    /// Tokens of commits that were made, a bit each.
    pub(crate) tokens: u64,
    pub(crate) flights: Vec<Ready>,
    pub(crate) devices: [Device; DEVICES],
    pub(crate) crashes: u8,
    pub(crate) silences: u8,
    pub(crate) looks: u8,
    pub(crate) ghost: Ghost,
}

/// A digest's term.
pub(crate) fn term(id: usize, item: &Item, epoch: u8) -> u64 {
    mix(&(id, item.version, item.seal, epoch))
}

/// What an item holds, wherever it was sealed.
fn mix(what: &impl Hash) -> u64 {
    // Of all hashes this one is the same in every run.
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The digest of these items.
pub(crate) fn digest(items: &Items, epoch: u8) -> u64 {
    let terms = items.iter().enumerate();
    terms.fold(0, |digest, (id, item)| match item {
        Some(item) => digest ^ term(id, item, epoch),
        None => digest,
    })
}

/// All that these items are.
pub(crate) fn truth(items: &Items) -> u64 {
    mix(items)
}

pub(crate) fn count(items: &Items) -> u8 {
    items.iter().flatten().count() as u8
}

/// The newest epoch of a keyring.
pub(crate) fn newest(ring: u8) -> u8 {
    ring.ilog2() as u8
}

impl Snapshot {
    pub(crate) fn bearing(&self, name: u8) -> Option<usize> {
        let bears = |item: &Option<Item>| item.is_some_and(|item| item.name == name);
        self.items.iter().position(bears)
    }
}

impl Memory {
    /// Whether the snapshot shows all commits up to the tip.
    pub(crate) fn complete(&self) -> bool {
        self.snapshot.generation == self.tip.version
    }

    pub(crate) fn terms_are_current(&self) -> bool {
        newest(self.ring) == self.snapshot.epoch
    }

    /// Whether a load that begins may fetch by itself what changed (`Wallet::lacking`); a rekey's
    /// lists everything.
    pub(crate) fn may_catch_up(&self) -> bool {
        let Task::Loading {
            head,
            page: 0,
            then,
            ..
        } = self.task
        else {
            return false;
        };
        let behind = (1..head.version).contains(&self.snapshot.generation);
        behind && self.terms_are_current() && !matches!(then, Doing::Append | Doing::Drop)
    }

    pub(crate) fn advance(&mut self, head: Head) {
        if head.version > self.tip.version {
            self.tip = head;
        }
    }
}

impl State {
    /// Two secrets, both devices with the wallet open.
    pub(crate) fn first(scene: &Scene) -> State {
        let item = |name: u8, value: u8| Item {
            version: 1,
            seal: Seal(name),
            name,
            meta_epoch: 1,
            data_epoch: 1,
            fields: [Field { value, rev: value }, Field { value: 0, rev: 0 }],
            by: None,
        };
        // One with a field, one without any.
        let items = [Some(item(0, 1)), Some(item(1, 0)), None, None];
        let head = Head {
            version: 1,
            seal: Seal(0),
            epoch: 1,
            ring: 0b10,
            digest: digest(&items, 1),
            count: 2,
            truth: truth(&items),
        };
        let memory = Memory {
            ring: head.ring,
            tip: head,
            snapshot: Snapshot {
                generation: 1,
                epoch: 1,
                items,
            },
            task: Task::Idle,
            looked: None,
        };
        let device = |n: usize| Device {
            seen: (1, head.seal),
            memory: Some(memory),
            left: (1 << scene.menus[n].len()) - 1,
            sealed: 0,
            told: false,
            known: (1, head.seal),
        };
        State {
            head,
            items,
            before: None,
            tokens: 0,
            flights: Vec::new(),
            devices: [device(0), device(1)],
            crashes: scene.crashes,
            silences: scene.silences,
            looks: scene.looks,
            ghost: Ghost::default(),
        }
    }

    pub(crate) fn memory(&mut self, device: usize) -> &mut Memory {
        let memory = self.devices[device].memory.as_mut();
        memory.expect("only a device that runs does something")
    }

    /// Bytes that nobody has sealed before.
    pub(crate) fn seal(&mut self, device: usize) -> Seal {
        let sealed = &mut self.devices[device].sealed;
        *sealed += 1;
        assert!(*sealed < 28, "more seals than tokens");
        Seal(4 + device as u8 * 28 + *sealed)
    }
}
