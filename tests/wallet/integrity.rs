//! What a store that lies is caught at, and what is left of a wallet that was damaged.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::*;

struct Scene {
    store: Arc<MemoryStore>,
    key: DeviceKey,
    device: Device,
    ids: Vec<Id>,
    /// All items as they were one commit to each secret earlier.
    old: Vec<Item>,
}

/// Three secrets, each written twice, and one that was removed.
async fn scene() -> Scene {
    let store = Arc::new(MemoryStore::new());
    let (device, key) = first(&store).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let id = device.create("d", name).await;
        device.put(id, Field::Uid, "old").await;
        ids.push(id);
    }
    let gone = device.create("d", "gone").await;
    ids.sort();
    let old = store.items().values().cloned().collect();
    device.remove(gone).await.unwrap();
    for id in &ids {
        device.put(*id, Field::Uid, "new").await;
    }
    Scene {
        store,
        key,
        device,
        ids,
        old,
    }
}

impl Scene {
    fn old(&self, id: Id) -> Item {
        self.old.iter().find(|item| item.id == id).unwrap().clone()
    }

    fn set(&self, item: Item) {
        self.store.items().insert(item.id, item);
    }

    fn item(&self, id: Id) -> Item {
        self.store.items()[&id].clone()
    }

    /// What a device that has just come is told. It never saw the wallet before.
    async fn mount(&self) -> Result<Device, WalletError> {
        try_another(&self.store, &self.key, Seen::in_memory(), options()).await
    }

    async fn refused(&self) -> WalletError {
        match self.mount().await {
            Ok(_) => panic!("the wallet opened"),
            Err(e) => e,
        }
    }
}

fn is_integrity(e: &WalletError, what: &str) -> bool {
    matches!(e, WalletError::Integrity(why) if why.contains(what))
}

