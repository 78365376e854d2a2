//! What each operation costs in calls of the store: money and latency, so exact.

use crate::support::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use walletfs::store::*;
use walletfs::wallet::*;

/// A wallet with `n` secrets in the domain `d`, a uid in each.
async fn wallet_of(
    store: &Arc<MemoryStore>,
    n: usize,
) -> (Device, walletfs::crypto::DeviceKey, Vec<Id>) {
    let (device, key) = first(store).await;
    let mut ids = Vec::new();
    for i in 0..n {
        let id = device.create("d", &format!("s{i:03}")).await;
        device.put(id, Field::Uid, &format!("uid {i}")).await;
        ids.push(id);
    }
    device.made();
    (device, key, ids)
}

#[tokio::test(start_paused = true)]
async fn mounting_and_reading_everything_is_one_get_and_one_list() {
    let store = Arc::new(MemoryStore::new());
    let (maker, key, ids) = wallet_of(&store, 20).await;
    let device = another(&store, &key).await;
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(
            device.read(*id, &Field::Uid).await.unwrap(),
            format!("uid {i}")
        );
    }
    assert_eq!(device.made(), calls(1, 1, 0));
    assert_eq!(device.names(), maker.names());
    assert_eq!(device.wallet.head_info(), maker.wallet.head_info());
    assert_eq!(device.wallet.head_info().count, 20);
}

