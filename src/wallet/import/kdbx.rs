//! KeePass's KDBX 4: <https://keepass.info/help/kb/kdbx.html>.
//!
//! Read here, on primitives that this program has anyway, since the crates that read it derive keys
//! with whatever the file asks for and unpack without a bound, and wipe little of it. Argon2 and
//! AES-KDF, AES-256 and ChaCha20 are read, KDBX 3 and Twofish are not.

use super::keepass::{self, unpacked};
use super::{MOST_BYTES, Source, SourceError};
use crate::crypto::{Key, SecretBytes};
use aes::Aes256;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherEncrypt, BlockModeDecrypt, KeyInit, KeyIvInit, StreamCipher};
use chacha20::ChaCha20;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

const SIGNATURE: [u8; 8] = [0x03, 0xd9, 0xa2, 0x9a, 0x67, 0xfb, 0x4b, 0xb5];
const MAJOR: u16 = 4;

const AES256: [u8; 16] = uuid(0x31c1f2e6_bf714350_be580521_6afc5aff);
const CHACHA20: [u8; 16] = uuid(0xd6038a2b_8b6f4cb5_a524339a_31dbb59a);
const ARGON2D: [u8; 16] = uuid(0xef636ddf_8c29444b_91f7a9a4_03e30a0c);
const ARGON2ID: [u8; 16] = uuid(0x9e298b19_56db4773_b23dfc3e_c6f0a1e6);
const AES_KDF: [u8; 16] = uuid(0xc9d9f39a_628a4460_bf740d08_c18a4fea);

const fn uuid(number: u128) -> [u8; 16] {
    number.to_be_bytes()
}

/// Work that a file may ask for: more than KeePass and KeePassXC offer.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_MEMORY_PASSES: u64 = 256 << 30;
const MOST_LANES: u32 = 64;
const MOST_ROUNDS: u64 = 200_000_000;

/// The stream that protects values within.
const INNER_CHACHA20: u32 = 3;

/// The credentials of a database.
pub struct Credentials {
    /// The master password.
    pub password: SecretBytes,
    /// The content of the key file, if there is one.
    pub key_file: Option<SecretBytes>,
}

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

enum Kdf {
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

impl Kdf {
    /// Reads the dictionary of parameters, and refuses more work than anybody means.
    fn read(dictionary: &[u8]) -> Result<Kdf, SourceError> {
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

    fn derive(&self, composite: &Key) -> Result<Key, SourceError> {
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

impl Credentials {
    fn composite(&self) -> Result<Key, SourceError> {
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
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(&*plain);
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

/// The head within, and the document behind it.
fn inner(plain: &[u8]) -> Result<Source, SourceError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::Field;

    /// Made by pykeepass 4.2.0, with little work to derive the keys.
    const ARGON2D: &[u8] = include_bytes!("../../../tests/vectors/keepass/argon2d-aes256.kdbx");
    const ARGON2ID: &[u8] = include_bytes!("../../../tests/vectors/keepass/argon2id-chacha20.kdbx");
    const WITH_FILE: &[u8] = include_bytes!("../../../tests/vectors/keepass/key-file.kdbx");
    const KEY_FILE: &[u8] = include_bytes!("../../../tests/vectors/keepass/key.keyx");

    fn credentials(password: &str, key_file: Option<&[u8]>) -> Credentials {
        Credentials {
            password: SecretBytes::new(password.as_bytes().to_vec()),
            key_file: key_file.map(|file| SecretBytes::new(file.to_vec())),
        }
    }

    fn right() -> Credentials {
        credentials("Kee Pass#1", None)
    }

    #[test]
    fn databases_of_each_kind_open() {
        for (file, credentials) in [
            (ARGON2D, right()),
            (ARGON2ID, right()),
            (WITH_FILE, credentials("Kee Pass#1", Some(KEY_FILE))),
            (
                WITH_FILE,
                credentials(
                    "Kee Pass#1",
                    Some(&std::array::from_fn::<u8, 32, _>(|n| n as u8)),
                ),
            ),
        ] {
            let source = read(file, &credentials).unwrap();
            let names: Vec<_> = source
                .secrets
                .iter()
                .map(|found| (found.domain.as_str(), found.access.as_str()))
                .collect();
            assert!(
                names.contains(&("energy/gas & co", "smart <energy>")),
                "{names:?}"
            );
            assert!(names.contains(&("energy/gas & co", "empty")));
            assert_eq!(names.len(), 3);
            let found = source.secrets.iter().find(|f| f.access == "smart <energy>");
            let fields = &found.unwrap().fields;
            let expected: [(Field, &[u8]); 8] = [
                (Field::Uid, b"joe"),
                (Field::Pwd, "new päss".as_bytes()),
                (Field::Info("gas account".into()), b"G15003798"),
                (Field::Info("uid".into()), b"an info key"),
                (Field::Info("url".into()), b"https://a"),
                (Field::Info("notes".into()), b"two\nlines"),
                (Field::Info("tags".into()), b"t1;t2"),
                (Field::Info("a.bin".into()), b"\x00\xffbytes"),
            ];
            for (field, value) in &expected {
                assert_eq!(fields[field].value.expose(), *value, "{field:?}");
            }
            assert_eq!(fields.len(), expected.len());
            assert!(fields[&Field::Uid].mtime_ns.is_some());
            assert_eq!(source.left_out.len(), 2, "{:?}", source.left_out);
        }
    }

    #[test]
    fn wrong_credentials_are_told_as_such() {
        for (file, credentials) in [
            (ARGON2D, credentials("Kee Pass#2", None)),
            (ARGON2D, credentials("Kee Pass#1", Some(KEY_FILE))),
            (WITH_FILE, right()),
            (WITH_FILE, credentials("Kee Pass#1", Some(b"another"))),
        ] {
            let refused = read(file, &credentials);
            assert!(matches!(refused, Err(SourceError::WrongPassword(_))));
        }
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        for end in (0..ARGON2D.len()).step_by(61) {
            assert!(read(&ARGON2D[..end], &right()).is_err(), "{end}");
        }
        for at in (0..ARGON2D.len()).step_by(53) {
            let mut changed = ARGON2D.to_vec();
            changed[at] ^= 0x40;
            // The minor version is of no account to this reader, and signed with the rest.
            assert!(read(&changed, &right()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_any_amount_of_work() {
        // Type u64, the name's length, the name, the value's length.
        for name in [b'M', b'I'] {
            let entry = [5, 1, 0, 0, 0, name, 8, 0, 0, 0];
            let at = ARGON2D.windows(10).position(|window| window == entry);
            let value = at.unwrap() + 10;
            let mut asking = ARGON2D.to_vec();
            asking[value..value + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
            let refused = read(&asking, &right());
            assert!(matches!(refused, Err(SourceError::TooLarge(_))));
        }
    }

    #[test]
    fn another_version_is_told_what_to_do() {
        let mut older = ARGON2D.to_vec();
        older[10] = 3;
        let told = read(&older, &right()).err().unwrap().to_string();
        assert!(told.contains("KDBX 4"), "{told}");
    }

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
