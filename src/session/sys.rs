//! System calls that the standard library has no safe form of. The only module of the crate that
//! may say `unsafe`; each block states why it is sound.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Turns the C convention (-1 and errno) into a result.
fn check(status: libc::c_int) -> io::Result<libc::c_int> {
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(status)
    }
}

/// Time since the machine started, sleep included (clock_gettime(2), `CLOCK_BOOTTIME`).
pub fn boottime() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec, alive and unshared during the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    assert_eq!(status, 0, "CLOCK_BOOTTIME exists since Linux 2.6.39");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The user that permissions are checked for (geteuid(2)).
pub fn euid() -> u32 {
    // SAFETY: takes no argument, touches no memory, cannot fail.
    unsafe { libc::geteuid() }
}

/// The group that permissions are checked for (getegid(2)).
pub fn egid() -> u32 {
    // SAFETY: as `euid`.
    unsafe { libc::getegid() }
}

/// No tracing nor reading of this process's memory by others of the same user, and no core dump
/// (prctl(2), `PR_SET_DUMPABLE`). An exec undoes it: each program start calls this.
pub fn forbid_tracing() -> io::Result<()> {
    // SAFETY: PR_SET_DUMPABLE takes one integer and touches no memory of ours.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    Ok(())
}

/// As [`forbid_tracing`], and no core dump of this process nor of one that it starts, whatever the
/// machine does with core dumps (core(5)).
pub fn forbid_dumps() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `none` is a valid rlimit, only read, alive during the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })?;
    forbid_tracing()
}

/// How much memory may be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLock {
    /// Everything is locked, also what will be allocated.
    All,
    /// At most this many bytes may be locked, by [`lock_pages`].
    UpTo(u64),
}

/// Keeps this process's memory out of swap where the limit allows (mlockall(2)).
///
/// With a limit, `MCL_FUTURE` would make ordinary allocations fail once the limit is reached, so
/// everything is locked only without one. The limit is raised as far as this process may.
pub fn lock_memory() -> io::Result<MemoryLock> {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is a valid rlimit, only read, alive during the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) } != 0 {
        // SAFETY: `limit` is a valid rlimit, alive and unshared during the call.
        check(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) })?;
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as the first call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })?;
    }
    if limit.rlim_cur != libc::RLIM_INFINITY {
        return Ok(MemoryLock::UpTo(limit.rlim_cur));
    }
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: changes only whether pages may be swapped, never what they hold.
    check(unsafe { libc::mlockall(flags) })?;
    Ok(MemoryLock::All)
}

/// Keeps the pages that hold `bytes` out of swap for the life of this process, or says that the
/// limit does not allow it (mlock(2)). They are never unlocked: another secret may share them.
pub fn lock_pages(bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the range is that of a live slice; its pages' contents are not touched.
    check(unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) })?;
    Ok(())
}

/// Leaves the terminal and the shell's job: a new session (setsid(2)).
pub fn new_session() -> io::Result<()> {
    // SAFETY: takes no argument, touches no memory.
    check(unsafe { libc::setsid() })?;
    Ok(())
}

/// The mode bits that files made from here on never get (umask(2)).
pub fn set_umask(mask: u32) {
    // SAFETY: takes an integer, touches no memory, cannot fail.
    unsafe { libc::umask(mask) };
}

