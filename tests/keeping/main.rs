//! Keeping a wallet: backups, restoring them, moving to another store.

mod backup;
#[path = "../support/contents.rs"]
mod contents;
mod golden;
mod migrate;
#[path = "../support/python.rs"]
mod python;
mod restore;
mod support;
