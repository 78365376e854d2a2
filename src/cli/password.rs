//! Where passwords come from: the terminal, a command's first line of output, or a descriptor.
//! Never an argument or an environment variable's own text, which other processes can read. What a
//! source says is told nowhere, and neither is the command, which may name a secret.

use super::exit::{Exit, Failure};
use super::{prompt, strength};
use crate::crypto::{SecretBytes, check_strength};
use crate::session::sys;
use crate::told;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::RawFd;
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// Longest password, in bytes.
const PASSWORD_BYTES: usize = 4096;
/// Most that a password command may say.
const OUTPUT_BYTES: usize = 64 << 10;
/// How often a new password may be typed before the program gives up.
const TRIES: usize = 3;

/// Which password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Proves the person.
    Memorable,
    /// Proves the device.
    Device,
    /// Is to prove the person from now on.
    NewMemorable,
    /// Is to prove the device from now on.
    NewDevice,
    /// Opens the wallet in the place of both.
    RecoveryKey,
    /// Opens what is imported, or shall open what is exported.
    Source,
    /// Proves the device of the wallet that is imported.
    SourceDevice,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Which::Memorable | Which::NewMemorable => "memorable password",
            Which::Device | Which::NewDevice => "device password",
            Which::RecoveryKey => "recovery key",
            Which::Source => "password of the other wallet",
            Which::SourceDevice => "device password of the other wallet",
        }
    }

    /// What it is for, told to a person who chooses a new one.
    fn purpose(self) -> Option<&'static str> {
        match self {
            Which::Device | Which::NewDevice => Some(
                "the device password makes this device's key: it is typed once on each device, so \
                 write it down and keep it away from the device",
            ),
            Which::Memorable | Which::NewMemorable => Some(
                "the memorable password is yours to know: it is typed at every mount, and stored \
                 nowhere",
            ),
            Which::RecoveryKey | Which::Source | Which::SourceDevice => None,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Which::Memorable => "--memorable-password",
            Which::Device => "--device-password",
            Which::NewMemorable => "--new-memorable-password",
            Which::NewDevice => "--new-device-password",
            Which::RecoveryKey => "--recovery-key",
            Which::Source => "--source-password",
            Which::SourceDevice => "--source-device-password",
        }
    }

    /// The environment variable that may name a command, as the option does.
    fn variable(self) -> &'static str {
        match self {
            Which::Memorable => "WALLETFS_MEMORABLE_PASSWORD_COMMAND",
            Which::Device => "WALLETFS_DEVICE_PASSWORD_COMMAND",
            Which::NewMemorable => "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
            Which::NewDevice => "WALLETFS_NEW_DEVICE_PASSWORD_COMMAND",
            Which::RecoveryKey => "WALLETFS_RECOVERY_KEY_COMMAND",
            Which::Source => "WALLETFS_SOURCE_PASSWORD_COMMAND",
            Which::SourceDevice => "WALLETFS_SOURCE_DEVICE_PASSWORD_COMMAND",
        }
    }
}

/// Where a password comes from.
pub struct Source {
    which: Which,
    from: From,
}

enum From {
    Terminal,
    Command(OsString),
    Descriptor(File),
}

impl Source {
    /// The source that was chosen: an option before the environment, the terminal if there is
    /// neither. For the start of the program: takes the descriptor over (see
    /// [`sys::take_descriptor`]).
    pub fn choose(
        which: Which,
        command: Option<OsString>,
        descriptor: Option<RawFd>,
    ) -> Result<Source, Failure> {
        let from = match (descriptor, command) {
            (Some(number), _) => {
                let taken = sys::take_descriptor(number).map_err(|error| {
                    let option = which.option();
                    Failure::new(
                        Exit::Usage,
                        format!("{option}-fd {number}: {}", told::system(&error)),
                    )
                })?;
                From::Descriptor(taken.into())
            }
            (None, Some(command)) => From::Command(command),
            (None, None) => match env::var_os(which.variable()) {
                Some(command) if !command.is_empty() => From::Command(command),
                _ => From::Terminal,
            },
        };
        Ok(Source { which, from })
    }

