//! Several processes at once, and several calls. Another process is this test program again.

use crate::support::items::{all, create, id, item, replace};
use crate::{Place, SECRETS, mode};
use rusqlite::Connection;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use walletfs::store::{Change, Commit, DEADLINE, Id, SqliteStore, Store, StoreError};

/// Set for another process: what it shall do, and with which file.
const CHILD: &str = "WALLETFS_TEST_CHILD";
const FILE: &str = "WALLETFS_TEST_FILE";

const COMMITS: u64 = 25;

/// The part of another process; without a parent there is nothing to do.
#[tokio::test]
async fn child() {
    let Ok(duty) = std::env::var(CHILD) else {
        return;
    };
    let store = SqliteStore::open(std::env::var(FILE).expect("the parent names it"), "wallet");
    match &*duty {
        "create" => {
            store.create().await.expect("the file is made");
        }
        "raise" => {
            // All begin at the same moment.
            wait_for(&store, id(SECRETS)).await;
            raise(&store, COMMITS).await;
        }
        "raise for ever" => raise(&store, u64::MAX).await,
        other => panic!("{other}"),
    }
}

async fn wait_for(store: &SqliteStore, signal: Id) {
    while store.get(signal).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Raises the head by one, and every secret with it, this many times.
async fn raise(store: &SqliteStore, commits: u64) {
    let mut head = store.get(Id::Head).await.unwrap().expect("the head");
    let mut done = 0;
    while done < commits {
        let (old, new) = (head.version, head.version + 1);
        let mut changes: Vec<Change> = (0..SECRETS)
            .map(|n| replace(&item(id(n), new), old))
            .collect();
        changes.push(replace(&item(Id::Head, new), old));
        match store.commit(changes).await {
            Ok(Commit::Done) => {
                head.version = new;
                done += 1;
            }
            Ok(Commit::Refused(refusals)) => {
                head = refusals.into_iter().last().unwrap().winner.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn spawn(duty: &str, file: &Path, umask: &str) -> Child {
    Command::new("sh")
        .args(["-c", r#"umask "$0"; exec "$@""#, umask])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child"])
        .env(CHILD, duty)
        .env(FILE, file)
        .stdout(Stdio::null())
        .spawn()
        .expect("another process starts")
}

#[tokio::test]
async fn several_processes_lose_nothing() {
    const PROCESSES: u64 = 4;
    let (place, store) = Place::with_wallet().await;
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| spawn("raise", &place.path, "077"))
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let signal = item(id(SECRETS), 1 + PROCESSES * COMMITS);
    assert_eq!(store.commit(vec![create(&signal)]).await, Ok(Commit::Done));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let items = all(&store).await;
    assert_eq!(items.len() as u32, SECRETS + 2);
    for item in items {
        assert_eq!(item.version, 1 + PROCESSES * COMMITS);
    }
}

/// A process that is killed while it writes leaves the whole commit or nothing of it.
#[tokio::test]
async fn a_killed_writer_leaves_whole_commits() {
    let (place, store) = Place::with_wallet().await;
    let mut reached = 1;
    for round in 0..5 {
        let mut child = spawn("raise for ever", &place.path, "077");
        while store.get(Id::Head).await.unwrap().unwrap().version < reached + 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Each round ends at another moment of a commit.
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let items = all(&store).await;
        reached = items[0].version;
        assert_eq!(items.len() as u32, SECRETS + 1);
        for found in items {
            assert_eq!(found, item(found.id, reached));
        }
    }
}

#[tokio::test]
async fn the_file_is_its_owners_only_whatever_the_umask() {
    for umask in ["000", "022", "777"] {
        let place = Place::empty();
        let path = place.directory.path().join("new/state/wallet.sqlite");
        assert!(spawn("create", &path, umask).wait().unwrap().success());
        assert_eq!(mode(&path), 0o600, "umask {umask}");
        for directory in ["new", "new/state"] {
            let directory = place.directory.path().join(directory);
            assert_eq!(mode(&directory), 0o700, "umask {umask}");
        }
        let store = SqliteStore::open(&path, "wallet");
        assert_eq!(store.get(Id::Head).await, Ok(None));
    }
}

/// Another process holds the file for a while: a call waits for it, and holds no thread of the
/// runtime meanwhile.
#[tokio::test(flavor = "current_thread")]
async fn a_lock_is_waited_for_without_holding_the_runtime() {
    let (place, store) = Place::with_wallet().await;
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let store = Arc::new(store);
    let waiting = Arc::clone(&store);
    let call = tokio::spawn(async move { waiting.get(Id::Head).await });
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!call.is_finished());
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(call.await.unwrap(), Ok(Some(item(Id::Head, 1))));
}

/// Another process is in the middle of a commit: reads go on, and a commit waits until it has ended
/// and then finds what it wrote.
#[tokio::test]
async fn another_writer_is_waited_for() {
    let (place, store) = Place::with_wallet().await;
    let other = Connection::open(&place.path).unwrap();
    other
        .execute_batch("BEGIN IMMEDIATE; UPDATE items SET version = 7 WHERE id = 'head'")
        .unwrap();
    let store = Arc::new(store);
    let waiting = Arc::clone(&store);
    let changes = vec![replace(&item(Id::Head, 2), 1)];
    let call = tokio::spawn(async move { waiting.commit(changes).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(store.get(Id::Head).await, Ok(Some(item(Id::Head, 1))));
    assert!(!call.is_finished());
    other.execute_batch("COMMIT").unwrap();
    match call.await.unwrap() {
        Ok(Commit::Refused(refusals)) => {
            assert_eq!(refusals[0].winner.as_ref().unwrap().version, 7);
        }
        other => panic!("{other:?}"),
    }
}

/// It holds the file for longer than the deadline: the call says so before that.
#[tokio::test]
async fn a_lock_that_stays_is_busy() {
    let (place, store) = Place::with_wallet().await;
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begin = Instant::now();
    let changes = vec![replace(&item(Id::Head, 2), 1)];
    let (read, written) = tokio::join!(store.get(Id::Head), store.commit(changes));
    for error in [read.map(drop), written.map(drop)] {
        assert!(matches!(error, Err(StoreError::Busy(_))), "{error:?}");
    }
    assert!(begin.elapsed() < DEADLINE, "{:?}", begin.elapsed());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.get(Id::Head).await, Ok(Some(item(Id::Head, 1))));
}

/// Reads run at the same time: one that is slow does not hold up another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_calls_at_once_are_answered() {
    let (_place, store) = Place::with_wallet().await;
    let store = Arc::new(store);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(&store);
        calls.spawn(async move {
            let wanted = id(n % SECRETS);
            assert_eq!(store.get(wanted).await, Ok(Some(item(wanted, 1))));
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("a call ends well");
    }
}
