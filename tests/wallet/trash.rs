//! Secrets that were removed: kept for a while, out of the way, and brought back whole; and what a
//! store, or a device that is wrong, can make of that.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use walletfs::crypto::{DeviceKey, HeadMeta};
use walletfs::store::*;
use walletfs::wallet::backup::{Keys, Restore, quietly};
use walletfs::wallet::*;

const DAY: Duration = Duration::from_hours(24);

impl Device {
    async fn unlink(&self, secret: Id, field: Field) {
        let edit = FieldEdit {
            secret,
            field,
            expect: Expected::Any,
            change: FieldChange::Remove,
        };
        self.fields(vec![edit]).await.unwrap();
    }

    /// As `rm -r` removes a secret.
    async fn remove_all(&self, secret: Id) {
        let fields: Vec<Field> = self.meta(secret).unwrap().fields.into_keys().collect();
        for field in fields {
            self.unlink(secret, field).await;
        }
        self.remove(secret).await.unwrap();
    }

    async fn bring_back(&self, secret: Id, to: &str) -> Result<Applied, WalletError> {
        let (domain, access) = to.split_once('/').unwrap();
        let (domain, access) = (domain.into(), access.into());
        let replace = None;
        let edit = Edit::BringBack {
            secret,
            domain,
            access,
            replace,
        };
        self.wallet.apply(edit).await
    }

    /// The secrets that were removed, by the names that they are shown under.
    fn trash(&self) -> Vec<String> {
        let view = self.wallet.view();
        let mut names = Vec::new();
        for domain in view.removed_domains() {
            for (shown, id) in view.removed_secrets(domain) {
                assert_eq!(view.find_removed(domain, shown), Some(id));
                assert_eq!(&view.removed(id).unwrap().shown, shown);
                assert!(view.secret(id).is_none());
                names.push(format!("{domain}/{shown}"));
            }
        }
        names
    }
}

/// A wallet with the secret `d/s`, whose password was another one before.
async fn one() -> (Arc<MemoryStore>, Device, DeviceKey, Id) {
    let store = Arc::new(MemoryStore::new());
    let (device, key) = first(&store).await;
    let id = device.create("d", "s").await;
    device.put(id, Field::Uid, "joe").await;
    device.put(id, Field::Pwd, "older").await;
    device.put(id, Field::Pwd, "old").await;
    device.put(id, info("note"), "a note").await;
    device.made();
    (store, device, key, id)
}

fn keeping(trash: Duration) -> Options {
    Options { trash, ..options() }
}

async fn inspect(store: &Arc<MemoryStore>, key: &DeviceKey) -> (Arc<Wallet>, Findings) {
    let (seen, password) = (Seen::in_memory(), memorable());
    let found = Wallet::inspect(store.clone(), seen, key, &password, options());
    found.await.unwrap()
}

async fn with(store: &Arc<MemoryStore>, key: &DeviceKey, o: Options) -> Device {
    let device = try_another(store, key, Seen::in_memory(), o).await;
    device.unwrap()
}

/// Whether the head names the feature.
fn told(store: &MemoryStore) -> bool {
    let head = HeadMeta::decode(&store.items()[&Id::Head].meta);
    head.unwrap().trash
}

/// Proves semantics 1.11.
#[tokio::test(start_paused = true)]
async fn what_is_removed_is_kept_and_comes_back_whole() {
    let (store, device, key, id) = one().await;
    let before = device.contents().await;
    for field in [Field::Uid, Field::Pwd, info("note")] {
        device.unlink(id, field).await;
    }
    device.made();
    assert!(!told(&store));
    device.remove(id).await.unwrap();
    // One commit, and no other call; the item stays, and is no secret.
    assert_eq!(device.made(), calls(0, 0, 1));
    assert!(told(&store));
    for device in [&device, &another(&store, &key).await] {
        assert_eq!(device.names(), [""; 0]);
        assert!(device.wallet.view().is_empty());
        assert_eq!(device.trash(), ["d/s"]);
        assert_eq!(device.wallet.head_info().count, 1);
        let exported = device.wallet.open_all(|_| {}).await.unwrap();
        assert_eq!((exported.secrets.len(), exported.damaged), (0, 0));
        let refused = device.fields(vec![put(id, Field::Pwd, Expected::Any, "x")]);
        assert!(matches!(refused.await, Err(WalletError::NotFound)));
        assert!(matches!(
            device.remove(id).await,
            Err(WalletError::NotFound)
        ));
        let refused = device.rename(id, "d", "t", None).await;
        assert!(matches!(refused, Err(WalletError::NotFound)));
    }
    // Its name is free at once.
    let new = device.create("d", "s").await;
    device.put(new, Field::Pwd, "new").await;
    let refused = device.bring_back(id, "d/s").await;
    assert!(matches!(refused, Err(WalletError::Exists)));
    device.made();
    device.bring_back(id, "e/back").await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));
    assert!(!told(&store));
    for device in [&device, &another(&store, &key).await] {
        assert_eq!(device.trash(), [""; 0]);
        assert_eq!(device.names(), ["d/s", "e/back"]);
        for ((name, field), value) in &before {
            assert_eq!(name, "d/s");
            assert_eq!(device.read(id, field).await.unwrap(), *value);
        }
        let body = device.wallet.body(id).await.unwrap();
        let history = device.wallet.values(&body).unwrap().history.open();
        let values: Vec<_> = history
            .fields()
            .map(|(field, past)| (field, past.len()))
            .collect();
        // What came back is earlier no more.
        assert!(values == [(&Field::Pwd, 1)], "{values:?}");
        assert_eq!(history.of(&Field::Pwd)[0].value.expose(), b"older");
    }
}

