//! `lock`: locks every mount of the wallet.

use super::args::Global;
use super::exit::{Failure, note};
use super::unmount;

/// Runs the command. A mount that cannot be locked does not keep the others open.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for live in global.mounts()? {
        failures.extend(unmount::lock(live, false).err());
    }
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        note(&failure.to_string());
    }
    Err(last)
}
