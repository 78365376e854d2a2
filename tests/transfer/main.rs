//! Wallets come in and go out: what other managers leave is imported, what they shall read is
//! exported, and what a run did not come to the next one does.

mod exports;
mod gpg;
mod hostile;
mod kills;
mod live;
mod many;
mod names;
#[path = "../cli/program.rs"]
#[allow(dead_code)]
mod program;
mod python_tool;
mod secret_wallet;
mod support;
#[path = "../cli/terminal.rs"]
#[allow(dead_code)]
mod terminal;
#[path = "../support/mod.rs"]
mod tools;
