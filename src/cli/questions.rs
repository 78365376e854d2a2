//! What `init` asks when it is not told by options. Each question can be skipped with an empty
//! answer.

use super::aws_credentials::{CredentialsFile, PROFILE};
use super::config::{Config, StoreKind, TABLE};
use super::exit::{Failure, note};
use super::paths::Places;
use super::prompt::{ask, hidden};
use std::path::PathBuf;

/// Asks where the wallet shall be kept. What `config` says already is not asked.
pub(super) fn store(config: &mut Config, places: &Places, wallet: &str) -> Result<(), Failure> {
    note(&format!(
        "setting up the wallet `{wallet}` on this device; an empty answer takes what stands in \
         brackets"
    ));
    config.store = loop {
        match ask("Keep it in one local file, or in DynamoDB (local, dynamodb) [local]")?.as_deref()
        {
            None | Some("local") => break StoreKind::Local,
            Some("dynamodb") => break StoreKind::Dynamodb,
            Some(_) => note("the answer is `local` or `dynamodb`"),
        }
    };
    match config.store {
        StoreKind::Local => local(config, places, wallet),
        StoreKind::Dynamodb => dynamodb(config),
    }
}

fn local(config: &mut Config, places: &Places, wallet: &str) -> Result<(), Failure> {
    if config.path.is_none() {
        let default = places.data_file(wallet);
        config.path = ask(&format!("File [{}]", default.display()))?.map(PathBuf::from);
    }
    Ok(())
}

fn dynamodb(config: &mut Config) -> Result<(), Failure> {
    if config.profile.is_none() {
        config.profile = credentials()?;
    }
    if config.region.is_none() {
        config.region = ask("AWS region, such as eu-central-1 [as AWS's own tools]")?;
    }
    if config.table.is_none() {
        config.table = ask(&format!("Table, made if it is not there [{TABLE}]"))?;
    }
    Ok(())
}

/// The profile to use: the one made or found here, or one that is named. `None`: AWS's own rules.
fn credentials() -> Result<Option<String>, Failure> {
    let env = |name: &str| std::env::var_os(name);
    let file = CredentialsFile::read(&env)?;
    let have = file.has(PROFILE);
    let skip = match have {
        true => format!("keep the profile {PROFILE}"),
        false => "none: use a profile or what AWS's own tools find".into(),
    };
    if let Some(id) = ask(&format!("AWS access key id [{skip}]"))? {
        let secret = hidden("AWS secret access key: ")?;
        file.put(PROFILE, &id, &secret)?;
        note(&format!(
            "wrote the profile {PROFILE} to {}",
            file.path().display()
        ));
        return Ok(Some(PROFILE.into()));
    }
    if have {
        return Ok(Some(PROFILE.into()));
    }
    ask("AWS profile [as AWS's own tools]")
}
