//! This device's key while the device password changes: kept beside the old one until the store has
//! taken it, so that a process which is killed in between leaves a device that opens the wallet.

use super::config::{Config, KEY_BYTES, load_key, save_key};
use super::exit::{Exit, Failure};
use super::paths::Places;
use crate::crypto::DeviceKey;
use crate::session::private;
use crate::store::Store;
use crate::told;
use crate::wallet::{NewDevice, Wallet};
use std::fs;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes of the salt that a device key was derived with.
const SALT: usize = 16;
/// A commit is made or not made by then.
const SETTLED: Duration = Duration::from_secs(60);

/// Keeps a new key, with its salt behind it, until [`settle`] or [`take`].
pub(super) fn keep(places: &Places, wallet: &str, new: &NewDevice) -> Result<(), Failure> {
    let mut both = Zeroizing::new(Vec::with_capacity(KEY_BYTES + SALT));
    both.extend_from_slice(new.key.expose());
    both.extend_from_slice(&new.salt);
    Ok(private::write(&places.next_key_file(wallet), &both)?)
}

/// The store has taken the new key: it is this device's from now on.
pub(super) fn take(
    places: &Places,
    wallet: &str,
    config: &mut Config,
    key: &DeviceKey,
    salt: &[u8; SALT],
) -> Result<(), Failure> {
    save_key(places, wallet, key)?;
    config.device_salt = Some(hex(salt));
    config.save(places, wallet)?;
    match fs::remove_file(places.next_key_file(wallet)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let file = places.next_key_file(wallet);
            Err(Failure::new(
                Exit::Failed,
                format!(
                    "{} is of no use any more: delete it ({})",
                    file.display(),
                    told::system(&error)
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// This device's key. After a change of the device password that was cut short, the store says which
/// of two it is: 1 get, in that case alone.
pub(super) async fn key(
    places: &Places,
    wallet: &str,
    store: &dyn Store,
) -> Result<DeviceKey, Failure> {
    let file = places.next_key_file(wallet);
    let Some(both) = private::read(&file, KEY_BYTES + SALT)?.map(Zeroizing::new) else {
        return load_key(places, wallet);
    };
    let split = both.split_first_chunk::<KEY_BYTES>();
    let Some((key, salt)) =
        split.and_then(|(key, salt)| Some((key, <[u8; SALT]>::try_from(salt).ok()?)))
    else {
        let message = format!("{} is not a device key; delete it", file.display());
        return Err(Failure::new(Exit::Failed, message));
    };
    let head = Wallet::peek(store).await?;
    if head.is_some_and(|head| head.device_salt == salt) {
        let key = DeviceKey::from_bytes(*key);
        let mut config = Config::load(places, wallet)?;
        take(places, wallet, &mut config, &key, &salt)?;
        return Ok(key);
    }
    let age = fs::metadata(&file).and_then(|file| file.modified());
    if age.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > SETTLED)) {
        // The commit was not made. If this fails, the next one tries.
        let _ = fs::remove_file(&file);
    }
    load_key(places, wallet)
}

/// What a refusal of both passwords means, if the device password was changed on another device.
pub(super) async fn explain(
    failure: Failure,
    places: &Places,
    wallet: &str,
    store: &dyn Store,
) -> Failure {
    if failure.to_parts().0 != Exit::WrongPassword {
        return failure;
    }
    let known = Config::load(places, wallet)
        .ok()
        .and_then(|config| config.device_salt);
    let now = Wallet::peek(store).await.ok().flatten();
    match (known, now) {
        (Some(known), Some(head)) if known != hex(&head.device_salt) => Failure::new(
            Exit::WrongPassword,
            "the device password of this wallet was changed on another device, so this one must join \
             again: `walletfs init --rejoin`, with the new device password",
        ),
        _ => failure,
    }
}

/// As the configuration has it.
pub(super) fn hex(salt: &[u8]) -> String {
    salt.iter().map(|byte| format!("{byte:02x}")).collect()
}
