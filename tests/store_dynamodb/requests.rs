//! One call that succeeds is one request, on one connection.

use crate::Bench;
use crate::support::http_count::counted;
use crate::support::items::{create, delete, id, item, replace};
use walletfs::store::{Commit, Id, Store};

#[tokio::test]
async fn a_call_that_succeeds_is_one_request() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    assert_eq!(
        bench.proxy.take(),
        counted(&[]),
        "connecting makes no request"
    );

    let (head, secret) = (item(Id::Head, 1), item(id(1), 1));
    let changes = vec![create(&head), create(&secret)];
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.take(), counted(&[("TransactWriteItems", 1)]));

    assert_eq!(store.get(Id::Head).await, Ok(Some(head)));
    assert_eq!(bench.proxy.take(), counted(&[("GetItem", 1)]));

    store.list(None).await.expect("a page");
    assert_eq!(bench.proxy.take(), counted(&[("Query", 1)]));

    let changes = vec![replace(&item(Id::Head, 2), 1), delete(id(1), 1)];
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.take(), counted(&[("TransactWriteItems", 1)]));

    // A refusal is an answer: it is not asked again, and the winner costs no request.
    let refused = store.commit(vec![create(&item(Id::Head, 9))]).await;
    assert!(matches!(refused, Ok(Commit::Refused(_))), "{refused:?}");
    assert_eq!(bench.proxy.take(), counted(&[("TransactWriteItems", 1)]));
}

#[tokio::test]
async fn calls_share_a_connection() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    for _ in 0..20 {
        store.get(Id::Head).await.expect("an answer");
    }
    assert_eq!(bench.proxy.connections(), 1);
}

/// Consistent reads only: what was committed a moment ago, here or elsewhere, is seen.
#[tokio::test]
async fn every_read_asks_for_consistency() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    bench.proxy.plan(move |request| {
        send.send(request.json()).unwrap();
        crate::support::http_count::Fate::Forward
    });
    store.get(Id::Head).await.expect("an answer");
    store.list(None).await.expect("an answer");
    for _ in 0..2 {
        let body = seen.recv().await.expect("two requests");
        assert_eq!(body["ConsistentRead"], true, "{body}");
    }
}
