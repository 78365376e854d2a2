//! Questions on the terminal.

use super::exit::{Exit, Failure};
use crate::crypto::SecretBytes;
use crate::session::sys;
use crate::told;
use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody to ask.
pub(super) fn possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for something that is not shown while it is typed.
pub(super) fn hidden(prompt: &str) -> Result<SecretBytes, Failure> {
    // Quiet before the prompt stands there, so that no key is shown and no interrupt goes astray
    // between the two. rpassword says by an error that the person interrupted.
    let quiet = sys::QuietTerminal::new();
    let typed = quiet.and_then(|_quiet| rpassword::prompt_password(prompt));
    match typed {
        Ok(typed) => Ok(SecretBytes::new(typed.into_bytes())),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::Interrupted => Failure::Interrupted,
            io::ErrorKind::UnexpectedEof => Failure::new(
                Exit::Failed,
                "the input ended before the answer; nothing was changed",
            ),
            _ => Failure::new(
                Exit::Usage,
                "there is no terminal to ask on: give what is asked for by an option (`walletfs help`)",
            ),
        }),
    }
}

/// Asks a question; an empty answer is `None`.
pub(super) fn ask(question: &str) -> Result<Option<String>, Failure> {
    let mut out = io::stderr();
    let asked = write!(out, "{question}: ").and_then(|()| out.flush());
    asked.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("standard error: {}", told::system(&error)),
        )
    })?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match read {
        Ok(0) => Err(Failure::new(
            Exit::Failed,
            "the input ended before the answer; nothing was changed",
        )),
        Ok(_) => {
            let answer = answer.trim();
            Ok((!answer.is_empty()).then(|| answer.to_owned()))
        }
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!("standard input: {}", told::system(&error)),
        )),
    }
}

/// Asks a question whose answer is `yes` or `no`; an empty answer is no.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    loop {
        match ask(question)?.as_deref() {
            Some("yes" | "y") => return Ok(true),
            None | Some("no" | "n") => return Ok(false),
            Some(_) => super::exit::note("the answer is `yes` or `no`"),
        }
    }
}
