//! The SQLite engine: one file, safe to copy between two commits, shared by several processes.
//!
//! The only module that names SQL. SQLite's own locks serialise the writers, of this process and
//! of others: a commit is one immediate transaction, and what a commit replaces is overwritten in
//! the file (`secure_delete`), so that a head with an old password does not linger in it. A file
//! whose header is not this engine's is never read and never written.
//!
//! Every call runs on a thread for blocking work, so that a slow disk never holds a thread of the
//! runtime, and with a connection of its own, so that no read waits for another.

mod explain;
mod file;
mod foreign;
mod items;
mod replica;

use super::{
    Change, Commit, Cursor, DEADLINE, Id, Item, Limits, Notice, Page, Store, StoreError, item_size,
    limits,
};
use async_trait::async_trait;
use explain::Error;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) use foreign::read_file;
pub use replica::{Refresh, Replica, remove as remove_replica};

/// "wfs1" in the header of the file (`PRAGMA application_id`): the file is walletfs's.
const APPLICATION_ID: i32 = 0x7766_7331;

/// Layout of the tables (`PRAGMA user_version`).
const LAYOUT: i32 = 1;

const SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS items (
  wallet  TEXT    NOT NULL,
  id      TEXT    NOT NULL,
  version INTEGER NOT NULL,
  meta    BLOB    NOT NULL,
  data    BLOB    NOT NULL,
  PRIMARY KEY (wallet, id)
) WITHOUT ROWID";

/// A page of a listing ends before the item that would take it over this, as DynamoDB's do.
const PAGE_BYTES: usize = 1 << 20;

/// No row that walletfs writes is larger; what a file holds beyond it is not read into memory.
const ROW_BYTES: i32 = 1 << 20;

/// The time that is left, when a call gives up waiting for another process's lock, to say so before
/// the deadline.
const BUSY_MARGIN: Duration = Duration::from_millis(500);

/// Pauses between looks at a lock: short at first, since most are held for a moment.
const PAUSES_MS: [u64; 8] = [1, 2, 5, 10, 15, 20, 25, 50];

thread_local! {
    /// Until when the call on this thread waits for another process's lock.
    static WAITS_UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Connections kept between calls; more are opened when more calls run at once.
const IDLE_CONNECTIONS: usize = 4;

/// The items of one wallet in a SQLite file.
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    wallet: String,
    limits: Limits,
    idle: Mutex<Vec<Open>>,
}

/// A connection, and the file that it has open: another one may have taken its name since.
struct Open {
    connection: Connection,
    file: file::Identity,
}

impl SqliteStore {
    /// The items of `wallet` in the file at `path`. Nothing is opened before the first call;
    /// [`Store::create`] makes the file, and any other call wants it there.
    pub fn open(path: impl AsRef<Path>, wallet: impl Into<String>) -> Self {
        Self::with_commit_limit(path, wallet, Limits::default().changes)
    }

    /// As [`SqliteStore::open`], with a commit of at most `changes` changes (see
    /// [`Limits::with_changes`]).
    pub fn with_commit_limit(
        path: impl AsRef<Path>,
        wallet: impl Into<String>,
        changes: usize,
    ) -> Self {
        let path = path.as_ref();
        // An absolute path is never mistaken for a URI or for ":memory:". It fails only for an
        // empty path or when there is no current directory: then opening fails.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::new(path, wallet.into(), Limits::with_changes(changes))
    }

    fn new(path: PathBuf, wallet: String, limits: Limits) -> Self {
        SqliteStore {
            shared: Arc::new(Shared {
                path,
                wallet,
                limits,
                idle: Mutex::default(),
            }),
        }
    }

    /// The same, for another owner.
    fn again(&self) -> Self {
        SqliteStore {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Runs `work` on a thread for blocking work and gives up waiting for it at the deadline.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Shared, Instant) -> Result<T, Error> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + DEADLINE;
        let task = tokio::task::spawn_blocking(move || {
            work(&shared, deadline).map_err(|error| error.explain(&shared.path))
        });
        match tokio::time::timeout(DEADLINE, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(join)) => match join.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Failed("the program is ending".into())),
            },
            Err(_) => Err(StoreError::Deadline),
        }
    }
}

impl Shared {
    /// Runs `work` on a connection to the file that now has the path's name.
    fn with_connection<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let file = file::identity(&self.path)?;
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|open| open.file == file);
            idle.pop()
        };
        let mut open = match idle {
            Some(open) => open,
            None => Open {
                connection: self.connect(deadline)?,
                file,
            },
        };
        wait_until(deadline)?;
        let result = work(&mut open.connection);
        // After a failure the connection is closed: the next call begins with a clean one.
        if result.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_CONNECTIONS {
                idle.push(open);
            }
        }
        result
    }

    /// A connection to a file with this engine's header and table.
    fn connect(&self, deadline: Instant) -> Result<Connection, Error> {
        let connection = self.connect_unchecked(deadline)?;
        match header(&connection)? {
            Header::Ours => {}
            Header::Empty => return Err(file::missing(&self.path).into()),
            Header::Newer(layout) => return Err(newer(&self.path, layout).into()),
            Header::Foreign => return Err(foreign(&self.path).into()),
        }
        settle(&connection)?;
        Ok(connection)
    }

    /// A connection to whatever is there, with nothing read from it yet.
    fn connect_unchecked(&self, deadline: Instant) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        wait_until(deadline)?;
        connection.busy_handler(Some(wait_for_lock))?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES)?;
        // The file may come from anywhere: nothing in its schema runs with our rights, and a
        // damaged page is an error rather than a guess.
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        // The schema is looked at when the file is opened, and can be another in the next moment: a
        // view without end would keep the thread that reads it for ever.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        Ok(connection)
    }

    fn create(&self, deadline: Instant) -> Result<(), Error> {
        file::create(&self.path)?;
        let mut connection = self.connect_unchecked(deadline)?;
        // The lock first: another process may be making the same file.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match header(&transaction)? {
            Header::Ours => return Ok(()),
            Header::Newer(layout) => return Err(newer(&self.path, layout).into()),
            Header::Foreign => return Err(foreign(&self.path).into()),
            Header::Empty => {}
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.commit()?;
        Ok(())
    }
}

