//! The real program, run as a person or a script runs it: exit codes, messages, files and modes,
//! prompts, mounts and locks.

mod audit;
mod command_line;
mod completions;
mod conversation;
mod cookbook;
mod copy;
mod exec;
mod first_use;
mod generate;
mod held;
mod hiding;
mod init;
mod keeping;
mod keys;
mod killed;
mod lifetimes;
mod locks;
mod logind;
mod memory;
mod messages;
mod mounting;
mod program;
mod prompts;
#[allow(dead_code)] // One of its two functions is for others.
#[path = "../support/python.rs"]
mod python;
mod replica;
mod services;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod unprivileged;
