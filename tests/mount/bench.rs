//! A mounted program whose requests are counted on the wire.

use super::harness::*;
use super::support::dynamodb::Engine;
use super::support::http_count::{HttpCount, counted};
use std::collections::BTreeMap;

/// A wallet in a table that is reached through a proxy which counts.
pub(crate) struct Bench {
    pub(crate) wallet: Wallet,
    pub(crate) proxy: HttpCount,
    _engine: Engine,
    _runtime: tokio::runtime::Runtime,
}

/// A cache's life that no test outlives.
pub(crate) const LONG: [&str; 2] = ["--cache-ttl", "600"];

impl Bench {
    /// A wallet with these files, of which nothing is mounted.
    pub(crate) fn with(files: &[(String, Vec<u8>)]) -> Bench {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let engine = Engine::start();
        let proxy = runtime.block_on(HttpCount::before(engine.url()));
        let table = engine.options("default").table;
        let wallet = Wallet::in_table(proxy.url(), &table);
        let mount = wallet.mount("w", &LONG);
        for (path, content) in files {
            mount.write(path, content);
        }
        mount.unmount();
        proxy.take();
        Bench {
            wallet,
            proxy,
            _engine: engine,
            _runtime: runtime,
        }
    }

    /// What `act` asks of the engine, up to the last release.
    #[track_caller]
    pub(crate) fn asks(&self, mount: &Mount<'_>, act: impl FnOnce()) -> BTreeMap<String, usize> {
        assert_eq!(self.proxy.take(), counted(&[]), "nothing goes on by itself");
        act();
        mount.settled();
        self.proxy.take()
    }
}
