//! [`CryptoError`]: why something was not derived, opened or understood.

use super::KdfParams;

/// Why something was not derived, opened or understood. Messages hold no secret and nothing that
/// was decrypted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CryptoError {
    /// No slot's proof fits these two passwords.
    #[error(
        "wrong memorable password, or this device's key is not this wallet's: try again; if the \
         device password was changed elsewhere, `walletfs init --rejoin`"
    )]
    WrongPassword,
    /// No slot's proof fits this recovery key.
    #[error(
        "wrong recovery key: it is another wallet's, or a newer one was made since; look for the \
         newest that was written down"
    )]
    WrongRecoveryKey,
    /// Not a recovery key: a word or the checksum is wrong.
    #[error("not a recovery key: {0}; type all 24 words as they were written down")]
    NotARecoveryKey(&'static str),
    /// Key derivation weaker or dearer than [`KdfParams::check`] accepts.
    #[error(
        "the key derivation asked for ({} KiB, {} passes, {} lanes) is outside what walletfs accepts \
         (19456 to 1048576 KiB, 2 to 16 passes, 1 to 16 lanes); if no walletfs of yours wrote this \
         wallet, do not trust the store",
        .0.memory_kib, .0.passes, .0.lanes
    )]
    KdfOutOfBounds(KdfParams),
    /// The memory that the key derivation needs cannot be had.
    #[error(
        "the key derivation needs {0} KiB of memory, which cannot be had: close other programs"
    )]
    OutOfMemory(u32),
    /// Written in a format that this version does not know.
    #[error("written in format {0}, which this version does not know: install a newer walletfs")]
    UnknownFormat(u64),
    /// The wallet requires a feature that this version does not have.
    #[error(
        "the wallet requires \"{0}\", which this version does not have: install a newer walletfs"
    )]
    UnknownFeature(String),
    /// Sealed under a master key that the keyring does not hold.
    #[error("sealed under key epoch {0}, which the wallet's keyring does not hold")]
    UnknownEpoch(u32),
    /// Not what the holder of the keys sealed for this place.
    #[error("authentication failed: changed, or moved from another place")]
    NotAuthentic,
    /// Authentic, but not padded as the format says.
    #[error("not padded as the format says")]
    BadPadding,
    /// Not a structure of the format; says which rule is broken.
    #[error("not in walletfs's format: {0}")]
    Malformed(&'static str),
}
