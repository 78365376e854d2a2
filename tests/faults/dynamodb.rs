//! The faults of DynamoDB, by a proxy before an engine.

use crate::mounts::{ACCESS_KEY, Wallet};
use crate::outcomes::Expect::{self, Fails, Works};
use crate::rig::{self, Row};
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Answer, Fate, HttpCount, Request};
use crate::wallets::Sealed;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use walletfs::store::{AccessKey, DynamoOptions, DynamoStore, Store, Timeouts, Tuning};
use walletfs::wallet::Edit;

const COMMIT: &str = "TransactWriteItems";

/// What a service that is slow takes for each answer, of which a path may need one for each name.
const SLOW: Duration = Duration::from_millis(800);

const REFUSED: &str = "connection refused";
const RESET: &str = "reset in mid-body";
const NO_ANSWER: &str = "no answer";
const SLOW_ANSWER: &str = "slow answer";
const ERROR_500: &str = "500";
const ERROR_503: &str = "503";
const THROTTLED: &str = "throttled";
const CONFLICT: &str = "TransactionConflict";
const EXPIRED: &str = "credentials expired";
const DENIED: &str = "credentials denied";
const SKEWED: &str = "clock skewed";
const MISSING: &str = "table missing";
const LOST: &str = "answer lost";
const UNKNOWN: &str = "outcome unknown";
const EMPTY: &str = "empty page";

/// Each fault and what it comes to (design, section 6; exit codes, section 8).
pub(crate) fn rows() -> Vec<Row> {
    let row = |name, all: Expect, mount, says| Row {
        name,
        memory: Works,
        asks: all,
        commits: all,
        mount,
        says,
        may_apply: false,
    };
    let (away, late) = (Fails(libc::ENETUNREACH), Fails(libc::ETIMEDOUT));
    let (busy, denied) = (Fails(libc::EBUSY), Fails(libc::EACCES));
    vec![
        row(REFUSED, away, 13, "connection refused"),
        Row {
            may_apply: true,
            ..row(RESET, away, 13, "cannot be reached")
        },
        row(NO_ANSWER, late, 13, "did not answer within 10 s"),
        row(SLOW_ANSWER, Works, 0, ""),
        row(ERROR_500, away, 13, "HTTP 500"),
        row(ERROR_503, away, 13, "HTTP 503"),
        row(THROTTLED, busy, 13, "fewer requests"),
        Row {
            asks: Works,
            ..row(CONFLICT, busy, 0, "other devices are writing")
        },
        row(EXPIRED, denied, 14, "renew them"),
        row(DENIED, denied, 14, "IAM policy"),
        row(SKEWED, denied, 14, "clock is"),
        row(MISSING, Fails(libc::EIO), 11, "there is no DynamoDB table"),
        row(LOST, Works, 0, ""),
        Row {
            asks: Works,
            may_apply: true,
            ..row(UNKNOWN, late, 0, "did not answer within 10 s")
        },
        row(EMPTY, Works, 0, ""),
    ]
}

/// What becomes of a request under a fault.
fn fate(fault: &str, request: &Request, committed: &AtomicBool) -> Fate {
    let answer = |code: &str, message: &str| Fate::Answer(Answer::error(code, message));
    let commit = request.operation == COMMIT;
    // Another key than the one that the fault concerns.
    let renewed = || !request.head.contains(ACCESS_KEY);
    match fault {
        RESET => Fate::CutInside,
        NO_ANSWER => Fate::Hang,
        SLOW_ANSWER => Fate::Delay(SLOW),
        ERROR_500 => Fate::Answer(Answer::error("InternalServerError", "oops").with_status(500)),
        ERROR_503 => Fate::Answer(Answer {
            status: 503,
            headers: vec!["content-type: text/html".into()],
            body: "<html>Back soon</html>".into(),
        }),
        THROTTLED if request.number.is_multiple_of(2) => answer("ThrottlingException", "slow down"),
        THROTTLED => answer("ProvisionedThroughputExceededException", "slow down"),
        CONFLICT if commit => {
            let body = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": "Transaction cancelled",
                "CancellationReasons": [{ "Code": "TransactionConflict" }, { "Code": "None" }],
            });
            Fate::Answer(Answer::json(&body).with_status(400))
        }
        EXPIRED if !renewed() => answer("ExpiredTokenException", "The security token is expired"),
        DENIED if !renewed() => answer("AccessDeniedException", "User x may not perform this"),
        // A service with another century, to every attempt.
        SKEWED => Fate::Answer(
            Answer::error("InvalidSignatureException", "Signature expired")
                .with_header("date: Wed, 05 Mar 2098 10:00:00 GMT"),
        ),
        MISSING => answer("ResourceNotFoundException", "Requested resource not found"),
        // Every first answer.
        LOST if request.number == 0 => Fate::CutAfter,
        UNKNOWN if commit => {
            committed.store(true, Ordering::Release);
            Fate::HangAfter
        }
        // The truth is not to be had either.
        UNKNOWN if committed.load(Ordering::Acquire) => Fate::Hang,
        EMPTY if request.operation == "Query" && request.number == 0 => Fate::Answer(Answer::json(
            &json!({ "Count": 0, "Items": [], "ScannedCount": 0 }),
        )),
        _ => Fate::Forward,
    }
}

