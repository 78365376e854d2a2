//! What the Python program secret-wallet's `load` reads: the form of its `save`, sealed or in
//! clear. It holds Latin-1 text only, and knows no absence: an absent user or password becomes an
//! empty one.

use super::{Leaving, LeavingField, Written, to_json};
use crate::crypto::{Random, SecretWalletKey, secret_wallet_holds};
use crate::wallet::Field;
use crate::wallet::import::{Text, plain_moment};
use serde::Serialize;
use serde::ser::Serializer;

/// Which form of `save`.
pub enum Form<'a> {
    /// Values sealed, as `load` takes them; names and info keys in clear.
    Sealed {
        /// The key of that program's wallet.
        key: &'a SecretWalletKey,
        /// Now, seconds since 1970.
        seconds: u64,
        /// For the seals.
        random: &'a dyn Random,
    },
    /// All in clear, as `load -d` takes it.
    Decrypted,
}

#[derive(Serialize)]
struct Record<'a> {
    domain: &'a str,
    access: &'a str,
    timestamp: String,
    uid: Text,
    pwd: Text,
    #[serde(serialize_with = "in_order")]
    info: Vec<(&'a str, Text)>,
}

fn in_order<S: Serializer>(pairs: &[(&str, Text)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Writes all that Latin-1 holds.
pub fn secret_wallet(secrets: &[Leaving], form: &Form<'_>) -> Written {
    let mut left_out = Vec::new();
    let records: Vec<_> = secrets
        .iter()
        .enumerate()
        .map(|(at, secret)| {
            let unheld = secret.fields.iter().filter(|(_, found)| !held(found));
            left_out.extend(unheld.map(|(field, _)| (at, field.clone())));
            let credential = |field: &Field| {
                let found = secret.fields.get(field).filter(|found| held(found));
                form.value(found.map_or(b"", |found| found.value.expose()))
            };
            let times = secret.fields.values().map(|found| found.mtime_ns);
            let info = secret.info().filter(|(_, found)| held(found));
            Record {
                domain: &secret.domain,
                access: &secret.access,
                timestamp: plain_moment(times.max().unwrap_or_default()),
                uid: credential(&Field::Uid),
                pwd: credential(&Field::Pwd),
                info: info
                    .map(|(key, found)| (&**key, form.value(found.value.expose())))
                    .collect(),
            }
        })
        .collect();
    let bytes = to_json(&records);
    Written { bytes, left_out }
}

fn held(found: &LeavingField) -> bool {
    secret_wallet_holds(found.value.expose())
}

impl Form<'_> {
    /// A value that is held.
    fn value(&self, value: &[u8]) -> Text {
        Text::from(match self {
            Form::Sealed {
                key,
                seconds,
                random,
            } => key
                .seal(value, *seconds, *random)
                .expect("only what Latin-1 holds comes here"),
            Form::Decrypted => String::from_utf8_lossy(value).into_owned(),
        })
    }
}
