//! [`History`]: the values that a secret's fields had before, sealed in its data with those that
//! they have.
//!
//! Whoever reads a value carries the history along unopened ([`Folded`]); it is opened to be shown
//! and to be added to. It is bounded in number, and in bytes, since each write of the secret seals
//! and sends it again; and it gives way to values (`History::shrink`).

use super::record::{Field, fields_keys, read_field, write_fields};
use crate::crypto::cbor::{self, MapWriter, Sink, Written, array_len};
use crate::crypto::{CryptoError, SecretBytes, Unknown};
use minicbor::{Decoder, Encoder};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Values of each field that are kept, unless configured.
pub const KEPT: usize = 10;

/// The most that may be configured, and the most that are read.
pub const MOST: usize = 100;

/// Bytes that a secret's history takes at most, what is around each value included.
const MOST_BYTES: usize = 64 << 10;

/// Bytes around a value: two times, and what tells them apart.
const AROUND: usize = 24;

/// A value that a field had.
pub struct Past {
    /// When it was replaced or removed: nanoseconds since 1970.
    pub until_ns: i64,
    /// The modification time that the field had with it.
    pub mtime_ns: i64,
    /// The bytes, exact.
    pub value: SecretBytes,
}

impl Past {
    fn weight(&self) -> usize {
        self.value.len() + AROUND
    }
}

/// What the fields of a secret held before, each the newest first; also of fields that are gone.
#[derive(Default)]
pub struct History {
    fields: BTreeMap<Field, Vec<Past>>,
    /// Keys of later versions.
    unknown: Unknown,
}

/// A history as it stands in data: checked, and not opened.
#[derive(Default)]
pub struct Folded(Option<SecretBytes>);

impl Folded {
    /// Reads the value of data's key.
    pub(super) fn read(d: &mut Decoder<'_>) -> Result<Folded, CryptoError> {
        let start = d.position();
        walk(d, |_| Ok(()))?;
        let bytes = &d.input()[start..d.position()];
        Ok(Folded(Some(SecretBytes::copy_of(bytes))))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of data's key; without one the key is not there.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.0.as_ref().map(SecretBytes::expose)
    }

    /// Opens it.
    pub fn open(&self) -> History {
        let Some(bytes) = self.bytes() else {
            return History::default();
        };
        let own = |past: Borrowed<'_>| {
            let (until_ns, mtime_ns) = (past.until_ns, past.mtime_ns);
            let value = SecretBytes::copy_of(past.value);
            Ok(Past {
                until_ns,
                mtime_ns,
                value,
            })
        };
        let (fields, unknown) = walk(&mut Decoder::new(bytes), own)
            .expect("it was checked when it was read, or written by us");
        History { fields, unknown }
    }
}

/// A value where it stands.
struct Borrowed<'b> {
    until_ns: i64,
    mtime_ns: i64,
    value: &'b [u8],
}

/// Reads a history, each value by `read`, and keys of later versions.
fn walk<'b, T>(
    d: &mut Decoder<'b>,
    read: impl Fn(Borrowed<'b>) -> Result<T, CryptoError>,
) -> Result<(BTreeMap<Field, Vec<T>>, Unknown), CryptoError> {
    let mut fields = BTreeMap::new();
    let unknown = cbor::read_map(d, |key, d| {
        read_field(key, d, &mut fields, |d| read_values(d, &read))
    })?;
    if fields.is_empty() && unknown.is_empty() {
        return Err(CryptoError::Malformed("a history of nothing"));
    }
    Ok((fields, unknown))
}

fn read_values<'b, T>(
    d: &mut Decoder<'b>,
    read: impl Fn(Borrowed<'b>) -> Result<T, CryptoError>,
) -> Result<Vec<T>, CryptoError> {
    let count = array_len(d)?;
    if !(1..=MOST as u64).contains(&count) {
        return Err(CryptoError::Malformed("a history of no or too many values"));
    }
    let value = |_| {
        if array_len(d)? != 3 {
            return Err(CryptoError::Malformed("a value of other than three parts"));
        }
        read(Borrowed {
            until_ns: d.i64()?,
            mtime_ns: d.i64()?,
            value: d.bytes()?,
        })
    };
    (0..count).map(value).collect()
}

impl History {
    /// The fields that have one, and what they held.
    pub fn fields(&self) -> impl Iterator<Item = (&Field, &[Past])> {
        self.fields
            .iter()
            .map(|(field, values)| (field, &values[..]))
    }

