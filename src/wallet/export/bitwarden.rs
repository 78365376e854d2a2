//! Bitwarden's JSON: a domain is a folder, a secret an item with a login, an info key a hidden
//! custom field. It holds text only.

use super::{Leaving, Written, text, to_json};
use crate::crypto::Random;
use crate::wallet::Field;
use serde::Serialize;
use std::collections::BTreeMap;

/// A login, and a custom field that is not shown unasked.
const LOGIN: u8 = 1;
const HIDDEN: u8 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    encrypted: bool,
    folders: Vec<Folder<'a>>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Folder<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    id: String,
    organization_id: Option<&'a str>,
    folder_id: &'a str,
    r#type: u8,
    reprompt: u8,
    name: &'a str,
    notes: Option<&'a str>,
    favorite: bool,
    fields: Vec<Custom<'a>>,
    login: Login<'a>,
    collection_ids: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Custom<'a> {
    name: &'a str,
    value: &'a str,
    r#type: u8,
    linked_id: Option<u8>,
}

#[derive(Serialize)]
struct Login<'a> {
    uris: [&'a str; 0],
    username: Option<&'a str>,
    password: Option<&'a str>,
    totp: Option<&'a str>,
}

/// Writes all that is text. `random` gives the folders and items their ids.
pub fn bitwarden(secrets: &[Leaving], random: &dyn Random) -> Written {
    let mut ids = BTreeMap::new();
    for secret in secrets {
        ids.entry(&*secret.domain).or_insert_with(|| uuid(random));
    }
    let mut left_out = Vec::new();
    let mut items = Vec::with_capacity(secrets.len());
    for (at, secret) in secrets.iter().enumerate() {
        let unheld = secret
            .fields
            .iter()
            .filter(|(_, f)| text(&f.value).is_none());
        left_out.extend(unheld.map(|(field, _)| (at, field.clone())));
        let fields = secret.info().filter_map(|(name, found)| {
            Some(Custom {
                name,
                value: text(&found.value)?,
                r#type: HIDDEN,
                linked_id: None,
            })
        });
        items.push(Item {
            id: uuid(random),
            organization_id: None,
            folder_id: &ids[&*secret.domain],
            r#type: LOGIN,
            reprompt: 0,
            name: &secret.access,
            notes: None,
            favorite: false,
            fields: fields.collect(),
            login: Login {
                uris: [],
                username: secret.text(&Field::Uid),
                password: secret.text(&Field::Pwd),
                totp: None,
            },
            collection_ids: None,
        });
    }
    let folders = ids.iter().map(|(name, id)| Folder { id, name });
    let bytes = to_json(&Document {
        encrypted: false,
        folders: folders.collect(),
        items,
    });
    Written { bytes, left_out }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |part: &[u8]| {
        part.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let parts = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ];
    parts.map(hex).join("-")
}
