//! [`Keyring`]: the master keys, and the slots that wrap them.
//!
//! A slot is opened in this order: key derivation within bounds, one derivation, its proof compared
//! in constant time, and only then the keyring unwrapped. AES-GCM alone would let a hostile store
//! craft a wrapped keyring that opens under several keys and so test several guesses at once; the
//! proof commits a slot to one key.

use super::cbor::{self, MapWriter, Unknown, map_len, required};
use super::derive::{self, LABEL_KEYRING, lp};
use super::head::BothPasswords;
use super::{CryptoError, DeviceKey, HeadMeta, KdfParams, Key, Random, SecretBytes, Slot, kdf};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Epochs of a keyring. A rekey holds two; a rekey that never ends must not fill the head.
const MAX_EPOCHS: u64 = 64;
/// The epoch of a new wallet.
const FIRST_EPOCH: u32 = 1;
/// Bytes of an AES-GCM tag.
const TAG: usize = 16;
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

    fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let mut map = MapWriter::begin(e, 1, &self.unknown)?;
            let e = map.key(KEY_EPOCHS)?.map(self.epochs.len() as u64)?;
            for (epoch, master) in &self.epochs {
                e.u32(*epoch)?.bytes(master.expose())?;
            }
            map.end()
        }))
    }

    fn decode(bytes: &[u8]) -> Result<Keyring, CryptoError> {
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

/// A slot that opens with this device key and this memorable password; its salt and nonce are fresh.
/// Takes one derivation.
pub fn new_slot(
    keyring: &Keyring,
    device_key: &DeviceKey,
    memorable: &SecretBytes,
    kdf: KdfParams,
    wallet_id: &[u8; 16],
    random: &dyn Random,
) -> Result<Slot, CryptoError> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let mut nonce = [0; 12];
    random.fill(&mut nonce);
    let keys = derive::slot_keys(&kdf::stretch(memorable, device_key, &salt, kdf)?);
    let public = BothPasswords { salt, kdf }.encode();
    let plain = keyring.encode();
    let mut wrapped = Vec::with_capacity(plain.len() + TAG);
    wrapped.extend_from_slice(plain.expose());
    let tag = cipher(&keys.kek)
        .encrypt_inout_detached(
            &nonce.into(),
            &keyring_aad(wallet_id, &public),
            wrapped.as_mut_slice().into(),
        )
        .expect("a keyring is far shorter than AES-GCM's bound");
    wrapped.extend_from_slice(&tag);
    Ok(Slot {
        public,
        nonce,
        wrapped,
        proof: *keys.proof.expose(),
        unknown: Unknown::default(),
    })
}

/// Opens the keyring. Takes one derivation for each slot of the head that both passwords may open,
/// until one opens.
///
/// # Errors
///
/// [`CryptoError::WrongPassword`] when no slot's proof fits. When one fits and its keyring does not
/// open, the store has changed it: [`CryptoError::NotAuthentic`].
pub fn unlock(
    head: &HeadMeta,
    device_key: &DeviceKey,
    memorable: &SecretBytes,
) -> Result<Keyring, CryptoError> {
    for slot in &head.slots {
        let Some(public) = slot.both_passwords()? else {
            continue;
        };
        let stretched = kdf::stretch(memorable, device_key, &public.salt, public.kdf)?;
        let keys = derive::slot_keys(&stretched);
        if bool::from(keys.proof.expose().ct_eq(&slot.proof)) {
            return unwrap_keyring(slot, &keys.kek, &head.wallet_id);
        }
    }
    Err(CryptoError::WrongPassword)
}

fn unwrap_keyring(slot: &Slot, kek: &Key, wallet_id: &[u8; 16]) -> Result<Keyring, CryptoError> {
    let (sealed, tag) = slot
        .wrapped
        .split_last_chunk::<TAG>()
        .ok_or(CryptoError::NotAuthentic)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    cipher(kek)
        .decrypt_inout_detached(
            &slot.nonce.into(),
            &keyring_aad(wallet_id, &slot.public),
            plain.as_mut_slice().into(),
            tag.into(),
        )
        .map_err(|_| CryptoError::NotAuthentic)?;
    Keyring::decode(&plain)
}

fn cipher(key: &Key) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

