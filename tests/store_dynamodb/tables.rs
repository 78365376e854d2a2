//! Making a table: what is asked for, what is gone without, and what is refused.

use crate::Bench;
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Answer, Fate, Request, counted};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use walletfs::store::{Id, Notice, Store, StoreError};

/// A table's description in the service's form.
fn description(table: &str, change: impl FnOnce(&mut Value)) -> Answer {
    let mut described = json!({
        "TableName": table,
        "TableStatus": "ACTIVE",
        "DeletionProtectionEnabled": true,
        "KeySchema": [
            { "AttributeName": "wallet", "KeyType": "HASH" },
            { "AttributeName": "id", "KeyType": "RANGE" },
        ],
        "AttributeDefinitions": [
            { "AttributeName": "wallet", "AttributeType": "S" },
            { "AttributeName": "id", "AttributeType": "S" },
        ],
    });
    change(&mut described);
    Answer::json(&json!({ "Table": described }))
}

/// The engine of the tests knows no point-in-time recovery, so that is the one notice it gives.
fn only_recovery(notices: &[Notice]) -> bool {
    matches!(notices, [Notice(text)] if text.contains("point-in-time recovery"))
}

#[tokio::test]
async fn a_new_table_is_asked_to_be_safe() {
    let bench = Bench::without_table().await;
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let kept = Arc::clone(&asked);
    bench.proxy.plan(move |request| {
        kept.lock().unwrap().push(request.clone());
        Fate::Forward
    });
    let store = bench.store().await;
    let missing = store.get(Id::Head).await;
    assert!(
        matches!(missing, Err(StoreError::Missing(_))),
        "{missing:?}"
    );
    bench.proxy.take();

    let notices = store.create().await.expect("the table is made");
    assert!(only_recovery(&notices), "{notices:?}");
    let counts = counted(&[
        ("CreateTable", 1),
        ("DescribeTable", 2),
        ("UpdateContinuousBackups", 1),
    ]);
    assert_eq!(bench.proxy.take(), counts);
    {
        let asked = asked.lock().unwrap();
        let body = |operation| {
            let request = asked.iter().find(|asked| asked.operation == operation);
            request.expect("it was asked").json()
        };
        let table = body("CreateTable");
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
        assert_eq!(table["DeletionProtectionEnabled"], true);
        let backups = body("UpdateContinuousBackups");
        let specification = &backups["PointInTimeRecoverySpecification"];
        assert_eq!(specification["PointInTimeRecoveryEnabled"], true);
    }
    assert_eq!(store.get(Id::Head).await, Ok(None));

    // A table that is there is looked at and left alone.
    bench.proxy.take();
    assert_eq!(store.create().await, Ok(Vec::new()));
    assert_eq!(bench.proxy.take(), counted(&[("DescribeTable", 1)]));
}

/// A service that has it all gives no notice.
#[tokio::test]
async fn a_full_service_leaves_nothing_to_say() {
    let engine = tokio::task::spawn_blocking(Engine::moto).await.unwrap();
    let store = engine.connect(engine.options("wallet")).await;
    assert_eq!(store.create().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_service_that_refuses_protection_is_gone_on_with() {
    let bench = Bench::without_table().await;
    bench.proxy.plan(|request| {
        let refuse = request.operation == "CreateTable"
            && request.json().get("DeletionProtectionEnabled").is_some();
        match refuse {
            true => Fate::Answer(Answer::error("ValidationException", "what is that?")),
            false => Fate::Forward,
        }
    });
    let notices = bench.store().await.create().await.expect("it is made");
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].0.contains("deletion protection"), "{notices:?}");
    assert_eq!(bench.proxy.counts()["CreateTable"], 2);
}

#[tokio::test]
async fn a_service_that_refuses_on_demand_billing_is_gone_on_with() {
    let bench = Bench::without_table().await;
    bench.proxy.plan(|request| {
        let refuse =
            request.operation == "CreateTable" && request.json().get("BillingMode").is_some();
        match refuse {
            true => Fate::Answer(Answer::error("ValidationException", "what is that?")),
            false => Fate::Forward,
        }
    });
    let store = bench.store().await;
    let notices = store.create().await.expect("it is made");
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(notices[0].0.contains("on-demand"), "{notices:?}");
    assert_eq!(store.get(Id::Head).await, Ok(None));
}

