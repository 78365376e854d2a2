//! [`Vault`]: seals and opens the parts of items with the keys of an unlocked wallet.
//!
//! Every seal is bound to its place: the key to the wallet and the item, the associated data to the
//! part and, where the part has one, to the version. So a part opens only where it was sealed, and
//! an old meta does not open as a new one. Data may move to a new version as it is; its hash in meta
//! binds it.

use super::derive::{self, LABEL_DATA, LABEL_HEAD, LABEL_META, lp};
use super::{CryptoError, FORMAT, HeadData, Key, Keyring, Random, SecretBytes, padding, sha256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Offset of the nonce: after the format (1 byte) and the epoch (4).
const NONCE_AT: usize = 5;
/// Offset of the ciphertext: after the nonce (12).
const BODY_AT: usize = 17;
/// Bytes of the tag, which comes last.
const TAG: usize = 16;
/// The longest seal that is opened, in bytes: no item is longer (the limit of a DynamoDB item).
pub const MAX_SEALED: usize = 409_600;

/// The text of the head's id.
const HEAD: &str = "head";

/// Seals and opens the parts of one wallet's items. Dropping it wipes the keys.
pub struct Vault {
    wallet_id: [u8; 16],
    keyring: Keyring,
    /// Made of the master keys: every item of a wallet needs them.
    digest_keys: BTreeMap<u32, Key>,
    random: Arc<dyn Random>,
}

impl Vault {
    /// The vault of a wallet whose keyring was made or unlocked.
    pub fn new(wallet_id: [u8; 16], keyring: Keyring, random: Arc<dyn Random>) -> Self {
        let digest_keys = keyring.map(derive::digest_key);
        Vault {
            wallet_id,
            keyring,
            digest_keys,
            random,
        }
    }

    /// The wallet that everything here is bound to.
    pub fn wallet_id(&self) -> [u8; 16] {
        self.wallet_id
    }

    /// The epoch that seals are made under.
    pub fn newest_epoch(&self) -> u32 {
        self.keyring.newest_epoch()
    }

    /// The vault of the same wallet after its keyring was changed to `keyring`. It still opens what
    /// this one did.
    pub fn followed(&self, keyring: &Keyring) -> Vault {
        let keyring = keyring.beside(&self.keyring);
        Vault::new(self.wallet_id, keyring, self.random.clone())
    }

    /// The epoch that a part was sealed under; `None` if it is no part of this format.
    pub fn epoch_of(sealed: &[u8]) -> Option<u32> {
        let (&format, rest) = sealed.split_first()?;
        let (epoch, _) = rest.split_first_chunk::<4>()?;
        (format == FORMAT).then_some(u32::from_be_bytes(*epoch))
    }

    /// Seals the meta of an item; `id` is the id's text, `version` the item's.
    pub fn seal_meta(&self, id: &str, version: u64, plain: &[u8]) -> Bytes {
        self.seal(id, &self.aad_meta(id, version), plain)
    }

    /// Opens what [`Vault::seal_meta`] sealed for the same id and version. Names, sizes and times are
    /// in memory for as long as the wallet is unlocked: they are wiped, and not kept from swap one by
    /// one.
    pub fn open_meta(
        &self,
        id: &str,
        version: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let sealed = Sealed::read(sealed)?;
        let mut plain = Zeroizing::new(sealed.body.to_vec());
        self.open(id, &self.aad_meta(id, version), &sealed, &mut plain)?;
        Ok(plain)
    }

    /// Seals the data of an item.
    pub fn seal_data(&self, id: &str, plain: &[u8]) -> Bytes {
        self.seal(id, &self.aad_data(id), plain)
    }

    /// Opens what [`Vault::seal_data`] sealed for the same id. The caller has compared its hash with
    /// the one in meta: any earlier data of this id opens too.
    pub fn open_data(&self, id: &str, sealed: &[u8]) -> Result<SecretBytes, CryptoError> {
        let sealed = Sealed::read(sealed)?;
        let mut plain = SecretBytes::copy_of(sealed.body);
        self.open(id, &self.aad_data(id), &sealed, plain.in_place())?;
        Ok(plain)
    }

    /// Seals the head's data; `meta` is the head's meta as it will be stored, `generation` the
    /// head's version.
    pub fn seal_head(&self, generation: u64, meta: &[u8], data: &HeadData) -> Bytes {
        // Nothing secret: a digest, a count and times.
        self.seal(HEAD, &self.aad_head(generation, meta), &data.encode())
    }

    /// Opens the head's data and with it authenticates `meta` and `generation`. Also returns the
    /// epoch under which it was sealed: the digest's terms are made under the same.
    pub fn open_head(
        &self,
        generation: u64,
        meta: &[u8],
        sealed: &[u8],
    ) -> Result<(HeadData, u32), CryptoError> {
        let sealed = Sealed::read(sealed)?;
        let mut plain = Zeroizing::new(sealed.body.to_vec());
        let epoch = self.open(HEAD, &self.aad_head(generation, meta), &sealed, &mut plain)?;
        Ok((HeadData::decode(&plain)?, epoch))
    }

    /// The term of an item in the head's digest, which is the XOR of all terms; `meta` is the item's
    /// meta as stored.
    pub fn item_digest(
        &self,
        epoch: u32,
        id: &str,
        version: u64,
        meta: &[u8],
    ) -> Result<[u8; 32], CryptoError> {
        let key = self.digest_keys.get(&epoch);
        let key = key.ok_or(CryptoError::UnknownEpoch(epoch))?;
        Ok(derive::digest_term(key, id, version, meta))
    }

    /// Size in bytes of a sealed part whose plaintext has `plain_len` bytes.
    pub fn sealed_len(plain_len: usize) -> usize {
        BODY_AT + padding::padded_len(plain_len) + TAG
    }

    /// `01 ‖ epoch u32 ‖ nonce 12 ‖ AES-256-GCM(item key, padded(plain), aad)`, built in one
    /// allocation and encrypted in place, so that no copy of the plaintext is left.
    fn seal(&self, id: &str, aad: &[u8], plain: &[u8]) -> Bytes {
        let epoch = self.newest_epoch();
        let master = self
            .keyring
            .master(epoch)
            .expect("the newest epoch is in the keyring");
        let mut nonce = [0; 12];
        self.random.fill(&mut nonce);
        let size = Self::sealed_len(plain.len());
        let mut sealed = vec![0; size];
        sealed[0] = FORMAT;
        sealed[1..NONCE_AT].copy_from_slice(&epoch.to_be_bytes());
        sealed[NONCE_AT..BODY_AT].copy_from_slice(&nonce);
        let (body, tag) = sealed[BODY_AT..].split_at_mut(size - BODY_AT - TAG);
        padding::pad_into(body, plain);
        let made = self
            .cipher(master, id)
            .encrypt_inout_detached(&nonce.into(), aad, body.into())
            .expect("an item is far shorter than AES-GCM's bound");
        tag.copy_from_slice(&made);
        sealed.into()
    }

    /// Opens into `plain`, which holds nothing yet, and gives the epoch.
    fn open(
        &self,
        id: &str,
        aad: &[u8],
        sealed: &Sealed<'_>,
        plain: &mut Vec<u8>,
    ) -> Result<u32, CryptoError> {
        let cipher = self.cipher(self.keyring.master(sealed.epoch)?, id);
        let (nonce, tag) = (sealed.nonce.into(), sealed.tag.into());
        cipher
            .decrypt_inout_detached(nonce, aad, plain.as_mut_slice().into(), tag)
            .map_err(|_| CryptoError::NotAuthentic)?;
        padding::unpad(plain)?;
        Ok(sealed.epoch)
    }

    fn cipher(&self, master: &Key, id: &str) -> Aes256Gcm {
        // On the stack for a moment, as the round keys that are made of it.
        let mut key = Zeroizing::new([0; 32]);
        derive::item_key(master, &self.wallet_id, id, &mut key);
        Aes256Gcm::new((&*key).into())
    }

    fn aad_meta(&self, id: &str, version: u64) -> Vec<u8> {
        [&self.aad(LABEL_META, id)[..], &version.to_be_bytes()].concat()
    }

    fn aad_data(&self, id: &str) -> Vec<u8> {
        self.aad(LABEL_DATA, id)
    }

    fn aad_head(&self, generation: u64, meta: &[u8]) -> Vec<u8> {
        let wallet_len = lp(&self.wallet_id);
        [
            LABEL_HEAD,
            &wallet_len,
            &self.wallet_id,
            &generation.to_be_bytes(),
            &sha256(meta),
        ]
        .concat()
    }

    fn aad(&self, label: &[u8], id: &str) -> Vec<u8> {
        let (wallet_len, id_len) = (lp(&self.wallet_id), lp(id.as_bytes()));
        [label, &wallet_len, &self.wallet_id, &id_len, id.as_bytes()].concat()
    }
}

/// The parts of a seal.
struct Sealed<'a> {
    epoch: u32,
    nonce: &'a [u8; 12],
    body: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Sealed<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, CryptoError> {
        if sealed.len() > MAX_SEALED {
            return Err(CryptoError::Malformed("longer than an item may be"));
        }
        let (&format, rest) = sealed.split_first().ok_or(CUT_SHORT)?;
        if format != FORMAT {
            return Err(CryptoError::UnknownFormat(format.into()));
        }
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or(CUT_SHORT)?;
        let (nonce, rest) = rest.split_first_chunk::<12>().ok_or(CUT_SHORT)?;
        let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(CUT_SHORT)?;
        Ok(Sealed {
            epoch: u32::from_be_bytes(*epoch),
            nonce,
            body,
            tag,
        })
    }
}

