//! walletfs's own JSON, exact to the byte (see [`crate::wallet::import::json`]).

use super::{Growing, Leaving, Written, text, to_json};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use crate::wallet::import::{json as form, write_moment};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use zeroize::Zeroizing;

/// Writes all there is.
pub fn json(secrets: &[Leaving]) -> Written {
    let bytes: Growing = to_json(&Document(secrets));
    Written {
        bytes,
        left_out: Vec::new(),
    }
}

/// Writes one secret alone, as it stands in the list of [`json`].
pub fn json_of_one(secret: &Leaving) -> Growing {
    to_json(&Secret(secret))
}

struct Document<'a>(&'a [Leaving]);

struct Secret<'a>(&'a Leaving);

struct Info<'a>(&'a Leaving);

struct Modified<'a>(&'a Leaving);

struct Value<'a>(&'a SecretBytes);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("walletfs", &form::VERSION)?;
        let secrets: Vec<_> = self.0.iter().map(Secret).collect();
        map.serialize_entry("secrets", &secrets)?;
        map.end()
    }
}

impl Serialize for Secret<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Secret(secret) = self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("domain", &*secret.domain)?;
        map.serialize_entry("access", &*secret.access)?;
        for (field, name) in [(Field::Uid, "uid"), (Field::Pwd, "pwd")] {
            if let Some(found) = secret.fields.get(&field) {
                map.serialize_entry(name, &Value(&found.value))?;
            }
        }
        map.serialize_entry("info", &Info(secret))?;
        map.serialize_entry("modified", &Modified(secret))?;
        map.end()
    }
}

impl Serialize for Info<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let values = self.0.info();
        to.collect_map(values.map(|(key, found)| (&**key, Value(&found.value))))
    }
}

impl Serialize for Modified<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.fields.iter();
        to.collect_map(fields.map(|(field, found)| {
            let moment = write_moment(found.mtime_ns);
            (form::key_of(field), moment)
        }))
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match text(self.0) {
            Some(text) => to.serialize_str(text),
            None => {
                let mut map = to.serialize_map(Some(1))?;
                let base64 = Zeroizing::new(STANDARD.encode(self.0.expose()));
                map.serialize_entry("base64", &*base64)?;
                map.end()
            }
        }
    }
}
