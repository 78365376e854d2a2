//! walletfs's own JSON: everything that a wallet holds but its history, exact to the byte.
//!
//! `{"walletfs": 1, "secrets": [{"domain", "access", "uid", "pwd", "info": {KEY: VALUE},
//! "modified"}]}`: a value is a text, or `{"base64": TEXT}` where the bytes are no text; a field
//! that is not there is absent. `modified` maps the fields to RFC 3339 times, info keys as they are
//! with `info:` before them.

use super::text::{bounded, from_json};
use super::{Fields, MOST_FIELDS, Source, SourceError, Text, parse_moment};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The version of the form.
pub(crate) const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Document {
    walletfs: u64,
    #[serde(deserialize_with = "bounded")]
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Secret {
    domain: Text,
    access: Text,
    uid: Option<Value>,
    pwd: Option<Value>,
    #[serde(default)]
    info: Values,
    #[serde(default)]
    modified: BTreeMap<Text, Text>,
}

/// A value.
struct Value(Arc<SecretBytes>);

#[derive(Default)]
struct Values(Vec<(Text, Value)>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Exact;
        impl<'de> Visitor<'de> for Exact {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or Base64 of bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value(Arc::new(super::value(text))))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let wrong = || A::Error::custom("not the one key `base64`");
                let (key, text): (Text, Text) = map.next_entry()?.ok_or_else(wrong)?;
                if &*key != "base64" || map.next_key::<Text>()?.is_some() {
                    return Err(wrong());
                }
                let bytes = STANDARD
                    .decode(text.as_bytes())
                    .map_err(|_| A::Error::custom("not Base64"))?;
                Ok(Value(Arc::new(SecretBytes::new(bytes))))
            }
        }
        from.deserialize_any(Exact)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MOST_FIELDS} values by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if values.len() >= MOST_FIELDS {
                        return Err(A::Error::invalid_length(values.len() + 1, &self));
                    }
                    values.push(pair);
                }
                Ok(Values(values))
            }
        }
        from.deserialize_map(Bounded)
    }
}

/// Reads what `export --format json` wrote.
pub fn read(json: &[u8]) -> Result<Source, SourceError> {
    let document: Document = from_json(json)?;
    if document.walletfs != VERSION {
        return Err(SourceError::malformed(
            "it is of a later version of walletfs: import it with that one",
        ));
    }
    let mut source = Source::default();
    for (at, secret) in document.secrets.into_iter().enumerate() {
        let mut fields = Fields::default();
        let credentials = [(Field::Uid, secret.uid), (Field::Pwd, secret.pwd)];
        let credentials = credentials
            .into_iter()
            .filter_map(|(field, value)| Some((field, value?)));
        let info = secret.info.0.into_iter();
        let info = info.map(|(key, value)| (Field::Info((*key).into()), value));
        for (field, Value(value)) in credentials.chain(info) {
            let changed = secret.modified.get(&Text::new(&key_of(&field)));
            let changed = changed.and_then(|text| parse_moment(text));
            fields.exact(field, value, changed);
        }
        let origin = format!("secret {}", at + 1);
        source.push(fields.into_found(origin, &secret.domain, &secret.access))?;
    }
    Ok(source)
}

/// What a field is called in `modified`.
pub(crate) fn key_of(field: &Field) -> String {
    match field {
        Field::Uid => "uid".into(),
        Field::Pwd => "pwd".into(),
        Field::Info(key) => format!("info:{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_exact_and_absence_is_kept() {
        let json = r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":"",
            "info":{"k":{"base64":"/w=="},"uid":"x\n"},
            "modified":{"uid":"2020-02-01T08:27:03.6Z","info:uid":"1970-01-01T00:00:01Z"}}]}"#;
        let source = read(json.as_bytes()).unwrap();
        let fields = &source.secrets[0].fields;
        let value = |field: Field| {
            fields
                .get(&field)
                .map(|found| found.value.expose().to_vec())
        };
        assert_eq!(value(Field::Uid), Some(vec![]));
        assert_eq!(value(Field::Pwd), None);
        assert_eq!(value(Field::Info("k".into())), Some(vec![255]));
        assert_eq!(value(Field::Info("uid".into())), Some(b"x\n".to_vec()));
        let changed = |field: Field| fields[&field].mtime_ns;
        assert_eq!(changed(Field::Uid), Some(1_580_545_623_600_000_000));
        assert_eq!(changed(Field::Info("uid".into())), Some(1_000_000_000));
        assert_eq!(changed(Field::Info("k".into())), None);
    }

    #[test]
    fn other_json_is_refused() {
        for json in [
            "[]",
            r#"{"secrets":[]}"#,
            r#"{"walletfs":2,"secrets":[]}"#,
            r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":7}]}"#,
            r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":{"hex":""}}]}"#,
            r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":{"base64":"?"}}]}"#,
            r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":{"base64":"","x":""}}]}"#,
            r#"{"walletfs":1,"secrets":[{"domain":"d","access":"a","uid":{}}]}"#,
        ] {
            assert!(read(json.as_bytes()).is_err(), "{json}");
        }
    }
}
