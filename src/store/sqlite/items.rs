//! Rows and items: the statements that read and write them. Knows nothing of files and headers.

use super::explain::Error;
use crate::store::{
    Bytes, Change, Commit, Cursor, Expect, Id, Item, Page, Refusal, StoreError, item_size,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use std::time::Instant;

const GET: &str = "SELECT id, version, meta, data FROM items WHERE wallet = ?1 AND id = ?2";
const LIST: &str =
    "SELECT id, version, meta, data FROM items WHERE wallet = ?1 AND id > ?2 ORDER BY id";
const VERSION: &str = "SELECT version FROM items WHERE wallet = ?1 AND id = ?2";
const PUT: &str = "INSERT INTO items (wallet, id, version, meta, data) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (wallet, id) DO UPDATE SET version = ?3, meta = ?4, data = ?5";
const DELETE: &str = "DELETE FROM items WHERE wallet = ?1 AND id = ?2";

pub(super) fn get(connection: &Connection, wallet: &str, id: Id) -> Result<Option<Item>, Error> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query(params![wallet, &*id.text()])?;
    rows.next()?.map(item).transpose()
}

pub(super) fn page(
    connection: &Connection,
    wallet: &str,
    after: Option<Cursor>,
    page_bytes: usize,
) -> Result<Page, Error> {
    let mut statement = connection.prepare_cached(LIST)?;
    let after = after.map(|Cursor(id)| id.text());
    let mut rows = statement.query(params![wallet, after.as_deref().unwrap_or("")])?;
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let item = item(row)?;
        bytes += item_size(wallet, &item);
        if bytes > page_bytes
            && let Some(last) = page.items.last()
        {
            page.next = Some(Cursor(last.id));
            break;
        }
        page.items.push(item);
    }
    Ok(page)
}

pub(super) fn commit(
    connection: &mut Connection,
    wallet: &str,
    changes: &[Change],
    deadline: Instant,
) -> Result<Commit, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut refusals = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let id = change.id();
        let expected = match change {
            Change::Put {
                expect: Expect::Absent,
                ..
            } => None,
            Change::Put {
                expect: Expect::Version(version),
                ..
            } => Some(*version),
            Change::Delete { expect, .. } => Some(*expect),
        };
        if version(&transaction, wallet, id)? != expected {
            refusals.push(Refusal {
                change: index,
                winner: get(&transaction, wallet, id)?,
            });
        }
    }
    if !refusals.is_empty() {
        return Ok(Commit::Refused(refusals));
    }
    for change in changes {
        match change {
            Change::Put { item, .. } => transaction.prepare_cached(PUT)?.execute(params![
                wallet,
                &*item.id.text(),
                stored_version(item.version)?,
                &item.meta[..],
                &item.data[..],
            ])?,
            Change::Delete { id, .. } => transaction
                .prepare_cached(DELETE)?
                .execute(params![wallet, &*id.text()])?,
        };
    }
    // The caller has been told that the deadline passed: let that be true of the commit too.
    if Instant::now() >= deadline {
        return Err(StoreError::Deadline.into());
    }
    transaction.commit()?;
    Ok(Commit::Done)
}

fn version(connection: &Connection, wallet: &str, id: Id) -> Result<Option<u64>, Error> {
    let mut statement = connection.prepare_cached(VERSION)?;
    let found: Option<i64> = statement
        .query_row(params![wallet, &*id.text()], |row| row.get(0))
        .optional()?;
    found.map(read_version).transpose()
}

fn item(row: &Row<'_>) -> Result<Item, Error> {
    let id = match row.get_ref(0)? {
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(Id::parse),
        _ => None,
    };
    Ok(Item {
        id: id.ok_or_else(|| invalid("an id that is none"))?,
        version: match row.get_ref(1)? {
            ValueRef::Integer(version) => read_version(version)?,
            _ => return Err(invalid("a version that is not a number")),
        },
        meta: blob(row, 2)?,
        data: blob(row, 3)?,
    })
}

fn blob(row: &Row<'_>, column: usize) -> Result<Bytes, Error> {
    match row.get_ref(column)? {
        ValueRef::Blob(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        _ => Err(invalid("a value that is not a byte string")),
    }
}

fn read_version(stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|_| invalid("a negative version"))
}

pub(super) fn stored_version(version: u64) -> Result<i64, Error> {
    i64::try_from(version).map_err(|_| {
        Error::Store(StoreError::Failed(
            "an SQLite file holds no version above 2^63 - 1".into(),
        ))
    })
}

fn invalid(what: &str) -> Error {
    Error::Store(StoreError::Invalid(what.into()))
}
