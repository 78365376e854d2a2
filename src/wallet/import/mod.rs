//! Secrets of other managers: read from what they leave, compared with the wallet, put into it and
//! read back.
//!
//! Each format has a file of its own that makes [`Found`] secrets of bytes: a function of its
//! arguments, which bounds what it reads, and whose errors say where in the source the trouble is
//! and never quote it. [`naming`] then judges the names, [`Wallet::compare`] tells what is there
//! already, [`Wallet::import`] puts the rest in commits as large as the store takes, and
//! [`Wallet::read_back`] looks in the store at every value that was put.

pub mod bitwarden;
mod compare;
pub mod csv;
mod fields;
pub mod json;
pub mod kdbx;
pub mod keepass;
mod lines;
mod loose;
mod moment;
pub mod naming;
pub mod onepux;
pub mod pass;
mod put;
mod read_back;
pub mod secret_wallet;
mod text;
pub mod tree;

use super::Field;
use crate::crypto::SecretBytes;
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(doc)]
use super::Wallet;

pub use compare::Standing;
pub(crate) use fields::{Fields, value};
pub(super) use moment::{parse as parse_moment, plain as plain_moment, write as write_moment};
pub use put::{Stopped, puts};
pub use text::Text;

/// The largest source that is read, in bytes: far above any wallet of passwords, and small enough
/// for a machine's memory.
pub const MOST_BYTES: usize = 64 << 20;

/// Secrets that a source may hold. A wallet of more is none that other managers make, and a hostile
/// file of empty ones would fill the memory.
pub const MOST_SECRETS: usize = 100_000;

/// Fields that one secret may have: more never fit into an item.
pub const MOST_FIELDS: usize = 10_000;

/// A secret as a source holds it, its names not judged yet.
pub struct Found {
    /// Where in the source it is, without any name of it: `entry 3`.
    pub origin: String,
    /// Its domain, or what shall become it.
    pub domain: String,
    /// Its access.
    pub access: String,
    /// Its fields. An info key may still be empty or too long.
    pub fields: BTreeMap<Field, FoundField>,
}

/// A field of a [`Found`] secret. Several may share one value.
pub struct FoundField {
    /// The bytes, exact.
    pub value: Arc<SecretBytes>,
    /// When it was last changed, nanoseconds since 1970, if the source says so.
    pub mtime_ns: Option<i64>,
    /// Owner's permission bits, if the source has such.
    pub mode: Option<u32>,
}

/// What a source holds.
#[derive(Default)]
pub struct Source {
    /// Its secrets, in its order.
    pub secrets: Vec<Found>,
    /// What of it is not taken since it has no place in a wallet, as sentences.
    pub left_out: Vec<String>,
    /// What of it should be taken and cannot be, as sentences.
    pub lost: Vec<String>,
    /// Room for the names of further secrets.
    room: NameRoom,
}

/// Bytes that names may still take. A source says a name once, a folder's or a column's, and every
/// secret below it has a copy: few bytes could ask for any amount of memory.
struct NameRoom(usize);

impl Default for NameRoom {
    fn default() -> Self {
        NameRoom(MOST_BYTES)
    }
}

impl NameRoom {
    /// Takes room for names of so many bytes.
    fn take(&mut self, bytes: usize) -> Result<(), SourceError> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            SourceError::TooLarge(format!(
                "its names take more than {} MiB: that is no wallet of passwords",
                MOST_BYTES >> 20
            ))
        })?;
        Ok(())
    }
}

/// Why a source is not read. Nothing of it is quoted.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not of the format that it is said to be.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than any that is read.
    #[error("{0}")]
    TooLarge(String),
    /// Its password, or another part of its key, is wrong.
    #[error("{0}")]
    WrongPassword(String),
}

impl SourceError {
    pub(crate) fn malformed(what: impl Into<String>) -> SourceError {
        SourceError::Malformed(what.into())
    }
}

impl Source {
    /// Takes up one more secret.
    pub fn push(&mut self, secret: Found) -> Result<(), SourceError> {
        if self.secrets.len() >= MOST_SECRETS {
            return Err(too_many());
        }
        let keys = secret.fields.keys().map(|field| match field {
            Field::Uid | Field::Pwd => 0,
            Field::Info(key) => key.len(),
        });
        let names = secret.domain.len() + secret.access.len() + keys.sum::<usize>();
        self.room.take(names)?;
        self.secrets.push(secret);
        Ok(())
    }

    /// Says what is not taken, if any is.
    pub fn leave_out(&mut self, count: usize, what: &str) {
        if count > 0 {
            self.left_out.push(format!("{count} {what}"));
        }
    }

    /// Says what cannot be taken, if any cannot.
    pub fn lose(&mut self, count: usize, what: &str) {
        if count > 0 {
            self.lost.push(format!("{count} {what}"));
        }
    }
}

pub(crate) fn too_many() -> SourceError {
    SourceError::TooLarge(format!(
        "it holds more than {MOST_SECRETS} secrets: split it, and import the parts"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_take_any_amount_of_memory() {
        let long = "x".repeat(MOST_BYTES / 4);
        let mut source = Source::default();
        let mut pushed = 0;
        let refused = loop {
            let secret = Fields::default().into_found("entry".into(), &long, "a");
            match source.push(secret) {
                Ok(()) => pushed += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(pushed, 3);
        assert!(matches!(refused, SourceError::TooLarge(_)));
    }
}
