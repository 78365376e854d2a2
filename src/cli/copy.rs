//! `copy`: a file's content on the clipboard for a while.
//!
//! Who owns the clipboard of X11 or Wayland serves what is in it, and when that process ends, it is
//! empty. So a second process serves it, hardened as a mount's, and ends when its time is up or
//! somebody else has copied something: what is then on the clipboard is another's, and stays.
//! Clipboard managers are asked to keep no history of it, by the hint that KDE's and others heed.

use super::args::Copy;
use super::exit::{Exit, Failure, note};
use crate::crypto::SecretBytes;
use crate::session::daemon::{self, Herald, Outcome};
use crate::session::harden::Hardening;
use crate::session::sys;
use crate::told;
use arboard::{Clipboard, SetExtLinux};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use zeroize::Zeroizing;

/// More than anybody pastes.
const CONTENT_BYTES: usize = 64 << 10;
/// The display takes the content by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(args: Copy) -> Result<(), Failure> {
    // Before anything is opened.
    let Some(path) = args.path.filter(|_| !args.background) else {
        return background(args.clear_after);
    };
    Hardening::apply();
    let content = read(&path)?;
    let arguments = ["copy", "--background", "--clear-after"];
    let arguments = arguments.map(OsString::from).into_iter();
    let arguments = arguments.chain([args.clear_after.to_string().into()]);
    let started = daemon::start(arguments, framed(&content), |_, _| ());
    drop(content);
    let (outcome, _pipe) = started.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!(
                "the process that serves the clipboard did not begin: {}",
                told::system(&error)
            ),
        )
    })?;
    match outcome {
        Outcome::Ready { .. } => {
            note(&format!(
                "copied; the clipboard is cleared in {} s, unless something else is copied before",
                args.clear_after
            ));
            Ok(())
        }
        Outcome::Failed { code, message } => {
            let exit = Exit::from_code(code).unwrap_or(Exit::Failed);
            Err(Failure::new(exit, message))
        }
    }
}

/// The content, without the newline that ends a line of text. The path may name a secret, so no
/// error quotes it.
fn read(path: &Path) -> Result<SecretBytes, Failure> {
    let failed = |why: String| Failure::new(Exit::Failed, why);
    let unreadable =
        |error: io::Error| failed(format!("the file cannot be read: {}", told::system(&error)));
    // Room for everything at once, so that growing leaves no copy behind.
    let mut content = Zeroizing::new(Vec::with_capacity(CONTENT_BYTES + 1));
    let file = File::open(path).map_err(unreadable)?;
    let read = file
        .take(CONTENT_BYTES as u64 + 1)
        .read_to_end(&mut content);
    read.map_err(unreadable)?;
    if content.len() > CONTENT_BYTES {
        let limit = CONTENT_BYTES >> 10;
        let why = format!("the file has more than {limit} KiB, which is not for a clipboard");
        return Err(failed(why));
    }
    let end = line(&content).len();
    content.truncate(end);
    if std::str::from_utf8(&content).is_err() {
        return Err(failed(
            "the file is not text, and the clipboard takes only that".into(),
        ));
    }
    if content.is_empty() {
        return Err(failed("the file is empty: there is nothing to copy".into()));
    }
    Ok(SecretBytes::new(std::mem::take(&mut *content)))
}

