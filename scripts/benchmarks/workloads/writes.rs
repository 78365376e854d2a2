//! Changes of one secret, one after another.

use super::OURS;
use crate::Trouble;
use crate::bench::Bench;
use crate::engine::{self, Engine};
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, calls, prepared_calls};
use crate::tree::{CONTENT, SECRET};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use rusqlite::{Connection, TransactionBehavior, params};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use walletfs::store::{Id, Item};

/// Changes in one round.
const CALLS: usize = 20;

const BARE_COMMIT: &str = "bare commit";

/// Another content of the same length each time: nothing is stored when nothing changes.
fn content(number: u64) -> Vec<u8> {
    let mut content = CONTENT.to_vec();
    content[..8].copy_from_slice(format!("{:08}", number % 100_000_000).as_bytes());
    content
}

/// Gives a writer of ever new contents to `path`, with fsync(2) before the close or without.
pub(super) fn writer(path: &Path, sync: bool) -> impl FnMut() -> Result<(), Trouble> + use<> {
    let (path, number) = (path.to_owned(), Cell::new(0));
    move || {
        number.set(number.get() + 1);
        let mut file = File::create(&path)?;
        file.write_all(&content(number.get()))?;
        if sync {
            file.sync_all()?;
        }
        Ok(())
    }
}

fn contender<'a>(
    who: &str,
    server: Option<u32>,
    mut act: impl FnMut() -> Result<(), Trouble> + 'a,
) -> Contender<'a> {
    Contender::new(who, move || calls(CALLS, server, &mut act))
}

pub(super) fn sqlite(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let device = bench.ordinary()?;
    let mounted = device.mount(&[])?;
    let ours = mounted.path().join(SECRET);
    let bare = bench.ordinary()?;
    let mut contenders = vec![
        contender(OURS, Some(mounted.pid()), writer(&ours, false)),
        contender(BARE_COMMIT, None, bare_commit(&bare.sqlite())?),
    ];
    for peer in bench.peers()? {
        let (pid, path) = (peer.mounted.pid(), peer.mounted.path().join(SECRET));
        let name = peer.peer.name();
        contenders.push(contender(name, Some(pid), writer(&path, false)));
        let name = format!("{name}, fsync");
        contenders.push(contender(&name, Some(pid), writer(&path, true)));
    }
    let rows = series::in_turn(bench.rounds(12), contenders)?;
    restore(bench)?;
    let what = "open, write and close of a secret, SQLite: on the disk when close returns";
    let mut outcome = Outcome::new("write-sqlite", what, Unit::Seconds, rows);
    outcome.within(2.0, OURS, BARE_COMMIT)?;
    outcome.note(
        "bare commit: the head and one item of the same bytes, with the same pragmas. The peers \
         without fsync keep what was written in memory: a power cut loses it.",
    );
    Ok(vec![outcome])
}

/// Gives the peers' secret the content back that reads expect.
fn restore(bench: &Bench) -> Result<(), Trouble> {
    for peer in bench.peers()? {
        fs::write(peer.mounted.path().join(SECRET), CONTENT)?;
    }
    Ok(())
}

/// The least that a change costs in SQLite: one immediate transaction that looks at the versions of
/// the head and of an item and puts both, with the durability that the store asks for.
fn bare_commit(file: &Path) -> Result<impl FnMut() -> Result<(), Trouble> + use<>, Trouble> {
    const VERSION: &str = "SELECT version FROM items WHERE wallet = ?1 AND id = ?2";
    const PUT: &str = "INSERT INTO items (wallet, id, version, meta, data) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (wallet, id) DO UPDATE SET version = ?3, meta = ?4, data = ?5";
    let mut connection = Connection::open(file)?;
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    let item = |which: &str| {
        let select = format!("SELECT id, meta, data FROM items WHERE {which} LIMIT 1");
        connection.query_row(&select, [], |row| {
            let (id, meta, data) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok::<(String, Vec<u8>, Vec<u8>), rusqlite::Error>((id, meta, data))
        })
    };
    let items = [item("id <> 'head'")?, item("id = 'head'")?];
    let mut version = 1_000_000;
    Ok(move || {
        version += 1;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, ..) in &items {
            let mut look = transaction.prepare_cached(VERSION)?;
            let _: i64 = look.query_row(params!["default", id], |row| row.get(0))?;
        }
        for (id, meta, data) in &items {
            let mut put = transaction.prepare_cached(PUT)?;
            put.execute(params!["default", id, version, meta, data])?;
        }
        Ok(transaction.commit()?)
    })
}

