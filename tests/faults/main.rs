//! Nothing is lost: two devices at once, a store that fails in every way, a process that is killed
//! at every moment. The real program, mounted for real.

mod cold;
#[path = "../support/contents.rs"]
mod contents;
mod crashes;
mod devices;
mod disk;
mod dynamodb;
mod matrix;
#[path = "../support/mounts.rs"]
mod mounts;
mod outcomes;
mod pair;
mod power;
mod rig;
mod scene;
mod sqlite;
#[path = "../support/mod.rs"]
mod support;
mod wallets;
mod writers;
