//! A directory of files: `DOMAIN/SECRET/FIELD`, as a mount shows a wallet. What lies deeper has its
//! upper directories in its domain; a file that lies higher is a secret with one field.
//!
//! Walking it is the caller's business, and so is the spelling of names.

use super::{Fields, Found, FoundField, MOST_FIELDS, Source, SourceError};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The field of a file that lies higher than fields do.
const CONTENT: &str = "content";

/// A level of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Domains.
    Domain,
    /// Secrets.
    Secret,
    /// Info keys.
    Key,
}

/// A regular file, or a directory in the place of a secret, with nothing in it.
pub struct Entry {
    /// The names that lead to it from the top.
    pub path: Vec<Vec<u8>>,
    /// Its content; nothing for a directory.
    pub content: Option<SecretBytes>,
    /// Its modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its owner's permission bits.
    pub mode: u32,
}

/// Makes secrets of files. `top` is the domain of those that lie in no directory; `decode` gives
/// the key that a file name shows, if it is the spelling of one.
pub fn read(
    entries: Vec<Entry>,
    top: &str,
    decode: &dyn Fn(Level, &[u8]) -> Option<String>,
) -> Result<Source, SourceError> {
    let mut not_utf8 = 0;
    let mut name = |level, name: &[u8]| {
        not_utf8 += usize::from(std::str::from_utf8(name).is_err());
        decode(level, name).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned())
    };
    let mut secrets: BTreeMap<Vec<Vec<u8>>, Found> = BTreeMap::new();
    for entry in entries {
        let depth = entry.path.len();
        // Of the names, those that make the secret's.
        let own = match (&entry.content, depth) {
            (None, _) | (Some(_), 0..=2) => depth,
            (Some(_), _) => depth - 1,
        };
        let Some((secret, domain)) = entry.path[..own].split_last() else {
            continue;
        };
        let known = secrets.len();
        let found = match secrets.get_mut(&entry.path[..own]) {
            Some(found) => found,
            None => {
                let domain: Vec<String> = domain
                    .iter()
                    .map(|part| name(Level::Domain, part))
                    .collect();
                let domain = match &domain[..] {
                    [] => top.to_owned(),
                    parts => parts.join("/"),
                };
                let found = Fields::default().into_found(
                    format!("directory {}", known + 1),
                    &domain,
                    &name(Level::Secret, secret),
                );
                secrets.entry(entry.path[..own].to_vec()).or_insert(found)
            }
        };
        let Some(content) = entry.content else {
            continue;
        };
        let field = match (own == depth, entry.path.last().map(Vec::as_slice)) {
            (true, _) | (_, None) => Field::Info(CONTENT.into()),
            (_, Some(b"uid")) => Field::Uid,
            (_, Some(b"pwd")) => Field::Pwd,
            (_, Some(file)) => Field::Info(name(Level::Key, file).into()),
        };
        if found.fields.len() >= MOST_FIELDS {
            return Err(SourceError::TooLarge(format!(
                "a directory of it holds more than {MOST_FIELDS} files"
            )));
        }
        let content = FoundField {
            value: Arc::new(content),
            mtime_ns: Some(entry.mtime_ns),
            mode: Some(entry.mode),
        };
        found.fields.insert(field, content);
    }
    let mut source = Source::default();
    for found in secrets.into_values() {
        source.push(found)?;
    }
    source.lose(
        not_utf8,
        "names that are not UTF-8: each wrong byte of them is taken as U+FFFD",
    );
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: Option<&str>) -> Entry {
        Entry {
            path: path
                .split('/')
                .map(|part| part.as_bytes().to_vec())
                .collect(),
            content: content.map(super::super::value),
            mtime_ns: 5,
            mode: 0o400,
        }
    }

    #[test]
    fn the_tree_of_a_mount_is_a_wallet() {
        let entries = vec![
            file("d/a/uid", Some("joe")),
            file("d/a/%75id", Some("info")),
            file("d/empty", None),
            file("x/y/z/k", Some("deep")),
            file("d/loose", Some("two")),
            file("top", Some("one")),
        ];
        let decode = |level: Level, name: &[u8]| match (level, name) {
            (Level::Key, b"%75id") => Some("uid".to_owned()),
            (_, name) => String::from_utf8(name.to_vec()).ok(),
        };
        let source = read(entries, "home", &decode).unwrap();
        let shown: Vec<_> = source
            .secrets
            .iter()
            .map(|found| {
                let keys: Vec<_> = found
                    .fields
                    .iter()
                    .map(|(field, content)| {
                        assert_eq!((content.mtime_ns, content.mode), (Some(5), Some(0o400)));
                        match field {
                            Field::Uid => "UID",
                            Field::Pwd => "PWD",
                            Field::Info(key) => key,
                        }
                    })
                    .collect();
                format!("{}|{}|{}", found.domain, found.access, keys.join(","))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "d|a|UID,uid",
                "d|empty|",
                "d|loose|content",
                "home|top|content",
                "x/y|z|k",
            ]
        );
    }

    #[test]
    fn names_that_are_no_text_are_told_of() {
        let mut entry = file("d/a/k", Some("v"));
        entry.path[2] = b"\xff".to_vec();
        let source = read(vec![entry], "home", &|_, _| None).unwrap();
        assert_eq!(source.lost.len(), 1);
        assert!(
            source.secrets[0]
                .fields
                .contains_key(&Field::Info("\u{fffd}".into()))
        );
    }
}
