//! Every fault at every kind of call: the right errno in bounded time, a mount that lives on and
//! recovers by itself, nothing acknowledged lost, nothing applied twice.
//!
//! Every cell's mount and wallet are its own, and many are tried at the same time: waiting for a
//! deadline costs nothing.

use crate::cold::Cold;
use crate::mounts::{Mount, Wallet, wait_for};
use crate::outcomes::{
    DOMAIN, Expect, NEW, OLD, Operation, Outcome, Writer, applied, call, files, found, shown,
};
use crate::support::matrix::Matrix;
use crate::wallets::Sealed;
use crate::{dynamodb, sqlite};
use serde_json::json;
use std::collections::VecDeque;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use walletfs::store::Store;

/// A fault, and what it comes to.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Calls that memory answers.
    pub(crate) memory: Expect,
    /// Calls that ask the store: a cold read, opening for writing.
    pub(crate) asks: Expect,
    /// Calls that commit.
    pub(crate) commits: Expect,
    /// The exit code of `mount`.
    pub(crate) mount: i32,
    /// What the log, or `mount`, says of it.
    pub(crate) says: &'static str,
    /// Whether a commit that fails may have been made.
    pub(crate) may_apply: bool,
}

/// A store that has a fault while it is told to.
pub(crate) trait Rig: Send + Sync {
    /// The device.
    fn wallet(&self) -> &Wallet;
    /// What comes before anything is mounted.
    fn prepare(&self) {}
    /// The fault begins.
    fn inject(&self);
    /// It ends.
    fn heal(&self);
    /// As [`Rig::heal`], for a mount whose credentials nobody renews.
    fn relent(&self) {
        self.heal();
    }
    /// The store, as another device that the fault does not concern has it.
    fn direct(&self) -> Arc<dyn Store>;
    /// The store with its fault, for a mount of this process.
    fn through(&self) -> Arc<dyn Store>;
    /// Calls of the store that met the fault.
    fn injected(&self) -> usize;
    /// Commits that another device made meanwhile.
    fn others(&self) -> u64 {
        0
    }
}

/// The life of what a mount has in memory.
const TTL: Duration = Duration::from_millis(200);
const SHORT: [&str; 2] = ["--cache-ttl", "0.2"];

/// Scenes that are tried at the same time, and those of them that do more than wait.
const AT_ONCE: usize = 64;
static BUSY: Busy = Busy {
    free: Mutex::new(4),
    freed: Condvar::new(),
};

/// What all cells come to.
#[derive(Default)]
struct Figures {
    acknowledged: AtomicUsize,
    lost: AtomicUsize,
    wrong: AtomicUsize,
    injected: AtomicUsize,
    longest: Mutex<(Duration, String)>,
}

impl Figures {
    fn took(&self, row: &Row, outcome: &Outcome) {
        let mut longest = self.longest.lock().unwrap();
        if outcome.took > longest.0 {
            let what = format!("{}, {}", outcome.operation.name(), row.name);
            *longest = (outcome.took, what);
        }
    }
}

/// Lets so many threads at once be busy, so that what is measured is the program and not the rush.
struct Busy {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them; dropping it lets another one.
struct Permit(&'static Busy);

impl Busy {
    fn permit(&'static self) -> Permit {
        let free = self.free.lock().unwrap();
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap();
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap() += 1;
        self.0.freed.notify_one();
    }
}

/// One mount under a fault, and the operations that are tried on it.
struct Scene<'a> {
    row: &'a Row,
    rig: &'a dyn Rig,
    sealed: &'a Sealed,
    runtime: &'a Runtime,
    figures: &'a Figures,
}

type Judged = Vec<(Operation, Result<String, String>)>;

impl Scene<'_> {
    fn expect(&self, operation: Operation) -> Expect {
        use Operation::*;
        match operation {
            WarmRead | Stat | List => self.row.memory,
            ColdRead | OpenToWrite | Create => self.row.asks,
            WriteClose | Rename | Unlink | Mkdir | Rmdir | Unmount => self.row.commits,
            Mount => unreachable!("it has an exit code"),
        }
    }