/// The name that `ps` and `pgrep` show. A program started as `/proc/self/exe` is called `exe`.
pub fn set_process_name(name: &std::ffi::CStr) {
    // SAFETY: PR_SET_NAME reads a NUL-terminated string of which it takes 16 bytes at most; a CStr
    // is one. It fails only for an address that cannot be read.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Closes every descriptor above standard error (close_range(2)). For the very start of a
/// background process, before it opens anything: what is open then was left open by the shell.
pub fn close_inherited() -> io::Result<()> {
    let (first, last, flags): (libc::c_uint, libc::c_uint, libc::c_uint) =
        (3, libc::c_uint::MAX, 0);
    // SAFETY: the caller has opened nothing yet, so no descriptor above 2 has an owner in this
    // process. Asked as a system call, since musl has no wrapper.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes over a descriptor that the parent process left open for this one. For the start of the
/// program, once for each number, before anything is opened: what is open then has no owner yet.
/// Standard streams stay open, as the standard library expects.
pub fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: touches no memory; a number that is not open gives EBADF.
    let copy = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    if number > 2 {
        // SAFETY: nobody in this process owns `number` (contract above).
        unsafe { libc::close(number) };
    }
    // SAFETY: `copy` was opened by the call above and is known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Points standard input, output and error at `/dev/null`.
pub fn silence_standard_streams() -> io::Result<()> {
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for stream in 0..=2 {
        // SAFETY: both are open descriptors; the standard streams are used by number, never owned.
        check(unsafe { libc::dup2(null.as_raw_fd(), stream) })?;
    }
    Ok(())
}

/// Lets the runtime wait for what happens to a file (epoll(7)). For the runtime's own thread.
pub fn watch(file: File, interest: Interest) -> io::Result<AsyncFd<File>> {
    // SAFETY: a `File` names the same open descriptor until it is dropped, and is not dropped
    // before the `AsyncFd` that owns it is.
    Ok(unsafe { AsyncFd::register_with_interest(file, interest) }?)
}

/// Unmounts what is mounted on `path`; `lazily` also when it is in use: it then disappears at once
/// and ends when the last user lets go (umount2(2)). A link is not followed.
pub fn unmount(path: &Path, lazily: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = libc::UMOUNT_NOFOLLOW | if lazily { libc::MNT_DETACH } else { 0 };
    // SAFETY: `path` is NUL-terminated and alive during the call.
    check(unsafe { libc::umount2(path.as_ptr(), flags) })?;
    Ok(())
}

/// While this lives, the terminal shows nothing that is typed and hands over each key as it is,
/// Ctrl-C too, and an interrupt does not end the process: an end would leave the terminal so.
pub struct QuietTerminal {
    terminal: File,
    before: libc::termios,
    on_interrupt: libc::sighandler_t,
}

impl QuietTerminal {
    /// Quiets the terminal of this process (termios(3)) until the value is dropped.
    pub fn new() -> io::Result<Self> {
        let terminal = File::open("/dev/tty")?;
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and `before` is room for one termios.
        check(unsafe { libc::tcgetattr(terminal.as_raw_fd(), before.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so it filled it.
        let before = unsafe { before.assume_init() };
        let mut quiet = before;
        quiet.c_lflag &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG);
        // SAFETY: SIG_IGN is a valid disposition and runs no code of ours.
        let on_interrupt = unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
        // From here on a failure is undone by the drop.
        let quieted = QuietTerminal {
            terminal,
            before,
            on_interrupt,
        };
        quieted.set(&quiet)?;
        Ok(quieted)
    }

    fn set(&self, how: &libc::termios) -> io::Result<()> {
        // SAFETY: the descriptor is open; `how` is only read, alive during the call.
        check(unsafe { libc::tcsetattr(self.terminal.as_raw_fd(), libc::TCSANOW, how) })?;
        Ok(())
    }
}

impl Drop for QuietTerminal {
    fn drop(&mut self) {
        // A terminal that went away needs nothing any more.
        let _ = self.set(&self.before);
        // SAFETY: puts back the disposition that the system gave for it.
        unsafe { libc::signal(libc::SIGINT, self.on_interrupt) };
    }
}

/// A person's wish to end the program, held off while this lives: for what must be done whole and
/// takes seconds.
pub struct Unhurried([(libc::c_int, libc::sighandler_t); 2]);

impl Unhurried {
    /// Holds off the interrupt key and the end of the terminal (signal(7)).
    pub fn new() -> Unhurried {
        Unhurried([libc::SIGINT, libc::SIGHUP].map(|signal| {
            // SAFETY: SIG_IGN is a valid disposition and runs no code of ours.
            (signal, unsafe { libc::signal(signal, libc::SIG_IGN) })
        }))
    }
}

impl Default for Unhurried {
    fn default() -> Self {
        Unhurried::new()
    }
}

impl Drop for Unhurried {
    fn drop(&mut self) {
        for (signal, before) in self.0 {
            // SAFETY: puts back the disposition that the system gave for it.
            unsafe { libc::signal(signal, before) };
        }
    }
}

/// A signal that this process got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// The kernel sent it, as it does for keys of the terminal and its end: to every process of
    /// the terminal's foreground alike.
    pub by_kernel: bool,
}

/// Signals that are kept until they are waited for.
pub struct KeptSignals {
    kept: libc::sigset_t,
    before: libc::sigset_t,
}

impl KeptSignals {
    /// Keeps these from here on (pthread_sigmask(3)). For a process with one thread.
    pub fn keep(signals: &[i32]) -> io::Result<KeptSignals> {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: `set` is room for one sigset_t, which sigemptyset fills.
        check(unsafe { libc::sigemptyset(set.as_mut_ptr()) })?;
        // SAFETY: filled by the call above, which succeeded.
        let mut set = unsafe { set.assume_init() };
        for signal in signals {
            // SAFETY: `set` is a valid set, alive and unshared during the call.
            check(unsafe { libc::sigaddset(&mut set, *signal) })?;
        }
        let mut before = set;
        // SAFETY: `set` is only read; `before` is room for one set, alive and unshared.
        let status = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before) };
        match status {
            0 => Ok(KeptSignals { kept: set, before }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Has a command begin with none of them kept: what is kept is inherited.
    pub fn let_go_in(&self, command: &mut std::process::Command) {
        let before = self.before;
        let let_go = move || {
            // SAFETY: `before` is a valid set, only read; the old mask is not asked for.
            let status =
                unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
            match status {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        };
        // SAFETY: between fork and exec only async-signal-safe calls are allowed;
        // pthread_sigmask(3) is one (signal-safety(7)), and an error of this kind is not allocated.
        unsafe { std::os::unix::process::CommandExt::pre_exec(command, let_go) };
    }

    /// Waits for the next one (sigwaitinfo(2)).
    pub fn next(&self) -> io::Result<Received> {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: the set is valid, and `info` is room for one siginfo_t.
        let signal = check(unsafe { libc::sigwaitinfo(&self.kept, info.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so it filled it.
        let info = unsafe { info.assume_init() };
        Ok(Received {
            signal,
            by_kernel: info.si_code == libc::SI_KERNEL,
        })
    }
}

/// Sends a signal to a child that was not waited for yet, so that the number is still its own
/// (kill(2)).
pub fn send_signal(child: &std::process::Child, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: touches no memory of ours.
    check(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// A process by a descriptor, which names it even after its number went to another
/// (pidfd_open(2)).
pub struct Process(OwnedFd);

impl Process {
    /// The process of this number, while it runs.
    pub fn of(pid: u32) -> io::Result<Process> {
        let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
        // SAFETY: takes two integers, touches no memory. Asked as a system call, since musl has no
        // wrapper.
        let number = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let number = RawFd::try_from(number).map_err(io::Error::other)?;
        // SAFETY: the descriptor was made by the call above and is known to nobody else.
        Ok(Process(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Waits until it has ended, at most for `longest`. Whether it has.
    pub fn wait(&self, longest: Duration) -> io::Result<bool> {
        let mut asked = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let longest = libc::c_int::try_from(longest.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `asked` is one valid pollfd, alive and unshared during the call.
        Ok(check(unsafe { libc::poll(&mut asked, 1, longest) })? > 0)
    }
}

/// Ends this process as an interrupt does, so that a shell sees why (signal(7)).
pub fn die_of_interrupt() -> ! {
    // SAFETY: SIG_DFL is a valid disposition; raise touches no memory.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::raise(libc::SIGINT);
    }
    // Only if the signal is blocked. 130 is what a shell makes of a death by SIGINT.
    std::process::exit(130)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::IntoRawFd;

    #[test]
    fn boottime_moves_forward() {
        let first = boottime();
        assert!(first > Duration::ZERO);
        assert!(boottime() >= first);
    }

    #[test]
    fn the_end_of_a_process_is_waited_for() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(!process.wait(Duration::from_millis(20)).unwrap());
        drop(child.stdin.take());
        assert!(process.wait(Duration::from_secs(60)).unwrap());
        child.wait().unwrap();
        assert!(process.wait(Duration::ZERO).unwrap());
        assert!(Process::of(child.id()).is_err());
    }

    #[test]
    fn a_taken_descriptor_is_moved_not_copied() {
        let (reader, mut writer) = io::pipe().unwrap();
        let number = OwnedFd::from(reader).into_raw_fd();
        let taken = take_descriptor(number).unwrap();
        assert_ne!(taken.as_raw_fd(), number);
        writer.write_all(b"x").unwrap();
        drop(writer);
        let mut text = String::new();
        File::from(taken).read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_refused() {
        let error = take_descriptor(1 << 20).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn unmounting_what_is_not_mounted_fails() {
        let dir = tempfile::tempdir().unwrap();
        assert!(unmount(dir.path(), false).is_err());
    }
}
