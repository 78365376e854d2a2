//! Changing the ways in: the passwords and the recovery key. Slots are rewritten, in one commit of
//! the head alone; the master keys stay, so whoever has a copy of the store from before opens that
//! copy with the old password. Only a rekey ends that.

use super::head::Head;
use super::life::{blocking, copy};
use super::patience::Patience;
use super::seal::{Ready, next, put_head};
use super::{Turn, Wallet, WalletError};
use crate::crypto::{
    CryptoError, DeviceKey, HeadMeta, KdfParams, Keyring, RecoveryKey, SecretBytes, Way,
    derive_device_key,
};
use crate::store::Commit;
use std::sync::Arc;

/// The key of a new device password, which the wallet does not know yet.
pub struct NewDevice {
    /// For the device's file.
    pub key: DeviceKey,
    /// What it was derived with: for the device's file and the head.
    pub salt: [u8; 16],
    kdf: KdfParams,
}

impl Wallet {
    /// The salt of the device key that this wallet opens with.
    ///
    /// # Errors
    ///
    /// [`WalletError::Crypto`] if the head's public part is not understood.
    pub fn device_salt(&self) -> Result<[u8; 16], WalletError> {
        Ok(self.head_meta()?.device_salt)
    }

    /// Whether a recovery key opens this wallet.
    ///
    /// # Errors
    ///
    /// As [`Wallet::device_salt`].
    pub fn has_recovery(&self) -> Result<bool, WalletError> {
        Ok(has_recovery(&self.head_meta()?))
    }

    /// Derives the key of a new device password, with a fresh salt: one derivation, at least as
    /// costly as `kdf` and as the one before. Nothing is changed yet, so that the key can be kept
    /// before it is needed.
    ///
    /// # Errors
    ///
    /// [`WalletError::Crypto`].
    pub async fn new_device(
        &self,
        password: &SecretBytes,
        kdf: KdfParams,
    ) -> Result<NewDevice, WalletError> {
        let kdf = kdf.at_least(self.head_meta()?.kdf);
        let mut salt = [0; 16];
        self.options.random.fill(&mut salt);
        let password = copy(password);
        let key = blocking(move || derive_device_key(&password, &salt, kdf)).await?;
        Ok(NewDevice { key, salt, kdf })
    }

    /// From now on `memorable` opens the wallet together with this device's key, and the password
    /// before does not: one derivation, at least as costly as `kdf` and as the one before, 1 get, 1
    /// commit. The recovery key stays.
    ///
    /// # Errors
    ///
    /// [`WalletError::KeysChanged`] if another device has changed a password meanwhile;
    /// [`WalletError::Contended`]; [`WalletError::ReadOnly`]; what the store says.
    pub async fn change_memorable(
        &self,
        device: &DeviceKey,
        memorable: &SecretBytes,
        kdf: KdfParams,
    ) -> Result<(), WalletError> {
        let way = self.passwords(device, memorable, kdf).await?;
        self.put_passwords(way, None).await
    }

    /// From now on `memorable` opens the wallet together with the new device's key, and no key or
    /// password of before: as [`Wallet::change_memorable`].
    ///
    /// # Errors
    ///
    /// As [`Wallet::change_memorable`].
    pub async fn change_device(
        &self,
        device: &NewDevice,
        memorable: &SecretBytes,
        kdf: KdfParams,
    ) -> Result<(), WalletError> {
        let way = self.passwords(&device.key, memorable, kdf).await?;
        self.put_passwords(way, Some((device.salt, device.kdf)))
            .await
    }

    /// From now on this recovery key opens the wallet, and none of before: 1 get, 1 commit.
    ///
    /// # Errors
    ///
    /// As [`Wallet::change_memorable`].
    pub async fn change_recovery(&self, key: &RecoveryKey) -> Result<(), WalletError> {
        let turn = self.turn().await;
        let wallet_id = self.head_info().wallet_id;
        let way = Way::by_recovery(key, &wallet_id, &*self.options.random);
        self.rewrap(&turn, |meta, keyring| {
            meta.slots.retain(|slot| !slot.is_recovery());
            meta.slots
                .push(way.wrap(keyring, &wallet_id, &*self.options.random));
        })
        .await
    }

