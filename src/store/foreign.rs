//! Rows that another program keeps in a store of its own, read whole and never written: what an
//! import begins with. Knows only that a row is texts under names.

use super::{DynamoOptions, StoreError};
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// Rows that are read at most, and their bytes: no wallet of a person holds more, and a store that
/// never ends must not fill the memory.
const MOST_ROWS: usize = 100_000;
const MOST_BYTES: usize = 64 << 20;

/// A row: its columns by their names.
pub type Row = BTreeMap<String, Cell>;

/// What a row holds in a column.
pub enum Cell {
    /// A text.
    Text(Zeroizing<String>),
    /// Texts by their names.
    Map(BTreeMap<String, Zeroizing<String>>),
    /// Nothing.
    Null,
    /// Something else.
    Other,
}

/// Every row of a table in a SQLite file that has these columns: the one of this name, or else the
/// only one there is.
///
/// # Errors
///
/// [`StoreError::Missing`] if there is no such file or table; [`StoreError::Failed`] if the file is
/// not SQLite's, is damaged, or holds more than is read.
pub async fn sqlite(
    path: &Path,
    table: Option<&str>,
    columns: &'static [&'static str],
) -> Result<Vec<Row>, StoreError> {
    let (path, table) = (path.to_owned(), table.map(str::to_owned));
    let read = move || super::sqlite::read_file(&path, table.as_deref(), columns);
    match tokio::task::spawn_blocking(read).await {
        Ok(rows) => rows,
        Err(_) => Err(StoreError::Failed(
            "reading the file was cut short; try again".into(),
        )),
    }
}

/// Every row of a DynamoDB table, strongly consistent: 1 request for each page. What `options` says
/// of a wallet is not used.
///
/// # Errors
///
/// Those of a store's reads.
pub async fn dynamodb(options: &DynamoOptions) -> Result<Vec<Row>, StoreError> {
    super::dynamodb::read_table(options).await
}

/// Rows while they are read, within bounds.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    bytes: usize,
}

impl Rows {
    pub(super) fn push(&mut self, row: Row) -> Result<(), StoreError> {
        self.bytes += row
            .iter()
            .map(|(name, cell)| name.len() + cell.len())
            .sum::<usize>();
        if self.rows.len() >= MOST_ROWS || self.bytes > MOST_BYTES {
            return Err(StoreError::Failed(format!(
                "it holds more than {MOST_ROWS} rows or {} MiB: that is no wallet",
                MOST_BYTES >> 20
            )));
        }
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

impl Cell {
    fn len(&self) -> usize {
        match self {
            Cell::Text(text) => text.len(),
            Cell::Map(map) => map.iter().map(|(key, text)| key.len() + text.len()).sum(),
            Cell::Null | Cell::Other => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_bounded() {
        let row = |bytes: usize| {
            let text = Zeroizing::new("x".repeat(bytes));
            Row::from([("c".to_owned(), Cell::Text(text))])
        };
        let mut rows = Rows::default();
        for _ in 0..MOST_ROWS {
            rows.push(row(1)).unwrap();
        }
        assert!(rows.push(row(1)).is_err());
        let mut rows = Rows::default();
        rows.push(row(MOST_BYTES - 1)).unwrap();
        assert!(rows.push(row(0)).is_err());
    }
}
