//! `unmount`: locks one mount.

use super::args::{Global, Unmount};
use super::exit::{Exit, Failure, note};
use crate::session::control::{self, Reply, Request};
use crate::session::mountpoint;
use crate::session::registry::{self, Live};
use crate::session::status::Failures;
use crate::session::sys::Process;
use crate::told;
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub(super) fn run(global: &Global, args: &Unmount) -> Result<(), Failure> {
    let path = mountpoint::resolve(&args.dir)?;
    for dir in &global.places()?.runtime {
        if let Some(live) = registry::find(dir, &path)? {
            return lock(live, args.discard);
        }
    }
    // Its process has died, or its record was removed: then it notices that the mount has gone, and
    // locks.
    Ok(mountpoint::clear(&path)?)
}

/// Locks a mount and waits until its process has left.
pub(super) fn lock(live: Live, discard: bool) -> Result<(), Failure> {
    let dir = live.record.mountpoint.clone();
    match ask(live, discard)? {
        Asked::Locked { discarded } => {
            if discarded > 0 {
                note(&format!("unsaved content of {discarded} files is lost"));
            }
            mountpoint::clear_left(Path::new(&dir)).map_err(|error| {
                let message = format!(
                    "{dir} is locked and its keys are wiped, but it stays mounted, dead: {}",
                    told::system(&error)
                );
                Failure::new(Exit::Mountpoint, message)
            })
        }
        Asked::Unsaved { files, reasons } => {
            let message = format!(
                "{files} files have content that could not be stored, so {dir} stays mounted\
                 {reasons}; try again when that is mended, or lose the content with `walletfs \
                 unmount --discard`"
            );
            Err(Failure::new(Exit::Unreachable, message))
        }
        Asked::Left => {
            mountpoint::clear(Path::new(&dir))?;
            let message = format!(
                "{dir} is unmounted, but its process ended without saying that everything was \
                 stored: look whether what you wrote last is there"
            );
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

/// What became of a lock.
pub(super) enum Asked {
    /// Nothing is mounted any more, and the process has left.
    Locked {
        /// Files whose unsaved content is lost.
        discarded: usize,
    },
    /// The mount stays.
    Unsaved {
        /// Files with content that could not be stored.
        files: usize,
        /// Why, to follow a statement.
        reasons: String,
    },
    /// The process has left without a word: killed, or locked by something else meanwhile.
    Left,
}

/// Longest wait for a process that has locked: what is left to it is its exit.
const EXIT_TIME: Duration = Duration::from_secs(5);

/// Asks the process of a mount to lock.
pub(super) fn ask(live: Live, discard: bool) -> Result<Asked, Failure> {
    let (dir, pid) = (live.record.mountpoint, live.record.pid);
    let failed = |why: &dyn std::fmt::Display| {
        let message = format!(
            "the process of {dir} (pid {pid}) does not lock: {why}; end it with `kill {pid}`"
        );
        Failure::new(Exit::Failed, message)
    };
    // It closes the connection a moment before it is gone. None: it has gone already, or the kernel
    // is older than Linux 5.3; then the closed connection must do.
    let process = Process::of(pid).ok();
    let left = || {
        if let Some(process) = &process {
            let _ = process.wait(EXIT_TIME);
        }
    };
    match control::ask(live.stream, &Request::Lock { discard }) {
        Ok(Some(Reply::Locked { discarded })) => {
            left();
            Ok(Asked::Locked { discarded })
        }
        Ok(Some(Reply::Unsaved { files, failures })) => {
            let reasons = failures.iter().map(|failure| {
                let Failures { reason, files } = failure;
                format!(": {reason} ({files} of them)")
            });
            Ok(Asked::Unsaved {
                files,
                reasons: reasons.collect(),
            })
        }
        Ok(None) => {
            left();
            Ok(Asked::Left)
        }
        Ok(Some(Reply::Refused { message })) => Err(failed(&message)),
        Ok(Some(Reply::Status { .. })) => Err(failed(&"it answered something else")),
        Err(error) => Err(failed(&error)),
    }
}
