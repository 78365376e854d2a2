//! The CBOR of format 1: deterministic (RFC 8949, section 4.2.1), maps under integer keys, unknown
//! keys kept.
//!
//! A document is checked whole before anything of it is believed: shortest heads, definite lengths,
//! map keys ascending and single, nothing behind the end; integers, strings, arrays, maps, booleans
//! and null only. So each content has one encoding, and what is decoded encodes to the same bytes.

use super::CryptoError;
use minicbor::data::Type;
use minicbor::encode::write::Write;
use minicbor::{Decoder, Encoder, decode};
use std::collections::{BTreeMap, btree_map};
use std::convert::Infallible;
use std::fmt;
use std::iter::Peekable;
use zeroize::Zeroizing;

/// How deep arrays and maps may nest. Format 1 needs 5; the rest is for keys of later versions.
const MAX_DEPTH: u8 = 16;

/// What a map held under keys that this version does not know, kept to be written back. Wiped on
/// drop: it may be a part of a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Unknown(BTreeMap<u64, Zeroizing<Vec<u8>>>);

impl Unknown {
    /// Whether there were none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
impl Unknown {
    /// The keys, ascending.
    pub(crate) fn keys(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }

    /// The document of all entries but that of `key`.
    pub(crate) fn without(mut self, key: u64) -> Vec<u8> {
        self.0.remove(&key).expect("a key that is there");
        write(|e| MapWriter::begin(e, 0, &self)?.end())
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} unknown keys", self.0.len())
    }
}

/// Any failure of the decoder, without its message: that could quote what was decoded.
impl From<decode::Error> for CryptoError {
    fn from(_: decode::Error) -> Self {
        CryptoError::Malformed("CBOR of another type, or cut short")
    }
}

// ---- reading ------------------------------------------------------------------------------------

/// Reads a document that is one map. `known` is called for each key in turn: it reads the value and
/// returns true, or returns false for a key that it does not know.
pub(crate) fn read<'b>(
    bytes: &'b [u8],
    known: impl FnMut(u64, &mut Decoder<'b>) -> Result<bool, CryptoError>,
) -> Result<Unknown, CryptoError> {
    check(bytes)?;
    read_map(&mut Decoder::new(bytes), known)
}

/// Reads a map within a document, as [`read`] does.
pub(crate) fn read_map<'b>(
    decoder: &mut Decoder<'b>,
    mut known: impl FnMut(u64, &mut Decoder<'b>) -> Result<bool, CryptoError>,
) -> Result<Unknown, CryptoError> {
    let mut unknown = Unknown::default();
    for _ in 0..map_len(decoder)? {
        let key = decoder.u64()?;
        if !known(key, decoder)? {
            let start = decoder.position();
            decoder.skip()?;
            let value = decoder.input()[start..decoder.position()].to_vec();
            unknown.0.insert(key, Zeroizing::new(value));
        }
    }
    Ok(unknown)
}

/// The number of elements of the array that begins here.
pub(crate) fn array_len(decoder: &mut Decoder<'_>) -> Result<u64, CryptoError> {
    decoder.array()?.ok_or(INDEFINITE)
}

/// The number of entries of the map that begins here.
pub(crate) fn map_len(decoder: &mut Decoder<'_>) -> Result<u64, CryptoError> {
    decoder.map()?.ok_or(INDEFINITE)
}

/// A byte string of exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], CryptoError> {
    decoder
        .bytes()?
        .try_into()
        .map_err(|_| CryptoError::Malformed("a byte string of another length"))
}

/// The value of a key that must be there.
pub(crate) fn required<T>(value: Option<T>) -> Result<T, CryptoError> {
    value.ok_or(CryptoError::Malformed("a required key is missing"))
}

const INDEFINITE: CryptoError = CryptoError::Malformed("CBOR of indefinite length");

/// Refuses what is not one deterministic document.
fn check(bytes: &[u8]) -> Result<(), CryptoError> {
    let mut decoder = Decoder::new(bytes);
    check_value(&mut decoder, 0)?;
    if decoder.position() != bytes.len() {
        return Err(CryptoError::Malformed("bytes behind the end of CBOR"));
    }
    Ok(())
}

