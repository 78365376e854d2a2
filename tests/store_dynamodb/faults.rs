//! A service that misbehaves: each fault becomes the right error, after the right number of
//! requests, and its message says what to do.

use crate::support::http_count::{Answer, Fate, HttpCount, counted};
use crate::support::items::{create, item};
use crate::{Bench, SHORT, SLACK};
use serde_json::json;
use std::mem::discriminant;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use walletfs::store::{
    Commit, DynamoOptions, DynamoStore, Id, Store, StoreError, Timeouts, Tuning,
};

fn html(status: u16) -> Answer {
    Answer {
        status,
        headers: vec!["content-type: text/html".into()],
        body: "<html>Welcome to the hotel</html>".into(),
    }
}

/// The error's kind, what its message must say, and the number of requests.
type Expected = (StoreError, &'static str, usize);

fn cases() -> Vec<(Answer, Expected)> {
    let unreachable = || StoreError::Unreachable(String::new());
    let denied = || StoreError::Denied(String::new());
    let missing = || StoreError::Missing(String::new());
    let failed = || StoreError::Failed(String::new());
    let error = Answer::error;
    vec![
        (
            error("InternalServerError", "oops").with_status(500),
            (unreachable(), "HTTP 500", 4),
        ),
        (html(503), (unreachable(), "HTTP 503", 4)),
        (html(200), (unreachable(), "proxy", 4)),
        (html(403), (failed(), "proxy", 1)),
        (html(302), (failed(), "proxy", 1)),
        (
            error("ExpiredTokenException", "The security token is expired"),
            (denied(), "renew", 1),
        ),
        (
            error("UnrecognizedClientException", "invalid"),
            (denied(), "access key", 1),
        ),
        (
            error("InvalidSignatureException", "does not match"),
            (denied(), "access key", 1),
        ),
        (
            error("MissingAuthenticationTokenException", ""),
            (denied(), "access key", 1),
        ),
        (
            error(
                "AccessDeniedException",
                "User x may not perform: dynamodb:Query",
            ),
            (
                denied(),
                "IAM policy (User x may not perform: dynamodb:Query)",
                1,
            ),
        ),
        (
            error("ResourceNotFoundException", "Requested resource not found"),
            (missing(), "walletfs init", 1),
        ),
        (
            error("ValidationException", "The provided key\r\nis not right"),
            (failed(), "The provided key  is not right", 1),
        ),
        (
            error("UnknownOperationException", ""),
            (failed(), "failed: it does not know this operation", 1),
        ),
        (
            error("SomethingNewException", ""),
            (failed(), "failed: SomethingNewException", 1),
        ),
        (
            error("SomethingNewException", "of next year"),
            (failed(), "SomethingNewException: of next year", 1),
        ),
    ]
}

#[tokio::test]
async fn every_fault_is_told_for_what_it_is() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for (answer, (kind, words, requests)) in cases() {
        let planned = answer.clone();
        bench.proxy.plan(move |_| Fate::Answer(planned.clone()));
        for operation in ["GetItem", "Query"] {
            bench.proxy.take();
            let error = match operation {
                "GetItem" => store.get(Id::Head).await.expect_err("it is planned"),
                _ => store.list(None).await.expect_err("it is planned"),
            };
            assert_eq!(
                discriminant(&error),
                discriminant(&kind),
                "{answer:?} gives {error:?}"
            );
            let text = error.to_string();
            assert!(text.contains(words), "{answer:?} gives {text}");
            assert!(!text.contains('{') && !text.contains("Error("), "{text}");
            assert_eq!(bench.proxy.take(), counted(&[(operation, requests)]));
        }
    }
    bench.proxy.heal();
    assert_eq!(store.get(Id::Head).await, Ok(None), "and then it goes on");
}

