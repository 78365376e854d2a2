//! A store that attacks: every attack during every operation, on both engines, and each against a real
//! mount. What comes of it is the truth or a fault that is named, never another value, a panic, memory
//! or time without bound.

mod attacks;
mod head;
mod lies;
mod mounts;
mod operations;
mod places;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod two_keys;
mod wire;

use attacks::Attack;
use operations::{Cell, Op};
use places::{Place, Table};
use scene::Scene;
use std::sync::Arc;
use std::time::Duration;
use support::matrix::Matrix;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use walletfs::wallet::WalletError;

/// Programs that are attacked at once.
const MOUNTS_AT_ONCE: usize = 4;

/// Wallets that are attacked at once: most of the time passes between listings of a second.
const AT_ONCE: usize = 32;

/// What lasts so long does not end.
const NEVER: Duration = Duration::from_secs(120);

/// Held by one matrix at a time: each keeps the machine busy.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Plays every attack during every operation, and prints how each came out.
async fn matrix(title: &str, place: impl Fn(usize) -> Place) {
    let _turn = TURN.lock().await;
    let attacks = Arc::new(attacks::all());
    let matrix = Matrix::new(
        title,
        "attack \\ operation",
        attacks.iter().map(|attack| attack.name),
        Op::ALL.map(Op::name),
    );
    let scene = Arc::new(Scene::new().await);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut cells = Vec::new();
    for (number, attack) in attacks.iter().enumerate() {
        for (at, op) in Op::ALL.into_iter().enumerate() {
            let place = place(number * Op::ALL.len() + at);
            let cell = cell(scene.clone(), place, attack.clone(), op, room.clone());
            cells.push((attack.name, op.name(), tokio::spawn(cell)));
        }
    }
    record(matrix, cells).await;
}

/// Records every cell, and prints.
async fn record(matrix: Matrix, cells: Vec<(&str, &str, JoinHandle<Cell>)>) {
    let (mut made, mut wrong, mut longest) = (0, 0, Duration::ZERO);
    for (attack, column, cell) in cells {
        let cell = cell.await.unwrap_or_else(|panic| Cell {
            outcome: Err(panic.to_string()),
            wrong_values: 0,
            longest: Duration::ZERO,
        });
        made += 1;
        wrong += cell.wrong_values;
        longest = longest.max(cell.longest);
        matrix.cell(attack, column, cell.outcome);
    }
    matrix.figure("attacks made", made);
    matrix.figure("wrong values", wrong);
    matrix.figure("longest call", format!("{:.1} s", longest.as_secs_f32()));
    matrix.finish();
}

async fn cell(
    scene: Arc<Scene>,
    place: Place,
    attack: Attack,
    op: Op,
    room: Arc<Semaphore>,
) -> Cell {
    let _room = room.acquire().await.expect("nobody closes it");
    let played = operations::play(&scene, &place, &attack, op);
    let played = tokio::time::timeout(NEVER, played).await;
    played.unwrap_or_else(|_| Cell {
        outcome: Err("it does not end".into()),
        wrong_values: 0,
        longest: NEVER,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_of_attacks_by_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    let store = walletfs::store::SqliteStore::open(&empty, "wallet");
    walletfs::store::Store::create(&store).await.unwrap();
    matrix("Attacks by a SQLite file", |number| {
        let file = directory.path().join(number.to_string());
        std::fs::copy(&empty, &file).unwrap();
        Place::Sqlite {
            file,
            wallet: "wallet".into(),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn matrix_of_attacks_by_dynamodb() {
    let table = Arc::new(Table::new().await);
    matrix("Attacks by a DynamoDB table", |number| Place::Table {
        table: table.clone(),
        wallet: format!("wallet-{number}"),
    })
    .await;
}

/// Attacks by what is stored are made on a SQLite file, attacks by answers by a proxy before a
/// DynamoDB table.
#[tokio::test(flavor = "multi_thread")]
async fn matrix_of_attacks_on_mounts() {
    let _turn = TURN.lock().await;
    let scene = Arc::new(Scene::new().await);
    let table = Arc::new(Table::new().await);
    let attacks = attacks::all();
    let rows = attacks.iter().map(|attack| attack.name);
    let columns = mounts::Use::ALL.map(mounts::Use::name);
    let matrix = Matrix::new("Attacks on the program", "attack \\ use", rows, columns);
    let room = Arc::new(Semaphore::new(MOUNTS_AT_ONCE));
    let mut cells = Vec::new();
    for attack in &attacks {
        for how in mounts::Use::ALL {
            let (scene, table, room) = (scene.clone(), table.clone(), room.clone());
            let (attack, number) = (attack.clone(), cells.len());
            let name = attack.name;
            let cell = tokio::spawn(async move {
                let _room = room.acquire().await.expect("nobody closes it");
                mounts::play(scene, table, number, attack, how).await
            });
            cells.push((name, how.name(), cell));
        }
    }
    record(matrix, cells).await;
}

/// What a file's schema makes of a query is not looked at once, when it is opened: a view without end
/// in the place of the table is refused in the middle of a session too.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_end_in_the_tables_place_is_refused() {
    let scene = Scene::new().await;
    let directory = tempfile::tempdir().unwrap();
    let (file, wallet) = (directory.path().join("w"), "wallet".to_owned());
    let place = Place::Sqlite {
        file: file.clone(),
        wallet,
    };
    let store = place.store().await;
    store.create().await.unwrap();
    place.write(&scene::Items::new(), &scene.now).await;
    let session = scene::unlock(store, scene.seen(), &scene.key())
        .await
        .unwrap();
    let rows = rusqlite::Connection::open(&file).unwrap();
    rows.execute_batch(
        "DROP TABLE items;
         CREATE VIEW items AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)
         SELECT 'wallet' AS wallet, printf('%032x', i) AS id, 1 AS version, x'' AS meta, x'' AS data
         FROM n;",
    )
    .unwrap();
    let began = std::time::Instant::now();
    let looked = session.require_current().await;
    assert!(matches!(looked, Err(WalletError::Store(_))), "{looked:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{looked:?}");
}
