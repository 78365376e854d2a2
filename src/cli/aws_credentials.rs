//! `~/.aws/credentials`: one profile put in, everything else left as it is.

use super::exit::{Exit, Failure};
use super::paths;
use crate::crypto::SecretBytes;
use crate::session::private;
use crate::store::AccessKey;
use crate::told;
use std::fs;
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The profile that `init` makes.
pub(super) const PROFILE: &str = "secret-wallet";

/// The keys of a profile that `init` replaces. A session token belongs to the key it came with.
const REPLACED: [&str; 3] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
];

/// The file that AWS tools read.
pub(super) struct CredentialsFile {
    path: PathBuf,
    text: Zeroizing<String>,
}

impl CredentialsFile {
    /// Reads the file; one that is not there is empty.
    pub(super) fn read(env: paths::Env) -> Result<CredentialsFile, Failure> {
        let path = match env("AWS_SHARED_CREDENTIALS_FILE") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => paths::home(env)?.join(".aws/credentials"),
        };
        // A link is written through, not replaced.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let message = format!("{}: {}", path.display(), told::system(&error));
                return Err(Failure::new(Exit::Failed, message));
            }
        };
        let text = Zeroizing::new(text);
        Ok(CredentialsFile { path, text })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Whether it has this profile.
    pub(super) fn has(&self, profile: &str) -> bool {
        self.text.lines().any(|line| section(line) == Some(profile))
    }

    /// Puts a key that [`check`] found right into the profile, which is made if it is not there, and
    /// writes the file with mode 0600, whole or not at all.
    pub(super) fn put(&self, profile: &str, key: &AccessKey) -> Result<(), Failure> {
        let text = with_key(&self.text, profile, &key.id, &key.secret);
        if let Some(dir) = self.path.parent().filter(|dir| !dir.is_dir()) {
            private::make_dir(dir)?;
        }
        Ok(private::write(&self.path, text.as_bytes())?)
    }
}

/// What AWS gives out: a key id of capital letters and digits, a secret of base64 characters.
pub(super) fn check<'a>(id: &str, secret: &'a SecretBytes) -> Result<&'a str, Failure> {
    let id_fits = (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let secret = std::str::from_utf8(secret.expose()).unwrap_or_default();
    let secret_fits = secret.len() >= 16 && secret.bytes().all(|b| b.is_ascii_graphic());
    if !id_fits || !secret_fits {
        let message = "that is not an AWS access key: an id of 16 or more capital letters and \
                       digits, and its secret; copy both from the AWS console";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(secret)
}

/// The name in a line `[name]`.
fn section(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?;
    Some(name.split_once(']')?.0.trim())
}

fn with_key(text: &str, profile: &str, id: &str, secret: &str) -> Zeroizing<String> {
    // Room for everything at once, so that growing leaves no copy behind.
    let room = text.len() + profile.len() + id.len() + secret.len() + 128;
    let mut new = Zeroizing::new(String::with_capacity(room));
    let key = |new: &mut String| {
        for (name, value) in REPLACED.into_iter().zip([id, secret]) {
            new.push_str(name);
            new.push_str(" = ");
            new.push_str(value);
            new.push('\n');
        }
    };
    let mut within = false;
    let mut put = false;
    for line in text.split_inclusive('\n') {
        if let Some(name) = section(line) {
            within = name == profile;
        } else if within && replaced(line) {
            continue;
        }
        new.push_str(line);
        if within && !put {
            if !line.ends_with('\n') {
                new.push('\n');
            }
            key(&mut new);
            put = true;
        }
    }
    if !put {
        if !new.is_empty() {
            let gap = if new.ends_with('\n') { "\n" } else { "\n\n" };
            new.push_str(gap);
        }
        new.push('[');
        new.push_str(profile);
        new.push_str("]\n");
        key(&mut new);
    }
    new
}

fn replaced(line: &str) -> bool {
    let name = line.split_once('=').map(|(name, _)| name.trim());
    name.is_some_and(|name| REPLACED.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str = "aws_access_key_id = AKIANEW\naws_secret_access_key = new/+\n";

    fn with(text: &str) -> String {
        with_key(text, "p", "AKIANEW", "new/+").to_string()
    }

    #[test]
    fn a_profile_is_added_at_the_end() {
        assert_eq!(with(""), format!("[p]\n{KEY}"));
        assert_eq!(with("[q]\nx = 1\n"), format!("[q]\nx = 1\n\n[p]\n{KEY}"));
        assert_eq!(with("[q]\nx = 1"), format!("[q]\nx = 1\n\n[p]\n{KEY}"));
    }

    #[test]
    fn a_profile_that_is_there_gets_the_new_key_and_keeps_the_rest() {
        let text = "\
# mine\n[q]\naws_access_key_id=Q\n\n[ p ]\n  aws_access_key_id=OLD\nregion = eu\n\
aws_secret_access_key = old\naws_session_token = old\n[r]\naws_session_token = R";
        let expected = format!(
            "# mine\n[q]\naws_access_key_id=Q\n\n[ p ]\n{KEY}region = eu\n[r]\n\
             aws_session_token = R"
        );
        assert_eq!(with(text), expected);
        assert_eq!(with(&with(text)), with(text));
        assert_eq!(with("[p]"), format!("[p]\n{KEY}"));
    }

    #[test]
    fn the_file_is_written_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        let env = |name: &str| (name == "HOME").then(|| OsString::from(&home));
        let file = CredentialsFile::read(&env).unwrap();
        assert!(!file.has(PROFILE));
        let key = AccessKey {
            id: "AKIAABCDEFGHIJKL".into(),
            secret: String::from("abcdefghijklmnop/+").into(),
        };
        file.put(PROFILE, &key).unwrap();
        let again = CredentialsFile::read(&env).unwrap();
        assert!(again.has(PROFILE));
        let mode = fs::metadata(again.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(again.path(), home.join(".aws/credentials"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        for (id, secret) in [
            ("AKIA", "abcdefghijklmnop"),
            ("AKIAABCDEFGHIJKL", "short"),
            ("AKIAABCDEFGHIJKL", "abcdefghijklmnop\n[other]"),
            ("AKIAABCDEFGHIJKL\n[", "abcdefghijklmnop"),
        ] {
            let secret = SecretBytes::new(secret.as_bytes().to_vec());
            let failure = check(id, &secret).unwrap_err();
            assert!(!failure.to_string().contains("abcd"));
        }
    }
}
