//! The seal of the Python program secret-wallet, so that its values can be read and written.
//!
//! Two derivations by PBKDF2-HMAC-SHA256 of 100,000 rounds: the device key from the device password
//! and a constant, kept in its configuration as URL-safe Base64; then the key of all values from
//! the memorable password, salted with that text. A value is Latin-1 text in a Fernet token
//! (<https://github.com/fernet/spec>): 80 ‖ seconds since 1970 u64 ‖ IV 16 ‖ AES-128-CBC ‖
//! HMAC-SHA256 of all before it, in URL-safe Base64; the first half of the key signs, the second
//! encrypts.

use super::{CryptoError, Key, Random, SecretBytes};
use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const ROUNDS: u32 = 100_000;
/// The salt of every device password.
const DEVICE_SALT: &[u8] = b"Nel mezzo del cammin di nostra vita";

const VERSION: u8 = 0x80;
const IV_AT: usize = 9;
const BODY_AT: usize = IV_AT + 16;
const MAC: usize = 32;
/// Version, time, IV, one block, MAC.
const LEAST_TOKEN: usize = BODY_AT + 16 + MAC;

/// The device key of a secret-wallet, from its device password: text, as its configuration has it.
pub fn secret_wallet_device_key(password: &SecretBytes) -> Result<SecretBytes, CryptoError> {
    let key = derive(password, DEVICE_SALT)?;
    let text = Zeroizing::new(URL_SAFE.encode(key.expose()));
    Ok(SecretBytes::new(text.as_bytes().to_vec()))
}

/// Opens and seals every value of a secret-wallet.
pub struct SecretWalletKey(Key);

impl SecretWalletKey {
    /// The key, from the device key as its configuration has it and the memorable password: one
    /// derivation.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Malformed`] if the password is not text of Latin-1.
    pub fn derive(
        device_key: &SecretBytes,
        memorable: &SecretBytes,
    ) -> Result<SecretWalletKey, CryptoError> {
        derive(memorable, device_key.expose()).map(SecretWalletKey)
    }

    /// Opens a value: UTF-8.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NotAuthentic`] if it was sealed under another key, or changed.
    pub fn open(&self, token: &str) -> Result<SecretBytes, CryptoError> {
        let token = token_bytes(token).ok_or(CryptoError::NotAuthentic)?;
        let (signed, mac) = token.split_at(token.len() - MAC);
        let signature = self.signature(signed);
        signature
            .verify_slice(mac)
            .map_err(|_| CryptoError::NotAuthentic)?;
        let iv = &signed[IV_AT..BODY_AT];
        let mut plain = Zeroizing::new(signed[BODY_AT..].to_vec());
        super::announce(&plain);
        let opened = cbc::Decryptor::<Aes128>::new_from_slices(self.encryption(), iv)
            .expect("both have the lengths of AES-128")
            .decrypt_padded::<Pkcs7>(&mut plain)
            .map_err(|_| CryptoError::BadPadding)?;
        Ok(to_utf8(opened))
    }

    /// Seals a value of UTF-8 as of `seconds` since 1970; `None` if Latin-1 cannot hold it.
    pub fn seal(&self, value: &[u8], seconds: u64, random: &dyn Random) -> Option<String> {
        let latin = to_latin1(value)?;
        let mut token = vec![VERSION];
        token.extend(seconds.to_be_bytes());
        token.resize(BODY_AT, 0);
        random.fill(&mut token[IV_AT..]);
        // The next whole block.
        let mut body = Zeroizing::new(vec![0; latin.len() / 16 * 16 + 16]);
        body[..latin.len()].copy_from_slice(&latin);
        let sealed =
            cbc::Encryptor::<Aes128>::new_from_slices(self.encryption(), &token[IV_AT..BODY_AT])
                .expect("both have the lengths of AES-128")
                .encrypt_padded::<Pkcs7>(&mut body, latin.len())
                .expect("there is room for the padding");
        token.extend_from_slice(sealed);
        let mac = self.signature(&token).finalize().into_bytes();
        token.extend_from_slice(&mac);
        Some(URL_SAFE.encode(token))
    }

