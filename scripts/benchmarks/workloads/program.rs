//! The program itself.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::device::{WALLETFS, size};
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{self, Contender, Sample, quantile, row};
use crate::usage::Program;

/// Starts in one round.
const STARTS: usize = 20;

pub(super) fn program(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let starts = |program: &'static str| {
        Contender::new(
            if program == WALLETFS { OURS } else { program },
            move || {
                let (mut times, mut last) = (Vec::new(), Sample::default());
                for _ in 0..STARTS {
                    let mut program = Program::new(program)?;
                    program.arg("--version");
                    last = Sample::from(program.run()?);
                    times.push(last.value);
                }
                Ok(Sample {
                    value: quantile(&mut times, 0.5),
                    ..last
                })
            },
        )
    };
    let rows = series::in_turn(bench.rounds(12), vec![starts(WALLETFS), starts("true")])?;
    let what =
        "start and end of the program, `--version`; true(1) is the least that a process takes";
    let mut start = Outcome::new("start", what, Unit::Seconds, rows);
    let measured = start.row(OURS)?.median;
    start.at_most("at most 5 ms", 5e-3, measured, BarUnit::Seconds);

    let bytes = Sample {
        value: size(WALLETFS.as_ref())? as f64,
        ..Sample::default()
    };
    let what = "size of the program's file, release build";
    let size = Outcome::new("size", what, Unit::Bytes, vec![row(OURS, &[bytes])]);
    Ok(vec![start, size])
}
