//! The store that a configuration names: chosen here, once.

use super::config::{Config, StoreKind, TABLE};
use super::paths::Places;
use crate::store::{DynamoOptions, DynamoStore, SqliteStore, Store};
use std::sync::Arc;

/// The wallet's store. Nothing is asked of it yet.
pub(super) async fn open(config: &Config, places: &Places, wallet: &str) -> Arc<dyn Store> {
    match config.store {
        StoreKind::Local => {
            let path = config.local_file(places, wallet);
            match config.commit_limit {
                Some(limit) => Arc::new(SqliteStore::with_commit_limit(path, wallet, limit)),
                None => Arc::new(SqliteStore::open(path, wallet)),
            }
        }
        StoreKind::Dynamodb => {
            let options = DynamoOptions {
                table: config.table.clone().unwrap_or_else(|| TABLE.into()),
                wallet: wallet.to_owned(),
                profile: config.profile.clone(),
                region: config.region.clone(),
                endpoint_url: config.endpoint_url.clone(),
                commit_limit: config.commit_limit,
            };
            Arc::new(DynamoStore::connect(options).await)
        }
    }
}
