//! The Python program secret-wallet: what its `save` wrote, and the rows of its tables.
//!
//! It knows no absence: an absent user or password is an empty text, sealed or not, or null. So an
//! empty one is absent here.

use super::text::{Pairs, from_json};
use super::{Fields, Found, MOST_FIELDS, Source, SourceError, Text, parse_moment, too_many};
use crate::crypto::{SecretBytes, SecretWalletKey, looks_sealed};
use crate::store::foreign::{Cell, Row};
use crate::wallet::Field;
use serde::Deserialize;

/// The columns of its tables.
pub const COLUMNS: &[&str] = &["domain", "access", "uid", "pwd", "info", "timestamp"];

/// Its configuration, as much of it as an import needs.
#[derive(Deserialize)]
pub struct Configuration {
    /// The device key, text.
    pub key: Option<Text>,
    /// The profile of AWS credentials.
    pub profile: Option<String>,
    /// The table.
    pub table_name: Option<String>,
    /// Where the table is: [`LOCAL`], or in DynamoDB.
    pub storage_type: Option<String>,
}

/// [`Configuration::storage_type`] of a table in a SQLite file beside the configuration.
pub const LOCAL: &str = "local_sqlite";

impl Configuration {
    /// Reads its `secretwallet.json`.
    pub fn read(json: &[u8]) -> Result<Configuration, SourceError> {
        from_json(json)
    }
}

/// What it holds, sealed or not.
pub struct Records(Vec<Record>);

#[derive(Deserialize)]
struct Record {
    domain: Text,
    access: Text,
    uid: Option<Text>,
    pwd: Option<Text>,
    info: Option<Pairs>,
    timestamp: Option<Text>,
}

/// How many of the values are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Values that have the form of sealed ones.
    pub sealed: usize,
    /// Other values that are not empty.
    pub plain: usize,
}

