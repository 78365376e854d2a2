//! Benchmarks: every workload as a person feels it, beside what they would use instead and beside the
//! least that the same machinery can do, in rounds taken in turn. `scripts/bench` builds and runs it,
//! and says how to call it.

mod bench;
mod curve;
mod device;
mod engine;
mod floor;
mod machine;
mod managers;
mod mounts;
mod outcome;
mod page;
mod price;
mod print;
mod series;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tree;
mod usage;
mod workloads;

use bench::Bench;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a workload could not be measured.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const USAGE: &str = "usage: scripts/bench [--quick] [--json FILE] [--write] [NAME...]";

/// What is asked for.
#[derive(Default)]
struct Asked {
    /// Fewer rounds and smaller wallets, to try the benchmark itself.
    quick: bool,
    json: Option<PathBuf>,
    /// Writes the page and its plots.
    write: bool,
    names: Vec<String>,
}

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` as the last one.
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.pop_if(|last| last == "--bench");
    let result = match &arguments[..] {
        [floor, dir] if floor == "floor" => floor::serve(dir.as_ref()),
        [run, report, program @ ..] if run == "run" => usage::run(report, program),
        _ => asked(arguments).and_then(run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn asked(arguments: Vec<String>) -> Result<Asked, Trouble> {
    let mut asked = Asked::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--quick" => asked.quick = true,
            "--write" => asked.write = true,
            "--json" => asked.json = Some(arguments.next().ok_or(USAGE)?.into()),
            name if workloads::ALL.iter().any(|w| w.name == name) => asked.names.push(argument),
            _ => {
                let names = workloads::ALL.map(|w| format!("\n  {:18}{}", w.name, w.says));
                return Err(format!("{USAGE}\nnames:{}", names.concat()).into());
            }
        }
    }
    Ok(asked)
}

fn run(asked: Asked) -> Result<(), Trouble> {
    if asked.write && (asked.quick || !asked.names.is_empty()) {
        return Err("--write is for a whole run: the page shows one".into());
    }
    let mut machine = machine::lines();
    let before = machine::load();
    println!("{}", machine.join("\n"));
    for peer in machine::missing() {
        eprintln!("bench: {peer} CANNOT BE HAD HERE and is left out");
    }
    let bench = Bench::new(asked.quick);
    let mut outcomes = Vec::new();
    for workload in &workloads::ALL {
        if asked.names.is_empty() || asked.names.iter().any(|name| name == workload.name) {
            eprintln!("bench: {} ({})", workload.name, workload.says);
            let of_it = (workload.run)(&bench).map_err(|e| format!("{}: {e}", workload.name))?;
            of_it.iter().for_each(print::outcome);
            outcomes.extend(of_it);
        }
    }
    println!("\nbars");
    print!("{}", print::text(&print::bars(&outcomes)));
    machine.push(format!(
        "load of the machine (mean of a minute): {before} before, {} after; what the benchmark \
         does counts in the second",
        machine::load()
    ));
    println!("\n{}", machine[machine.len() - 1]);
    if let Some(file) = asked.json {
        let all = serde_json::json!({ "machine": machine, "outcomes": outcomes });
        std::fs::write(file, serde_json::to_string_pretty(&all)?)?;
    }
    match asked.write {
        true => page::write(&machine, &outcomes),
        false => Ok(()),
    }
}
