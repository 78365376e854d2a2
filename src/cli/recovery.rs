//! `recovery-key`: a key that opens the wallet when a password is lost, shown once.

use super::args::{Global, RecoveryKey as Args};
use super::exit::{Exit, Failure, note};
use super::opened::{self, Access};
use crate::crypto::{OsRandom, RecoveryKey};
use crate::told;
use std::io::{self, Write};

/// Runs the command.
pub(super) fn run(global: &Global, args: Args) -> Result<(), Failure> {
    let memorable = args.memorable.source()?;
    opened::run(async {
        let access = Access::new(global).await?;
        let key = access.key().await?;
        let wallet = access.unlock(&key, &memorable.existing()?).await?;
        if wallet.has_recovery()? {
            note("the recovery key of before opens nothing from now on");
        }
        let new = RecoveryKey::new(&OsRandom);
        // First: a key that nobody could read would only shut out the old one.
        show(&new)?;
        Ok(wallet.change_recovery(&new).await?)
    })
}

/// Shows a recovery key, the one time.
pub(super) fn show(key: &RecoveryKey) -> Result<(), Failure> {
    note(
        "this is the recovery key: whoever has it opens the wallet without any password. Copy it on \
         paper now, and keep that where you keep what must not be lost; it is not shown again",
    );
    let mut out = io::stdout().lock();
    let shown = out
        .write_all(key.words().expose())
        .and_then(|()| out.flush());
    shown.map_err(|error| {
        let message = format!(
            "standard output: {}; nothing was changed",
            told::system(&error)
        );
        Failure::new(Exit::Failed, message)
    })
}
