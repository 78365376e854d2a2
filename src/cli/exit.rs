//! How the program ends: the numbered list of exit codes, a promise to scripts. A number that is
//! given up is not used again.

use crate::told;
use std::fmt;
use std::io;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed for a reason without a number of its own.
    Failed = 1,
    /// The command line, the configuration or an answer is not understood.
    Usage = 2,
    /// A wrong password, or the key of a device that is not the wallet's.
    WrongPassword = 10,
    /// No such wallet: it is not set up on this device, or not in the store.
    NoWallet = 11,
    /// The mount point cannot be used.
    Mountpoint = 12,
    /// The store is unreachable, too slow or busy; or unsaved content could not be stored.
    Unreachable = 13,
    /// The store denies access.
    Denied = 14,
    /// The store holds what the wallet's devices did not leave there.
    Integrity = 15,
    /// The store shows an older state of the wallet than this device has seen.
    RolledBack = 16,
    /// Another device changed the same thing.
    Conflict = 17,
}

impl Exit {
    /// Every code, ascending.
    pub const ALL: [Exit; 11] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::WrongPassword,
        Exit::NoWallet,
        Exit::Mountpoint,
        Exit::Unreachable,
        Exit::Denied,
        Exit::Integrity,
        Exit::RolledBack,
        Exit::Conflict,
    ];

    /// The code of this number.
    pub fn from_code(code: u8) -> Option<Exit> {
        Exit::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Ends with this code and message. The message says what to do next, and names no secret.
    Said {
        /// The exit code.
        exit: Exit,
        /// For standard error.
        message: String,
    },
    /// Whoever read the output has seen enough: success, as in `walletfs status | head -1`.
    OutputClosed,
    /// The person interrupted at a prompt.
    Interrupted,
    /// The command that was run ended with this exit code, and has said why itself.
    OfCommand(u8),
}

impl Failure {
    /// A failure of this code and message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure::Said {
            exit,
            message: message.into(),
        }
    }

    /// Exit code and message, for another process to say.
    pub fn to_parts(&self) -> (Exit, String) {
        match self {
            Failure::Said { exit, message } => (*exit, message.clone()),
            Failure::OutputClosed => (Exit::Done, String::new()),
            Failure::Interrupted => (Exit::Failed, "interrupted".into()),
            Failure::OfCommand(code) => (Exit::Failed, format!("exit code {code}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_parts().1)
    }
}

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    use io::Write;
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::new(
            Exit::Failed,
            format!("standard output: {}", told::system(&error)),
        ),
    })
}

/// Says something on standard error, as the program. Where nobody listens, nothing is lost.
pub fn note(message: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "walletfs: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_a_promise() {
        let numbers = Exit::ALL.map(Exit::code);
        assert_eq!(numbers, [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17]);
        for exit in Exit::ALL {
            assert_eq!(Exit::from_code(exit.code()), Some(exit));
        }
        assert_eq!(Exit::from_code(3), None);
    }
}
