//! A wallet that is open for one command, and closed when it ends, where the command waits for more
//! than the store: for a person, a file or another program.

use super::args::Global;
use super::exit::Failure;
use super::opened::Access;
use super::threads;
use crate::crypto::{DeviceKey, SecretBytes};
use crate::wallet::Wallet;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// What is known before the password is.
pub(super) struct Before {
    access: Access,
    key: DeviceKey,
    runtime: Runtime,
}

impl Before {
    /// Finds out before a password is asked for whether there is a wallet.
    pub(super) fn load(global: &Global) -> Result<Before, Failure> {
        let runtime = threads::runtime()?;
        let (access, key) = runtime.block_on(async {
            let access = Access::new(global).await?;
            let key = access.key().await?;
            Ok::<_, Failure>((access, key))
        })?;
        Ok(Before {
            access,
            key,
            runtime,
        })
    }

    /// Runs what waits for a store.
    pub(super) fn wait<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Unlocks the wallet.
    pub(super) fn unlock(&self, memorable: &SecretBytes) -> Result<Unlocked, Failure> {
        self.wait(self.access.unlock(&self.key, memorable))
            .map(Unlocked)
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