/// Text without one newline at its end.
fn line(text: &[u8]) -> &[u8] {
    let Some(line) = text.strip_suffix(b"\n") else {
        return text;
    };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The content behind its length, as it goes through the pipe.
fn framed(content: &SecretBytes) -> SecretBytes {
    let length = format!("{}\n", content.len());
    let mut framed = Vec::with_capacity(length.len() + content.len());
    framed.extend_from_slice(length.as_bytes());
    framed.extend_from_slice(content.expose());
    SecretBytes::new(framed)
}

fn received(input: File) -> io::Result<SecretBytes> {
    // One byte of room: no more of the content stays in it.
    let mut input = BufReader::with_capacity(1, input);
    let mut length = String::new();
    input.by_ref().take(16).read_line(&mut length)?;
    let length: Option<usize> = length.trim_end().parse().ok();
    let length = length.filter(|length| *length <= CONTENT_BYTES);
    let length = length.ok_or_else(|| io::Error::other("what came is not a content"))?;
    let mut content = Zeroizing::new(vec![0; length]);
    input.read_exact(&mut content)?;
    Ok(SecretBytes::new(std::mem::take(&mut *content)))
}

/// The second process.
fn background(seconds: u64) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot go on: {}", told::system(&error)),
        )
    };
    let (input, herald) = daemon::enter().map_err(failed)?;
    sys::set_umask(0o077);
    Hardening::apply();
    let mut herald = Some(herald);
    let content = received(input).map_err(failed);
    let served = content.and_then(|content| serve(content, seconds, &mut herald));
    if let (Err(failure), Some(herald)) = (&served, herald) {
        let (exit, message) = failure.to_parts();
        let code = exit.code();
        // Nobody waits any more if this fails.
        let _ = herald.tell(Outcome::Failed { code, message });
    }
    served
}

fn serve(content: SecretBytes, seconds: u64, herald: &mut Option<Herald>) -> Result<(), Failure> {
    let end = sys::boottime() + Duration::from_secs(seconds);
    let (looks, mut serves) = (Clipboard::new(), Clipboard::new());
    let (Ok(mut looks), Ok(_)) = (looks, &mut serves) else {
        return Err(no_clipboard());
    };
    let (lost, ended) = channel();
    let served = String::from_utf8(content.expose().to_vec());
    // Whoever began this process has looked.
    let served = served.map_err(|_| Failure::new(Exit::Failed, "the content is not text"))?;
    std::thread::spawn(move || {
        let Ok(mut clipboard) = serves else { return };
        let done = clipboard.set().exclude_from_history().wait().text(served);
        // Dropped, it would hand the content over to a clipboard manager.
        std::mem::forget(clipboard);
        let _ = lost.send(done.is_ok());
    });
    // It is there when it can be pasted.
    let patience = sys::boottime() + PATIENCE;
    loop {
        match ended.recv_timeout(Duration::from_millis(10)) {
            // Somebody was faster, and has it.
            Ok(true) => break,
            Ok(false) | Err(RecvTimeoutError::Disconnected) => return Err(no_clipboard()),
            Err(RecvTimeoutError::Timeout) => {
                let pasted = looks.get_text().map(Zeroizing::new);
                if pasted.is_ok_and(|pasted| pasted.as_bytes() == content.expose()) {
                    break;
                }
                if sys::boottime() > patience {
                    return Err(no_clipboard());
                }
            }
        }
    }
    std::mem::forget(looks);
    drop(content);
    if let Some(herald) = herald.take() {
        // Interrupted in between, the person still has it on the clipboard.
        let _ = herald.tell(Outcome::Ready { notice: None });
    }
    loop {
        // In steps, so that time asleep counts.
        let left = end.saturating_sub(sys::boottime());
        let step = left.min(Duration::from_secs(1));
        if left.is_zero() || ended.recv_timeout(step) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
}

fn no_clipboard() -> Failure {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let why = match (named("WAYLAND_DISPLAY"), named("DISPLAY")) {
        (false, false) => {
            "neither WAYLAND_DISPLAY nor DISPLAY is set, so there is no clipboard: run it \
                           in a desktop's terminal, or print the file with `cat`"
        }
        _ => {
            "the display that WAYLAND_DISPLAY or DISPLAY names does not answer, or takes nothing on \
              its clipboard: print the file with `cat`"
        }
    };
    Failure::new(Exit::Failed, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_not_copied() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"a", b"a"),
            (b"a\n", b"a"),
            (b"a\r\n", b"a"),
            (b"a\n\n", b"a\n"),
            (b" a\t\nb \n", b" a\t\nb "),
            (b"\n", b""),
        ];
        for (text, copied) in cases {
            assert_eq!(line(text), copied);
        }
    }
}