    fn signature(&self, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0.expose()[..16])
            .expect("HMAC takes a key of any length");
        mac.update(signed);
        mac
    }

    fn encryption(&self) -> &[u8] {
        &self.0.expose()[16..]
    }
}

/// Whether a text has the form of a sealed value.
pub fn looks_sealed(text: &str) -> bool {
    token_bytes(text).is_some()
}

fn token_bytes(text: &str) -> Option<Vec<u8>> {
    let token = URL_SAFE.decode(text).ok()?;
    let blocks = token.len().checked_sub(LEAST_TOKEN)? % 16 == 0;
    (blocks && token[0] == VERSION).then_some(token)
}

fn derive(password: &SecretBytes, salt: &[u8]) -> Result<Key, CryptoError> {
    let password = to_latin1(password.expose()).ok_or(CryptoError::Malformed(
        "a password that is not text of Latin-1",
    ))?;
    Ok(Key::build(|key| {
        pbkdf2::pbkdf2_hmac::<Sha256>(&password, salt, ROUNDS, key);
    }))
}

/// UTF-8 of Latin-1.
fn to_utf8(latin: &[u8]) -> SecretBytes {
    let wide = latin.iter().filter(|byte| **byte > 0x7f).count();
    let mut text = String::with_capacity(latin.len() + wide);
    text.extend(latin.iter().map(|byte| char::from(*byte)));
    SecretBytes::new(text.into_bytes())
}

/// Latin-1 of UTF-8, if it can hold it.
fn to_latin1(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut latin = Zeroizing::new(Vec::with_capacity(text.len()));
    for c in text.chars() {
        latin.push(u8::try_from(c).ok()?);
    }
    Some(latin)
}

/// Whether secret-wallet can hold a value.
pub fn secret_wallet_holds(value: &[u8]) -> bool {
    to_latin1(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::OsRandom;
    use super::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    /// From `tests/vectors/secret-wallet`, which that program wrote.
    #[test]
    fn what_the_python_program_sealed_opens() {
        let device = secret_wallet_device_key(&secret("Device#Pass1")).unwrap();
        let known = b"-g_zSEciv5lzKgPFqMzaENSonNqFb-C6ek16QsAgnC0=";
        assert_eq!(device.expose(), known);
        let key = SecretWalletKey::derive(&device, &secret("Memorable#1")).unwrap();
        let token = "gAAAAABrBY1CJHw--pYiLzIBsrYQjWnKBnOTrgSncLU3yy9v3UE04PZDES0jEjhWKsHHwzLsic325L4d6kj7fdBMyAMzBIlDMg==";
        assert_eq!(key.open(token).unwrap().expose(), b"joe");
        let other = SecretWalletKey::derive(&device, &secret("Memorable#2")).unwrap();
        assert_eq!(other.open(token).err(), Some(CryptoError::NotAuthentic));
    }

    #[test]
    fn what_is_sealed_opens_again_and_a_changed_byte_does_not() {
        let key = SecretWalletKey(Key::from_bytes([7; 32]));
        for value in ["", "joe", "£ 100 µ", &"x".repeat(16), &"ÿ".repeat(1000)] {
            let token = key.seal(value.as_bytes(), 1, &OsRandom).unwrap();
            assert!(looks_sealed(&token));
            assert_eq!(key.open(&token).unwrap().expose(), value.as_bytes());
            let mut raw = URL_SAFE.decode(&token).unwrap();
            for at in 0..raw.len() {
                raw[at] ^= 1;
                assert!(key.open(&URL_SAFE.encode(&raw)).is_err(), "{at}");
                raw[at] ^= 1;
            }
        }
    }

    #[test]
    fn latin_1_has_no_euro_and_no_bytes() {
        let key = SecretWalletKey(Key::from_bytes([7; 32]));
        for value in ["€".as_bytes(), b"\xff"] {
            assert!(key.seal(value, 1, &OsRandom).is_none());
            assert!(!secret_wallet_holds(value));
        }
        assert!(SecretWalletKey::derive(&secret("k"), &secret("€")).is_err());
    }

    #[test]
    fn what_is_no_token_does_not_look_like_one() {
        for text in ["", "gAAAAA", "hello", &"A".repeat(100), &"g".repeat(100)] {
            assert!(!looks_sealed(text), "{text}");
        }
    }
}
