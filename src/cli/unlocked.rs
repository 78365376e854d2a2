//! A wallet that is open for one command, and closed when it ends.

use super::args::Global;
use super::config;
use super::exit::{Exit, Failure};
use super::opened::Access;
use crate::crypto::SecretBytes;
use crate::wallet::Wallet;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// What is known before the password is.
pub(super) struct Before {
    access: Access,
    runtime: Runtime,
}

impl Before {
    /// Reads the configuration, and finds out before a password is asked for whether there is a
    /// wallet.
    pub(super) fn load(global: &Global) -> Result<Before, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?;
        let access = runtime.block_on(Access::new(global))?;
        config::load_key(&access.places, &access.name)?;
        Ok(Before { access, runtime })
    }

    /// Runs what waits for a store or a process.
    pub(super) fn wait<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Unlocks the wallet.
    pub(super) fn unlock(&self, memorable: &SecretBytes) -> Result<Unlocked, Failure> {
        let wallet = self.wait(async {
            let key = self.access.key().await?;
            self.access.unlock(&key, memorable).await
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
