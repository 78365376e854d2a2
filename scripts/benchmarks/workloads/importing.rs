//! Many secrets at once.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::managers::SecretWallet;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{self, Contender, Sample};
use crate::tree::Shape;

pub(super) fn import(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const COUNT: usize = 10_000;
    const THEIRS: usize = 50;
    const PYTHON: &str = "secret-wallet load -d";
    let empty = bench.wallet(Shape::Hundreds, 0)?;
    let ours = Contender::new(OURS, || {
        let device = empty.device.copy()?;
        Ok(Sample::from(device.import(Shape::Hundreds, COUNT)?))
    });
    let rows = series::in_turn(bench.rounds(5), vec![ours])?;
    let what = "`walletfs import` of 10,000 secrets from a CSV, SQLite, read back and compared";
    let mut outcome = Outcome::new("import", what, Unit::Seconds, rows);
    let measured = outcome.row(OURS)?.median;
    outcome.at_most("at most 5 s", 5.0, measured, BarUnit::Seconds);
    let wallet = SecretWallet::new(bench.engine()?)?;
    // Others each time: one that is there is loaded by another way.
    let mut from = 0;
    let python = Contender::new(PYTHON, || {
        from += THEIRS;
        Ok(each(wallet.load(THEIRS, from)?.run()?.into(), THEIRS))
    });
    let ours = Contender::new(OURS, || {
        let device = empty.device.copy()?;
        Ok(each(device.import(Shape::Hundreds, COUNT)?.into(), COUNT))
    });
    let rows = series::in_turn(bench.rounds(5), vec![ours, python])?;
    let what = format!(
        "one secret of an import: of {COUNT} by walletfs, of {THEIRS} by the Python program"
    );
    let mut one = Outcome::new("import-each", what, Unit::Seconds, rows);
    one.faster(100.0, OURS, PYTHON)?;
    Ok(vec![outcome, one])
}

/// What is left for each of so many.
fn each(sample: Sample, count: usize) -> Sample {
    let count = count as f64;
    Sample {
        value: sample.value / count,
        cpu: sample.cpu.map(|cpu| cpu / count),
        ..sample
    }
}
