//! `status`: what is mounted, for how long, what is not enforced.

use super::args::{self, Global};
use super::exit::{Exit, Failure, print};
use super::side_by_side;
use crate::session::control::{self, Reply, Request};
use crate::session::mountpoint::{self, MountpointError};
use crate::session::registry::{self, Live};
use crate::session::status::{Failures, Status};
use std::fmt::Write;
use std::path::Path;

/// Runs the command.
pub(super) fn run(global: &Global, args: &args::Status) -> Result<(), Failure> {
    let mut silent = None;
    let text = match &args.dir {
        Some(dir) => {
            let status = ask(mounted_on(global, dir)?)?;
            match args.json {
                true => status.to_json(),
                false => shown(&status),
            }
        }
        None => {
            // One that does not answer (it may be locking) does not hide the others.
            let mut all = Vec::new();
            for answer in side_by_side(global.mounts()?, ask) {
                match answer {
                    Ok(status) => all.push(status),
                    Err(failure) => silent = Some(failure),
                }
            }
            match args.json {
                true => {
                    let list = serde_json::to_string_pretty(&all);
                    list.expect("strings and numbers are JSON") + "\n"
                }
                false if all.is_empty() => {
                    format!("The wallet `{}` is not mounted.\n", global.wallet)
                }
                false => all.iter().map(shown).collect(),
            }
        }
    };
    print(&text)?;
    silent.map_or(Ok(()), Err)
}

fn mounted_on(global: &Global, dir: &Path) -> Result<Live, Failure> {
    let path = mountpoint::resolve(dir)?;
    for dir in &global.places()?.runtime {
        if let Some(live) = registry::find(dir, &path)? {
            return Ok(live);
        }
    }
    Err(MountpointError::NotMounted(path.display().to_string()).into())
}

fn ask(live: Live) -> Result<Status, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        let message = format!(
            "the process of {} (pid {}) does not say how it is: {why}",
            live.record.mountpoint, live.record.pid
        );
        Failure::new(Exit::Failed, message)
    };
    match control::ask(live.stream, &Request::Status) {
        Ok(Some(Reply::Status { status })) => {
            serde_json::from_value(status).map_err(|error| failed(&error))
        }
        Ok(_) => Err(failed(&"it is locking")),
        Err(error) => Err(failed(&error)),
    }
}

fn shown(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |line: std::fmt::Arguments| {
        let _ = writeln!(text, "{line}");
    };
    line(format_args!(
        "{}: wallet `{}`, generation {}{}",
        status.mountpoint,
        status.wallet,
        status.generation,
        if status.read_only { ", read-only" } else { "" }
    ));
    line(format_args!("  store: {}", status.store));
    let time = |left: Option<u64>| match left {
        Some(seconds) => format!("in {seconds} s"),
        None => "never".into(),
    };
    line(format_args!(
        "  locks when idle: {}; in any case: {}",
        time(status.seconds_to_idle_lock),
        time(status.seconds_to_end)
    ));
    if let Some(reason) = &status.staleness.reason {
        let age = status.staleness.age;
        line(format_args!(
            "  may be out of date, confirmed {age} s ago: {reason}"
        ));
    }
    if status.unsaved + status.failed + status.scratch > 0 {
        line(format_args!(
            "  files: {} unsaved, {} that could not be stored, {} scratch",
            status.unsaved, status.failed, status.scratch
        ));
    }
    for failure in &status.failures {
        let Failures { reason, files } = failure;
        line(format_args!("  not stored ({files} of them): {reason}"));
    }
    if let Some(why) = &status.totp_error {
        line(format_args!(
            "  no one-time code: the otpauth of a secret is not one: {why}"
        ));
    }
    for gap in &status.not_enforced {
        line(format_args!("  not enforced: {gap}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::status::Staleness;

    #[test]
    fn a_status_is_told_in_lines() {
        let mut status = Status {
            wallet: "default".into(),
            mountpoint: "/w".into(),
            pid: 12,
            store: "memory".into(),
            generation: 7,
            read_only: false,
            seconds_to_idle_lock: Some(59),
            seconds_to_end: None,
            staleness: Staleness {
                age: 1,
                reason: None,
            },
            unsaved: 0,
            failed: 0,
            failures: vec![],
            totp_error: None,
            scratch: 0,
            not_enforced: vec![],
        };
        assert_eq!(
            shown(&status),
            "/w: wallet `default`, generation 7\n  store: memory\n  \
             locks when idle: in 59 s; in any case: never\n"
        );
        status.read_only = true;
        status.staleness.reason = Some("away".into());
        status.failed = 1;
        status.totp_error = Some("y".into());
        status.failures = vec![Failures {
            reason: "the store is away".into(),
            files: 1,
        }];
        status.not_enforced = vec!["x".into()];
        assert_eq!(
            shown(&status),
            "/w: wallet `default`, generation 7, read-only\n  store: memory\n  \
             locks when idle: in 59 s; in any case: never\n  \
             may be out of date, confirmed 1 s ago: away\n  \
             files: 0 unsaved, 1 that could not be stored, 0 scratch\n  \
             not stored (1 of them): the store is away\n  \
             no one-time code: the otpauth of a secret is not one: y\n  not enforced: x\n"
        );
    }
}
