//! Into the background: the program starts itself again, so that no thread and no memory of the
//! first process is carried over, and hears line by line how far it is and what became of it.
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
use std::sync::Arc;
use std::time::Duration;

/// A line that the background process says.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// It loads the wallet: so many secrets of so many.
    Loading(u64, u64),
    /// The last line.
    Outcome(Outcome),
}

/// What the background process says before it falls silent.
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

/// Longest wait for a process that has said its last line and failed: what is left to it is its exit.
const EXIT_TIME: Duration = Duration::from_secs(2);

/// Starts this program again with these arguments, hands it the password and waits for its last line;
/// `loading` is told how far it is. The password is wiped. Gives the outcome, and the pipe that the
/// password went through. An error means that the process ended, or could not begin, without that
/// line.
pub fn start(
    args: impl IntoIterator<Item = OsString>,
    password: SecretBytes,
    loading: impl Fn(u64, u64),
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
    match outcome(output, loading)? {
        Some(ready @ Outcome::Ready { .. }) => {
            handed?;
            Ok((ready, input))
        }
        Some(failed @ Outcome::Failed { .. }) => {
            // Longer only where the kernel holds a thread of it, which a disk that does not answer
            // can bring about for ever.
            if let Ok(process) = sys::Process::of(child.id()) {
                let _ = process.wait(EXIT_TIME);
            }
            Ok((failed, input))
        }
        None => Err(io::Error::other(ending(&mut child)?)),
    }
}

/// Reads up to the last line; `None` if it does not come.
fn outcome(from: impl Read, loading: impl Fn(u64, u64)) -> io::Result<Option<Outcome>> {
    let mut from = BufReader::new(from);
    loop {
        let mut line = String::new();
        from.by_ref().take(LINE_BYTES).read_line(&mut line)?;
        match serde_json::from_str(&line) {
            Ok(Line::Loading(done, all)) => loading(done, all),
            Ok(Line::Outcome(outcome)) => return Ok(Some(outcome)),
            Err(_) => return Ok(None),
        }
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

/// The other end, in the background process: says how far it is and what became of it.
pub struct Herald(Arc<File>);

/// Turns this process into a background process: of its own session, in `/`, with no descriptor of
/// whoever started it. Gives where the password is read from. For the start of the program, before
/// anything is opened; paths in the arguments are absolute.
pub fn enter() -> io::Result<(File, Herald)> {
    sys::close_inherited()?;
    let password = File::from(sys::take_descriptor(0)?);
    let herald = Herald(Arc::new(sys::take_descriptor(1)?.into()));
    sys::silence_standard_streams()?;
    sys::new_session()?;
    sys::set_process_name(c"walletfs");
    std::env::set_current_dir("/")?;
    Ok((password, herald))
}

impl Herald {
    /// Says how far the load is, to whom still listens.
    pub fn loading(&self) -> impl Fn(u64, u64) + Send + Sync + use<> {
        let to = Arc::downgrade(&self.0);
        move |done, all| {
            if let Some(to) = to.upgrade() {
                // Who does not listen any more is found out by the last line.
                let _ = say(&to, &Line::Loading(done, all));
            }
        }
    }

    /// Says the last line. An error means that nobody waits for it any more: the person interrupted.
    pub fn tell(self, outcome: Outcome) -> io::Result<()> {
        say(&self.0, &Line::Outcome(outcome))
    }
}

fn say(mut to: &File, line: &Line) -> io::Result<()> {
    let mut line = serde_json::to_vec(line).expect("strings and numbers are JSON");
    line.push(b'\n');
    to.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn heard(lines: &[u8]) -> (Vec<(u64, u64)>, Option<Outcome>) {
        let told = Mutex::new(Vec::new());
        let outcome = outcome(lines, |done, all| told.lock().unwrap().push((done, all))).unwrap();
        (told.into_inner().unwrap(), outcome)
    }

    #[test]
    fn what_is_said_is_heard_line_by_line() {
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
            let (mut from, to) = io::pipe().unwrap();
            let herald = Herald(Arc::new(std::os::fd::OwnedFd::from(to).into()));
            let loading = herald.loading();
            loading(1, 3);
            loading(2, 3);
            let said = serde_json::to_string(&outcome).unwrap();
            herald.tell(outcome).unwrap();
            // Nobody listens after the last line, and it closes the pipe.
            loading(3, 3);
            let mut lines = Vec::new();
            from.read_to_end(&mut lines).unwrap();
            let (told, heard) = heard(&lines);
            assert_eq!(told, [(1, 3), (2, 3)]);
            assert_eq!(serde_json::to_string(&heard.unwrap()).unwrap(), said);
        }
    }

    #[test]
    fn an_end_without_the_last_line_is_none() {
        assert_eq!(heard(b""), (vec![], None));
        assert_eq!(heard(b"{\"loading\":[1,2]}\n"), (vec![(1, 2)], None));
        assert_eq!(heard(b"{\"outcome\":"), (vec![], None));
        let endless = vec![b' '; 3 * LINE_BYTES as usize];
        assert_eq!(heard(&endless), (vec![], None));
    }
}
