//! Which exit code each error of the layers below has. Every match is complete without a wildcard:
//! a new error does not compile until somebody decides.

use super::exit::{Exit, Failure};
use crate::session::live::SessionError;
use crate::session::mountpoint::MountpointError;
use crate::session::private::PrivateError;
use crate::store::StoreError;
use crate::wallet::WalletError;
use crate::wallet::import::SourceError;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Unreachable(_) | StoreError::Deadline | StoreError::Busy(_) => {
                Exit::Unreachable
            }
            StoreError::Denied(_) => Exit::Denied,
            StoreError::Missing(_) => Exit::NoWallet,
            StoreError::Invalid(_) => Exit::Integrity,
            StoreError::TooLarge(_) | StoreError::Full(_) | StoreError::Failed(_) => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        let exit = match error {
            WalletError::Store(error) => return error.into(),
            WalletError::WrongPassword | WalletError::WrongRecoveryKey => Exit::WrongPassword,
            WalletError::NoSuchWallet | WalletError::NoSuchBackup(_) => Exit::NoWallet,
            WalletError::Integrity(_)
            | WalletError::Orphans
            | WalletError::Damaged(_)
            | WalletError::Crypto(_) => Exit::Integrity,
            WalletError::RolledBack(_) | WalletError::Vanished { .. } => Exit::RolledBack,
            WalletError::Contended | WalletError::KeysChanged | WalletError::FieldMoved { .. } => {
                Exit::Conflict
            }
            WalletError::WalletExists
            | WalletError::NoRecoveryKey
            | WalletError::NotFound
            | WalletError::Exists
            | WalletError::NotEmpty
            | WalletError::TooLarge
            | WalletError::TooMany
            | WalletError::BadName(_)
            | WalletError::ReadOnly
            | WalletError::Locked
            | WalletError::Record(_) => Exit::Failed,
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<PrivateError> for Failure {
    fn from(error: PrivateError) -> Self {
        Failure::new(Exit::Failed, error.to_string())
    }
}

impl From<MountpointError> for Failure {
    fn from(error: MountpointError) -> Self {
        Failure::new(Exit::Mountpoint, error.to_string())
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Private(error) => error.into(),
            SessionError::Mount { .. } => Failure::new(Exit::Mountpoint, error.to_string()),
            SessionError::Io(_) => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let exit = match &error {
            SourceError::Malformed(_) | SourceError::TooLarge(_) => Exit::Failed,
            SourceError::WrongPassword(_) => Exit::WrongPassword,
        };
        Failure::new(exit, error.to_string())
    }
}
