//! `export`: opens every secret and writes all of them in another manager's format: in clear to a
//! terminal after a question, or to a file of mode 0600 if that is asked for. Never into a pipe.

use super::args::{Global, Memorable};
use super::exit::{Exit, Failure, print};
use super::import::args::{SourceDevice, SourcePassword};
use super::import::secret_wallet;
use super::progress::Progress;
use super::prompt;
use super::unlocked::{Before, Unlocked};
use crate::crypto::{OsRandom, SecretWalletKey};
use crate::session::harden::Hardening;
use crate::session::private;
use crate::told;
use crate::wallet::export::{Form, Leaving, Written, bitwarden, csv, json};
use crate::wallet::{Clock, Field, SystemClock};
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The format to write
    ///
    /// See FORMATS in walletfs-export(1).
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Format,
    /// A new file, of mode 0600; without it, the terminal
    ///
    /// A file is written whole or not at all.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Write secrets to FILE in clear
    #[arg(long, requires = "file")]
    pub plaintext: bool,
    /// The configuration of the secret-wallet that is to load it, with its device key [default:
    /// secretwallet.json in ~/.secretwallet]
    #[arg(long, value_name = "FILE")]
    pub source_config: Option<PathBuf>,
    /// The memorable password of that secret-wallet.
    #[command(flatten)]
    pub password: SourcePassword,
    /// Its device password.
    #[command(flatten)]
    pub device: SourceDevice,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// What the Python program secret-wallet's `load` reads: values sealed for it, names in clear
    SecretWallet,
    /// What its `load -d` reads, in clear
    SecretWalletDecrypted,
    /// walletfs's own JSON, exact, in clear
    Json,
    /// walletfs's own CSV, a line a field, exact, in clear
    Csv,
    /// Bitwarden's JSON, in clear
    Bitwarden,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: Export) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let memorable = args.memorable.clone().source()?;
    let (password, device) = (
        args.password.clone().source()?,
        args.device.clone().source()?,
    );
    Hardening::apply();
    let before = Before::load(global)?;
    check_target(&args)?;
    let own = memorable.existing()?;
    let key = match args.format {
        Format::SecretWallet => {
            let (configuration, _) =
                secret_wallet::configuration(args.source_config.as_deref(), None)?;
            let device = secret_wallet::device_key(configuration, device)?;
            let memorable = match password.is_given() {
                true => password.existing()?,
                false => own.duplicate(),
            };
            Some(SecretWalletKey::derive(&device, &memorable).map_err(secret_wallet::not_latin)?)
        }
        _ => None,
    };
    let wallet = before.unlock(&own)?;
    let done = export(&before, &wallet, &args, key.as_ref());
    drop(wallet);
    before.end();
    done
}

/// Refuses a place that plaintext must not go to, before a password is asked for.
fn check_target(args: &Export) -> Result<(), Failure> {
    let Some(file) = &args.file else {
        if args.format == Format::SecretWallet || io::stdout().is_terminal() && prompt::possible() {
            return Ok(());
        }
        return Err(Failure::new(
            Exit::Usage,
            "secrets in clear go to a terminal, or with --plaintext to a file: name one",
        ));
    };
    if args.format != Format::SecretWallet && !args.plaintext {
        return Err(Failure::new(
            Exit::Usage,
            "the file would hold every secret in clear: add --plaintext if that is meant, and \
             delete it as soon as it has served",
        ));
    }
    match std::fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(file, &told::system(&error))),
        Ok(_) => Err(failed(
            file,
            &"it is there already; name another file, or delete it",
        )),
    }
}

fn failed(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {why}", file.display()))
}

fn export(
    before: &Before,
    wallet: &Unlocked,
    args: &Export,
    key: Option<&SecretWalletKey>,
) -> Result<(), Failure> {
    let progress = Progress::new("opening", wallet.view().len());
    let opened = before.wait(wallet.open_all(|done| progress.at(done)))?;
    drop(progress);
    let secrets = &opened.secrets;
    let written = write(args.format, secrets, key);
    let told = report(secrets, &written);
    match &args.file {
        Some(file) => {
            private::write(file, written.bytes.expose())?;
            let what = match args.format {
                Format::SecretWallet => "values are sealed, names are in clear",
                _ => "all of it is in clear: delete it as soon as it has served",
            };
            print(&format!(
                "{told}Wrote {} secrets to {}; {what}.\n",
                secrets.len(),
                file.display()
            ))?;
        }
        None => show(args.format, secrets, written.bytes.expose())?,
    }
    if opened.damaged > 0 {
        let message = format!(
            "{} secrets do not open and were left out: see `walletfs status`",
            opened.damaged
        );
        return Err(Failure::new(Exit::Integrity, message));
    }
    match written.left_out.len() {
        0 => Ok(()),
        count => {
            let message = format!(
                "{count} values were left out, since the format cannot hold them (`json` and `csv` \
                 hold all)"
            );
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

fn write(format: Format, secrets: &[Leaving], key: Option<&SecretWalletKey>) -> Written {
    let seconds = u64::try_from(SystemClock.wall_ns() / 1_000_000_000).unwrap_or_default();
    let form = match key {
        Some(key) => Form::Sealed {
            key,
            seconds,
            random: &OsRandom,
        },
        None => Form::Decrypted,
    };
    match format {
        Format::SecretWallet | Format::SecretWalletDecrypted => {
            crate::wallet::export::secret_wallet(secrets, &form)
        }
        Format::Json => json(secrets),
        Format::Csv => csv(secrets),
        Format::Bitwarden => bitwarden(secrets, &OsRandom),
    }
}

/// What the format cannot hold.
fn report(secrets: &[Leaving], written: &Written) -> String {
    let lines = written.left_out.iter().map(|(at, field)| {
        let Leaving { domain, access, .. } = &secrets[*at];
        let field = match field {
            Field::Uid => "uid".into(),
            Field::Pwd => "pwd".into(),
            Field::Info(key) => format!("{:?}", &**key),
        };
        format!("left out: {:?} / {:?}: {field}\n", &**domain, &**access)
    });
    lines.collect()
}

/// Shows it on the terminal, after a question.
fn show(format: Format, secrets: &[Leaving], bytes: &[u8]) -> Result<(), Failure> {
    if format != Format::SecretWallet {
        let question = format!(
            "Show {} secrets in clear on this terminal? [y/N]",
            secrets.len()
        );
        if !matches!(prompt::ask(&question)?.as_deref(), Some("y" | "Y" | "yes")) {
            return Err(Failure::new(Exit::Failed, "nothing was shown"));
        }
    }
    let mut out = io::stdout().lock();
    let shown = out.write_all(bytes).and_then(|()| out.flush());
    shown.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::new(
            Exit::Failed,
            format!("standard output: {}", told::system(&error)),
        ),
    })
}
