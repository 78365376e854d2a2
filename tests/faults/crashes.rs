//! The daemon is killed by SIGKILL at each of its store calls, before the store has heard of it,
//! after it has done it and before the answer, and just after the answer. Mounted again, each file
//! holds its old or its new content, whole, and what was acknowledged is new.
//!
//! `power.rs` opens every state that a SQLite file passes through; here the process behind it is
//! killed for real.

use crate::disk::{Disk, Fate as DiskFate};
use crate::mounts::*;
use crate::outcomes::{files, found, shown};
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Fate, HttpCount};
use crate::wallets::Sealed;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use walletfs::store::{SqliteStore, Store};

/// What a program does, step by step: each is acknowledged when the call returns.
const ACTS: [(&str, &[&str]); 6] = [
    ("write", &["put('heronbank/savings/token', b'okapi')"]),
    ("create", &["put('heronbank/savings/new', b'okapi' * 1000)"]),
    (
        "rename",
        &["os.rename('heronbank/savings/second', 'heronbank/current/token')"],
    ),
    ("unlink", &["os.unlink('heronbank/savings/second')"]),
    ("domain rename", &["os.rename('heronbank', 'egretbank')"]),
    (
        "several files",
        &[
            "put('heronbank/savings/token', b'okapi')",
            "os.mkdir('heronbank/fresh')",
            "put('heronbank/fresh/one', b'okapi')",
            "os.rename('heronbank/current', 'heronbank/checking')",
        ],
    ),
];

/// When the daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The call has left it, and the store has not heard of it.
    Before,
    /// The store has done it, and the daemon has not heard of that.
    After,
    /// A moment after the answer.
    Answered,
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::After, Moment::Answered];

/// Kills at the same time: a process takes a while to die.
const AT_ONCE: usize = 6;

/// How long a daemon goes on after an answer before it is killed.
const A_MOMENT: Duration = Duration::from_millis(2);

/// A store whose calls are counted, and one of which is the daemon's last.
trait Target: Sync {
    fn wallet(&self) -> &Wallet;
    fn direct(&self) -> Arc<dyn Store>;
    /// From now on calls are counted from 0, and `reached` is told when `at` comes to this moment.
    fn arm(&self, at: usize, moment: Moment, reached: Sender<()>);
    /// Calls since then; nothing waits any more.
    fn disarm(&self) -> usize;
}

/// What is stored before a script and after each of its steps, and how many calls that takes.
fn states(
    target: &dyn Target,
    sealed: &Sealed,
    runtime: &Runtime,
    steps: &[&str],
) -> (Vec<Value>, usize) {
    let mount = target.wallet().mount("w", &[]);
    let look = || runtime.block_on(sealed.find(target.direct())).unwrap();
    let mut states = vec![look().contents];
    // Nobody is told: it has no such call.
    target.arm(usize::MAX, Moment::Before, channel().0);
    for step in steps {
        run(python(step).current_dir(mount.dir())).success();
        mount.settled();
        states.push(look().contents);
    }
    (states, target.disarm())
}

/// Kills the daemon at a call of a script, and looks what is there. Gives the steps that were
/// acknowledged, or `None` if the script came to its end before.
fn kill_at(
    target: &dyn Target,
    sealed: &Sealed,
    runtime: &Runtime,
    steps: &[&str],
    states: &[Value],
    (at, moment): (usize, Moment),
) -> Option<usize> {
    let mount = target.wallet().mount("w", &[]);
    let (asked, reached) = channel();
    let script: String = steps
        .iter()
        .map(|step| format!("{step}\nprint('done', flush=True)\n"))
        .collect();
    target.arm(at, moment, asked.clone());
    let mut command = python(&script);
    command.current_dir(mount.dir());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let ended = asked;
    let lines = thread::spawn(move || {
        let count = BufReader::new(output).lines().count();
        // Nobody may wait for it any more.
        let _ = ended.send(());
        count
    });
    reached.recv().unwrap();
    if moment == Moment::Answered {
        thread::sleep(A_MOMENT);
    }
    let pid = mount.pid();
    kill(pid);
    let calls = target.disarm();
    mount.kill();
    child.wait().unwrap();
    let done = lines.join().unwrap();

    let again = target.wallet().mount("w", &[]);
    let there = runtime.block_on(sealed.find(target.direct())).unwrap();
    let at_least = states.iter().position(|state| *state == there.contents);
    let state = at_least.unwrap_or_else(|| {
        panic!(
            "killed {moment:?} call {at} of {steps:?}: this is of no moment: {}",
            there.contents
        )
    });
    assert!(
        state == done || state == done + 1,
        "killed {moment:?} call {at} of {steps:?}: {done} steps were acknowledged, {state} are there"
    );
    if there.contents["heronbank"].is_object() {
        assert_eq!(shown(&again), found(&there.contents));
    }
    (calls > at).then_some(done)
}