    /// Mounts, and waits until what is in memory is old.
    fn mounted(&self) -> Mount<'_> {
        let mount = self.rig.wallet().mount("w", &SHORT);
        assert_eq!(shown(&mount).len(), 6);
        thread::sleep(TTL + Duration::from_millis(50));
        mount
    }

    /// Tries operations that are one call each, side by side.
    fn calls(&self, operations: &[Operation], permit: Permit) -> Judged {
        let mount = self.mounted();
        self.rig.inject();
        drop(permit);
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let calls: Vec<_> = operations
                .iter()
                .map(|operation| scope.spawn(|| call(*operation, &mount)))
                .collect();
            let ended = calls.into_iter().map(|call| call.join().unwrap());
            ended.collect()
        });
        self.finish(mount, outcomes)
    }

    /// Content that was written before and is closed in the fault.
    fn write_and_close(&self, permit: Permit) -> Judged {
        let mount = self.mounted();
        let writer = Writer::begin(&mount);
        thread::sleep(TTL);
        self.rig.inject();
        drop(permit);
        let (result, took) = writer.close();
        let outcome = Outcome {
            operation: Operation::WriteClose,
            result,
            took,
        };
        self.finish(mount, vec![outcome])
    }

    /// Content that `close` could not store is tried again by the unmount, which is refused.
    fn unmount(&self, permit: Permit) -> Judged {
        let mut mount = self.mounted();
        let writer = Writer::begin(&mount);
        thread::sleep(TTL);
        self.rig.inject();
        drop(permit);
        let (result, _) = writer.close();
        let begin = Instant::now();
        let unmounted = mount.try_unmount();
        let outcome = Outcome {
            operation: Operation::Unmount,
            result,
            took: begin.elapsed(),
        };
        match (unmounted, self.row.commits) {
            (Ok(()), Expect::Works) => {
                self.rig.heal();
                drop(mount);
                let permit = BUSY.permit();
                let mount = self.mounted_again();
                drop(permit);
                self.finish(mount, vec![outcome])
            }
            (Err((13, said)), Expect::Fails(_) | Expect::FailsAs(_))
                if said.contains("stays mounted") =>
            {
                self.finish(mount, vec![outcome])
            }
            (unmounted, _) => vec![(Operation::Unmount, Err(format!("{unmounted:?}")))],
        }
    }

    fn mounted_again(&self) -> Mount<'_> {
        self.rig.wallet().mount("w", &SHORT)
    }

    fn mount(&self, permit: Permit) -> Judged {
        self.rig.inject();
        drop(permit);
        let begin = Instant::now();
        let mounted = self.rig.wallet().try_mount("w", &SHORT);
        let took = begin.elapsed();
        let (code, said) = match &mounted {
            Ok(_) => (0, String::new()),
            Err((code, said)) => (*code, said.clone()),
        };
        let shown = format!("exit {code} {:.1} s", took.as_secs_f64());
        let right = code == self.row.mount && (code == 0 || said.contains(self.row.says));
        let first = match right {
            true => Ok(shown),
            false => Err(format!("{shown}: {said}")),
        };
        self.figures
            .injected
            .fetch_add(self.rig.injected(), Ordering::Relaxed);
        self.rig.heal();
        let mount = match mounted {
            Ok(mount) => mount,
            Err(_) => self.mounted_again(),
        };
        let value = fs::read(mount.path(DOMAIN).join("savings/token")).unwrap();
        assert_eq!(value, OLD.as_bytes());
        vec![(Operation::Mount, first)]
    }

    fn cold_read(&self, permit: Permit) -> Judged {
        let cold = Cold::mount(self.sealed, self.rig.through(), TTL);
        let path = cold.path(DOMAIN).join("savings/token");
        // Another file: this one may be open still for a moment, and then memory answers.
        let other = cold.path(DOMAIN).join("current/token");
        assert_eq!(fs::read(other).unwrap(), OLD.as_bytes());
        thread::sleep(TTL + Duration::from_millis(50));
        self.rig.inject();
        drop(permit);
        let begin = Instant::now();
        let result = fs::read(&path);
        let outcome = Outcome {
            operation: Operation::ColdRead,
            took: begin.elapsed(),
            result: match result {
                Ok(value) if value == OLD.as_bytes() => Ok(()),
                Ok(_) => Err(0),
                Err(e) => Err(e.raw_os_error().unwrap_or(-1)),
            },
        };
        self.figures.took(self.row, &outcome);
        self.figures
            .injected
            .fetch_add(self.rig.injected(), Ordering::Relaxed);
        self.rig.relent();
        wait_for("the value is read again", || {
            fs::read(&path).is_ok_and(|value| value == OLD.as_bytes())
        });
        vec![(
            Operation::ColdRead,
            outcome.judge(self.expect(Operation::ColdRead)),
        )]
    }

    /// The fault ends; the mount is used as before, and another client looks at what is stored.
    fn finish(&self, mount: Mount<'_>, outcomes: Vec<Outcome>) -> Judged {
        let _permit = BUSY.permit();
        // It lives, and says so.
        assert_eq!(mount.status()["pid"], json!(mount.pid()));
        self.figures
            .injected
            .fetch_add(self.rig.injected(), Ordering::Relaxed);
        self.rig.heal();
        let current = mount.path(DOMAIN).join("current");
        wait_for("a file can be opened for writing again", || {
            let file = current.join("token");
            fs::File::options().write(true).open(file).is_ok()
        });
        fs::write(current.join("after"), NEW).unwrap();
        wait_for("what was kept is stored", || {
            // Who looks has it tried again.
            for file in ["savings/token", "savings/new"] {
                let _ = fs::metadata(mount.path(DOMAIN).join(file));
            }
            let status = mount.status();
            status["unsaved"] == json!(0) && status["failed"] == json!(0)
        });
        let there = self.runtime.block_on(self.sealed.find(self.rig.direct()));
        let there = there.unwrap();

        let base = self.sealed.generation() + self.rig.others() + 1;
        let mut commits = 0;
        let mut judged: Judged = Vec::new();
        for outcome in &outcomes {
            self.figures.took(self.row, outcome);
            let expected = self.expect(outcome.operation);
            let stored = applied(outcome.operation, &there.contents);
            let verdict = match stored {
                Err(wrong) => {
                    self.figures.wrong.fetch_add(1, Ordering::Relaxed);
                    Err(wrong)
                }
                Ok(stored) => {
                    commits += u64::from(stored);
                    self.judge(outcome, stored).and(outcome.judge(expected))
                }
            };
            judged.push((outcome.operation, verdict));
        }
        let mut ill = Vec::new();
        self.figures.acknowledged.fetch_add(1, Ordering::Relaxed);
        if there.contents[DOMAIN]["current"]["info"]["after"] != json!(NEW) {
            self.figures.lost.fetch_add(1, Ordering::Relaxed);
            ill.push("what was written afterwards is lost".to_owned());
        }
        if there.generation != base + commits {
            let counted = there.generation as i64 - base as i64;
            ill.push(format!("{counted} commits for {commits} changes"));
        }
        thread::sleep(TTL + Duration::from_millis(50));
        if shown(&mount) != found(&there.contents) {
            ill.push("the mount shows other names than are stored".to_owned());
        }
        let log = self.rig.wallet().log();
        let failed = outcomes.iter().any(|outcome| outcome.result.is_err());
        if failed && !log.contains(self.row.says) {
            ill.push(format!("the log does not say {:?}: {log}", self.row.says));
        }
        if [DOMAIN, "savings", OLD, NEW]
            .iter()
            .any(|w| log.contains(w))
        {
            ill.push("the log names a secret".to_owned());
        }
        if !ill.is_empty() {
            for (_, verdict) in &mut judged {
                *verdict = Err(ill.join("; "));
            }
        }
        judged
    }

    /// Whether what is stored fits what the caller was told.
    fn judge(&self, outcome: &Outcome, stored: bool) -> Result<String, String> {
        use Operation::*;
        let kept = matches!(outcome.operation, WriteClose | Unmount);
        let changes = kept || matches!(outcome.operation, Create | Rename | Unlink | Mkdir | Rmdir);
        if !changes {
            return Ok(String::new());
        }
        if outcome.result.is_ok() || kept {
            self.figures.acknowledged.fetch_add(1, Ordering::Relaxed);
            if !stored {
                self.figures.lost.fetch_add(1, Ordering::Relaxed);
                return Err("acknowledged and lost".into());
            }
        } else if stored && !self.row.may_apply {
            return Err("refused, and done all the same".into());
        }
        Ok(String::new())
    }
}

