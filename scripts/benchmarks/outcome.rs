//! What a workload came to: the numbers of each contender, and the bars that they are held against.

use crate::Trouble;
use crate::curve::Curve;
use crate::price::Cost;
use crate::series::Row;
use serde::Serialize;

/// What the numbers of a workload are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Seconds of one operation: less is better.
    Seconds,
    /// Operations in a second: more is better.
    PerSecond,
    /// Bytes.
    Bytes,
}

/// The result of one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) workload: String,
    /// What one operation is.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) rows: Vec<Row>,
    pub(crate) bars: Vec<Bar>,
    /// What a reader must know of the numbers.
    pub(crate) notes: Vec<String>,
    /// What was counted, where nothing was timed.
    pub(crate) counts: Vec<Counted>,
    /// How costs grow, where that was measured.
    pub(crate) curves: Vec<Curve>,
}

/// What an action asks of a store.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) action: String,
    #[serde(flatten)]
    pub(crate) cost: Cost,
}

/// A bar, and what was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) bar: String,
    pub(crate) limit: f64,
    pub(crate) measured: f64,
    pub(crate) met: bool,
    pub(crate) unit: BarUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BarUnit {
    /// So many times as much as something else.
    Times,
    Seconds,
    Bytes,
    /// The exponent of a power law.
    Exponent,
}

impl Outcome {
    pub(crate) fn new(
        workload: impl Into<String>,
        what: impl Into<String>,
        unit: Unit,
        rows: Vec<Row>,
    ) -> Outcome {
        Outcome {
            workload: workload.into(),
            what: what.into(),
            unit,
            rows,
            bars: Vec::new(),
            notes: Vec::new(),
            counts: Vec::new(),
            curves: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(crate) fn row(&self, who: &str) -> Result<&Row, Trouble> {
        let row = self.rows.iter().find(|row| row.who == who);
        row.ok_or_else(|| format!("{}: {who} was not measured", self.workload).into())
    }

    /// The median of one contender as a share of another's.
    pub(crate) fn ratio(&self, who: &str, other: &str) -> Result<f64, Trouble> {
        Ok(self.row(who)?.median / self.row(other)?.median)
    }

    /// Holds a number against the most that it may be.
    pub(crate) fn at_most(
        &mut self,
        bar: impl Into<String>,
        limit: f64,
        measured: f64,
        unit: BarUnit,
    ) {
        self.bars.push(Bar {
            bar: bar.into(),
            limit,
            measured,
            met: measured <= limit,
            unit,
        });
    }

    /// Holds a number against the least that it may be.
    pub(crate) fn at_least(&mut self, bar: impl Into<String>, limit: f64, measured: f64) {
        self.bars.push(Bar {
            bar: bar.into(),
            limit,
            measured,
            met: measured >= limit,
            unit: BarUnit::Times,
        });
    }

    /// The bar of `who` against `other`. Of a peer that cannot be had here it is said that it was not
    /// measured.
    pub(crate) fn within(&mut self, limit: f64, who: &str, other: &str) -> Result<(), Trouble> {
        if self.row(other).is_err() {
            self.note(format!("The bar against {other} was NOT MEASURED."));
            return Ok(());
        }
        let ratio = self.ratio(who, other)?;
        self.at_most(
            format!("at most {limit:.2} x {other}"),
            limit,
            ratio,
            BarUnit::Times,
        );
        Ok(())
    }

    /// As [`Outcome::within`]: how many times as fast `who` is.
    pub(crate) fn faster(&mut self, limit: f64, who: &str, other: &str) -> Result<(), Trouble> {
        if self.row(other).is_err() {
            self.note(format!("The bar against {other} was NOT MEASURED."));
            return Ok(());
        }
        let ratio = self.ratio(other, who)?;
        self.at_least(
            format!("at least {limit:.0} x faster than {other}"),
            limit,
            ratio,
        );
        Ok(())
    }
}
