//! [`Keyring`]: the master keys by epoch. A rekey appends one, and drops the old ones at its end.

use super::cbor::{self, MapWriter, Unknown, map_len, required};
use super::{CryptoError, Key, Random, SecretBytes};
use std::collections::BTreeMap;

/// Epochs of a keyring. A rekey holds two; a rekey that never ends must not fill the head.
const MAX_EPOCHS: u64 = 64;
/// The epoch of a new wallet.
const FIRST_EPOCH: u32 = 1;
/// The key of the keyring's CBOR that holds the epochs.
const KEY_EPOCHS: u64 = 1;

/// The master keys by epoch. New items use the newest.
pub struct Keyring {
    epochs: BTreeMap<u32, Key>,
    unknown: Unknown,
}

impl Keyring {
    /// The keyring of a new wallet: one random key.
    pub fn new(random: &dyn Random) -> Keyring {
        let master = Key::build(|key| random.fill(key));
        Keyring {
            epochs: BTreeMap::from([(FIRST_EPOCH, master)]),
            unknown: Unknown::default(),
        }
    }

    /// The epoch that new items are sealed under.
    pub fn newest_epoch(&self) -> u32 {
        *self
            .epochs
            .last_key_value()
            .expect("a keyring has one epoch at least")
            .0
    }

    /// The master key of an epoch.
    pub(super) fn master(&self, epoch: u32) -> Result<&Key, CryptoError> {
        self.epochs
            .get(&epoch)
            .ok_or(CryptoError::UnknownEpoch(epoch))
    }

    /// What `derived` makes of the master key of each epoch.
    pub(super) fn map<T>(&self, derived: impl Fn(&Key) -> T) -> BTreeMap<u32, T> {
        let epochs = self.epochs.iter();
        epochs.map(|(epoch, key)| (*epoch, derived(key))).collect()
    }

    /// How many keys it holds: two while a rekey is under way.
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// The same keys and a new one.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Malformed`] once the epochs are used up.
    pub fn appended(&self, random: &dyn Random) -> Result<Keyring, CryptoError> {
        let next = self.newest_epoch().checked_add(1);
        let next = next.ok_or(CryptoError::Malformed("the key epochs are used up"))?;
        let mut keyring = self.since(0);
        let master = Key::build(|key| random.fill(key));
        keyring.epochs.insert(next, master);
        Ok(keyring)
    }

    /// The newest key alone.
    pub fn newest_alone(&self) -> Keyring {
        self.since(self.newest_epoch())
    }

    /// These keys, and those of `old` that are no more among them: what was opened before they were
    /// dropped is still to be read. For memory only.
    pub(super) fn beside(&self, old: &Keyring) -> Keyring {
        let mut keyring = self.since(0);
        for (epoch, key) in old.since(0).epochs {
            keyring.epochs.entry(epoch).or_insert(key);
        }
        keyring
    }

    fn since(&self, epoch: u32) -> Keyring {
        let kept = self.epochs.range(epoch..);
        Keyring {
            epochs: kept
                .map(|(epoch, key)| (*epoch, Key::build(|copy| *copy = *key.expose())))
                .collect(),
            unknown: self.unknown.clone(),
        }
    }

    pub(crate) fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let mut map = MapWriter::begin(e, 1, &self.unknown)?;
            let e = map.key(KEY_EPOCHS)?.map(self.epochs.len() as u64)?;
            for (epoch, master) in &self.epochs {
                e.u32(*epoch)?.bytes(master.expose())?;
            }
            map.end()
        }))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Keyring, CryptoError> {
        let mut epochs = BTreeMap::new();
        let unknown = cbor::read(bytes, |key, d| {
            if key != KEY_EPOCHS {
                return Ok(false);
            }
            let count = map_len(d)?;
            if count > MAX_EPOCHS {
                return Err(CryptoError::Malformed("a keyring of more than 64 epochs"));
            }
            for _ in 0..count {
                let epoch = d.u32()?;
                let master: &[u8; 32] = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| CryptoError::Malformed("a master key of another length"))?;
                epochs.insert(epoch, Key::build(|key| key.copy_from_slice(master)));
            }
            Ok(true)
        })?;
        Ok(Keyring {
            epochs: required((!epochs.is_empty()).then_some(epochs))?,
            unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Counting;
    use proptest::prelude::*;

    #[test]
    fn a_keyring_returns_as_it_was_and_is_bounded() {
        let keyring = |epochs: std::ops::RangeInclusive<u32>| Keyring {
            epochs: epochs
                .map(|e| (e, Key::from_bytes([e as u8; 32])))
                .collect(),
            unknown: Unknown::default(),
        };
        let decode = |bytes: &[u8]| Keyring::decode(bytes);
        let two = keyring(300..=301).encode();
        let again = decode(two.expose()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.newest_epoch(), 301);
        assert!(again.encode().ct_eq(&two));
        assert_eq!(
            again.master(299).err(),
            Some(CryptoError::UnknownEpoch(299))
        );
        assert!(decode(keyring(1..=64).encode().expose()).is_ok());
        assert!(decode(keyring(1..=65).encode().expose()).is_err());
        assert!(decode(b"\xa1\x01\xa0").is_err());
        assert!(decode(b"\xa0").is_err());
        assert!(decode(b"\xa1\x01\xa1\x01\x41\x00").is_err());
        let later = b"\xa2\x01\xa1\x01\x58\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x02\xf6";
        let kept = decode(later).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(kept.encode().expose(), later);
    }

    #[test]
    fn a_rekey_appends_an_epoch_and_drops_the_old_ones() {
        let random = Counting::default();
        let old = Keyring::new(&random);
        let both = old.appended(&random).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((both.epochs(), both.newest_epoch()), (2, FIRST_EPOCH + 1));
        assert!(both.master(FIRST_EPOCH).ok() == old.master(FIRST_EPOCH).ok());
        assert!(both.master(FIRST_EPOCH + 1).ok() != old.master(FIRST_EPOCH).ok());
        let new = both.newest_alone();
        assert_eq!((new.epochs(), new.newest_epoch()), (1, FIRST_EPOCH + 1));
        let gone = CryptoError::UnknownEpoch(FIRST_EPOCH);
        assert_eq!(new.master(FIRST_EPOCH).err(), Some(gone));
        let last = Keyring {
            epochs: BTreeMap::from([(u32::MAX, Key::from_bytes([1; 32]))]),
            unknown: Unknown::default(),
        };
        assert!(last.appended(&random).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Keyring::decode(&bytes);
        }
    }
}
