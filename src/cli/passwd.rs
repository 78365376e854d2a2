//! `passwd`: another memorable or device password, in one commit, after a backup; both anew by the
//! recovery key.

use super::args::{Global, Passwd};
use super::exit::{Exit, Failure, note, print};
use super::opened::{self, Access};
use super::password::Source;
use super::{device, prompt, rekey};
use crate::crypto::{KdfParams, SecretBytes, derive_device_key};
use crate::wallet::{Wallet, backup};
use std::sync::Arc;

/// Runs the command.
pub(super) fn run(global: &Global, args: Passwd) -> Result<(), Failure> {
    let sources = Sources {
        memorable: args.memorable_source.source()?,
        device: args.device_source.source()?,
        new_memorable: args.new_memorable.source()?,
        new_device: args.new_device.source()?,
        recovery: args.recovery_source.source()?,
    };
    opened::run(async {
        let access = Access::new(global).await?;
        match (args.memorable, args.device) {
            (true, _) => memorable(access, sources).await,
            (_, true) => device(access, sources).await,
            _ => recover(access, sources).await,
        }
    })
}

struct Sources {
    memorable: Source,
    device: Source,
    new_memorable: Source,
    new_device: Source,
    recovery: Source,
}

async fn memorable(access: Access, sources: Sources) -> Result<(), Failure> {
    let key = access.key().await?;
    let wallet = access.unlock(&key, &sources.memorable.existing()?).await?;
    let new = sources.new_memorable.new_one()?;
    let copy = back_up(&wallet).await?;
    wallet
        .change_memorable(&key, &new, KdfParams::DEFAULT)
        .await?;
    changed("memorable password", &copy)?;
    note("other devices use the new password from their next mount on");
    offer_rekey(&access, &wallet).await
}

async fn device(mut access: Access, sources: Sources) -> Result<(), Failure> {
    let key = access.key().await?;
    let memorable = sources.memorable.existing()?;
    let wallet = access.unlock(&key, &memorable).await?;
    prove_device(&access, &sources.device.existing()?).await?;
    let new = sources.new_device.new_one()?;
    let copy = back_up(&wallet).await?;
    set_device(&mut access, &wallet, &new, &memorable).await?;
    changed("device password", &copy)?;
    note("every other device must join again: `walletfs init --rejoin`");
    offer_rekey(&access, &wallet).await
}

async fn recover(mut access: Access, sources: Sources) -> Result<(), Failure> {
    let wallet = access.recover(&sources.recovery.existing()?).await?;
    let (new_device, new) = (
        sources.new_device.new_one()?,
        sources.new_memorable.new_one()?,
    );
    let copy = back_up(&wallet).await?;
    set_device(&mut access, &wallet, &new_device, &new).await?;
    changed("device password and the memorable password", &copy)?;
    note("every other device must join again: `walletfs init --rejoin`");
    note("the recovery key opens the wallet as before");
    offer_rekey(&access, &wallet).await
}

/// The device password of before, which whoever holds the device need not know.
async fn prove_device(access: &Access, password: &SecretBytes) -> Result<(), Failure> {
    let head = Wallet::peek(&*access.store).await?;
    let head = head.ok_or(crate::wallet::WalletError::NoSuchWallet)?;
    let derived = derive_device_key(password, &head.device_salt, head.kdf)
        .map_err(|error| Failure::new(Exit::Integrity, error.to_string()))?;
    match derived.is(&access.key().await?) {
        true => Ok(()),
        false => Err(Failure::new(
            Exit::WrongPassword,
            "wrong device password; if it is lost, use the recovery key: `walletfs passwd --recovery`",
        )),
    }
}

/// Changes both passwords' slot, and this device's key with it.
async fn set_device(
    access: &mut Access,
    wallet: &Arc<Wallet>,
    device: &SecretBytes,
    memorable: &SecretBytes,
) -> Result<(), Failure> {
    let new = wallet.new_device(device, KdfParams::DEFAULT).await?;
    device::keep(&access.places, &access.name, &new)?;
    wallet
        .change_device(&new, memorable, KdfParams::DEFAULT)
        .await?;
    device::take(
        &access.places,
        &access.name,
        &mut access.config,
        &new.key,
        &new.salt,
    )
}

/// A copy of the wallet as it is, beside it in the store: its name.
pub(super) async fn back_up(wallet: &Wallet) -> Result<String, Failure> {
    Ok(wallet.back_up(&backup::quietly).await?.name)
}

fn changed(what: &str, copy: &str) -> Result<(), Failure> {
    print(&format!(
        "Changed the {what}.\nCopies of the wallet from before still open with the old one: the backup \
         {copy} that was made just now, and others. Run `walletfs check`; once it passes, delete it \
         (`walletfs backup --delete {copy}`).\n"
    ))
}

/// Whoever changes a password because it became known needs another key too.
async fn offer_rekey(access: &Access, wallet: &Arc<Wallet>) -> Result<(), Failure> {
    let why = "if the old one became known to somebody, seal everything under a new key";
    if !prompt::possible() {
        note(&format!("{why}: `walletfs rekey`"));
        return Ok(());
    }
    note(why);
    match prompt::yes("Do that now (yes, no) [no]")? {
        true => rekey::rekey(access, wallet).await,
        false => {
            note("later: `walletfs rekey`");
            Ok(())
        }
    }
}
