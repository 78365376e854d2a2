//! Secrets: snapshot, read, change, merge.

pub mod record;
