//! What a process has used: processor time and memory, as Linux counts them.

use crate::Trouble;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A process that has ended.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Ended {
    pub(crate) wall: Duration,
    /// Of it and of the children that it has waited for.
    pub(crate) cpu: Duration,
    /// The most memory that one of these had at a time, in bytes.
    pub(crate) peak: u64,
}

/// A program to be measured. It is started by a small process between, this very program again:
/// Linux counts what the starter of a program had in memory to the program (`ru_maxrss` is kept by
/// execve(2)), and a benchmark has much.
pub(crate) struct Program {
    command: Command,
    name: String,
    report: NamedTempFile,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Result<Program, Trouble> {
        let report = NamedTempFile::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg(report.path()).arg(&program);
        Ok(Program {
            command,
            name: program.as_ref().to_string_lossy().into_owned(),
            report,
        })
    }

    /// Runs it to its end, which must be a success. What it says is dropped.
    pub(crate) fn run(&mut self) -> Result<Ended, Trouble> {
        let status = self.command.stdout(Stdio::null()).status()?;
        self.ended(status)
    }

    /// Runs it to its end, which must be a success, and gives what it says, too.
    pub(crate) fn output(&mut self) -> Result<(Ended, Vec<u8>), Trouble> {
        let output = self.command.stderr(Stdio::inherit()).output()?;
        Ok((self.ended(output.status)?, output.stdout))
    }

    fn ended(&self, status: ExitStatus) -> Result<Ended, Trouble> {
        match status.success() {
            true => Ok(serde_json::from_slice(&fs::read(self.report.path())?)?),
            false => Err(format!("{} failed", self.name).into()),
        }
    }
}

impl Deref for Program {
    type Target = Command;
    fn deref(&self) -> &Command {
        &self.command
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Command {
        &mut self.command
    }
}

/// The process between: runs a program and writes down what it used.
pub(crate) fn run(report: &str, program: &[String]) -> Result<(), Trouble> {
    let (name, arguments) = program.split_first().ok_or("no program")?;
    let begin = Instant::now();
    let child = Command::new(name).args(arguments).spawn();
    let child = child.map_err(|e| format!("{name}: {e}"))?;
    let (good, ended) = wait(child, begin)?;
    if !good {
        return Err(format!("{name} failed").into());
    }
    fs::write(report, serde_json::to_vec(&ended)?)?;
    Ok(())
}

/// Waits for a child as wait4(2) does, which alone tells what it used.
#[allow(unsafe_code)]
fn wait(child: Child, begin: Instant) -> io::Result<(bool, Ended)> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: a `rusage` is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to values that live through the call. The child is ours, and
        // nobody else waits for it: `child` was moved here.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let time = |time: libc::timeval| {
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_usec * 1000).unwrap_or(0),
        )
    };
    let ended = Ended {
        wall: begin.elapsed(),
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        // Linux counts it in KiB (getrusage(2)).
        peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10,
    };
    let good = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
    Ok((good, ended))
}

/// Processor time of a process, threads that have ended included.
#[allow(unsafe_code)]
pub(crate) fn cpu_of(pid: u32) -> Result<Duration, Trouble> {
    let mut clock = 0;
    // SAFETY: the pointer is to a value that lives through the call.
    let error = unsafe { libc::clock_getcpuclockid(i32::try_from(pid)?, &raw mut clock) };
    match error {
        0 => Ok(read_clock(clock)?),
        error => Err(io::Error::from_raw_os_error(error).into()),
    }
}

/// Processor time of this process.
pub(crate) fn own_cpu() -> Result<Duration, Trouble> {
    Ok(read_clock(libc::CLOCK_PROCESS_CPUTIME_ID)?)
}

/// Processor time of the calling thread.
pub(crate) fn thread_cpu() -> Result<Duration, Trouble> {
    Ok(read_clock(libc::CLOCK_THREAD_CPUTIME_ID)?)
}

#[allow(unsafe_code)]
fn read_clock(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a value that lives through the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
    let nanoseconds = u32::try_from(time.tv_nsec).map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// Resident memory of a process in bytes, now and at its most.
pub(crate) fn memory_of(pid: u32) -> Result<(u64, u64), Trouble> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64, Trouble> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        let kib: u64 = number.ok_or("no memory in /proc/PID/status")?.parse()?;
        Ok(kib << 10)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}
