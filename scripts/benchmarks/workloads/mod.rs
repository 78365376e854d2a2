//! The workloads, in the order in which they are run.

mod changes;
mod contended;
mod counts;
mod growth;
mod importing;
mod listing;
mod loading;
mod memory;
mod parallel;
mod processes;
mod program;
mod reads;
mod writes;

use crate::Trouble;
use crate::bench::Bench;
use crate::outcome::Outcome;

/// A workload that runs alone by its name.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) run: fn(&Bench) -> Result<Vec<Outcome>, Trouble>,
}

const fn workload(
    name: &'static str,
    says: &'static str,
    run: fn(&Bench) -> Result<Vec<Outcome>, Trouble>,
) -> Workload {
    Workload { name, says, run }
}

pub(crate) const ALL: [Workload; 17] = [
    workload(
        "warm-read",
        "open, read and close of a secret in memory",
        reads::warm_read,
    ),
    workload(
        "stat",
        "stat of a secret within the life of its attributes",
        reads::stat,
    ),
    workload(
        "parallel",
        "2, 4 and 8 readers at the same time",
        parallel::readers,
    ),
    workload(
        "contended",
        "reads while a writer is at work, also with a far store",
        contended::reads,
    ),
    workload("cat", "one secret as a process shows it", processes::cat),
    workload("write-sqlite", "write and close, SQLite", writes::sqlite),
    workload(
        "write-dynamodb",
        "write and close, DynamoDB",
        writes::dynamodb,
    ),
    workload("changes", "create and rename", changes::changes),
    workload("unlock", "mount until it is ready", loading::unlock),
    workload(
        "first-read",
        "mount and first read of 1,000 secrets, DynamoDB",
        loading::first_read,
    ),
    workload(
        "listing",
        "ls, ls -l, find and grep -r of 10,000 secrets",
        listing::listing,
    ),
    workload("import", "import of 10,000 secrets", importing::import),
    workload(
        "program",
        "start of the program, and its size",
        program::program,
    ),
    workload("memory", "memory of the mount's process", memory::resident),
    workload("load", "load of 100,000 secrets", loading::load),
    workload(
        "requests",
        "requests, bytes and price on DynamoDB",
        counts::counts,
    ),
    workload(
        "growth",
        "each cost at 100 to 100,000 secrets",
        growth::growth,
    ),
];

/// The contender whose numbers stand first.
const OURS: &str = "walletfs";
const FLOOR: &str = "bare FUSE";
