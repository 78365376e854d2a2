//! A DynamoDB engine on loopback: the program that the tests use, tables of its own for each wallet,
//! a client of the SDK for the bare requests that workloads are compared with, and a proxy before it
//! that counts and delays.

use crate::Trouble;
use crate::support::dynamodb::{self, access_key};
use crate::support::http_count::HttpCount;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use walletfs::store::{Bytes, Change, Commit, DynamoOptions, Expect, Item, Store};

/// The keys that programs find in their environment: nobody's.
pub(crate) const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAWALLETFSTEST"),
    ("AWS_SECRET_ACCESS_KEY", "not a secret"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

const REGION: &str = "us-east-1";

/// The name of every wallet here: the hash key of its items.
const WALLET: &str = "default";

/// The engine, and the runtime that asks it.
pub(crate) struct Engine {
    engine: dynamodb::Engine,
    pub(crate) runtime: Runtime,
    tables: AtomicUsize,
}

impl Engine {
    pub(crate) fn start() -> Result<Engine, Trouble> {
        Ok(Engine {
            engine: dynamodb::Engine::start(),
            runtime: Runtime::new()?,
            tables: AtomicUsize::new(0),
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.engine.url()
    }

    /// A name for a table that no other wallet has.
    pub(crate) fn table(&self) -> String {
        let number = self.tables.fetch_add(1, Ordering::Relaxed);
        format!("bench-{number}")
    }

    /// The store of a wallet in this table.
    pub(crate) fn store(&self, table: &str) -> Arc<dyn Store> {
        let options = DynamoOptions {
            table: table.into(),
            wallet: WALLET.into(),
            region: Some(REGION.into()),
            endpoint_url: Some(self.url().into()),
            ..DynamoOptions::default()
        };
        Arc::new(self.runtime.block_on(self.engine.connect(options)))
    }

    /// Makes a table, and puts all items of another store into it.
    pub(crate) fn fill(&self, table: &str, from: Arc<dyn Store>) -> Result<(), Trouble> {
        let to = self.store(table);
        self.runtime.block_on(async {
            to.create().await?;
            let most = to.limits().changes;
            let mut after = None;
            loop {
                let page = from.list(after).await?;
                for some in page.items.chunks(most) {
                    let put = |item: &Item| Change::Put {
                        item: item.clone(),
                        expect: Expect::Absent,
                    };
                    match to.commit(some.iter().map(put).collect()).await? {
                        Commit::Done => {}
                        Commit::Refused(_) => return Err("a table that is not new".into()),
                    }
                }
                after = page.next;
                if after.is_none() {
                    return Ok(());
                }
            }
        })
    }

    /// A client of the SDK with the settings of the store's own.
    pub(crate) fn client(&self) -> Client {
        let (id, secret) = access_key();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(self.url())
            .credentials_provider(Credentials::new(id, secret, None, None, "bench"))
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    /// A proxy before the engine.
    pub(crate) fn proxy(&self) -> HttpCount {
        self.runtime.block_on(HttpCount::before(self.url()))
    }
}

/// The key of an item.
pub(crate) fn key(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("wallet".into(), AttributeValue::S(WALLET.into())),
        ("id".into(), AttributeValue::S(id.into())),
    ])
}

/// An item in the service's terms.
pub(crate) fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let bytes = |bytes: &Bytes| AttributeValue::B(bytes.to_vec().into());
    let mut attributes = key(&item.id.text());
    attributes.insert(
        "version".into(),
        AttributeValue::N(item.version.to_string()),
    );
    attributes.insert("meta".into(), bytes(&item.meta));
    attributes.insert("data".into(), bytes(&item.data));
    attributes
}

/// The bare listing of a wallet: every page of the query, one after another. Gives the number of
/// items.
pub(crate) async fn query(client: &Client, table: &str) -> Result<usize, Trouble> {
    let (mut count, mut start) = (0, None);
    loop {
        let page = client
            .query()
            .table_name(table)
            .consistent_read(true)
            .key_condition_expression("#w = :w")
            .expression_attribute_names("#w", "wallet")
            .expression_attribute_values(":w", AttributeValue::S(WALLET.into()))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        count += page.items().len();
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(count);
        }
    }
}

/// The bare read of the head.
pub(crate) async fn get_head(client: &Client, table: &str) -> Result<(), Trouble> {
    let got = client
        .get_item()
        .table_name(table)
        .consistent_read(true)
        .set_key(Some(key("head")))
        .send()
        .await?;
    got.item.map(drop).ok_or_else(|| "no head".into())
}