/// What never held anything, and what no history keeps, is gone; and everything, where nothing is
/// to be kept. Then what was kept before goes at the next occasion.
/// Proves semantics 1.13.
#[tokio::test(start_paused = true)]
async fn without_something_to_keep_it_is_deleted() {
    let (store, device, key, id) = one().await;
    let empty = device.create("d", "empty").await;
    device.remove(empty).await.unwrap();
    assert_eq!((device.trash(), told(&store)), (vec![], false));
    device.remove_all(id).await;
    assert_eq!(store.items().len(), 2);
    let off = with(&store, &key, keeping(Duration::ZERO)).await;
    let other = off.create("d", "other").await;
    off.put(other, Field::Pwd, "x").await;
    off.remove_all(other).await;
    assert_eq!(store.items().len(), 1);
    assert_eq!((off.trash(), told(&store)), (vec![], false));
    let none = Options {
        history: 0,
        ..options()
    };
    let none = with(&store, &key, none).await;
    let other = none.create("d", "other").await;
    none.put(other, Field::Pwd, "x").await;
    none.remove_all(other).await;
    assert_eq!(store.items().len(), 1);
}

/// Its time over, it goes with the next that is removed, in the same commit, and by itself when asked.
/// Proves semantics 1.13.
#[tokio::test(start_paused = true)]
async fn it_goes_when_its_time_is_over() {
    let (store, device, _, id) = one().await;
    device.remove_all(id).await;
    let next = device.create("d", "next").await;
    device.put(next, Field::Pwd, "x").await;
    device.unlink(next, Field::Pwd).await;
    tokio::time::advance(29 * DAY).await;
    device.wallet.require_current().await.unwrap();
    device.made();
    device.wallet.empty_expired().await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 0));
    tokio::time::advance(DAY).await;
    device.wallet.require_current().await.unwrap();
    device.made();
    device.remove(next).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));
    assert_eq!(device.trash(), ["d/next"]);
    assert_eq!(store.items().len(), 2);
    tokio::time::advance(30 * DAY).await;
    device.wallet.empty_expired().await.unwrap();
    assert_eq!((device.trash(), told(&store)), (vec![], false));
    assert_eq!(store.items().len(), 1);
}

/// As many as one commit takes at a time; and none by who may change nothing.
#[tokio::test(start_paused = true)]
async fn many_go_by_several_commits() {
    let (store, device, key, id) = one().await;
    device.remove_all(id).await;
    for n in 0..120 {
        let id = device.create("d", &format!("{n}")).await;
        device.put(id, Field::Pwd, "x").await;
        device.remove_all(id).await;
    }
    let read_only = Options {
        read_only: true,
        ..keeping(Duration::ZERO)
    };
    let read_only = with(&store, &key, read_only).await;
    read_only.wallet.empty_expired().await.unwrap();
    assert_eq!(read_only.trash().len(), 121);
    let off = with(&store, &key, keeping(Duration::ZERO)).await;
    off.made();
    off.wallet.empty_expired().await.unwrap();
    assert_eq!(off.made(), calls(0, 0, 2));
    assert_eq!((off.trash(), told(&store)), (vec![], false));
    // And beside a removal no more than fit.
    for n in 0..120 {
        let id = device.create("d", &format!("{n}")).await;
        device.put(id, Field::Pwd, "x").await;
        device.remove_all(id).await;
    }
    grow_old().await;
    off.wallet.freshen().await.unwrap();
    let last = off.create("d", "last").await;
    off.made();
    off.remove(last).await.unwrap();
    assert_eq!(off.made().2, 1);
    assert_eq!(off.trash().len(), 120 - 98);
}

