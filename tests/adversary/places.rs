//! Where a wallet is attacked: a SQLite file and a DynamoDB table, whose rows are written behind the
//! program's back.

use crate::scene::Items;
use crate::support::dynamodb::{Engine, access_key};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rusqlite::types::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use walletfs::store::{DynamoOptions, DynamoStore, Item, SqliteStore, Store};

/// A row that no walletfs writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Oddity {
    /// Its id is none.
    Id,
    /// A text in the place of bytes.
    Text,
    /// A version below zero.
    Negative,
    /// More bytes than any store takes from walletfs, in a place where one takes them from others.
    Giant,
}

/// A wallet's place in a store.
pub(crate) enum Place {
    Sqlite { file: PathBuf, wallet: String },
    Table { table: Arc<Table>, wallet: String },
}

/// A DynamoDB table, and a client that writes to it as an operator's.
pub(crate) struct Table {
    engine: Engine,
    pub(crate) options: DynamoOptions,
    client: Client,
}

impl Table {
    pub(crate) async fn new() -> Table {
        let engine = Engine::start();
        let options = engine.options("any");
        let store = engine.connect(options.clone()).await;
        store.create().await.unwrap();
        let (id, secret) = access_key();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new(id, secret, None, None, "test"))
            .endpoint_url(engine.url())
            .build();
        Table {
            client: Client::from_conf(config),
            engine,
            options,
        }
    }

    pub(crate) fn url(&self) -> &str {
        self.engine.url()
    }

    fn key(&self, wallet: &str, id: &str) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.into());
        [("wallet".into(), text(wallet)), ("id".into(), text(id))].into()
    }

    async fn put(&self, attributes: HashMap<String, AttributeValue>) {
        let put = self.client.put_item().table_name(&self.options.table);
        put.set_item(Some(attributes)).send().await.unwrap();
    }

    async fn delete(&self, wallet: &str, id: &str) {
        let delete = self.client.delete_item().table_name(&self.options.table);
        let key = self.key(wallet, id);
        delete.set_key(Some(key)).send().await.unwrap();
    }
}

fn attributes(item: &Item) -> [(String, AttributeValue); 3] {
    let bytes = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    [
        (
            "version".into(),
            AttributeValue::N(item.version.to_string()),
        ),
        ("meta".into(), bytes(&item.meta)),
        ("data".into(), bytes(&item.data)),
    ]
}

impl Place {
    /// The honest store.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        match self {
            Place::Sqlite { file, wallet } => Arc::new(SqliteStore::open(file, wallet)),
            Place::Table { table, wallet } => {
                let options = DynamoOptions {
                    wallet: wallet.clone(),
                    ..table.options.clone()
                };
                // Many are attacked at once: a loaded machine is no fault of the store.
                let mut tuning = table.engine.tuning();
                tuning.timeouts.operation = Duration::from_secs(60);
                tuning.timeouts.attempt = Duration::from_secs(30);
                Arc::new(DynamoStore::connect_with(options, tuning).await)
            }
        }
    }

    /// Writes items over others.
    pub(crate) async fn write(&self, before: &Items, after: &Items) {
        match self {
            Place::Sqlite { file, wallet } => {
                let rows = rows(file);
                for id in before.keys() {
                    rows.execute(
                        "DELETE FROM items WHERE wallet = ?1 AND id = ?2",
                        (wallet, &*id.text()),
                    )
                    .unwrap();
                }
                for item in after.values() {
                    let row = (
                        wallet,
                        &*item.id.text(),
                        item.version as i64,
                        &item.meta[..],
                        &item.data[..],
                    );
                    rows.execute("INSERT INTO items VALUES (?1, ?2, ?3, ?4, ?5)", row)
                        .unwrap();
                }
            }
            Place::Table { table, wallet } => {
                for id in before.keys().filter(|id| !after.contains_key(id)) {
                    table.delete(wallet, &id.text()).await;
                }
                for item in after.values() {
                    if before.get(&item.id) != Some(item) {
                        let mut all = table.key(wallet, &item.id.text());
                        all.extend(attributes(item));
                        table.put(all).await;
                    }
                }
            }
        }
    }

    /// Makes a row one that walletfs does not write: that of `item`.
    pub(crate) async fn spoil(&self, item: &Item, oddity: Oddity) {
        match self {
            Place::Sqlite { file, wallet } => {
                let text = |text: &str| Value::Text(text.into());
                let (column, value) = match oddity {
                    Oddity::Id => ("id", text(&item.id.text().to_uppercase())),
                    Oddity::Text => ("meta", text("text")),
                    Oddity::Negative => ("version", Value::Integer(-1)),
                    Oddity::Giant => ("data", Value::Blob(vec![7; 64 << 20])),
                };
                let change =
                    format!("UPDATE items SET {column} = ?1 WHERE wallet = ?2 AND id = ?3");
                let changed = rows(file).execute(&change, (value, wallet, &*item.id.text()));
                assert_eq!(changed.unwrap(), 1);
            }
            Place::Table { table, wallet } => {
                let mut id = item.id.text().to_string();
                let mut all: HashMap<_, _> = attributes(item).into();
                match oddity {
                    Oddity::Id => {
                        table.delete(wallet, &id).await;
                        id = id.to_uppercase();
                    }
                    Oddity::Text => {
                        all.insert("meta".into(), AttributeValue::S("text".into()));
                    }
                    Oddity::Negative => {
                        all.insert("version".into(), AttributeValue::N("-1".into()));
                    }
                    // The service takes no more.
                    Oddity::Giant => {
                        let bytes = vec![7; 390 << 10];
                        all.insert("data".into(), AttributeValue::B(Blob::new(bytes)));
                    }
                }
                all.extend(table.key(wallet, &id));
                table.put(all).await;
            }
        }
    }
}

/// The rows of a file, written without waiting for the disk: nothing is lost that is needed.
fn rows(file: &PathBuf) -> rusqlite::Connection {
    let rows = rusqlite::Connection::open(file).unwrap();
    rows.busy_timeout(Duration::from_secs(10)).unwrap();
    rows.pragma_update(None, "synchronous", "OFF").unwrap();
    rows
}
