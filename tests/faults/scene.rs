//! One mount under a fault: what is tried on it, how it recovers, and what another client finds then.

use crate::cold::Cold;
use crate::mounts::{Mount, wait_for};
use crate::outcomes::{
    DOMAIN, Expect, NEW, OLD, Operation, Outcome, Writer, applied, call, found, shown,
};
use crate::rig::{Rig, Row};
use crate::wallets::Sealed;
use serde_json::json;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The life of what a mount has in memory.
const TTL: Duration = Duration::from_millis(200);
const SHORT: [&str; 2] = ["--cache-ttl", "0.2"];

/// Scenes that do more than wait, at the same time.
pub(crate) static BUSY: Busy = Busy {
    free: Mutex::new(4),
    freed: Condvar::new(),
};

/// What all cells come to.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: AtomicUsize,
    pub(crate) lost: AtomicUsize,
    pub(crate) wrong: AtomicUsize,
    pub(crate) injected: AtomicUsize,
    pub(crate) longest: Mutex<(Duration, String)>,
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
pub(crate) struct Busy {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them; dropping it lets another one.
pub(crate) struct Permit(&'static Busy);

impl Busy {
    pub(crate) fn permit(&'static self) -> Permit {
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
pub(crate) struct Scene<'a> {
    pub(crate) row: &'a Row,
    pub(crate) rig: &'a dyn Rig,
    pub(crate) sealed: &'a Sealed,
    pub(crate) runtime: &'a Runtime,
    pub(crate) figures: &'a Figures,
}

pub(crate) type Judged = Vec<(Operation, Result<String, String>)>;

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
    pub(crate) fn calls(&self, operations: &[Operation], permit: Permit) -> Judged {
        let mount = self.mounted();
        self.rig.inject();
        drop(permit);
        let (outcomes, open): (Vec<Outcome>, Vec<_>) = thread::scope(|scope| {
            let calls: Vec<_> = operations
                .iter()
                .map(|operation| scope.spawn(|| call(*operation, &mount)))
                .collect();
            let ended = calls.into_iter().map(|call| call.join().unwrap());
            ended.unzip()
        });
        // Only now: the close of a new file commits, which is not to meet what the others ask.
        drop(open);
        self.finish(mount, outcomes)
    }

    /// Content that was written before and is closed in the fault.
    pub(crate) fn write_and_close(&self, permit: Permit) -> Judged {
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
    pub(crate) fn unmount(&self, permit: Permit) -> Judged {
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

    pub(crate) fn mount(&self, permit: Permit) -> Judged {
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

    pub(crate) fn cold_read(&self, permit: Permit) -> Judged {
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
