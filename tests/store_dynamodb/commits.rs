//! What becomes of a commit whose answer is lost: it happens once, and the caller learns the truth.

use crate::support::http_count::{Answer, Fate, Request, counted};
use crate::support::items::{all, create, delete, id, item, replace};
use crate::{Bench, SHORT, SLACK};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use walletfs::store::{Change, Commit, Expect, Id, Item, Store, StoreError};

const COMMIT: &str = "TransactWriteItems";

/// A wallet of a head and a secret, and a commit that replaces both.
async fn old_wallet(bench: &Bench) -> (Vec<Change>, Vec<Item>) {
    let direct = bench.direct().await;
    let old = vec![create(&item(Id::Head, 1)), create(&item(id(1), 1))];
    assert_eq!(direct.commit(old).await, Ok(Commit::Done));
    let new = vec![item(id(1), 2), item(Id::Head, 2)];
    (vec![replace(&new[0], 1), replace(&new[1], 1)], new)
}

/// The requests of this operation, kept as they come.
fn record(bench: &Bench, mut fate: impl FnMut(&Request) -> Fate + Send + 'static) -> Requests {
    let requests = Requests::default();
    let kept = Arc::clone(&requests);
    bench.proxy.plan(move |request| {
        kept.lock().unwrap().push(request.clone());
        fate(request)
    });
    requests
}

type Requests = Arc<Mutex<Vec<Request>>>;

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token_and_bytes() {
    let bench = Bench::new().await;
    let (changes, new) = old_wallet(&bench).await;
    let requests = record(&bench, |request| match request.number {
        0 => Fate::CutAfter,
        _ => Fate::Forward,
    });
    let store = bench.store().await;
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.counts(), counted(&[(COMMIT, 2)]));
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert!(requests[0].body == requests[1].body, "the same bytes");
    let token = requests[0].json()["ClientRequestToken"].clone();
    assert_eq!(token.as_str().map(str::len), Some(32), "{token}");
    assert_eq!(all(&bench.direct().await).await, new);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_sent_again() {
    let bench = Bench::new().await;
    let (changes, new) = old_wallet(&bench).await;
    bench.proxy.plan(|request| match request.number {
        0 => Fate::CutBefore,
        _ => Fate::Forward,
    });
    assert_eq!(bench.store().await.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.counts(), counted(&[(COMMIT, 2)]));
    assert_eq!(all(&bench.direct().await).await, new);
}

/// The token of each commit is its own: a second commit is not taken for the first.
#[tokio::test]
async fn each_commit_has_its_own_token() {
    let bench = Bench::new().await;
    let requests = record(&bench, |_| Fate::Forward);
    let store = bench.store().await;
    for n in 1..=2 {
        let done = store.commit(vec![create(&item(id(n), 1))]).await;
        assert_eq!(done, Ok(Commit::Done));
    }
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    let tokens: Vec<_> = requests
        .iter()
        .map(|request| request.json()["ClientRequestToken"].clone())
        .collect();
    assert_ne!(tokens[0], tokens[1]);
}

/// An engine that has forgotten the token answers the repetition with a refusal, and our own bytes
/// are the winner: that is no refusal. The delete of the same commit is done as well.
#[tokio::test]
async fn a_commit_that_lost_to_itself_is_done() {
    let bench = Bench::new().await;
    old_wallet(&bench).await;
    bench.proxy.plan(|request| match request.number {
        0 => Fate::CutAfter,
        _ => {
            let mut body = request.json();
            body["ClientRequestToken"] = json!("another-token");
            Fate::Rewrite(serde_json::to_vec(&body).unwrap())
        }
    });
    let head = item(Id::Head, 2);
    let changes = vec![delete(id(1), 1), replace(&head, 1)];
    assert_eq!(bench.store().await.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.counts(), counted(&[(COMMIT, 2)]));
    assert_eq!(all(&bench.direct().await).await, [head]);
}

/// As above, but another device won in between: that is a refusal.
#[tokio::test]
async fn a_commit_that_lost_to_another_is_refused() {
    let bench = Bench::new().await;
    let (changes, _) = old_wallet(&bench).await;
    let winner = Item {
        meta: "another device's".into(),
        ..item(Id::Head, 2)
    };
    let direct = bench.direct().await;
    assert_eq!(
        direct.commit(vec![replace(&winner, 1)]).await,
        Ok(Commit::Done)
    );
    bench.proxy.plan(|request| match request.number {
        0 => Fate::CutBefore,
        _ => Fate::Forward,
    });
    match bench.store().await.commit(changes).await {
        Ok(Commit::Refused(refusals)) => {
            assert_eq!(refusals.len(), 1);
            assert_eq!(
                (refusals[0].change, &refusals[0].winner),
                (1, &Some(winner))
            );
        }
        other => panic!("{other:?}"),
    }
}

