//! [`Fields`]: the fields of a secret while a format's reader collects them.

use super::{Found, FoundField, MOST_FIELDS, NameRoom, SourceError, Text};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fields of a secret that is being read. Two of one name are both kept: the second takes a
/// number, so that nothing is lost.
#[derive(Default)]
pub(crate) struct Fields {
    fields: BTreeMap<Field, FoundField>,
    /// The number that an info key of this name took last.
    numbers: BTreeMap<String, usize>,
    /// Room for the names of further info keys.
    room: NameRoom,
    /// The time for fields that say none of their own.
    mtime_ns: Option<i64>,
}

/// A value that holds this text.
pub(crate) fn value(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

impl Fields {
    /// None yet; `mtime_ns` is when the secret was last changed.
    pub(crate) fn changed(mtime_ns: Option<i64>) -> Fields {
        Fields {
            mtime_ns,
            ..Fields::default()
        }
    }

    /// Puts a field whose name is free.
    pub(crate) fn put(&mut self, field: Field, value: impl Into<Arc<SecretBytes>>) {
        let found = FoundField {
            value: value.into(),
            mtime_ns: self.mtime_ns,
            mode: None,
        };
        self.fields.insert(field, found);
    }

    /// Puts a field if its name is free; `false` if not.
    pub(crate) fn put_new(
        &mut self,
        field: Field,
        value: SecretBytes,
    ) -> Result<bool, SourceError> {
        self.check_room()?;
        let free = !self.fields.contains_key(&field);
        if free {
            self.put(field, value);
        }
        Ok(free)
    }

    fn check_room(&self) -> Result<(), SourceError> {
        match self.fields.len() < MOST_FIELDS {
            true => Ok(()),
            false => Err(SourceError::TooLarge(format!(
                "a secret of it has more than {MOST_FIELDS} fields"
            ))),
        }
    }

    /// Puts a field with a time of its own.
    pub(crate) fn exact(&mut self, field: Field, value: Arc<SecretBytes>, mtime_ns: Option<i64>) {
        let found = FoundField {
            value,
            mtime_ns,
            mode: None,
        };
        self.fields.insert(field, found);
    }

    /// Puts `uid`, if there is one: most managers know no difference between none and an empty one.
    pub(crate) fn uid(&mut self, text: Option<&Text>) {
        self.credential(Field::Uid, text);
    }

    /// Puts `pwd`, if there is one.
    pub(crate) fn pwd(&mut self, text: Option<&Text>) {
        self.credential(Field::Pwd, text);
    }

    fn credential(&mut self, field: Field, text: Option<&Text>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.put(field, value(text));
        }
    }

    /// Puts an info key that is not empty, as [`Fields::info`].
    pub(crate) fn note(&mut self, key: &str, text: Option<&Text>) -> Result<(), SourceError> {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => self.info(key, value(text)),
            None => Ok(()),
        }
    }

    /// Puts an info key; one that is there already stays, and this takes the next free number.
    pub(crate) fn info(
        &mut self,
        key: &str,
        value: impl Into<Arc<SecretBytes>>,
    ) -> Result<(), SourceError> {
        self.check_room()?;
        self.room.take(key.len())?;
        let mut free = Field::Info(key.into());
        while self.fields.contains_key(&free) {
            let number = self.numbers.entry(key.to_owned()).or_insert(1);
            *number += 1;
            free = Field::Info(format!("{key} {number}").into());
        }
        self.put(free, value);
        Ok(())
    }

    /// The secret that these make.
    pub(crate) fn into_found(self, origin: String, domain: &str, access: &str) -> Found {
        Found {
            origin,
            domain: domain.to_owned(),
            access: access.to_owned(),
            fields: self.fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_name_are_both_kept() {
        let mut fields = Fields::changed(Some(7));
        for text in ["a", "b", "c"] {
            fields.info("k", value(text)).unwrap();
        }
        let found = fields.into_found("entry 1".into(), "d", "a");
        let info = |key: &str| {
            let field = &found.fields[&Field::Info(key.into())];
            assert_eq!(field.mtime_ns, Some(7));
            field.value.expose().to_vec()
        };
        assert_eq!(
            [info("k"), info("k 2"), info("k 3")],
            [b"a", b"b", b"c"].map(|text| text.to_vec())
        );
    }

    #[test]
    fn a_secret_of_endless_fields_is_refused() {
        let mut fields = Fields::default();
        for n in 0..MOST_FIELDS {
            fields.info(&n.to_string(), value("")).unwrap();
        }
        assert!(fields.info("one more", value("")).is_err());
    }

    #[test]
    fn a_secret_of_endless_names_is_refused() {
        let long = "x".repeat(super::super::MOST_BYTES / 4);
        let mut fields = Fields::default();
        for _ in 0..4 {
            fields.info(&long, value("")).unwrap();
        }
        assert!(fields.info(&long, value("")).is_err());
    }
}
