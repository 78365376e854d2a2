//! Memory of the mount's process.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{Sample, row};
use crate::tree::Shape;
use crate::usage;

/// The bars: at this many secrets so many bytes.
const BARS: [(usize, u64); 3] = [
    (1000, 30_000_000),
    (10_000, 60_000_000),
    (100_000, 250_000_000),
];

pub(super) fn resident(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let mut sizes = vec![0];
    sizes.extend(bench.sizes().into_iter().filter(|size| *size >= 1000));
    let mut rows = Vec::new();
    for (store, name) in [("SQLite", OURS), ("DynamoDB", "walletfs, DynamoDB")] {
        for count in &sizes {
            let samples: Result<Vec<_>, _> = (0..bench.rounds(3))
                .map(|_| sample(bench, *count, store == "DynamoDB"))
                .collect();
            rows.push(row(format!("{name}, {count}"), &samples?));
        }
    }
    let what = "resident memory of the mount's process after unlock, by store and secrets";
    let mut outcome = Outcome::new("memory", what, Unit::Bytes, rows);
    for (count, most) in BARS {
        for name in [OURS, "walletfs, DynamoDB"] {
            let who = format!("{name}, {count}");
            if let Ok(row) = outcome.row(&who) {
                let measured = row.median;
                let bar = format!("{who} secrets: at most {} MB", most / 1_000_000);
                outcome.at_most(bar, most as f64, measured, BarUnit::Bytes);
            }
        }
    }
    Ok(vec![outcome])
}

fn sample(bench: &Bench, count: usize, dynamodb: bool) -> Result<Sample, Trouble> {
    let mounted = match dynamodb {
        true => bench.table(Shape::Hundreds, count)?.mount(&[])?,
        false => bench.wallet(Shape::Hundreds, count)?.device.mount(&[])?,
    };
    let (now, peak) = usage::memory_of(mounted.pid())?;
    Ok(Sample {
        value: now as f64,
        cpu: None,
        peak: Some(peak),
    })
}
