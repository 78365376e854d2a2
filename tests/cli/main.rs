//! The real program, run as a person or a script runs it: exit codes, messages, files and modes,
//! prompts, mounts and locks.

mod command_line;
mod hiding;
mod init;
mod keys;
mod lifetimes;
mod mounting;
mod program;
mod prompts;
mod terminal;
mod unprivileged;
