//! How each cost grows with the number of secrets.

use super::loading::{derivation, mount, open};
use super::reads::read;
use super::writes::writer;
use crate::Trouble;
use crate::bench::Bench;
use crate::curve::Curve;
use crate::device::size;
use crate::engine;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{Sample, calls, in_turn, quantile};
use crate::tree::{SECRET, Shape};
use crate::usage::{self, Program};
use std::fs;
use std::path::Path;

/// The costs that are followed.
const COSTS: [(&str, Unit); 11] = [
    ("import, SQLite", Unit::Seconds),
    ("mount without derivation, SQLite", Unit::Seconds),
    ("load, DynamoDB engine", Unit::Seconds),
    ("bare Query of the same pages", Unit::Seconds),
    ("ls of the wallet", Unit::Seconds),
    ("find over the wallet", Unit::Seconds),
    ("write and close, SQLite", Unit::Seconds),
    ("stat, not asked before", Unit::Seconds),
    ("warm read", Unit::Seconds),
    ("memory of the mount's process", Unit::Bytes),
    ("the wallet's file, SQLite", Unit::Bytes),
];

/// Where the load is among them.
const LOAD: usize = 2;

pub(super) fn growth(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let mut curves = COSTS.map(|(cost, unit)| Curve::new(cost, unit));
    for count in bench.sizes() {
        eprintln!("bench: growth, {count} secrets");
        let costs = at(bench, count)?;
        for (curve, cost) in curves.iter_mut().zip(costs) {
            curve.points.push((count, cost));
        }
    }
    let what = "each cost at so many secrets, a hundred in each domain";
    let mut outcome = Outcome::new("growth", what, Unit::Seconds, Vec::new());
    let load = curves[LOAD].last_exponent();
    let most = bench.sizes().into_iter().max().unwrap_or(0);
    let bar = format!("load up to {most} secrets: at most linear (n^1.15)");
    outcome.at_most(bar, 1.15, load, BarUnit::Exponent);
    outcome.curves = curves.into();
    Ok(vec![outcome])
}

/// The costs of a wallet of so many secrets, in the order of [`COSTS`].
fn at(bench: &Bench, count: usize) -> Result<[f64; 11], Trouble> {
    // What takes long varies little.
    let rounds = match count {
        100_000.. => bench.rounds(2),
        _ => bench.rounds(5),
    };
    let made = bench.wallet(Shape::Hundreds, count)?;
    let import = made
        .import
        .map_or(f64::NAN, |ended| ended.wall.as_secs_f64());
    let device = made.device.copy()?;
    let file = size(&device.sqlite())? as f64;

    let contenders = vec![mount("mount", &device), derivation(&device)?];
    let unlocked = in_turn(rounds, contenders)?;
    let unlock = unlocked[0].median - unlocked[1].median;

    let table = bench.table(Shape::Hundreds, count)?;
    let (load, query) = loads(bench, &table, count, rounds)?;

    let mounted = device.mount(&[])?;
    let memory = usage::memory_of(mounted.pid())?.0 as f64;
    let dir = mounted.path();
    let lookups = lookups(dir)?;
    let tool = |words: &[&str]| {
        median(rounds, || {
            let mut program = Program::new(words[0])?;
            program.args(&words[1..]).arg(dir);
            Ok(Sample::from(program.run()?).value)
        })
    };
    let (ls, find) = (tool(&["ls"])?, tool(&["find"])?);
    let path = dir.join(SECRET);
    let pid = Some(mounted.pid());
    let warm = median(rounds, || Ok(calls(500, pid, || read(&path))?.value))?;
    let mut write = writer(&path, false);
    let write = median(rounds, || Ok(calls(10, pid, &mut write)?.value))?;
    Ok([
        import, unlock, load, query, ls, find, write, lookups, warm, memory, file,
    ])
}

fn median(rounds: usize, mut act: impl FnMut() -> Result<f64, Trouble>) -> Result<f64, Trouble> {
    act()?;
    let values: Result<Vec<f64>, Trouble> = (0..rounds).map(|_| act()).collect();
    Ok(quantile(&mut values?, 0.5))
}

/// Load without derivation, and the bare listing, in turn.
fn loads(
    bench: &Bench,
    device: &crate::device::Device,
    count: usize,
    rounds: usize,
) -> Result<(f64, f64), Trouble> {
    let engine = bench.engine()?;
    let table = device.setting("table")?;
    let (store, client) = (engine.store(&table), engine.client());
    let contenders = vec![
        crate::series::Contender::new("load", || open(bench, device, store.clone(), count)),
        derivation(device)?,
        crate::series::Contender::new("query", || {
            super::loading::timed(|| {
                let listed = engine.runtime.block_on(engine::query(&client, &table));
                listed.map(drop)
            })
        }),
    ];
    let rows = in_turn(rounds, contenders)?;
    Ok((rows[0].median - rows[1].median, rows[2].median))
}

/// The median time of the first stat of secrets that the kernel does not know yet.
fn lookups(dir: &Path) -> Result<f64, Trouble> {
    let mut times = Vec::new();
    for n in 0..90 {
        let entry = Shape::Hundreds.entry(n);
        let path = dir.join(entry.domain).join(entry.access).join("pwd");
        let begin = std::time::Instant::now();
        fs::metadata(path)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(quantile(&mut times, 0.5))
}
