//! [`Keys`]: the keys of a head, opened apart from any wallet: of a backup, or of what stands in a
//! wallet's place.

use crate::crypto::{self, DeviceKey, HeadMeta, Random, SecretBytes, Vault};
use crate::store::Item;
use crate::wallet::WalletError;
use crate::wallet::head::Head;
use crate::wallet::life::{blocking, by_passwords};
use std::sync::Arc;

/// What both passwords open: the keys of a head.
pub struct Keys(pub(super) Arc<Vault>);

impl Keys {
    /// Opens the head of a backup or of a wallet: one derivation.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`]; [`WalletError::Integrity`] and [`WalletError::Crypto`] for a
    /// head that does not open.
    pub async fn open(
        head: &Item,
        key: &DeviceKey,
        memorable: &SecretBytes,
        random: Arc<dyn Random>,
    ) -> Result<Keys, WalletError> {
        let meta = HeadMeta::decode(&head.meta)?;
        let (meta, (keyring, _)) = blocking(by_passwords(meta, key, memorable)).await?;
        let vault = Vault::new(meta.wallet_id, keyring, random);
        Head::open(&vault, head.clone())?;
        Ok(Keys(Arc::new(vault)))
    }

    /// Derives the key of a device from its password, for this head: one derivation.
    pub async fn device(head: &Item, password: &SecretBytes) -> Result<DeviceKey, WalletError> {
        let meta = HeadMeta::decode(&head.meta)?;
        let password = SecretBytes::new(password.expose().to_vec());
        let derive = move || crypto::derive_device_key(&password, &meta.device_salt, meta.kdf);
        Ok(blocking(derive).await?)
    }

    /// Whether these keys open this head too, as they do unless the wallet was rekeyed in between.
    pub fn fit(&self, head: &Item) -> bool {
        Head::open(&self.0, head.clone()).is_ok()
    }
}
