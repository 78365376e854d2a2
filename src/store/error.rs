//! [`StoreError`]: why a store could not answer.

/// Why a store could not answer. Messages are for people and hold neither a secret nor its name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// No connection, no such host, a service with an error of its own, the file's disk is gone.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// No answer within [`super::DEADLINE`].
    #[error("the store did not answer within 10 s: see that the network is there, and try again")]
    Deadline,
    /// Throttled, or contended to the end of the deadline.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// Credentials are missing, expired or not allowed to do this.
    #[error("the store refuses access: {0}")]
    Denied(String),
    /// The table or the file is not there.
    #[error("{0}")]
    Missing(String),
    /// A commit or an item over the store's limits; nothing was changed.
    #[error("too large for the store: {0}")]
    TooLarge(String),
    /// The store answered something that no walletfs writes.
    #[error(
        "the store holds what walletfs does not write: {0}; see that it is this wallet's, or restore a \
         backup"
    )]
    Invalid(String),
    /// The disk has no room for it; nothing was changed.
    #[error("no space is left for {0}: make room on its disk")]
    Full(String),
    /// Anything else: a damaged file, an answer out of protocol.
    #[error("the store failed: {0}")]
    Failed(String),
}
