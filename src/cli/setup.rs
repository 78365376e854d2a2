//! The last part of `init`: passwords, then the wallet and this device's part of it, all or nothing.

use super::config::{Config, StoreKind};
use super::exit::{Failure, note};
use super::init::utc;
use super::password::Source;
use super::paths::Places;
use super::{device, opened, passwd, prompt, questions, recovery};
use crate::crypto::{DeviceKey, KdfParams, OsRandom, RecoveryKey};
use crate::session::private;
use crate::session::sys::Unhurried;
use crate::store::{AccessKey, Store};
use crate::wallet::{NewDevice, Options, Seen, Wallet, WalletError};
use std::sync::Arc;

/// What this device is to know of the wallet.
pub(super) struct Setup<'a> {
    pub(super) places: &'a Places,
    pub(super) wallet: &'a str,
    pub(super) config: Config,
    /// One that is in no file yet.
    pub(super) access_key: Option<AccessKey>,
}

impl Setup<'_> {
    /// The newest head that this device has seen, in a directory that is made for it.
    fn seen(&self) -> Result<Seen, Failure> {
        private::make_dir(&self.places.state)?;
        Ok(Seen::at(self.places.seen_file(self.wallet)))
    }

    /// Writes what opens the wallet from now on.
    fn keep(&mut self, key: &DeviceKey, salt: &[u8; 16]) -> Result<(), Failure> {
        if let Some(key) = self.access_key.take() {
            questions::keep(&key)?;
        }
        device::take(self.places, self.wallet, &mut self.config, key, salt)
    }
}

pub(super) struct Steps<'a> {
    pub(super) setup: Setup<'a>,
    pub(super) store: Arc<dyn Store>,
    pub(super) device: Source,
    pub(super) memorable: Source,
    /// Where the recovery key comes from, if that is to open the wallet.
    pub(super) recovery: Option<Source>,
    /// Whether to make one.
    pub(super) recovery_key: bool,
    /// Whether somebody answers questions.
    pub(super) ask: bool,
}

impl Steps<'_> {
    /// Makes the wallet, or joins the one that is there. Gives what to tell.
    pub(super) async fn make_or_join(self, there: bool) -> Result<String, Failure> {
        match (there, &self.recovery) {
            (true, None) => self.join().await,
            (true, Some(_)) => self.recover().await,
            (false, None) => self.make().await,
            (false, Some(_)) => Err(WalletError::NoSuchWallet.into()),
        }
    }

    async fn make(mut self) -> Result<String, Failure> {
        let device = self.device.new_one()?;
        let memorable = self.memorable.new_one()?;
        let question = "Make a recovery key, which opens the wallet when a password is lost (yes, no) \
                        [no]";
        let recovery_key = self.recovery_key || (self.ask && prompt::yes(question)?);

        // The last question is answered.
        let _unhurried = Unhurried::new();
        let setup = &mut self.setup;
        let seen = setup.seen()?;
        if setup.config.store == StoreKind::Local
            && let Some(dir) = setup.config.local_file(setup.places, setup.wallet).parent()
            && !dir.is_dir()
        {
            private::make_dir(dir)?;
        }
        for notice in self.store.create().await? {
            note(&notice.0);
        }
        let place = self.store.describe();
        let (kdf, options) = (KdfParams::DEFAULT, Options::default());
        let made = Wallet::create(self.store, seen, &device, &memorable, kdf, options);
        let (made, key) = made.await?;
        setup.keep(&key, &made.device_salt()?)?;
        if recovery_key {
            let recovery = RecoveryKey::new(&OsRandom);
            let shown = recovery::show(&recovery);
            shown.map_err(|failure| {
                let message = format!("{failure}: the wallet is made, without a recovery key");
                Failure::new(failure.to_parts().0, message)
            })?;
            made.change_recovery(&recovery).await?;
        }
        made.lock();
        Ok(format!("Made the wallet `{}` in {place}.\n", setup.wallet))
    }

    /// Joins by the recovery key, with new passwords.
    async fn recover(mut self) -> Result<String, Failure> {
        let recovery = self.recovery.expect("the caller has looked").existing()?;
        let place = self.store.describe();
        let open = async |seen| {
            let key = opened::recovery_key(&recovery)?;
            let opened = Wallet::recover(self.store.clone(), seen, key, Options::default());
            Ok::<_, Failure>(opened.await?)
        };
        // Before new passwords are asked for, and so that nothing of it is left here.
        open(Seen::in_memory()).await?.lock();
        note("the recovery key fits; choose new passwords");
        let (device, memorable) = (self.device.new_one()?, self.memorable.new_one()?);
        let _unhurried = Unhurried::new();
        let recovered = open(self.setup.seen()?).await?;
        let copy = passwd::back_up(&recovered).await?;
        let new = recovered.new_device(&device, KdfParams::DEFAULT).await?;
        recovered
            .change_device(&new, &memorable, KdfParams::DEFAULT)
            .await?;
        recovered.lock();
        let NewDevice { key, salt, .. } = new;
        self.setup.keep(&key, &salt)?;
        Ok(format!(
            "Joined the wallet `{}` in {place}, with new passwords. Every other device must join \
             again: `walletfs init --rejoin`.\nThe backup {copy} still opens with the old ones.\n",
            self.setup.wallet
        ))
    }

    async fn join(mut self) -> Result<String, Failure> {
        note(&format!(
            "the store holds a wallet `{}` already; its device password and its memorable password \
             join it",
            self.setup.wallet
        ));
        let device = self.device.existing()?;
        let memorable = self.memorable.existing()?;
        let _unhurried = Unhurried::new();
        let place = self.store.describe();
        let seen = self.setup.seen()?;
        let joined = Wallet::join(self.store, seen, &device, &memorable, Options::default());
        let (joined, key) = joined.await?;
        let (head, salt) = (joined.head_info(), joined.device_salt()?);
        let secrets = joined.view().len();
        joined.lock();
        self.setup.keep(&key, &salt)?;
        Ok(format!(
            "Joined the wallet `{}` in {place}: {} {}, generation {}, made {}, last changed \
             {}.\nFrom here on this device refuses an older state of it.\n",
            self.setup.wallet,
            secrets,
            if secrets == 1 { "secret" } else { "secrets" },
            head.generation,
            utc(head.created_ns),
            utc(head.committed_ns),
        ))
    }
}
