//! `warm-read`: open, read, close of a secret that is in memory, against the floor.

use crate::floor::CONTENT;
use crate::mounts::Mounted;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds in turn (A B A B), and calls in each: enough of both that whatever else the machine does
/// meets both alike.
const ROUNDS: usize = 40;
const CALLS: usize = 1000;

/// The bar, as a ratio of medians.
const BAR: f64 = 1.15;

pub(crate) fn run() -> crate::BenchResult {
    let floor = Mounted::floor()?;
    let ours = Mounted::walletfs()?;
    let secret = ours.path().join("energy/smart energy");
    fs::create_dir_all(&secret)?;
    let secret = secret.join("pwd");
    fs::write(&secret, CONTENT)?;
    let file = floor.path().join("file");

    // The path is walked once for each round, and what it takes to be warm is done before.
    let (mut floors, mut ourses) = (Vec::new(), Vec::new());
    round(&file, 200)?;
    round(&secret, 200)?;
    for _ in 0..ROUNDS {
        floors.push(round(&file, CALLS)?);
        ourses.push(round(&secret, CALLS)?);
    }
    let (floor, ours) = (median(&mut floors), median(&mut ourses));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("workload   floor (median)   walletfs (median)   ratio   bar");
    println!("warm-read  {floor:>14.1?}   {ours:>17.1?}   {ratio:>5.3}   {BAR}");
    println!(
        "           middle half of {ROUNDS} rounds: floor {:.1?} to {:.1?}, walletfs {:.1?} to {:.1?}",
        floors[ROUNDS / 4],
        floors[ROUNDS * 3 / 4],
        ourses[ROUNDS / 4],
        ourses[ROUNDS * 3 / 4],
    );
    Ok(())
}

/// The median time of one open, read and close.
fn round(path: &Path, calls: usize) -> std::io::Result<Duration> {
    let mut buffer = [0; 4096];
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let begin = Instant::now();
        let mut file = File::open(path)?;
        let read = file.read(&mut buffer)?;
        drop(file);
        times.push(begin.elapsed());
        if &buffer[..read] != CONTENT {
            return Err(std::io::Error::other("wrong content"));
        }
    }
    Ok(median(&mut times))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
