//! Two devices with one wallet: two configurations, two processes, one store.

use crate::disk::Disk;
use crate::mounts::{Mount, Wallet};
use crate::support::dynamodb::Engine;
use crate::wallets::{Found, Sealed};
use serde_json::json;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use tokio::runtime::Runtime;
use walletfs::store::{SqliteStore, Store};

/// What a mount believes for as long as most tests last.
pub(crate) const LONG: [&str; 2] = ["--cache-ttl", "60"];
/// What a mount believes for a moment, and the end of that.
pub(crate) const SHORT: [&str; 2] = ["--cache-ttl", "0.3"];
pub(crate) fn expire() {
    sleep(Duration::from_millis(350));
}

/// What keeps the store.
enum Keeper {
    Engine { _engine: Engine },
    Disk { _disk: Disk },
}

/// The two devices.
pub(crate) struct Pair {
    pub(crate) one: Wallet,
    pub(crate) two: Wallet,
    pub(crate) store: &'static str,
    direct: Arc<dyn Store>,
    sealed: Sealed,
    runtime: Runtime,
    _keeper: Keeper,
}

impl Pair {
    /// A pair on each kind of store, with these files.
    pub(crate) fn each(files: &[(&str, &[u8])]) -> [Pair; 2] {
        [Pair::on_sqlite(files), Pair::on_dynamodb(files)]
    }

    fn on_sqlite(files: &[(&str, &[u8])]) -> Pair {
        let disk = Disk::new();
        let path = disk.path("wallet.sqlite");
        let config = json!({ "store": "local", "path": path });
        let direct = Arc::new(SqliteStore::open(&path, "default"));
        let keeper = Keeper::Disk { _disk: disk };
        Pair::new(
            "SQLite",
            files,
            Runtime::new().unwrap(),
            config,
            direct,
            keeper,
        )
    }

    fn on_dynamodb(files: &[(&str, &[u8])]) -> Pair {
        let runtime = Runtime::new().unwrap();
        let engine = Engine::start();
        let options = engine.options("default");
        let config = json!({
            "store": "dynamodb",
            "table": options.table,
            "endpoint-url": engine.url(),
        });
        let direct = Arc::new(runtime.block_on(engine.connect(options)));
        let keeper = Keeper::Engine { _engine: engine };
        Pair::new("DynamoDB", files, runtime, config, direct, keeper)
    }

    fn new(
        store: &'static str,
        files: &[(&str, &[u8])],
        runtime: Runtime,
        config: serde_json::Value,
        direct: Arc<dyn Store>,
        keeper: Keeper,
    ) -> Pair {
        let sealed = runtime.block_on(async {
            let sealed = Sealed::with(files).await;
            sealed.put(&*direct).await;
            sealed
        });
        Pair {
            one: Wallet::joined(&config, sealed.key()),
            two: Wallet::joined(&config, sealed.key()),
            store,
            direct,
            sealed,
            runtime,
            _keeper: keeper,
        }
    }

    /// Both mounted, each with these options.
    pub(crate) fn mount(&self, one: &[&str], two: &[&str]) -> (Mount<'_>, Mount<'_>) {
        (self.one.mount("w", one), self.two.mount("w", two))
    }

    /// The generation that the wallet had at first.
    pub(crate) fn begin(&self) -> u64 {
        self.sealed.generation()
    }

    /// Everything that a third device finds, which verifies the digest.
    pub(crate) fn find(&self) -> Found {
        let found = self.sealed.find(self.direct.clone());
        self.runtime.block_on(found).unwrap()
    }

    /// The info fields of a secret, as a third device finds them: sorted, each as `key=value`.
    pub(crate) fn fields(&self, domain: &str, access: &str) -> Vec<String> {
        let found = self.find();
        let fields = found.contents[domain][access]["info"].as_object();
        let fields = fields.into_iter().flatten();
        let mut fields: Vec<String> = fields
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect();
        fields.sort();
        fields
    }

    /// The secrets of a domain, sorted.
    pub(crate) fn secrets(&self, domain: &str) -> Vec<String> {
        let found = self.find();
        let secrets = found.contents[domain].as_object().into_iter().flatten();
        let mut secrets: Vec<String> = secrets.map(|(access, _)| access.clone()).collect();
        secrets.sort();
        secrets
    }
}
