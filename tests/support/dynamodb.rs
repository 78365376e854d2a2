//! DynamoDB engines for tests: `dynoxide`, or the endpoint that `WALLETFS_TEST_DYNAMODB_URL`
//! names; and `moto` as a second opinion.

use super::server::{Server, tool};
use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use walletfs::store::{AccessKey, DynamoOptions, DynamoStore, Timeouts, Tuning};

/// A running engine. Dropping it ends the program, if this test started one.
pub(crate) struct Engine {
    url: String,
    named: bool,
    _server: Option<Server>,
}

impl Engine {
    /// A fresh dynoxide in memory, or the endpoint that the environment names.
    pub(crate) fn start() -> Engine {
        if let Ok(url) = env::var("WALLETFS_TEST_DYNAMODB_URL") {
            return Engine {
                url,
                named: true,
                _server: None,
            };
        }
        let program = tool("dynoxide").join("bin/dynoxide");
        Self::of(Server::start(
            &program,
            &["--host", "127.0.0.1", "--port", "0"],
        ))
    }

    /// The moto server of this test program, started once, since that takes seconds.
    pub(crate) fn moto() -> &'static Engine {
        static MOTO: OnceLock<Engine> = OnceLock::new();
        MOTO.get_or_init(|| {
            let program = tool("python").join("python/bin/moto_server");
            Self::of(Server::start(&program, &["-H", "127.0.0.1", "-p", "0"]))
        })
    }

    fn of(server: Server) -> Engine {
        Engine {
            url: server.url(),
            named: false,
            _server: Some(server),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Options for a wallet in a table that no other test uses.
    pub(crate) fn options(&self, wallet: &str) -> DynamoOptions {
        static TABLES: AtomicUsize = AtomicUsize::new(0);
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        DynamoOptions {
            table: format!("walletfs-test-{}-{number}", std::process::id()),
            wallet: wallet.into(),
            // A named endpoint may be AWS's: region and keys are then those of the environment.
            region: (!self.named).then(|| "eu-central-1".into()),
            endpoint_url: Some(self.url.clone()),
            ..DynamoOptions::default()
        }
    }

    /// What a store over this engine is tuned with: keys, unless the environment has them.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            timeouts: Timeouts::default(),
            access_key: (!self.named).then(any_key),
        }
    }

    pub(crate) async fn connect(&self, options: DynamoOptions) -> DynamoStore {
        DynamoStore::connect_with(options, self.tuning()).await
    }
}

/// [`access_key`], for a store.
pub(crate) fn any_key() -> AccessKey {
    let (id, secret) = access_key();
    let secret = secret.into();
    AccessKey { id, secret }
}

/// A key that is nobody's.
pub(crate) fn access_key() -> (String, String) {
    ("AKIAWALLETFSTEST".into(), "not a secret".into())
}