/// A commit is told the same, with the one difference that an unknown outcome is found out.
#[tokio::test]
async fn a_fault_of_a_commit_is_told_too() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for (answer, (kind, words, requests)) in cases() {
        if requests > 1 {
            continue;
        }
        let planned = answer.clone();
        bench.proxy.plan(move |_| Fate::Answer(planned.clone()));
        let error = store
            .commit(vec![create(&item(Id::Head, 1))])
            .await
            .expect_err("it is planned");
        assert_eq!(discriminant(&error), discriminant(&kind), "{answer:?}");
        assert!(error.to_string().contains(words), "{error}");
        let expected = counted(&[("TransactWriteItems", 1)]);
        assert_eq!(bench.proxy.take(), expected, "{answer:?}");
    }
}

/// 500 to a commit may have done it: it is repeated to the end, and then the truth is read.
#[tokio::test]
async fn an_error_of_the_service_leaves_a_commit_unknown() {
    let bench = Bench::new().await;
    let store = bench.impatient().await;
    bench.proxy.plan(|request| match &*request.operation {
        "GetItem" => Fate::Forward,
        _ => Fate::Answer(Answer::error("InternalServerError", "oops").with_status(500)),
    });
    let failed = store.commit(vec![create(&item(Id::Head, 1))]).await;
    assert!(
        matches!(failed, Err(StoreError::Unreachable(_))),
        "{failed:?}"
    );
    let counts = bench.proxy.counts();
    assert!(counts["TransactWriteItems"] > 3, "{counts:?}");
    assert_eq!(counts["GetItem"], 1);

    let direct = bench.direct().await;
    let done = direct.commit(vec![create(&item(Id::Head, 1))]).await;
    assert_eq!(done, Ok(Commit::Done), "nothing had happened");
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for code in [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
    ] {
        bench.proxy.take();
        bench.proxy.plan(move |request| match request.number {
            0..2 => Fate::Answer(Answer::error(code, "slow down")),
            _ => Fate::Forward,
        });
        assert_eq!(store.get(Id::Head).await, Ok(None));
        assert_eq!(bench.proxy.take(), counted(&[("GetItem", 3)]));
    }
}

#[tokio::test]
async fn throttling_to_the_end_is_busy() {
    let bench = Bench::new().await;
    let store = bench.impatient().await;
    bench
        .proxy
        .plan(|_| Fate::Answer(Answer::error("ThrottlingException", "slow down")));
    let begin = Instant::now();
    let busy = store.get(Id::Head).await;
    assert!(matches!(busy, Err(StoreError::Busy(_))), "{busy:?}");
    let took = begin.elapsed();
    assert!(took <= SHORT.operation + SLACK, "{took:?}");
    assert!(bench.proxy.counts()["GetItem"] > 3);
}

#[test]
fn the_time_outs_are_the_contracts() {
    let expected = Timeouts {
        connect: Duration::from_secs(3),
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(10),
    };
    assert_eq!(Timeouts::default(), expected);
    assert_eq!(Tuning::default().timeouts, expected);
}

#[tokio::test]
async fn no_answer_ends_at_the_deadline() {
    let bench = Bench::new().await;
    let store = bench.impatient().await;
    bench.proxy.plan(|_| Fate::Hang);
    let begin = Instant::now();
    assert_eq!(store.get(Id::Head).await, Err(StoreError::Deadline));
    let took = begin.elapsed();
    assert!(
        took >= SHORT.attempt && took <= SHORT.operation + SLACK,
        "{took:?}"
    );
    assert_eq!(bench.proxy.counts(), counted(&[("GetItem", 2)]));
}

/// An answer that comes late but in time is an answer.
#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let bench = Bench::new().await;
    let store = bench.impatient().await;
    bench.proxy.plan(|_| Fate::Delay(SHORT.attempt / 2));
    assert_eq!(store.get(Id::Head).await, Ok(None));
    assert_eq!(bench.proxy.counts(), counted(&[("GetItem", 1)]));
}

