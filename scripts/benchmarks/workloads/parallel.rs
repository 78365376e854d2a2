//! Readers at the same time.

use super::reads::{places, read};
use super::{FLOOR, OURS};
use crate::Trouble;
use crate::bench::Bench;
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, Sample};
use crate::usage;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long readers read in one round.
const ROUND: Duration = Duration::from_millis(250);

pub(super) fn readers(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let places = places(bench)?;
    let mut outcomes = Vec::new();
    for readers in [2, 4, 8] {
        let contenders = places
            .all
            .iter()
            .map(|(name, pid, path)| Contender::new(name, move || together(readers, *pid, path)));
        let rows = series::in_turn(bench.rounds(12), contenders.collect())?;
        let mut outcome = Outcome::new(
            format!("parallel-{readers}"),
            format!("reads a second, {readers} readers of one secret at the same time"),
            Unit::PerSecond,
            rows,
        );
        if readers == 8 {
            let ratio = outcome.ratio(OURS, FLOOR)?;
            outcome.at_least("at least 0.90 x the throughput of bare FUSE", 0.9, ratio);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Reads in a second, of so many readers together.
fn together(readers: usize, pid: Option<u32>, path: &Path) -> Result<Sample, Trouble> {
    let server = || {
        pid.map(usage::cpu_of)
            .transpose()
            .map(Option::unwrap_or_default)
    };
    let before = server()?;
    let begin = Instant::now();
    let one = || -> Result<(usize, Duration), Trouble> {
        let mut reads = 0;
        while begin.elapsed() < ROUND {
            read(path)?;
            reads += 1;
        }
        Ok((reads, usage::thread_cpu()?))
    };
    let done = thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(one)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .map(|done| done.unwrap_or_else(|_| Err("a reader panicked".into())))
            .collect::<Result<Vec<_>, Trouble>>()
    })?;
    let wall = begin.elapsed().as_secs_f64();
    let reads: usize = done.iter().map(|(reads, _)| reads).sum();
    let readers: Duration = done.iter().map(|(_, cpu)| *cpu).sum();
    let used = server()?.saturating_sub(before) + readers;
    Ok(Sample {
        value: reads as f64 / wall,
        cpu: Some(used.as_secs_f64() / reads as f64),
        peak: pid
            .map(usage::memory_of)
            .transpose()?
            .map(|memory| memory.1),
    })
}
