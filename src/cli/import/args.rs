//! The options of `import`.

use crate::cli::args::Memorable;
use crate::cli::exit::Failure;
use crate::cli::password::{Source, Which};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// What to import
    ///
    /// See FORMATS in walletfs-import(1). A source holds at most 64 MiB and 100,000 secrets; links
    /// within a directory are not followed.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub from: Format,
    /// The file or directory; without it, secret-wallet's live table, or pass's usual directory
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Show each secret and what would become of it, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace fields of secrets that are there already, instead of keeping these as they are
    ///
    /// Fields that the source does not have stay.
    #[arg(long)]
    pub overwrite: bool,
    /// Import secrets whose names cannot be under the names that are proposed
    #[arg(long)]
    pub rename: bool,
    /// The key file of a KeePass database
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The other wallet.
    #[command(flatten)]
    pub other: Other,
    /// Where the other wallet's password comes from.
    #[command(flatten)]
    pub password: SourcePassword,
    /// The device password of the other wallet.
    #[command(flatten)]
    pub device: SourceDevice,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// Where a secret-wallet is.
#[derive(Clone, Debug, Default, Args)]
pub struct Other {
    /// The configuration of the secret-wallet, with its device key [default: secretwallet.json
    /// beside FILE, else in ~/.secretwallet]
    #[arg(long, value_name = "FILE")]
    pub source_config: Option<PathBuf>,
    /// The table of the secret-wallet [default: its configuration's]
    ///
    /// Its user needs `dynamodb:Scan` on that table.
    #[arg(long, value_name = "T")]
    pub table: Option<String>,
    /// The profile of AWS credentials [default: the configuration's]
    #[arg(long, value_name = "P")]
    pub profile: Option<String>,
    /// The AWS region [default: AWS's own rules]
    #[arg(long, value_name = "R")]
    pub region: Option<String>,
    /// A DynamoDB engine other than AWS's
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// Where the password of another wallet comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct SourcePassword {
    /// A command whose first line of output is the password of the other wallet (also as
    /// environment WALLETFS_SOURCE_PASSWORD_COMMAND)
    ///
    /// For `secret-wallet`, without it this wallet's own memorable password is tried first; then it
    /// is asked for.
    #[arg(long = "source-password-command", value_name = "CMD")]
    #[arg(conflicts_with = "source_fd", id = "source_command")]
    command: Option<OsString>,
    /// An open descriptor whose first line is the password of the other wallet
    #[arg(long = "source-password-fd", value_name = "N", id = "source_fd")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    fd: Option<RawFd>,
}

/// Where the device password of a secret-wallet comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct SourceDevice {
    /// A command whose first line of output is the device password of the secret-wallet, if its
    /// configuration is lost (also as environment WALLETFS_SOURCE_DEVICE_PASSWORD_COMMAND)
    #[arg(long = "source-device-password-command", value_name = "CMD")]
    #[arg(conflicts_with = "source_device_fd", id = "source_device_command")]
    command: Option<OsString>,
    /// An open descriptor whose first line is the device password of the secret-wallet
    #[arg(
        long = "source-device-password-fd",
        value_name = "N",
        id = "source_device_fd"
    )]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    fd: Option<RawFd>,
}

impl SourcePassword {
    /// The source (see [`Source::choose`]).
    pub fn source(self) -> Result<Source, Failure> {
        Source::choose(Which::Source, self.command, self.fd)
    }
}

impl SourceDevice {
    /// The source (see [`Source::choose`]).
    pub fn source(self) -> Result<Source, Failure> {
        Source::choose(Which::SourceDevice, self.command, self.fd)
    }
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The Python program secret-wallet: its SQLite file, its `save`, or its DynamoDB table
    SecretWallet,
    /// A decrypted `save` of it, even if values in it look sealed
    SecretWalletDecrypted,
    /// A store of pass, through gpg
    Pass,
    /// Bitwarden's JSON, not encrypted
    Bitwarden,
    /// A KeePass database, KDBX 4
    Keepass,
    /// A KeePass database, exported as XML
    KeepassXml,
    /// 1Password's 1PUX
    #[value(name = "1password")]
    OnePassword,
    /// 1Password's CSV
    #[value(name = "1password-csv")]
    OnePasswordCsv,
    /// Google Chrome's CSV
    Chrome,
    /// Mozilla Firefox's CSV
    Firefox,
    /// A CSV with a header, walletfs's own or any other
    Csv,
    /// A directory of files: DOMAIN/SECRET/FIELD
    Directory,
    /// walletfs's own JSON
    Json,
}

impl Format {
    /// The domain of secrets that have none.
    pub fn nowhere(self) -> &'static str {
        match self {
            Format::SecretWallet | Format::SecretWalletDecrypted => "secret-wallet",
            Format::Pass => "pass",
            Format::Bitwarden => "bitwarden",
            Format::Keepass | Format::KeepassXml => "keepass",
            Format::OnePassword | Format::OnePasswordCsv => "1password",
            Format::Chrome => "chrome",
            Format::Firefox => "firefox",
            Format::Csv => "csv",
            Format::Directory => "directory",
            Format::Json => "json",
        }
    }

    /// Whether there is something to import without a file.
    pub fn has_usual_place(self) -> bool {
        matches!(self, Format::SecretWallet | Format::Pass)
    }
}
