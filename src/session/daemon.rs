//! Into the background: the program starts itself again, so that no thread and no memory of the
//! first process is carried over, and hears one line of what became of it.
//!
//! The second process gets the password on its standard input and answers on its standard output,
//! both pipes; the first may keep its end of the former, to be known to live. Nothing secret is in its arguments or its environment, and no descriptor is left
//! open to it by number.

use super::sys;
use crate::crypto::SecretBytes;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The one line that the background process says before it falls silent.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// The mount answers.
    Ready {
        /// What a person should know of it.
        notice: Option<String>,
    },
    /// It does not, and the process has left.
    Failed {
        /// The exit code.
        code: u8,
        /// Why.
        message: String,
    },
}

/// Longest line that is read from the background process.
const LINE_BYTES: u64 = 64 << 10;

/// Longest wait for a process that has said its line and failed: what is left to it is its exit.
const EXIT_TIME: Duration = Duration::from_secs(2);

/// Starts this program again with these arguments, hands it the password and waits for its line.
/// The password is wiped. Gives the outcome, and the pipe that the password went through. An error
/// means that the process ended, or could not begin, without a line.
pub fn start(
    args: impl IntoIterator<Item = OsString>,
    password: SecretBytes,
) -> io::Result<(Outcome, PipeWriter)> {
    let (its_input, mut input) = io::pipe()?;
    let (output, its_output) = io::pipe()?;
    let mut child = {
        // Dropped at the end of this block, and with it our copies of the child's pipe ends.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .args(args)
            .stdin(its_input)
            .stdout(its_output)
            .stderr(Stdio::null());
        command.spawn()?
    };
    let handed = input
        .write_all(password.expose())
        .and_then(|()| input.write_all(b"\n"));
    drop(password);
    let mut line = String::new();
    BufReader::new(output.take(LINE_BYTES)).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(ready @ Outcome::Ready { .. }) => {
            handed?;
            Ok((ready, input))
        }
        Ok(failed @ Outcome::Failed { .. }) => {
            // Longer only where the kernel holds a thread of it, which a disk that does not answer
            // can bring about for ever.
            if let Ok(process) = sys::Process::of(child.id()) {
                let _ = process.wait(EXIT_TIME);
            }
            Ok((failed, input))
        }
        Err(_) => Err(io::Error::other(ending(&mut child)?)),
    }
}

fn ending(child: &mut Child) -> io::Result<String> {
    let status: ExitStatus = child.wait()?;
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => format!("it left with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".into(),
    })
}

/// The other end, in the background process: says what became of it.
pub struct Herald(File);

/// Turns this process into a background process: of its own session, in `/`, with no descriptor of
/// whoever started it. Gives where the password is read from. For the start of the program, before
/// anything is opened; paths in the arguments are absolute.
pub fn enter() -> io::Result<(File, Herald)> {
    sys::close_inherited()?;
    let password = File::from(sys::take_descriptor(0)?);
    let herald = Herald(sys::take_descriptor(1)?.into());
    sys::silence_standard_streams()?;
    sys::new_session()?;
    sys::set_process_name(c"walletfs");
    std::env::set_current_dir("/")?;
    Ok((password, herald))
}

impl Herald {
    /// Says the line. An error means that nobody waits for it any more: the person interrupted.
    pub fn tell(mut self, outcome: &Outcome) -> io::Result<()> {
        let mut line = serde_json::to_vec(outcome).expect("strings and numbers are JSON");
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_one_line() {
        let outcomes = [
            Outcome::Ready { notice: None },
            Outcome::Ready {
                notice: Some("old\nbut true".into()),
            },
            Outcome::Failed {
                code: 10,
                message: "why\nnot".into(),
            },
        ];
        for outcome in outcomes {
            let line = serde_json::to_string(&outcome).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Outcome>(&line).unwrap(), outcome);
        }
        assert!(serde_json::from_str::<Outcome>("").is_err());
    }
}
