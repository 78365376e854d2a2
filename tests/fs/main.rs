//! The filesystem's logic over a memory store: no mount, no kernel. Each rule of design section 6
//! has a test here that replays the calls of the program named in it, and counts what they cost.

mod commits;
mod failures;
mod handles;
mod harness;
mod history;
mod later;
mod limits;
#[path = "../support/model/mod.rs"]
mod model;
mod modelled;
mod names;
mod own;
mod renames;
mod requests;
mod trash;
mod tree;
