//! [`Way`]: one way into the wallet, opened: what wraps the keyring in a slot. A session keeps the
//! way it came by, so that it can follow when another device rewraps the keyring (a rekey).
//!
//! A slot is opened in this order: key derivation within bounds, one derivation, its proof compared
//! in constant time, and only then the keyring unwrapped. AES-GCM alone would let a hostile store
//! craft a wrapped keyring that opens under several keys and so test several guesses at once; the
//! proof commits a slot to one key.

use super::cbor::Unknown;
use super::derive::{self, LABEL_KEYRING, SlotKeys, lp};
use super::head::SlotPublic;
use super::{
    CryptoError, DeviceKey, HeadMeta, KdfParams, Key, Keyring, Random, RecoveryKey, SecretBytes,
    Slot, kdf,
};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of an AES-GCM tag.
const TAG: usize = 16;

/// One way into a wallet, opened.
pub struct Way {
    /// The slot's public part, as stored.
    public: Vec<u8>,
    keys: SlotKeys,
}

impl Way {
    /// A new way for this device key and this memorable password, with a fresh salt. Takes one
    /// derivation.
    ///
    /// # Errors
    ///
    /// [`CryptoError::KdfOutOfBounds`], [`CryptoError::OutOfMemory`].
    pub fn by_passwords(
        device_key: &DeviceKey,
        memorable: &SecretBytes,
        kdf: KdfParams,
        random: &dyn Random,
    ) -> Result<Way, CryptoError> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let stretched = kdf::stretch(memorable, device_key, &salt, kdf)?;
        Ok(Way {
            public: SlotPublic::BothPasswords { salt, kdf }.encode(),
            keys: derive::slot_keys(&stretched),
        })
    }

    /// A new way for this recovery key, with a fresh salt.
    pub fn by_recovery(key: &RecoveryKey, wallet_id: &[u8; 16], random: &dyn Random) -> Way {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        Way {
            public: SlotPublic::Recovery { salt }.encode(),
            keys: derive::slot_keys(&derive::recovered(key.expose(), wallet_id, &salt)),
        }
    }

    /// The slot that this way opens from now on, with this keyring in it.
    pub fn wrap(&self, keyring: &Keyring, wallet_id: &[u8; 16], random: &dyn Random) -> Slot {
        let mut nonce = [0; 12];
        random.fill(&mut nonce);
        let plain = keyring.encode();
        let mut wrapped = Vec::with_capacity(plain.len() + TAG);
        wrapped.extend_from_slice(plain.expose());
        let tag = cipher(&self.keys.kek)
            .encrypt_inout_detached(
                &nonce.into(),
                &keyring_aad(wallet_id, &self.public),
                wrapped.as_mut_slice().into(),
            )
            .expect("a keyring is far shorter than AES-GCM's bound");
        wrapped.extend_from_slice(&tag);
        Slot {
            public: self.public.clone(),
            nonce,
            wrapped,
            proof: *self.keys.proof.expose(),
            unknown: Unknown::default(),
        }
    }

    /// Whether `slot` is this way's.
    pub fn opens(&self, slot: &Slot) -> bool {
        slot.public == self.public && bool::from(self.keys.proof.expose().ct_eq(&slot.proof))
    }

    /// The keyring of a head, if one of its slots is still this way's; no derivation.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NotAuthentic`] if the slot does not open.
    pub fn follow(&self, head: &HeadMeta) -> Result<Option<Keyring>, CryptoError> {
        match head.slots.iter().find(|slot| self.opens(slot)) {
            Some(slot) => self.unwrap_keyring(slot, &head.wallet_id).map(Some),
            None => Ok(None),
        }
    }

    fn unwrap_keyring(&self, slot: &Slot, wallet_id: &[u8; 16]) -> Result<Keyring, CryptoError> {
        let (sealed, tag) = slot
            .wrapped
            .split_last_chunk::<TAG>()
            .ok_or(CryptoError::NotAuthentic)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        cipher(&self.keys.kek)
            .decrypt_inout_detached(
                &slot.nonce.into(),
                &keyring_aad(wallet_id, &slot.public),
                plain.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| CryptoError::NotAuthentic)?;
        Keyring::decode(&plain)
    }
}

/// Opens the keyring by both passwords. Takes one derivation for each slot of the head that they
/// may open, until one opens.
///
/// # Errors
///
/// [`CryptoError::WrongPassword`] when no slot's proof fits. When one fits and its keyring does not
/// open, the store has changed it: [`CryptoError::NotAuthentic`].
pub fn unlock(
    head: &HeadMeta,
    device_key: &DeviceKey,
    memorable: &SecretBytes,
) -> Result<(Keyring, Way), CryptoError> {
    open_one(head, CryptoError::WrongPassword, |public| match public {
        SlotPublic::BothPasswords { salt, kdf } => {
            kdf::stretch(memorable, device_key, &salt, kdf).map(Some)
        }
        SlotPublic::Recovery { .. } | SlotPublic::Unknown => Ok(None),
    })
}

