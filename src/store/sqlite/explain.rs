//! What went wrong, in a person's words: SQLite's codes made into [`StoreError`]s.

use super::file;
use crate::store::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;

/// What ends a call: a failure of SQLite, not yet put into words, or an error that is.
pub(super) enum Error {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Sqlite(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Store(error)
    }
}

impl Error {
    /// The error of a call on the file at `path`. SQLite's messages are left out, since they may
    /// quote what the file holds.
    pub(super) fn explain(self, path: &Path) -> StoreError {
        let error = match self {
            Error::Store(error) => return error,
            Error::Sqlite(error) => error,
        };
        let shown = path.display();
        let Some(code) = error.sqlite_error_code() else {
            return StoreError::Invalid(format!("{shown} holds a column of another type"));
        };
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                StoreError::Busy(format!("another process is writing {shown}; try again"))
            }
            ErrorCode::CannotOpen => match file::identity(path) {
                Err(error) => error,
                // The file is there, so either it or its journal may not be opened.
                Ok(_) => denied(path),
            },
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly => denied(path),
            ErrorCode::NotADatabase => StoreError::Failed(format!(
                "{shown} is not a wallet file, or it is damaged: name another file, or put a copy \
                 in its place"
            )),
            ErrorCode::DatabaseCorrupt => StoreError::Failed(format!(
                "{shown} is damaged: put a copy in its place, or restore a backup"
            )),
            ErrorCode::DiskFull => StoreError::Full(shown.to_string()),
            ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => {
                StoreError::Unreachable(format!(
                    "reading or writing {shown} failed: see that its disk is there, and what the \
                     system's log says"
                ))
            }
            ErrorCode::TooBig => StoreError::Invalid("an item over the size limit".into()),
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::Unknown => {
                StoreError::Invalid(format!("{shown} has another table than walletfs makes"))
            }
            ErrorCode::OutOfMemory => StoreError::Failed(format!(
                "there is too little memory to read {shown}: close other programs"
            )),
            _ => StoreError::Failed(format!(
                "SQLite gives up on {shown} with its code {}; try again, and if that does not help, \
                 restore a backup",
                error.sqlite_error().map_or(0, |error| error.extended_code)
            )),
        }
    }
}

fn denied(path: &Path) -> StoreError {
    StoreError::Denied(format!(
        "{} and its directory must be readable and writable by you",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn sqlites_codes_are_told_for_what_they_are() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("wallet.sqlite");
        std::fs::write(&path, "").expect("it is written");
        let told = |code| {
            let quoted = Some("what the file holds".into());
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), quoted);
            let told = Error::Sqlite(error).explain(&path);
            let text = told.to_string();
            assert!(!text.contains("what the file holds"), "{text}");
            told
        };
        use StoreError::*;
        assert!(matches!(told(ffi::SQLITE_BUSY), Busy(_)));
        assert!(matches!(told(ffi::SQLITE_READONLY), Denied(_)));
        assert!(matches!(told(ffi::SQLITE_PERM), Denied(_)));
        assert!(matches!(told(ffi::SQLITE_CANTOPEN), Denied(_)));
        assert!(matches!(told(ffi::SQLITE_IOERR), Unreachable(_)));
        assert!(matches!(told(ffi::SQLITE_FULL), Full(_)));
        assert!(matches!(told(ffi::SQLITE_TOOBIG), Invalid(_)));
        assert!(matches!(told(ffi::SQLITE_CONSTRAINT), Invalid(_)));
        let failed = |code, words: &str| match told(code) {
            Failed(text) => assert!(text.contains(words), "{text}"),
            other => panic!("{other:?}"),
        };
        failed(ffi::SQLITE_CORRUPT, "damaged");
        failed(ffi::SQLITE_NOTADB, "not a wallet file");
        failed(ffi::SQLITE_NOMEM, "memory");
        failed(ffi::SQLITE_MISUSE, "code 21");
        std::fs::remove_file(&path).expect("it is there");
        assert!(matches!(told(ffi::SQLITE_CANTOPEN), Missing(_)));
    }
}
