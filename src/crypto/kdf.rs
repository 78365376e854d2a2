//! From passwords to keys: Argon2id (RFC 9106), version 0x13, 32 bytes out.
//!
//! What a store asks for is checked against fixed bounds before any work is done: too little would
//! let a hostile store weaken the passwords, too much would let it exhaust the device. The memory
//! that Argon2 worked in is wiped.

use super::{CryptoError, Key, SecretBytes};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

/// How dear one guess of a password is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes. Part of the result, not a number of threads: one thread computes them all.
    pub lanes: u32,
}

impl KdfParams {
    /// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106, section 4.
    pub const DEFAULT: KdfParams = KdfParams {
        memory_kib: 64 << 10,
        passes: 3,
        lanes: 4,
    };

    /// The least that is accepted (OWASP's minimum for Argon2id). For tests that derive often.
    pub const LEAST: KdfParams = KdfParams {
        memory_kib: 19 << 10,
        passes: 2,
        lanes: 1,
    };

    /// The most that is accepted.
    pub const MOST: KdfParams = KdfParams {
        memory_kib: 1 << 20,
        passes: 16,
        lanes: 16,
    };

    /// The greater of each parameter.
    pub fn at_least(self, other: KdfParams) -> KdfParams {
        KdfParams {
            memory_kib: self.memory_kib.max(other.memory_kib),
            passes: self.passes.max(other.passes),
            lanes: self.lanes.max(other.lanes),
        }
    }

    /// Refuses what is not within [`KdfParams::LEAST`] and [`KdfParams::MOST`], each parameter by
    /// itself.
    pub fn check(self) -> Result<(), CryptoError> {
        let (least, most) = (Self::LEAST, Self::MOST);
        let within = (least.memory_kib..=most.memory_kib).contains(&self.memory_kib)
            && (least.passes..=most.passes).contains(&self.passes)
            && (least.lanes..=most.lanes).contains(&self.lanes);
        within
            .then_some(())
            .ok_or(CryptoError::KdfOutOfBounds(self))
    }
}

/// Proves a trusted device; kept on it, in place of the device password.
pub struct DeviceKey(Key);

impl DeviceKey {
    /// The key that was kept in a device's file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        DeviceKey(Key::from_bytes(bytes))
    }

    /// Whether this is the same key, in constant time.
    pub fn is(&self, other: &DeviceKey) -> bool {
        self.0 == other.0
    }

    /// The bytes, for the device's file and nothing else.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// The device's key: Argon2id(device password, `device_salt` and `kdf` of the head).
pub fn derive_device_key(
    password: &SecretBytes,
    salt: &[u8; 16],
    kdf: KdfParams,
) -> Result<DeviceKey, CryptoError> {
    argon2id(password, salt, &[], kdf).map(DeviceKey)
}

/// What both passwords give together: Argon2id(memorable password, `salt` and `kdf` of a slot,
/// secret = the device's key). Neither can be guessed without the other.
pub fn stretch(
    memorable: &SecretBytes,
    device_key: &DeviceKey,
    salt: &[u8; 16],
    kdf: KdfParams,
) -> Result<Key, CryptoError> {
    argon2id(memorable, salt, device_key.expose(), kdf)
}

fn argon2id(
    password: &SecretBytes,
    salt: &[u8; 16],
    secret: &[u8],
    kdf: KdfParams,
) -> Result<Key, CryptoError> {
    kdf.check()?;
    let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32))
        .expect("walletfs's bounds lie within Argon2's");
    let blocks = params.block_count();
    let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params)
        .expect("an empty or 32-byte secret is within Argon2's bounds");
    // Our own memory rather than argon2's: its `Blocks` are freed unwiped, even with `zeroize`.
    let mut memory = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| CryptoError::OutOfMemory(kdf.memory_kib))?;
    memory.resize(blocks, Block::new());
    let mut derived = Ok(());
    let key = Key::build(|key| {
        derived = argon2.hash_password_into_with_memory(
            password.expose(),
            salt,
            key,
            memory.as_mut_slice(),
        );
    });
    derived.map_err(|_| CryptoError::Malformed("a password of more than 4 GiB"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kdf(memory_kib: u32, passes: u32, lanes: u32) -> KdfParams {
        KdfParams {
            memory_kib,
            passes,
            lanes,
        }
    }

    #[test]
    fn bounds_are_inclusive_and_hold_for_each_parameter() {
        for good in [KdfParams::DEFAULT, KdfParams::LEAST, KdfParams::MOST] {
            assert_eq!(good.check(), Ok(()));
        }
        for bad in [
            kdf(19455, 3, 4),
            kdf(1_048_577, 3, 4),
            kdf(65536, 1, 4),
            kdf(65536, 17, 4),
            kdf(65536, 3, 0),
            kdf(65536, 3, 17),
            kdf(0, 0, 0),
            kdf(u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert_eq!(bad.check(), Err(CryptoError::KdfOutOfBounds(bad)));
            let password = SecretBytes::new(b"x".to_vec());
            let refused = derive_device_key(&password, &[0; 16], bad).err();
            assert_eq!(refused, Some(CryptoError::KdfOutOfBounds(bad)));
        }
    }

    #[test]
    fn every_input_counts() {
        let derive = |password: &[u8], device: [u8; 32], salt: u8, kdf| {
            let password = SecretBytes::new(password.to_vec());
            let device = DeviceKey::from_bytes(device);
            match stretch(&password, &device, &[salt; 16], kdf) {
                Ok(key) => *key.expose(),
                Err(error) => panic!("{error}"),
            }
        };
        let least = KdfParams::LEAST;
        let all = [
            derive(b"a", [1; 32], 1, least),
            derive(b"b", [1; 32], 1, least),
            derive(b"a", [2; 32], 1, least),
            derive(b"a", [1; 32], 2, least),
            derive(b"a", [1; 32], 1, kdf(19457 + 7, 2, 1)),
            derive(b"a", [1; 32], 1, kdf(19456, 3, 1)),
            derive(b"a", [1; 32], 1, kdf(19456, 2, 2)),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
