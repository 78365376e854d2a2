//! `exec`: a mount for one command. The mount's process is held by a pipe whose other end only this
//! process has, so whatever ends this one, a SIGKILL too, locks the wallet and leaves nothing.

use super::args::{Exec, Global};
use super::exit::{Exit, Failure, note};
use super::session::Setup;
use super::unmount::{self, Asked};
use crate::session::sys::{self, KeptSignals};
use crate::session::{mountpoint, private, registry};
use crate::told;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// The variable that tells the command where the wallet is.
const VARIABLE: &str = "WALLETFS_MOUNT";

/// What the directories are called, before the number of the process that made them.
const PREFIX: &str = "exec-";

/// Signals that are handed on to the command.
const HANDED_ON: [i32; 6] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Runs the command. Its exit code is ours; 126 and 127 say that it could not be begun, as a shell
/// does.
pub(super) fn run(global: &Global, args: Exec) -> Result<(), Failure> {
    let password = args.session.memorable.clone().source()?;
    // Not what the command would inherit: its limits are its own.
    if let Err(error) = sys::forbid_tracing() {
        note(&format!(
            "tracing of this process is not forbidden: {}",
            told::system(&error)
        ));
    }
    let setup = Setup::load(global, args.session)?;
    setup.check()?;
    let runtime = setup.runtime_dir();
    private::make_dir(runtime)?;
    sweep(runtime);
    let dir = runtime.join(format!("{PREFIX}{}", std::process::id()));
    let dir = mountpoint::prepare(&dir)?;
    let made = Made(dir);
    let pipe = setup.start(&made.0, false, true, password.existing()?)?;

    let ended = command(&args.command, &made.0);
    let lost = lock(runtime, &made.0);
    drop(pipe);
    drop(made);
    let code = ended?;
    match lost? {
        0 => {}
        files => {
            note(&format!(
                "content of {files} files could not be stored and is lost"
            ));
            if code == 0 {
                return Err(Failure::OfCommand(Exit::Unreachable.code()));
            }
        }
    }
    match code {
        0 => Ok(()),
        code => Err(Failure::OfCommand(code)),
    }
}

/// The directory; removed with this.
struct Made(PathBuf);

impl Drop for Made {
    fn drop(&mut self) {
        // The mount's process removes it too.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Runs the command to its end and hands signals on to it meanwhile. Gives its exit code, or 128 and
/// the signal that ended it.
fn command(command: &[OsString], dir: &Path) -> Result<u8, Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            Exit::Failed,
            format!("the command cannot be waited for: {}", told::system(&error)),
        )
    };
    let mut kept = HANDED_ON.to_vec();
    kept.push(libc::SIGCHLD);
    let signals = KeptSignals::keep(&kept).map_err(failed)?;
    let [program, arguments @ ..] = command else {
        return Err(Failure::new(Exit::Usage, "no command was given"));
    };
    let mut command = Command::new(program);
    command.args(arguments).env(VARIABLE, dir);
    signals.let_go_in(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            note(&format!(
                "{}: {}",
                Path::new(program).display(),
                not_run(&error)
            ));
            return Ok(match error.kind() {
                io::ErrorKind::NotFound => 127,
                _ => 126,
            });
        }
    };
    let status = wait(&mut child, &signals).map_err(failed)?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}

fn wait(child: &mut Child, signals: &KeptSignals) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let received = match signals.next() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        // What the terminal sends, the command has got as well.
        if received.signal != libc::SIGCHLD && !received.by_kernel {
            sys::send_signal(child, received.signal)?;
        }
    }
}

/// Locks, and gives the number of files whose content could not be stored.
fn lock(runtime: &Path, dir: &Path) -> Result<usize, Failure> {
    let mut lost = 0;
    for discard in [false, true] {
        // None if it has locked by itself.
        let Some(live) = registry::find(runtime, dir)? else {
            break;
        };
        match unmount::ask(live, discard)? {
            Asked::Locked { discarded } => lost = discarded,
            Asked::Unsaved { reasons, .. } => {
                note(&format!("content could not be stored{reasons}"));
                continue;
            }
            // Its record, which it had no time to remove, is found to be stale now.
            Asked::Left => drop(registry::find(runtime, dir)?),
        }
        break;
    }
    // Of a process that was killed.
    match mountpoint::clear(dir) {
        Ok(()) | Err(mountpoint::MountpointError::NotMounted(_)) => Ok(lost),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is left of runs that were killed together with their mounts' processes.
fn sweep(runtime: &Path) {
    let Ok(entries) = fs::read_dir(runtime) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if let Some(maker) = maker.filter(|maker| maker.bytes().all(|b| b.is_ascii_digit()))
            && !Path::new("/proc").join(maker).exists()
            && registry::find(runtime, &entry.path()).is_ok_and(|live| live.is_none())
        {
            let _ = mountpoint::clear(&entry.path());
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Why a program cannot be executed.
fn not_run(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such program: see its name, and PATH".into(),
        io::ErrorKind::PermissionDenied => {
            "it cannot be executed: see its mode (`chmod +x`)".into()
        }
        _ => told::system(error),
    }
}