/// No answer ever comes, although the commit happened: the truth is read before the deadline, in
/// one request, since the head is asked first.
#[tokio::test]
async fn past_the_deadline_the_truth_is_read() {
    let bench = Bench::new().await;
    let (changes, new) = old_wallet(&bench).await;
    bench.proxy.plan(|request| match &*request.operation {
        COMMIT => Fate::HangAfter,
        _ => Fate::Forward,
    });
    let begin = Instant::now();
    let done = bench.impatient().await.commit(changes).await;
    assert_eq!(done, Ok(Commit::Done));
    assert!(
        begin.elapsed() <= SHORT.operation + SLACK,
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        bench.proxy.counts(),
        counted(&[(COMMIT, 2), ("GetItem", 1)])
    );
    assert_eq!(all(&bench.direct().await).await, new);
}

/// No answer ever comes, and the commit did not happen: the head is as it was.
#[tokio::test]
async fn the_truth_may_be_that_nothing_happened() {
    let bench = Bench::new().await;
    let (changes, _) = old_wallet(&bench).await;
    bench.proxy.plan(|request| match &*request.operation {
        COMMIT => Fate::Hang,
        _ => Fate::Forward,
    });
    let begin = Instant::now();
    let failed = bench.impatient().await.commit(changes).await;
    assert_eq!(failed, Err(StoreError::Deadline));
    assert!(
        begin.elapsed() <= SHORT.operation + SLACK,
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        bench.proxy.counts(),
        counted(&[(COMMIT, 2), ("GetItem", 1)])
    );
}

/// The commit happened and another device has replaced the head since: the secret tells.
#[tokio::test]
async fn the_truth_is_found_behind_another_devices_commit() {
    let bench = Bench::new().await;
    let (changes, new) = old_wallet(&bench).await;
    bench.proxy.plan(|request| match &*request.operation {
        COMMIT => Fate::HangAfter,
        _ => Fate::Forward,
    });
    let store = bench.impatient().await;
    let commit = tokio::spawn(async move { store.commit(changes).await });
    let direct = bench.direct().await;
    while direct.get(Id::Head).await.unwrap().unwrap().version == 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let theirs = Change::Put {
        item: item(Id::Head, 3),
        expect: Expect::Version(2),
    };
    assert_eq!(direct.commit(vec![theirs]).await, Ok(Commit::Done));
    assert_eq!(commit.await.unwrap(), Ok(Commit::Done));
    assert_eq!(
        bench.proxy.counts(),
        counted(&[(COMMIT, 2), ("GetItem", 2)])
    );
    assert_eq!(direct.get(id(1)).await, Ok(Some(new[0].clone())));
}

fn cancelled(codes: &[&str]) -> Answer {
    let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    Answer::json(&body).with_status(400)
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let bench = Bench::new().await;
    let (changes, new) = old_wallet(&bench).await;
    let requests = record(&bench, |request| match request.number {
        0 => Fate::Answer(cancelled(&["None", "TransactionConflict"])),
        1 => Fate::Answer(cancelled(&["ThrottlingError", "None"])),
        2 => Fate::Answer(Answer::error("TransactionInProgressException", "wait")),
        _ => Fate::Forward,
    });
    assert_eq!(bench.store().await.commit(changes).await, Ok(Commit::Done));
    assert_eq!(bench.proxy.counts(), counted(&[(COMMIT, 4)]));
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    assert!(requests.iter().all(|other| other.body == requests[0].body));
    assert_eq!(all(&bench.direct().await).await, new);
}

/// Conflicts to the end: the outcome is known, so no truth is read.
#[tokio::test]
async fn a_conflict_to_the_end_is_busy() {
    let bench = Bench::new().await;
    let (changes, _) = old_wallet(&bench).await;
    bench
        .proxy
        .plan(|_| Fate::Answer(cancelled(&["None", "TransactionConflict"])));
    let begin = Instant::now();
    let busy = bench.impatient().await.commit(changes).await;
    assert!(matches!(busy, Err(StoreError::Busy(_))), "{busy:?}");
    assert!(
        begin.elapsed() <= SHORT.operation + SLACK,
        "{:?}",
        begin.elapsed()
    );
    let counts = bench.proxy.counts();
    assert!(counts[COMMIT] > 2, "{counts:?}");
    assert_eq!(counts.len(), 1, "{counts:?}");
}

/// A cancellation for another reason is told at once, and without the items it names.
#[tokio::test]
async fn a_hopeless_cancellation_is_told_at_once() {
    let bench = Bench::new().await;
    let (changes, _) = old_wallet(&bench).await;
    bench
        .proxy
        .plan(|_| Fate::Answer(cancelled(&["None", "ValidationError"])));
    let failed = bench.store().await.commit(changes).await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    assert_eq!(bench.proxy.counts(), counted(&[(COMMIT, 1)]));
}
