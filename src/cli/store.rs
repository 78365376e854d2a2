//! The store that a configuration names: chosen here, once.

use super::config::{Config, StoreKind, TABLE};
use super::exit::Failure;
use super::paths::Places;
use crate::session::private;
use crate::store::{AccessKey, DynamoOptions, DynamoStore, Replica, SqliteStore, Store, Tuning};
use std::sync::Arc;

/// The copy of the wallet's items on this device, if the configuration asks for one. Nothing is
/// opened yet.
///
/// # Errors
/// Its file is open to others.
pub(super) fn replica(
    config: &Config,
    places: &Places,
    wallet: &str,
) -> Result<Option<Arc<Replica>>, Failure> {
    if !config.has_replica() {
        return Ok(None);
    }
    let path = places.replica_file(wallet);
    private::open(&path)?;
    Ok(Some(Arc::new(Replica::at(path, wallet))))
}

/// The wallet's store. Nothing is asked of it yet.
///
/// # Errors
/// Its file is open to others, or its directory: looked at in the data directory only. Elsewhere it
/// may be somebody's to share, and what is in it is sealed.
pub(super) async fn open(
    config: &Config,
    places: &Places,
    wallet: &str,
) -> Result<Arc<dyn Store>, Failure> {
    open_with(config, places, wallet, None).await
}

/// As [`open()`], with an access key that is in no file yet.
pub(super) async fn open_with(
    config: &Config,
    places: &Places,
    wallet: &str,
    access_key: Option<AccessKey>,
) -> Result<Arc<dyn Store>, Failure> {
    Ok(match config.store {
        StoreKind::Local => {
            let path = config.local_file(places, wallet);
            if path.parent() == Some(&places.data) && private::check_dir(&places.data)? {
                private::open(&path)?;
            }
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
            let tuning = Tuning {
                access_key,
                ..Tuning::default()
            };
            Arc::new(DynamoStore::connect_with(options, tuning).await)
        }
    })
}
