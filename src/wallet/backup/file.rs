//! A backup as one file, which says what it is: a line of text, a description in clear, the items,
//! and the SHA-256 of all of it against accidents. What keeps it from being altered on purpose is
//! the items themselves, as in a store.
//!
//! Published in `man/walletfs-format.5.md`. Knows no paths: how a file is made private and whole is
//! its caller's business.

use super::Sealed;
use crate::crypto::cbor::{self, MapWriter, required};
use crate::crypto::{CryptoError, MAX_SEALED, Unknown};
use crate::store::{Bytes, Id, Item};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// How a file begins.
const MAGIC: &[u8; 16] = b"walletfs backup\n";
const FORMAT: u32 = 1;

/// Bytes of the description.
const MAX_DESCRIPTION: usize = 64 << 10;
/// Bytes of an id's text.
const MAX_ID: usize = 32;

mod key {
    pub(super) const WALLET: u64 = 1;
    pub(super) const MADE: u64 = 2;
}

/// What a file says of itself. Nothing of it is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The wallet's name in its store.
    pub wallet: String,
    /// When the file was made: nanoseconds since 1970.
    pub made_ns: u64,
}

/// Why a file is not read as a backup.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{why}", why = crate::told::system(.0))]
    Io(#[from] io::Error),
    /// It begins otherwise.
    #[error("it is not a backup of walletfs: name another file")]
    Foreign,
    /// A later version wrote it.
    #[error("it is a backup of format {0}: install a newer walletfs, which reads it")]
    Newer(u32),
    /// It was cut short or changed.
    #[error("it is damaged ({0}): take another copy of it")]
    Damaged(&'static str),
}

impl From<CryptoError> for FileError {
    fn from(_: CryptoError) -> Self {
        FileError::Damaged("its description does not parse")
    }
}

/// Writes a backup.
pub fn write(out: impl Write, of: &Description, sealed: &Sealed) -> io::Result<()> {
    let mut out = Hashed::new(out);
    let none = Unknown::default();
    let description = cbor::write(|e| {
        let mut map = MapWriter::begin(e, 2, &none)?;
        map.key(key::WALLET)?.str(&of.wallet)?;
        map.key(key::MADE)?.u64(of.made_ns)?;
        map.end()
    });
    out.put(MAGIC)?;
    out.put(&FORMAT.to_be_bytes())?;
    out.put_long(&description)?;
    out.put(&(sealed.secrets().len() as u64 + 1).to_be_bytes())?;
    for item in sealed.items() {
        out.put_long(item.id.text().as_bytes())?;
        out.put(&item.version.to_be_bytes())?;
        out.put_long(&item.meta)?;
        out.put_long(&item.data)?;
    }
    let digest = out.hash.finalize();
    out.inner.write_all(&digest)?;
    out.inner.flush()
}

/// Reads a backup. Nothing is given before the whole of it has been compared with its digest.
pub fn read(from: impl Read) -> Result<(Description, Sealed), FileError> {
    let mut from = Hashed::new(from);
    match from.take::<16>() {
        Ok(magic) if magic == *MAGIC => {}
        Ok(_) | Err(FileError::Damaged(_)) => return Err(FileError::Foreign),
        Err(error) => return Err(error),
    }
    match u32::from_be_bytes(from.take()?) {
        FORMAT => {}
        other => return Err(FileError::Newer(other)),
    }
    let description = from.take_long(MAX_DESCRIPTION)?;
    let count = u64::from_be_bytes(from.take()?);
    let mut items = Vec::new();
    for _ in 0..count {
        let id = from.take_long(MAX_ID)?;
        let id = std::str::from_utf8(&id).ok().and_then(Id::parse);
        items.push(Item {
            id: id.ok_or(FileError::Damaged("an id that is none"))?,
            version: u64::from_be_bytes(from.take()?),
            meta: from.take_long(MAX_SEALED)?,
            data: from.take_long(MAX_SEALED)?,
        });
    }
    let digest = from.hash.finalize_reset();
    if from.take::<32>()? != *digest {
        return Err(FileError::Damaged("its digest is another"));
    }
    if from.inner.read(&mut [0])? != 0 {
        return Err(FileError::Damaged("something follows its end"));
    }
    let sealed =
        Sealed::new(items).map_err(|_| FileError::Damaged("its items are out of order"))?;
    Ok((describe(&description)?, sealed))
}

fn describe(bytes: &[u8]) -> Result<Description, CryptoError> {
    let (mut wallet, mut made_ns) = (None, None);
    cbor::read(bytes, |key, d| {
        match key {
            key::WALLET => wallet = Some(d.str()?.to_owned()),
            key::MADE => made_ns = Some(d.u64()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Description {
        wallet: required(wallet)?,
        made_ns: required(made_ns)?,
    })
}

/// Hashes what passes.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Hashed {
            inner,
            hash: Sha256::new(),
        }
    }
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }

    /// The length as u32, and the bytes.
    fn put_long(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).expect("no part of a wallet is near 4 GiB");
        self.put(&len.to_be_bytes())?;
        self.put(bytes)
    }
}

