//! The profiles that AWS's own tools know on this machine, for a person to choose from. Read by the
//! SDK, whose rules decide which files there are and what is in them. No value is kept.

use aws_config::profile;
use aws_types::os_shim_internal::{Env, Fs};
use std::fmt;

/// How a profile gets at its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// An access key that stands in it.
    Key,
    /// Single sign-on (`aws sso login`).
    SignOn,
    /// A role that is taken on.
    Role,
    /// A program that is asked.
    Program,
    /// None of these: it may hold settings alone.
    Other,
}

impl fmt::Display for ProfileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProfileKind::Key => "access key",
            ProfileKind::SignOn => "single sign-on",
            ProfileKind::Role => "role",
            ProfileKind::Program => "program",
            ProfileKind::Other => "settings",
        })
    }
}

/// A profile of `~/.aws/config` or `~/.aws/credentials`, or of the files that the environment names
/// in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// How it gets at its credentials.
    pub kind: ProfileKind,
}

/// Every profile, by name.
///
/// # Errors
/// The files cannot be read, or not be understood. The reason quotes nothing of them.
pub async fn profiles() -> Result<Vec<Profile>, String> {
    read(&Env::real()).await
}

async fn read(env: &Env) -> Result<Vec<Profile>, String> {
    let files = Default::default();
    let loaded = profile::load(&Fs::real(), env, &files, None).await;
    let set = loaded.map_err(|_| "AWS's configuration files are not understood".to_owned())?;
    let mut all: Vec<Profile> = set
        .profiles()
        .filter_map(|name| set.get_profile(name))
        .map(|profile| Profile {
            name: profile.name().to_owned(),
            kind: kind(|key| profile.get(key).is_some()),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// In the SDK's order.
fn kind(has: impl Fn(&str) -> bool) -> ProfileKind {
    if has("role_arn") {
        ProfileKind::Role
    } else if has("sso_session") || has("sso_start_url") {
        ProfileKind::SignOn
    } else if has("credential_process") {
        ProfileKind::Program
    } else if has("aws_access_key_id") {
        ProfileKind::Key
    } else {
        ProfileKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn every_profile_is_named_with_its_kind_and_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let (config, credentials) = (dir.path().join("config"), dir.path().join("credentials"));
        let env = Env::from_slice(&[
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ]);
        assert_eq!(read(&env).await, Ok(vec![]));
        let text = "[default]\nregion = eu-central-1\n[profile work]\nsso_session = s\n\
                    sso_account_id = 1\n[sso-session s]\nsso_start_url = https://a\n\
                    [profile old]\nsso_start_url = https://b\n[profile r]\nrole_arn = arn\n\
                    source_profile = k\n[profile p]\ncredential_process = x\n";
        fs::write(&config, text).unwrap();
        let text = "# mine\n[k]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n";
        fs::write(&credentials, text).unwrap();
        let found: Vec<_> = read(&env)
            .await
            .unwrap()
            .into_iter()
            .map(|profile| format!("{} ({})", profile.name, profile.kind))
            .collect();
        let expected = [
            "default (settings)",
            "k (access key)",
            "old (single sign-on)",
            "p (program)",
            "r (role)",
            "work (single sign-on)",
        ];
        assert_eq!(found, expected);
        fs::write(&credentials, "[k\naws_secret_access_key = hidden\n").unwrap();
        let told = read(&env).await.unwrap_err();
        assert!(!told.contains("hidden"), "{told}");
    }
}
