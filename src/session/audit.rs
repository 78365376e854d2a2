//! The audit log: a JSON line for each open of a secret, never a value.
//!
//! FUSE names a thread and not a program. Which program it is stands in `/proc/PID/exe`, and that
//! may not be read while a call is being answered: a process that executes a program closes its
//! files with a lock held that this read waits for, and its close waits for the mount. So a thread
//! of its own reads it, and the answer to the open waits for that thread, but only for a moment:
//! while it waits the process is still the one that opened, and a program that ends at once is
//! known too. What is read later than that may be of another process, and is left out.
//!
//! Whatever becomes of the file, reading goes on. A file that was renamed away, as log rotation
//! does, is made anew.

use super::harden::Late;
use super::private::{self, PrivateError};
use crate::fs::{Process, Processes};
use crate::fuse::{Opening, Opens, Proc};
use async_trait::async_trait;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::oneshot;

/// Longest that an open waits to learn which program it came from.
const MOMENT: Duration = Duration::from_millis(20);
/// Longest that the end of the session waits for the last lines.
const FINISH: Duration = Duration::from_secs(1);
/// Lines that wait to be written before some are lost.
const QUEUE: usize = 1024;

/// Writes down opens.
#[derive(Clone)]
pub struct Audit {
    to: SyncSender<Message>,
    late: Late,
}

enum Message {
    Open {
        line: Line,
        /// The open was answered without knowing the program.
        answered: Arc<AtomicBool>,
        known: oneshot::Sender<()>,
    },
    Finish(oneshot::Sender<()>),
}

/// One line, keys in this order.
#[derive(Serialize)]
struct Line {
    time: String,
    operation: &'static str,
    /// As in the mount; `null` for a file that has lost its name.
    path: Option<String>,
    uid: u32,
    /// The process; `null` if it cannot be seen from here.
    pid: Option<u32>,
    /// The program; bytes that are not UTF-8 are replaced.
    executable: Option<String>,
}

impl Audit {
    /// Writes to the end of this file from here on (mode 0600, made if it is missing). Lines that
    /// are lost are told to `late`.
    pub fn new(path: &Path, late: Late) -> Result<Audit, PrivateError> {
        let file = Target {
            path: path.to_owned(),
            file: private::append(path)?,
            torn: false,
        };
        let (to, messages) = sync_channel(QUEUE);
        let audit = Audit { to, late };
        let late = audit.late.clone();
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || serve(&messages, file, &late))
            .map_err(|source| PrivateError::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(audit)
    }

    /// Waits a moment until everything is written.
    pub(super) async fn finish(&self) {
        let (done, all) = oneshot::channel();
        if self.to.try_send(Message::Finish(done)).is_ok() {
            let _ = tokio::time::timeout(FINISH, all).await;
        }
    }
}

#[async_trait]
impl Opens for Audit {
    async fn opened(&self, opening: Opening) {
        let answered = Arc::new(AtomicBool::new(false));
        let (known, is_known) = oneshot::channel();
        let process = Proc.of_thread(opening.tid);
        let message = Message::Open {
            line: Line {
                time: now(),
                operation: opening.operation,
                path: opening.path,
                uid: opening.uid,
                pid: process.map(|Process(pid)| pid),
                executable: None,
            },
            answered: answered.clone(),
            known,
        };
        if self.to.try_send(message).is_err() {
            return self.late.add(missing(&"they cannot be written in time"));
        }
        let _ = tokio::time::timeout(MOMENT, is_known).await;
        answered.store(true, Ordering::SeqCst);
    }
}

fn missing(why: &dyn std::fmt::Display) -> String {
    format!("the audit file lacks some opens ({why})")
}

/// RFC 3339, in milliseconds.
fn now() -> String {
    let format = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
    );
    let now = OffsetDateTime::now_utc().format(&format);
    now.expect("every part of the format is of a date and time")
}

fn serve(messages: &Receiver<Message>, mut target: Target, late: &Late) {
    for message in messages {
        match message {
            Message::Open {
                mut line,
                answered,
                known,
            } => {
                let program = line
                    .pid
                    .and_then(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
                if !answered.load(Ordering::SeqCst) {
                    line.executable = program.map(|path| path.display().to_string());
                }
                let _ = known.send(());
                if let Err(error) = target.write(&line) {
                    late.add(missing(&error));
                }
            }
            Message::Finish(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// The file.
struct Target {
    path: PathBuf,
    file: File,
    /// The last line was written in part.
    torn: bool,
}

impl Target {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.follow()?;
        let mut text = Vec::new();
        if self.torn {
            text.push(b'\n');
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        // At once, so that lines of several mounts into one file are not mixed.
        let written = self.file.write(&text);
        match written {
            Ok(all) if all == text.len() => self.torn = false,
            Ok(0) => {}
            Ok(_) => self.torn = true,
            Err(_) => {}
        }
        match written? {
            all if all == text.len() => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// Opens the file anew if another one, or none, has its name by now.
    fn follow(&mut self) -> io::Result<()> {
        let open = self.file.metadata()?;
        let same = fs::metadata(&self.path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino()));
        if !same {
            self.file = private::append(&self.path).map_err(io::Error::other)?;
            self.torn = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::harden::Hardening;
    use std::os::unix::fs::PermissionsExt;

    fn opening(path: &str) -> Opening {
        Opening {
            operation: "read",
            path: Some(path.into()),
            uid: 7,
            tid: std::process::id(),
        }
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_line_says_who_opened_what() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit");
        let audit = Audit::new(&path, Hardening::default().late()).unwrap();
        audit.opened(opening("d/\"a\"\n/pwd")).await;
        audit.finish().await;
        let lines = lines(&path);
        let me = fs::read_link("/proc/self/exe").unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["operation"], "read");
        assert_eq!(lines[0]["path"], "d/\"a\"\n/pwd");
        assert_eq!(lines[0]["uid"], 7);
        assert_eq!(lines[0]["pid"], std::process::id());
        assert_eq!(lines[0]["executable"], me.to_str().unwrap());
        let time = lines[0]["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.len() == 24, "{time}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_was_renamed_away_is_made_anew_and_a_removed_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit");
        let audit = Audit::new(&path, Hardening::default().late()).unwrap();
        audit.opened(opening("one")).await;
        audit.finish().await;
        let old = dir.path().join("audit.1");
        fs::rename(&path, &old).unwrap();
        audit.opened(opening("two")).await;
        audit.finish().await;
        fs::remove_file(&path).unwrap();
        audit.opened(opening("three")).await;
        audit.finish().await;
        // What another program wrote meanwhile stays.
        fs::OpenOptions::new().append(true).open(&path).unwrap();
        audit.opened(opening("four")).await;
        audit.finish().await;
        let paths = |file: &Path| -> Vec<_> {
            let lines = lines(file).into_iter();
            lines
                .map(|l| l["path"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(paths(&old), ["one"]);
        assert_eq!(paths(&path), ["three", "four"]);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_holds_up_nobody() {
        let hardening = Hardening::default();
        let audit = Audit::new(Path::new("/dev/full"), hardening.late()).unwrap();
        for _ in 0..3 {
            audit.opened(opening("d/a/pwd")).await;
        }
        audit.finish().await;
        let gaps = hardening.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].contains("No space left on device"), "{gaps:?}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Audit::new(&path, Hardening::default().late());
        let Err(error) = refused else {
            panic!("it is refused")
        };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
