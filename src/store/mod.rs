//! Where items live: the [`Store`] trait, its value types and its engines.
//!
//! A store holds the items of one wallet, each an id, a version and two opaque byte strings, and
//! promises three things: reads are strongly consistent, a commit happens whole or not at all, and
//! every change of a commit is conditional on what it replaces. Nothing here sees plaintext.
//! Absence and refusal are values; an [`StoreError`] means that the store could not answer.

mod counting;
mod dynamodb;
mod error;
mod failing;
pub mod foreign;
mod id;
mod limits;
mod memory;
mod slow;
mod sqlite;

use async_trait::async_trait;
use std::sync::Arc;

pub use bytes::Bytes;
pub use counting::{Counting, Tally};
pub use dynamodb::{
    AccessKey, DynamoOptions, DynamoStore, Profile, ProfileKind, Timeouts, Tuning, profiles,
};
pub use error::StoreError;
pub use failing::{Call, Failing, Failure};
pub use id::{Id, IdText};
pub use limits::{Limits, item_size};
pub use memory::MemoryStore;
pub use slow::Slow;
pub use sqlite::{Refresh, Replica, SqliteStore, remove_replica};

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The item's name in the store, for its whole life.
    pub id: Id,
    /// The generation of the commit that wrote it.
    pub version: u64,
    /// Opaque here: sealed metadata (for the head, its public part).
    pub meta: Bytes,
    /// Opaque here: sealed values (for the head, its sealed part).
    pub data: Bytes,
}

/// What a put finds in its place, or the commit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No item of this id.
    Absent,
    /// An item of this version.
    Version(u64),
}

/// One conditional change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write `item` if what is there is as expected.
    Put {
        /// The new item.
        item: Item,
        /// What it replaces.
        expect: Expect,
    },
    /// Remove the item if it has this version.
    Delete {
        /// The item to remove.
        id: Id,
        /// The version it must have.
        expect: u64,
    },
}

impl Change {
    /// The id that the change is about. A commit names each id at most once.
    pub fn id(&self) -> Id {
        match self {
            Change::Put { item, .. } => item.id,
            Change::Delete { id, .. } => *id,
        }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// Every change was made.
    Done,
    /// No change was made: those named here did not find what they expected.
    Refused(Vec<Refusal>),
}

/// A change at fault in a refused commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the change in the commit.
    pub change: usize,
    /// The item that is there instead, if any.
    pub winner: Option<Item>,
}

/// Where a listing goes on: after this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub Id);

/// A part of a listing. It may be empty and still be followed by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items, ascending by id, as the store gave them: the reader checks the order.
    pub items: Vec<Item>,
    /// Where the next page begins, or `None` after the last one.
    pub next: Option<Cursor>,
}

/// Something that [`Store::create`] could not switch on and went on without, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub String);

/// Holds the items of one wallet. Every call but [`Store::create`] ends within [`DEADLINE`],
/// retries included.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes what holds items (a table, a file). Harmless when it is there. May take two minutes,
    /// since DynamoDB takes its time to make a table.
    async fn create(&self) -> Result<Vec<Notice>, StoreError>;

    /// One item, strongly consistent. Absence is a value.
    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError>;

    /// The page of items whose ids follow `after`, ascending, strongly consistent. The head sorts
    /// last. Pages of one listing are not a snapshot of one moment.
    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError>;

    /// Makes all changes or none. Each id stands at most once in `changes`. An outcome that is
    /// unknown (a time-out, a cut connection) is found out before this returns: never an error for
    /// a commit that happened, unless the store stays away past the deadline.
    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError>;

    /// What one commit and one item may carry.
    fn limits(&self) -> Limits;

    /// Size in bytes that `item` counts in this store, names and keys of attributes included.
    fn item_size(&self, item: &Item) -> usize;

    /// Where this is, for people: never holds a secret.
    fn describe(&self) -> String;

    /// The wallet's name.
    fn wallet(&self) -> &str;

    /// The items of another wallet in the same place, with the same settings. Makes no request.
    fn sibling(&self, wallet: &str) -> Arc<dyn Store>;
}

/// The time within which a store call ends.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
