//! A wallet unlocked by a command that mounts nothing.

use super::args::Global;
use super::config::Config;
use super::exit::{Exit, Failure};
use super::paths::Places;
use super::{device, progress, store, threads};
use crate::crypto::{DeviceKey, RecoveryKey, SecretBytes};
use crate::session::harden::Hardening;
use crate::session::private;
use crate::store::Store;
use crate::wallet::{Findings, Options, Seen, Wallet};
use std::sync::Arc;

/// Runs a command's work: hardened, on threads of its own, and not held up by a call of the store
/// that was given up.
pub(super) fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Hardening::apply();
    let runtime = threads::runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// All that leads to a wallet on this device.
pub(super) struct Access {
    pub(super) name: String,
    pub(super) places: Places,
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
}

impl Access {
    pub(super) async fn new(global: &Global) -> Result<Access, Failure> {
        let places = global.places()?;
        let name = global.wallet.clone();
        let config = Config::load(&places, &name)?;
        private::make_dir(&places.state)?;
        let store = store::open(&config, &places, &name).await?;
        Ok(Access {
            name,
            places,
            config,
            store,
        })
    }

    pub(super) fn seen(&self) -> Seen {
        Seen::at(self.places.seen_file(&self.name))
    }

    /// This device's key.
    pub(super) async fn key(&self) -> Result<DeviceKey, Failure> {
        device::key(&self.places, &self.name, &*self.store).await
    }

    /// How its wallet is opened.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            history: self.config.history(),
            trash: self.config.trash(),
            progress: Arc::new(progress::loading()),
            replica: store::replica(&self.config, &self.places, &self.name)?,
            ..Options::default()
        })
    }

    /// Unlocks by the device's key and this password.
    pub(super) async fn unlock(
        &self,
        key: &DeviceKey,
        memorable: &SecretBytes,
    ) -> Result<Arc<Wallet>, Failure> {
        let store = self.store.clone();
        let opened = Wallet::unlock(store, self.seen(), key, memorable, self.options()?).await;
        self.explained(opened.map_err(Failure::from)).await
    }

    /// Unlocks by the recovery key.
    pub(super) async fn recover(&self, typed: &SecretBytes) -> Result<Arc<Wallet>, Failure> {
        let key = recovery_key(typed)?;
        let store = self.store.clone();
        Ok(Wallet::recover(store, self.seen(), key, self.options()?).await?)
    }

    /// Unlocks, and looks at everything.
    pub(super) async fn inspect(
        &self,
        key: &DeviceKey,
        memorable: &SecretBytes,
    ) -> Result<(Arc<Wallet>, Findings), Failure> {
        let store = self.store.clone();
        let found = Wallet::inspect(store, self.seen(), key, memorable, self.options()?).await;
        self.explained(found.map_err(Failure::from)).await
    }

    pub(super) async fn explained<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        match done {
            Err(failure) => {
                Err(device::explain(failure, &self.places, &self.name, &*self.store).await)
            }
            done => done,
        }
    }
}

/// The recovery key that was typed.
pub(super) fn recovery_key(typed: &SecretBytes) -> Result<RecoveryKey, Failure> {
    let key = RecoveryKey::parse(typed);
    key.map_err(|error| Failure::new(Exit::WrongPassword, error.to_string()))
}
