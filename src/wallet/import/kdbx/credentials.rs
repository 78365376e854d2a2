//! [`Credentials`]: the master password and the key file.

use super::{SourceError, digest256};
use crate::crypto::{Key, SecretBytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The credentials of a database.
pub struct Credentials {
    /// The master password.
    pub password: SecretBytes,
    /// The content of the key file, if there is one.
    pub key_file: Option<SecretBytes>,
}

impl Credentials {
    pub(super) fn composite(&self) -> Result<Key, SourceError> {
        let password = digest256(&[self.password.expose()]);
        let file = self.key_file.as_ref().map(key_of_file).transpose()?;
        Ok(match file {
            Some(file) => digest256(&[password.expose(), file.expose()]),
            None => digest256(&[password.expose()]),
        })
    }
}

/// The key that a key file holds: 32 bytes, or 64 hex digits of them; any other file is hashed.
fn key_of_file(file: &SecretBytes) -> Result<Key, SourceError> {
    let bytes = file.expose();
    let is_xml = bytes.trim_ascii_start().starts_with(b"<?xml")
        || bytes.trim_ascii_start().starts_with(b"<KeyFile");
    if is_xml {
        return key_of_xml(bytes);
    }
    if let Ok(key) = <[u8; 32]>::try_from(bytes) {
        return Ok(Key::from_bytes(key));
    }
    let hex = (bytes.len() == 64).then(|| unhex(bytes)).flatten();
    Ok(match hex {
        Some(key) => key,
        None => digest256(&[bytes]),
    })
}

/// A key file in XML, versions 1 (Base64) and 2 (hex digits).
fn key_of_xml(xml: &[u8]) -> Result<Key, SourceError> {
    let wrong = || SourceError::malformed("the key file is not one of KeePass's");
    let xml = std::str::from_utf8(xml).map_err(|_| wrong())?;
    let (_, rest) = xml.split_once("<Data").ok_or_else(wrong)?;
    let (_, rest) = rest.split_once('>').ok_or_else(wrong)?;
    let (data, _) = rest.split_once("</Data>").ok_or_else(wrong)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(data.len()));
    plain.extend(data.bytes().filter(|b| !b.is_ascii_whitespace()));
    if let Some(key) = (plain.len() == 64).then(|| unhex(&plain)).flatten() {
        return Ok(key);
    }
    let decoded = STANDARD.decode(&*plain);
    let decoded = Zeroizing::new(decoded.map_err(|_| wrong())?);
    let key = <[u8; 32]>::try_from(decoded.as_slice()).map_err(|_| wrong())?;
    Ok(Key::from_bytes(key))
}

fn unhex(digits: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(Key::from_bytes(*key))
}
