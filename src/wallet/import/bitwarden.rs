//! Bitwarden's JSON, not encrypted. A folder is a domain, an item a secret; an item without a
//! folder goes to the domain `bitwarden`. What an item has besides user and password becomes info
//! keys, each custom field under its own name.

use super::loose::Loose;
use super::text::{bounded, from_json};
use super::{Fields, Found, Source, SourceError, Text, parse_moment};
use crate::wallet::Field;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The domain of items without a folder.
pub const NOWHERE: &str = "bitwarden";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    encrypted: bool,
    #[serde(default, deserialize_with = "bounded")]
    folders: Vec<Folder>,
    /// An organisation's export has these in the place of folders.
    #[serde(default, deserialize_with = "bounded")]
    collections: Vec<Folder>,
    #[serde(default, deserialize_with = "bounded")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Folder {
    id: Option<Text>,
    name: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: Option<Text>,
    folder_id: Option<Text>,
    #[serde(default, deserialize_with = "bounded")]
    collection_ids: Vec<Text>,
    notes: Option<Text>,
    revision_date: Option<Text>,
    login: Option<Login>,
    #[serde(default, deserialize_with = "bounded")]
    fields: Vec<Custom>,
    card: Option<Loose>,
    identity: Option<Loose>,
    ssh_key: Option<Loose>,
}

#[derive(Deserialize)]
struct Login {
    username: Option<Text>,
    password: Option<Text>,
    totp: Option<Text>,
    #[serde(default, deserialize_with = "bounded")]
    uris: Vec<Uri>,
    #[serde(default, rename = "fido2Credentials", deserialize_with = "bounded")]
    passkeys: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Uri {
    uri: Option<Text>,
}

#[derive(Deserialize)]
struct Custom {
    name: Option<Text>,
    value: Option<Loose>,
    r#type: Option<u8>,
}

/// A field that shows another one of the item.
const LINKED: u8 = 3;

/// Reads an export.
pub fn read(json: &[u8]) -> Result<Source, SourceError> {
    let document: Document = from_json(json)?;
    if document.encrypted {
        return Err(SourceError::malformed(
            "it is encrypted: export it from Bitwarden once more, as `.json` and not as `.json \
             (Encrypted)`",
        ));
    }
    if document.items.is_empty() {
        return Err(SourceError::malformed("it has no `items`"));
    }
    let folders = document.folders.iter().chain(&document.collections);
    let names: BTreeMap<&str, &str> = folders
        .filter_map(|folder| Some((&**folder.id.as_ref()?, &**folder.name.as_ref()?)))
        .collect();
    let mut source = Source::default();
    let (mut passkeys, mut linked) = (0, 0);
    for (at, item) in document.items.into_iter().enumerate() {
        if let Some(login) = &item.login {
            passkeys += login.passkeys.len();
        }
        let links = item.fields.iter().filter(|f| f.r#type == Some(LINKED));
        linked += links.count();
        source.push(found(item, format!("item {}", at + 1), &names)?)?;
    }
    source.leave_out(passkeys, "passkeys: they open nothing outside of Bitwarden");
    source.leave_out(
        linked,
        "linked fields: they show another field of their item",
    );
    Ok(source)
}

fn found(item: Item, origin: String, folders: &BTreeMap<&str, &str>) -> Result<Found, SourceError> {
    let changed = item.revision_date.as_deref().and_then(parse_moment);
    let mut fields = Fields::changed(changed);
    // Custom fields come first: they keep their names, and what is Bitwarden's takes a number.
    for custom in &item.fields {
        let name = custom.name.as_deref().unwrap_or_default();
        if custom.r#type != Some(LINKED) {
            let leaves = custom.value.as_ref().map(|value| value.leaves(""));
            let leaves = leaves.transpose()?;
            let text = leaves.and_then(|leaves| leaves.first().map(|(_, text)| *text));
            fields.info(name, super::value(text.map_or("", |text| text)))?;
        }
    }
    if let Some(login) = &item.login {
        // Bitwarden writes null for what is absent.
        for (field, text) in [(Field::Uid, &login.username), (Field::Pwd, &login.password)] {
            if let Some(text) = text {
                fields.put(field, super::value(text));
            }
        }
        fields.note("totp", login.totp.as_ref())?;
        for uri in &login.uris {
            fields.note("url", uri.uri.as_ref())?;
        }
    }
    fields.note("notes", item.notes.as_ref())?;
    for part in [&item.card, &item.identity, &item.ssh_key]
        .into_iter()
        .flatten()
    {
        for (key, text) in part.leaves("")? {
            fields.note(&key, Some(text))?;
        }
    }
    let folder = item.folder_id.iter().chain(&item.collection_ids).next();
    let domain = folder.and_then(|id| folders.get(&**id));
    let domain = domain.filter(|name| !name.is_empty()).unwrap_or(&NOWHERE);
    Ok(fields.into_found(origin, domain, item.name.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &Source) -> Vec<String> {
        let secrets = source.secrets.iter();
        secrets
            .map(|found| {
                let fields = found.fields.iter().map(|(field, found)| {
                    let key = match field {
                        Field::Uid => "uid",
                        Field::Pwd => "pwd",
                        Field::Info(key) => key,
                    };
                    let value = String::from_utf8(found.value.expose().to_vec()).unwrap();
                    format!("{key}={value}")
                });
                let fields: Vec<_> = fields.collect();
                format!("{}/{}: {}", found.domain, found.access, fields.join(" "))
            })
            .collect()
    }

    #[test]
    fn every_kind_of_item_is_taken_whole() {
        let json = r#"{"encrypted":false,
          "folders":[{"id":"f","name":"energy"}],
          "items":[
            {"type":1,"name":"gas","folderId":"f","notes":"n","favorite":true,
             "fields":[{"name":"url","value":"mine","type":0},{"name":"on","value":true,"type":2},
                       {"name":"l","value":null,"type":3,"linkedId":100}],
             "login":{"username":"joe","password":"p","totp":"otpauth://x",
                      "uris":[{"match":null,"uri":"https://a"},{"uri":"https://b"}],
                      "fido2Credentials":[{"keyValue":"x"}]}},
            {"type":2,"name":"note","folderId":null,"notes":"only this","secureNote":{"type":0}},
            {"type":3,"name":"card","card":{"number":"4111","expYear":2030,"brand":null}},
            {"type":4,"name":"me","identity":{"firstName":"Joe"}},
            {"type":5,"name":"key","sshKey":{"privateKey":"-----"}}]}"#;
        let source = read(json.as_bytes()).unwrap();
        assert_eq!(
            shown(&source),
            [
                "energy/gas: uid=joe pwd=p notes=n on=true totp=otpauth://x url=mine \
                 url 2=https://a url 3=https://b",
                "bitwarden/note: notes=only this",
                "bitwarden/card: expYear=2030 number=4111",
                "bitwarden/me: firstName=Joe",
                "bitwarden/key: privateKey=-----",
            ]
        );
        assert_eq!(source.left_out.len(), 2);
    }

    #[test]
    fn an_encrypted_export_and_other_json_are_refused() {
        let told = |json: &str| read(json.as_bytes()).err().unwrap().to_string();
        assert!(told(r#"{"encrypted":true,"data":"2.x"}"#).contains("encrypted"));
        for json in [
            "[]",
            "{}",
            r#"{"items":[{"login":"Secret"}]}"#,
            "{\"items\":",
        ] {
            assert!(!told(json).contains("Secret"), "{json}");
        }
    }
}
