//! What an item says once it is open: [`Meta`], the names and attributes that a listing needs, and
//! [`Data`], the values.
//!
//! Knows neither seals nor stores. Names are kept as they were written, even those that cannot be
//! shown as a file: refusing them is for those who create them.

use super::history::Folded;
use crate::crypto::cbor::{self, MapWriter, Sink, Written, array_len, map_len, required};
use crate::crypto::{CryptoError, SecretBytes, Unknown};
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Keys of both maps, and those of one alone.
mod key {
    pub(super) const UID: u64 = 1;
    pub(super) const PWD: u64 = 2;
    pub(super) const INFO: u64 = 3;
    pub(super) const DOMAIN: u64 = 4;
    pub(super) const ACCESS: u64 = 5;
    pub(super) const CREATED: u64 = 6;
    pub(super) const DATA_HASH: u64 = 7;
    /// Of meta alone.
    pub(super) const REMOVED: u64 = 8;
    /// Of data alone.
    pub(super) const HISTORY: u64 = 8;
}

/// The mode bits that are kept: the owner's.
const MODE_MASK: u32 = 0o700;

/// A field of a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The user's name.
    Uid,
    /// The password.
    Pwd,
    /// An info key, never empty.
    Info(Arc<str>),
}

/// Without info keys: they are secret too.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Uid => "uid",
            Field::Pwd => "pwd",
            Field::Info(_) => "an info key",
        })
    }
}

/// What is known of a field without its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldMeta {
    /// Bytes of the value.
    pub size: u64,
    /// Modification time: nanoseconds since 1970, negative before.
    pub mtime_ns: i64,
    /// Owner's permission bits, within 0o700.
    pub mode: u32,
    /// The generation at which the value last changed.
    pub rev: u64,
}

/// The meta of a secret's item.
#[derive(Clone, PartialEq, Eq)]
pub struct Meta {
    /// The domain's name.
    pub domain: Arc<str>,
    /// The secret's name within its domain.
    pub access: Arc<str>,
    /// When the secret was made: nanoseconds since 1970.
    pub created_ns: i64,
    /// SHA-256 of the item's data as stored.
    pub data_hash: [u8; 32],
    /// When the secret was removed, if it was and is kept for a while: nanoseconds since 1970. Then it
    /// has no place among the others, whatever its name.
    pub removed_ns: Option<i64>,
    /// The fields; each has a value in data.
    pub fields: BTreeMap<Field, FieldMeta>,
    /// Keys of later versions.
    pub unknown: Unknown,
}

/// The data of a secret's item.
#[derive(Default)]
pub struct Data {
    /// The values, byte for byte.
    pub values: BTreeMap<Field, SecretBytes>,
    /// The values that were there before.
    pub history: Folded,
    /// Keys of later versions.
    pub unknown: Unknown,
}

impl Meta {
    /// The plaintext to seal.
    pub fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let known = 4 + fields_keys(&self.fields) + usize::from(self.removed_ns.is_some());
            let mut map = MapWriter::begin(e, known, &self.unknown)?;
            write_fields(&mut map, &self.fields, |e, field| {
                e.array(4)?
                    .u64(field.size)?
                    .i64(field.mtime_ns)?
                    .u32(field.mode)?
                    .u64(field.rev)?;
                Ok(())
            })?;
            map.key(key::DOMAIN)?.str(&self.domain)?;
            map.key(key::ACCESS)?.str(&self.access)?;
            map.key(key::CREATED)?.i64(self.created_ns)?;
            map.key(key::DATA_HASH)?.bytes(&self.data_hash)?;
            if let Some(removed_ns) = self.removed_ns {
                map.key(key::REMOVED)?.i64(removed_ns)?;
            }
            map.end()
        }))
    }

    /// Reads what was sealed.
    pub fn decode(bytes: &[u8]) -> Result<Meta, CryptoError> {
        let (mut domain, mut access, mut created_ns, mut data_hash) = (None, None, None, None);
        let mut removed_ns = None;
        let mut fields = BTreeMap::new();
        let unknown = cbor::read(bytes, |key, d| {
            match key {
                key::DOMAIN => domain = Some(d.str()?.into()),
                key::ACCESS => access = Some(d.str()?.into()),
                key::CREATED => created_ns = Some(d.i64()?),
                key::DATA_HASH => data_hash = Some(cbor::bytes(d)?),
                key::REMOVED => removed_ns = Some(d.i64()?),
                _ => return read_field(key, d, &mut fields, read_field_meta),
            }
            Ok(true)
        })?;
        Ok(Meta {
            domain: required(domain)?,
            access: required(access)?,
            created_ns: required(created_ns)?,
            data_hash: required(data_hash)?,
            removed_ns,
            fields,
            unknown,
        })
    }
}

