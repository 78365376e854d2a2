//! `lock`: locks every mount of the wallet, all at once: one that waits for its store holds up no
//! other.

use super::args::Global;
use super::exit::{Failure, note};
use super::{side_by_side, unmount};

/// Runs the command. A mount that cannot be locked does not keep the others open.
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let mounts = global.mounts()?;
    let locks = side_by_side(mounts, |live| unmount::lock(live, false));
    let mut failures: Vec<_> = locks.into_iter().filter_map(Result::err).collect();
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        note(&failure.to_string());
    }
    Err(last)
}
