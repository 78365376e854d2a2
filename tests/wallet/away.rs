//! The store is away: reading goes on from memory, and what needs the store says why it cannot.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use walletfs::store::*;
use walletfs::wallet::*;

struct Scene {
    /// Another device, which always reaches the store.
    maker: Device,
    failing: Arc<Failing>,
    slow: Arc<Slow>,
    device: Device,
    id: Id,
}

async fn scene() -> Scene {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("d", "s").await;
    maker.put(id, Field::Uid, "uid").await;
    let failing = Arc::new(Failing::new(memory));
    let slow = Arc::new(Slow::new(failing.clone(), Duration::ZERO));
    let device = another(&slow, &key).await;
    device.made();
    Scene {
        maker,
        failing,
        slow,
        device,
        id,
    }
}

fn unreachable() -> StoreError {
    StoreError::Unreachable("no route to host".into())
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_and_nobody_waits_twice() {
    let Scene {
        maker,
        failing,
        slow,
        device,
        id,
    } = scene().await;
    failing.fail_all(unreachable());
    slow.set(Duration::from_secs(5));
    grow_old().await;

    // Those who meet the silence first wait for it together.
    let began = Instant::now();
    let (a, b) = tokio::join!(device.wallet.freshen(), device.wallet.freshen());
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(
        matches!(&a, Freshness::Stale(why) if why.contains("no route")),
        "{a:?}"
    );
    assert_eq!(a, b);
    assert_eq!(device.made(), calls(1, 0, 0));
    assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "uid");
    let state = device.wallet.state();
    assert!(state.stale.unwrap().contains("no route"));
    assert_eq!(state.age, TTL + Duration::from_secs(5));

    // For the cache's life nothing is tried; then once in the background, and nobody waits.
    assert_eq!(device.wallet.fresh_for(), Some(TTL));
    let began = Instant::now();
    for _ in 0..3 {
        assert!(matches!(
            device.wallet.freshen().await.unwrap(),
            Freshness::Stale(_)
        ));
    }
    assert_eq!(device.made(), calls(0, 0, 0));
    grow_old().await;
    assert_eq!(device.wallet.fresh_for(), None);
    for _ in 0..3 {
        assert!(matches!(
            device.wallet.freshen().await.unwrap(),
            Freshness::Stale(_)
        ));
        assert_eq!(device.wallet.fresh_for(), Some(Duration::ZERO));
        tokio::task::yield_now().await;
    }
    assert_eq!(began.elapsed(), TTL);
    assert_eq!(device.made(), calls(1, 0, 0));
    tokio::time::sleep(Duration::from_millis(5001)).await;
    let left = TTL - Duration::from_millis(1);
    assert_eq!(device.wallet.fresh_for(), Some(left));

    // The store comes back: the next attempt finds it, and what changed meanwhile.
    maker.put(id, Field::Uid, "changed").await;
    failing.heal();
    grow_old().await;
    assert!(matches!(
        device.wallet.freshen().await.unwrap(),
        Freshness::Stale(_)
    ));
    assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "uid");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(device.made(), calls(1, 1, 0));
    assert_eq!(device.wallet.state().stale, None);
    assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "changed");
    slow.set(Duration::ZERO);
    assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
}

