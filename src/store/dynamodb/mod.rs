//! The DynamoDB engine: the items of many wallets in one table, each wallet under its own hash key.
//!
//! The only module that names the AWS SDK. It uses four operations on items (`GetItem`, `Query`,
//! `TransactWriteItems`, never `Scan`), so that an IAM policy confines a wallet by
//! `dynamodb:LeadingKeys`, and always with consistent reads. The SDK's own retries are switched
//! off: this module retries by itself, since only it knows that an attempt whose outcome is
//! unknown must be repeated with the same token and the same bytes, and when to give up. One call
//! that succeeds at once is exactly one HTTP request.

mod bound;
mod commit;
mod connect;
mod fault;
mod foreign;
mod item;
mod profiles;
mod retry;
mod table;

use super::{
    Change, Commit, Cursor, Id, Item, Limits, Notice, Page, Store, StoreError, item_size, limits,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use connect::Connection;
use fault::{Fault, classify};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::time::Instant;

pub use connect::{AccessKey, DynamoOptions, Timeouts, Tuning};
pub(super) use foreign::read_table;
pub use profiles::{Profile, ProfileKind, profiles};

/// The items of one wallet in a DynamoDB table.
pub struct DynamoStore {
    options: DynamoOptions,
    tuning: Tuning,
    limits: Limits,
    /// The client in use, or `None` after the service refused its credentials: the next call reads
    /// the configuration again, so that renewed credentials work without a new mount.
    /// Shared by the stores of sibling wallets.
    connection: Arc<RwLock<Option<Arc<Connection>>>>,
}

impl DynamoStore {
    /// A store with the contract's time-outs. Reads the AWS configuration (files and environment)
    /// and makes no request: what is wrong with it is said by the first call.
    pub async fn connect(options: DynamoOptions) -> Self {
        Self::connect_with(options, Tuning::default()).await
    }

    /// As [`DynamoStore::connect`], with what tests set.
    pub async fn connect_with(options: DynamoOptions, tuning: Tuning) -> Self {
        let limits = options
            .commit_limit
            .map_or_else(Limits::default, Limits::with_changes);
        let connection = Connection::open(&options, &tuning).await;
        DynamoStore {
            options,
            tuning,
            limits,
            connection: Arc::new(RwLock::new(Some(Arc::new(connection)))),
        }
    }

    /// The moment when a call that begins now ends.
    fn deadline(&self) -> Instant {
        Instant::now() + self.tuning.timeouts.operation
    }

    /// The client to use, made anew after a refusal of its credentials.
    async fn client(&self) -> Result<Client, Fault> {
        let known = self
            .connection
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let connection = match known {
            Some(connection) => connection,
            None => {
                let opened = Arc::new(Connection::open(&self.options, &self.tuning).await);
                *self.known() = Some(Arc::clone(&opened));
                opened
            }
        };
        connection.client()
    }

    /// The error for the caller. A refusal of the credentials drops the client that holds them.
    fn give_up(&self, fault: Fault) -> StoreError {
        if matches!(fault.error, StoreError::Denied(_)) {
            *self.known() = None;
        }
        fault.error
    }

    fn known(&self) -> std::sync::RwLockWriteGuard<'_, Option<Arc<Connection>>> {
        self.connection
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn get_item(&self, client: &Client, id: Id) -> Result<Option<Item>, Fault> {
        let output = client
            .get_item()
            .table_name(&self.options.table)
            .consistent_read(true)
            .set_key(Some(item::key(&self.options.wallet, id)))
            .send()
            .await
            .map_err(|error| classify(&error, &self.options.table))?;
        match output.item {
            None => Ok(None),
            Some(found) => item::read(&self.options.wallet, found).map(Some),
        }
    }

    async fn query(&self, client: &Client, after: Option<Cursor>) -> Result<Page, Fault> {
        let wallet = &self.options.wallet;
        let output = client
            .query()
            .table_name(&self.options.table)
            .consistent_read(true)
            .key_condition_expression("#w = :w")
            .expression_attribute_names("#w", item::WALLET)
            .expression_attribute_values(":w", AttributeValue::S(wallet.clone()))
            .set_exclusive_start_key(after.map(|Cursor(id)| item::key(wallet, id)))
            .send()
            .await
            .map_err(|error| classify(&error, &self.options.table))?;
        let next = match output.last_evaluated_key {
            None => None,
            Some(key) => Some(Cursor(item::read_id(&key)?)),
        };
        // A page that goes back would be read for ever.
        if let (Some(Cursor(after)), Some(Cursor(next))) = (after, next)
            && next <= after
        {
            return Err(item::invalid("a listing that goes back"));
        }
        let items = output.items.unwrap_or_default();
        let items: Result<_, _> = items
            .into_iter()
            .map(|found| item::read(wallet, found))
            .collect();
        Ok(Page {
            items: items?,
            next,
        })
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        table::create(self)
            .await
            .map_err(|fault| self.give_up(fault))
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        retry::read(self.deadline(), || async {
            self.get_item(&self.client().await?, id).await
        })
        .await
        .map_err(|fault| self.give_up(fault))
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        retry::read(self.deadline(), || async {
            self.query(&self.client().await?, after).await
        })
        .await
        .map_err(|fault| self.give_up(fault))
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        limits::check(&self.limits, &self.options.wallet, &changes)?;
        commit::commit(self, &changes)
            .await
            .map_err(|fault| self.give_up(fault))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn item_size(&self, item: &Item) -> usize {
        item_size(&self.options.wallet, item)
    }

    fn describe(&self) -> String {
        self.options.describe()
    }

    fn wallet(&self) -> &str {
        &self.options.wallet
    }

    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        Arc::new(DynamoStore {
            options: DynamoOptions {
                wallet: wallet.to_owned(),
                ..self.options.clone()
            },
            tuning: self.tuning.clone(),
            limits: self.limits,
            connection: Arc::clone(&self.connection),
        })
    }
}
