//! 1Password's 1PUX: a ZIP archive with `export.data`, JSON, and the attached files beside it. A
//! vault is a domain, an item a secret. Nothing is unpacked to a disk, and nothing beyond a bound.

use super::loose::Loose;
use super::text::{bounded, from_json};
use super::{Fields, Found, MOST_BYTES, Source, SourceError, Text, moment};
use crate::crypto::SecretBytes;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use zeroize::Zeroizing;
use zip::ZipArchive;

/// The domain of items in a vault without a name.
pub const NOWHERE: &str = "1password";
/// An attached file that is larger than this never fits into a secret.
const MOST_FILE: usize = 512 << 10;

#[derive(Deserialize)]
struct Document {
    #[serde(deserialize_with = "bounded")]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default, deserialize_with = "bounded")]
    vaults: Vec<Vault>,
}

#[derive(Deserialize)]
struct Vault {
    #[serde(default)]
    attrs: VaultAttributes,
    #[serde(default, deserialize_with = "bounded")]
    items: Vec<Item>,
}

#[derive(Default, Deserialize)]
struct VaultAttributes {
    name: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    updated_at: Option<i64>,
    #[serde(default)]
    overview: Overview,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Overview {
    title: Option<Text>,
    url: Option<Text>,
    #[serde(default, deserialize_with = "bounded")]
    urls: Vec<Url>,
    #[serde(default, deserialize_with = "bounded")]
    tags: Vec<Text>,
}

#[derive(Deserialize)]
struct Url {
    url: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default, deserialize_with = "bounded")]
    login_fields: Vec<LoginField>,
    notes_plain: Option<Text>,
    /// The password of an item that is nothing but one.
    password: Option<Text>,
    #[serde(default, deserialize_with = "bounded")]
    sections: Vec<Section>,
    document_attributes: Option<Attached>,
}

#[derive(Deserialize)]
struct LoginField {
    value: Option<Text>,
    name: Option<Text>,
    designation: Option<Text>,
}

#[derive(Deserialize)]
struct Section {
    #[serde(default, deserialize_with = "bounded")]
    fields: Vec<SectionField>,
}

