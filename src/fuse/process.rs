//! [`Proc`]: tells processes apart by `/proc`.

use crate::fs::{Process, Processes};
use std::fs;

/// Processes as `/proc` shows them (proc(5)).
pub struct Proc;

impl Processes for Proc {
    fn of_thread(&self, tid: u32) -> Option<Process> {
        let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
        let pid = status
            .lines()
            .find_map(|line| line.strip_prefix("Tgid:"))?
            .trim()
            .parse()
            .ok()?;
        Some(Process {
            pid,
            started: started(pid)?,
        })
    }

    fn runs(&self, process: Process) -> bool {
        started(process.pid) == Some(process.started)
    }
}

/// When a process started, in clock ticks since boot: field 22 of `stat`, counted from behind the
/// command's closing parenthesis, since a command may hold spaces and parentheses. `None` for one
/// that has ended; a zombie has.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(22 - 4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leads_to_its_process() {
        let me = std::process::id();
        let of_main = Proc.of_thread(me).unwrap();
        assert_eq!(of_main.pid, me);
        let tid = std::thread::spawn(|| {
            // The name of the link is PID/task/TID.
            let link = fs::read_link("/proc/thread-self").unwrap();
            let tid: u32 = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (tid, Proc.of_thread(tid))
        });
        let (tid, of_thread) = tid.join().unwrap();
        assert_ne!(tid, me);
        assert_eq!(of_thread, Some(of_main));
        assert!(Proc.runs(of_main));
    }

    #[test]
    fn an_ended_process_does_not_run() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Proc.of_thread(child.id()).unwrap();
        assert!(Proc.runs(process));
        child.kill().unwrap();
        // Until it is waited for it is a zombie, which has closed its files already.
        while Proc.runs(process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!Proc.runs(process));
        assert!(!Proc.runs(Process {
            started: process.started + 1,
            ..process
        }));
    }
}
