//! The mounts that workloads measure, each served by a process of its own, ended when dropped.

use crate::Trouble;
use crate::device::{PASSWORD, temp};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a program may take to mount.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mounted filesystem, and the process behind it.
pub(crate) struct Mounted {
    dir: PathBuf,
    pid: u32,
    /// A child of ours, unless it went to the background.
    server: Option<Child>,
    /// From the start of the program to the mount.
    pub(crate) took: Duration,
    _temp: TempDir,
}

/// A program of Debian's that mounts a directory of sealed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Gocryptfs,
    Securefs,
    Cryfs,
}

impl Peer {
    pub(crate) const ALL: [Peer; 3] = [Peer::Gocryptfs, Peer::Securefs, Peer::Cryfs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Gocryptfs => "gocryptfs",
            Peer::Securefs => "securefs",
            Peer::Cryfs => "cryfs",
        }
    }

    fn command(self) -> Command {
        let mut command = server(self.name());
        command.env("CRYFS_FRONTEND", "noninteractive");
        command.env("CRYFS_NO_UPDATE_CHECK", "true");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// A directory of sealed files, made by a peer with its usual settings.
pub(crate) struct Sealed {
    peer: Peer,
    dir: TempDir,
}

impl Sealed {
    pub(crate) fn new(peer: Peer) -> Result<Sealed, Trouble> {
        let dir = temp()?;
        let sealed = Sealed { peer, dir };
        fs::write(sealed.password(), format!("{PASSWORD}\n"))?;
        fs::create_dir(sealed.cipher())?;
        let mut create = peer.command();
        match peer {
            Peer::Gocryptfs => create
                .args(["-q", "-init", "-passfile"])
                .arg(sealed.password()),
            Peer::Securefs => create.args(["create", "--pass", PASSWORD]),
            // Its first mount makes it.
            Peer::Cryfs => return Ok(sealed),
        };
        match create.arg(sealed.cipher()).status()?.success() {
            true => Ok(sealed),
            false => Err(format!("{} makes no directory", peer.name()).into()),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.peer.name()
    }

    pub(crate) fn mount(&self) -> Result<Mounted, Trouble> {
        let temp = temp()?;
        let dir = temp.path().join("mount");
        fs::create_dir(&dir)?;
        let mut mount = self.peer.command();
        // State of its own, not that of whoever measures.
        mount.env("HOME", self.dir.path());
        match self.peer {
            Peer::Gocryptfs => mount.args(["-q", "-fg", "-passfile"]).arg(self.password()),
            Peer::Securefs => mount.args(["mount", "--pass", PASSWORD]),
            Peer::Cryfs => mount.arg("-f").stdin(File::open(self.password())?),
        };
        mount.arg(self.cipher()).arg(&dir);
        Mounted::served(temp, dir, mount)
    }

    fn password(&self) -> PathBuf {
        self.dir.path().join("password")
    }

    fn cipher(&self) -> PathBuf {
        self.dir.path().join("cipher")
    }
}

/// A program in a session of its own, as walletfs's in the background is (`setsid` of util-linux).
/// The scheduler weighs sessions against each other (sched(7), the autogroup feature), so one that
/// shares its caller's is treated otherwise: its reads alone take a third less or more.
fn server(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

impl Mounted {
    /// The floor, served by this very program.
    pub(crate) fn floor() -> Result<Mounted, Trouble> {
        let temp = temp()?;
        let dir = temp.path().join("mount");
        fs::create_dir(&dir)?;
        let mut floor = server(std::env::current_exe()?);
        floor.arg("floor").arg(&dir);
        Mounted::served(temp, dir, floor)
    }

    /// A mount of walletfs that stands, whose process is in the background.
    pub(crate) fn ours(temp: TempDir, dir: PathBuf) -> Result<Mounted, Trouble> {
        let status: Value = serde_json::from_slice(&fs::read(dir.join(".walletfs/status"))?)?;
        let pid = status["pid"].as_u64().ok_or("a status without a pid")?;
        Ok(Mounted {
            dir,
            pid: u32::try_from(pid)?,
            server: None,
            took: Duration::ZERO,
            _temp: temp,
        })
    }

    /// Starts a program that mounts on `dir` and stays.
    fn served(temp: TempDir, dir: PathBuf, mut command: Command) -> Result<Mounted, Trouble> {
        let begin = Instant::now();
        let server = command.spawn()?;
        let mut mounted = Mounted {
            dir,
            pid: server.id(),
            server: Some(server),
            took: Duration::ZERO,
            _temp: temp,
        };
        while !mounted.is_mounted()? {
            let ended = mounted.server.as_mut().map(Child::try_wait).transpose()?;
            if let Some(Some(status)) = ended {
                mounted.server = None;
                return Err(format!("{command:?} did not mount: {status}").into());
            }
            if begin.elapsed() > PATIENCE {
                return Err("a mount takes too long".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        mounted.took = begin.elapsed();
        Ok(mounted)
    }

    fn is_mounted(&self) -> Result<bool, Trouble> {
        let dir = self.dir.to_str().ok_or("a directory that is not UTF-8")?;
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(table
            .lines()
            .any(|line| line.split(' ').nth(4) == Some(dir)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until everything that was closed is stored (walletfs's mounts).
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        let begin = Instant::now();
        loop {
            let status = fs::read(self.dir.join(".walletfs/status"))?;
            let status: Value = serde_json::from_slice(&status)?;
            if status["failed"] != 0 {
                return Err("content that could not be stored".into());
            }
            if status["unsaved"] == 0 {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err("a file is not stored for a minute".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let quietly = |program: &str, options: &[&str]| {
            let mut command = Command::new(program);
            command.args(options).arg(&self.dir).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        // A caller's file may be closed a moment ago only: the kernel is told of it later.
        let _ = quietly("umount", &[])
            || quietly("fusermount3", &["-u"])
            || quietly("umount", &["-l"])
            || quietly("fusermount3", &["-u", "-z"]);
        match &mut self.server {
            Some(server) => {
                let end = Instant::now() + Duration::from_secs(5);
                while server.try_wait().is_ok_and(|ended| ended.is_none()) {
                    if Instant::now() > end {
                        let _ = server.kill();
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            // What it still writes must not meet the next measurement.
            None => {
                let end = Instant::now() + Duration::from_secs(5);
                let process = PathBuf::from(format!("/proc/{}", self.pid));
                while process.exists() && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}
