//! A secret-wallet: its file or table, and the key of its values.

use super::args::{Format, Import};
use super::files;
use super::source::Passwords;
use crate::cli::aws_credentials::{CredentialsFile, PROFILE};
use crate::cli::exit::{Exit, Failure, note};
use crate::cli::password::Source as Password;
use crate::cli::paths;
use crate::cli::prompt;
use crate::cli::unlocked::Before;
use crate::crypto::{SecretBytes, SecretWalletKey, secret_wallet_device_key};
use crate::store::{DynamoOptions, foreign};
use crate::wallet::import::Source;
use crate::wallet::import::secret_wallet::{COLUMNS, Configuration, LOCAL, Records, Sealing};
use std::path::{Path, PathBuf};

/// The first bytes of every SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The table, unless the configuration names another.
const TABLE: &str = "access_secrets";
/// Its SQLite file, beside its configuration.
const FILE: &str = "secretwallet.sqlite";
/// Its configuration, and the largest that is read.
const CONFIGURATION: &str = "secretwallet.json";
const CONFIGURATION_BYTES: usize = 64 << 10;

/// Reads its SQLite file or its `save`.
pub(super) fn read_file(
    before: &Before,
    args: &Import,
    path: &Path,
    passwords: Passwords,
    own: &SecretBytes,
) -> Result<Source, Failure> {
    let beside = path.with_file_name(CONFIGURATION);
    let (configuration, _) = configuration(args.other.source_config.as_deref(), Some(&beside))?;
    let named = |error| {
        let (exit, message) = Failure::from(error).to_parts();
        Failure::new(exit, format!("{}: {message}", path.display()))
    };
    let content = files::read(path)?;
    let records = match content.expose().starts_with(SQLITE) {
        true => {
            // A file of several tables is read by the one that is in use.
            let known = configuration.as_ref().and_then(|c| c.table_name.as_deref());
            let table = args.other.table.as_deref();
            let rows = before.wait(async {
                match foreign::sqlite(path, table, COLUMNS).await {
                    Err(_) if table.is_none() && known.is_some() => {
                        foreign::sqlite(path, known, COLUMNS).await
                    }
                    rows => rows,
                }
            })?;
            Records::from_rows(rows)
        }
        false => Records::from_json(content.expose()),
    };
    drop(content);
    let records = records.map_err(named)?;
    if args.from == Format::SecretWalletDecrypted {
        return records.into_source(None).map_err(named);
    }
    open(records, configuration, passwords, own)
}

/// Reads its live table.
pub(super) fn read_live(
    before: &Before,
    args: &Import,
    passwords: Passwords,
    own: &SecretBytes,
) -> Result<Source, Failure> {
    let (configuration, at) = configuration(args.other.source_config.as_deref(), None)?;
    let known = configuration.as_ref();
    let local = known.is_some_and(|known| known.storage_type.as_deref() == Some(LOCAL));
    if local && args.other.table.is_none() {
        return read_file(before, args, &at.with_file_name(FILE), passwords, own);
    }
    if known.is_none() && args.other.table.is_none() {
        return Err(Failure::new(
            Exit::Failed,
            format!(
                "there is no ~/.secretwallet/{CONFIGURATION}: name the FILE to import, or the \
                 table with --table"
            ),
        ));
    }
    let env = |name: &str| std::env::var_os(name);
    let profile = match args
        .other
        .profile
        .clone()
        .or_else(|| known?.profile.clone())
    {
        Some(profile) => Some(profile),
        // The one that it uses, if there is such.
        None => CredentialsFile::read(&env)?
            .has(PROFILE)
            .then(|| PROFILE.to_owned()),
    };
    let table = args.other.table.clone();
    let options = DynamoOptions {
        table: table
            .or_else(|| known?.table_name.clone())
            .unwrap_or_else(|| TABLE.into()),
        profile,
        region: args.other.region.clone(),
        endpoint_url: args.other.endpoint_url.clone(),
        ..DynamoOptions::default()
    };
    let rows = before.wait(foreign::dynamodb(&options))?;
    let records = Records::from_rows(rows)?;
    open(records, configuration, passwords, own)
}

