//! The options of the commands that keep a wallet.

use crate::cli::args::{Device, Memorable, Settings};
use crate::cli::config::{Config, StoreKind};
use crate::cli::exit::Failure;
use crate::cli::paths::Places;
use clap::{ArgGroup, Args};
use std::ffi::OsString;
use std::path::PathBuf;

/// `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// Write the backup to this file instead of beside the wallet in its store
    ///
    /// The file has mode 0600, says what it is and has a digest against accidents. It is written
    /// beside and renamed when it is whole; only a backup of the same wallet is replaced.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "keep"])]
    pub to: Option<PathBuf>,
    /// Show the backups beside the wallet, the oldest first; asks for no password
    ///
    /// Says which of them are of a damaged wallet or were not finished.
    #[arg(long, conflicts_with = "keep")]
    pub list: bool,
    /// Then remove all but the newest N backups beside the wallet, and what was interrupted
    ///
    /// Those made by other commands are counted too, and what was interrupted more than an hour ago
    /// is removed. Backups of a damaged wallet are not counted, and go when they are older than the
    /// Nth. After a `passwd` or a `rekey`, `walletfs backup --keep 1` leaves no copy that opens
    /// with the passwords or keys of before.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub keep: Option<u16>,
    /// Remove this backup beside the wallet, by its name or time; asks for no password
    #[arg(long, value_name = "BACKUP", conflicts_with_all = ["to", "list", "keep"])]
    pub delete: Option<String>,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// A backup beside the wallet, by its name or time, or a file [default: the newest beside it]
    #[arg(value_name = "FROM")]
    pub from: Option<OsString>,
    /// Do not ask
    ///
    /// Without it and without a terminal, nothing is changed (exit code 2).
    #[arg(long)]
    pub yes: bool,
    /// Where to, on a device that is not set up.
    #[command(flatten)]
    pub place: Place,
    /// The device password's source.
    #[command(flatten)]
    pub device: Device,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `migrate`.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Where to.
    #[command(flatten)]
    pub place: Place,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// Where a wallet goes. Its settings are a store's that is named.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("settings").args(Settings::ALL).multiple(true).requires("store"))]
pub struct Place {
    /// Where the wallet is to be kept
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreKind>,
    /// Where exactly.
    #[command(flatten)]
    pub settings: Settings,
}

impl Place {
    /// The configuration `of` with the store settings of these options. A setting that is not
    /// given is as before, where the kind of store is.
    pub(super) fn configure(
        self,
        kind: StoreKind,
        of: Config,
        places: &Places,
        wallet: &str,
    ) -> Result<Config, Failure> {
        let mut config = match of.store == kind {
            true => of,
            false => Config {
                store: kind,
                path: None,
                table: None,
                profile: None,
                region: None,
                endpoint_url: None,
                commit_limit: None,
                ..of
            },
        };
        self.settings.set(&mut config);
        config.fix_file(places, wallet)?;
        Ok(config)
    }
}
