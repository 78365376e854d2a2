//! The real program, mounted for real: the kernel and real programs are the subject.
//!
//! `user.rs` runs every other test a second time as an unprivileged user, through `fusermount3`.

mod bench;
mod commits;
mod copiers;
mod devices;
mod editors;
mod handles;
#[path = "../support/mounts.rs"]
mod harness;
mod history;
mod killed;
mod limits;
mod mappings;
#[path = "../support/model/mod.rs"]
mod model;
mod modelled;
mod names;
mod ordinary;
mod posix;
mod readers;
mod refusals;
mod requests;
mod savers;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod together;
mod tools;
mod trash;
mod user;
