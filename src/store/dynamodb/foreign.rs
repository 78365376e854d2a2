//! A table of another program, read whole. The one place that sends `Scan`: that program's hash
//! keys are not known, so there is nothing to `Query`. A wallet is never read so.

use super::connect::{Connection, DynamoOptions, Tuning};
use super::fault::{Fault, classify};
use super::retry;
use crate::store::foreign::{Cell, Row, Rows};
use crate::store::{DEADLINE, StoreError};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Pages in a row without a row, before the service is taken to make them up.
const EMPTY_PAGES: usize = 1_000;

type Attributes = HashMap<String, AttributeValue>;

/// Every row, page by page.
pub(in crate::store) async fn read_table(options: &DynamoOptions) -> Result<Vec<Row>, StoreError> {
    let connection = Connection::open(options, &Tuning::default()).await;
    let mut rows = Rows::default();
    let mut after = None;
    let mut empty = 0;
    loop {
        let until = Instant::now() + DEADLINE;
        let scan = || async { page(&connection.client()?, &options.table, after.clone()).await };
        let (items, next) = retry::read(until, scan).await.map_err(told)?;
        empty = if items.is_empty() { empty + 1 } else { 0 };
        for item in items {
            rows.push(item.into_iter().map(cell).collect())?;
        }
        if next.is_none() {
            return Ok(rows.into_rows());
        }
        if empty > EMPTY_PAGES {
            let what = "the table's pages do not come to an end";
            return Err(StoreError::Invalid(what.into()));
        }
        after = next;
    }
}

async fn page(
    client: &Client,
    table: &str,
    after: Option<Attributes>,
) -> Result<(Vec<Attributes>, Option<Attributes>), Fault> {
    let output = client
        .scan()
        .table_name(table)
        .consistent_read(true)
        .set_exclusive_start_key(after)
        .send()
        .await
        .map_err(|error| classify(&error, table))?;
    let next = output.last_evaluated_key.filter(|key| !key.is_empty());
    Ok((output.items.unwrap_or_default(), next))
}

/// The engine's own advice for a table that is not there is to make a wallet.
fn told(fault: Fault) -> StoreError {
    match fault.error {
        StoreError::Missing(_) => StoreError::Missing(
            "there is no such table: name it with --table, its account with --profile and its \
             region with --region"
                .into(),
        ),
        error => error,
    }
}

fn cell((name, value): (String, AttributeValue)) -> (String, Cell) {
    let cell = match value {
        AttributeValue::S(text) => Cell::Text(Zeroizing::new(text)),
        AttributeValue::M(map) => {
            let texts = map.into_iter().map(|(key, value)| match value {
                AttributeValue::S(text) => Some((key, Zeroizing::new(text))),
                _ => None,
            });
            texts.collect::<Option<_>>().map_or(Cell::Other, Cell::Map)
        }
        AttributeValue::Null(_) => Cell::Null,
        _ => Cell::Other,
    };
    (name, cell)
}
