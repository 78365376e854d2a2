//! Keeping a wallet: backups, restoring them, moving to another store.

mod backup;
mod restore;
mod support;
