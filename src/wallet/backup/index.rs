//! The index of a wallet's backups: a wallet `NAME.backup-index` without a head, with one small item
//! for each backup. Its id is the 16 characters of the backup's [`Stamp`], so that one listing gives
//! all of them, the oldest first, and no store is asked which wallets it holds.
//!
//! Nothing of it is sealed or believed: it says where to look. What is found there is verified by
//! the wallet's keys.

use super::Stamp;
use crate::crypto::cbor::{self, MapWriter, required};
use crate::crypto::{CryptoError, Unknown};
use crate::store::{Bytes, Id, Item};

/// Layout of an entry.
const FORMAT: u64 = 1;

mod key {
    pub(super) const FORMAT: u64 = 1;
    pub(super) const WALLET_ID: u64 = 2;
    pub(super) const GENERATION: u64 = 3;
    pub(super) const COUNT: u64 = 4;
}

/// What is known of a backup without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being written or removed, or that was interrupted.
    Unfinished,
    /// It was read back, and all of it opened.
    Whole,
    /// It was read back, and is a true copy of a wallet that was damaged.
    AsFound,
}

/// A backup, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was made.
    pub stamp: Stamp,
    /// Whether it may be used.
    pub state: State,
    /// The wallet that it is of.
    pub wallet_id: [u8; 16],
    /// The generation that it holds.
    pub generation: u64,
    /// Secrets in it.
    pub count: u64,
}

impl Entry {
    /// The item that says so. Its version is the state: 1 unfinished, 2 whole, 3 as found.
    pub(super) fn item(&self) -> Item {
        let none = Unknown::default();
        let meta = cbor::write(|e| {
            let mut map = MapWriter::begin(e, 4, &none)?;
            map.key(key::FORMAT)?.u64(FORMAT)?;
            map.key(key::WALLET_ID)?.bytes(&self.wallet_id)?;
            map.key(key::GENERATION)?.u64(self.generation)?;
            map.key(key::COUNT)?.u64(self.count)?;
            map.end()
        });
        Item {
            id: id(self.stamp),
            version: self.state.version(),
            meta: meta.into(),
            data: Bytes::new(),
        }
    }

    /// Reads an entry; `None` for what this version does not write.
    pub(super) fn read(item: &Item) -> Option<Entry> {
        let Id::Secret(raw) = item.id else {
            return None;
        };
        let stamp = Stamp::parse(&raw)?;
        let state = State::of(item.version)?;
        let read = || -> Result<Entry, CryptoError> {
            let (mut format, mut wallet_id, mut generation, mut count) = (None, None, None, None);
            cbor::read(&item.meta, |key, d| {
                match key {
                    key::FORMAT => format = Some(d.u64()?),
                    key::WALLET_ID => wallet_id = Some(cbor::bytes(d)?),
                    key::GENERATION => generation = Some(d.u64()?),
                    key::COUNT => count = Some(d.u64()?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            match required(format)? {
                FORMAT => {}
                other => return Err(CryptoError::UnknownFormat(other)),
            }
            Ok(Entry {
                stamp,
                state,
                wallet_id: required(wallet_id)?,
                generation: required(generation)?,
                count: required(count)?,
            })
        };
        read().ok()
    }
}

impl State {
    pub(super) fn version(self) -> u64 {
        match self {
            State::Unfinished => 1,
            State::Whole => 2,
            State::AsFound => 3,
        }
    }

    fn of(version: u64) -> Option<State> {
        let all = [State::Unfinished, State::Whole, State::AsFound];
        all.into_iter().find(|state| state.version() == version)
    }
}

/// The id of the entry of a backup.
pub(super) fn id(stamp: Stamp) -> Id {
    Id::Secret(stamp.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            stamp: Stamp::at(1_709_208_000).unwrap(),
            state: State::Whole,
            wallet_id: [7; 16],
            generation: 9,
            count: 3,
        }
    }

    /// A change of it is a change of format.
    #[test]
    fn an_entry_is_these_bytes() {
        let item = entry().item();
        let id = "32303234303232395431323030303 05a".replace(' ', "");
        assert_eq!(&*item.id.text(), id);
        assert_eq!(item.version, 2);
        let mut meta = b"\xa4\x01\x01\x02\x50".to_vec();
        meta.extend([7; 16]);
        meta.extend(b"\x03\x09\x04\x03");
        assert_eq!(item.meta, meta);
        assert!(item.data.is_empty());
        assert_eq!(Entry::read(&item), Some(entry()));
    }

    #[test]
    fn what_is_not_understood_is_no_entry() {
        let good = entry().item();
        let with = |change: &dyn Fn(&mut Item)| {
            let mut item = good.clone();
            change(&mut item);
            Entry::read(&item)
        };
        assert_eq!(with(&|item| item.id = Id::Head), None);
        assert_eq!(with(&|item| item.id = Id::Secret([0; 16])), None);
        assert_eq!(with(&|item| item.version = 0), None);
        assert_eq!(with(&|item| item.version = 4), None);
        assert_eq!(with(&|item| item.meta = Bytes::from_static(b"\xa0")), None);
        let later = [b"\xa4\x01\x02", &good.meta[3..]].concat();
        assert_eq!(with(&|item| item.meta = later.clone().into()), None);
    }
}
