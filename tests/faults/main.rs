//! Nothing is lost: two devices at once, a store that fails in every way, a process that is killed
//! at every moment. The real program, mounted for real.

#[path = "../support/mod.rs"]
mod support;
