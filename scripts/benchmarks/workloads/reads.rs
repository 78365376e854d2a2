//! Reads of one secret, one after another.

use super::{FLOOR, OURS};
use crate::Trouble;
use crate::bench::Bench;
use crate::mounts::Mounted;
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, calls};
use crate::tree::{CONTENT, SECRET, put_secret};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

/// Calls in one round: of a stat so many that its attributes grow old meanwhile.
const READS: usize = 1000;
const STATS: usize = 100_000;

/// Opens, reads and closes.
pub(super) fn read(path: &Path) -> Result<(), Trouble> {
    let mut buffer = [0; 4096];
    let mut file = File::open(path)?;
    let read = file.read(&mut buffer)?;
    drop(file);
    match &buffer[..read] == CONTENT {
        true => Ok(()),
        false => Err("another content than what was written".into()),
    }
}

/// The same secret in every kind of filesystem that is compared.
pub(super) struct Places {
    /// Name, process behind it, and path of the secret.
    pub(super) all: Vec<(String, Option<u32>, PathBuf)>,
    pids: Vec<u32>,
    _mounts: [Mounted; 2],
    _memory: tempfile::TempDir,
}

pub(super) fn places(bench: &Bench) -> Result<Places, Trouble> {
    let (ours, floor) = (bench.ordinary()?.mount(&[])?, Mounted::floor()?);
    let memory = tempfile::tempdir_in("/dev/shm")?;
    put_secret(memory.path())?;
    let mut all = vec![
        (OURS.into(), Some(ours.pid()), ours.path().join(SECRET)),
        (FLOOR.into(), Some(floor.pid()), floor.path().join(SECRET)),
        ("tmpfs".into(), None, memory.path().join(SECRET)),
    ];
    for peer in bench.peers()? {
        let (name, mounted) = (peer.peer.name().into(), &peer.mounted);
        all.push((name, Some(mounted.pid()), mounted.path().join(SECRET)));
    }
    Ok(Places {
        pids: vec![ours.pid(), floor.pid()],
        all,
        _mounts: [ours, floor],
        _memory: memory,
    })
}

type Act = fn(&Path) -> Result<(), Trouble>;

impl Places {
    fn contenders(&self, number: usize, act: Act) -> Vec<Contender<'_>> {
        let contender = |(name, pid, path): &(String, Option<u32>, PathBuf)| {
            let (pid, path) = (*pid, path.clone());
            Contender::new(name, move || calls(number, pid, || act(&path)))
        };
        self.all.iter().map(contender).collect()
    }
}

pub(super) fn warm_read(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const WHAT: &str = "open, read and close of a secret in memory, 1,000 secrets in the wallet";
    let places = places(bench)?;
    let rounds = bench.rounds(24);
    let rows = series::in_turn(rounds, places.contenders(READS, read))?;
    let mut free = Outcome::new("warm-read", WHAT, Unit::Seconds, rows);
    free.within(1.10, OURS, FLOOR)?;
    free.within(0.7, OURS, "gocryptfs")?;
    free.within(1.0, OURS, "securefs")?;
    free.within(1.0, OURS, "cryfs")?;
    free.note(
        "A wake-up that crosses processors costs more than the call itself. Which calls have one is \
         the scheduler's choice, made anew for each mount and kept for a while: the two tables that \
         follow leave it none.",
    );

    // Where the scheduler puts the two sides decides half of the time, and it keeps to what it chose:
    // so all are measured in both places, too.
    let mut servers = places.pids.clone();
    servers.extend(bench.peers()?.iter().map(|peer| peer.mounted.pid()));
    let callers = [std::process::id()];
    let mut outcomes = vec![free];
    for (name, what, of_callers, of_servers) in [
        (
            "warm-read-together",
            "the same, callers and filesystems on one processor",
            "0",
            "0",
        ),
        (
            "warm-read-apart",
            "the same, callers on one processor, filesystems on another",
            "0",
            "1",
        ),
    ] {
        if of_servers != "0" && available_parallelism()?.get() == 1 {
            // One processor is no two places.
            continue;
        }
        pin(&callers, of_callers)?;
        pin(&servers, of_servers)?;
        let rows = series::in_turn(rounds, places.contenders(READS, read));
        pin(&callers, &every_processor()?)?;
        pin(&servers, &every_processor()?)?;
        let mut placed = Outcome::new(name, what, Unit::Seconds, rows?);
        placed.within(1.10, OURS, FLOOR)?;
        outcomes.push(placed);
    }
    Ok(outcomes)
}

/// Keeps all threads of these processes on these processors (`taskset` of util-linux).
fn pin(pids: &[u32], processors: &str) -> Result<(), Trouble> {
    for pid in pids {
        let mut taskset = Command::new("taskset");
        taskset.args(["-a", "-p", "-c", processors, &pid.to_string()]);
        if !taskset.stdout(Stdio::null()).status()?.success() {
            return Err("taskset failed".into());
        }
    }
    Ok(())
}

/// The processors that this process started with.
fn every_processor() -> Result<String, Trouble> {
    Ok(fs::read_to_string("/sys/devices/system/cpu/online")?
        .trim()
        .into())
}

pub(super) fn stat(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let places = places(bench)?;
    let look = |path: &Path| -> Result<(), Trouble> { Ok(fs::metadata(path).map(drop)?) };
    let rows = series::in_turn(bench.rounds(24), places.contenders(STATS, look))?;
    let what = "stat of a secret; the kernel asks again when its attributes are a second old";
    let mut outcome = Outcome::new("stat", what, Unit::Seconds, rows);
    outcome.within(1.10, OURS, FLOOR)?;
    Ok(vec![outcome])
}
