//! `init`: makes a wallet, or joins the one that the store holds already. The configuration and
//! the device key are written last: until then an interrupt leaves nothing on this device, and a
//! wallet that was made in the store is joined by the next run.

use super::args::{Global, Init};
use super::config::{Config, StoreKind};
use super::exit::{Exit, Failure, note, print};
use super::opened::{self, Access};
use super::password::Source;
use super::paths::Places;
use super::{device, passwd, prompt, questions, recovery, store};
use crate::crypto::{DeviceKey, KdfParams, OsRandom, RecoveryKey};
use crate::session::harden::Hardening;
use crate::session::private;
use crate::store::{Store, StoreError};
use crate::told;
use crate::wallet::{NewDevice, Options, Seen, Wallet, WalletError};
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::format_description;

/// Runs the command.
pub(super) fn run(global: &Global, args: Init) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let (device, memorable) = (args.device.source()?, args.memorable.source()?);
    let recovery = args.recovery_source.source()?;
    Hardening::apply();
    let places = global.places()?;
    let wallet = global.wallet.as_str();
    if args.rejoin {
        return rejoin(global, device, memorable);
    }
    refuse_second(&places, wallet)?;

    let mut config = Config::new(args.store.unwrap_or(StoreKind::Local));
    config.path = args.path;
    config.table = args.table;
    config.profile = args.profile;
    config.region = args.region;
    config.endpoint_url = args.endpoint_url;
    config.commit_limit = args.commit_limit;
    let ask = args.store.is_none() && prompt::possible();
    if ask {
        questions::store(&mut config, &places, wallet)?;
    }
    if config.store == StoreKind::Local {
        // Said in full, so that another environment finds the same file.
        let path = config.local_file(&places, wallet);
        config.path = Some(std::path::absolute(&path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{}: {}", path.display(), told::system(&error)),
            )
        })?);
    }

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("no threads can be had: {}", told::system(&error)),
            )
        })?;
    private::make_dir(&places.state)?;
    let steps = Steps {
        seen: Seen::at(places.seen_file(wallet)),
        store: runtime.block_on(store::open(&config, &places, wallet))?,
        device,
        memorable,
        recovery: args.recovery.then_some(recovery),
        recovery_key: args.recovery_key,
        ask,
    };
    let done = runtime.block_on(steps.make_or_join(&config, &places, wallet));
    // A call of the store that was given up must not hold the program.
    runtime.shutdown_background();
    let Made { key, salt, report } = done?;

    device::take(&places, wallet, &mut config, &key, &salt)?;
    print(&format!("{report}Next: {}\n", next_command(global)))
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

struct Steps {
    store: Arc<dyn Store>,
    seen: Seen,
    device: Source,
    memorable: Source,
    /// Where the recovery key comes from, if that is to open the wallet.
    recovery: Option<Source>,
    /// Whether to make one.
    recovery_key: bool,
    /// Whether somebody answers questions.
    ask: bool,
}

/// What this device needs from now on, and what to tell.
struct Made {
    key: DeviceKey,
    salt: [u8; 16],
    report: String,
}

impl Steps {
    async fn make_or_join(
        self,
        config: &Config,
        places: &Places,
        wallet: &str,
    ) -> Result<Made, Failure> {
        let there = match Wallet::peek(&*self.store).await {
            Ok(head) => head.is_some(),
            Err(WalletError::Store(StoreError::Missing(_))) => false,
            Err(error) => return Err(error.into()),
        };
        match (there, &self.recovery) {
            (true, None) => self.join(wallet).await,
            (true, Some(_)) => self.recover(wallet).await,
            (false, None) => self.make(config, places, wallet).await,
            (false, Some(_)) => Err(WalletError::NoSuchWallet.into()),
        }
    }

    async fn make(self, config: &Config, places: &Places, wallet: &str) -> Result<Made, Failure> {
        let device = self.device.new_one()?;
        let memorable = self.memorable.new_one()?;
        if config.store == StoreKind::Local
            && let Some(dir) = config.local_file(places, wallet).parent()
            && !dir.is_dir()
        {
            private::make_dir(dir)?;
        }
        for notice in self.store.create().await? {
            note(&notice.0);
        }
        let place = self.store.describe();
        let kdf = KdfParams::DEFAULT;
        let made = Wallet::create(
            self.store,
            self.seen,
            &device,
            &memorable,
            kdf,
            Options::default(),
        );
        let (made, key) = made.await?;
        let salt = made.device_salt()?;
        let question = "Make a recovery key, which opens the wallet when a password is lost (yes, no) \
                        [no]";
        if self.recovery_key || (self.ask && prompt::yes(question)?) {
            let recovery = RecoveryKey::new(&OsRandom);
            recovery::show(&recovery)?;
            made.change_recovery(&recovery).await?;
        }
        made.lock();
        let report = format!("Made the wallet `{wallet}` in {place}.\n");
        Ok(Made { key, salt, report })
    }

    /// Joins by the recovery key, with new passwords.
    async fn recover(self, wallet: &str) -> Result<Made, Failure> {
        let recovery = self.recovery.expect("the caller has looked").existing()?;
        let recovery = opened::recovery_key(&recovery)?;
        let (store, seen) = (self.store, self.seen);
        let place = store.describe();
        let recovered = Wallet::recover(store, seen, recovery, Options::default()).await?;
        note("the recovery key fits; choose new passwords");
        let (device, memorable) = (self.device.new_one()?, self.memorable.new_one()?);
        let copy = passwd::back_up(&recovered).await?;
        let new = recovered.new_device(&device, KdfParams::DEFAULT).await?;
        recovered
            .change_device(&new, &memorable, KdfParams::DEFAULT)
            .await?;
        recovered.lock();
        let report = format!(
            "Joined the wallet `{wallet}` in {place}, with new passwords. Every other device must join \
             again: `walletfs init --rejoin`.\nThe backup {copy} still opens with the old ones.\n"
        );
        let NewDevice { key, salt, .. } = new;
        Ok(Made { key, salt, report })
    }

    async fn join(self, wallet: &str) -> Result<Made, Failure> {
        note(&format!(
            "the store holds a wallet `{wallet}` already; its device password and its memorable \
             password join it"
        ));
        let device = self.device.existing()?;
        let memorable = self.memorable.existing()?;
        let place = self.store.describe();
        let joined = Wallet::join(
            self.store,
            self.seen,
            &device,
            &memorable,
            Options::default(),
        );
        let (joined, key) = joined.await?;
        let (head, salt) = (joined.head_info(), joined.device_salt()?);
        joined.lock();
        let report = format!(
            "Joined the wallet `{wallet}` in {place}: {} {}, generation {}, made {}, last changed \
             {}.\nFrom here on this device refuses an older state of it.\n",
            head.count,
            if head.count == 1 { "secret" } else { "secrets" },
            head.generation,
            utc(head.created_ns),
            utc(head.committed_ns),
        );
        Ok(Made { key, salt, report })
    }
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
