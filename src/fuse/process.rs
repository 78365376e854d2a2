//! [`Proc`]: tells processes apart by `/proc`.
//!
//! Only `status` is read. A process that executes a program closes its descriptors with a lock held
//! that `stat`, `exe`, `cmdline` and others of its files wait for; asked for one of them in that
//! close, the mount would wait for the process, and the process for the mount, for ever.

use crate::fs::{Process, Processes};
use std::fs;

/// Processes as `/proc` shows them (proc_pid_status(5)).
pub struct Proc;

impl Processes for Proc {
    fn of_thread(&self, tid: u32) -> Option<Process> {
        let status = status(tid)?;
        Some(Process(line(&status, "Tgid:")?.parse().ok()?))
    }

    fn runs(&self, Process(pid): Process) -> bool {
        // A zombie has closed its files already.
        status(pid).is_some_and(|status| {
            line(&status, "State:").is_some_and(|state| !state.starts_with(['Z', 'X']))
        })
    }
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn line<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leads_to_its_process() {
        let me = std::process::id();
        assert_eq!(Proc.of_thread(me), Some(Process(me)));
        let thread = std::thread::spawn(|| {
            // The link leads to PID/task/TID.
            let link = fs::read_link("/proc/thread-self").unwrap();
            let tid: u32 = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (tid, Proc.of_thread(tid))
        });
        let (tid, of_thread) = thread.join().unwrap();
        assert_ne!(tid, me);
        assert_eq!(of_thread, Some(Process(me)));
        assert!(Proc.runs(Process(me)));
    }

    #[test]
    fn an_ended_process_does_not_run() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process(child.id());
        assert!(Proc.runs(process));
        child.kill().unwrap();
        // Until it is waited for it is a zombie.
        while Proc.runs(process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!Proc.runs(process));
    }
}