/// A clock that was far ahead when it was removed.
/// Proves semantics 1.13.
#[tokio::test(start_paused = true)]
async fn a_time_that_is_not_yet_counts_as_now() {
    struct Fast;
    impl Clock for Fast {
        fn wall_ns(&self) -> i64 {
            i64::MAX
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }
    let (store, device, key, id) = one().await;
    let fast = Options {
        clock: Arc::new(Fast),
        ..options()
    };
    with(&store, &key, fast).await.remove_all(id).await;
    device.wallet.require_current().await.unwrap();
    device.wallet.empty_expired().await.unwrap();
    assert_eq!(device.trash(), ["d/s"]);
    let off = with(&store, &key, keeping(Duration::ZERO)).await;
    off.wallet.empty_expired().await.unwrap();
    assert_eq!(off.trash(), [""; 0]);
}

/// What a rename replaces is kept, too, and comes back in the place of one that is empty.
#[tokio::test(start_paused = true)]
async fn what_is_replaced_is_kept() {
    let (_, device, _, id) = one().await;
    for field in [Field::Uid, Field::Pwd, info("note")] {
        device.unlink(id, field).await;
    }
    let other = device.create("d", "other").await;
    device.rename(other, "d", "s", Some(id)).await.unwrap();
    assert_eq!(
        (device.names(), device.trash()),
        (vec!["d/s".into()], vec!["d/s".into()])
    );
    let edit = Edit::BringBack {
        secret: id,
        domain: "d".into(),
        access: "s".into(),
        replace: Some(other),
    };
    device.wallet.apply(edit).await.unwrap();
    assert_eq!(
        (device.names(), device.trash()),
        (vec!["d/s".into()], vec![])
    );
    assert_eq!(device.read(id, &Field::Pwd).await.unwrap(), "old");
}

/// Two that were removed under one name, and one that is called as the second is shown.
#[tokio::test(start_paused = true)]
async fn several_of_one_name_are_told_apart() {
    let (store, device, key, id) = one().await;
    device.remove_all(id).await;
    let mut ids = vec![id];
    for name in ["s", "s~2023-11-14T221320Z", "s"] {
        tokio::time::advance(Duration::from_secs(60)).await;
        let id = device.create("d", name).await;
        device.put(id, Field::Pwd, "x").await;
        device.remove_all(id).await;
        ids.push(id);
    }
    let exact = {
        let view = device.wallet.view();
        view.removed(id).unwrap().shown.to_string()
    };
    assert!(exact.starts_with("s~2023-11-14T221320."), "{exact}");
    let names = [
        "d/s",
        &format!("d/{exact}"),
        "d/s~2023-11-14T221320Z",
        "d/s~2023-11-14T221420Z",
    ];
    for device in [&device, &another(&store, &key).await] {
        assert_eq!(device.trash(), names);
        let found = |name| device.wallet.view().find_removed("d", name);
        assert_eq!(found("s"), Some(ids[3]));
        assert_eq!(found("s~2023-11-14T221320Z"), Some(ids[2]));
        assert_eq!(found(&exact), Some(ids[0]));
    }
    device.bring_back(ids[3], "d/s").await.unwrap();
    assert_eq!(device.wallet.view().find_removed("d", "s"), Some(ids[1]));
}

/// What is discarded of one that was removed is gone, and the rest stays, on a device that keeps no
/// history, too; of one that is there nothing is.
#[tokio::test(start_paused = true)]
async fn a_part_or_all_of_it_is_deleted_for_good() {
    let (store, device, key, id) = one().await;
    let discard = Edit::Discard { secret: id };
    let discard_field = |field| Edit::DiscardField { secret: id, field };
    for edit in [discard.clone(), discard_field(Field::Uid)] {
        let refused = device.wallet.apply(edit).await;
        assert!(matches!(refused, Err(WalletError::NotFound)));
    }
    device.remove_all(id).await;
    let none = Options {
        history: 0,
        ..options()
    };
    let none = with(&store, &key, none).await;
    let refused = none.wallet.apply(discard.clone()).await;
    assert!(matches!(refused, Err(WalletError::NotEmpty)));
    none.wallet.apply(discard_field(Field::Uid)).await.unwrap();
    let refused = none.wallet.apply(discard_field(Field::Uid)).await;
    assert!(matches!(refused, Err(WalletError::NotFound)));
    none.wallet.rekey(None, |_| {}).await.unwrap();
    let three = another(&store, &key).await;
    three.bring_back(id, "d/s").await.unwrap();
    let fields: Vec<Field> = three.meta(id).unwrap().fields.into_keys().collect();
    assert!(fields == [Field::Pwd, info("note")]);
    three.remove_all(id).await;
    for field in fields {
        three.wallet.apply(discard_field(field)).await.unwrap();
    }
    assert!(told(&store));
    three.wallet.apply(discard).await.unwrap();
    assert!(!told(&store));
    assert_eq!(store.items().len(), 1);
}

/// Two devices at once: one of them is told that there is nothing to be done any more.
#[tokio::test(start_paused = true)]
async fn two_devices_remove_and_bring_back_at_once() {
    let (store, device, key, id) = one().await;
    let two = another(&store, &key).await;
    for field in [Field::Uid, Field::Pwd, info("note")] {
        device.unlink(id, field).await;
    }
    two.wallet.require_current().await.unwrap();
    device.remove(id).await.unwrap();
    assert!(matches!(two.remove(id).await, Err(WalletError::NotFound)));
    assert_eq!(two.trash(), ["d/s"]);
    device.bring_back(id, "d/s").await.unwrap();
    let late = two.bring_back(id, "d/t").await;
    assert!(matches!(late, Err(WalletError::NotFound)), "{late:?}");
    assert_eq!(two.names(), ["d/s"]);
    // A value that is written while the secret is removed elsewhere.
    device.remove_all(id).await;
    let late = two
        .fields(vec![put(id, Field::Pwd, Expected::Any, "x")])
        .await;
    assert!(matches!(late, Err(WalletError::NotFound)), "{late:?}");
    assert_eq!(another(&store, &key).await.trash(), ["d/s"]);
}

/// It follows the others by what the head tells of recent commits.
#[tokio::test(start_paused = true)]
async fn another_device_catches_up() {
    let (store, device, key, id) = one().await;
    for n in 0..40 {
        device.create("d", &format!("{n}")).await;
    }
    let two = another(&store, &key).await;
    two.made();
    device.remove_all(id).await;
    grow_old().await;
    two.wallet.freshen().await.unwrap();
    assert_eq!(two.made(), calls(2, 0, 0));
    assert_eq!(two.trash(), ["d/s"]);
    device.bring_back(id, "d/s").await.unwrap();
    grow_old().await;
    two.wallet.freshen().await.unwrap();
    assert_eq!(two.made(), calls(2, 0, 0));
    assert_eq!((two.trash(), two.names().len()), (vec![], 41));
}

/// A write that is made again on a head of another device, without a load, leaves what that says.
#[tokio::test(start_paused = true)]
async fn a_write_in_between_keeps_the_feature() {
    let (store, device, key, id) = one().await;
    let other = device.create("d", "other").await;
    let two = another(&store, &key).await;
    two.body_of(other).await;
    two.made();
    device.remove_all(id).await;
    two.put(other, Field::Pwd, "x").await;
    assert_eq!(
        two.made(),
        calls(0, 0, 2),
        "made again on the head that won"
    );
    assert!(told(&store));
    let three = another(&store, &key).await;
    assert_eq!(
        (three.trash(), three.names()),
        (vec!["d/s".into()], vec!["d/other".into()])
    );
    three.bring_back(id, "d/s").await.unwrap();
    two.put(other, Field::Pwd, "y").await;
    assert!(!told(&store));
    another(&store, &key).await;
}

impl Device {
    async fn body_of(&self, id: Id) {
        self.wallet.body(id).await.unwrap();
    }
}

/// Sealed anew as all others are, and still what it was.
#[tokio::test(start_paused = true)]
async fn a_rekey_takes_it_along() {
    let (store, device, key, id) = one().await;
    device.create("d", "other").await;
    device.remove_all(id).await;
    let old = store.items()[&id].clone();
    let mut last = None;
    device
        .wallet
        .rekey(None, |so_far| last = Some(so_far))
        .await
        .unwrap();
    assert_eq!(last, Some(RekeyProgress { done: 2, all: 2 }));
    let new = store.items()[&id].clone();
    assert_ne!(old.data[1..5], new.data[1..5], "another epoch");
    assert!(told(&store));
    let device = another(&store, &key).await;
    assert_eq!(device.trash(), ["d/s"]);
    device.bring_back(id, "d/s").await.unwrap();
    assert_eq!(device.read(id, &Field::Pwd).await.unwrap(), "old");
}

/// A backup holds it, and a restore makes the wallet what it was: in the trash, or not.
#[tokio::test(start_paused = true)]
async fn a_backup_and_a_restore_take_it_along() {
    let (store, device, key, id) = one().await;
    let there = device.wallet.sealed().await.unwrap();
    device.remove_all(id).await;
    let removed = device.wallet.sealed().await.unwrap();
    for (backup, trash) in [(&there, false), (&removed, true), (&there, false)] {
        let head = store.items()[&Id::Head].clone();
        let random = Arc::new(walletfs::crypto::OsRandom);
        let keys = Keys::open(&head, &key, &memorable(), random).await.unwrap();
        let (seen, store_) = (device.seen.clone(), store.clone());
        let restore = Restore::prepare(store_, seen, backup.clone(), Some(&keys), None, options());
        restore.await.unwrap().run(&quietly).await.unwrap();
        assert_eq!(told(&store), trash);
        let device = another(&store, &key).await;
        assert_eq!(device.trash().len(), usize::from(trash));
        assert_eq!(device.names().len(), usize::from(!trash));
    }
}

/// The feature is authenticated with the head: a store can neither take it out, nor name it, nor
/// give an older state of an item.
#[tokio::test(start_paused = true)]
async fn a_store_cannot_make_a_removed_secret_another() {
    let (store, device, key, id) = one().await;
    for field in [Field::Uid, Field::Pwd, info("note")] {
        device.unlink(id, field).await;
    }
    let there = store.items().clone();
    device.remove(id).await.unwrap();
    let removed = store.items().clone();
    let mount = async || {
        let mounted = try_another(&store, &key, Seen::in_memory(), options()).await;
        mounted.err().map(|e| e.to_string())
    };
    for (state, trash) in [(&there, true), (&removed, false)] {
        *store.items() = state.clone();
        let mut head = state[&Id::Head].clone();
        let mut meta = HeadMeta::decode(&head.meta).unwrap();
        meta.trash = trash;
        head.meta = meta.encode();
        store.items().insert(Id::Head, head);
        let refused = mount().await.unwrap();
        assert!(refused.contains("the head does not open"), "{refused}");
    }
    // The item as it was, under either head.
    for (head, item) in [(&there, &removed), (&removed, &there)] {
        *store.items() = head.clone();
        store.items().insert(id, item[&id].clone());
        let refused = mount().await.unwrap();
        assert!(refused.contains("integrity"), "{refused}");
    }
    *store.items() = removed;
    assert_eq!(mount().await, None);
}

/// A device that writes such an item without saying so: no other takes it for anything, and a repair
/// says it.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_tell_is_refused_and_repaired() {
    let (store, device, key, id) = one().await;
    // Many, so that it is followed by what the head tells of recent commits; or else loaded anew.
    for n in 0..40 {
        device.create("d", &format!("{n}")).await;
    }
    let meta = device.meta(id).unwrap();
    let forged = Id::Secret([9; 16]);
    forge(&store, &key, forged, |data_hash| {
        let meta = Meta {
            data_hash,
            removed_ns: Some(5),
            fields: Default::default(),
            ..meta
        };
        meta.encode()
    });
    let refused = try_another(&store, &key, Seen::in_memory(), options()).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("marked as removed"), "{refused}");
    grow_old().await;
    let refused = device.wallet.freshen().await.unwrap_err().to_string();
    assert!(refused.contains("marked as removed"), "{refused}");

    let (wallet, findings) = inspect(&store, &key).await;
    let faults: Vec<String> = findings.faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        (findings.good, findings.removed, faults.len()),
        (41, 1, 1),
        "{faults:?}"
    );
    assert!(faults[0].contains("marked as removed"), "{faults:?}");
    wallet.repair().await.unwrap();
    let (_, findings) = inspect(&store, &key).await;
    assert_eq!(
        (findings.good, findings.removed, findings.faults.len()),
        (41, 1, 0)
    );
    let device = another(&store, &key).await;
    assert_eq!(
        (device.names().len(), device.trash()),
        (41, vec!["d/s".into()])
    );
}

/// A repair that takes the last one out says so in the head.
#[tokio::test(start_paused = true)]
async fn a_repair_takes_a_damaged_one_out() {
    let (store, device, key, id) = one().await;
    device.create("d", "other").await;
    device.remove_all(id).await;
    {
        let mut items = store.items();
        let item = items.get_mut(&id).unwrap();
        let mut data = item.data.to_vec();
        data[40] ^= 1;
        item.data = data.into();
    }
    let (wallet, findings) = inspect(&store, &key).await;
    assert_eq!((findings.good, findings.removed), (1, 0));
    assert!(findings.faults.iter().any(|fault| fault.lost));
    wallet.repair().await.unwrap();
    assert!(!told(&store));
    assert_eq!(another(&store, &key).await.trash(), [""; 0]);
}
