//! The real program, run as a person or a script runs it: exit codes, messages, files and modes,
//! prompts, mounts and locks.

mod command_line;
mod hiding;
mod init;
mod keeping;
mod lifetimes;
mod mounting;
mod program;
mod prompts;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod unprivileged;
