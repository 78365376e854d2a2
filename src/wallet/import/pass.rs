//! `pass`, the standard Unix password manager: a file a secret, whose path is its name and whose
//! first line is the password. Decrypting is gpg's business; here a plaintext becomes a secret.

use super::{Fields, Found, SourceError, Text};
use crate::crypto::SecretBytes;

/// The domain of entries in no folder.
pub const NOWHERE: &str = "pass";

/// What people call the user in a line of theirs.
const USERS: [&str; 5] = ["user", "username", "login", "uid", "user name"];
/// What a value is called that is no password with lines behind it.
const CONTENT: &str = "content";

/// The secret of an entry: `path` is its folders and its name, without `.gpg`. The first line is
/// the password, a line `key: value` an info key, and what else there is becomes `notes`. A text
/// that begins as a PEM block, and what is no text, is taken whole.
pub fn entry(
    origin: String,
    path: &[String],
    plain: SecretBytes,
    mtime_ns: Option<i64>,
) -> Result<Found, SourceError> {
    let mut fields = Fields::changed(mtime_ns);
    let whole = match std::str::from_utf8(plain.expose()) {
        Ok(text) if !text.starts_with("-----BEGIN ") => {
            lines(text, &mut fields)?;
            None
        }
        _ => Some(plain),
    };
    if let Some(whole) = whole {
        fields.info(CONTENT, whole)?;
    }
    let (name, folders) = match path {
        [] => (String::new(), String::new()),
        [folders @ .., name] => (name.clone(), folders.join("/")),
    };
    let domain = match folders.as_str() {
        "" => NOWHERE,
        folders => folders,
    };
    Ok(fields.into_found(origin, domain, &name))
}

fn lines(text: &str, fields: &mut Fields) -> Result<(), SourceError> {
    let mut lines = text.lines();
    fields.pwd(lines.next().map(Text::new).as_ref());
    let mut notes = zeroize::Zeroizing::new(String::with_capacity(text.len()));
    let mut user = None;
    for line in lines {
        let pair = line.split_once(':').map(|(key, value)| (key.trim(), value));
        match pair {
            Some(("otpauth", _)) => fields.info("otp", super::value(line))?,
            // `https://...` is an address, not a key.
            Some((key, value)) if !key.is_empty() && !value.starts_with("//") => {
                let value = value.trim();
                let is_user = USERS.contains(&key.to_lowercase().as_str());
                match user {
                    None if is_user => user = Some(Text::new(value)),
                    _ => fields.info(key, super::value(value))?,
                }
            }
            _ => {
                notes.push_str(line);
                notes.push('\n');
            }
        }
    }
    fields.uid(user.as_ref());
    fields.note("notes", Some(&Text::new(notes.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::Field;

    fn found(path: &[&str], plain: &[u8]) -> Found {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        let plain = SecretBytes::new(plain.to_vec());
        entry("entry".into(), &path, plain, Some(3)).unwrap()
    }

    fn shown(found: &Found) -> Vec<(String, String)> {
        let fields = found.fields.iter();
        fields
            .map(|(field, found)| {
                let key = match field {
                    Field::Uid => "UID".to_owned(),
                    Field::Pwd => "PWD".to_owned(),
                    Field::Info(key) => key.to_string(),
                };
                let value = found.value.expose().to_vec();
                (key, String::from_utf8_lossy(&value).into_owned())
            })
            .collect()
    }

    #[test]
    fn the_path_is_the_name() {
        for (path, domain, access) in [
            (&["wifi"][..], NOWHERE, "wifi"),
            (&["web", "joe"], "web", "joe"),
            (&["web", "a.b", "joe"], "web/a.b", "joe"),
        ] {
            let found = found(path, b"p");
            assert_eq!(
                (found.domain.as_str(), found.access.as_str()),
                (domain, access)
            );
        }
    }

    #[test]
    fn lines_become_fields() {
        let plain = "p w \nLogin: joe\nuser: second\nurl: https://a:1\nhttps://b\n\
            PIN:12\notpauth://totp/x?secret=y\nfree text\n\n";
        let shown = shown(&found(&["x"], plain.as_bytes()));
        let expected = [
            ("UID", "joe"),
            ("PWD", "p w "),
            ("PIN", "12"),
            ("notes", "https://b\nfree text"),
            ("otp", "otpauth://totp/x?secret=y"),
            ("url", "https://a:1"),
            ("user", "second"),
        ];
        assert_eq!(shown, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_key_file_and_bytes_are_taken_whole() {
        for plain in ["-----BEGIN KEY-----\nx: y\n".as_bytes(), b"\xff\n"] {
            let found = found(&["x"], plain);
            let field = &found.fields[&Field::Info(CONTENT.into())];
            assert_eq!((found.fields.len(), field.value.expose()), (1, plain));
        }
    }

    #[test]
    fn an_empty_entry_is_a_secret_without_fields() {
        assert!(found(&["x"], b"").fields.is_empty());
    }
}
