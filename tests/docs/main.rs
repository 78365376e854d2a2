//! The README and the manual say what the program does: what a machine can check of that.

mod commands;
mod comparison;
mod development;
mod manual;
mod messages;
mod packaging;
mod pages;
mod performance;
mod pictures;
mod policy;
mod security;
mod semantics;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod tests;
mod tools;
