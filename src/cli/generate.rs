//! `generate`: a password made by chance, to standard output and nowhere else.

use super::args::Generate;
use super::exit::{Exit, Failure, note};
use crate::crypto::OsRandom;
use crate::crypto::generate::{Generated, characters, words};
use crate::session::harden::Hardening;
use crate::told;
use std::io::{self, IsTerminal, Write};

/// Characters of a password, if nothing is said of it: more than 120 bits.
pub(super) const LENGTH: usize = 20;

/// Runs the command. To a file or a pipe goes the password alone, so that a secret is exactly that;
/// a terminal gets a newline behind it.
pub(super) fn run(args: &Generate) -> Result<(), Failure> {
    Hardening::apply();
    let Generated { password, bits } = match args.words {
        Some(count) => words(&OsRandom, count),
        None => characters(&OsRandom, args.length.unwrap_or(LENGTH)),
    };
    let mut out = io::stdout().lock();
    let written = out.write_all(password.expose()).and_then(|()| {
        if out.is_terminal() {
            out.write_all(b"\n")?;
        }
        out.flush()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::new(
            Exit::Failed,
            format!("standard output: {}", told::system(&error)),
        ),
    })?;
    if io::stderr().is_terminal() {
        note(&format!("{bits:.0} bits of entropy"));
    }
    Ok(())
}
