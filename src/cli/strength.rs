//! How strong a new password is, as far as a machine can tell: advice, never a condition.
//!
//! The estimate is zxcvbn's. That crate copies what it is given (in lower case, reversed, in every
//! part that it knows a pattern for) and wipes none of it. So it works in a process of its own: this
//! program again, which is handed the password through a pipe, forbids dumps like the rest, says a
//! line and ends. The kernel clears its pages before anybody gets them.

use super::exit::{Exit, Failure, print};
use crate::crypto::SecretBytes;
use crate::session::harden::Hardening;
use crate::session::sys;
use crate::told;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// The command that the second process is started with: hidden, and of no use to a person.
pub(super) const COMMAND: &str = "estimate";

/// Longest answer that is read.
const ANSWER_BYTES: u64 = 512;
/// Most that is read of a password. zxcvbn looks at its first 100 characters.
const PASSWORD_BYTES: u64 = 4096;

/// What a person is told of a password that keeps the rules.
pub(super) fn advice(password: &SecretBytes) -> String {
    match estimate(password) {
        Ok(estimate) => estimate,
        Err(error) => format!("it keeps the rules; there is no estimate of its strength ({error})"),
    }
}

fn estimate(password: &SecretBytes) -> io::Result<String> {
    let mut child = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    let output = child.stdout.take().expect("it is piped");
    let handed = input.write_all(password.expose());
    drop(input);
    let mut answer = String::new();
    let heard = output.take(ANSWER_BYTES).read_to_string(&mut answer);
    let ended = child.wait()?;
    handed.and(heard)?;
    match (ended.success(), answer.strip_suffix('\n')) {
        (true, Some(answer)) => Ok(answer.to_owned()),
        _ => Err(io::Error::other(format!("it ended with {ended}"))),
    }
}

/// The second process.
pub(super) fn run() -> Result<(), Failure> {
    Hardening::apply();
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!("standard input: {}", told::system(&error)),
        )
    };
    sys::close_inherited().map_err(failed)?;
    let mut password = Zeroizing::new(Vec::new());
    let read = io::stdin().take(PASSWORD_BYTES).read_to_end(&mut password);
    read.map_err(failed)?;
    let text = std::str::from_utf8(&password)
        .map_err(|_| Failure::new(Exit::Usage, "standard input is not text"))?;
    print(&format!("{}\n", judged(text)))
}

fn judged(password: &str) -> String {
    let entropy = zxcvbn::zxcvbn(password, &[]);
    let words = match entropy.score() {
        zxcvbn::Score::Zero => "too easy to guess",
        zxcvbn::Score::One => "very weak",
        zxcvbn::Score::Two => "weak",
        zxcvbn::Score::Three => "good",
        _ => "strong",
    };
    let warning = entropy.feedback().and_then(|feedback| feedback.warning());
    let warning = warning.map_or(String::new(), |warning| format!(" {warning}"));
    format!(
        "it keeps the rules; zxcvbn's estimate is {words}, 10^{:.0} guesses.{warning}",
        entropy.guesses_log10()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_tells_weak_from_strong_and_quotes_nothing() {
        let weak = judged("Password1!");
        assert!(weak.contains("weak") || weak.contains("easy"), "{weak}");
        let strong = judged("Kq7!vz Lm2#pw");
        assert!(strong.contains("strong, 10^1"), "{strong}");
        for (told, password) in [(weak, "Password1!"), (strong, "Kq7")] {
            assert!(!told.contains(password), "{told}");
            assert!(!told.contains('\n'));
        }
        // Only its beginning is looked at, so that it takes no time.
        assert!(judged(&"Ab1!".repeat(1024)).contains("10^"));
    }
}