fn keyring_aad(wallet_id: &[u8; 16], public: &[u8]) -> Vec<u8> {
    [
        LABEL_KEYRING,
        &lp(wallet_id),
        wallet_id,
        &lp(public),
        public,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Counting;
    use proptest::prelude::*;

    const WALLET: [u8; 16] = [9; 16];

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.into())
    }

    fn device(byte: u8) -> DeviceKey {
        DeviceKey::from_bytes([byte; 32])
    }

    /// A head with one slot for each of these device keys; all open with "memorable".
    fn head(devices: &[u8]) -> (HeadMeta, Keyring) {
        let random = Counting::default();
        let keyring = Keyring::new(&random);
        let slot = |byte: &u8| {
            let memorable = secret("memorable");
            let least = KdfParams::LEAST;
            new_slot(
                &keyring,
                &device(*byte),
                &memorable,
                least,
                &WALLET,
                &random,
            )
            .unwrap()
        };
        let head = HeadMeta {
            wallet_id: WALLET,
            device_salt: [0; 16],
            kdf: KdfParams::LEAST,
            slots: devices.iter().map(slot).collect(),
            unknown: Unknown::default(),
        };
        (head, keyring)
    }

    fn refusal(head: &HeadMeta, device_key: u8, memorable: &str) -> CryptoError {
        let opened = unlock(head, &device(device_key), &secret(memorable));
        opened.err().expect("it must not open")
    }

    #[test]
    fn opens_with_both_passwords_only() {
        let (head, keyring) = head(&[1]);
        let opened = unlock(&head, &device(1), &secret("memorable"));
        let opened = opened.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened.newest_epoch(), FIRST_EPOCH);
        assert!(opened.epochs == keyring.epochs);
        assert_eq!(refusal(&head, 2, "memorable"), CryptoError::WrongPassword);
        assert_eq!(refusal(&head, 1, "memorably"), CryptoError::WrongPassword);
        assert_eq!(refusal(&head, 1, ""), CryptoError::WrongPassword);
    }

    #[test]
    fn any_slot_opens_and_all_have_their_own_salt_and_nonce() {
        let (mut head, keyring) = head(&[1, 2]);
        assert_ne!(head.slots[0].public, head.slots[1].public);
        assert_ne!(head.slots[0].nonce, head.slots[1].nonce);
        // A slot of a later version stands first.
        let mut other = head.slots[0].clone();
        other.public = b"\xa1\x01\x02".to_vec();
        head.slots.insert(0, other);
        for byte in [1, 2] {
            let opened = unlock(&head, &device(byte), &secret("memorable"));
            let opened = opened.unwrap_or_else(|error| panic!("{error}"));
            assert!(opened.epochs == keyring.epochs);
        }
    }

    #[test]
    fn a_changed_slot_opens_nothing() {
        let (good, _) = head(&[1]);
        let changed = |change: fn(&mut HeadMeta)| {
            let mut head = good.clone();
            change(&mut head);
            refusal(&head, 1, "memorable")
        };
        let not_authentic = CryptoError::NotAuthentic;
        assert_eq!(changed(|h| h.wallet_id[0] ^= 1), not_authentic);
        assert_eq!(changed(|h| h.slots[0].nonce[0] ^= 1), not_authentic);
        assert_eq!(changed(|h| h.slots[0].wrapped[0] ^= 1), not_authentic);
        assert_eq!(changed(|h| h.slots[0].wrapped.truncate(15)), not_authentic);
        // An unknown key in the public part changes nothing that is derived: its bytes are bound.
        let wider = |h: &mut HeadMeta| {
            let public = &mut h.slots[0].public;
            public[0] = 0xa4;
            public.extend(b"\x04\x00");
        };
        assert_eq!(changed(wider), not_authentic);
        assert_eq!(
            changed(|h| h.slots[0].proof[31] ^= 1),
            CryptoError::WrongPassword
        );
    }

    #[test]
    fn derivation_out_of_bounds_is_refused_before_any_work() {
        let (mut head, keyring) = head(&[1]);
        let absurd = KdfParams {
            memory_kib: u32::MAX,
            ..KdfParams::LEAST
        };
        let public = BothPasswords {
            salt: [0; 16],
            kdf: absurd,
        };
        head.slots[0].public = public.encode();
        let refused = CryptoError::KdfOutOfBounds(absurd);
        assert_eq!(refusal(&head, 1, "memorable"), refused);
        let random = Counting::default();
        let memorable = secret("memorable");
        let made = new_slot(&keyring, &device(1), &memorable, absurd, &WALLET, &random);
        assert_eq!(made.err(), Some(refused));
    }

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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Keyring::decode(&bytes);
        }
    }
}
