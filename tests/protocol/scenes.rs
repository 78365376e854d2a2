//! What is played: which operations the devices have to make, and what goes wrong meanwhile. Each
//! scene is checked whole: every order of every step.

/// An operation that a person asks for. Places and fields are numbers, names too: the secrets in
/// places 0 and 1 are called 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Write {
        secret: usize,
        field: usize,
    },
    /// Makes a secret of this name, in the device's own place.
    Create(u8),
    Rename {
        secret: usize,
        to: u8,
    },
    Remove(usize),
    Rekey,
    /// Brings back what was there at the start.
    Restore,
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Of each device: it makes these, each once, in any order or not at all.
    pub(crate) menus: [&'static [Op]; 2],
    /// Ends of a process.
    pub(crate) crashes: u8,
    /// Answers that do not come in time.
    pub(crate) silences: u8,
    /// Looks at the head beside what is done.
    pub(crate) looks: u8,
    /// Whether listings may show a commit in part.
    pub(crate) in_part: bool,
    /// Whether the store's operator puts back an older state of it, once.
    pub(crate) rolled_back: bool,
    /// Whether the store forgets tokens.
    pub(crate) forgets: bool,
}

impl Scene {
    /// The same three times, each with one more of something that goes wrong.
    pub(crate) fn larger(self) -> [Scene; 3] {
        let (crashes, silences, looks) = (self.crashes + 1, self.silences + 1, self.looks + 1);
        [
            Scene { crashes, ..self },
            Scene { silences, ..self },
            Scene { looks, ..self },
        ]
    }
}

use Op::*;

const NOTHING: Scene = Scene {
    name: "",
    menus: [&[], &[]],
    crashes: 0,
    silences: 0,
    looks: 0,
    in_part: false,
    rolled_back: false,
    forgets: false,
};

const A: Op = Write {
    secret: 0,
    field: 0,
};
const B: Op = Write {
    secret: 0,
    field: 1,
};
const EMPTY: Op = Write {
    secret: 1,
    field: 0,
};

/// Values: other fields of a secret, the same field, and an answer that does not come.
pub(crate) const VALUES: Scene = Scene {
    name: "values",
    menus: [&[A, EMPTY], &[A, B]],
    silences: 1,
    in_part: true,
    ..NOTHING
};

/// The same, with looks meanwhile and the end of a process.
pub(crate) const LOOKS: Scene = Scene {
    name: "looks",
    menus: [&[A, EMPTY], &[B]],
    crashes: 1,
    looks: 2,
    ..NOTHING
};

/// Names: two makers of one name, renames to it, and a removal of what is being written to.
pub(crate) const NAMES: Scene = Scene {
    name: "names",
    menus: [
        &[Create(2), Rename { secret: 0, to: 2 }, EMPTY],
        &[Create(2), Rename { secret: 1, to: 2 }, Remove(1)],
    ],
    in_part: true,
    ..NOTHING
};

/// A secret that is made, while its answer is late, and removed by the other.
pub(crate) const LATE: Scene = Scene {
    name: "late answers",
    menus: [&[Create(2), A], &[Remove(2), A]],
    silences: 2,
    crashes: 1,
    ..NOTHING
};

/// A store that forgets tokens, and another device that commits meanwhile.
pub(crate) const FORGETS: Scene = Scene {
    name: "forgotten tokens",
    menus: [&[Create(2), A], &[EMPTY]],
    silences: 2,
    forgets: true,
    ..NOTHING
};

/// A rekey that may stop anywhere, beside writes and a rename.
pub(crate) const REKEY: Scene = Scene {
    name: "rekey",
    menus: [&[Rekey, Rekey], &[A, Rename { secret: 0, to: 2 }]],
    crashes: 1,
    ..NOTHING
};

/// The same with looks, which bring new keys in the middle of a commit.
pub(crate) const KEYS: Scene = Scene {
    name: "keys that change",
    menus: [&[EMPTY, Rekey], &[A]],
    looks: 1,
    ..NOTHING
};

/// Two that rekey at once.
pub(crate) const REKEYS: Scene = Scene {
    name: "two rekeys",
    menus: [&[Rekey], &[Rekey, A]],
    ..NOTHING
};

/// A restore beside a write and a new secret.
pub(crate) const RESTORE: Scene = Scene {
    name: "restore",
    menus: [&[A, Restore], &[A, Create(2)]],
    looks: 1,
    ..NOTHING
};

/// An older state in the store, and a restore as the way out.
pub(crate) const ROLLBACK: Scene = Scene {
    name: "rollback",
    menus: [&[A, Restore], &[B]],
    crashes: 1,
    looks: 1,
    rolled_back: true,
    ..NOTHING
};

/// A restore in the middle of a rekey: it brings items under the old epoch.
pub(crate) const BOTH: Scene = Scene {
    name: "restore and rekey",
    menus: [&[Rekey, A], &[EMPTY, Restore]],
    ..NOTHING
};

/// Every scene.
pub(crate) const ALL: [Scene; 11] = [
    VALUES, LOOKS, NAMES, LATE, FORGETS, REKEY, KEYS, REKEYS, RESTORE, ROLLBACK, BOTH,
];