#[tokio::test(start_paused = true)]
async fn an_unmoved_head_is_one_get_after_the_caches_life_and_none_before() {
    let store = Arc::new(MemoryStore::new());
    let (device, _, ids) = wallet_of(&store, 3).await;
    assert_eq!(device.wallet.fresh_for(), Some(TTL));
    for _ in 0..3 {
        assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
        device.read(ids[0], &Field::Uid).await.unwrap();
    }
    assert_eq!(device.made(), calls(0, 0, 0));

    tokio::time::advance(TTL - Duration::from_millis(1)).await;
    assert_eq!(device.wallet.fresh_for(), Some(Duration::from_millis(1)));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(device.wallet.fresh_for(), None);
    assert_eq!(device.wallet.state().age, TTL);
    device.wallet.freshen().await.unwrap();
    device.read(ids[0], &Field::Uid).await.unwrap();
    assert_eq!(device.made(), calls(1, 0, 0));
    assert_eq!(device.wallet.fresh_for(), Some(TTL));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_one_get_when_it_opens_and_one_commit() {
    let store = Arc::new(MemoryStore::new());
    let (device, _, ids) = wallet_of(&store, 3).await;
    device.wallet.require_current().await.unwrap();
    device.put(ids[1], Field::Pwd, &"x".repeat(100_000)).await;
    assert_eq!(device.made(), calls(1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_move_of_a_secret_a_field_or_a_domain_of_40_is_one_commit() {
    let store = Arc::new(MemoryStore::new());
    let (device, key, ids) = wallet_of(&store, 40).await;
    device.rename(ids[0], "d", "renamed", None).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));

    let edit = FieldEdit {
        secret: ids[0],
        field: Field::Uid,
        expect: Expected::Any,
        change: FieldChange::MoveTo {
            secret: ids[1],
            field: info("moved"),
            expect: Expected::Absent,
        },
    };
    device.fields(vec![edit]).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));

    device.move_domain("d", "e").await.unwrap();
    let tally = device.calls.take();
    assert_eq!((tally.gets, tally.lists, tally.commits), calls(0, 0, 1));
    assert_eq!(tally.changes, 41);

    // The snapshot was carried forward; a new device loads the same.
    let other = another(&store, &key).await;
    assert_eq!(device.names(), other.names());
    assert_eq!(device.contents().await, other.contents().await);
    assert!(device.names().contains(&"e/renamed".into()));
    assert_eq!(device.read(ids[1], &info("moved")).await.unwrap(), "uid 0");
    assert_eq!(device.made(), calls(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn own_commits_carry_the_snapshot_forward_without_a_load() {
    let store = Arc::new(MemoryStore::new());
    let (device, key, ids) = wallet_of(&store, 5).await;
    device.put(ids[0], Field::Pwd, "pwd").await;
    device.put(ids[0], info("k"), "v").await;
    let made = device.create("other", "new").await;
    device.rename(made, "d", "new name", None).await.unwrap();
    device.remove(made).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 5));
    grow_old().await;
    device.wallet.freshen().await.unwrap();
    assert_eq!(device.made(), calls(1, 0, 0));

    let other = another(&store, &key).await;
    assert_eq!(device.contents().await, other.contents().await);
    assert_eq!(device.names(), other.names());
    for id in ids {
        assert!(device.meta(id) == other.meta(id));
    }
    assert_eq!(
        device.wallet.state().generation,
        other.wallet.state().generation
    );
}

#[tokio::test(start_paused = true)]
async fn losing_only_the_race_for_the_head_is_two_commits_and_no_read() {
    let store = Arc::new(MemoryStore::new());
    let (a, key, ids) = wallet_of(&store, 3).await;
    let b = another(&store, &key).await;
    b.made();
    let theirs = a.put(ids[0], Field::Uid, "by a").await;
    let before = b.wallet.view().generation();
    let ours = b.put(ids[1], Field::Uid, "by b").await;
    assert_eq!(b.made(), calls(0, 0, 2));
    assert_eq!(ours.generation, theirs.generation + 1);

    // What b wrote is shown; that it is behind is known, so the next access loads.
    assert_eq!(b.read(ids[1], &Field::Uid).await.unwrap(), "by b");
    assert_eq!(b.wallet.view().generation(), before);
    assert_eq!(b.wallet.fresh_for(), None);
    // Once more on top of commits that it has not loaded.
    b.put(ids[1], Field::Pwd, "again").await;
    assert_eq!(b.made(), calls(0, 0, 1));
    b.wallet.freshen().await.unwrap();
    assert_eq!(b.made(), calls(1, 1, 0));
    assert_eq!(b.read(ids[0], &Field::Uid).await.unwrap(), "by a");
    assert_eq!(b.wallet.view().generation(), ours.generation + 1);

    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.contents().await, b.contents().await);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_body_is_fetched_again() {
    let store = Arc::new(MemoryStore::new());
    let (_, key, ids) = wallet_of(&store, 10).await;
    let sizes = |ids: &[Id]| -> Vec<usize> {
        let items = store.items();
        ids.iter().map(|id| items[id].data.len()).collect()
    };
    let one = sizes(&ids)[0];
    assert_eq!(sizes(&ids), vec![one; 10]);
    let o = Options {
        cache_bytes: 3 * one,
        ..options()
    };
    let device = try_another(&store, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    device.made();
    let cached = || -> BTreeSet<Id> {
        let all = ids.iter().copied();
        all.filter(|id| device.wallet.cached_body(*id).is_some())
            .collect()
    };
    assert_eq!(cached().len(), 3, "a load fills the room there is");

    let cold = *ids.iter().find(|id| !cached().contains(id)).unwrap();
    device.read(cold, &Field::Uid).await.unwrap();
    assert_eq!(device.made(), calls(1, 0, 0));
    device.read(cold, &Field::Uid).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 0));
    for id in &ids {
        device.read(*id, &Field::Uid).await.unwrap();
    }
    assert_eq!(cached().len(), 3);
    device.made();
    let evicted = *ids.iter().find(|id| !cached().contains(id)).unwrap();
    assert_eq!(
        device.read(evicted, &Field::Uid).await.unwrap(),
        format!("uid {}", ids.iter().position(|id| *id == evicted).unwrap())
    );
    assert_eq!(device.made(), calls(1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_load_lets_go_of_bodies_that_are_no_secrets_any_more() {
    let store = Arc::new(MemoryStore::new());
    let (maker, key, ids) = wallet_of(&store, 3).await;
    let o = Options {
        cache_bytes: 3 * store.items()[&ids[0]].data.len(),
        ..options()
    };
    let device = try_another(&store, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    let remove = FieldEdit {
        secret: ids[0],
        field: Field::Uid,
        expect: Expected::Any,
        change: FieldChange::Remove,
    };
    maker.fields(vec![remove]).await.unwrap();
    maker.remove(ids[0]).await.unwrap();
    maker.put(ids[1], Field::Uid, "changed").await;
    let new = maker.create("d", "new").await;
    device.wallet.require_current().await.unwrap();
    device.made();
    for id in [ids[1], ids[2], new] {
        assert!(device.wallet.cached_body(id).is_some());
    }
    assert_eq!(device.read(ids[1], &Field::Uid).await.unwrap(), "changed");
    assert_eq!(device.made(), calls(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_refresh_serves_all_who_wait() {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key, ids) = wallet_of(&memory, 3).await;
    let slow = Arc::new(Slow::new(memory.clone(), Duration::ZERO));
    let device = Arc::new(another(&slow, &key).await);
    device.made();
    maker.put(ids[0], Field::Uid, "moved").await;
    grow_old().await;
    slow.set(Duration::from_secs(2));

    let all = |n: usize, current: bool| {
        let device = device.clone();
        async move {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..n {
                let device = device.clone();
                tasks.spawn(async move {
                    match current {
                        true => device.wallet.require_current().await.unwrap(),
                        false => drop(device.wallet.freshen().await.unwrap()),
                    }
                });
            }
            tasks.join_all().await;
        }
    };
    all(50, false).await;
    assert_eq!(device.made(), calls(1, 1, 0));
    assert_eq!(device.read(ids[0], &Field::Uid).await.unwrap(), "moved");

    // A look that is under way does not show what was committed before a call that comes during it:
    // all who come then share the next one.
    let looking = tokio::spawn(all(1, true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    maker.put(ids[0], Field::Uid, "moved again").await;
    all(50, true).await;
    looking.await.unwrap();
    assert_eq!(device.made(), calls(2, 1, 0));
    assert_eq!(
        device.read(ids[0], &Field::Uid).await.unwrap(),
        "moved again"
    );
}

#[tokio::test(start_paused = true)]
async fn cold_reads_of_different_secrets_wait_at_the_same_time_and_warm_ones_not_at_all() {
    let memory = Arc::new(MemoryStore::new());
    let (_, key, ids) = wallet_of(&memory, 3).await;
    let slow = Arc::new(Slow::new(memory.clone(), Duration::ZERO));
    let one = memory.items()[&ids[0]].data.len();
    let o = Options {
        cache_bytes: one,
        ..options()
    };
    let device = try_another(&slow, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    slow.set(Duration::from_secs(2));
    let (warm, cold): (Vec<Id>, Vec<Id>) = ids
        .iter()
        .partition(|id| device.wallet.cached_body(**id).is_some());
    assert_eq!((warm.len(), cold.len()), (1, 2));

    let began = Instant::now();
    let warm = device.read(warm[0], &Field::Uid);
    warm.await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    let (a, b) = tokio::join!(
        device.read(cold[0], &Field::Uid),
        device.read(cold[1], &Field::Uid)
    );
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_changes_nothing_commits_nothing() {
    let store = Arc::new(MemoryStore::new());
    let (device, _, ids) = wallet_of(&store, 2).await;
    let generation = device.wallet.state().generation;
    let attributes = |mtime_ns, mode| FieldEdit {
        secret: ids[0],
        field: Field::Uid,
        expect: Expected::Any,
        change: FieldChange::Attributes { mtime_ns, mode },
    };
    let onto_itself = FieldChange::MoveTo {
        secret: ids[0],
        field: Field::Uid,
        expect: Expected::Any,
    };
    let nothing = [
        Edit::Fields(vec![]),
        Edit::Fields(vec![put(ids[0], Field::Uid, Expected::Any, "uid 0")]),
        Edit::Fields(vec![attributes(Some(5), Some(0o600))]),
        Edit::Fields(vec![attributes(None, None)]),
        // Group and other bits are dropped.
        Edit::Fields(vec![attributes(None, Some(0o100_644))]),
        Edit::Fields(vec![FieldEdit {
            change: onto_itself,
            ..attributes(None, None)
        }]),
        Edit::Fields(vec![
            put(ids[0], info("new"), Expected::Absent, "x"),
            FieldEdit {
                field: info("new"),
                change: FieldChange::Remove,
                ..attributes(None, None)
            },
        ]),
        Edit::Move {
            secret: ids[0],
            domain: "d".into(),
            access: "s000".into(),
            replace: None,
        },
        Edit::MoveDomain {
            from: "d".into(),
            to: "d".into(),
        },
    ];
    for (i, edit) in nothing.into_iter().enumerate() {
        let applied = device.wallet.apply(edit).await.unwrap();
        assert_eq!(applied.generation, generation, "{i}");
        assert_eq!(applied.created, None);
        assert_eq!(device.made(), calls(0, 0, 0), "{i}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_attributes_or_names_leaves_data_as_it_is() {
    let store = Arc::new(MemoryStore::new());
    let (device, _, ids) = wallet_of(&store, 1).await;
    let before = store.items()[&ids[0]].clone();
    let rev = device.rev(ids[0], &Field::Uid);
    let edit = FieldEdit {
        secret: ids[0],
        field: Field::Uid,
        expect: Expected::Rev(rev),
        change: FieldChange::Attributes {
            mtime_ns: Some(-7),
            mode: Some(0o777),
        },
    };
    device.fields(vec![edit]).await.unwrap();
    device.rename(ids[0], "e", "t", None).await.unwrap();
    device.move_domain("e", "f").await.unwrap();
    let after = store.items()[&ids[0]].clone();
    assert_eq!(after.data, before.data);
    assert_eq!(after.version, before.version + 3);
    let meta = device.meta(ids[0]).unwrap().fields[&Field::Uid];
    assert_eq!((meta.mtime_ns, meta.mode), (-7, 0o700));
    assert_eq!(meta.rev, rev, "only a change of the value raises rev");
    // So does a value put again with another time.
    let again = put(ids[0], Field::Uid, Expected::Rev(rev), "uid 0");
    device.fields(vec![again]).await.unwrap();
    assert_eq!(store.items()[&ids[0]].data, before.data);
    assert_eq!(device.rev(ids[0], &Field::Uid), rev);
}
