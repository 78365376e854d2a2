//! What an item says once it is open: [`Meta`], the names and attributes that a listing needs, and
//! [`Data`], the values.
//!
//! Knows neither seals nor stores. Names are kept as they were written, even those that cannot be
//! shown as a file: refusing them is for those who create them.

use crate::crypto::cbor::{self, MapWriter, Sink, Written, array_len, map_len, required};
use crate::crypto::{CryptoError, SecretBytes, Unknown};
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Keys of both maps, and those of meta alone.
mod key {
    pub(super) const UID: u64 = 1;
    pub(super) const PWD: u64 = 2;
    pub(super) const INFO: u64 = 3;
    pub(super) const DOMAIN: u64 = 4;
    pub(super) const ACCESS: u64 = 5;
    pub(super) const CREATED: u64 = 6;
    pub(super) const DATA_HASH: u64 = 7;
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
    /// Keys of later versions.
    pub unknown: Unknown,
}

impl Meta {
    /// The plaintext to seal.
    pub fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let known = 4 + fields_keys(&self.fields);
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
            map.end()
        }))
    }

    /// Reads what was sealed.
    pub fn decode(bytes: &[u8]) -> Result<Meta, CryptoError> {
        let (mut domain, mut access, mut created_ns, mut data_hash) = (None, None, None, None);
        let mut fields = BTreeMap::new();
        let unknown = cbor::read(bytes, |key, d| {
            match key {
                key::DOMAIN => domain = Some(d.str()?.into()),
                key::ACCESS => access = Some(d.str()?.into()),
                key::CREATED => created_ns = Some(d.i64()?),
                key::DATA_HASH => data_hash = Some(cbor::bytes(d)?),
                _ => return read_field(key, d, &mut fields, read_field_meta),
            }
            Ok(true)
        })?;
        Ok(Meta {
            domain: required(domain)?,
            access: required(access)?,
            created_ns: required(created_ns)?,
            data_hash: required(data_hash)?,
            fields,
            unknown,
        })
    }
}

impl Data {
    /// The plaintext to seal.
    pub fn encode(&self) -> SecretBytes {
        SecretBytes::new(cbor::write(|e| {
            let mut map = MapWriter::begin(e, fields_keys(&self.values), &self.unknown)?;
            write_fields(&mut map, &self.values, |e, value| {
                e.bytes(value.expose())?;
                Ok(())
            })?;
            map.end()
        }))
    }

    /// Reads what was sealed.
    pub fn decode(bytes: &[u8]) -> Result<Data, CryptoError> {
        let mut values = BTreeMap::new();
        let unknown = cbor::read(bytes, |key, d| {
            read_field(key, d, &mut values, |d| {
                Ok(SecretBytes::new(d.bytes()?.to_vec()))
            })
        })?;
        Ok(Data { values, unknown })
    }
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
fn fields_keys<T>(fields: &BTreeMap<Field, T>) -> usize {
    let credentials = fields.keys().take_while(|f| !matches!(f, Field::Info(_)));
    let credentials = credentials.count();
    credentials + usize::from(fields.len() > credentials)
}

/// Writes `uid`, `pwd` and the map of info keys, those that are there.
fn write_fields<T>(
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
fn read_field<'b, T>(
    key: u64,
    d: &mut Decoder<'b>,
    fields: &mut BTreeMap<Field, T>,
    read: impl Fn(&mut Decoder<'b>) -> Result<T, CryptoError>,
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
