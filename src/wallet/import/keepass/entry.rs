//! [`Entry`]: an entry while its elements are read, and the secret that it becomes.

use super::super::{Fields, Found, SourceError, Text, moment, parse_moment};
use super::{Element, Name};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seconds from the year 1, which KDBX counts from, to 1970.
const YEAR_1: i64 = 62_135_596_800;

/// An entry so far.
#[derive(Default)]
pub(super) struct Entry {
    changed: Option<i64>,
    tags: Text,
    strings: Vec<(Text, SecretBytes)>,
    files: Vec<(Text, usize)>,
    /// Of the string or file that is open.
    key: Text,
    value: Option<SecretBytes>,
    file: Option<usize>,
}

impl Entry {
    pub(super) fn ended(
        &mut self,
        name: Name,
        parent: Option<Name>,
        element: &Element,
        text: &str,
        value: Option<SecretBytes>,
    ) {
        match (name, parent) {
            (Name::Key, Some(Name::String | Name::Binary)) => self.key = Text::new(text),
            (Name::Value, Some(Name::String)) => self.value = value,
            (Name::Value, Some(Name::Binary)) => self.file = element.file,
            (Name::Changed, Some(Name::Times)) => self.changed = changed(text),
            (Name::Tags, Some(Name::Entry)) => self.tags = Text::new(text),
            (Name::String, Some(Name::Entry)) => {
                let key = std::mem::take(&mut self.key);
                if let Some(value) = self.value.take() {
                    self.strings.push((key, value));
                }
            }
            (Name::Binary, Some(Name::Entry)) => {
                let key = std::mem::take(&mut self.key);
                if let Some(file) = self.file.take() {
                    self.files.push((key, file));
                }
            }
            _ => {}
        }
    }

    /// The secret, and how many of its files are not there.
    pub(super) fn into_found(
        self,
        origin: String,
        domain: &str,
        attached: &BTreeMap<usize, Arc<SecretBytes>>,
    ) -> Result<(Found, usize), SourceError> {
        let mut fields = Fields::changed(self.changed);
        let mut title = Text::default();
        let mut later = Vec::new();
        for (key, value) in self.strings {
            match &*key {
                "Title" => {
                    let text = std::str::from_utf8(value.expose());
                    title = Text::new(text.unwrap_or_default());
                }
                "UserName" if !value.is_empty() => fields.put(Field::Uid, value),
                "Password" if !value.is_empty() => fields.put(Field::Pwd, value),
                "UserName" | "Password" => {}
                "URL" => later.push(("url", value)),
                "Notes" => later.push(("notes", value)),
                key => fields.info(key, value)?,
            }
        }
        for (key, value) in later {
            if !value.is_empty() {
                fields.info(key, value)?;
            }
        }
        fields.note("tags", Some(&self.tags))?;
        let mut missing = 0;
        for (name, file) in self.files {
            match attached.get(&file) {
                Some(content) => fields.info(&name, content.clone())?,
                None => missing += 1,
            }
        }
        Ok((fields.into_found(origin, domain, &title), missing))
    }
}

/// A moment: ISO 8601 in an export, Base64 of the seconds since the year 1 in KDBX 4.
fn changed(text: &str) -> Option<i64> {
    parse_moment(text).or_else(|| {
        let bytes = STANDARD.decode(text).ok()?;
        let seconds = i64::from_le_bytes(bytes.try_into().ok()?);
        moment::from_seconds(seconds.checked_sub(YEAR_1)?)
    })
}
