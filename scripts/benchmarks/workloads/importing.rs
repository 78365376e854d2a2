//! Many secrets at once.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::managers::SecretWallet;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{self, Contender, Row, Sample};
use crate::tree::Shape;

pub(super) fn import(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const COUNT: usize = 10_000;
    const THEIRS: usize = 50;
    const PYTHON: &str = "secret-wallet load -d";
    let empty = bench.wallet(Shape::Hundreds, 0)?;
    let wallet = SecretWallet::new(bench.engine()?)?;
    let ours = Contender::new(OURS, || {
        let device = empty.device.copy()?;
        Ok(Sample::from(device.import(Shape::Hundreds, COUNT)?))
    });
    // Others each time: one that is there is loaded by another way.
    let mut from = 0;
    let python = Contender::new(PYTHON, || {
        from += THEIRS;
        Ok(Sample::from(wallet.load(THEIRS, from)?.run()?))
    });
    let rows = series::in_turn(bench.rounds(5), vec![ours, python])?;
    let each = vec![each(&rows[0], COUNT), each(&rows[1], THEIRS)];

    let what = "`walletfs import` of 10,000 secrets from a CSV, SQLite, read back and compared";
    let mut all = Outcome::new("import", what, Unit::Seconds, rows[..1].to_vec());
    let measured = all.row(OURS)?.median;
    all.at_most("at most 5 s", 5.0, measured, BarUnit::Seconds);
    let what = format!(
        "one secret of it, and one of {THEIRS} that the Python program loads in turn with it"
    );
    let mut one = Outcome::new("import-each", what, Unit::Seconds, each);
    one.faster(100.0, OURS, PYTHON)?;
    Ok(vec![all, one])
}

/// What comes to each of so many.
fn each(row: &Row, count: usize) -> Row {
    let count = count as f64;
    Row {
        median: row.median / count,
        low: row.low / count,
        high: row.high / count,
        cpu: row.cpu.map(|cpu| cpu / count),
        ..row.clone()
    }
}
