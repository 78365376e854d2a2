//! Keeping a wallet: backups, restoring them, moving to another store.

mod backup;
mod migrate;
mod restore;
mod support;
