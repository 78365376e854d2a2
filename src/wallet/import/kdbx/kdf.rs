//! From the credentials to the key of a database, by the derivation that its head asks for; more
//! work than anybody means is refused before it is begun.

use super::{Bytes, SourceError, digest256, fixed, uuid};
use crate::crypto::Key;
use aes::Aes256;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use cbc::cipher::{BlockCipherEncrypt, KeyInit};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const ARGON2D: [u8; 16] = uuid(0xef636ddf_8c29444b_91f7a9a4_03e30a0c);
const ARGON2ID: [u8; 16] = uuid(0x9e298b19_56db4773_b23dfc3e_c6f0a1e6);
const AES_KDF: [u8; 16] = uuid(0xc9d9f39a_628a4460_bf740d08_c18a4fea);

/// Work that a file may ask for: more than KeePass and KeePassXC offer.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_MEMORY_PASSES: u64 = 256 << 30;
const MOST_LANES: u32 = 64;
const MOST_ROUNDS: u64 = 200_000_000;

/// A derivation.
pub(super) enum Kdf {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
    },
    Aes {
        rounds: u64,
        seed: [u8; 32],
    },
}

impl Kdf {
    /// Reads the dictionary of parameters, and refuses more work than anybody means.
    pub(super) fn read(dictionary: &[u8]) -> Result<Kdf, SourceError> {
        let mut rest = Bytes(dictionary);
        rest.u16()?;
        let mut entries = BTreeMap::new();
        loop {
            if rest.u8()? == 0 {
                break;
            }
            let key = rest.counted()?;
            entries.insert(key, rest.counted()?);
        }
        let entry = |key: &str| {
            let found = entries.get(key.as_bytes()).copied();
            found.ok_or_else(|| SourceError::malformed("its key derivation lacks a parameter"))
        };
        let number = |key: &str| Bytes(entry(key)?).u64();
        let too_much = || {
            SourceError::TooLarge(
                "its key derivation asks for more memory or time than is given to it: choose less \
                 in its settings"
                    .into(),
            )
        };
        let kind: [u8; 16] = fixed(entry("$UUID")?)?;
        if kind == AES_KDF {
            let rounds = number("R")?;
            if rounds > MOST_ROUNDS {
                return Err(too_much());
            }
            let seed = fixed(entry("S")?)?;
            return Ok(Kdf::Aes { rounds, seed });
        }
        let algorithm = match kind {
            ARGON2D => Algorithm::Argon2d,
            ARGON2ID => Algorithm::Argon2id,
            _ => return Err(SourceError::malformed("its key derivation is not known")),
        };
        let version = match Bytes(entry("V")?).u32()? {
            0x10 => Version::V0x10,
            0x13 => Version::V0x13,
            _ => return Err(SourceError::malformed("its key derivation is not known")),
        };
        let (memory, passes) = (number("M")?, number("I")?);
        let lanes = Bytes(entry("P")?).u32()?;
        let salt = entry("S")?.to_vec();
        let work = memory
            .checked_mul(passes)
            .filter(|work| *work <= MOST_MEMORY_PASSES);
        if memory > MOST_MEMORY || work.is_none() || lanes > MOST_LANES {
            return Err(too_much());
        }
        if entries.contains_key(b"K".as_slice()) || entries.contains_key(b"A".as_slice()) {
            return Err(SourceError::malformed("its key derivation is not known"));
        }
        Ok(Kdf::Argon2 {
            algorithm,
            version,
            memory_kib: u32::try_from(memory / 1024).map_err(|_| too_much())?,
            passes: u32::try_from(passes).map_err(|_| too_much())?,
            lanes,
            salt,
        })
    }

    pub(super) fn derive(&self, composite: &Key) -> Result<Key, SourceError> {
        match self {
            Kdf::Argon2 {
                algorithm,
                version,
                memory_kib,
                passes,
                lanes,
                salt,
            } => {
                let wrong = |_| SourceError::malformed("its key derivation cannot be");
                let params = Params::new(*memory_kib, *passes, *lanes, Some(32)).map_err(wrong)?;
                let blocks = params.block_count();
                // Our own memory, so that it is wiped.
                let mut memory = Zeroizing::new(Vec::new());
                memory.try_reserve_exact(blocks).map_err(|_| {
                    SourceError::TooLarge(format!(
                        "its key derivation needs {} MiB of memory",
                        memory_kib >> 10
                    ))
                })?;
                memory.resize(blocks, Block::new());
                let argon2 = Argon2::new(*algorithm, *version, params);
                let mut derived = Ok(());
                let key = Key::build(|key| {
                    derived = argon2.hash_password_into_with_memory(
                        composite.expose(),
                        salt,
                        key,
                        memory.as_mut_slice(),
                    );
                });
                derived.map_err(wrong)?;
                Ok(key)
            }
            Kdf::Aes { rounds, seed } => {
                let aes = Aes256::new(&(*seed).into());
                let mut halves = Zeroizing::new(*composite.expose());
                for _ in 0..*rounds {
                    for half in halves.as_chunks_mut::<16>().0 {
                        aes.encrypt_block(half.into());
                    }
                }
                Ok(digest256(&[&*halves]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9106 has no vectors for KeePass's first derivation: FIPS 197's of AES-256 does as well,
    /// since one round is one encryption of each half.
    #[test]
    fn aes_kdf_is_aes() {
        let seed = std::array::from_fn(|n| n as u8);
        let half: [u8; 16] = std::array::from_fn(|n| (n as u8) * 0x11);
        let mut both = [0; 32];
        both[..16].copy_from_slice(&half);
        both[16..].copy_from_slice(&half);
        let kdf = Kdf::Aes { rounds: 1, seed };
        let derived = kdf.derive(&Key::from_bytes(both)).unwrap();
        let sealed = 0x8ea2b7ca_516745bf_eafc4990_4b496089_u128.to_be_bytes();
        assert!(derived == digest256(&[&sealed, &sealed]));
    }
}
