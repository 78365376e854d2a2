//! Files that come and get other names.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, calls};
use crate::tree::{CONTENT, SECRET};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Changes in one round.
const CALLS: usize = 10;

/// Makes a file with content; another each time, all in one secret.
fn create(dir: &Path, number: &Cell<u64>, sync: bool) -> Result<(), Trouble> {
    number.set(number.get() + 1);
    let mut file = File::create_new(dir.join(format!("key {}", number.get())))?;
    file.write_all(CONTENT)?;
    if sync {
        file.sync_all()?;
    }
    Ok(())
}

/// Gives a file its other name: it has two, by turns.
fn rename(dir: &Path, number: &Cell<u64>) -> Result<(), Trouble> {
    number.set(number.get() + 1);
    let names = ["uid", "renamed"].map(|name| dir.join(name));
    let at = usize::from(number.get().is_multiple_of(2));
    Ok(fs::rename(&names[at], &names[1 - at])?)
}

pub(super) fn changes(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let device = bench.ordinary()?;
    let ours = device.mount(&[])?;
    let dir = |mount: &Path| mount.join(SECRET).with_file_name("");
    let mut places = vec![(OURS, ours.pid(), dir(ours.path()))];
    for peer in bench.peers()? {
        let mounted = &peer.mounted;
        places.push((peer.peer.name(), mounted.pid(), dir(mounted.path())));
    }
    let contenders = |act: fn(&Path, &Cell<u64>) -> Result<(), Trouble>, more: &str| {
        let contender = |(who, pid, dir): &(&str, u32, PathBuf)| {
            let (number, pid, dir) = (Cell::new(0), *pid, dir.clone());
            // Ours is on the disk in any case.
            let who = match *who == OURS {
                true => (*who).to_owned(),
                false => format!("{who}{more}"),
            };
            Contender::new(who, move || calls(CALLS, Some(pid), || act(&dir, &number)))
        };
        places.iter().map(contender).collect::<Vec<_>>()
    };
    let rounds = bench.rounds(8);
    let synced = |dir: &Path, number: &Cell<u64>| create(dir, number, true);
    let rows = series::in_turn(rounds, contenders(synced, ", fsync"))?;
    let what = "a new file with content in a secret, SQLite: on the disk when close returns";
    let created = Outcome::new("create", what, Unit::Seconds, rows);
    let rows = series::in_turn(rounds, contenders(rename, ""))?;
    let what = "a rename within a secret, SQLite: on the disk when it returns (the peers' is not)";
    let renamed = Outcome::new("rename", what, Unit::Seconds, rows);
    // Others read the same secrets after this.
    for (_, _, dir) in &places[1..] {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b"key ") {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(vec![created, renamed])
}
