//! A table of another program's file, read whole. The file is opened for reading only, and nothing
//! that it brings along, no trigger, view or virtual table, is run.

use super::explain::Error;
use super::file;
use crate::store::StoreError;
use crate::store::foreign::{Cell, Row, Rows};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Tables that a file is searched for the right one in.
const MOST_TABLES: usize = 1_000;
/// Bytes of a row or a value.
const MOST_VALUE: i32 = 16 << 20;
/// The time that another program's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rows of the table called `table`, or of the only one that has all these columns.
pub(in crate::store) fn read_file(
    path: &Path,
    table: Option<&str>,
    columns: &[&str],
) -> Result<Vec<Row>, StoreError> {
    file::identity(path)?;
    rows(path, table, columns).map_err(|error| match error.explain(path) {
        // The engine's own words for these speak of walletfs's file.
        StoreError::Invalid(_) => failed(path, "holds a column of another type"),
        error => error,
    })
}

fn rows(path: &Path, table: Option<&str>, columns: &[&str]) -> Result<Vec<Row>, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // Links above the file are the person's own.
    let real = path.canonicalize();
    let connection = Connection::open_with_flags(real.as_deref().unwrap_or(path), flags)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MOST_VALUE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.busy_timeout(PATIENCE)?;
    // A file that is cut off may open and be read with rows missing.
    let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(failed(path, "is damaged: take a copy of it from before").into());
    }
    let found = tables(&connection, columns)?;
    let table = match (table, &found[..]) {
        (Some(name), found) => found.iter().find(|found| *found == name),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, _) => {
            return Err(failed(
                path,
                "holds several tables of secrets: name one with --table",
            )
            .into());
        }
    };
    let table = table.ok_or_else(|| {
        StoreError::Missing(format!(
            "{} holds no table of secrets of that name",
            path.display()
        ))
    })?;
    let list: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
    let sql = format!("SELECT {} FROM main.{}", list.join(", "), quoted(table));
    let mut statement = connection.prepare(&sql)?;
    let mut from = statement.query([])?;
    let mut rows = Rows::default();
    while let Some(row) = from.next()? {
        let mut read = Row::new();
        for (at, column) in columns.iter().enumerate() {
            let cell = match row.get_ref(at)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => Cell::Text(Zeroizing::new(text.to_owned())),
                    Err(_) => Cell::Other,
                },
                ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Other,
            };
            read.insert((*column).to_owned(), cell);
        }
        rows.push(read)?;
    }
    Ok(rows.into_rows())
}

/// The ordinary tables that have all these columns.
fn tables(connection: &Connection, columns: &[&str]) -> Result<Vec<String>, Error> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' \
               LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([MOST_TABLES as i64], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for name in names {
        let name = name?;
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1, 'main')")?;
        let has: Result<Vec<String>, _> = statement.query_map([&name], |row| row.get(0))?.collect();
        let has = has?;
        if columns.iter().all(|column| has.iter().any(|c| c == column)) {
            found.push(name);
        }
    }
    Ok(found)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn failed(path: &Path, what: &str) -> StoreError {
    StoreError::Failed(format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["domain", "pwd"];

    fn file(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.sqlite");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (dir, path)
    }

    fn read(sql: &str, table: Option<&str>) -> Result<Vec<Row>, StoreError> {
        let (_dir, path) = file(sql);
        read_file(&path, table, COLUMNS)
    }

    #[test]
    fn the_only_fitting_table_is_read_whatever_its_name() {
        let sql = r#"CREATE TABLE other (x); CREATE TABLE "a""b" (domain TEXT, pwd TEXT, more TEXT);
            INSERT INTO "a""b" VALUES ('d', 'p', 'm'), ('e', NULL, ''), ('f', x'00', '');"#;
        let rows = read(sql, None).unwrap();
        let texts: Vec<_> = rows
            .iter()
            .map(|row| match (&row["domain"], &row["pwd"]) {
                (Cell::Text(domain), Cell::Text(pwd)) => format!("{}={}", **domain, **pwd),
                (Cell::Text(domain), Cell::Null) => format!("{}=null", **domain),
                (Cell::Text(domain), Cell::Other) => format!("{}=other", **domain),
                _ => panic!("a domain is text"),
            })
            .collect();
        assert_eq!(texts, ["d=p", "e=null", "f=other"]);
        assert!(!rows[0].contains_key("more"));
    }

    #[test]
    fn of_several_the_person_says_which() {
        let sql = "CREATE TABLE a (domain TEXT, pwd TEXT); CREATE TABLE b (domain TEXT, pwd TEXT);
            INSERT INTO b VALUES ('d', 'p');";
        let told = read(sql, None).err().unwrap().to_string();
        assert!(told.contains("--table"), "{told}");
        assert_eq!(read(sql, Some("b")).unwrap().len(), 1);
        for sql in [sql, "CREATE TABLE c (x);", ""] {
            let error = read(sql, Some("c")).err().unwrap();
            assert!(matches!(error, StoreError::Missing(_)), "{error}");
        }
    }

    #[test]
    fn nothing_that_the_file_brings_is_run() {
        let view = "CREATE VIEW v (domain, pwd) AS SELECT 'd', 'p';";
        assert!(read(view, Some("v")).is_err());
        let (_dir, path) = file("CREATE TABLE t (domain TEXT, pwd TEXT);");
        let before = std::fs::read(&path).unwrap();
        read_file(&path, None, COLUMNS).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_or_damaged_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.sqlite");
        assert!(matches!(
            read_file(&path, None, COLUMNS),
            Err(StoreError::Missing(_))
        ));
        std::fs::write(&path, "SQLite format 3\0 and then nothing").unwrap();
        assert!(read_file(&path, None, COLUMNS).is_err());
        let (_dir, path) =
            file("CREATE TABLE t (domain TEXT, pwd TEXT); INSERT INTO t VALUES ('d', 'p');");
        let whole = std::fs::read(&path).unwrap();
        for end in [100, 3_000, 5_000] {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read_file(&path, None, COLUMNS).is_err(), "{end}");
        }
    }
}
