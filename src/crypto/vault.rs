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
use std::sync::Arc;

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
    random: Arc<dyn Random>,
}

impl Vault {
    /// The vault of a wallet whose keyring was made or unlocked.
    pub fn new(wallet_id: [u8; 16], keyring: Keyring, random: Arc<dyn Random>) -> Self {
        Vault {
            wallet_id,
            keyring,
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

    /// Seals the meta of an item; `id` is the id's text, `version` the item's.
    pub fn seal_meta(&self, id: &str, version: u64, plain: &[u8]) -> Bytes {
        self.seal(id, &self.aad_meta(id, version), plain)
    }

    /// Opens what [`Vault::seal_meta`] sealed for the same id and version.
    pub fn open_meta(
        &self,
        id: &str,
        version: u64,
        sealed: &[u8],
    ) -> Result<SecretBytes, CryptoError> {
        Ok(self.open(id, &self.aad_meta(id, version), sealed)?.0)
    }

    /// Seals the data of an item.
    pub fn seal_data(&self, id: &str, plain: &[u8]) -> Bytes {
        self.seal(id, &self.aad_data(id), plain)
    }

    /// Opens what [`Vault::seal_data`] sealed for the same id. The caller has compared its hash with
    /// the one in meta: any earlier data of this id opens too.
    pub fn open_data(&self, id: &str, sealed: &[u8]) -> Result<SecretBytes, CryptoError> {
        Ok(self.open(id, &self.aad_data(id), sealed)?.0)
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
        let (plain, epoch) = self.open(HEAD, &self.aad_head(generation, meta), sealed)?;
        Ok((HeadData::decode(plain.expose())?, epoch))
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
        let key = derive::digest_key(self.keyring.master(epoch)?);
        Ok(derive::digest_term(&key, id, version, meta))
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

    fn open(&self, id: &str, aad: &[u8], sealed: &[u8]) -> Result<(SecretBytes, u32), CryptoError> {
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
        let epoch = u32::from_be_bytes(*epoch);
        let cipher = self.cipher(self.keyring.master(epoch)?, id);
        let mut plain = zeroize::Zeroizing::new(body.to_vec());
        cipher
            .decrypt_inout_detached(nonce.into(), aad, plain.as_mut_slice().into(), tag.into())
            .map_err(|_| CryptoError::NotAuthentic)?;
        padding::unpad(&mut plain)?;
        Ok((SecretBytes::new(std::mem::take(&mut plain)), epoch))
    }

    fn cipher(&self, master: &Key, id: &str) -> Aes256Gcm {
        let key = derive::item_key(master, &self.wallet_id, id);
        Aes256Gcm::new(key.expose().into())
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

const CUT_SHORT: CryptoError = CryptoError::Malformed("cut short");
