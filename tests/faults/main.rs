//! Nothing is lost: two devices at once, a store that fails in every way, a process that is killed
//! at every moment. The real program, mounted for real.

#[path = "../support/contents.rs"]
mod contents;
#[allow(dead_code, reason = "its plans are for the tests of faults")]
mod disk;
#[path = "../support/mounts.rs"]
mod mounts;
mod power;
#[path = "../support/mod.rs"]
mod support;
mod wallets;
