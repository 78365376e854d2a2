//! The power is cut while a wallet in a SQLite file is written: at each change of the file, of its
//! journal and of their directory, with what was not synced written back or not. Whatever is left
//! opens as the wallet of one generation, whole, and no older than what was acknowledged.

use crate::disk::{Disk, write_out};
use crate::mounts::*;
use crate::support::items::all;
use crate::wallets::Sealed;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Arc;
use tokio::runtime::Runtime;
use walletfs::store::SqliteStore;

const FILE: &str = "wallet.sqlite";

/// Each of these is stored when it returns. Run in the directory `d` of the mount.
const ACTS: [&str; 9] = [
    "echo new > a/f",
    "echo more > a/g",
    "mv a/f a/h",
    "mv a/g a/h",
    "mv a/h b/h",
    "rm b/f",
    "mkdir c",
    "cd ..; mv d e; mv e d",
    "head -c 100000 /dev/urandom > a/large",
];

/// Proves semantics 8.17.
#[test]
fn a_power_cut_leaves_one_generation_whole() {
    let runtime = Runtime::new().unwrap();
    let sealed = runtime.block_on(Sealed::with(&[
        ("d/a/f", b"old"),
        ("d/b/f", b"other"),
        ("d/b/g", &[7; 20_000]),
    ]));
    let disk = Disk::new();
    runtime.block_on(sealed.put(&SqliteStore::open(disk.path(FILE), "default")));
    let config = json!({ "store": "local", "path": disk.path(FILE) });
    let wallet = Wallet::joined(&config, sealed.key());
    let mount = wallet.mount("w", &[]);

    // What each generation holds, and how many changes of the disk were made when it was
    // acknowledged.
    let look = || {
        let copy = tempfile::tempdir().unwrap();
        write_out(&disk.files(), copy.path());
        let store = Arc::new(SqliteStore::open(copy.path().join(FILE), "default"));
        runtime.block_on(sealed.find(store)).unwrap()
    };
    let mut generations = BTreeMap::new();
    let first = look();
    let mut acknowledged = vec![(0, first.generation)];
    generations.insert(first.generation, first.contents);
    disk.record();
    for act in ACTS {
        run(tool("sh").args(["-c", act]).current_dir(mount.path("d"))).success_with_notices();
        mount.settled();
        let found = look();
        acknowledged.push((disk.changes(), found.generation));
        generations.insert(found.generation, found.contents);
    }
    drop(mount);

    let cuts = disk.recorded();
    let (mut tried, mut rolled_back) = (0, 0);
    let mut opened = HashMap::new();
    let copy = tempfile::tempdir().unwrap();
    for (at, files) in cuts {
        let dir = copy.path().join(tried.to_string());
        fs::create_dir(&dir).unwrap();
        write_out(&files, &dir);
        tried += 1;
        rolled_back += usize::from(files.len() > 1);
        let store = Arc::new(SqliteStore::open(dir.join(FILE), "default"));
        let items = runtime.block_on(all(&*store)).into_iter();
        let items: Vec<_> = items.map(|i| (i.id, i.version, i.meta, i.data)).collect();
        // Opening derives keys, which takes a while: the same items are the same wallet.
        let found = opened.entry(items).or_insert_with(|| {
            let found = runtime.block_on(sealed.find(store));
            found.unwrap_or_else(|e| panic!("cut {tried} after change {at}: {e}"))
        });
        if let Some(known) = generations.get(&found.generation) {
            assert_eq!(*known, found.contents, "cut {tried} after change {at}");
        }
        let least = acknowledged.iter().rev().find(|(changes, _)| *changes < at);
        let (_, least) = least.expect("the first is acknowledged before any change");
        assert!(
            found.generation >= *least,
            "cut {tried} after change {at} leaves generation {}, and {least} was acknowledged",
            found.generation
        );
        fs::remove_dir_all(&dir).unwrap();
    }
    println!(
        "power cuts: {tried}, of which {rolled_back} with a journal; nothing acknowledged lost"
    );
    assert!(tried > 200 && rolled_back > 100, "{tried} {rolled_back}");
}