#[tokio::test]
async fn a_table_that_nobody_may_make_is_denied() {
    let bench = Bench::without_table().await;
    bench.proxy.plan(|request| match &*request.operation {
        "CreateTable" => Fate::Answer(Answer::error("AccessDeniedException", "not you")),
        _ => Fate::Forward,
    });
    let denied = bench.store().await.create().await;
    assert!(matches!(denied, Err(StoreError::Denied(_))), "{denied:?}");
    assert_eq!(bench.proxy.counts()["CreateTable"], 1);
}

/// The answer to CreateTable is lost: the repetition finds the table, and goes on.
#[tokio::test]
async fn a_lost_answer_makes_one_table() {
    let bench = Bench::without_table().await;
    bench
        .proxy
        .plan(|request| match (&*request.operation, request.number) {
            ("CreateTable", 0) => Fate::CutAfter,
            _ => Fate::Forward,
        });
    let notices = bench.store().await.create().await.expect("it is made");
    assert!(only_recovery(&notices), "{notices:?}");
    assert_eq!(bench.proxy.counts()["CreateTable"], 2);
}

/// The service takes its time, for the table and then for its backups.
#[tokio::test]
async fn a_table_is_waited_for() {
    let bench = Bench::new().await;
    let table = bench.options.table.clone();
    bench
        .proxy
        .plan(move |request| match (&*request.operation, request.number) {
            ("DescribeTable", 0) => {
                Fate::Answer(Answer::error("ResourceNotFoundException", "none"))
            }
            ("DescribeTable", 1) => Fate::Answer(description(&table, |described| {
                described["TableStatus"] = json!("CREATING");
            })),
            ("DescribeTable", _) => Fate::Answer(description(&table, |_| {})),
            ("CreateTable", _) => Fate::Answer(Answer::json(&json!({}))),
            ("UpdateContinuousBackups", 0) => {
                let code = "ContinuousBackupsUnavailableException";
                Fate::Answer(Answer::error(code, "Backups are being enabled"))
            }
            _ => Fate::Answer(Answer::json(&json!({}))),
        });
    assert_eq!(bench.store().await.create().await, Ok(Vec::new()));
    let expected = counted(&[
        ("CreateTable", 1),
        ("DescribeTable", 3),
        ("UpdateContinuousBackups", 2),
    ]);
    assert_eq!(bench.proxy.counts(), expected);
}

/// An `init` that was interrupted left a table in the making: its recovery is switched on too.
#[tokio::test]
async fn an_interrupted_creation_is_finished() {
    let bench = Bench::new().await;
    let table = bench.options.table.clone();
    bench.proxy.plan(move |request| {
        Fate::Answer(match (&*request.operation, request.number) {
            ("DescribeTable", 0) => description(&table, |described| {
                described["TableStatus"] = json!("CREATING");
            }),
            ("DescribeTable", _) => description(&table, |_| {}),
            _ => Answer::json(&json!({})),
        })
    });
    assert_eq!(bench.store().await.create().await, Ok(Vec::new()));
    let expected = counted(&[("DescribeTable", 2), ("UpdateContinuousBackups", 1)]);
    assert_eq!(bench.proxy.counts(), expected);
}

#[tokio::test]
async fn a_table_on_which_a_wallet_would_be_lost_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 5] = [
        (
            |table| table["Replicas"] = json!([{ "RegionName": "eu-west-1" }]),
            "global table",
        ),
        (
            |table| table["KeySchema"][0]["AttributeName"] = json!("user"),
            "not one of walletfs",
        ),
        (
            |table| table["KeySchema"] = json!([table["KeySchema"][0]]),
            "not one of walletfs",
        ),
        (
            |table| table["AttributeDefinitions"][1]["AttributeType"] = json!("N"),
            "not one of walletfs",
        ),
        (|table| table["TableStatus"] = json!("DELETING"), "DELETING"),
    ];
    let bench = Bench::new().await;
    let store = bench.store().await;
    for (change, words) in cases {
        let answer = description(&bench.options.table, change);
        bench.proxy.plan(move |_| Fate::Answer(answer.clone()));
        bench.proxy.take();
        let Err(StoreError::Failed(why)) = store.create().await else {
            panic!("{words}");
        };
        assert!(why.contains(words), "{why}");
        assert_eq!(bench.proxy.take(), counted(&[("DescribeTable", 1)]));
    }
}
