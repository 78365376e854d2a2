//! `unmount`: locks one mount.

use super::args::{Global, Unmount};
use super::exit::{Exit, Failure, note};
use crate::session::control::{self, Reply, Request};
use crate::session::mountpoint;
use crate::session::registry::{self, Live};
use std::path::Path;

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
    let dir = live.record.mountpoint;
    let reply = control::ask(live.stream, &Request::Lock { discard });
    let failed = |why: &dyn std::fmt::Display| {
        let message = format!(
            "the process of {dir} (pid {}) does not lock: {why}; end it with `kill {}`",
            live.record.pid, live.record.pid
        );
        Failure::new(Exit::Failed, message)
    };
    match reply {
        Ok(Some(Reply::Locked { discarded: 0 })) => Ok(()),
        Ok(None) => {
            // It has left without a word: killed, or locked by something else meanwhile.
            mountpoint::clear(Path::new(&dir))?;
            let message = format!(
                "{dir} is unmounted, but its process ended without saying that everything was \
                 stored: look whether what you wrote last is there"
            );
            Err(Failure::new(Exit::Failed, message))
        }
        Ok(Some(Reply::Locked { discarded })) => {
            note(&format!("unsaved content of {discarded} files is lost"));
            Ok(())
        }
        Ok(Some(Reply::Unsaved { files })) => {
            let message = format!(
                "{files} files have content that could not be stored, so {dir} stays mounted; see \
                 `walletfs status` and its log for the reason, and try again, or lose the content \
                 with `walletfs unmount --discard`"
            );
            Err(Failure::new(Exit::Unreachable, message))
        }
        Ok(Some(Reply::Refused { message })) => Err(failed(&message)),
        Ok(Some(Reply::Status { .. })) => Err(failed(&"it answered something else")),
        Err(error) => Err(failed(&error)),
    }
}