fn check_value(decoder: &mut Decoder<'_>, depth: u8) -> Result<(), CryptoError> {
    if depth > MAX_DEPTH {
        return Err(CryptoError::Malformed("CBOR nested too deep"));
    }
    let start = decoder.position();
    match decoder.datatype()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let value = decoder.u64()?;
            shortest(decoder, start, 0, value)
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            // An integer of major type 1 is -1 - n, and n is in its head.
            let n = -1 - i128::from(decoder.int()?);
            shortest(decoder, start, 0, n as u64)
        }
        Type::Bytes => {
            let len = decoder.bytes()?.len();
            shortest(decoder, start, len, len as u64)
        }
        Type::String => {
            let len = decoder.str()?.len();
            shortest(decoder, start, len, len as u64)
        }
        Type::Array => {
            let len = array_len(decoder)?;
            shortest(decoder, start, 0, len)?;
            // Each element takes a byte at least, so a false length ends with the input.
            (0..len).try_for_each(|_| check_value(decoder, depth + 1))
        }
        Type::Map => {
            let len = map_len(decoder)?;
            shortest(decoder, start, 0, len)?;
            let mut last: &[u8] = &[];
            for _ in 0..len {
                let start = decoder.position();
                check_value(decoder, depth + 1)?;
                let key = &decoder.input()[start..decoder.position()];
                if key <= last {
                    return Err(CryptoError::Malformed(
                        "CBOR map keys out of order or repeated",
                    ));
                }
                last = key;
                check_value(decoder, depth + 1)?;
            }
            Ok(())
        }
        Type::Bool => Ok(decoder.bool().map(drop)?),
        Type::Null => Ok(decoder.null()?),
        Type::BytesIndef | Type::StringIndef | Type::ArrayIndef | Type::MapIndef => Err(INDEFINITE),
        _ => Err(CryptoError::Malformed(
            "CBOR of a type that the format does not use",
        )),
    }
}

/// Refuses a head that is longer than `argument` needs; the head lies between `start` and the
/// `content` bytes that the decoder read last.
fn shortest(
    decoder: &Decoder<'_>,
    start: usize,
    content: usize,
    argument: u64,
) -> Result<(), CryptoError> {
    let needed = match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    };
    if decoder.position() - start - content != needed {
        return Err(CryptoError::Malformed(
            "a CBOR head that is not the shortest",
        ));
    }
    Ok(())
}

// ---- writing ------------------------------------------------------------------------------------

/// Where an encoder writes. The first pass counts, so that the second never grows its vector: a
/// vector that grows leaves copies of secrets in freed memory.
pub(crate) enum Sink {
    Count(usize),
    Fill(Vec<u8>),
}

impl Write for Sink {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        match self {
            Sink::Count(count) => *count += bytes.len(),
            Sink::Fill(vec) => vec.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// What writing returns: it cannot fail.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// The bytes of the document that `write` writes; `write` is called twice and must do the same.
pub(crate) fn write(write: impl Fn(&mut Encoder<Sink>) -> Written) -> Vec<u8> {
    let run = |sink| {
        let mut encoder = Encoder::new(sink);
        write(&mut encoder).expect("a sink takes everything");
        encoder.into_writer()
    };
    let Sink::Count(size) = run(Sink::Count(0)) else {
        unreachable!("the sink that went in comes out")
    };
    let Sink::Fill(bytes) = run(Sink::Fill(Vec::with_capacity(size))) else {
        unreachable!("the sink that went in comes out")
    };
    debug_assert_eq!(bytes.len(), size);
    bytes
}

/// Bytes of the document that `write` writes.
pub(crate) fn len(write: impl Fn(&mut Encoder<Sink>) -> Written) -> usize {
    let mut encoder = Encoder::new(Sink::Count(0));
    write(&mut encoder).expect("a sink takes everything");
    match encoder.into_writer() {
        Sink::Count(len) => len,
        Sink::Fill(_) => unreachable!("the sink that went in comes out"),
    }
}

/// Writes a map whose unknown keys go back to their places among the known ones.
pub(crate) struct MapWriter<'a> {
    encoder: &'a mut Encoder<Sink>,
    unknown: Peekable<btree_map::Iter<'a, u64, Zeroizing<Vec<u8>>>>,
}

impl<'a> MapWriter<'a> {
    /// Begins a map of `known` known keys and those of `unknown`.
    pub(crate) fn begin(
        encoder: &'a mut Encoder<Sink>,
        known: usize,
        unknown: &'a Unknown,
    ) -> Result<Self, minicbor::encode::Error<Infallible>> {
        encoder.map((known + unknown.0.len()) as u64)?;
        Ok(MapWriter {
            encoder,
            unknown: unknown.0.iter().peekable(),
        })
    }

    /// Writes a known key; the caller writes its value next. Keys come in ascending order.
    pub(crate) fn key(
        &mut self,
        key: u64,
    ) -> Result<&mut Encoder<Sink>, minicbor::encode::Error<Infallible>> {
        while let Some((unknown, value)) = self.unknown.next_if(|(unknown, _)| **unknown < key) {
            self.entry(*unknown, value)?;
        }
        self.encoder.u64(key)
    }

    /// Writes a known key and its value, which is encoded already.
    pub(crate) fn raw(&mut self, key: u64, value: &[u8]) -> Written {
        let Ok(()) = self.key(key)?.writer_mut().write_all(value);
        Ok(())
    }