/// Kills at each call of each act, some at the same time, and prints how often.
fn at_each_call<T: Target>(
    store: &str,
    acts: &[(&str, &[&str])],
    moments: &[Moment],
    least: usize,
    target: impl Fn(&Sealed, &Handle) -> T + Sync,
) {
    let runtime = Runtime::new().unwrap();
    let sealed = runtime.block_on(Sealed::with(&files()));
    let new = || target(&sealed, runtime.handle());
    let (kills, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let acts: Vec<_> = acts
        .iter()
        .map(|(name, steps)| {
            let (states, calls) = states(&new(), &sealed, &runtime, steps);
            assert!(calls >= steps.len(), "{name} has {calls} calls");
            (steps, states, calls)
        })
        .collect();
    let kinds = acts.iter().flat_map(|(steps, states, calls)| {
        let at = (0..*calls).flat_map(|at| moments.iter().map(move |moment| (at, *moment)));
        at.map(move |when| (*steps, states, when))
    });
    let queue: Mutex<VecDeque<_>> = Mutex::new(kinds.collect());
    let next = || queue.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((steps, states, when)) = next() {
                    let killed = kill_at(&new(), &sealed, &runtime, steps, states, when);
                    // A daemon that has looked at the head just before does not look again, so the
                    // last calls may be missing.
                    if let Some(done) = killed {
                        kills.fetch_add(1, Ordering::Relaxed);
                        acknowledged.fetch_add(done, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let kills = kills.into_inner();
    assert!(kills >= least, "killed at {kills} calls");
    println!(
        "{store}: killed at {kills} calls, {} changes acknowledged before, lost: 0",
        acknowledged.into_inner()
    );
}

struct Table {
    wallet: Wallet,
    proxy: HttpCount,
    direct: Arc<dyn Store>,
}

impl Target for Table {
    fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    fn direct(&self) -> Arc<dyn Store> {
        self.direct.clone()
    }

    fn arm(&self, at: usize, moment: Moment, reached: Sender<()>) {
        self.proxy.take();
        let mut calls = 0;
        self.proxy.plan(move |_| {
            calls += 1;
            if calls <= at {
                return Fate::Forward;
            }
            // It may have been told already.
            let _ = reached.send(());
            match moment {
                Moment::Before => Fate::Hang,
                Moment::After => Fate::HangAfter,
                Moment::Answered => Fate::Forward,
            }
        });
    }

    fn disarm(&self) -> usize {
        if self.proxy.counts().contains_key("TransactWriteItems") {
            // What was passed on to the engine reaches it.
            thread::sleep(Duration::from_millis(100));
        }
        let calls = self.proxy.take().values().sum();
        self.proxy.heal();
        calls
    }
}

/// Proves semantics 8.17.
#[test]
fn killed_at_each_call_of_dynamodb() {
    let engine = Engine::start();
    at_each_call("DynamoDB", &ACTS, &MOMENTS, 30, |sealed, runtime| {
        let options = engine.options("default");
        runtime.block_on(async {
            let direct = Arc::new(engine.connect(options.clone()).await);
            sealed.put(&*direct).await;
            let proxy = HttpCount::before(engine.url()).await;
            let config = json!({
                "store": "dynamodb",
                "table": options.table,
                "endpoint-url": proxy.url(),
            });
            Table {
                wallet: Wallet::joined(&config, sealed.key()),
                proxy,
                direct,
            }
        })
    });
}

struct File {
    wallet: Wallet,
    disk: Disk,
    direct: Arc<dyn Store>,
    calls: Arc<AtomicUsize>,
}

impl File {
    fn new(sealed: &Sealed, runtime: &Handle) -> File {
        let disk = Disk::new();
        let path = disk.path("wallet.sqlite");
        let direct = Arc::new(SqliteStore::open(&path, "default"));
        runtime.block_on(sealed.put(&*direct));
        let config = json!({ "store": "local", "path": path });
        File {
            wallet: Wallet::joined(&config, sealed.key()),
            disk,
            direct,
            calls: Arc::default(),
        }
    }
}

impl Target for File {
    fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    fn direct(&self) -> Arc<dyn Store> {
        self.direct.clone()
    }

    fn arm(&self, at: usize, moment: Moment, reached: Sender<()>) {
        let calls = self.calls.clone();
        calls.store(0, Ordering::Release);
        self.disk.plan(move |call| {
            if !call.op.changes() || calls.fetch_add(1, Ordering::AcqRel) < at {
                return DiskFate::Go;
            }
            // It may have been told already.
            let _ = reached.send(());
            match moment {
                Moment::Before => DiskFate::Lost,
                Moment::After => DiskFate::Unanswered,
                Moment::Answered => DiskFate::Go,
            }
        });
    }

    fn disarm(&self) -> usize {
        self.disk.heal();
        self.calls.load(Ordering::Acquire)
    }
}

/// What the kernel has cached of a mount whose process was killed does not pass for a mount that
/// lives.
#[test]
fn a_dead_mount_is_cleared_at_once() {
    let runtime = Runtime::new().unwrap();
    let sealed = runtime.block_on(Sealed::with(&files()));
    let file = File::new(&sealed, runtime.handle());
    let mount = file.wallet().mount("w", &["--cache-ttl", "60"]);
    assert!(mount.dir().metadata().unwrap().is_dir());
    mount.kill();
    let mount = file.wallet().mount("w", &[]);
    assert_eq!(shown(&mount).len(), 6);
}

/// At each change of the file or its journal.
#[test]
fn killed_at_each_change_of_a_sqlite_file() {
    let write = &ACTS[..1];
    at_each_call("SQLite", write, &[Moment::Before], 12, File::new);
}
