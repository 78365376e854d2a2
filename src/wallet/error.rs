//! [`WalletError`]: why the wallet did not do what was asked. Messages are for people, say what to
//! do next, and hold neither a secret nor the name of one.

use super::record::Field;
use super::seen::Rollback;
use crate::crypto::CryptoError;
use crate::store::{Id, StoreError};

/// Why the wallet did not do what was asked. Nothing was changed, except where the store could not
/// say what became of a commit ([`WalletError::Store`]).
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalletError {
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds no head under this name.
    #[error("there is no wallet of this name in the store: `walletfs init` makes one")]
    NoSuchWallet,
    /// The store holds a head already.
    #[error("the store holds a wallet of this name already: `walletfs init` joins it")]
    WalletExists,
    /// The store holds items of this name but no head: what is left of a wallet.
    #[error(
        "the store holds items of this wallet but not its head: restore a backup, or take another name"
    )]
    Orphans,
    /// The store holds no such backup, or what is left of one that was not finished.
    #[error(
        "there is no backup {0}, or it was not finished: `walletfs backup --list` shows those there are"
    )]
    NoSuchBackup(String),
    /// Neither slot opens: a wrong memorable password or another wallet's device key, which cannot
    /// be told apart.
    #[error("{}", CryptoError::WrongPassword)]
    WrongPassword,
    /// No slot opens with this recovery key.
    #[error("{}", CryptoError::WrongRecoveryKey)]
    WrongRecoveryKey,
    /// The store holds something else than the last commit left there.
    #[error("integrity fault: {0}; `walletfs check` says what is whole, and what to do")]
    Integrity(String),
    /// The store shows an older, another or a second history of this wallet.
    #[error("{0}")]
    RolledBack(Box<Rollback>),
    /// The store does not hold the head of a wallet that this device has seen.
    #[error(
        "the store does not hold the wallet that this device has seen there (generation \
         {generation}): look whether this is the right store; if the wallet is gone for good, \
         delete what this device remembers of it, {record}"
    )]
    Vanished {
        /// The newest generation seen.
        generation: u64,
        /// Where that is kept, for people.
        record: String,
    },
    /// Another device appended or dropped a key since this session unlocked the wallet.
    #[error("another device changed this wallet's keys: unmount it and mount it again")]
    KeysChanged,
    /// The wallet has a recovery key, and a rekey was not given the one to put in its place.
    #[error("this wallet has a recovery key, which a rekey replaces: give a new one")]
    NoRecoveryKey,
    /// Other devices kept committing until the deadline.
    #[error("other devices keep changing the wallet: try again")]
    Contended,
    /// No such secret or field.
    #[error("no such secret or field")]
    NotFound,
    /// The name is taken.
    #[error("there is a secret of this name already")]
    Exists,
    /// The secret still has fields.
    #[error("the secret still has fields")]
    NotEmpty,
    /// The field is not what the edit expected: it changed elsewhere.
    #[error("the field was changed elsewhere")]
    FieldMoved {
        /// The secret it belongs to.
        secret: Id,
        /// The field.
        field: Field,
    },
    /// The secret would be over the store's limit for an item, padding counted.
    #[error("the secret would be larger than the store takes")]
    TooLarge,
    /// The edit would be over the store's limits for a commit.
    #[error("more secrets than one commit takes")]
    TooMany,
    /// A domain, access or info key that cannot be shown as a file name: the reason.
    #[error("a name that cannot be a file's: {0}")]
    BadName(&'static str),
    /// The session may not change the wallet.
    #[error("the wallet is mounted read-only")]
    ReadOnly,
    /// The keys are gone.
    #[error("the wallet is locked")]
    Locked,
    /// The values of this secret are not those that its metadata vouches for.
    #[error(
        "the values of item {0} are damaged: `walletfs check` says of which secret, and what to do"
    )]
    Damaged(Id),
    /// The format, its parameters or a sealed part is not what this version reads.
    #[error("{}", crypto(.0))]
    Crypto(CryptoError),
    /// The record of the newest head seen could not be read or written.
    #[error("{0}")]
    Record(String),
}

/// What crypto refuses, and what to do about it, where it does not say so itself.
fn crypto(error: &CryptoError) -> String {
    match error {
        CryptoError::NotAuthentic
        | CryptoError::BadPadding
        | CryptoError::Malformed(_)
        | CryptoError::UnknownEpoch(_) => format!(
            "the wallet in the store is damaged: {error}; see that it is the right store, or restore \
             a backup (`walletfs restore`)"
        ),
        CryptoError::WrongPassword
        | CryptoError::WrongRecoveryKey
        | CryptoError::NotARecoveryKey(_)
        | CryptoError::KdfOutOfBounds(_)
        | CryptoError::OutOfMemory(_)
        | CryptoError::UnknownFormat(_)
        | CryptoError::UnknownFeature(_) => error.to_string(),
    }
}

/// What the wallet says of the store when crypto refuses something that is not an item of its own.
impl From<CryptoError> for WalletError {
    fn from(e: CryptoError) -> Self {
        match e {
            CryptoError::WrongPassword => WalletError::WrongPassword,
            CryptoError::WrongRecoveryKey => WalletError::WrongRecoveryKey,
            CryptoError::UnknownEpoch(_) => WalletError::KeysChanged,
            e => WalletError::Crypto(e),
        }
    }
}
