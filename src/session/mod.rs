//! From unlock to lock.