/// Tries every row on rigs that `rig` makes, and prints what became of it.
fn matrix(
    store: &str,
    rows: &[Row],
    sealed: &Sealed,
    rig: impl Fn(&Row, &Runtime) -> Box<dyn Rig> + Sync,
) {
    let runtime = Runtime::new().unwrap();
    let figures = Figures::default();
    let columns = Operation::ALL.map(Operation::name);
    let matrix = Matrix::new(
        &format!("Faults of {store}"),
        "fault \\ operation",
        rows.iter().map(|row| row.name),
        columns,
    );
    let mut scenes: VecDeque<(&Row, Vec<Operation>)> = VecDeque::new();
    for row in rows {
        scenes.extend(Operation::ALONE.map(|operation| (row, vec![operation])));
        scenes.push_back((row, Operation::TOGETHER.to_vec()));
        scenes.push_back((row, vec![Operation::Mount]));
        scenes.push_back((row, vec![Operation::ColdRead]));
    }
    let scenes = Mutex::new(scenes);
    let next = || scenes.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((row, operations)) = next() {
                    let tried = catch_unwind(AssertUnwindSafe(|| {
                        let permit = BUSY.permit();
                        let rig = rig(row, &runtime);
                        rig.prepare();
                        let scene = Scene {
                            row,
                            rig: &*rig,
                            sealed,
                            runtime: &runtime,
                            figures: &figures,
                        };
                        match operations[0] {
                            Operation::Mount => scene.mount(permit),
                            Operation::ColdRead => scene.cold_read(permit),
                            Operation::WriteClose => scene.write_and_close(permit),
                            Operation::Unmount => scene.unmount(permit),
                            _ => scene.calls(&operations, permit),
                        }
                    }));
                    let tried = tried.unwrap_or_else(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.unwrap_or_else(|| "a panic".into());
                        let verdict = |operation: &Operation| (*operation, Err(text.clone()));
                        operations.iter().map(verdict).collect()
                    });
                    for (operation, verdict) in tried {
                        matrix.cell(row.name, operation.name(), verdict);
                    }
                }
            });
        }
    });
    let figure = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    matrix.figure("writes acknowledged", figure(&figures.acknowledged));
    matrix.figure("faults injected", figure(&figures.injected));
    matrix.figure("writes lost", figure(&figures.lost));
    matrix.figure("wrong values", figure(&figures.wrong));
    let (longest, what) = figures.longest.lock().unwrap().clone();
    let longest = format!("{:.1} s ({what})", longest.as_secs_f64());
    matrix.figure("longest blocked call", longest);
    matrix.finish();
}

fn sealed() -> Sealed {
    Runtime::new().unwrap().block_on(Sealed::with(&files()))
}

#[test]
fn matrix_of_dynamodb() {
    let (sealed, engine) = (sealed(), crate::support::dynamodb::Engine::start());
    matrix("DynamoDB", &dynamodb::rows(), &sealed, |row, runtime| {
        Box::new(dynamodb::Rig::new(row.name, &engine, &sealed, runtime))
    });
}

#[test]
fn matrix_of_sqlite() {
    let sealed = sealed();
    matrix("SQLite", &sqlite::rows(), &sealed, |row, runtime| {
        Box::new(sqlite::Rig::new(row.name, &sealed, runtime))
    });
}
