//! Secrets: snapshot, read, change, merge.