/// A table, a proxy before it, and a device that goes through it.
pub(crate) struct Rig {
    fault: &'static str,
    wallet: Wallet,
    proxy: HttpCount,
    direct: Arc<dyn Store>,
    options: DynamoOptions,
    injected: Arc<AtomicUsize>,
    runtime: Handle,
    key: Vec<u8>,
}

impl Rig {
    pub(crate) fn new(
        fault: &'static str,
        engine: &Engine,
        sealed: &Sealed,
        runtime: &Runtime,
    ) -> Rig {
        let options = engine.options("default");
        runtime.block_on(async {
            let direct = Arc::new(engine.connect(options.clone()).await);
            sealed.put(&*direct).await;
            let proxy = HttpCount::before(engine.url()).await;
            let config = json!({
                "store": "dynamodb",
                "table": options.table,
                "endpoint-url": proxy.url(),
            });
            Rig {
                fault,
                wallet: Wallet::joined(&config, sealed.key()),
                options,
                proxy,
                direct,
                injected: Arc::default(),
                runtime: Handle::current(),
                key: sealed.key().to_vec(),
            }
        })
    }
}

impl rig::Rig for Rig {
    fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    fn inject(&self) {
        if self.fault == REFUSED {
            self.injected.fetch_add(1, Ordering::Relaxed);
            return self.runtime.block_on(self.proxy.refuse());
        }
        if self.fault == EMPTY {
            // Another device commits, so that this one lists.
            let domain = "others".into();
            let access = "own".into();
            let commit = async {
                let opened = Sealed::open_with(&self.key, self.direct.clone()).await;
                opened.unwrap().apply(Edit::Create { domain, access }).await
            };
            self.runtime.block_on(commit).unwrap();
        }
        let (fault, injected) = (self.fault, self.injected.clone());
        let committed = AtomicBool::new(false);
        self.proxy.take();
        self.proxy.plan(move |request| {
            let fate = fate(fault, request, &committed);
            injected.fetch_add(usize::from(fate != Fate::Forward), Ordering::Relaxed);
            fate
        });
    }

    fn heal(&self) {
        match self.fault {
            REFUSED => {
                let _runtime = self.runtime.enter();
                self.proxy.accept();
            }
            // The service does not change its mind: the key is renewed.
            EXPIRED | DENIED => self.wallet.renew("AKIAWALLETFSRENEWED"),
            _ => self.proxy.heal(),
        }
    }

    fn relent(&self) {
        match self.fault {
            REFUSED => rig::Rig::heal(self),
            _ => self.proxy.heal(),
        }
    }

    fn direct(&self) -> Arc<dyn Store> {
        self.direct.clone()
    }

    fn through(&self) -> Arc<dyn Store> {
        let options = DynamoOptions {
            endpoint_url: Some(self.proxy.url().into()),
            ..self.options.clone()
        };
        let tuning = Tuning {
            timeouts: Timeouts::default(),
            access_key: Some(AccessKey {
                id: ACCESS_KEY.into(),
                secret: String::from("not a secret").into(),
            }),
        };
        let store = DynamoStore::connect_with(options, tuning);
        Arc::new(self.runtime.block_on(store))
    }

    fn injected(&self) -> usize {
        self.injected.load(Ordering::Relaxed)
    }

    fn others(&self) -> u64 {
        u64::from(self.fault == EMPTY)
    }
}