#[tokio::test]
async fn a_cut_read_is_asked_again() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    bench.proxy.plan(|request| match request.number {
        0 => Fate::CutBefore,
        1 => Fate::CutAfter,
        _ => Fate::Forward,
    });
    assert_eq!(store.get(Id::Head).await, Ok(None));
    assert_eq!(bench.proxy.take(), counted(&[("GetItem", 3)]));

    bench.proxy.plan(|_| Fate::CutAfter);
    let error = store.get(Id::Head).await;
    assert!(
        matches!(error, Err(StoreError::Unreachable(_))),
        "{error:?}"
    );
    assert_eq!(bench.proxy.take(), counted(&[("GetItem", 4)]));
}

/// A store at an endpoint with nothing behind it.
async fn store_at(url: &str, timeouts: Timeouts) -> DynamoStore {
    let options = DynamoOptions {
        table: "walletfs".into(),
        wallet: "default".into(),
        region: Some("eu-central-1".into()),
        endpoint_url: Some(url.into()),
        ..DynamoOptions::default()
    };
    let tuning = Tuning {
        timeouts,
        access_key: Some(crate::support::dynamodb::any_key()),
    };
    DynamoStore::connect_with(options, tuning).await
}

/// Nobody listens: said at once, also to a commit, since the request was certainly not sent. The
/// full time-outs make sure that "at once" is not the deadline.
#[tokio::test]
async fn a_refused_connection_is_told_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let store = store_at(&format!("http://{address}"), Timeouts::default()).await;
    let begin = Instant::now();
    for error in [
        store.get(Id::Head).await.map(drop),
        store
            .commit(vec![create(&item(Id::Head, 1))])
            .await
            .map(drop),
    ] {
        let Err(StoreError::Unreachable(why)) = error else {
            panic!("{error:?}");
        };
        assert!(
            why.starts_with("no connection (connection refused): "),
            "{why}"
        );
    }
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_unreachable() {
    let store = store_at("http://walletfs-test.invalid", SHORT).await;
    let error = store.get(Id::Head).await;
    assert!(
        matches!(error, Err(StoreError::Unreachable(_))),
        "{error:?}"
    );
}

/// A host that takes no connection: the connection's own time-out ends the attempt.
#[tokio::test]
async fn a_connection_that_does_not_come_about_is_unreachable() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts; once the queue is full, the kernel drops what asks for a connection.
    let mut waiting = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    let store = store_at(&format!("http://{address}"), SHORT).await;
    let begin = Instant::now();
    let error = store.commit(vec![create(&item(Id::Head, 1))]).await;
    let Err(StoreError::Unreachable(why)) = error else {
        panic!("{error:?}");
    };
    assert!(
        why.starts_with("no connection could be made in time"),
        "{why}"
    );
    let took = begin.elapsed();
    assert!(
        took >= SHORT.connect && took <= SHORT.operation + SLACK,
        "{took:?}"
    );
}

/// A wrong clock is corrected: the second attempt is signed with the service's time.
#[tokio::test]
async fn a_wrong_clock_is_corrected() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let (send, mut signed_at) = tokio::sync::mpsc::unbounded_channel();
    bench.proxy.plan(move |request| {
        let date = request.header("x-amz-date").unwrap_or_default();
        send.send(date[..4].to_owned()).unwrap();
        match request.number {
            0 => Fate::Answer(
                Answer::error("InvalidSignatureException", "Signature expired")
                    .with_header("date: Wed, 05 Mar 2098 10:00:00 GMT"),
            ),
            _ => Fate::Forward,
        }
    });
    assert_eq!(store.get(Id::Head).await, Ok(None));
    assert_eq!(bench.proxy.counts(), counted(&[("GetItem", 2)]));
    assert_ne!(signed_at.recv().await.unwrap(), "2098");
    assert_eq!(signed_at.recv().await.unwrap(), "2098");
}

