//! Every fault at every kind of call: the right errno in bounded time, a mount that lives on and
//! recovers by itself, nothing acknowledged lost, nothing applied twice.
//!
//! Every cell's mount and wallet are its own, and many are tried at the same time: waiting for a
//! deadline costs nothing.

use crate::outcomes::{Operation, files};
use crate::rig::{Rig, Row};
use crate::scene::{BUSY, Figures, Scene};
use crate::support::matrix::Matrix;
use crate::wallets::Sealed;
use crate::{dynamodb, sqlite};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::Runtime;

/// Scenes that are tried at the same time.
const AT_ONCE: usize = 64;

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