#[tokio::test(start_paused = true)]
async fn a_dropped_item_is_missed_after_three_listings_a_second_apart() {
    let scene = scene().await;
    let key = &scene.key;
    let calls = Arc::new(Counting::new(scene.store.clone()));
    scene.store.items().remove(&scene.ids[1]);
    let began = Instant::now();
    let refused = try_another(&calls, key, Seen::in_memory(), options()).await;
    let refused = refused.err().unwrap();
    assert!(is_integrity(&refused, "2 items"), "{refused}");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!((calls.tally().gets, calls.tally().lists), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn swapped_items_open_nowhere() {
    let scene = scene().await;
    let (a, b) = (scene.item(scene.ids[0]), scene.item(scene.ids[1]));
    scene.set(Item {
        id: b.id,
        ..a.clone()
    });
    scene.set(Item { id: a.id, ..b });
    // Two items that do not open: the third can be read, and nothing changed.
    let device = scene.mount().await.unwrap();
    assert_eq!(device.wallet.view().len(), 1);
    assert!(device.wallet.state().fault.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_replayed_item_opens_and_is_refused() {
    let scene = scene().await;
    scene.set(scene.old(scene.ids[1]));
    let refused = scene.refused().await;
    assert!(is_integrity(&refused, "vouches"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_old_item_under_a_new_version_does_not_open() {
    let scene = scene().await;
    scene.set(Item {
        version: scene.item(scene.ids[1]).version,
        ..scene.old(scene.ids[1])
    });
    let device = scene.mount().await.unwrap();
    assert_eq!(
        device.wallet.view().damaged().collect::<Vec<_>>(),
        [scene.ids[1]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_item_that_comes_back_is_refused() {
    let scene = scene().await;
    let known = |id: &Id| *id == Id::Head || scene.ids.contains(id);
    let gone = scene.old.iter().find(|item| !known(&item.id)).unwrap();
    scene.set(gone.clone());
    let refused = scene.refused().await;
    assert!(is_integrity(&refused, "4 items"), "{refused}");
    // Nor in the place of another.
    scene.store.items().remove(&scene.ids[0]);
    let refused = scene.refused().await;
    assert!(is_integrity(&refused, "vouches"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_made_up_is_refused() {
    let scene = scene().await;
    scene.set(Item {
        id: Id::Secret([0; 16]),
        ..scene.item(scene.ids[0])
    });
    let refused = scene.refused().await;
    assert!(is_integrity(&refused, "4 items"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_repeats_or_turns_back_is_refused_at_once() {
    type Lie = fn(&mut Vec<Item>);
    let lies: [Lie; 3] = [
        |items| items.insert(1, items[0].clone()),
        |items| items.swap(0, 1),
        // The head does not come last.
        |items| items.rotate_right(1),
    ];
    for lie in lies {
        let scene = scene().await;
        let liar = Liar::new(scene.store.clone());
        liar.pages(move |_, mut page| {
            lie(&mut page.items);
            page
        });
        let began = Instant::now();
        let mount = try_another(&liar, &scene.key, Seen::in_memory(), options()).await;
        let refused = mount.err().unwrap();
        assert!(is_integrity(&refused, "out of order"), "{refused}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_never_ends_is_refused() {
    let scene = scene().await;
    // Always the same page again.
    let liar = Liar::new(scene.store.clone());
    liar.pages(|_, page| {
        let next = page.items.first().map(|item| Cursor(item.id));
        Page { next, ..page }
    });
    let mount = try_another(&liar, &scene.key, Seen::in_memory(), options()).await;
    assert!(is_integrity(&mount.err().unwrap(), "lead on"));
    // Empty pages, each leading on by one.
    liar.pages(|after, _| {
        let n = match after {
            Some(Cursor(Id::Secret(raw))) => u128::from_be_bytes(raw) + 1,
            _ => 0,
        };
        Page {
            items: Vec::new(),
            next: Some(Cursor(Id::Secret(n.to_be_bytes()))),
        }
    });
    let mount = try_another(&liar, &scene.key, Seen::in_memory(), options()).await;
    assert!(is_integrity(&mount.err().unwrap(), "come to its end"));
    // Items made up without end.
    let item = scene.item(scene.ids[0]);
    liar.pages(move |after, _| {
        let n = match after {
            Some(Cursor(Id::Secret(raw))) => u128::from_be_bytes(raw) + 1,
            _ => 0,
        };
        let id = Id::Secret(n.to_be_bytes());
        Page {
            items: vec![Item { id, ..item.clone() }],
            next: Some(Cursor(id)),
        }
    });
    let mount = try_another(&liar, &scene.key, Seen::in_memory(), options()).await;
    assert!(is_integrity(&mount.err().unwrap(), "come to its end"));
}

#[tokio::test(start_paused = true)]
async fn a_listing_without_the_head_is_refused() {
    let scene = scene().await;
    let liar = Liar::new(scene.store.clone());
    liar.pages(|_, mut page| {
        page.items.retain(|item| item.id != Id::Head);
        page
    });
    let mount = try_another(&liar, &scene.key, Seen::in_memory(), options()).await;
    assert!(is_integrity(&mount.err().unwrap(), "with the head"));
}

/// Everything as it was one commit to each secret earlier: it verifies by itself.
fn roll_back(scene: &Scene) {
    let mut items = scene.store.items();
    items.clear();
    items.extend(scene.old.iter().map(|item| (item.id, item.clone())));
}

#[tokio::test(start_paused = true)]
async fn an_older_history_is_refused_by_a_device_that_has_seen_a_newer_one() {
    let scene = scene().await;
    let newest = scene.device.wallet.head_info();
    roll_back(&scene);
    let again = try_another(
        &scene.store,
        &scene.key,
        scene.device.seen.clone(),
        options(),
    )
    .await;
    let Err(WalletError::RolledBack(both)) = again else {
        panic!("an old history was taken");
    };
    assert_eq!(both.seen.generation, newest.generation);
    assert_eq!(both.seen.committed_ns, newest.committed_ns);
    assert_eq!(both.found.generation, scene.old.last().unwrap().version);
    assert!(both.found.committed_ns <= both.seen.committed_ns);

    // In the middle of a session too, however the session comes to look.
    grow_old().await;
    let looks = [
        scene.device.wallet.freshen().await.map(drop),
        scene.device.wallet.require_current().await,
        scene
            .device
            .fields(vec![put(scene.ids[0], Field::Pwd, Expected::Any, "x")])
            .await
            .map(drop),
        scene
            .device
            .rename(scene.ids[0], "d", "x", None)
            .await
            .map(drop),
    ];
    let refused = |look: &Result<(), WalletError>| matches!(look, Err(WalletError::RolledBack(_)));
    assert!(looks.iter().all(refused), "{looks:?}");
    // A device that comes new cannot know.
    assert!(scene.mount().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_second_history_of_the_same_length_is_refused() {
    let scene = scene().await;
    let kept: Vec<Item> = scene.store.items().values().cloned().collect();
    // Another device is shown the state before, and commits on top of it.
    roll_back(&scene);
    let other = scene.mount().await.unwrap();
    let behind = scene.device.wallet.head_info().generation - other.wallet.head_info().generation;
    for n in 0..behind {
        other.put(scene.ids[0], Field::Uid, &n.to_string()).await;
    }
    assert_eq!(
        other.wallet.head_info().generation,
        scene.device.wallet.head_info().generation
    );
    let seen = scene.device.seen.clone();
    let again = try_another(&scene.store, &scene.key, seen, options()).await;
    let Err(WalletError::RolledBack(both)) = again else {
        panic!("a second history was taken");
    };
    assert_eq!(both.seen.generation, both.found.generation);
    assert_ne!(both.seen.hash, both.found.hash);
    grow_old().await;
    let look = scene.device.wallet.freshen().await;
    assert!(matches!(look, Err(WalletError::RolledBack(_))), "{look:?}");

    // Back on the history that the device knows, it goes on.
    scene.store.items().clear();
    scene
        .store
        .items()
        .extend(kept.into_iter().map(|item| (item.id, item)));
    grow_old().await;
    assert_eq!(
        scene.device.wallet.freshen().await.unwrap(),
        Freshness::Current
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_gone_or_does_not_open_is_refused() {
    let scene = scene().await;
    let head = scene.item(Id::Head);
    grow_old().await;
    let flip = |bytes: &Bytes| {
        let mut bytes = bytes.to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Bytes::from(bytes)
    };
    for bad in [
        Item {
            data: flip(&head.data),
            ..head.clone()
        },
        Item {
            version: head.version + 1,
            ..head.clone()
        },
        Item {
            meta: Bytes::new(),
            ..head.clone()
        },
    ] {
        scene.set(bad);
        let refused = scene.device.wallet.require_current().await.unwrap_err();
        assert!(is_integrity(&refused, "head"), "{refused}");
    }
    scene.store.items().remove(&Id::Head);
    let refused = scene.device.wallet.require_current().await;
    assert!(matches!(refused, Err(WalletError::Vanished { .. })));
    let seen = scene.device.seen.clone();
    let refused = try_another(&scene.store, &scene.key, seen, options()).await;
    assert!(matches!(refused, Err(WalletError::Vanished { .. })));
    assert!(matches!(scene.refused().await, WalletError::NoSuchWallet));
}

#[tokio::test(start_paused = true)]
async fn a_fault_found_is_not_looked_for_again_within_the_caches_life() {
    let scene = scene().await;
    grow_old().await;
    scene.store.items().remove(&Id::Head);
    scene.device.made();
    for _ in 0..3 {
        let look = scene.device.wallet.freshen().await;
        assert!(matches!(look, Err(WalletError::Vanished { .. })));
    }
    assert_eq!(scene.device.made(), calls(1, 0, 0));
    grow_old().await;
    assert!(scene.device.wallet.freshen().await.is_err());
    assert_eq!(scene.device.made(), calls(1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_does_not_open_leaves_the_rest_readable_and_nothing_to_be_changed() {
    let scene = scene().await;
    let mut bad = scene.item(scene.ids[1]);
    let mut meta = bad.meta.to_vec();
    meta[30] ^= 1;
    bad.meta = meta.into();
    scene.set(bad);
    let device = scene.mount().await.unwrap();
    let fault = device.wallet.state().fault.unwrap();
    assert!(fault.contains("vouches"), "{fault}");
    assert_eq!(
        device.wallet.view().damaged().collect::<Vec<_>>(),
        [scene.ids[1]]
    );
    for id in [scene.ids[0], scene.ids[2]] {
        assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "new");
    }
    let read = device.read(scene.ids[1], &Field::Uid).await;
    assert!(matches!(read, Err(WalletError::NotFound)));
    device.made();
    for edit in [
        Edit::Fields(vec![put(scene.ids[0], Field::Uid, Expected::Any, "x")]),
        Edit::Create {
            domain: "d".into(),
            access: "x".into(),
        },
    ] {
        let refused = device.wallet.apply(edit).await.unwrap_err();
        assert!(
            is_integrity(&refused, "nothing can be changed"),
            "{refused}"
        );
    }
    assert_eq!(device.made(), calls(0, 0, 0));
    // It is still looked at, and stays as it is.
    grow_old().await;
    assert_eq!(device.wallet.freshen().await.unwrap(), Freshness::Current);
    assert_eq!(device.made(), calls(1, 0, 0));

    // Damage does not excuse an item too few, or one newer than the head.
    scene.store.items().remove(&scene.ids[0]);
    assert!(is_integrity(&scene.refused().await, "2 items"));
}

#[tokio::test(start_paused = true)]
async fn damage_does_not_hide_a_replay_from_a_session_that_knows_better() {
    let scene = scene().await;
    let [a, b, c] = scene.ids[..] else { panic!() };
    let other = scene.mount().await.unwrap();
    other.put(a, Field::Pwd, "moves the head").await;
    let mut bad = scene.item(b);
    bad.meta = Bytes::from_static(&[1; 300]);
    scene.set(bad);
    scene.set(scene.old(c));
    grow_old().await;
    let look = scene.device.wallet.freshen().await.unwrap_err();
    assert!(is_integrity(&look, "vouches"), "{look}");
    // The last good snapshot is still there.
    assert_eq!(scene.device.read(c, &Field::Uid).await.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn damage_does_not_hide_an_item_from_after_the_head() {
    let scene = scene().await;
    let [a, b, _] = scene.ids[..] else { panic!() };
    let head = scene.item(Id::Head);
    scene.device.put(a, Field::Uid, "after the head").await;
    scene.set(head);
    let mut bad = scene.item(b);
    bad.meta = Bytes::from_static(&[1; 300]);
    scene.set(bad);
    let refused = scene.refused().await;
    assert!(is_integrity(&refused, "newer than the head"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_the_snapshots_life_and_is_logged_once() {
    let scene = scene().await;
    let log = Log::default();
    let _logging = log.listen();
    scene.store.items().remove(&Id::Head);
    for _ in 0..3 {
        scene.device.wallet.require_current().await.unwrap_err();
        assert_eq!(scene.device.wallet.fresh_for(), None);
        scene.device.wallet.freshen().await.unwrap_err();
        grow_old().await;
    }
    assert_eq!(log.text().matches("ERROR").count(), 1, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn values_that_are_not_those_of_meta_are_damaged_and_not_written_over() {
    let scene = scene().await;
    let id = Id::Secret([9; 16]);
    let meta = scene.device.meta(scene.ids[0]).unwrap();
    // Meta names a field, and data has none.
    forge(&scene.store, &scene.key, id, |data_hash| {
        let access = "forged".into();
        Meta {
            data_hash,
            access,
            ..meta
        }
        .encode()
    });
    let device = scene.mount().await.unwrap();
    let read = device.read(id, &Field::Uid).await;
    assert!(
        matches!(read, Err(WalletError::Damaged(of)) if of == id),
        "{read:?}"
    );
    let read = device.read(id, &Field::Pwd).await;
    assert!(matches!(read, Err(WalletError::NotFound)), "{read:?}");
    let write = device
        .fields(vec![put(id, Field::Pwd, Expected::Any, "x")])
        .await;
    assert!(
        matches!(write, Err(WalletError::Damaged(of)) if of == id),
        "{write:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn damaged_values_are_a_fault_of_their_secret_alone() {
    let scene = scene().await;
    let [a, b, _] = scene.ids[..] else { panic!() };
    for data in [
        scene.old(b).data,
        scene.item(a).data,
        Bytes::from_static(b"what"),
        Bytes::new(),
    ] {
        scene.set(Item {
            data,
            ..scene.item(b)
        });
        let device = scene.mount().await.unwrap();
        assert_eq!(device.wallet.state().fault, None);
        let read = device.read(b, &Field::Uid).await;
        assert!(matches!(read, Err(WalletError::Damaged(id)) if id == b));
        assert!(device.wallet.cached_body(b).is_none());
        assert_eq!(device.read(a, &Field::Uid).await.unwrap(), "new");
        // Its own fields cannot be changed, since the others would be lost; those of others can.
        let edit = put(b, Field::Pwd, Expected::Any, "x");
        let write = device.fields(vec![edit]).await;
        assert!(matches!(write, Err(WalletError::Damaged(id)) if id == b));
    }
    let device = scene.mount().await.unwrap();
    device.put(a, Field::Pwd, "x").await;
    assert_eq!(device.read(a, &Field::Pwd).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn an_item_exchanged_under_an_unmoved_head_is_damaged() {
    let scene = scene().await;
    let [a, b, _] = scene.ids[..] else { panic!() };
    let o = Options {
        cache_bytes: 0,
        ..options()
    };
    let device = try_another(&scene.store, &scene.key, Seen::in_memory(), o)
        .await
        .unwrap();
    scene.set(scene.old(a));
    scene.store.items().remove(&b);
    for id in [a, b] {
        let read = device.read(id, &Field::Uid).await;
        assert!(matches!(read, Err(WalletError::Damaged(of)) if of == id));
        let write = device.fields(vec![put(id, Field::Pwd, Expected::Any, "x")]);
        assert!(matches!(write.await, Err(WalletError::Damaged(of)) if of == id));
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_head_is_taken_up_again_when_the_person_says_so() {
    let scene = scene().await;
    let seen = scene.device.seen.clone();
    let newest = scene.device.wallet.head_info().generation;
    roll_back(&scene);
    let refused = try_another(&scene.store, &scene.key, seen.clone(), options()).await;
    let Err(WalletError::RolledBack(both)) = refused else {
        panic!()
    };
    let calls_made = Arc::new(Counting::new(scene.store.clone()));
    let accept = |found: Sighting, o: Options| {
        let (store, seen) = (calls_made.clone(), seen.clone());
        let key = &scene.key;
        async move { Wallet::unlock_rolled_back(store, seen, key, &memorable(), &found, o).await }
    };
    // Not another head than the one that was shown to the person, nor without writing.
    let wrong = accept(both.seen, options()).await;
    assert!(matches!(wrong, Err(WalletError::RolledBack(_))));
    let o = Options {
        read_only: true,
        ..options()
    };
    let wrong = accept(both.found, o).await;
    assert!(matches!(wrong, Err(WalletError::ReadOnly)));

    calls_made.take();
    let wallet = accept(both.found, options()).await.unwrap();
    let tally = calls_made.take();
    assert_eq!((tally.gets, tally.lists, tally.commits), (1, 1, 1));
    assert_eq!(wallet.state().generation, newest + 1);
    assert_eq!(wallet.view().len(), 4);
    assert_eq!(seen.read().unwrap().unwrap().generation, newest + 1);
    // From here on it is an ordinary wallet, also for the device that had seen more.
    let again = try_another(&scene.store, &scene.key, seen, options())
        .await
        .unwrap();
    again.put(scene.ids[0], Field::Uid, "newer").await;
    grow_old().await;
    scene.device.wallet.freshen().await.unwrap();
    assert_eq!(scene.device.names().len(), 4);
}
