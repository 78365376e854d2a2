//! The adapter to fuser.
