//! [`Replica`]: a copy of a wallet's items in a file of this device, for the time when the store
//! that they are in cannot be reached. It is a wallet file like any other, and holds ciphertext
//! only. Whoever refreshes it hands over the items as they come, and the head when it has vouched for
//! their metas; until then the file shows what it showed. Values are checked where they are read.

use super::explain::Error;
use super::{SqliteStore, file, items, wait_until};
use crate::store::{Change, Commit, Id, Item, Store, StoreError};
use rusqlite::{Connection, TransactionBehavior, params};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What a refresh has gathered, in a temporary file of SQLite's own: the ids that there are, and the
/// items that the replica lacks.
const GATHERED: &str = "\
CREATE TEMP TABLE IF NOT EXISTS listed (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS changed (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, meta BLOB NOT NULL, data BLOB NOT NULL
) WITHOUT ROWID;
DELETE FROM temp.listed;
DELETE FROM temp.changed;";
const LISTED: &str = "INSERT INTO temp.listed (id) VALUES (?1)";
const CHANGED: &str = "INSERT INTO temp.changed (id, version, meta, data) VALUES (?1, ?2, ?3, ?4)";
const REMOVE: &str = "DELETE FROM main.items WHERE wallet = ?1 \
     AND id NOT IN (SELECT id FROM temp.listed)";
const TAKE: &str = "INSERT OR REPLACE INTO main.items (wallet, id, version, meta, data) \
     SELECT ?1, id, version, meta, data FROM temp.changed";

/// A wallet's items, kept in a file beside the store that they are in.
pub struct Replica {
    store: SqliteStore,
}

/// A refresh that is under way. Dropped before [`Refresh::finish`], it changes nothing.
pub struct Refresh {
    store: SqliteStore,
    connection: Connection,
    /// The head that the replica had when this began.
    before: Option<Item>,
}

impl Replica {
    /// The replica of `wallet` in the file at `path`, which the first refresh makes.
    pub fn at(path: impl AsRef<Path>, wallet: impl Into<String>) -> Replica {
        Replica {
            store: SqliteStore::open(path, wallet),
        }
    }

    /// The items, to be read as those of any store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.again())
    }

    /// When it was last known to show what the store had; `None`: there is no replica.
    pub fn refreshed(&self) -> Option<SystemTime> {
        let file = fs::metadata(&self.store.shared.path).ok()?;
        file.modified().ok()
    }

    /// One item, whatever is wrong with the rest. `None`, too, if the replica cannot be read.
    pub async fn get(&self, id: Id) -> Option<Item> {
        self.store.get(id).await.ok().flatten()
    }

    /// Takes over a commit that the store has made, if the replica showed what it changed. Whether it
    /// did.
    pub async fn follow(&self, changes: Vec<Change>) -> Result<bool, StoreError> {
        Ok(match self.store.commit(changes).await? {
            Commit::Done => true,
            Commit::Refused(_) => false,
        })
    }

    /// Begins a refresh. A file that is not to be read is made anew: all of it is in the store.
    pub async fn refresh(&self) -> Result<Refresh, StoreError> {
        let begun = self.begin().await;
        let unreadable = |read| matches!(read, Err(StoreError::Failed(_) | StoreError::Invalid(_)));
        if begun.is_err() && unreadable(self.store.get(Id::Head).await) {
            remove(&self.store.shared.path)?;
            return self.begin().await;
        }
        begun
    }

    async fn begin(&self) -> Result<Refresh, StoreError> {
        self.store.create().await?;
        let store = self.store.again();
        let (connection, before) = store
            .run(|shared, deadline| {
                let connection = shared.connect(deadline)?;
                connection.execute_batch(GATHERED)?;
                let before = items::get(&connection, &shared.wallet, Id::Head)?;
                Ok((connection, before))
            })
            .await?;
        Ok(Refresh {
            store,
            connection,
            before,
        })
    }
}

impl Refresh {
    /// Takes note of some of the wallet's items, the head not among them.
    pub async fn take(self, page: Vec<Item>) -> Result<Refresh, StoreError> {
        let Refresh {
            store,
            connection,
            before,
        } = self;
        let connection = store
            .run(move |shared, deadline| {
                wait_until(deadline)?;
                let gathering = connection.unchecked_transaction()?;
                for item in page {
                    gather(&gathering, &shared.wallet, &item)?;
                }
                gathering.commit()?;
                Ok(connection)
            })
            .await?;
        Ok(Refresh {
            store,
            connection,
            before,
        })
    }

    /// Makes the replica show the items that were taken, all and no other, under this head, and says
    /// that it is as new as the store. Another process that was faster has its way.
    pub async fn finish(self, head: Item) -> Result<(), StoreError> {
        let Refresh {
            store,
            mut connection,
            before,
        } = self;
        store
            .run(move |shared, deadline| {
                wait_until(deadline)?;
                gather(&connection, &shared.wallet, &head)?;
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                if items::get(&transaction, &shared.wallet, Id::Head)? != before {
                    return Ok(());
                }
                transaction.execute(REMOVE, [&shared.wallet])?;
                transaction.execute(TAKE, [&shared.wallet])?;
                transaction.commit()?;
                // Where nothing has changed nothing was written either.
                let touched = File::options().write(true).open(&shared.path);
                let touched = touched.and_then(|file| file.set_modified(SystemTime::now()));
                touched.map_err(|error| file::explain(&shared.path, &error))?;
                Ok(())
            })
            .await
    }
}

fn gather(connection: &Connection, wallet: &str, item: &Item) -> Result<(), Error> {
    let id = item.id.text();
    connection.prepare_cached(LISTED)?.execute(params![&*id])?;
    // A row that cannot be read is one that differs.
    if matches!(items::get(connection, wallet, item.id), Ok(Some(there)) if there == *item) {
        return Ok(());
    }
    connection.prepare_cached(CHANGED)?.execute(params![
        &*id,
        items::stored_version(item.version)?,
        &item.meta[..],
        &item.data[..],
    ])?;
    Ok(())
}

/// Removes the file of a replica, if there is one, and what SQLite has beside it.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    let journal = PathBuf::from(format!("{}-journal", path.display()));
    // The journal last: without it a file that needs it would be read half-written, while SQLite
    // leaves one alone that has no file.
    for path in [path, &journal] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file::explain(path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}