impl Data {
    /// The plaintext to seal.
    pub fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let history = self.history.bytes();
            let known = fields_keys(&self.values) + usize::from(history.is_some());
            let mut map = MapWriter::begin(e, known, &self.unknown)?;
            write_fields(&mut map, &self.values, |e, value| {
                e.bytes(value.expose())?;
                Ok(())
            })?;
            if let Some(history) = history {
                map.raw(key::HISTORY, history)?;
            }
            map.end()
        }))
    }

    /// Reads what was sealed.
    pub fn decode(bytes: &[u8]) -> Result<Data, CryptoError> {
        let (mut values, mut history) = (BTreeMap::new(), Folded::default());
        let unknown = cbor::read(bytes, |key, d| {
            if key == key::HISTORY {
                history = Folded::read(d)?;
                return Ok(true);
            }
            read_field(key, d, &mut values, |d| {
                Ok(SecretBytes::copy_of(d.bytes()?))
            })
        })?;
        Ok(Data {
            values,
            history,
            unknown,
        })
    }
}

/// One value of the data that was sealed: the others are read past, and no copy is made of them.
pub(super) fn value(bytes: &[u8], field: &Field) -> Result<Option<SecretBytes>, CryptoError> {
    let mut values = BTreeMap::new();
    cbor::read(bytes, |key, d| {
        if key == key::HISTORY {
            d.skip()?;
            return Ok(true);
        }
        read_field(key, d, &mut values, |d| Ok(d.bytes()?))
    })?;
    Ok(values.remove(field).map(SecretBytes::copy_of))
}

fn read_field_meta(d: &mut Decoder<'_>) -> Result<FieldMeta, CryptoError> {
    if array_len(d)? != 4 {
        return Err(CryptoError::Malformed(
            "a field of other than four attributes",
        ));
    }
    let field = FieldMeta {
        size: d.u64()?,
        mtime_ns: d.i64()?,
        mode: d.u32()?,
        rev: d.u64()?,
    };
    if field.mode & !MODE_MASK != 0 {
        return Err(CryptoError::Malformed(
            "a mode with other than owner's bits",
        ));
    }
    Ok(field)
}

/// How many of the keys `uid`, `pwd` and `info` are written: a field that is null is not there.
pub(super) fn fields_keys<T>(fields: &BTreeMap<Field, T>) -> usize {
    let credentials = fields.keys().take_while(|f| !matches!(f, Field::Info(_)));
    let credentials = credentials.count();
    credentials + usize::from(fields.len() > credentials)
}

/// Writes `uid`, `pwd` and the map of info keys, those that are there.
pub(super) fn write_fields<T>(
    map: &mut MapWriter<'_>,
    fields: &BTreeMap<Field, T>,
    write: impl Fn(&mut Encoder<Sink>, &T) -> Written,
) -> Written {
    let mut infos = Vec::new();
    for (field, value) in fields {
        match field {
            Field::Uid => write(map.key(key::UID)?, value)?,
            Field::Pwd => write(map.key(key::PWD)?, value)?,
            Field::Info(name) => infos.push((name, value)),
        }
    }
    if infos.is_empty() {
        return Ok(());
    }
    // The order of the encoded keys (RFC 8949, section 4.2.1): a text's length comes first in it.
    infos.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
    let e = map.key(key::INFO)?.map(infos.len() as u64)?;
    for (name, value) in infos {
        e.str(name)?;
        write(e, value)?;
    }
    Ok(())
}

