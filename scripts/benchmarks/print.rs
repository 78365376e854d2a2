//! Outcomes as tables: of text for a terminal, of Markdown for the page.

use crate::curve;
use crate::outcome::{Bar, BarUnit, Counted, Outcome, Unit};
use crate::series::Row;

/// A table's head and its rows.
pub(crate) type Table = (Vec<String>, Vec<Vec<String>>);

/// Prints one workload's table.
pub(crate) fn outcome(outcome: &Outcome) {
    println!("\n{}: {}", outcome.workload, outcome.what);
    print!("{}", text(&table(outcome)));
    for note in &outcome.notes {
        println!("  {note}");
    }
    for bar in &outcome.bars {
        println!("  {}: {}, {}", bar.bar, measured(bar), met(bar));
    }
}

/// Every bar of a run.
pub(crate) fn bars(outcomes: &[Outcome]) -> Table {
    let head = ["workload", "bar", "measured", ""].map(str::to_owned);
    let of = |outcome: &Outcome| {
        let row = |bar: &Bar| {
            vec![
                outcome.workload.clone(),
                bar.bar.clone(),
                measured(bar),
                met(bar).to_owned(),
            ]
        };
        outcome.bars.iter().map(row).collect::<Vec<_>>()
    };
    (head.into(), outcomes.iter().flat_map(of).collect())
}

/// The table of one workload.
pub(crate) fn table(outcome: &Outcome) -> Table {
    if !outcome.counts.is_empty() {
        return counts(&outcome.counts);
    }
    if !outcome.curves.is_empty() {
        return curve::rows(&outcome.curves);
    }
    let head = [
        "",
        "median",
        "middle half",
        "CPU",
        "peak memory",
        "walletfs is",
    ];
    let row = |row: &Row| {
        let value = |number| value(outcome.unit, number);
        let ours = &outcome.rows[0];
        vec![
            row.who.clone(),
            value(row.median),
            format!("{} to {}", value(row.low), value(row.high)),
            row.cpu.map_or_else(String::new, seconds),
            row.peak.map_or_else(String::new, |peak| bytes(peak as f64)),
            match row.who == ours.who {
                true => String::new(),
                false => format!("{} x", significant(ours.median / row.median)),
            },
        ]
    };
    let rows = outcome.rows.iter().map(row).collect();
    (head.map(str::to_owned).into(), rows)
}

fn counts(counts: &[Counted]) -> Table {
    let head = [
        "action",
        "requests",
        "sent",
        "received",
        "read units",
        "write units",
        "price of a thousand",
    ];
    let row = |counted: &Counted| {
        let cost = &counted.cost;
        let requests = cost.requests.iter();
        let requests: Vec<_> = requests.map(|(of, n)| format!("{n} {of}")).collect();
        vec![
            counted.action.clone(),
            match requests.is_empty() {
                true => "none".into(),
                false => requests.join(", "),
            },
            bytes(cost.sent as f64),
            bytes(cost.received as f64),
            cost.read_units.to_string(),
            cost.write_units.to_string(),
            format!("${:.5}", cost.price() * 1000.0),
        ]
    };
    (
        head.map(str::to_owned).into(),
        counts.iter().map(row).collect(),
    )
}

/// A table in columns of their widths.
pub(crate) fn text((head, rows): &Table) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .chain([head])
            .map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::from(" ");
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let cell = match at {
                0 => format!(" {cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
            line += &cell;
        }
        line.trim_end().to_owned() + "\n"
    };
    [head].into_iter().chain(rows).map(line).collect()
}

/// A table in Markdown.
pub(crate) fn markdown((head, rows): &Table) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let rows: String = rows.iter().map(line).collect();
    line(head) + &rule + &rows
}

pub(crate) fn met(bar: &Bar) -> &'static str {
    match bar.met {
        true => "met",
        false => "missed",
    }
}

/// What was measured of a bar.
pub(crate) fn measured(bar: &Bar) -> String {
    match bar.unit {
        BarUnit::Times => format!("{} x", significant(bar.measured)),
        BarUnit::Seconds => seconds(bar.measured),
        BarUnit::Bytes => bytes(bar.measured),
        BarUnit::Exponent => format!("n^{:.2}", bar.measured),
    }
}

/// Three digits that say something, at the most.
fn significant(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 1.0 => format!("{number:.2}"),
        n if n >= 0.1 => format!("{number:.3}"),
        _ => format!("{number:.4}"),
    }
}

pub(crate) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::PerSecond => format!("{value:.0}/s"),
        Unit::Bytes => bytes(value),
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    match seconds.abs() {
        s if s < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        s if s < 1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// In decimal units.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        b if b < 1e3 => format!("{b:.0} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b => format!("{:.1} MB", b / 1e6),
    }
}
