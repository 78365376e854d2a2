//! [`FsError`]: the one error at the border of the filesystem's logic: an errno and why.

use crate::store::StoreError;
use crate::wallet::WalletError;
use std::borrow::Cow;
use std::fmt;

/// The error numbers that a mount gives (errno(3)), by name: only the adapter knows the numbers.
#[allow(missing_docs, reason = "errno(3) says what each means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    EACCES,
    EBADF,
    EBUSY,
    EEXIST,
    EFBIG,
    EILSEQ,
    EINVAL,
    EIO,
    EISDIR,
    ENAMETOOLONG,
    ENETUNREACH,
    ENODEV,
    ENOENT,
    ENOSPC,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    EROFS,
    ESTALE,
    ETIMEDOUT,
    EXDEV,
}

/// Why a call failed. The text holds neither a secret nor a secret's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsError {
    /// What the caller sees.
    pub errno: Errno,
    /// What the log says.
    pub why: Cow<'static, str>,
}

impl FsError {
    /// An error with a fixed reason.
    pub const fn new(errno: Errno, why: &'static str) -> Self {
        FsError {
            errno,
            why: Cow::Borrowed(why),
        }
    }

    /// Whether a caller meets this in ordinary life (a name that is not there, a file that is), or
    /// the log has been told in better words (of a conflict): it keeps silent about it.
    pub fn is_ordinary(&self) -> bool {
        match self.errno {
            Errno::EEXIST
            | Errno::EFBIG
            | Errno::EILSEQ
            | Errno::EINVAL
            | Errno::EISDIR
            | Errno::ENAMETOOLONG
            | Errno::ENODEV
            | Errno::ENOENT
            | Errno::ENOTDIR
            | Errno::ENOTEMPTY
            | Errno::EPERM
            | Errno::EROFS
            | Errno::ESTALE
            | Errno::EXDEV
            | Errno::EBADF => true,
            Errno::EACCES
            | Errno::EBUSY
            | Errno::EIO
            | Errno::ENETUNREACH
            | Errno::ENOSPC
            | Errno::ETIMEDOUT => false,
        }
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.why, self.errno)
    }
}

impl std::error::Error for FsError {}

/// What a result of the filesystem's logic is.
pub type FsResult<T> = Result<T, FsError>;

/// One errno for each way in which the wallet fails (design, section 6): a new one does not compile
/// until somebody decides.
impl From<WalletError> for FsError {
    fn from(e: WalletError) -> Self {
        let errno = match &e {
            WalletError::Store(e) => match e {
                StoreError::Unreachable(_) => Errno::ENETUNREACH,
                StoreError::Deadline => Errno::ETIMEDOUT,
                StoreError::Busy(_) => Errno::EBUSY,
                StoreError::Denied(_) => Errno::EACCES,
                StoreError::TooLarge(_) => Errno::EFBIG,
                StoreError::Full(_) => Errno::ENOSPC,
                StoreError::Missing(_) | StoreError::Invalid(_) | StoreError::Failed(_) => {
                    Errno::EIO
                }
            },
            WalletError::Contended => Errno::EBUSY,
            WalletError::NotFound => Errno::ENOENT,
            WalletError::Exists => Errno::EEXIST,
            WalletError::NotEmpty => Errno::ENOTEMPTY,
            WalletError::FieldMoved { .. } => Errno::ESTALE,
            WalletError::TooLarge => Errno::EFBIG,
            WalletError::TooMany => Errno::EXDEV,
            WalletError::BadName(_) => Errno::EINVAL,
            WalletError::ReadOnly => Errno::EROFS,
            WalletError::Locked => Errno::ENODEV,
            WalletError::NoSuchWallet
            | WalletError::WalletExists
            | WalletError::Orphans
            | WalletError::WrongPassword
            | WalletError::WrongRecoveryKey
            | WalletError::NoRecoveryKey
            | WalletError::Integrity(_)
            | WalletError::RolledBack(_)
            | WalletError::Vanished { .. }
            | WalletError::KeysChanged
            | WalletError::Damaged(_)
            | WalletError::Crypto(_)
            | WalletError::NoSuchBackup(_)
            | WalletError::Record(_) => Errno::EIO,
        };
        FsError {
            errno,
            why: e.to_string().into(),
        }
    }
}
