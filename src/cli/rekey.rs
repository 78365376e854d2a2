//! `rekey`: everything sealed under a new key, after a backup, while the wallet is in use. Stopped
//! anywhere, it goes on with the next.

use super::args::{Global, Rekey};
use super::exit::{Failure, note, print};
use super::opened::{self, Access};
use super::passwd::back_up;
use super::progress::Progress;
use super::recovery;
use crate::crypto::{OsRandom, RecoveryKey};
use crate::wallet::Wallet;
use std::sync::Arc;

/// Runs the command.
pub(super) fn run(global: &Global, args: Rekey) -> Result<(), Failure> {
    let memorable = args.memorable.source()?;
    opened::run(async {
        let access = Access::new(global).await?;
        let key = access.key().await?;
        let wallet = access.unlock(&key, &memorable.existing()?).await?;
        rekey(&access, &wallet).await
    })
}

/// Seals everything under a new key.
pub(super) async fn rekey(access: &Access, wallet: &Arc<Wallet>) -> Result<(), Failure> {
    if wallet.rekey_is_under_way()? {
        note("a rekey was begun before: going on");
    }
    let copy = back_up(wallet).await?;
    // Before it is needed: what was never read opens nothing.
    let new = wallet.has_recovery()?.then(|| RecoveryKey::new(&OsRandom));
    if let Some(key) = &new {
        recovery::show(key)?;
    }
    let bar = Progress::new("sealing", wallet.view().len());
    wallet
        .rekey(new.as_ref(), |so_far| {
            bar.total(so_far.all);
            bar.at(so_far.done);
        })
        .await?;
    drop(bar);
    let secrets = wallet.view().len();
    print(&format!(
        "Sealed everything under a new key: {secrets} {} of the wallet `{}`.\nCopies from before, the \
         backup {copy} among them, still open with the passwords that they had. Run `walletfs check`; \
         once it passes, delete them (`walletfs backup --list`, `--delete`).\n",
        if secrets == 1 { "secret" } else { "secrets" },
        access.name
    ))
}
