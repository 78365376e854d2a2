//! KeePass's KDBX 4: <https://keepass.info/help/kb/kdbx.html>.
//!
//! Read here, on primitives that this program has anyway, since the crates that read it derive keys
//! with whatever the file asks for and unpack without a bound, and wipe little of it. Argon2 and
//! AES-KDF, AES-256 and ChaCha20 are read, KDBX 3 and Twofish are not.

mod credentials;
mod kdf;
#[cfg(test)]
mod tests;

use super::keepass::{self, unpacked};
use super::{MOST_BYTES, Source, SourceError};
use crate::crypto::{Key, SecretBytes};
use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher};
use chacha20::ChaCha20;
use hmac::{Hmac, KeyInit, Mac};
use kdf::Kdf;
use sha2::{Digest, Sha256, Sha512};
use std::sync::Arc;
use zeroize::Zeroizing;

pub use credentials::Credentials;

const SIGNATURE: [u8; 8] = [0x03, 0xd9, 0xa2, 0x9a, 0x67, 0xfb, 0x4b, 0xb5];
const MAJOR: u16 = 4;

const AES256: [u8; 16] = uuid(0x31c1f2e6_bf714350_be580521_6afc5aff);
const CHACHA20: [u8; 16] = uuid(0xd6038a2b_8b6f4cb5_a524339a_31dbb59a);
const fn uuid(number: u128) -> [u8; 16] {
    number.to_be_bytes()
}

/// The stream that protects values within.
const INNER_CHACHA20: u32 = 3;

/// Reads a database. The derivation takes a second or so, as the file asks.
///
/// # Errors
///
/// [`SourceError::WrongPassword`] if the credentials are not the database's, or its head was changed.
pub fn read(file: &[u8], credentials: &Credentials) -> Result<Source, SourceError> {
    let mut rest = Bytes(file);
    if rest.take(8)? != SIGNATURE {
        return Err(SourceError::malformed("it is no KDBX file"));
    }
    let _minor = rest.u16()?;
    if rest.u16()? != MAJOR {
        return Err(SourceError::malformed(
            "it is not of KDBX 4: save it in that format, with KeePass or KeePassXC, or export it \
             as XML",
        ));
    }
    let head = Head::read(&mut rest)?;
    let (head_bytes, _) = file.split_at(file.len() - rest.0.len());
    if rest.take(32)? != Sha256::digest(head_bytes).as_slice() {
        return Err(SourceError::malformed("its head is damaged"));
    }
    let transformed = head.kdf.derive(&credentials.composite()?)?;
    let keys = Keys::of(&head.seed, &transformed);
    if !keys.signs(u64::MAX, &[head_bytes], rest.take(32)?) {
        return Err(SourceError::WrongPassword(
            "wrong master password or key file".into(),
        ));
    }
    let mut body = keys.blocks(&mut rest)?;
    let plain = head.cipher.open(&keys.encryption, &head.iv, &mut body)?;
    let unpacked = match head.packed {
        true => unpacked(plain, MOST_BYTES)?,
        false => Zeroizing::new(plain.to_vec()),
    };
    drop(body);
    inner(&unpacked)
}

/// The parts of the head that matter.
struct Head {
    cipher: Cipher,
    packed: bool,
    seed: [u8; 32],
    iv: Vec<u8>,
    kdf: Kdf,
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes256,
    ChaCha20,
}

impl Head {
    fn read(rest: &mut Bytes<'_>) -> Result<Head, SourceError> {
        let (mut cipher, mut packed, mut seed, mut iv, mut kdf) = (None, None, None, None, None);
        loop {
            let id = rest.u8()?;
            let value = rest.counted()?;
            match id {
                0 => break,
                2 => {
                    cipher = Some(match value {
                        v if v == AES256 => Cipher::Aes256,
                        v if v == CHACHA20 => Cipher::ChaCha20,
                        _ => {
                            return Err(SourceError::malformed(
                                "it is encrypted with another cipher than AES-256 and ChaCha20: \
                                 change that in its settings",
                            ));
                        }
                    });
                }
                3 => packed = Some(Bytes(value).u32()? == 1),
                4 => seed = Some(fixed(value)?),
                7 => iv = Some(value.to_vec()),
                11 => kdf = Some(Kdf::read(value)?),
                _ => {}
            }
        }
        let lacking = || SourceError::malformed("its head lacks a part");
        Ok(Head {
            cipher: cipher.ok_or_else(lacking)?,
            packed: packed.ok_or_else(lacking)?,
            seed: seed.ok_or_else(lacking)?,
            iv: iv.ok_or_else(lacking)?,
            kdf: kdf.ok_or_else(lacking)?,
        })
    }
}

