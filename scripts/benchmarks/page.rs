//! The page of the manual: figures are put between its marks, and pictures beside it, by this program
//! alone.

use crate::Trouble;
use crate::curve;
use crate::outcome::{Outcome, Unit};
use crate::print;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "man/walletfs-performance.7.md";

/// A part of the page that is written here stands between these, with its name.
const BEGIN: &str = "<!-- measured: ";
const END: &str = "<!-- end -->";

/// Writes the figures of a whole run.
pub(crate) fn write(machine: &[String], outcomes: &[Outcome]) -> Result<(), Trouble> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = root.join(PAGE);
    let text = fs::read_to_string(&page)?;
    let text = put(&text, "machine", &list(machine))?;
    let text = put(&text, "bars", &print::markdown(&print::bars(outcomes)))?;
    let text = put(&text, "workloads", &workloads(outcomes)?)?;
    let text = put(&text, "requests", &part(outcomes, "requests")?)?;
    let text = put(&text, "growth", &part(outcomes, "growth")?)?;
    fs::write(page, text)?;
    pictures(root, outcomes)
}

fn list(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// The tables of what was timed.
fn workloads(outcomes: &[Outcome]) -> Result<String, Trouble> {
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.rows.is_empty()) {
        write!(text, "### {}\n\n", outcome.workload)?;
        text += &section(outcome)?;
        text += "\n";
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn part(outcomes: &[Outcome], workload: &str) -> Result<String, Trouble> {
    let outcome = outcomes.iter().find(|outcome| outcome.workload == workload);
    section(outcome.ok_or_else(|| format!("{workload} was not measured"))?)
}

fn section(outcome: &Outcome) -> Result<String, Trouble> {
    let mut what = outcome.what.chars();
    let first = what
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().collect());
    let mut text = format!("{first}{}.\n\n", what.as_str());
    text += &print::markdown(&print::table(outcome));
    for note in &outcome.notes {
        write!(text, "\n{note}\n")?;
    }
    Ok(text)
}

/// Puts `new` between the marks of a part.
fn put(text: &str, name: &str, new: &str) -> Result<String, Trouble> {
    let begin = format!("{BEGIN}{name} -->\n");
    let missing = || format!("{PAGE} has no part {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{new}\n{END}{after}"))
}

fn pictures(root: &Path, outcomes: &[Outcome]) -> Result<(), Trouble> {
    let growth = outcomes.iter().find(|outcome| !outcome.curves.is_empty());
    let curves = &growth.ok_or("growth was not measured")?.curves;
    let file = |name: &str| -> PathBuf { root.join("man").join(name) };
    let time = curve::svg("Time by the number of secrets", Unit::Seconds, curves);
    fs::write(file("performance-time.svg"), time)?;
    let space = curve::svg(
        "Memory and file by the number of secrets",
        Unit::Bytes,
        curves,
    );
    fs::write(file("performance-space.svg"), space)?;
    Ok(())
}