impl Records {
    /// Reads what `save` wrote.
    pub fn from_json(json: &[u8]) -> Result<Records, SourceError> {
        #[derive(Deserialize)]
        struct Saved(#[serde(deserialize_with = "super::text::bounded")] Vec<Record>);
        let Saved(records) = from_json(json)?;
        Ok(Records(records))
    }

    /// Reads the rows of a table; in SQLite `info` is JSON text.
    pub fn from_rows(rows: Vec<Row>) -> Result<Records, SourceError> {
        if rows.len() > super::MOST_SECRETS {
            return Err(too_many());
        }
        let records = rows.into_iter().enumerate().map(|(at, mut row)| {
            let wrong = |column: &str| {
                let at = at + 1;
                SourceError::Malformed(format!("the `{column}` of row {at} is of another type"))
            };
            let mut text = |column: &str| match row.remove(column) {
                Some(Cell::Text(text)) => Ok(Some(Text::new(&text))),
                Some(Cell::Null) | None => Ok(None),
                Some(Cell::Map(_) | Cell::Other) => Err(wrong(column)),
            };
            let domain = text("domain")?.ok_or_else(|| wrong("domain"))?;
            let access = text("access")?.ok_or_else(|| wrong("access"))?;
            let (uid, pwd, timestamp) = (text("uid")?, text("pwd")?, text("timestamp")?);
            let info = match row.remove("info") {
                Some(Cell::Text(json)) if json.is_empty() => None,
                Some(Cell::Text(json)) => serde_json::from_str(&json).map_err(|_| wrong("info"))?,
                Some(Cell::Map(map)) if map.len() <= MOST_FIELDS => {
                    let pairs = map.iter();
                    let pairs = pairs.map(|(key, value)| (Text::new(key), Text::new(value)));
                    Some(Pairs(pairs.collect()))
                }
                Some(Cell::Null) | None => None,
                Some(Cell::Map(_) | Cell::Other) => return Err(wrong("info")),
            };
            Ok(Record {
                domain,
                access,
                uid,
                pwd,
                info,
                timestamp,
            })
        });
        records.collect::<Result<_, _>>().map(Records)
    }

    /// How many of the values are sealed.
    pub fn sealing(&self) -> Sealing {
        let mut sealing = Sealing {
            sealed: 0,
            plain: 0,
        };
        for value in self.values().filter(|value| !value.is_empty()) {
            match looks_sealed(value) {
                true => sealing.sealed += 1,
                false => sealing.plain += 1,
            }
        }
        sealing
    }

    /// Whether this key opens the first sealed value.
    pub fn open_with(&self, key: &SecretWalletKey) -> bool {
        let first = self.values().find(|value| looks_sealed(value));
        first.is_none_or(|value| key.open(value).is_ok())
    }

    fn values(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().flat_map(|record| {
            let info = record.info.iter().flat_map(|Pairs(info)| info);
            let credentials = record.uid.iter().chain(&record.pwd);
            credentials.chain(info.map(|(_, value)| value))
        })
    }

    /// The secrets: each value opened, if there is a key.
    pub fn into_source(self, key: Option<&SecretWalletKey>) -> Result<Source, SourceError> {
        let mut source = Source::default();
        for (at, record) in self.0.into_iter().enumerate() {
            let origin = format!("secret {}", at + 1);
            source.push(found(record, origin, key)?)?;
        }
        Ok(source)
    }
}

fn found(
    record: Record,
    origin: String,
    key: Option<&SecretWalletKey>,
) -> Result<Found, SourceError> {
    let opened = |value: &Text| match key {
        Some(key) if !value.is_empty() => key.open(value).map_err(|_| {
            SourceError::Malformed(format!(
                "a value of {origin} does not open: it is damaged, or sealed with another password"
            ))
        }),
        _ => Ok(super::value(value)),
    };
    let changed = record.timestamp.as_deref().and_then(parse_moment);
    let mut fields = Fields::changed(changed);
    for (field, text) in [(Field::Uid, record.uid), (Field::Pwd, record.pwd)] {
        let value = text.as_ref().map(opened).transpose()?;
        if let Some(value) = value.filter(|value: &SecretBytes| !value.is_empty()) {
            fields.put(field, value);
        }
    }
    for (key, text) in record.info.unwrap_or_default().0 {
        fields.info(&key, opened(&text)?)?;
    }
    Ok(fields.into_found(origin, &record.domain, &record.access))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(json: &str) -> String {
        match Records::from_json(json.as_bytes()) {
            Ok(_) => panic!("it should be refused: {json}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_absent_or_empty_user_or_password_is_absent() {
        let json = r#"[{"domain":"d","access":"a","uid":null,"pwd":"","info":{"k":""}},
            {"domain":"d","access":"b","info":null}]"#;
        let records = Records::from_json(json.as_bytes()).unwrap();
        let source = records.into_source(None).unwrap();
        let fields: Vec<Vec<_>> = source
            .secrets
            .iter()
            .map(|found| found.fields.keys().cloned().collect())
            .collect();
        assert_eq!(fields, [vec![Field::Info("k".into())], vec![]]);
    }

    #[test]
    fn wrong_types_are_refused_without_a_word_of_them() {
        for json in [
            "{}",
            "[7]",
            r#"[{"domain":"d"}]"#,
            r#"[{"domain":"d","access":7}]"#,
            r#"[{"domain":"d","access":"a","pwd":["Secret"]}]"#,
            r#"[{"domain":"d","access":"a","info":"Secret"}]"#,
            r#"[{"domain":"d","access":"a","info":{"Secret":7}}]"#,
        ] {
            let told = trouble(json);
            assert!(!told.contains("Secret") && told.contains("line"), "{told}");
        }
    }

    #[test]
    fn a_row_of_another_type_is_refused() {
        let row = |pwd: Cell| {
            let text = |text: &str| Cell::Text(text.to_owned().into());
            Row::from([
                ("domain".into(), text("d")),
                ("access".into(), text("a")),
                ("pwd".into(), pwd),
                ("info".into(), text("{}")),
            ])
        };
        assert!(Records::from_rows(vec![row(Cell::Null)]).is_ok());
        let told = Records::from_rows(vec![row(Cell::Null), row(Cell::Other)]);
        let told = told.err().unwrap().to_string();
        assert!(told.contains("`pwd` of row 2"), "{told}");
    }
}
