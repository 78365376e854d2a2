//! `migrate`: moves the wallet to another store. The configuration is switched last, whole or not at
//! all; the source stays.

use super::args::Migrate;
use super::{agreed, secrets, showing, unlock};
use crate::cli::args::Global;
use crate::cli::exit::{Exit, Failure, note, print};
use crate::cli::opened::{Access, run as work};
use crate::cli::progress::Progress;
use crate::cli::store;
use crate::crypto::SecretBytes;
use crate::session::private;
use crate::store::remove_replica;
use crate::wallet::WalletError;
use crate::wallet::backup::{Migration, Target};

/// Runs the command.
pub(in crate::cli) fn run(global: &Global, args: Migrate) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let password = args.memorable.source()?;
    let Some(kind) = args.place.store else {
        return Err(Failure::new(
            Exit::Usage,
            "say where to move the wallet: --store local or --store dynamodb",
        ));
    };
    let report = work(async {
        let home = Access::new(global).await?;
        let (places, name) = (&home.places, &home.name);
        let config = args
            .place
            .configure(kind, home.config.clone(), places, name)?;
        if let Some(live) = global.mounts()?.first() {
            let message = format!(
                "the wallet is mounted on {}, and what is written there would stay in the old \
                 store: `walletfs lock` first",
                live.record.mountpoint
            );
            return Err(Failure::new(Exit::Failed, message));
        }
        let target = Access {
            store: store::open(&config, places, name).await?,
            name: name.clone(),
            places: places.clone(),
            config,
        };
        if home.store.describe() == target.store.describe() {
            let message = format!(
                "the wallet is kept there already: {}",
                home.store.describe()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        migrate(&home, &target, &password.existing()?, args.yes).await
    })?;
    print(&report)
}

async fn migrate(
    home: &Access,
    target: &Access,
    password: &SecretBytes,
    yes: bool,
) -> Result<String, Failure> {
    let to = target.store.clone();
    let (old, new) = (home.store.describe(), to.describe());
    let wallet = unlock(home, password).await?;
    if let Some(path) = &target.config.path
        && let Some(dir) = path.parent()
        && !dir.is_dir()
    {
        private::make_dir(dir)?;
    }
    for notice in to.create().await? {
        note(&notice.0);
    }
    let migration = Migration::prepare(wallet.clone(), to).await;
    let migration = migration.map_err(|error| match error {
        WalletError::WalletExists => Failure::new(
            Exit::Conflict,
            format!(
                "{new} holds another wallet of this name, or another history of this one: name \
                 another place"
            ),
        ),
        WalletError::Orphans => Failure::new(
            Exit::Conflict,
            format!("{new} holds items that are not this wallet's: name another place"),
        ),
        error => error.into(),
    })?;
    let generation = migration.generation();
    match migration.target() {
        Target::Empty | Target::Begun | Target::Same => {}
        Target::Older { generation: older } => {
            note(&format!(
                "{new} holds an older copy of the wallet (generation {older}; this one has \
                 {generation}), which is kept there as a backup"
            ));
            agreed(yes, "Replace it", None)?;
        }
        Target::Newer { generation: newer } => {
            note(&format!(
                "{new} holds the wallet already, and newer (generation {newer}; this one has \
                 {generation}): nothing is copied, and what was changed here since it was moved \
                 there stays here"
            ));
            agreed(yes, "Switch to it", None)?;
        }
    }
    let bar = Progress::new("migrating", 0);
    let moved = migration.run(&showing(&bar)).await?;
    drop(bar);
    wallet.lock();
    target.config.save(&target.places, &target.name)?;
    if !target.config.has_replica() {
        remove_replica(&target.places.replica_file(&target.name))?;
    }
    let mut report = format!(
        "Moved to {new}: {}, generation {}. Every item was read back.\n",
        secrets(moved.count),
        moved.generation
    );
    if let Some(kept) = moved.kept {
        report += &format!("The older copy is kept there as {kept}.\n");
    }
    report += &format!(
        "The source stays as it is, backups included: {old}. Delete it when nothing needs it any \
         more.\nOn each other device of this wallet, run the same command.\n"
    );
    Ok(report)
}