    /// A source that is open already.
    pub fn descriptor(which: Which, file: File) -> Source {
        Source {
            which,
            from: From::Descriptor(file),
        }
    }

    /// Whether an option or the environment names it, so that nobody need be asked.
    pub fn is_given(&self) -> bool {
        !matches!(self.from, From::Terminal)
    }

    /// A password that exists.
    pub fn existing(self) -> Result<SecretBytes, Failure> {
        let which = self.which;
        match self.from {
            From::Terminal => typed(which, &format!("{}: ", capital(which.name()))),
            From::Command(command) => said(which, &command),
            From::Descriptor(file) => handed(which, file),
        }
    }

    /// A new password, strong enough. On a terminal it is typed twice, and again when it is weak.
    pub fn new_one(self) -> Result<SecretBytes, Failure> {
        let which = self.which;
        let From::Terminal = self.from else {
            let password = self.existing()?;
            return match check_strength(&password) {
                Ok(()) => Ok(password),
                Err(weakness) => Err(weak(which, &weakness)),
            };
        };
        if let Some(purpose) = which.purpose() {
            super::exit::note(purpose);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let password = typed(which, &format!("New {}: ", which.name()))?;
            let problem = match check_strength(&password) {
                Err(weakness) => weak(which, &weakness),
                Ok(()) => {
                    super::exit::note(&strength::advice(&password));
                    let again = hidden(which, "The same again, or empty to choose another: ")?;
                    if again.ct_eq(&password) {
                        return Ok(password);
                    }
                    match again.is_empty() {
                        true => continue,
                        false => {
                            Failure::new(Exit::Failed, "the two are not the same; begin again")
                        }
                    }
                }
            };
            if tries >= TRIES {
                return Err(problem);
            }
            super::exit::note(&problem.to_string());
        }
    }
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

fn weak(which: Which, weakness: &crate::crypto::Weakness) -> Failure {
    let message = format!("{weakness}; choose another {}", which.name());
    Failure::new(Exit::Failed, message)
}

/// As [`prompt::hidden`]; says which options there are where there is no terminal.
fn hidden(which: Which, prompt: &str) -> Result<SecretBytes, Failure> {
    prompt::hidden(prompt).map_err(|failure| match failure.to_parts().0 {
        Exit::Usage => {
            let (name, option) = (which.name(), which.option());
            let message = format!(
                "there is no terminal to ask for the {name} on: give {option}-command or {option}-fd"
            );
            Failure::new(Exit::Usage, message)
        }
        _ => failure,
    })
}

fn typed(which: Which, prompt: &str) -> Result<SecretBytes, Failure> {
    let password = hidden(which, prompt)?;
    match password.len() {
        0 => Err(Failure::new(
            Exit::Failed,
            "no password was typed; begin again",
        )),
        1..=PASSWORD_BYTES => Ok(password),
        _ => Err(too_long()),
    }
}

fn too_long() -> Failure {
    let message = format!("a password has at most {PASSWORD_BYTES} bytes: choose a shorter one");
    Failure::new(Exit::Failed, message)
}

/// The first line of what a command says. It may ask on the terminal itself, so it keeps our
/// standard input and error.
fn said(which: Which, command: &OsString) -> Result<SecretBytes, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let option = which.option();
        Failure::new(Exit::Failed, format!("{option}-command: {why}"))
    };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format_args!("sh cannot be run: {}", told::system(&error))))?;
    let output = child.stdout.take().expect("it is piped");
    // Everything it says is read, so that it does not fail for want of a reader.
    let heard = bounded(output, OUTPUT_BYTES, |_| false);
    if heard.is_err() {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| failed(&told::system(&error)))?;
    let heard = heard.map_err(|error| failed(&told::system(&error)))?;
    if !status.success() {
        return Err(failed(&format_args!(
            "the command failed ({status}); run it by itself to see why"
        )));
    }
    match first_line(&heard)? {
        Some(password) => Ok(password),
        None => Err(failed(&"the first line of the command's output is empty")),
    }
}

