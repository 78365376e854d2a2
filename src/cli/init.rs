//! `init`: makes a wallet, or joins the one that the store holds already. Everything is asked before
//! anything is made: until the last answer an interrupt leaves nothing, here or in the store, and from
//! there on it is held off until all is there.

use super::args::{Global, Init};
use super::config::{Config, StoreKind};
use super::exit::{Exit, Failure, note, print};
use super::opened::{self, Access};
use super::password::Source;
use super::paths::Places;
use super::setup::{Setup, Steps};
use super::{device, policy, prompt, questions, store, threads};
use crate::session::harden::Hardening;
use crate::store::{AccessKey, Store, StoreError};
use crate::wallet::{Options, Wallet, WalletError};
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::runtime::Runtime;

/// Runs the command.
pub(super) fn run(global: &Global, args: Init) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let (device, memorable) = (args.device.clone(), args.memorable.clone());
    let (device, memorable) = (device.source()?, memorable.source()?);
    let recovery = args.recovery_source.clone().source()?;
    if args.print_iam_policy {
        return policy::run(global, &args);
    }
    Hardening::apply();
    let places = global.places()?;
    let wallet = global.wallet.as_str();
    if args.rejoin {
        return rejoin(global, device, memorable);
    }
    refuse_second(&places, wallet)?;

    let runtime = threads::runtime()?;
    let ask = args.store.is_none() && prompt::possible();
    if ask {
        questions::begin(wallet);
    }
    let place = find(&args, &places, wallet, ask, &runtime)?;
    if ask {
        questions::device();
    }
    let steps = Steps {
        setup: Setup {
            places: &places,
            wallet,
            config: place.config,
            access_key: place.access_key,
        },
        store: place.store,
        device,
        memorable,
        recovery: args.recovery.then_some(recovery),
        recovery_key: args.recovery_key,
        ask,
    };
    let done = runtime.block_on(steps.make_or_join(place.there));
    // A call of the store that was given up must not hold the program.
    runtime.shutdown_background();
    print(&format!("{}Next: {}\n", done?, next_command(global)))
}

/// Where the wallet is to be, and whether one is there.
struct Place {
    config: Config,
    access_key: Option<AccessKey>,
    store: Arc<dyn Store>,
    there: bool,
}

/// Takes the options, asks for what they leave open, and asks the store. Makes nothing.
fn find(
    args: &Init,
    places: &Places,
    wallet: &str,
    ask: bool,
    runtime: &Runtime,
) -> Result<Place, Failure> {
    loop {
        let mut config = Config::new(args.store.unwrap_or(StoreKind::Local));
        args.settings.set(&mut config);
        let access_key = match ask {
            true => questions::store(&mut config, places, wallet, runtime)?,
            false => None,
        };
        config.fix_file(places, wallet)?;
        let looked = runtime.block_on(async {
            let key = access_key.clone();
            let store = store::open_with(&config, places, wallet, key).await?;
            let there = is_there(&*store).await?;
            Ok((store, there))
        });
        let (store, there) = match looked {
            Err(failure) if ask && questions::again(&failure, &config)? => continue,
            looked => looked?,
        };
        if ask && config.store == StoreKind::Dynamodb {
            note(&format!("connected: {} answers", store.describe()));
        }
        return Ok(Place {
            config,
            access_key,
            store,
            there,
        });
    }
}

/// Whether the store holds this wallet: 1 get, and a list if there is no head.
async fn is_there(store: &dyn Store) -> Result<bool, Failure> {
    match Wallet::peek(store).await {
        Ok(head) => Ok(head.is_some()),
        Err(WalletError::Store(StoreError::Missing(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How to mount what was set up: with the options that lead to it.
fn next_command(global: &Global) -> String {
    let mut command = String::from("walletfs mount ~/wallet");
    if global.wallet != "default" {
        command += &format!(" --wallet {}", quoted(&global.wallet));
    }
    if let Some(dir) = &global.config_dir
        && std::env::var_os("WALLETFS_CONFIG_DIR").as_deref() != Some(dir.as_os_str())
    {
        command += &format!(" --config-dir {}", quoted(&dir.to_string_lossy()));
    }
    command
}

/// A configuration that is there is never overwritten.
fn refuse_second(places: &Places, wallet: &str) -> Result<(), Failure> {
    let file = places.config_file(wallet);
    if !file.exists() {
        return Ok(());
    }
    let message = format!(
        "the wallet `{wallet}` is set up on this device already: mount it with `walletfs mount \
         DIR`, or make another with --wallet NAME; to set this one up afresh, move {} away first \
         (what the store holds stays as it is)",
        file.display()
    );
    Err(Failure::new(Exit::Failed, message))
}

/// The device password was changed on another device: makes this one's key from it.
fn rejoin(global: &Global, device: Source, memorable: Source) -> Result<(), Failure> {
    opened::run(async {
        let mut access = Access::new(global).await?;
        let (password, memorable) = (device.existing()?, memorable.existing()?);
        let (store, seen) = (access.store.clone(), access.seen());
        let joined = Wallet::join(store, seen, &password, &memorable, Options::default()).await;
        let (joined, key) = joined?;
        let salt = joined.device_salt()?;
        device::take(
            &access.places,
            &access.name,
            &mut access.config,
            &key,
            &salt,
        )?;
        print(&format!("Joined the wallet `{}` again.\n", access.name))
    })
}

/// A moment as people write it.
pub(super) fn utc(since_1970_ns: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(since_1970_ns.into())
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| "at an unknown time".into())
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(utc(1_709_208_000_999_999_999), "2024-02-29 12:00:00 UTC");
        assert_eq!(utc(u64::MAX), "2554-07-21 23:34:33 UTC");
    }

    #[test]
    fn names_are_quoted_for_the_shell() {
        assert_eq!(quoted("/w/work-1"), "/w/work-1");
        assert_eq!(quoted("my wallet"), "'my wallet'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