/// If that does not help, the message names the clock.
#[tokio::test]
async fn a_wrong_clock_is_named() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for code in ["InvalidSignatureException", "AccessDeniedException"] {
        bench.proxy.plan(move |_| {
            let answer = Answer::error(code, "Signature expired");
            Fate::Answer(answer.with_header("date: Wed, 05 Mar 2098 10:00:00 GMT"))
        });
        let error = store.get(Id::Head).await.expect_err("it is planned");
        assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
        assert!(error.to_string().contains("clock"), "{error}");
    }
}

/// What no walletfs writes is refused, whatever it is.
#[tokio::test]
async fn what_walletfs_does_not_write_is_refused() {
    let good = json!({
        "wallet": { "S": "wallet" }, "id": { "S": "head" }, "version": { "N": "1" },
        "meta": { "B": "" }, "data": { "B": "" },
    });
    let with = |name: &str, value| {
        let mut item = good.clone();
        item[name] = value;
        item
    };
    let bench = Bench::new().await;
    let store = bench.store().await;
    for bad in [
        with("wallet", json!({ "S": "another" })),
        with("id", json!({ "S": "HEAD" })),
        with("version", json!({ "N": "-1" })),
        with("meta", json!({ "S": "text" })),
    ] {
        let got = Answer::json(&json!({ "Item": bad }));
        let listed = Answer::json(&json!({ "Items": [bad], "Count": 1, "ScannedCount": 1 }));
        bench.proxy.plan(move |request| {
            Fate::Answer(match &*request.operation {
                "GetItem" => got.clone(),
                _ => listed.clone(),
            })
        });
        let error = store.get(Id::Head).await.map(drop);
        assert!(matches!(error, Err(StoreError::Invalid(_))), "{bad}");
        let error = store.list(None).await.map(drop);
        assert!(matches!(error, Err(StoreError::Invalid(_))), "{bad}");
    }
}

/// A listing that goes back would be read for ever.
#[tokio::test]
async fn a_listing_that_goes_back_is_refused() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let key = json!({ "wallet": { "S": "wallet" }, "id": { "S": "a".repeat(32) } });
    let page = json!({ "Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": key });
    let page = Answer::json(&page);
    bench.proxy.plan(move |_| Fate::Answer(page.clone()));
    // An empty page with another one after it is in order.
    let first = store.list(None).await.expect("a page");
    assert!(first.items.is_empty() && first.next.is_some());
    let error = store.list(first.next).await;
    assert!(matches!(error, Err(StoreError::Invalid(_))), "{error:?}");
}

/// What the store is called never shows a password in the endpoint's URL.
#[tokio::test]
async fn a_description_holds_no_password() {
    let proxy = HttpCount::before("http://127.0.0.1:1").await;
    let plain = store_at(proxy.url(), SHORT).await.describe();
    assert!(plain.contains(proxy.url()), "{plain}");
    let secret = store_at("http://user:hunter2@127.0.0.1:1", SHORT).await;
    assert!(!secret.describe().contains("hunter2"));
}

/// An answer that never ends is not read to the end of the memory: 4 attempts, each cut soon after
/// 8 MiB.
#[tokio::test]
async fn an_endless_answer_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = tokio::spawn(async move {
        let mut sent = Vec::new();
        while sent.len() < 4 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\r\n{\"a\":\"";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut bytes = 0;
            while bytes < 1 << 30 && stream.write_all(&[b'a'; 1 << 16]).await.is_ok() {
                bytes += 1 << 16;
            }
            sent.push(bytes);
        }
        sent
    });
    let bench = Bench::without_table().await;
    let options = DynamoOptions {
        endpoint_url: Some(url),
        ..bench.options.clone()
    };
    let store = bench.engine.connect(options).await;
    let error = store.get(Id::Head).await.expect_err("it is no answer");
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");

    for sent in serve.await.unwrap() {
        // What the two sockets hold comes on top.
        assert!((8 << 20..40 << 20).contains(&sent), "{sent}");
    }
}
