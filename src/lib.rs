//! walletfs: a person's secrets, sealed on the device, kept in Amazon DynamoDB or in one SQLite
//! file, and seen as ordinary files for as long as a mount lasts.
//!
//! The layers, lowest first; each knows only those below it:
//!
//! | module      | duty                                                      | never sees             |
//! |-------------|-----------------------------------------------------------|------------------------|
//! | [`store`]   | the [`store::Store`] trait and its engines                | plaintext              |
//! | [`crypto`]  | derive, seal, open; no input or output                    | stores                 |
//! | [`wallet`]  | secrets: snapshot, read, change, merge                    | file names, inodes     |
//! | [`fs`]      | what files mean: tree, open files, attributes, errors     | fuser, the AWS SDK     |
//! | [`fuse`]    | fuser calls in, fuser replies out                         | stores, keys           |
//! | [`session`] | from unlock to lock: process, timers, signals, hardening  | wire formats           |
//! | [`told`]    | the system's errors in words, for every layer            |                        |
//! | [`cli`]     | one file a command: ask, call, print, exit code           |                        |
//!
//! The library exists for the program and its tests; it promises no stable interface.

pub mod cli;
pub mod crypto;
pub mod fs;
pub mod fuse;
#[doc(hidden)]
pub mod fuzzing;
pub mod session;
pub mod store;
pub mod told;
pub mod wallet;