/// Reads the value of `uid`, `pwd` or `info` into `fields`; false if `key` is none of them.
pub(super) fn read_field<'b, T>(
    key: u64,
    d: &mut Decoder<'b>,
    fields: &mut BTreeMap<Field, T>,
    mut read: impl FnMut(&mut Decoder<'b>) -> Result<T, CryptoError>,
) -> Result<bool, CryptoError> {
    match key {
        key::UID => drop(fields.insert(Field::Uid, read(d)?)),
        key::PWD => drop(fields.insert(Field::Pwd, read(d)?)),
        key::INFO => {
            let count = map_len(d)?;
            if count == 0 {
                return Err(CryptoError::Malformed("an empty map of info keys"));
            }
            for _ in 0..count {
                let name = d.str()?;
                if name.is_empty() {
                    return Err(CryptoError::Malformed("an empty info key"));
                }
                fields.insert(Field::Info(name.into()), read(d)?);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELD: FieldMeta = FieldMeta {
        size: 3,
        mtime_ns: -1,
        mode: 0o600,
        rev: 9,
    };

    fn meta(fields: &[Field]) -> Meta {
        Meta {
            domain: "energy".into(),
            access: "smart energy".into(),
            created_ns: -5,
            data_hash: [1; 32],
            removed_ns: None,
            fields: fields.iter().map(|f| (f.clone(), FIELD)).collect(),
            unknown: Unknown::default(),
        }
    }

    fn info(name: &str) -> Field {
        Field::Info(name.into())
    }

    fn decoded(bytes: &[u8]) -> Meta {
        Meta::decode(bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn info_keys_are_written_in_the_order_of_their_encodings() {
        let data = Data {
            values: ["b", "aa", "é", "ab", "a"]
                .into_iter()
                .map(|name| (info(name), SecretBytes::new(Vec::new())))
                .collect(),
            ..Data::default()
        };
        let written = b"\xa1\x03\xa5\x61a\x40\x61b\x40\x62aa\x40\x62ab\x40\x62\xc3\xa9\x40";
        assert_eq!(data.encode().expose(), written);
    }

    #[test]
    fn null_is_another_thing_than_empty() {
        assert_eq!(Data::default().encode().expose(), b"\xa0");
        let data = Data::decode(b"\xa1\x02\x40").unwrap_or_else(|error| panic!("{error}"));
        assert!(data.values.keys().eq(&[Field::Pwd]));
        assert!(data.values[&Field::Pwd].is_empty());
        for fields in [vec![], vec![Field::Uid], vec![Field::Pwd, info("k")]] {
            let meta = meta(&fields);
            assert!(decoded(meta.encode().expose()) == meta);
            assert!(meta.fields.keys().eq(&fields));
        }
    }

    #[test]
    fn keys_of_later_versions_return_to_their_places() {
        let bytes = b"\xa4\x00\xf6\x01\x41u\x03\xa1\x61k\x41v\x18\x40\x61x";
        let data = Data::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(data.values.len(), 2);
        assert_eq!(data.encode().expose(), bytes);
        let mut bytes = meta(&[Field::Uid]).encode().expose().to_vec();
        bytes[0] += 1;
        bytes.extend(b"\x09\xf5");
        assert_eq!(decoded(&bytes).encode().expose(), bytes);
    }

    #[test]
    fn what_no_walletfs_writes_is_refused() {
        let data: [&[u8]; 5] = [
            b"\xa1\x03\xa0",          // an empty map of info keys
            b"\xa1\x03\xa1\x60\x40",  // an empty info key
            b"\xa1\x03\xa1\x41k\x40", // an info key that is not text
            b"\xa1\x01\x61u",         // a value that is text
            b"\xa1\x01\xf6",          // a value that is null
        ];
        for bytes in data {
            assert!(Data::decode(bytes).is_err(), "{bytes:x?}");
        }
        let refused = |field: FieldMeta| {
            let mut meta = meta(&[]);
            meta.fields.insert(Field::Uid, field);
            Meta::decode(meta.encode().expose()).is_err()
        };
        assert!(!refused(FIELD));
        assert!(refused(FieldMeta {
            mode: 0o640,
            ..FIELD
        }));
        assert!(refused(FieldMeta {
            mode: 0o4600,
            ..FIELD
        }));
        let whole = meta(&[Field::Uid]).encode();
        let keys = |bytes| cbor::read(bytes, |_, _| Ok(false));
        for key in [key::DOMAIN, key::ACCESS, key::CREATED, key::DATA_HASH] {
            let entries = keys(whole.expose()).unwrap();
            assert!(Meta::decode(&entries.without(key)).is_err(), "{key}");
        }
        let three = b"\xa1\x01\x83\x00\x00\x00";
        assert!(Meta::decode(three).is_err());
    }

    fn field() -> impl Strategy<Value = Field> {
        prop_oneof![
            Just(Field::Uid),
            Just(Field::Pwd),
            ".{1,30}".prop_map(|k| info(&k))
        ]
    }

    prop_compose! {
        fn any_meta()(
            domain in ".{0,20}", access in ".{0,20}", created_ns: i64, data_hash: [u8; 32],
            removed_ns: Option<i64>,
            fields in prop::collection::btree_map(
                field(),
                (any::<u64>(), any::<i64>(), 0..8_u32, any::<u64>()).prop_map(
                    |(size, mtime_ns, mode, rev)| FieldMeta { size, mtime_ns, mode: mode << 6, rev }),
                0..30),
        ) -> Meta {
            Meta {
                domain: domain.into(), access: access.into(), created_ns, data_hash, removed_ns,
                fields,
                unknown: Unknown::default(),
            }
        }
    }

    impl std::fmt::Debug for FieldMeta {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a field's attributes")
        }
    }

    impl std::fmt::Debug for Meta {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a meta of {} bytes", self.encode().len())
        }
    }

    proptest! {
        #[test]
        fn meta_returns_as_it_was(meta in any_meta()) {
            let bytes = meta.encode();
            prop_assert!(decoded(bytes.expose()) == meta);
        }

        #[test]
        fn data_returns_as_it_was(
            values in prop::collection::btree_map(
                field(), prop::collection::vec(any::<u8>(), 0..300), 0..30),
        ) {
            let data = Data {
                values: values.iter()
                    .map(|(f, v)| (f.clone(), SecretBytes::new(v.clone())))
                    .collect(),
                ..Data::default()
            };
            let read = Data::decode(data.encode().expose());
            let read = read.unwrap_or_else(|error| panic!("{error}"));
            let read = read.values.iter().map(|(f, v)| (f, v.expose()));
            prop_assert!(read.eq(values.iter().map(|(f, v)| (f, &v[..]))));
            let sealed = data.encode();
            for (field, expected) in &values {
                let one = value(sealed.expose(), field).unwrap_or_else(|error| panic!("{error}"));
                prop_assert!(one.is_some_and(|one| one.expose() == &expected[..]));
            }
            let other = Field::Info("a key of more letters than any above has".into());
            prop_assert!(matches!(value(sealed.expose(), &other), Ok(None)));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Meta::decode(&bytes);
            let whole = Data::decode(&bytes);
            prop_assert!(whole.is_err() || value(&bytes, &Field::Uid).is_ok());
        }

        #[test]
        fn a_changed_byte_is_refused_or_means_itself(at in any::<prop::sample::Index>(), to: u8) {
            let mut bytes = meta(&[Field::Uid, Field::Pwd, info("k")]).encode().expose().to_vec();
            *at.get_mut(&mut bytes) = to;
            if let Ok(meta) = Meta::decode(&bytes) {
                prop_assert!(meta.encode().expose() == bytes);
            }
        }
    }
}