    /// What a field held, the newest first.
    pub fn of(&self, field: &Field) -> &[Past] {
        self.fields.get(field).map_or(&[], |values| &values[..])
    }

    /// The field has lost this value. One that was empty is no loss, and one that is too large by
    /// itself must not cost the others.
    pub fn add(&mut self, field: &Field, past: Past) {
        if !past.value.is_empty() && past.weight() <= MOST_BYTES {
            self.fields
                .entry(field.clone())
                .or_default()
                .insert(0, past);
        }
    }

    /// The newest value that a field held; it is taken out.
    pub(super) fn take_newest(&mut self, field: &Field) -> Option<Past> {
        let values = self.fields.get_mut(field)?;
        let newest = values.remove(0);
        if values.is_empty() {
            self.fields.remove(field);
        }
        Some(newest)
    }

    /// What a field held, which has it no longer.
    pub(super) fn take(&mut self, field: &Field) -> Vec<Past> {
        self.fields.remove(field).unwrap_or_default()
    }

    /// A field brought along what it held under another name.
    pub(super) fn merge(&mut self, field: &Field, values: Vec<Past>) {
        if !values.is_empty() {
            let all = self.fields.entry(field.clone()).or_default();
            all.extend(values);
            all.sort_by_key(|past| Reverse(past.until_ns));
        }
    }

    /// Keeps the newest `most` values of each field, and of all together what is not too much.
    pub(super) fn bound(&mut self, most: usize) {
        self.fields.retain(|_, values| {
            values.truncate(most.min(MOST));
            !values.is_empty()
        });
        let mut bytes: usize = self.fields.values().flatten().map(Past::weight).sum();
        while bytes > MOST_BYTES {
            bytes -= self.drop_oldest().map_or(bytes, |past| past.weight());
        }
    }

    /// Drops the oldest values until its encoding fits, or nothing is left.
    pub(super) fn shrink(&mut self, fits: impl Fn(usize) -> bool) {
        while !fits(self.encoded_len()) && self.drop_oldest().is_some() {}
    }

    /// The value that was replaced first. Within a field their order decides, not a clock.
    fn drop_oldest(&mut self) -> Option<Past> {
        let last =
            |(field, values): (&Field, &Vec<Past>)| Some((values.last()?.until_ns, field.clone()));
        let (_, field) = self.fields.iter().filter_map(last).min()?;
        let values = self.fields.get_mut(&field)?;
        let oldest = values.pop();
        if values.is_empty() {
            self.fields.remove(&field);
        }
        oldest
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.unknown.is_empty()
    }

    /// Bytes that it takes in data.
    fn encoded_len(&self) -> usize {
        match self.is_empty() {
            true => 0,
            // The key, below 24, takes one.
            false => 1 + cbor::len(|e| self.write(e)),
        }
    }

    /// As it stands in data.
    pub fn fold(&self) -> Folded {
        let folded = (!self.is_empty()).then(|| cbor::write(|e| self.write(e)));
        Folded(folded.map(SecretBytes::new))
    }