#[tokio::test(start_paused = true)]
async fn the_log_says_once_that_the_store_went_away_and_once_that_it_is_back() {
    let Scene {
        failing,
        device,
        id,
        ..
    } = scene().await;
    let log = Log::default();
    let _logging = log.listen();
    for _ in 0..3 {
        failing.fail_all(unreachable());
        for _ in 0..4 {
            grow_old().await;
            device.wallet.freshen().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        failing.heal();
        device.wallet.require_current().await.unwrap();
        device.put(id, info("topsecret"), "hidden").await;
    }
    let text = log.text();
    let count = |what| text.matches(what).count();
    assert_eq!(count("WARN"), 3, "{text}");
    assert_eq!(
        count("reading goes on from memory: the store cannot be reached"),
        3
    );
    assert_eq!(count("the store answers again"), 3);
    assert_eq!(count("topsecret") + count("hidden"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_needs_the_store_fails_with_its_reason() {
    let Scene {
        maker,
        failing,
        device,
        id,
        ..
    } = scene().await;
    for error in [
        unreachable(),
        StoreError::Deadline,
        StoreError::Busy("throttled".into()),
        StoreError::Denied("expired".into()),
        StoreError::Missing("no such table".into()),
        StoreError::Failed("disk".into()),
    ] {
        failing.fail_all(error.clone());
        let is = |e: WalletError| matches!(e, WalletError::Store(e) if e == error);
        assert!(is(device.wallet.require_current().await.unwrap_err()));
        let edit = put(id, Field::Pwd, Expected::Any, "x");
        assert!(is(device.fields(vec![edit]).await.unwrap_err()));
        assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "uid");
        assert!(matches!(
            device.wallet.freshen().await.unwrap(),
            Freshness::Stale(_)
        ));
        failing.heal();
        device.wallet.require_current().await.unwrap();
        assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
    }
    // A store that answers nonsense is not away.
    failing.fail_all(StoreError::Invalid("an item without a version".into()));
    grow_old().await;
    let look = device.wallet.freshen().await;
    assert!(
        matches!(look, Err(WalletError::Store(StoreError::Invalid(_)))),
        "{look:?}"
    );
    failing.heal();
    grow_old().await;
    assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
    assert_eq!(maker.contents().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_in_memory_cannot_be_read() {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("d", "s").await;
    let failing = Arc::new(Failing::new(memory));
    let o = Options {
        cache_bytes: 0,
        ..options()
    };
    let device = try_another(&failing, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    failing.fail_all(unreachable());
    let read = device.wallet.body(id).await.err().unwrap();
    assert!(matches!(read, WalletError::Store(e) if e == unreachable()));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_was_lost_is_found_and_can_be_repeated() {
    let Scene {
        maker,
        failing,
        device,
        id,
        ..
    } = scene().await;
    let lose = || {
        failing.plan(|call| match call {
            Call::Commit(_) => Some(Failure::After(StoreError::Deadline)),
            _ => None,
        });
    };
    let rev = device.rev(id, &Field::Uid);
    let edits = [
        put(id, Field::Uid, Expected::Rev(rev), "new"),
        put(id, info("k"), Expected::Absent, "v"),
    ];
    for edit in edits {
        lose();
        let lost = device.fields(vec![edit.clone()]).await.unwrap_err();
        assert!(matches!(lost, WalletError::Store(StoreError::Deadline)));
        // The next access looks, and finds it.
        failing.heal();
        assert_eq!(device.wallet.fresh_for(), None);
        device.made();
        assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
        assert_eq!(device.made(), calls(1, 1, 0));
        // Repeated with what was expected then, it is no conflict with itself.
        let again = device.fields(vec![edit.clone()]).await.unwrap();
        assert_eq!(device.made(), calls(0, 0, 0));
        assert_eq!(again.generation, device.wallet.head_info().generation);
        // Repeated at once, without a look, too.
        let edit = FieldEdit {
            expect: match edit.expect {
                Expected::Rev(_) => Expected::Rev(device.rev(id, &edit.field)),
                other => other,
            },
            field: match edit.field {
                Field::Info(_) => info("other"),
                field => field,
            },
            ..put(id, Field::Uid, edit.expect, "newer")
        };
        lose();
        device.fields(vec![edit.clone()]).await.unwrap_err();
        failing.heal();
        device.fields(vec![edit]).await.unwrap();
        // A refused commit, the load, and nothing left to do.
        assert_eq!(device.made(), calls(0, 1, 2));
    }
    // Of a commit that was not made, nothing is found.
    failing.plan(|call| match call {
        Call::Commit(_) => Some(Failure::Before(StoreError::Deadline)),
        _ => None,
    });
    let edit = put(id, Field::Pwd, Expected::Absent, "pwd");
    device.fields(vec![edit.clone()]).await.unwrap_err();
    failing.heal();
    device.made();
    device.wallet.freshen().await.unwrap();
    assert_eq!(device.made(), calls(1, 0, 0));
    device.fields(vec![edit]).await.unwrap();
    grow_old().await;
    maker.wallet.freshen().await.unwrap();
    assert_eq!(device.contents().await, maker.contents().await);
    assert_eq!(maker.read(id, &Field::Uid).await.unwrap(), "newer");
}

#[tokio::test(start_paused = true)]
async fn an_empty_value_that_should_be_new_is_a_conflict_even_with_itself() {
    let Scene {
        maker, device, id, ..
    } = scene().await;
    let lock = put(id, info("lock"), Expected::Absent, "");
    device.fields(vec![lock.clone()]).await.unwrap();
    let second = maker.fields(vec![lock]).await;
    assert!(
        matches!(second, Err(WalletError::FieldMoved { .. })),
        "{second:?}"
    );
}
