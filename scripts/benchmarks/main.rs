//! Benchmarks, as ratios between things measured in turn in one run: this machine is shared, so a
//! number by itself says little. `scripts/bench` builds and runs it.
//!
//! `NAME` runs one workload; without arguments all of them. `floor DIR` serves the floor that
//! workloads compare with, and is not for people.

mod floor;
mod mounts;
mod warm_read;

use std::process::ExitCode;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["floor", dir] => floor::serve(dir.as_ref()),
        [] | ["warm-read"] => warm_read::run(),
        _ => Err("usage: scripts/bench [warm-read]".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

type BenchResult = Result<(), Box<dyn std::error::Error>>;
