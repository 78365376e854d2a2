//! Several devices at work at once: no false alarm, nothing lost, nothing overwritten unseen.

use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::Instant;
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::*;

/// A wallet of three pages, with so few secrets that nobody catches up instead of loading, and a
/// store whose readers can be disturbed.
async fn three_pages() -> (
    Arc<MemoryStore>,
    Arc<Hooked>,
    Arc<Device>,
    DeviceKey,
    Vec<Id>,
) {
    let memory = Arc::new(MemoryStore::with_page_bytes(5_000));
    let (writer, key) = first(&memory).await;
    let mut ids = Vec::new();
    for i in 0..15 {
        let id = writer.create("d", &format!("s{i:02}")).await;
        writer.put(id, Field::Uid, "0").await;
        ids.push(id);
    }
    let hooked = Hooked::new(memory.clone());
    (memory, hooked, Arc::new(writer), key, ids)
}

#[tokio::test(start_paused = true)]
async fn an_honest_writer_at_work_is_never_taken_for_a_liar() {
    let (memory, hooked, writer, key, ids) = three_pages().await;
    let reader = another(&hooked, &key).await;
    let pages = reader.calls.take().lists;
    assert_eq!(pages, 3);

    // In each load the writer commits after some page, one to three times; then it rests.
    let moves = Arc::new(AtomicUsize::new(0));
    let torn = Arc::new(AtomicUsize::new(0));
    hooked.hook({
        let (writer, moves, torn, ids) = (writer.clone(), moves.clone(), torn.clone(), ids.clone());
        move |did| {
            let (writer, moves, torn, ids) =
                (writer.clone(), moves.clone(), torn.clone(), ids.clone());
            async move {
                let left = moves.load(SeqCst);
                if left == 0 || !matches!(did, Did::List { .. }) {
                    return;
                }
                moves.fetch_sub(1, SeqCst);
                let n = torn.fetch_add(1, SeqCst);
                let id = ids[n * 7 % ids.len()];
                match n % 5 {
                    0 => {
                        let made = writer.create("d", &format!("extra {n}")).await;
                        writer.remove(made).await.unwrap();
                    }
                    1 => drop(
                        writer
                            .rename(id, "e", &format!("r{n}"), None)
                            .await
                            .unwrap(),
                    ),
                    _ => drop(writer.put(id, Field::Uid, &n.to_string()).await),
                }
            }
        }
    });
    for load in 0..200 {
        writer
            .put(ids[load % ids.len()], Field::Pwd, &load.to_string())
            .await;
        moves.store(1 + load % 3, SeqCst);
        grow_old().await;
        let look = reader.wallet.freshen().await;
        assert_eq!(look.unwrap(), Freshness::Current, "load {load}");
        assert_eq!(moves.load(SeqCst), 0);
        assert_eq!(
            reader.wallet.state().generation,
            writer.wallet.state().generation
        );
        assert_eq!(reader.names(), writer.names());
    }
    assert_eq!(torn.load(SeqCst), 200 + 199);
    assert_eq!(reader.contents().await, writer.contents().await);
    assert!(reader.calls.take().lists >= 200 * 3);
    assert_eq!(memory.items().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_never_rests_leaves_the_last_good_snapshot_until_the_deadline() {
    let (_, hooked, writer, key, ids) = three_pages().await;
    let reader = another(&hooked, &key).await;
    writer.put(ids[0], Field::Uid, "1").await;
    let id = ids[0];
    hooked.hook({
        let (writer, times) = (writer.clone(), Arc::new(AtomicUsize::new(0)));
        move |did| {
            let (writer, times) = (writer.clone(), times.clone());
            async move {
                if matches!(did, Did::List { .. }) {
                    let n = times.fetch_add(1, SeqCst);
                    writer.put(id, Field::Pwd, &n.to_string()).await;
                }
            }
        }
    });
    grow_old().await;
    let began = Instant::now();
    let look = reader.wallet.freshen().await.unwrap();
    assert!(matches!(look, Freshness::Stale(_)), "{look:?}");
    assert!(began.elapsed() <= DEADLINE);
    assert!(began.elapsed() > DEADLINE / 2);
    assert_eq!(reader.read(id, &Field::Uid).await.unwrap(), "0");
    assert!(reader.wallet.state().stale.is_some());
    let open = reader.wallet.require_current().await;
    assert!(matches!(open, Err(WalletError::Contended)), "{open:?}");
    hooked.unhook();
    reader.wallet.require_current().await.unwrap();
    assert_eq!(reader.wallet.state().stale, None);
    assert_eq!(reader.read(id, &Field::Uid).await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_others_always_beat_is_contended_at_the_deadline() {
    let (_, hooked, writer, key, ids) = three_pages().await;
    let loser = another(&hooked, &key).await;
    let beaten = Arc::new(AtomicUsize::new(0));
    hooked.hook({
        let (writer, id, beaten) = (writer.clone(), ids[0], beaten.clone());
        move |did| {
            let (writer, beaten) = (writer.clone(), beaten.clone());
            async move {
                if did == Did::Committing {
                    let n = beaten.fetch_add(1, SeqCst);
                    writer.put(id, Field::Uid, &format!("beaten {n}")).await;
                }
            }
        }
    });
    loser.made();
    let began = Instant::now();
    let edit = put(ids[1], Field::Uid, Expected::Any, "x");
    let lost = loser.fields(vec![edit]).await;
    assert!(matches!(lost, Err(WalletError::Contended)), "{lost:?}");
    assert!(began.elapsed() <= DEADLINE);
    let tries = beaten.load(SeqCst);
    assert!(tries > 5);
    assert_eq!(loser.made(), calls(0, 0, tries));
    hooked.unhook();
    loser.put(ids[1], Field::Uid, "x").await;
}

#[tokio::test(start_paused = true)]
async fn two_processes_of_one_device_do_not_take_each_other_for_a_rollback() {
    let memory = Arc::new(MemoryStore::new());
    let (a, key) = first(&memory).await;
    let id = a.create("d", "s").await;
    let a = Arc::new(a);
    let hooked = Hooked::new(memory.clone());
    // Both share one record of heads seen.
    let b = try_another(&hooked, &key, a.seen.clone(), options())
        .await
        .unwrap();
    // After each get of b's, before b has the answer, a commits and raises the record.
    let times = Arc::new(AtomicUsize::new(3));
    hooked.hook({
        let (a, times) = (a.clone(), times.clone());
        move |did| {
            let (a, times) = (a.clone(), times.clone());
            async move {
                if did == Did::Get(Id::Head) && times.load(SeqCst) > 0 {
                    let n = times.fetch_sub(1, SeqCst);
                    a.put(id, Field::Uid, &n.to_string()).await;
                }
            }
        }
    });
    b.made();
    b.wallet.require_current().await.unwrap();
    assert_eq!(b.made(), calls(4, 1, 0));
    assert_eq!(b.read(id, &Field::Uid).await.unwrap(), "1");

    // So when b mounts, and when b commits.
    a.put(id, Field::Uid, "another").await;
    times.store(1, SeqCst);
    let c = try_another(&hooked, &key, a.seen.clone(), options())
        .await
        .unwrap();
    assert_eq!(c.made(), calls(2, 1, 0));
    hooked.hook({
        let (a, times) = (a.clone(), times.clone());
        times.store(2, SeqCst);
        move |did| {
            let (a, times) = (a.clone(), times.clone());
            async move {
                if did == Did::Committing && times.load(SeqCst) > 0 {
                    let n = times.fetch_sub(1, SeqCst);
                    a.put(id, Field::Pwd, &n.to_string()).await;
                }
            }
        }
    });
    let other = b.create("d", "other").await;
    b.put(other, Field::Uid, "x").await;
    let last = b.wallet.head_info().generation;
    assert_eq!(a.seen.read().unwrap().unwrap().generation, last);
}

#[tokio::test(start_paused = true)]
async fn different_fields_merge_and_the_same_field_is_refused() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let id = a.create("d", "s").await;
    a.put(id, Field::Uid, "uid").await;
    a.put(id, Field::Pwd, "pwd").await;
    let b = another(&store, &key).await;
    let (uid, pwd) = (b.rev(id, &Field::Uid), b.rev(id, &Field::Pwd));

    // Both devices opened the secret as it was.
    let edit = put(id, Field::Uid, Expected::Rev(uid), "uid of a");
    a.fields(vec![edit]).await.unwrap();
    b.made();
    let edit = put(id, Field::Pwd, Expected::Rev(pwd), "pwd of b");
    b.fields(vec![edit]).await.unwrap();
    // Refused, for the secret's own item moved; one load, and again.
    assert_eq!(b.made(), calls(0, 1, 2));
    assert_eq!(b.read(id, &Field::Uid).await.unwrap(), "uid of a");
    assert_eq!(b.read(id, &Field::Pwd).await.unwrap(), "pwd of b");
    assert_eq!(b.made(), calls(0, 0, 0));

    let edit = put(id, Field::Uid, Expected::Rev(uid), "uid of b");
    let refused = b.fields(vec![edit.clone()]).await;
    let is_uid = |e: &WalletError| matches!(e, WalletError::FieldMoved { secret, field: Field::Uid } if *secret == id);
    assert!(is_uid(&refused.unwrap_err()));
    assert_eq!(b.made(), calls(0, 0, 0), "known without asking");
    // The device that does not know it yet learns it by its refused commit.
    grow_old().await;
    let pwd_now = b.rev(id, &Field::Pwd);
    let a_pwd = put(id, Field::Pwd, Expected::Rev(pwd), "pwd of a");
    a.made();
    let refused = a.fields(vec![a_pwd]).await.unwrap_err();
    assert!(matches!(
        refused,
        WalletError::FieldMoved {
            field: Field::Pwd,
            ..
        }
    ));
    assert_eq!(a.made(), calls(0, 1, 1));
    assert_eq!(a.rev(id, &Field::Pwd), pwd_now);
    assert_eq!(a.contents().await, b.contents().await);
}

#[tokio::test(start_paused = true)]
async fn changes_of_names_load_first_and_are_judged_anew() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let [one, two, three] = [
        a.create("d", "1").await,
        a.create("d", "2").await,
        a.create("d", "3").await,
    ];
    let b = another(&store, &key).await;
    let new = || Edit::Create {
        domain: "d".into(),
        access: "new".into(),
    };
    a.wallet.apply(new()).await.unwrap();
    b.made();
    // b does not know it, and must not make a second one.
    assert!(matches!(
        b.wallet.apply(new()).await,
        Err(WalletError::Exists)
    ));
    assert_eq!(b.made(), calls(0, 1, 1));

    a.rename(one, "d", "one", None).await.unwrap();
    let taken = b.rename(two, "d", "one", None).await;
    assert!(matches!(taken, Err(WalletError::Exists)), "{taken:?}");

    a.put(two, Field::Uid, "x").await;
    assert!(matches!(b.remove(two).await, Err(WalletError::NotEmpty)));
    a.remove(three).await.unwrap();
    assert!(matches!(b.remove(three).await, Err(WalletError::NotFound)));
    a.rename(two, "e", "2", None).await.unwrap();
    let moved = b.move_domain("d", "e").await;
    assert!(matches!(moved, Err(WalletError::Exists)), "{moved:?}");

    // Behind by a commit that it knows of, b loads before it commits.
    a.put(one, Field::Uid, "y").await;
    b.put(two, Field::Pwd, "z").await;
    b.made();
    b.create("d", "b's own").await;
    assert_eq!(b.made(), calls(0, 1, 1));
    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.names(), b.names());
    assert_eq!(a.contents().await, b.contents().await);
}

#[tokio::test(start_paused = true)]
async fn many_devices_write_at_once_and_nothing_is_lost() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let id = a.create("d", "s").await;
    let mut devices = Vec::new();
    for _ in 0..5 {
        let slow = Arc::new(Slow::new(store.clone(), Duration::from_millis(30)));
        devices.push(another(&slow, &key).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (n, device) in devices.into_iter().enumerate() {
        tasks.spawn(async move {
            for i in 0..4 {
                device.put(id, info(&format!("{n} {i}")), "x").await;
                device.create("d", &format!("made by {n}, {i}")).await;
            }
        });
    }
    tasks.join_all().await;
    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.contents().await.len(), 20);
    assert_eq!(a.names().len(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_secret_moved_is_read_from_the_new_snapshot() {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let id = a.create("d", "s").await;
    a.put(id, Field::Uid, "old").await;
    let o = Options {
        cache_bytes: 0,
        ..options()
    };
    let b = try_another(&store, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    b.made();
    let opened = b.wallet.body(id).await.unwrap();
    assert_eq!(b.made(), calls(1, 0, 0));
    a.put(id, Field::Uid, "new").await;
    assert_eq!(b.read(id, &Field::Uid).await.unwrap(), "new");
    assert_eq!(b.made(), calls(3, 1, 0));
    // What was opened before stays what it was.
    let value = b.wallet.value(&opened, &Field::Uid).unwrap();
    assert_eq!(value.expose(), b"old");
    // Other attributes leave the values where they are: nothing moved.
    a.rename(id, "d", "t", None).await.unwrap();
    assert_eq!(b.read(id, &Field::Uid).await.unwrap(), "new");
    assert_eq!(b.made(), calls(1, 0, 0));
    // Without the body at hand, a write finds out too.
    a.put(id, Field::Uid, "newer").await;
    b.put(id, Field::Pwd, "pwd").await;
    assert_eq!(b.read(id, &Field::Uid).await.unwrap(), "newer");
    a.wallet.require_current().await.unwrap();
    let edit = FieldEdit {
        secret: id,
        field: Field::Uid,
        expect: Expected::Any,
        change: FieldChange::Remove,
    };
    let other = FieldEdit {
        field: Field::Pwd,
        ..edit.clone()
    };
    a.fields(vec![edit, other]).await.unwrap();
    a.remove(id).await.unwrap();
    let read = b.read(id, &Field::Uid).await;
    assert!(matches!(read, Err(WalletError::NotFound)), "{read:?}");
}
