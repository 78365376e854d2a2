//! Names of many secrets, and all that they hold.

use super::OURS;
use crate::Trouble;
use crate::bench::{Bench, is_there};
use crate::mounts::{Mounted, Peer, Sealed};
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, Sample};
use crate::tree::Shape;
use crate::usage::{self, Program};

/// A mount of many secrets, by name.
struct Full {
    who: &'static str,
    mounted: Mounted,
    _sealed: Option<Sealed>,
}

/// Those whose bars are here. CryFS needs minutes to make so many files.
const PEERS: [Peer; 2] = [Peer::Gocryptfs, Peer::Securefs];

fn full(bench: &Bench, shape: Shape, count: usize) -> Result<Vec<Full>, Trouble> {
    let ours = bench.wallet(shape, count)?.device.mount(&[])?;
    let mut full = vec![Full {
        who: OURS,
        mounted: ours,
        _sealed: None,
    }];
    for peer in PEERS {
        if is_there(peer.name()) {
            let sealed = Sealed::new(peer)?;
            let mounted = sealed.mount()?;
            shape.make(count, mounted.path())?;
            full.push(Full {
                who: peer.name(),
                mounted,
                _sealed: Some(sealed),
            });
        }
    }
    Ok(full)
}

/// One run of a tool on each of them.
fn tool(
    bench: &Bench,
    full: &[Full],
    workload: &str,
    tool: &[&str],
    below: &str,
) -> Result<Outcome, Trouble> {
    let contender = |full: &Full| {
        let (pid, path) = (full.mounted.pid(), full.mounted.path().join(below));
        let tool: Vec<String> = tool.iter().map(|word| (*word).to_owned()).collect();
        Contender::new(full.who, move || {
            let before = usage::cpu_of(pid)?;
            let mut program = Program::new(&tool[0])?;
            program.args(&tool[1..]).arg(&path);
            let (ended, said) = program.output()?;
            if said.is_empty() {
                return Err("it found nothing".into());
            }
            let used = usage::cpu_of(pid)?.saturating_sub(before) + ended.cpu;
            Ok(Sample {
                value: ended.wall.as_secs_f64(),
                cpu: Some(used.as_secs_f64()),
                peak: Some(usage::memory_of(pid)?.1),
            })
        })
    };
    let rows = series::in_turn(bench.rounds(6), full.iter().map(contender).collect())?;
    let what = format!("`{}`, warm", tool.join(" "));
    Ok(Outcome::new(workload, what, Unit::Seconds, rows))
}

pub(super) fn listing(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let count = match bench.quick {
        true => 2000,
        false => 10_000,
    };
    let mut outcomes = Vec::new();
    {
        let full = full(bench, Shape::OneDomain, count)?;
        let on = |workload: &str, words: &[&str], below: &str, says: &str| {
            let mut outcome = tool(bench, &full, workload, words, below)?;
            outcome.what = format!("{} of {says} {count} secrets", outcome.what);
            Ok::<_, Trouble>(outcome)
        };
        outcomes.push(on("ls", &["ls"], "all", "one domain with")?);
        let mut long = on("ls-l", &["ls", "-l"], "all", "one domain with")?;
        long.within(0.7, OURS, "gocryptfs")?;
        long.within(1.2, OURS, "securefs")?;
        outcomes.push(long);
        let mut find = on("find", &["find"], "", "a wallet of")?;
        find.within(1.0, OURS, "gocryptfs")?;
        outcomes.push(find);
        let mut grep = on("grep", &["grep", "-r", "Pw-1234-"], "", "a wallet of")?;
        grep.within(1.0, OURS, "gocryptfs")?;
        outcomes.push(grep);
    }
    let full = full(bench, Shape::ManyDomains, count)?;
    for (workload, words) in [("ls-domains", &["ls"][..]), ("ls-l-domains", &["ls", "-l"])] {
        let mut outcome = tool(bench, &full, workload, words, "")?;
        outcome.what = format!("{} of a wallet of {count} domains", outcome.what);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
