//! What `init` asks when it is not told by options: where the wallet is kept, and by which AWS
//! credentials. Each question can be skipped with an empty answer, and nothing is made by any.

use super::aws_credentials::{self, CredentialsFile, PROFILE};
use super::config::{Config, StoreKind, TABLE};
use super::exit::{Exit, Failure, note};
use super::paths::Places;
use super::prompt::{ask, hidden, yes};
use crate::store::{AccessKey, Profile, ProfileKind, profiles};
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// The answer that asks for a new access key, in the place of a profile's name.
const NEW: &str = "new";

/// What comes before the questions.
pub(super) fn begin(wallet: &str) {
    note(&format!(
        "setting up the wallet `{wallet}` on this device in three steps; an empty answer takes what \
         stands in brackets, and Ctrl-C leaves everything as it was"
    ));
}

/// Asks where the wallet shall be kept, and how to get there. What `config` says already is not
/// asked. Gives an access key that is in no file yet.
pub(super) fn store(
    config: &mut Config,
    places: &Places,
    wallet: &str,
    runtime: &Runtime,
) -> Result<Option<AccessKey>, Failure> {
    note("step 1 of 3: where the wallet is kept");
    config.store = loop {
        match ask("Keep it in one local file, or in DynamoDB (local, dynamodb) [local]")?.as_deref()
        {
            None | Some("local") => break StoreKind::Local,
            Some("dynamodb") => break StoreKind::Dynamodb,
            Some(_) => note("the answer is `local` or `dynamodb`"),
        }
    };
    match config.store {
        StoreKind::Local => {
            if config.path.is_none() {
                let default = places.data_file(wallet);
                config.path = ask(&format!("File [{}]", default.display()))?.map(PathBuf::from);
            }
            note("step 2 of 3: AWS credentials: a local file needs none");
            Ok(None)
        }
        StoreKind::Dynamodb => {
            if config.table.is_none() {
                config.table = ask(&format!("Table, made if it is not there [{TABLE}]"))?;
            }
            if config.region.is_none() {
                config.region = ask("AWS region, such as eu-central-1 [as AWS's own tools]")?;
            }
            note("step 2 of 3: AWS credentials");
            match &config.profile {
                Some(_) => Ok(None),
                None => credentials(config, runtime),
            }
        }
    }
}

/// The last step begins.
pub(super) fn device() {
    note("step 3 of 3: this device and its two passwords");
}

/// Whether to ask everything again after this failure: what was answered may be why.
pub(super) fn again(failure: &Failure, config: &Config) -> Result<bool, Failure> {
    let (exit, why) = failure.to_parts();
    let mendable = [Exit::Unreachable, Exit::Denied, Exit::Failed, Exit::Usage].contains(&exit);
    if config.store == StoreKind::Local || !mendable {
        return Ok(false);
    }
    note(&why);
    if exit == Exit::Denied {
        note("`walletfs init --print-iam-policy` prints what AWS must allow");
    }
    Ok(ask("Answer the questions anew (yes, no) [yes]")?.is_none_or(|answer| answer != "no"))
}

/// Asks for a profile, or for an access key that becomes one. No profile: AWS's own rules.
fn credentials(config: &mut Config, runtime: &Runtime) -> Result<Option<AccessKey>, Failure> {
    let found = runtime.block_on(profiles());
    if let Err(why) = &found {
        note(&format!("{why}; name a profile, or correct the file"));
    }
    let all = found.as_deref().unwrap_or_default();
    if !all.is_empty() {
        let named: Vec<String> = all
            .iter()
            .map(|p| format!("{} ({})", p.name, p.kind))
            .collect();
        note(&format!(
            "AWS profiles on this machine: {}",
            named.join(", ")
        ));
    }
    let has_own = all.iter().any(|profile| profile.name == PROFILE);
    let default = default(has_own, all.is_empty());
    loop {
        let question = format!("AWS profile, or `{NEW}` to give an access key [{default}]");
        let answer = ask(&question)?;
        match answer.as_deref() {
            Some(NEW) => {}
            None if default == NEW => {}
            None if default == PROFILE => return Ok(use_profile(config, all, PROFILE)),
            None => return Ok(None),
            Some(name) if found.is_err() || all.iter().any(|profile| profile.name == name) => {
                return Ok(use_profile(config, all, name));
            }
            Some(name) => {
                note(&format!("there is no AWS profile `{name}` on this machine"));
                continue;
            }
        }
        if let Some(key) = new_key()? {
            config.profile = Some(PROFILE.into());
            return Ok(Some(key));
        }
        if default == NEW {
            return Ok(None);
        }
    }
}

/// What an empty answer takes: our own profile, what AWS's own tools find, or a new key where they
/// would find nothing.
fn default(has_own: bool, no_profile: bool) -> &'static str {
    const ELSEWHERE: [&str; 4] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if has_own {
        PROFILE
    } else if no_profile
        && !ELSEWHERE
            .iter()
            .any(|name| std::env::var_os(name).is_some())
    {
        NEW
    } else {
        "as AWS's own tools"
    }
}

fn use_profile(config: &mut Config, all: &[Profile], name: &str) -> Option<AccessKey> {
    config.profile = Some(name.to_owned());
    let kind = all.iter().find(|profile| profile.name == name);
    if kind.is_some_and(|profile| profile.kind == ProfileKind::SignOn) {
        note("its sign-on ends after some hours: `aws sso login --profile` and its name renew it");
    }
    None
}

/// Asks for an access key. `None`: the person thought better of it.
fn new_key() -> Result<Option<AccessKey>, Failure> {
    let env = |name: &str| std::env::var_os(name);
    let file = CredentialsFile::read(&env)?;
    let path = file.path().display();
    note(&format!(
        "the key goes to the profile {PROFILE} in {path} when all is answered; nothing else there \
         changes"
    ));
    if file.has(PROFILE) && !yes("Replace the key that the profile has (yes, no) [no]")? {
        return Ok(None);
    }
    loop {
        let Some(id) = ask("AWS access key id [none: as AWS's own tools]")? else {
            return Ok(None);
        };
        let typed = hidden("AWS secret access key: ")?;
        match aws_credentials::check(&id, &typed) {
            Ok(secret) => {
                let secret = secret.to_owned().into();
                return Ok(Some(AccessKey { id, secret }));
            }
            Err(failure) => note(&failure.to_string()),
        }
    }
}

/// Puts a new access key into its file.
pub(super) fn keep(key: &AccessKey) -> Result<(), Failure> {
    let env = |name: &str| std::env::var_os(name);
    let file = CredentialsFile::read(&env)?;
    file.put(PROFILE, key)?;
    let path = file.path().display();
    note(&format!("wrote the profile {PROFILE} to {path}"));
    Ok(())
}
