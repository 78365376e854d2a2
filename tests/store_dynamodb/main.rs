//! What the DynamoDB engine does over HTTP: how many requests, what becomes of a lost answer, and
//! what a person is told when the service does not do as it should. A proxy stands before a real
//! engine; see `support/http_count.rs`.

mod commits;
mod configuration;
mod faults;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod tables;

use std::time::Duration;
use support::dynamodb::Engine;
use support::http_count::HttpCount;
use walletfs::store::{DynamoOptions, DynamoStore, Store, Timeouts, Tuning};

/// An engine, a proxy before it, and a table made without the proxy.
struct Bench {
    engine: Engine,
    proxy: HttpCount,
    /// Options that lead to the proxy.
    options: DynamoOptions,
}

/// Time-outs of a tenth of the contract's, for tests that wait for them.
const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(300),
    attempt: Duration::from_millis(500),
    operation: Duration::from_secs(1),
};

/// What a loaded machine may take beyond a deadline to say that it has passed.
const SLACK: Duration = Duration::from_millis(500);

impl Bench {
    async fn new() -> Bench {
        let bench = Self::without_table().await;
        let direct = bench.direct().await;
        direct.create().await.expect("the table is made");
        bench
    }

    async fn without_table() -> Bench {
        let engine = Engine::start();
        let proxy = HttpCount::before(engine.url()).await;
        let options = DynamoOptions {
            endpoint_url: Some(proxy.url().into()),
            ..engine.options("wallet")
        };
        Bench {
            engine,
            proxy,
            options,
        }
    }

    /// A store through the proxy.
    async fn store(&self) -> DynamoStore {
        self.engine.connect(self.options.clone()).await
    }

    /// A store through the proxy that does not wait long.
    async fn impatient(&self) -> DynamoStore {
        let tuning = Tuning {
            timeouts: SHORT,
            ..self.engine.tuning()
        };
        DynamoStore::connect_with(self.options.clone(), tuning).await
    }

    /// A store that does not go through the proxy: another device.
    async fn direct(&self) -> DynamoStore {
        let options = DynamoOptions {
            endpoint_url: Some(self.engine.url().into()),
            ..self.options.clone()
        };
        self.engine.connect(options).await
    }
}