const CUT_SHORT: CryptoError = CryptoError::Malformed("cut short");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Unknown;
    use crate::crypto::random::Counting;
    use proptest::prelude::*;

    const ID: &str = "000102030405060708090a0b0c0d0e0f";
    const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f";

    fn vault(wallet: u8) -> Vault {
        let random = Arc::new(Counting::default());
        Vault::new([wallet; 16], Keyring::new(&*random), random)
    }

    fn refusal<T>(opened: Result<T, CryptoError>) -> CryptoError {
        opened.err().expect("it must not open")
    }

    #[test]
    fn a_seal_opens_in_its_place_only() {
        let (here, there) = (vault(1), vault(2));
        let meta = here.seal_meta(ID, 7, b"meta");
        let data = here.seal_data(ID, b"data");
        let opened = here.open_meta(ID, 7, &meta).map(|m| m.to_vec());
        assert_eq!(opened, Ok(b"meta".to_vec()));
        let opened = here.open_data(ID, &data).map(|m| m.expose().to_vec());
        assert_eq!(opened, Ok(b"data".to_vec()));
        for opened in [
            here.open_meta(ID, 8, &meta).map(drop),
            here.open_meta(OTHER, 7, &meta).map(drop),
            there.open_meta(ID, 7, &meta).map(drop),
            here.open_data(ID, &meta).map(drop),
            here.open_data(OTHER, &data).map(drop),
            there.open_data(ID, &data).map(drop),
            here.open_meta(ID, 7, &data).map(drop),
        ] {
            assert_eq!(refusal(opened), CryptoError::NotAuthentic);
        }
    }

    #[test]
    fn the_head_authenticates_its_meta_and_generation() {
        let vault = vault(1);
        let data = HeadData {
            recent: crate::crypto::Recent::default(),
            digest: [3; 32],
            count: 5,
            created_ns: 6,
            committed_ns: 7,
            unknown: Unknown::default(),
        };
        let sealed = vault.seal_head(9, b"meta", &data);
        assert_eq!(vault.open_head(9, b"meta", &sealed), Ok((data, 1)));
        let not_authentic = CryptoError::NotAuthentic;
        assert_eq!(refusal(vault.open_head(8, b"meta", &sealed)), not_authentic);
        assert_eq!(refusal(vault.open_head(9, b"metb", &sealed)), not_authentic);
        assert_eq!(refusal(vault.open_data("head", &sealed)), not_authentic);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let vault = vault(1);
        let sealed = vault.seal_data(ID, b"data");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.to_vec();
                bytes[at] ^= 1 << bit;
                let expected = match at {
                    0 => CryptoError::UnknownFormat(bytes[0].into()),
                    1..=4 => CryptoError::UnknownEpoch(u32::from_be_bytes(
                        bytes[1..5].try_into().unwrap(),
                    )),
                    _ => CryptoError::NotAuthentic,
                };
                assert_eq!(refusal(vault.open_data(ID, &bytes)), expected);
            }
            let _ = refusal(vault.open_data(ID, &sealed[..at]));
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(
            refusal(vault.open_data(ID, &longer)),
            CryptoError::NotAuthentic
        );
        let absurd = vec![1; MAX_SEALED + 1];
        assert!(matches!(
            refusal(vault.open_data(ID, &absurd)),
            CryptoError::Malformed(_)
        ));
    }

    #[test]
    fn authentic_content_with_other_padding_is_refused() {
        let vault = vault(1);
        let aad = vault.aad_data(ID);
        let sealed = vault.seal_data(ID, b"data");
        // Sealed again by hand with a filler byte that is not zero.
        let cipher = vault.cipher(vault.keyring.master(1).unwrap(), ID);
        let mut bytes = sealed.to_vec();
        let (body, tag) = bytes[BODY_AT..].split_last_chunk_mut::<TAG>().unwrap();
        let nonce: [u8; 12] = sealed[NONCE_AT..BODY_AT].try_into().unwrap();
        body.fill(0);
        padding::pad_into(body, b"data");
        *body.last_mut().unwrap() = 1;
        let made = cipher.encrypt_inout_detached(&nonce.into(), &aad, body.into());
        tag.copy_from_slice(&made.unwrap());
        assert_eq!(
            refusal(vault.open_data(ID, &bytes)),
            CryptoError::BadPadding
        );
    }

    #[test]
    fn a_nonce_is_never_used_twice() {
        let vault = vault(1);
        let nonce = |sealed: Bytes| sealed[NONCE_AT..BODY_AT].to_vec();
        let a = nonce(vault.seal_data(ID, b"data"));
        let b = nonce(vault.seal_data(ID, b"data"));
        assert_ne!(a, b);
    }

    #[test]
    fn a_digest_term_needs_its_epoch() {
        let vault = vault(1);
        assert!(vault.item_digest(1, ID, 1, b"meta").is_ok());
        let refused = vault.item_digest(2, ID, 1, b"meta");
        assert_eq!(refused, Err(CryptoError::UnknownEpoch(2)));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
            let vault = vault(1);
            let sealed = vault.seal_data(ID, &plain);
            prop_assert_eq!(sealed.len(), Vault::sealed_len(plain.len()));
            let opened = vault.open_data(ID, &sealed).map(|s| s.expose().to_vec());
            prop_assert_eq!(opened, Ok(plain));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = vault(1).open_data(ID, &bytes);
        }
    }
}