    async fn passwords(
        &self,
        device: &DeviceKey,
        memorable: &SecretBytes,
        kdf: KdfParams,
    ) -> Result<Way, WalletError> {
        let before = self.head_meta()?;
        let kdf = before
            .slots
            .iter()
            .filter_map(|slot| slot.kdf())
            .fold(kdf, KdfParams::at_least);
        let (device, memorable) = (DeviceKey::from_bytes(*device.expose()), copy(memorable));
        let random = self.options.random.clone();
        let way = blocking(move || Way::by_passwords(&device, &memorable, kdf, &*random)).await?;
        Ok(way)
    }

    async fn put_passwords(
        &self,
        way: Way,
        device: Option<([u8; 16], KdfParams)>,
    ) -> Result<(), WalletError> {
        let turn = self.turn().await;
        let wallet_id = self.head_info().wallet_id;
        self.rewrap(&turn, |meta, keyring| {
            meta.slots.retain(|slot| slot.kdf().is_none());
            let slot = way.wrap(keyring, &wallet_id, &*self.options.random);
            meta.slots.insert(0, slot);
            if let Some((salt, kdf)) = device {
                (meta.device_salt, meta.kdf) = (salt, kdf);
            }
        })
        .await?;
        self.held_mut().way = Some(Arc::new(way));
        Ok(())
    }

    /// Commits a head with other slots, and nothing else. `change` is told the keyring that they
    /// wrap, and is called again when another device was faster.
    pub(super) async fn rewrap(
        &self,
        turn: &Turn<'_>,
        change: impl Fn(&mut HeadMeta, &Keyring),
    ) -> Result<(), WalletError> {
        if self.options.read_only {
            return Err(WalletError::ReadOnly);
        }
        let mut patience = Patience::new();
        loop {
            let tip = self.read_head().await?;
            self.held_mut().advance(&tip);
            let ready = self.rewrapped(&tip, &change)?;
            let began = self.now();
            match self.commit(&ready).await? {
                Commit::Done => return self.settle(turn, ready, began).await,
                Commit::Refused(_) => patience.pause(&*self.options.random).await?,
            }
        }
    }

    /// The commit that puts a head with other slots in the place of `tip`.
    pub(super) fn rewrapped(
        &self,
        tip: &Head,
        change: &impl Fn(&mut HeadMeta, &Keyring),
    ) -> Result<Ready, WalletError> {
        let mut meta = HeadMeta::decode(&tip.item.meta)?;
        let keyring = self.keyring_in(&meta)?;
        change(&mut meta, &keyring);
        let vault = self.vault()?;
        let mut data = tip.data.clone();
        data.committed_ns = self.options.date_ns();
        let head = Head::seal(&vault, next(tip)?, meta.encode(), data, Some(Vec::new()));
        Ok(Ready {
            changes: vec![put_head(&head, tip)],
            head: Arc::new(head),
            effects: Vec::new(),
        })
    }

    /// The keyring as a head has it, which the keys in memory may be more than.
    pub(super) fn keyring_in(&self, meta: &HeadMeta) -> Result<Keyring, WalletError> {
        let way = self.held().way()?.clone();
        match way.follow(meta) {
            Ok(keyring) => keyring.ok_or(WalletError::KeysChanged),
            Err(CryptoError::NotAuthentic) => Err(WalletError::Integrity(
                "the head's keyring does not open".into(),
            )),
            Err(e) => Err(e.into()),
        }
    }

    /// The public part of the newest head that is known.
    pub(super) fn head_meta(&self) -> Result<HeadMeta, WalletError> {
        let tip = self.held().tip.clone();
        Ok(HeadMeta::decode(&tip.item.meta)?)
    }
}

pub(super) fn has_recovery(meta: &HeadMeta) -> bool {
    meta.slots.iter().any(|slot| slot.is_recovery())
}