    fn write(&self, e: &mut Encoder<Sink>) -> Written {
        let mut map = MapWriter::begin(e, fields_keys(&self.fields), &self.unknown)?;
        write_fields(&mut map, &self.fields, |e, values| {
            e.array(values.len() as u64)?;
            values.iter().try_for_each(|past| {
                e.array(3)?
                    .i64(past.until_ns)?
                    .i64(past.mtime_ns)?
                    .bytes(past.value.expose())?;
                Ok(())
            })
        })?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::record::Data;
    use proptest::prelude::*;

    fn past(until_ns: i64, value: &[u8]) -> Past {
        Past {
            until_ns,
            mtime_ns: -1,
            value: SecretBytes::new(value.to_vec()),
        }
    }

    fn shown(history: &History) -> Vec<(String, Vec<i64>)> {
        let fields = history.fields();
        let times = |values: &[Past]| values.iter().map(|past| past.until_ns).collect();
        fields
            .map(|(field, values)| (format!("{field:?}"), times(values)))
            .collect()
    }

    #[test]
    fn it_is_one_map_under_keys_of_fields() {
        let mut history = History::default();
        history.add(&Field::Pwd, past(1, b"a"));
        history.add(&Field::Pwd, past(2, b"b"));
        history.add(&Field::Info("k".into()), past(3, b"c"));
        history.add(&Field::Uid, past(4, b""));
        let data = Data {
            history: history.fold(),
            ..Data::default()
        };
        let bytes = b"\xa1\x08\xa2\x02\x82\x83\x02\x20\x41b\x83\x01\x20\x41a\x03\xa1\x61k\x81\x83\x03\x20\x41c";
        assert_eq!(data.encode().expose(), bytes);
        let read = Data::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert!(read.values.is_empty());
        assert_eq!(shown(&read.history.open()), shown(&history));
        assert_eq!(read.encode().expose(), bytes);
        assert!(History::default().fold().bytes().is_none());
        // Keys of later versions stay.
        let bytes = b"\xa1\x08\xa2\x02\x81\x83\x01\x20\x41a\x04\xf5";
        let read = Data::decode(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.history.open().fold().bytes(), Some(&bytes[2..]));
    }

    #[test]
    fn another_form_is_refused() {
        let bad: [&[u8]; 8] = [
            b"\xa1\x08\xf6",
            b"\xa1\x08\xa0",
            b"\xa1\x08\xa1\x02\x80",
            b"\xa1\x08\xa1\x02\x81\x82\x01\x01",
            b"\xa1\x08\xa1\x02\x81\x84\x01\x01\x41a\x00",
            b"\xa1\x08\xa1\x02\x81\x83\x01\x01\x61a",
            b"\xa1\x08\xa1\x03\xa0",
            b"\xa1\x08\x81\x83\x01\x01\x41a",
        ];
        for bytes in bad {
            assert!(Data::decode(bytes).is_err(), "{bytes:x?}");
        }
        let many = |count: u8| {
            let mut bytes = b"\xa1\x08\xa1\x02\x98".to_vec();
            bytes.push(count);
            bytes.extend(b"\x83\x01\x01\x41a".repeat(count.into()));
            Data::decode(&bytes).is_ok()
        };
        assert!(many(100));
        assert!(!many(101));
    }

    #[test]
    fn the_newest_are_kept_and_the_oldest_go_first() {
        let mut history = History::default();
        for until in 1..=5 {
            history.add(&Field::Uid, past(until * 10, b"uid"));
            history.add(&Field::Pwd, past(until * 10 + 1, b"pwd"));
        }
        history.bound(3);
        let kept = |uid: &[i64], pwd: &[i64]| {
            vec![
                ("uid".to_owned(), uid.to_vec()),
                ("pwd".into(), pwd.to_vec()),
            ]
        };
        assert_eq!(shown(&history), kept(&[50, 40, 30], &[51, 41, 31]));
        let whole = history.encoded_len();
        history.shrink(|len| len < whole);
        assert_eq!(shown(&history), kept(&[50, 40], &[51, 41, 31]));
        history.shrink(|len| len < whole / 2);
        assert_eq!(shown(&history), kept(&[50], &[51]));
        history.bound(0);
        assert_eq!(shown(&history), []);
        history.shrink(|_| false);
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let mut history = History::default();
        for until in 1..=5 {
            history.add(&Field::Uid, past(until, &[7; 20_000]));
        }
        history.bound(10);
        assert_eq!(shown(&history), [("uid".into(), vec![5, 4, 3])]);
        // One that is too large by itself costs the others nothing.
        history.add(&Field::Uid, past(6, &[7; MOST_BYTES]));
        history.bound(10);
        assert_eq!(shown(&history), [("uid".into(), vec![5, 4, 3])]);
        // Many small ones are bounded as well.
        for key in 0..5_000 {
            history.add(&Field::Info(format!("{key}").into()), past(7, b"x"));
        }
        history.bound(10);
        assert!(history.encoded_len() < 2 * MOST_BYTES);
    }

    proptest! {
        #[test]
        fn the_length_foretold_is_that_of_the_encoding(
            values in prop::collection::vec((0..4_u8, any::<i64>(), 1..300_usize), 0..40)
        ) {
            let mut history = History::default();
            for (field, until, len) in values {
                let field = match field {
                    0 => Field::Uid,
                    1 => Field::Pwd,
                    n => Field::Info(format!("key {n}").into()),
                };
                history.add(&field, past(until, &vec![1; len]));
            }
            let data = Data { history: history.fold(), ..Data::default() };
            let bare = Data::default().encode().len();
            prop_assert_eq!(data.encode().len(), bare + history.encoded_len());
        }
    }
}