pub(super) fn dynamodb(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const BARE: &str = "bare TransactWriteItems";
    let engine = bench.engine()?;
    let device = bench.ordinary()?.in_table(engine)?;
    let mounted = device.mount(&[])?;
    let ours = mounted.path().join(SECRET);
    let bare = bench.ordinary()?.in_table(engine)?;
    let table = bare.setting("table")?;
    let client = engine.client();
    let head =
        || -> Result<(), Trouble> { engine.runtime.block_on(engine::get_head(&client, &table)) };
    let (pid, mut number) = (Some(mounted.pid()), 0);
    let write_and_close = || {
        let open = || Ok(File::create(&ours)?);
        prepared_calls(CALLS, pid, open, |mut file| {
            number += 1;
            Ok(file.write_all(&content(number))?)
        })
    };
    let contenders = vec![
        Contender::new(OURS, write_and_close),
        contender("walletfs, open too", pid, writer(&ours, false)),
        contender(BARE, None, bare_transaction(engine, &client, &table)?),
        contender("bare GetItem", None, head),
    ];
    let rows = series::in_turn(bench.rounds(20), contenders)?;
    let what = "write and close of a secret, DynamoDB engine on loopback";
    let mut outcome = Outcome::new("write-dynamodb", what, Unit::Seconds, rows);
    outcome.within(1.2, OURS, BARE)?;
    outcome.note(
        "A close makes one TransactWriteItems of two items. An open for writing reads the head, so that \
         a store that is away is found out before something is written: one GetItem.",
    );
    Ok(vec![outcome])
}

/// The least that a change costs in DynamoDB: one transaction that puts the head and an item, each
/// if its version is what it was.
fn bare_transaction<'a>(
    engine: &'a Engine,
    client: &'a Client,
    table: &str,
) -> Result<impl FnMut() -> Result<(), Trouble> + use<'a>, Trouble> {
    let store = engine.store(table);
    let items = engine.runtime.block_on(async {
        let page = store.list(None).await?;
        let head = store.get(Id::Head).await?.ok_or("no head")?;
        let first = page.items.into_iter().next().ok_or("no item")?;
        Ok::<_, Trouble>([first, head])
    })?;
    let mut versions = items.each_ref().map(|item| item.version);
    let mut next = 1_000_000;
    let (table, mut number) = (table.to_owned(), 0_u64);
    Ok(move || {
        (next, number) = (next + 1, number + 1);
        let puts: Result<Vec<TransactWriteItem>, Trouble> = items
            .iter()
            .zip(versions)
            .map(|(item, version)| put(&table, item, version, next))
            .collect();
        let send = client
            .transact_write_items()
            .client_request_token(format!("{table}-{number:020}"))
            .set_transact_items(Some(puts?))
            .send();
        engine.runtime.block_on(send)?;
        versions = [next; 2];
        Ok(())
    })
}

fn put(table: &str, item: &Item, before: u64, version: u64) -> Result<TransactWriteItem, Trouble> {
    let item = Item {
        version,
        ..item.clone()
    };
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(engine::attributes(&item)))
        .condition_expression("#v = :v")
        .expression_attribute_names("#v", "version")
        .expression_attribute_values(":v", AttributeValue::N(before.to_string()))
        .build()?;
    Ok(TransactWriteItem::builder().put(put).build())
}
