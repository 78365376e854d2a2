//! Reads while something else goes on.

use super::OURS;
use super::reads::read;
use super::writes::writer;
use crate::Trouble;
use crate::bench::Bench;
use crate::mounts::Mounted;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{self, Contender, Sample};
use crate::support::http_count::Fate;
use crate::tree::SECRET;
use crate::usage;
use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long is read in one round: longer than the snapshot is used without asking the store.
const ROUND: Duration = Duration::from_millis(1500);

/// What each call of a far store takes.
const FAR: Duration = Duration::from_millis(200);

/// Another secret than the one that is read.
const WRITTEN: &str = "site0.example/account 1/pwd";

const WRITER: &str = "walletfs, writer at work";

/// Reads for one round. Gives the slowest of a hundred, too.
fn read_for_a_round(mounted: &Mounted) -> Result<(Sample, f64), Trouble> {
    let (path, pid) = (mounted.path().join(SECRET), mounted.pid());
    let mut times = Vec::new();
    let used = || -> Result<Duration, Trouble> { Ok(usage::thread_cpu()? + usage::cpu_of(pid)?) };
    let before = used()?;
    let begin = Instant::now();
    while begin.elapsed() < ROUND {
        let begin = Instant::now();
        read(&path)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let used = used()?.saturating_sub(before).as_secs_f64();
    let sample = Sample {
        value: series::quantile(&mut times, 0.5),
        cpu: Some(used / times.len() as f64),
        peak: Some(usage::memory_of(pid)?.1),
    };
    Ok((sample, series::quantile(&mut times, 0.99)))
}

/// The same while a thread writes one file over and over; how often it did.
fn with_a_writer(mounted: &Mounted) -> Result<((Sample, f64), usize), Trouble> {
    let (stop, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let path = mounted.path().join(WRITTEN);
    let write = |path: &Path| -> Result<(), Trouble> {
        let mut write = writer(path, false);
        while !stop.load(Ordering::Relaxed) {
            write()?;
            writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let at_work = scope.spawn(|| write(&path));
        let sample = read_for_a_round(mounted);
        stop.store(true, Ordering::Relaxed);
        let written = at_work.join();
        written.unwrap_or_else(|_| Err("the writer panicked".into()))?;
        Ok((sample?, writes.load(Ordering::Relaxed)))
    })
}

/// Rounds without and with a writer in turn; `before` is told which is next.
fn compare(
    bench: &Bench,
    mounted: &Mounted,
    workload: &str,
    what: &str,
    before: impl Fn(bool),
) -> Result<Outcome, Trouble> {
    let tails = RefCell::new([Vec::new(), Vec::new()]);
    let writes = RefCell::new(Vec::new());
    let quiet = Contender::new(OURS, || {
        before(false);
        let (sample, tail) = read_for_a_round(mounted)?;
        tails.borrow_mut()[0].push(tail);
        Ok(sample)
    });
    let busy = Contender::new(WRITER, || {
        before(true);
        let ((sample, tail), written) = with_a_writer(mounted)?;
        tails.borrow_mut()[1].push(tail);
        writes.borrow_mut().push(written as f64);
        Ok(sample)
    });
    let rows = series::in_turn(bench.rounds(8), vec![quiet, busy])?;
    let mut outcome = Outcome::new(workload, what, Unit::Seconds, rows);
    let ratio = outcome.ratio(WRITER, OURS)?;
    outcome.at_most(
        "median at most 1.20 x the quiet one",
        1.2,
        ratio,
        BarUnit::Times,
    );
    let [mut quiet, mut busy] = tails.into_inner();
    outcome.note(format!(
        "99 of 100 reads take less than {} (quiet) and {} (a writer at work, {:.0} commits a second).",
        crate::print::seconds(series::quantile(&mut quiet, 0.5)),
        crate::print::seconds(series::quantile(&mut busy, 0.5)),
        series::quantile(&mut writes.into_inner(), 0.5) / ROUND.as_secs_f64(),
    ));
    Ok(outcome)
}

pub(super) fn reads(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let what = "reads of a secret while another one is written all the time, SQLite";
    let device = bench.ordinary()?;
    let near = compare(bench, &device.mount(&[])?, "read-writer", what, |_| ())?;

    let engine = bench.engine()?;
    let device = bench.ordinary()?.in_table(engine)?;
    let proxy = engine.proxy();
    device.through(proxy.url())?;
    let mounted = device.mount(&[])?;
    let what = "reads of a secret, a DynamoDB engine; the writer's with 200 ms for each store call";
    let far = compare(
        bench,
        &mounted,
        "read-far-store",
        what,
        |writer| match writer {
            true => proxy.plan(|_| Fate::Delay(FAR)),
            false => proxy.heal(),
        },
    )?;
    proxy.heal();
    Ok(vec![near, far])
}
