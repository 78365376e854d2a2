//! Derive, seal, open: the wallet's keys and its format, version 1.
//!
//! Everything here is a function of its arguments and of the injected [`Random`]: no input, no
//! output, no clock. What leaves this module is ciphertext or wiped on drop; what enters it from a
//! store is bounded, checked and refused when it is not understood. The format is published in
//! `man/walletfs-format.5.md`; the vectors under `tests/vectors/` pin it.

pub(crate) mod cbor;
pub mod derive;
mod error;
pub mod generate;
mod growing;
mod head;
mod kdf;
mod keyring;
pub mod padding;
mod password;
mod pool;
mod random;
mod recent;
mod recovery;
mod secret;
mod secret_wallet;
mod totp;
mod vault;
mod way;

pub use cbor::Unknown;
pub use error::CryptoError;
pub use growing::Growing;
pub use head::{HeadData, HeadMeta, MAX_SLOTS, Slot};
pub use kdf::{DeviceKey, KdfParams, derive_device_key, stretch};
pub use keyring::Keyring;
pub use password::{Weakness, check_strength};
pub use random::{OsRandom, Random};
pub use recent::Recent;
pub use recovery::RecoveryKey;
pub(crate) use secret::announce;
pub use secret::{Key, SecretBytes, on_secret};
pub use secret_wallet::{
    SecretWalletKey, looks_sealed, secret_wallet_device_key, secret_wallet_holds,
};
pub use totp::{Code, Totp, TotpError};
pub use vault::{MAX_SEALED, Vault};
pub use way::{Way, unlock, unlock_by_recovery};

use sha2::{Digest, Sha256};

/// The format that this version reads and writes: `format` of a head, first byte of a seal.
pub const FORMAT: u8 = 1;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    /// Wiping is a feature of each of these crates, off by default.
    #[test]
    fn what_holds_a_key_while_it_works_is_wiped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<super::Key>();
        wiped::<zeroize::Zeroizing<Vec<u8>>>();
        wiped::<aes_gcm::Aes256Gcm>();
        wiped::<blake2::Blake2bVarCore>();
        wiped::<sha1::Sha1>();
        wiped::<sha2::Sha256>(); // HMAC's and HKDF's states are two of its cores
    }
}