impl Cipher {
    fn open<'a>(self, key: &Key, iv: &[u8], body: &'a mut [u8]) -> Result<&'a [u8], SourceError> {
        let damaged = || SourceError::malformed("its body is damaged");
        match self {
            Cipher::Aes256 => cbc::Decryptor::<Aes256>::new_from_slices(key.expose(), iv)
                .map_err(|_| damaged())?
                .decrypt_padded::<Pkcs7>(body)
                .map_err(|_| damaged()),
            Cipher::ChaCha20 => {
                let mut stream =
                    ChaCha20::new_from_slices(key.expose(), iv).map_err(|_| damaged())?;
                stream.try_apply_keystream(body).map_err(|_| damaged())?;
                Ok(body)
            }
        }
    }
}

/// The keys that the transformed one gives.
struct Keys {
    encryption: Key,
    signing: Zeroizing<[u8; 64]>,
}

impl Keys {
    fn of(seed: &[u8; 32], transformed: &Key) -> Keys {
        Keys {
            encryption: digest256(&[seed, transformed.expose()]),
            signing: digest512(&[seed, transformed.expose(), &[1]]),
        }
    }

    /// Whether `mac` signs these parts as the block of this number.
    fn signs(&self, block: u64, parts: &[&[u8]], mac: &[u8]) -> bool {
        let key = digest512(&[&block.to_le_bytes(), &*self.signing]);
        let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*key)
            .expect("HMAC takes a key of any length");
        for part in parts {
            hmac.update(part);
        }
        hmac.verify_slice(mac).is_ok()
    }

    /// The body, block by block.
    fn blocks(&self, rest: &mut Bytes<'_>) -> Result<Zeroizing<Vec<u8>>, SourceError> {
        let mut body = Zeroizing::new(Vec::with_capacity(rest.0.len()));
        for number in 0_u64.. {
            let mac = rest.take(32)?;
            let block = rest.counted()?;
            let len = u32::try_from(block.len()).expect("it was counted by such a number");
            let parts = [&number.to_le_bytes()[..], &len.to_le_bytes(), block];
            if !self.signs(number, &parts, mac) {
                return Err(SourceError::malformed("its body is damaged"));
            }
            if block.is_empty() {
                break;
            }
            body.extend_from_slice(block);
        }
        Ok(body)
    }
}

/// Whether the head that begins here, behind the version, is read.
pub(crate) fn is_head(bytes: &[u8]) -> bool {
    Head::read(&mut Bytes(bytes)).is_ok()
}

/// The head within, and the document behind it.
pub(crate) fn inner(plain: &[u8]) -> Result<Source, SourceError> {
    let mut rest = Bytes(plain);
    let (mut kind, mut key) = (None, None);
    let mut attached = Vec::new();
    loop {
        let id = rest.u8()?;
        let value = rest.counted()?;
        match id {
            0 => break,
            1 => kind = Some(Bytes(value).u32()?),
            2 => key = Some(value),
            // The first byte says whether KeePass keeps it protected in memory.
            3 => {
                let content = value.get(1..).unwrap_or_default();
                attached.push(Arc::new(SecretBytes::new(content.to_vec())));
            }
            _ => {}
        }
    }
    if kind != Some(INNER_CHACHA20) {
        return Err(SourceError::malformed(
            "its values are protected by another stream than ChaCha20",
        ));
    }
    let both = digest512(&[key.unwrap_or_default()]);
    let mut stream = ChaCha20::new_from_slices(&both[..32], &both[32..44])
        .expect("both have the lengths of ChaCha20");
    keepass::parse(
        rest.0,
        attached,
        Some(&mut |bytes| stream.apply_keystream(bytes)),
    )
}

fn digest256(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    Key::build(|key| hash.finalize_into(key.into()))
}

fn digest512(parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    let mut digest = Zeroizing::new([0; 64]);
    hash.finalize_into((&mut *digest).into());
    digest
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], SourceError> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| SourceError::malformed("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        fixed(self.take(N)?)
    }

    fn u8(&mut self) -> Result<u8, SourceError> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, SourceError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, SourceError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, SourceError> {
        self.array().map(u64::from_le_bytes)
    }

    /// As many bytes as the number before them says.
    fn counted(&mut self) -> Result<&'a [u8], SourceError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| SourceError::malformed("it is cut off"))?)
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], SourceError> {
    let wrong = |_| SourceError::malformed("a part of its head has another length");
    bytes.try_into().map_err(wrong)
}
