//! The contract of a store (`walletfs::store::Store`), proved for every engine: the cases are
//! written once, in `cases.rs`, and stamped here for memory, SQLite and two DynamoDB engines.

mod cases;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use support::dynamodb::Engine;
use walletfs::store::{DynamoOptions, MemoryStore, SqliteStore, Store};

/// A place where wallets are kept, new and empty, and what must live as long as it.
pub(crate) struct Place {
    /// The store of one wallet.
    pub(crate) store: Arc<dyn Store>,
    /// The store of another wallet in the same table or file.
    pub(crate) neighbour: Option<Arc<dyn Store>>,
    /// The store of the first wallet with a commit limit of 10.
    pub(crate) small: Option<Arc<dyn Store>>,
    pub(crate) lacks: &'static [Lack],
    _alive: Box<dyn Send>,
}

/// What an engine does not do as DynamoDB does. This is the whole list: a case asks for a lack by
/// name, and proves the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It counts a byte string by its base64 text, so that its largest item is smaller by a
    /// quarter (moto 5.2). DynamoDB counts the bytes.
    LargeItems,
    /// It undoes a refused transaction by putting a copy of the table back, and so loses what
    /// another writer has committed meanwhile (moto 5.2: `transact_write_items` takes no lock).
    SeveralWriters,
}

async fn memory() -> Place {
    let store = MemoryStore::new();
    Place {
        neighbour: Some(Arc::new(store.beside("two"))),
        store: Arc::new(store),
        small: None,
        lacks: &[],
        _alive: Box::new(()),
    }
}

async fn sqlite() -> Place {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("wallets.sqlite");
    Place {
        store: Arc::new(SqliteStore::open(&path, "one")),
        neighbour: Some(Arc::new(SqliteStore::open(&path, "two"))),
        small: Some(Arc::new(SqliteStore::with_commit_limit(&path, "one", 10))),
        lacks: &[],
        _alive: Box::new(directory),
    }
}

async fn dynamodb() -> Place {
    let engine = Engine::start();
    let place = dynamodb_on(&engine, &[]).await;
    Place {
        _alive: Box::new(engine),
        ..place
    }
}

async fn moto() -> Place {
    let engine = tokio::task::spawn_blocking(Engine::moto);
    let lacks = &[Lack::LargeItems, Lack::SeveralWriters];
    dynamodb_on(engine.await.expect("moto starts"), lacks).await
}

async fn dynamodb_on(engine: &Engine, lacks: &'static [Lack]) -> Place {
    let options = engine.options("one");
    let neighbour = DynamoOptions {
        wallet: "two".into(),
        ..options.clone()
    };
    let small = DynamoOptions {
        commit_limit: Some(10),
        ..options.clone()
    };
    Place {
        store: Arc::new(engine.connect(options).await),
        neighbour: Some(Arc::new(engine.connect(neighbour).await)),
        small: Some(Arc::new(engine.connect(small).await)),
        lacks,
        _alive: Box::new(()),
    }
}

/// Makes a test of each case for each engine.
macro_rules! stamp {
    ([$($engine:ident),*] $cases:tt) => {
        $(stamp!(@engine $engine $cases);)*
    };
    (@engine $engine:ident [$($case:ident),* $(,)?]) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = crate::$engine().await;
                    place.store.create().await.expect("the place is made");
                    crate::cases::$case(place).await;
                }
            )*
        }
    };
}

stamp!([memory, sqlite, dynamodb, moto] [
    making_the_place_again_harms_nothing,
    absence_is_a_value,
    what_is_put_is_got,
    a_put_is_conditional,
    a_delete_is_conditional,
    a_commit_happens_whole,
    a_refused_commit_changes_nothing_and_names_each_fault,
    a_listing_has_every_item_in_order_with_the_head_last,
    a_listing_of_3_mb_comes_in_pages,
    a_listing_goes_on_after_an_item_that_is_gone,
    a_commit_holds_100_changes_and_not_one_more,
    an_item_may_be_as_large_as_the_limit_and_not_larger,
    a_commit_may_be_as_large_as_the_limit_and_not_larger,
    a_commit_names_an_item_once,
    writers_at_the_same_time_lose_nothing,
    wallets_do_not_see_each_other,
    a_sibling_is_the_neighbour,
]);

/// What memory has no use for.
mod commit_limit {
    stamp!([sqlite, dynamodb, moto] [
        a_commit_limit_is_kept,
    ]);
}