/// Opens the keyring by the recovery key.
///
/// # Errors
///
/// [`CryptoError::WrongRecoveryKey`] when no slot's proof fits; as [`unlock`].
pub fn unlock_by_recovery(
    head: &HeadMeta,
    key: &RecoveryKey,
) -> Result<(Keyring, Way), CryptoError> {
    open_one(head, CryptoError::WrongRecoveryKey, |public| {
        Ok(match public {
            SlotPublic::Recovery { salt } => {
                Some(derive::recovered(key.expose(), &head.wallet_id, &salt))
            }
            SlotPublic::BothPasswords { .. } | SlotPublic::Unknown => None,
        })
    })
}

/// The first slot that opens with what `stretch` makes of its public part.
fn open_one(
    head: &HeadMeta,
    wrong: CryptoError,
    stretch: impl Fn(SlotPublic) -> Result<Option<Key>, CryptoError>,
) -> Result<(Keyring, Way), CryptoError> {
    for slot in &head.slots {
        let Some(stretched) = stretch(slot.public()?)? else {
            continue;
        };
        let way = Way {
            public: slot.public.clone(),
            keys: derive::slot_keys(&stretched),
        };
        if way.opens(slot) {
            return Ok((way.unwrap_keyring(slot, &head.wallet_id)?, way));
        }
    }
    Err(wrong)
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
            let way = Way::by_passwords(&device(*byte), &memorable, least, &random);
            way.unwrap_or_else(|e| panic!("{e}"))
                .wrap(&keyring, &WALLET, &random)
        };
        let head = HeadMeta {
            wallet_id: WALLET,
            device_salt: [0; 16],
            kdf: KdfParams::LEAST,
            slots: devices.iter().map(slot).collect(),
            trash: false,
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
        let (opened, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        assert!(opened.encode().ct_eq(&keyring.encode()));
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
        other.public = b"\xa1\x01\x03".to_vec();
        head.slots.insert(0, other);
        for byte in [1, 2] {
            let opened = unlock(&head, &device(byte), &secret("memorable"));
            let (opened, _) = opened.unwrap_or_else(|error| panic!("{error}"));
            assert!(opened.encode().ct_eq(&keyring.encode()));
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
        let (mut head, _) = head(&[1]);
        let absurd = KdfParams {
            memory_kib: u32::MAX,
            ..KdfParams::LEAST
        };
        let public = SlotPublic::BothPasswords {
            salt: [0; 16],
            kdf: absurd,
        };
        head.slots[0].public = public.encode();
        let refused = CryptoError::KdfOutOfBounds(absurd);
        assert_eq!(refusal(&head, 1, "memorable"), refused);
        let random = Counting::default();
        let memorable = secret("memorable");
        let made = Way::by_passwords(&device(1), &memorable, absurd, &random);
        assert_eq!(made.err(), Some(refused));
    }

    #[test]
    fn the_recovery_key_opens_its_slot_and_no_password_does() {
        let (mut head, keyring) = head(&[1]);
        let random = Counting::default();
        let key = RecoveryKey::new(&random);
        let other = RecoveryKey::new(&random);
        assert_eq!(
            unlock_by_recovery(&head, &key).err(),
            Some(CryptoError::WrongRecoveryKey),
            "there is no such slot"
        );
        let way = Way::by_recovery(&key, &WALLET, &random);
        head.slots = vec![way.wrap(&keyring, &WALLET, &random)];
        assert_eq!(refusal(&head, 1, "memorable"), CryptoError::WrongPassword);
        assert_eq!(
            unlock_by_recovery(&head, &other).err(),
            Some(CryptoError::WrongRecoveryKey)
        );
        let (opened, _) = unlock_by_recovery(&head, &key).unwrap_or_else(|e| panic!("{e}"));
        assert!(opened.encode().ct_eq(&keyring.encode()));
        head.wallet_id[0] ^= 1;
        assert_eq!(
            unlock_by_recovery(&head, &key).err(),
            Some(CryptoError::WrongRecoveryKey),
            "a slot is of one wallet"
        );
    }

    #[test]
    fn a_way_follows_a_rewrapped_keyring_and_no_other_slot() {
        let (mut head, keyring) = head(&[1]);
        let random = Counting::default();
        let (_, way) =
            unlock(&head, &device(1), &secret("memorable")).unwrap_or_else(|e| panic!("{e}"));
        let more = keyring.appended(&random).unwrap_or_else(|e| panic!("{e}"));
        let before = head.slots[0].clone();
        head.slots = vec![way.wrap(&more, &WALLET, &random)];
        assert_ne!(head.slots[0].nonce, before.nonce, "never one nonce twice");
        let followed = way.follow(&head).unwrap_or_else(|e| panic!("{e}"));
        assert!(followed.is_some_and(|keyring| keyring.encode().ct_eq(&more.encode())));
        let new = Way::by_passwords(&device(1), &secret("memorable"), KdfParams::LEAST, &random);
        let new = new.unwrap_or_else(|e| panic!("{e}"));
        head.slots = vec![new.wrap(&more, &WALLET, &random)];
        assert!(
            matches!(way.follow(&head), Ok(None)),
            "the password was changed"
        );
    }
}
