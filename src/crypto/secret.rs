//! [`SecretBytes`] and [`Key`]: bytes that are wiped when dropped, that cannot be printed or cloned
//! by accident, and that compare in constant time.

use super::pool;
use std::sync::OnceLock;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What is told of each secret's bytes before they are used.
static ON_SECRET: OnceLock<fn(&[u8])> = OnceLock::new();

/// Has `notice` called with the memory of every secret made from here on ([`SecretBytes`], [`Key`],
/// content that is being written), so that a program can keep it out of swap. The first call
/// decides.
pub fn on_secret(notice: fn(&[u8])) {
    ON_SECRET.get_or_init(|| notice);
    pool::forget();
}

/// Tells of memory that is about to hold a secret.
pub(crate) fn announce(bytes: &[u8]) {
    if let Some(notice) = ON_SECRET.get()
        && !bytes.is_empty()
    {
        notice(bytes);
    }
}

/// A value, a password, a plaintext. Wiped on drop.
pub struct SecretBytes {
    bytes: Vec<u8>,
    /// The buffer is one of [`pool`]'s.
    pooled: bool,
}

impl SecretBytes {
    /// Takes the bytes over. The caller leaves no other copy behind, so `bytes` should never have
    /// been reallocated.
    pub fn new(bytes: Vec<u8>) -> Self {
        announce(&bytes);
        SecretBytes {
            bytes,
            pooled: false,
        }
    }

    /// A copy of these bytes.
    pub fn copy_of(bytes: &[u8]) -> Self {
        match pool::take(bytes.len()) {
            Some(mut buffer) => {
                buffer.extend_from_slice(bytes);
                SecretBytes {
                    bytes: buffer,
                    pooled: true,
                }
            }
            None => SecretBytes::new(bytes.to_vec()),
        }
    }

    /// The bytes, to be changed in their place or shortened: whoever makes them longer leaves a copy
    /// behind.
    pub(super) fn in_place(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Length in bytes. Not a secret.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A copy, on purpose.
    pub fn duplicate(&self) -> SecretBytes {
        SecretBytes::copy_of(self.expose())
    }

    /// Compares in a time that depends on the lengths alone.
    pub fn ct_eq(&self, other: &SecretBytes) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        match self.pooled {
            true => pool::give(std::mem::take(&mut self.bytes)),
            false => self.bytes.zeroize(),
        }
    }
}

/// A 256-bit key, on the heap so that moving it leaves no copy. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key(Box<[u8; 32]>);

impl Key {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Key::build(|key| *key = *bytes)
    }

    /// A key that `fill` writes in place.
    pub(crate) fn build(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut key = Key(Box::new([0; 32]));
        announce(&*key.0);
        fill(&mut key.0);
        key
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Key {
    /// Compares in constant time.
    fn eq(&self, other: &Key) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_content_and_length() {
        let secret = |bytes: &[u8]| SecretBytes::new(bytes.to_vec());
        assert!(secret(b"abc").ct_eq(&secret(b"abc")));
        assert!(!secret(b"abc").ct_eq(&secret(b"abd")));
        assert!(!secret(b"abc").ct_eq(&secret(b"abcd")));
        assert!(secret(b"").ct_eq(&secret(b"")));
        assert!(Key::from_bytes([1; 32]) == Key::from_bytes([1; 32]));
        assert!(Key::from_bytes([1; 32]) != Key::from_bytes([2; 32]));
    }
}