    /// Writes what remains of the unknown keys.
    pub(crate) fn end(mut self) -> Written {
        while let Some((unknown, value)) = self.unknown.next() {
            self.entry(*unknown, value)?;
        }
        Ok(())
    }

    fn entry(&mut self, key: u64, value: &[u8]) -> Written {
        self.encoder.u64(key)?;
        let Ok(()) = self.encoder.writer_mut().write_all(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keep_all(bytes: &[u8]) -> Result<Unknown, CryptoError> {
        read(bytes, |_, _| Ok(false))
    }

    fn rewrite(unknown: &Unknown) -> Vec<u8> {
        write(|e| MapWriter::begin(e, 0, unknown)?.end())
    }

    /// Each rule of RFC 8949, section 4.2.1, and each bound of ours, broken once.
    #[test]
    fn what_is_not_deterministic_is_refused() {
        let refused: [(&str, &[u8]); 27] = [
            ("empty", b""),
            ("not a map", b"\x01"),
            ("cut in a key", b"\xa1"),
            ("cut in a value", b"\xa1\x01"),
            ("bytes behind", b"\xa1\x01\x02\x00"),
            ("u8 too long", b"\xa1\x01\x18\x17"),
            ("u16 too long", b"\xa1\x01\x19\x00\xff"),
            ("u32 too long", b"\xa1\x01\x1a\x00\x00\xff\xff"),
            (
                "u64 too long",
                b"\xa1\x01\x1b\x00\x00\x00\x00\xff\xff\xff\xff",
            ),
            ("negative too long", b"\xa1\x01\x38\x17"),
            ("key too long", b"\xa1\x18\x01\x02"),
            ("bytes' length too long", b"\xa1\x01\x58\x01\x00"),
            ("text's length too long", b"\xa1\x01\x78\x01a"),
            ("array's length too long", b"\xa1\x01\x98\x01\x00"),
            ("map's length too long", b"\xb8\x01\x01\x02"),
            ("indefinite bytes", b"\xa1\x01\x5f\x41a\xff"),
            ("indefinite text", b"\xa1\x01\x7f\x61a\xff"),
            ("indefinite array", b"\xa1\x01\x9f\x00\xff"),
            ("indefinite map", b"\xbf\x01\x02\xff"),
            ("keys out of order", b"\xa2\x02\x00\x01\x00"),
            ("a key twice", b"\xa2\x01\x00\x01\x00"),
            ("a nested key twice", b"\xa1\x01\xa2\x01\x00\x01\x00"),
            ("a text key", b"\xa1\x61a\x00"),
            ("a negative key", b"\xa1\x20\x00"),
            ("a tag", b"\xa1\x01\xc0\x00"),
            ("a float", b"\xa1\x01\xf9\x00\x00"),
            ("not UTF-8", b"\xa1\x01\x61\xff"),
        ];
        for (what, bytes) in refused {
            assert!(keep_all(bytes).is_err(), "{what}");
        }
        let huge = b"\xa1\x01\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(keep_all(huge).is_err());
        let deep = |depth: usize| {
            let mut bytes = b"\xa1\x01".to_vec();
            bytes.extend(std::iter::repeat_n(0x81, depth));
            bytes.push(0);
            keep_all(&bytes)
        };
        assert!(deep(usize::from(MAX_DEPTH) - 1).is_ok());
        assert!(deep(usize::from(MAX_DEPTH)).is_err());
        assert!(deep(100_000).is_err());
    }

    #[test]
    fn unknown_keys_return_to_their_places() {
        let bytes = b"\xa4\x00\xf6\x01\x05\x02\x42hi\x18\x63\x82\x20\xf5";
        let mut seen = 0;
        let unknown = read(bytes, |key, d| {
            if key == 1 {
                seen = d.u64()?;
            }
            Ok(key == 1)
        })
        .unwrap();
        assert_eq!((seen, unknown.0.len()), (5, 3));
        assert_eq!(format!("{unknown:?}"), "3 unknown keys");
        let again = write(|e| {
            let mut map = MapWriter::begin(e, 1, &unknown)?;
            map.key(1)?.u64(5)?;
            map.end()
        });
        assert_eq!(again, bytes);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(unknown) = keep_all(&bytes) {
                prop_assert_eq!(rewrite(&unknown), bytes);
            }
        }

        /// Starts from what is nearly right, where arbitrary bytes rarely come.
        #[test]
        fn a_changed_byte_is_refused_or_means_itself(at in any::<prop::sample::Index>(), to: u8) {
            let mut bytes =
                b"\xa4\x00\xf6\x01\x19\x01\x00\x02\x42hi\x18\x63\x82\x20\xa1\x61x\xf5".to_vec();
            *at.get_mut(&mut bytes) = to;
            if let Ok(unknown) = keep_all(&bytes) {
                prop_assert_eq!(rewrite(&unknown), bytes);
            }
        }
    }
}