/// Its configuration, and where it is: the one that is named, the one beside its file, or its usual
/// one.
pub(in crate::cli) fn configuration(
    named: Option<&Path>,
    beside: Option<&Path>,
) -> Result<(Option<Configuration>, PathBuf), Failure> {
    let env = |name: &str| std::env::var_os(name);
    let usual = paths::home(&env).map(|home| home.join(".secretwallet").join(CONFIGURATION));
    let candidates: Vec<PathBuf> = match named {
        Some(named) => vec![named.to_owned()],
        None => {
            let beside = beside.map(Path::to_owned).into_iter();
            beside
                .chain(usual.ok())
                .filter(|path| path.exists())
                .collect()
        }
    };
    let Some(path) = candidates.first() else {
        return Ok((None, PathBuf::new()));
    };
    let content = files::read_at_most(path, CONFIGURATION_BYTES)?;
    let read = Configuration::read(content.expose()).map_err(|error| {
        let message = format!("{} is not secret-wallet's: {error}", path.display());
        Failure::new(Exit::Failed, message)
    })?;
    Ok((Some(read), path.clone()))
}

/// Opens the values, if they are sealed.
fn open(
    records: Records,
    configuration: Option<Configuration>,
    passwords: Passwords,
    own: &SecretBytes,
) -> Result<Source, Failure> {
    let key = match records.sealing() {
        Sealing { sealed: 0, .. } => None,
        Sealing { plain: 0, .. } => {
            let device = device_key(configuration, passwords.device)?;
            Some(value_key(&records, &device, passwords.password, own)?)
        }
        Sealing { sealed, plain } => {
            return Err(Failure::new(
                Exit::Failed,
                format!(
                    "{sealed} values are sealed and {plain} are not: the file is damaged; if it is \
                     a decrypted save that holds sealed values, import it with --from \
                     secret-wallet-decrypted"
                ),
            ));
        }
    };
    Ok(records.into_source(key.as_ref())?)
}

/// The device key: from the device password if that is given, else from the configuration.
pub(in crate::cli) fn device_key(
    configuration: Option<Configuration>,
    password: Password,
) -> Result<SecretBytes, Failure> {
    let known = configuration.and_then(|configuration| configuration.key);
    match known.filter(|_| !password.is_given()) {
        Some(key) => Ok(SecretBytes::new(key.as_bytes().to_vec())),
        None => secret_wallet_device_key(&password.existing()?).map_err(not_latin),
    }
}

/// The key of the values: by the password that is given, else by this wallet's own, else by one
/// that is asked for.
fn value_key(
    records: &Records,
    device: &SecretBytes,
    password: Password,
    own: &SecretBytes,
) -> Result<SecretWalletKey, Failure> {
    let wrong = || {
        Failure::new(
            Exit::WrongPassword,
            "the memorable password or the device key is not that of the secret-wallet; give its \
             password with --source-password-command, and its device key with --source-config or \
             --source-device-password-command",
        )
    };
    let given = password.is_given();
    if !given {
        // A password that secret-wallet cannot have is not its.
        let key = SecretWalletKey::derive(device, own).ok();
        if let Some(key) = key.filter(|key| records.open_with(key)) {
            return Ok(key);
        }
        if !prompt::possible() {
            return Err(wrong());
        }
        note("the secret-wallet has another memorable password than this wallet");
    }
    let key = SecretWalletKey::derive(device, &password.existing()?).map_err(not_latin)?;
    match records.open_with(&key) {
        true => Ok(key),
        false => Err(wrong()),
    }
}

pub(in crate::cli) fn not_latin(_: crate::crypto::CryptoError) -> Failure {
    Failure::new(
        Exit::WrongPassword,
        "that is no password of a secret-wallet: it has a character outside of Latin-1",
    )
}