/// The first line that a descriptor gives, which may stay open.
fn handed(which: Which, file: File) -> Result<SecretBytes, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let option = which.option();
        Failure::new(Exit::Failed, format!("{option}-fd: {why}"))
    };
    let heard = bounded(file, OUTPUT_BYTES, |said| said.contains(&b'\n'));
    let heard = heard.map_err(|error| failed(&told::system(&error)))?;
    match first_line(&heard)? {
        Some(password) => Ok(password),
        None => Err(failed(&"its first line is empty")),
    }
}

/// Reads to the end, or until it is enough, into memory that never moves and is wiped.
fn bounded(
    mut from: impl Read,
    limit: usize,
    enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut said = Zeroizing::new(vec![0; limit]);
    let mut length = 0;
    while !enough(&said[..length]) {
        if length == limit {
            return Err(io::Error::other(format!(
                "more than {limit} bytes were said"
            )));
        }
        match from.read(&mut said[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    said.truncate(length);
    Ok(said)
}

fn first_line(said: &[u8]) -> Result<Option<SecretBytes>, Failure> {
    let line = said.split(|b| *b == b'\n').next().unwrap_or_default();
    match line.len() {
        0 => Ok(None),
        1..=PASSWORD_BYTES => Ok(Some(SecretBytes::new(line.to_vec()))),
        _ => Err(too_long()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::{IntoRawFd, OwnedFd};

    fn command(text: &str) -> Source {
        Source::choose(Which::Memorable, Some(text.into()), None).unwrap()
    }

    fn fails(source: Source) -> String {
        match source.new_one() {
            Ok(_) => panic!("it should fail"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_first_line_of_a_commands_output_is_the_password() {
        let password = command("printf 'Secret 1!\\nmore\\n'").existing().unwrap();
        assert_eq!(password.expose(), b"Secret 1!");
        let password = command("printf ' \\303\\244\\r'").existing().unwrap();
        assert_eq!(password.expose(), " ä\r".as_bytes(), "nothing is trimmed");
    }

    #[test]
    fn a_failing_command_is_an_error_that_quotes_neither_it_nor_its_output() {
        for text in [
            "echo Secret-1!; exit 3",
            "printf '\\nSecret-1!'",
            ": Secret-1!",
            "head -c 70000 /dev/zero; : Secret-1!",
            "head -c 5000 /dev/zero; : Secret-1!",
        ] {
            let message = fails(command(text));
            assert!(!message.contains("Secret"), "{message}");
        }
        assert!(fails(command("exit 3")).contains("exit status: 3"));
    }

    #[test]
    fn a_new_password_is_refused_with_the_rule_it_breaks() {
        assert!(fails(command("echo short")).contains("fewer than 8 characters"));
        assert!(fails(command("echo 'nouppercase 1'")).contains("no upper-case letter"));
        assert!(command("echo 'Good enough 1'").new_one().is_ok());
    }

    #[test]
    fn a_descriptor_gives_its_first_line_and_may_stay_open() {
        let (reader, mut writer) = io::pipe().unwrap();
        let number = OwnedFd::from(reader).into_raw_fd();
        let source = Source::choose(Which::Device, None, Some(number)).unwrap();
        writer.write_all(b"Secret 1!\nmore").unwrap();
        assert_eq!(source.existing().unwrap().expose(), b"Secret 1!");
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_a_wrong_command_line() {
        let failure = Source::choose(Which::Device, None, Some(1 << 20))
            .err()
            .unwrap();
        assert_eq!(failure.to_parts().0, Exit::Usage);
        assert!(failure.to_string().starts_with("--device-password-fd"));
    }
}