/// What the header of a SQLite file says.
enum Header {
    /// walletfs's, in the layout that this program knows.
    Ours,
    /// walletfs's, in a layout of a later program.
    Newer(i32),
    /// Nothing has been written yet.
    Empty,
    /// Another program's.
    Foreign,
}

fn header(connection: &Connection) -> Result<Header, Error> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application, layout) = (number("application_id")?, number("user_version")?);
    // The one table and nothing else: a view or a trigger of somebody's making would run, and never
    // end, in its place.
    let (objects, known): (i64, i64) = connection.query_row(
        "SELECT count(*), count(CASE WHEN type = 'table' AND sql = ?1 THEN 1 END) \
         FROM sqlite_schema",
        [SCHEMA.replacen("IF NOT EXISTS ", "", 1)],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(match (application, layout, objects) {
        (APPLICATION_ID, LAYOUT, 1) if known == 1 => Header::Ours,
        (APPLICATION_ID, layout, _) if layout > LAYOUT => Header::Newer(layout),
        (0, 0, 0) => Header::Empty,
        _ => Header::Foreign,
    })
}

/// How the file is written: one file between commits, each on the disk when the call returns, and
/// nothing left of what it replaced.
fn settle(connection: &Connection) -> Result<(), Error> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode != "delete" {
        return Err(StoreError::Failed(format!(
            "the wallet file is in journal mode {mode} and cannot leave it: close what has it open"
        ))
        .into());
    }
    // FULL would leave the journal's removal, which is the commit, in the directory's cache: a power
    // cut brings the journal back, and it undoes a commit that was acknowledged.
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    Ok(())
}

/// Lets SQLite wait for other processes' locks until shortly before the deadline. By a clock: its own
/// time-out counts what its pauses should last, which on a loaded machine they exceed.
fn wait_until(deadline: Instant) -> Result<(), Error> {
    let until = deadline.checked_sub(BUSY_MARGIN);
    if until.is_none_or(|until| until <= Instant::now()) {
        return Err(StoreError::Deadline.into());
    }
    WAITS_UNTIL.set(until);
    Ok(())
}

/// Pauses before another look at a lock, unless the time is over. `looks` is how many there were.
fn wait_for_lock(looks: i32) -> bool {
    let left = WAITS_UNTIL
        .get()
        .map(|until| until.saturating_duration_since(Instant::now()));
    let Some(left) = left.filter(|left| !left.is_zero()) else {
        return false;
    };
    let pause = usize::try_from(looks).ok().and_then(|at| PAUSES_MS.get(at));
    let pause = Duration::from_millis(*pause.unwrap_or(&100));
    std::thread::sleep(pause.min(left));
    true
}

fn foreign(path: &Path) -> StoreError {
    StoreError::Failed(format!(
        "{} is a SQLite file of another program: name another file for the wallet",
        path.display()
    ))
}

fn newer(path: &Path, layout: i32) -> StoreError {
    StoreError::Failed(format!(
        "{} has layout {layout}, which this walletfs does not know: update walletfs",
        path.display()
    ))
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.run(|shared, deadline| shared.create(deadline)).await?;
        Ok(Vec::new())
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        self.run(move |shared, deadline| {
            shared.with_connection(deadline, |connection| {
                items::get(connection, &shared.wallet, id)
            })
        })
        .await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        self.run(move |shared, deadline| {
            shared.with_connection(deadline, |connection| {
                items::page(connection, &shared.wallet, after, PAGE_BYTES)
            })
        })
        .await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        limits::check(&self.shared.limits, &self.shared.wallet, &changes)?;
        self.run(move |shared, deadline| {
            shared.with_connection(deadline, |connection| {
                items::commit(connection, &shared.wallet, &changes, deadline)
            })
        })
        .await
    }

    fn limits(&self) -> Limits {
        self.shared.limits
    }

    fn item_size(&self, item: &Item) -> usize {
        item_size(&self.shared.wallet, item)
    }

    fn describe(&self) -> String {
        format!("SQLite file {}", self.shared.path.display())
    }

    fn wallet(&self) -> &str {
        &self.shared.wallet
    }

    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        let shared = &self.shared;
        Arc::new(Self::new(
            shared.path.clone(),
            wallet.to_owned(),
            shared.limits,
        ))
    }
}