impl<R: Read> Hashed<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        match self.inner.read_exact(bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(FileError::Damaged("it is cut short"));
            }
            Err(e) => return Err(e.into()),
        }
        self.hash.update(bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// As many bytes as the u32 before them says, if these are no more than `most`.
    fn take_long(&mut self, most: usize) -> Result<Bytes, FileError> {
        let len = u32::from_be_bytes(self.take()?) as usize;
        if len > most {
            return Err(FileError::Damaged("a part of it is longer than any may be"));
        }
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(id: Id, version: u64) -> Item {
        Item {
            id,
            version,
            meta: Bytes::from_static(b"meta"),
            data: Bytes::from_static(b"data!"),
        }
    }

    fn file() -> (Description, Sealed, Vec<u8>) {
        let of = Description {
            wallet: "w".into(),
            made_ns: 5,
        };
        let secret = item(Id::Secret([0xab; 16]), 2);
        let sealed = Sealed::new(vec![secret, item(Id::Head, 7)]).unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, &of, &sealed).unwrap();
        (of, sealed, bytes)
    }

    fn refusal(bytes: &[u8]) -> String {
        match read(bytes) {
            Ok(_) => panic!("it must be refused"),
            Err(error) => error.to_string(),
        }
    }

    /// A change of it is a change of format.
    #[test]
    fn a_file_is_these_bytes() {
        let (of, sealed, bytes) = file();
        let mut expected = b"walletfs backup\n\0\0\0\x01\0\0\0\x06\xa2\x01\x61w\x02\x05".to_vec();
        expected.extend(b"\0\0\0\0\0\0\0\x02");
        for (id, version) in [("ab".repeat(16), 2), ("head".into(), 7)] {
            expected.extend([0, 0, 0, id.len() as u8]);
            expected.extend(id.bytes());
            expected.extend([0, 0, 0, 0, 0, 0, 0, version]);
            expected.extend(b"\0\0\0\x04meta\0\0\0\x05data!");
        }
        expected.extend(crate::crypto::sha256(&expected));
        assert_eq!(bytes, expected);
        let (read_of, read_sealed) = read(&bytes[..]).unwrap();
        assert_eq!((read_of, read_sealed), (of, sealed));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let (_, _, bytes) = file();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                refusal(&bytes);
            }
            refusal(&bytes[..at]);
        }
        refusal(&[&bytes[..], b"\0"].concat());
    }

    #[test]
    fn what_is_refused_is_told_apart() {
        let (_, _, bytes) = file();
        assert!(refusal(b"").contains("not a backup"));
        assert!(refusal(b"SQLite format 3\0 and more").contains("not a backup"));
        assert!(refusal(&bytes[..100]).contains("cut short"));
        let mut later = bytes.clone();
        later[19] = 2;
        assert!(refusal(&later).contains("newer walletfs"));
        let mut long = bytes.clone();
        long[20] = 0xff;
        assert!(refusal(&long).contains("longer than any may be"));
    }

    #[test]
    fn items_out_of_order_and_a_missing_head_are_refused() {
        let secret = |n| item(Id::Secret([n; 16]), 1);
        for items in [
            vec![],
            vec![secret(1)],
            vec![secret(2), secret(1), item(Id::Head, 1)],
            vec![secret(1), secret(1), item(Id::Head, 1)],
            vec![item(Id::Head, 1), item(Id::Head, 1)],
        ] {
            assert!(Sealed::new(items).is_err());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes[..]);
            let _ = read(&[&MAGIC[..], b"\0\0\0\x01", &bytes].concat()[..]);
        }
    }
}
