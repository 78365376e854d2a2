//! Ways in for `tests/fuzz`, to readers of bytes from outside that nobody else calls by themselves.
//! Each gives what its reader made of the bytes, written again; `None` if it refused them.

use crate::crypto::cbor::{self, MapWriter};
use crate::crypto::{HeadData, Keyring, SecretBytes, padding};
use crate::wallet::import::{Source, kdbx};
use crate::wallet::seen;

/// A document of the format's CBOR, of which no key is known.
pub fn cbor(bytes: &[u8]) -> Option<Vec<u8>> {
    let entries = cbor::read(bytes, |_, _| Ok(false)).ok()?;
    Some(cbor::write(|e| MapWriter::begin(e, 0, &entries)?.end()))
}

/// What the head's data seals.
pub fn head_data(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(HeadData::decode(bytes).ok()?.encode())
}

/// What a slot wraps.
pub fn keyring(bytes: &[u8]) -> Option<SecretBytes> {
    Some(Keyring::decode(bytes).ok()?.encode())
}

/// What every seal holds.
pub fn padded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = bytes.to_vec();
    padding::unpad(&mut plain).ok()?;
    let mut padded = vec![0; padding::padded_len(plain.len())];
    padding::pad_into(&mut padded, &plain);
    Some(padded)
}

/// The record of the newest head seen.
pub fn seen(text: &[u8]) -> Option<Vec<u8>> {
    Some(seen::text(&seen::parse(text)?))
}

/// What a KDBX file holds once it is decrypted and unpacked.
pub fn kdbx_body(plain: &[u8]) -> Option<Source> {
    kdbx::inner(plain).ok()
}

/// The head of a KDBX file, after the version: whether it is read. Its key derivation is not run.
pub fn kdbx_head(bytes: &[u8]) -> bool {
    kdbx::is_head(bytes)
}
