//! A wallet that is open for one command, and closed when it ends.

use super::args::Global;
use super::config::{self, Config};
use super::exit::{Exit, Failure};
use super::paths::Places;
use super::store;
use crate::crypto::SecretBytes;
use crate::session::private;
use crate::wallet::{Options, Seen, Wallet};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// What is known before the password is.
pub(super) struct Before {
    pub(super) places: Places,
    config: Config,
    runtime: Runtime,
}

impl Before {
    /// Reads the configuration, and finds out before a password is asked for whether there is a
    /// wallet.
    pub(super) fn load(global: &Global) -> Result<Before, Failure> {
        let places = global.places()?;
        let config = Config::load(&places, &global.wallet)?;
        config::load_key(&places, &global.wallet)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?;
        Ok(Before {
            places,
            config,
            runtime,
        })
    }

    /// Runs what waits for a store or a process.
    pub(super) fn wait<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Unlocks the wallet.
    pub(super) fn unlock(
        &self,
        global: &Global,
        memorable: &SecretBytes,
    ) -> Result<Unlocked, Failure> {
        let name = &global.wallet;
        let key = config::load_key(&self.places, name)?;
        private::make_dir(&self.places.state)?;
        let seen = Seen::at(self.places.seen_file(name));
        let wallet = self.wait(async {
            let store = store::open(&self.config, &self.places, name).await?;
            let unlock = Wallet::unlock(store, seen, &key, memorable, Options::default());
            Ok::<_, Failure>(unlock.await?)
        })?;
        Ok(Unlocked(wallet))
    }

    /// Ends whatever the store still does: a call that was given up must not hold the program.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}

/// An open wallet; its keys are wiped when this goes.
pub(super) struct Unlocked(Arc<Wallet>);

impl std::ops::Deref for Unlocked {
    type Target = Wallet;

    fn deref(&self) -> &Wallet {
        &self.0
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        self.0.lock();
    }
}