#[derive(Deserialize)]
struct SectionField {
    title: Option<Text>,
    id: Option<Text>,
    /// The value under the name of its kind.
    value: Option<Loose>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attached {
    file_name: Text,
    document_id: Text,
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Reads an archive.
pub fn read(archive: &[u8]) -> Result<Source, SourceError> {
    let damaged = || SourceError::malformed("it is not a 1PUX archive, or it is cut off");
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(|_| damaged())?;
    let data = entry(&mut archive, "export.data", MOST_BYTES)?.ok_or_else(damaged)?;
    let document: Document = from_json(&data)?;
    let mut source = Source::default();
    let mut files = Files {
        archive,
        room: MOST_BYTES,
        lost: 0,
    };
    let mut number = 0;
    for vault in document.accounts.into_iter().flat_map(|a| a.vaults) {
        let name = vault.attrs.name.as_deref().filter(|name| !name.is_empty());
        let domain = name.unwrap_or(NOWHERE);
        for item in vault.items {
            number += 1;
            source.push(found(item, format!("item {number}"), domain, &mut files)?)?;
        }
    }
    let what = "attached files: they are missing, or larger than a secret can be";
    source.lose(files.lost, what);
    Ok(source)
}

/// The attached files of an archive.
struct Files<'a> {
    archive: Archive<'a>,
    /// Bytes that may still be read.
    room: usize,
    lost: usize,
}

impl Files<'_> {
    fn attach(&mut self, fields: &mut Fields, file: &Attached) -> Result<(), SourceError> {
        let name = format!("files/{}__{}", &*file.document_id, &*file.file_name);
        match entry(&mut self.archive, &name, MOST_FILE.min(self.room)) {
            Ok(Some(content)) => {
                self.room -= content.len();
                fields.info(&file.file_name, SecretBytes::new(content.to_vec()))
            }
            Ok(None) | Err(SourceError::TooLarge(_)) => {
                self.lost += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The attached file that a value is.
fn attached(kind: &str, value: &Loose) -> Result<Option<Attached>, SourceError> {
    if kind != "file" {
        return Ok(None);
    }
    let leaves = value.leaves("")?;
    let leaf = |name: &str| {
        let found = leaves.iter().find(|(key, _)| key == name);
        found.map(|(_, text)| (*text).clone())
    };
    let (name, id) = (leaf("fileName"), leaf("documentId"));
    Ok(name.zip(id).map(|(file_name, document_id)| Attached {
        file_name,
        document_id,
    }))
}

/// The content of an entry, at most `most` bytes. One that says of itself that it is larger is not
/// unpacked, and one that says too little is refused: what may be named many times is cheap to refuse.
fn entry(
    archive: &mut Archive<'_>,
    name: &str,
    most: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, SourceError> {
    let entry = match archive.by_name(name) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(_) => return Err(SourceError::malformed("an entry of it cannot be read")),
    };
    let size = usize::try_from(entry.size()).ok();
    let Some(size) = size.filter(|size| *size <= most) else {
        let most = most >> 20;
        let told = format!("unpacked it is larger than {most} MiB: that is no export of passwords");
        return Err(SourceError::TooLarge(told));
    };
    let damaged = || SourceError::malformed("an entry of it is damaged");
    let mut content = Zeroizing::new(Vec::with_capacity(size + 1));
    entry
        .take(size as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|_| damaged())?;
    if content.len() != size {
        return Err(damaged());
    }
    Ok(Some(content))
}

fn found(
    item: Item,
    origin: String,
    domain: &str,
    files: &mut Files<'_>,
) -> Result<Found, SourceError> {
    let changed = item.updated_at.and_then(moment::from_seconds);
    let mut fields = Fields::changed(changed);
    let details = item.details;
    let mut more = Vec::new();
    let mut have = (false, false);
    for field in &details.login_fields {
        match field.designation.as_deref() {
            Some("username") if !have.0 => {
                have.0 = true;
                fields.uid(field.value.as_ref());
            }
            Some("password") if !have.1 => {
                have.1 = true;
                fields.pwd(field.value.as_ref());
            }
            _ => more.push((field.name.as_deref().unwrap_or_default(), &field.value)),
        }
    }
    match have.1 {
        true => more.push(("password", &details.password)),
        false => fields.pwd(details.password.as_ref()),
    }
    for (name, text) in more {
        fields.note(name, text.as_ref())?;
    }
    for field in details.sections.iter().flat_map(|section| &section.fields) {
        let title = field.title.as_deref().filter(|title| !title.is_empty());
        let name = title.or(field.id.as_deref()).unwrap_or_default();
        let Some(Loose::Map(kinds)) = &field.value else {
            continue;
        };
        for (kind, value) in kinds {
            match attached(kind, value)? {
                Some(file) => files.attach(&mut fields, &file)?,
                None => {
                    for (key, text) in value.leaves(name)? {
                        fields.note(&key, Some(text))?;
                    }
                }
            }
        }
    }
    if let Some(file) = &details.document_attributes {
        files.attach(&mut fields, file)?;
    }
    let overview = item.overview;
    let mut urls = BTreeSet::new();
    for url in overview
        .url
        .iter()
        .chain(overview.urls.iter().filter_map(|u| u.url.as_ref()))
    {
        if urls.insert(url) {
            fields.note("url", Some(url))?;
        }
    }
    if !overview.tags.is_empty() {
        let tags: Vec<&str> = overview.tags.iter().map(|tag| &**tag).collect();
        fields.note("tags", Some(&Text::new(&tags.join(", "))))?;
    }
    fields.note("notes", details.notes_plain.as_ref())?;
    let title = overview.title.as_deref().unwrap_or_default();
    Ok(fields.into_found(origin, domain, title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::Field;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    const DATA: &str = r#"{"accounts":[{"attrs":{"accountName":"x"},"vaults":[
      {"attrs":{"uuid":"v","name":"Private"},"items":[
        {"uuid":"i","createdAt":1,"updatedAt":1580545623,"state":"archived","categoryUuid":"001",
         "overview":{"title":"Shop","url":"https://a","urls":[{"label":"","url":"https://a"},
                     {"label":"","url":"https://b"}],"tags":["x","y"]},
         "details":{"loginFields":[
             {"value":"joe","id":"","name":"user","fieldType":"T","designation":"username"},
             {"value":"p","id":"","name":"pass","fieldType":"P","designation":"password"},
             {"value":"on","id":"","name":"remember","fieldType":"C"}],
           "notesPlain":"n",
           "sections":[{"title":"S","fields":[
             {"title":"pin","id":"1","value":{"concealed":"1234"}},
             {"title":"until","id":"2","value":{"monthYear":203012}},
             {"title":"mail","id":"3","value":{"email":{"email_address":"j@x","provider":null}}},
             {"title":"","id":"4","value":{"file":{"fileName":"a.bin","documentId":"doc","decryptedSize":3}}}
           ]}]}}]},
      {"attrs":{},"items":[{"overview":{"title":"W"},"details":{"password":"only"}}]}]}]}"#;

    fn field(source: &Source, at: usize, field: Field) -> Option<Vec<u8>> {
        let found = source.secrets[at].fields.get(&field)?;
        Some(found.value.expose().to_vec())
    }

    #[test]
    fn an_item_is_taken_whole() {
        let content: &[u8] = b"\xff\0x";
        let zip = archive(&[
            ("export.attributes", b"{}"),
            ("export.data", DATA.as_bytes()),
            ("files/doc__a.bin", content),
        ]);
        let source = read(&zip).unwrap();
        let names: Vec<_> = source
            .secrets
            .iter()
            .map(|found| (found.domain.as_str(), found.access.as_str()))
            .collect();
        assert_eq!(names, [("Private", "Shop"), (NOWHERE, "W")]);
        assert_eq!(field(&source, 0, Field::Uid).unwrap(), b"joe");
        assert_eq!(field(&source, 0, Field::Pwd).unwrap(), b"p");
        assert_eq!(field(&source, 1, Field::Pwd).unwrap(), b"only");
        for (key, value) in [
            ("remember", &b"on"[..]),
            ("notes", b"n"),
            ("pin", b"1234"),
            ("until", b"203012"),
            ("mail email_address", b"j@x"),
            ("a.bin", content),
            ("url", b"https://a"),
            ("url 2", b"https://b"),
            ("tags", b"x, y"),
        ] {
            let found = field(&source, 0, Field::Info(key.into()));
            assert_eq!(found.as_deref(), Some(value), "{key}");
        }
        assert_eq!(source.secrets[0].fields.len(), 11);
        assert!(source.lost.is_empty());
    }

    #[test]
    fn a_file_that_is_missing_or_too_large_is_told_of() {
        let zip = archive(&[("export.data", DATA.as_bytes())]);
        assert_eq!(read(&zip).unwrap().lost.len(), 1);
        let large = vec![0; MOST_FILE + 1];
        let zip = archive(&[
            ("export.data", DATA.as_bytes()),
            ("files/doc__a.bin", &large),
        ]);
        let source = read(&zip).unwrap();
        assert_eq!(source.lost.len(), 1);
        assert_eq!(field(&source, 0, Field::Info("a.bin".into())), None);
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = vec![b' '; MOST_BYTES + 1];
        let zip = archive(&[("export.data", &bomb)]);
        assert!(zip.len() < 1 << 20);
        assert!(matches!(read(&zip), Err(SourceError::TooLarge(_))));
    }

    #[test]
    fn what_is_no_archive_or_cut_off_is_refused() {
        let zip = archive(&[("export.data", DATA.as_bytes())]);
        for end in [0, 1, zip.len() / 2, zip.len() - 1] {
            assert!(read(&zip[..end]).is_err(), "{end}");
        }
        assert!(read(&archive(&[("other", b"{}")])).is_err());
        assert!(read(&archive(&[("export.data", b"[]")])).is_err());
        // The data's CRC does not match.
        let mut changed = archive(&[("export.data", DATA.as_bytes())]);
        changed[60] ^= 1;
        assert!(read(&changed).is_err());
    }
}
