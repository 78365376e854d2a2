//! Looking at everything, and repairing: each kind of damage is found, named, and survived.

use crate::support::*;
use std::sync::Arc;
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::*;

async fn filled(secrets: usize) -> (Arc<MemoryStore>, Device, DeviceKey, Vec<Id>) {
    let store = Arc::new(MemoryStore::new());
    let (a, key) = first(&store).await;
    let mut ids = Vec::new();
    for n in 0..secrets {
        let id = a.create("d", &format!("a{n}")).await;
        a.put(id, Field::Pwd, &format!("value {n}")).await;
        ids.push(id);
    }
    (store, a, key, ids)
}

async fn inspect(store: &Arc<MemoryStore>, key: &DeviceKey) -> (Device, Findings) {
    inspect_with(store, key, Seen::in_memory()).await
}

async fn inspect_with(store: &Arc<MemoryStore>, key: &DeviceKey, seen: Seen) -> (Device, Findings) {
    let calls = Arc::new(Counting::new(store.clone()));
    let memorable = memorable();
    let found = Wallet::inspect(calls.clone(), seen.clone(), key, &memorable, options()).await;
    let (wallet, findings) = found.unwrap();
    let device = Device {
        wallet,
        calls,
        seen,
    };
    (device, findings)
}

fn told(findings: &Findings) -> Vec<String> {
    findings.faults.iter().map(Fault::to_string).collect()
}

fn flip(store: &MemoryStore, id: Id, meta: bool) {
    let mut items = store.items();
    let item = items.get_mut(&id).unwrap();
    let part = match meta {
        true => &mut item.meta,
        false => &mut item.data,
    };
    let mut bytes = part.to_vec();
    bytes[40] ^= 1;
    *part = bytes.into();
}

#[tokio::test(start_paused = true)]
async fn a_sound_wallet_is_two_gets_and_its_pages() {
    let (store, _, key, _) = filled(3).await;
    let (device, findings) = inspect(&store, &key).await;
    assert_eq!(told(&findings), [""; 0]);
    assert_eq!(findings.good, 3);
    assert_eq!(device.made(), calls(2, 1, 0));
}

/// Meta of one, data of another: both are named as far as they can be, the rest stays, the wallet is
/// whole afterwards and every device takes it.
#[tokio::test(start_paused = true)]
async fn damaged_items_are_named_taken_out_and_the_rest_is_writable() {
    let (store, a, key, ids) = filled(5).await;
    flip(&store, ids[1], true);
    flip(&store, ids[2], false);
    let (device, findings) = inspect(&store, &key).await;
    let text = told(&findings);
    assert_eq!(findings.good, 3);
    assert_eq!(text.len(), 3, "{text:?}");
    let of = |start: &str| text.iter().any(|line| line.starts_with(start));
    assert!(of(&format!("item {}: its name", ids[1])), "{text:?}");
    assert!(of("d/a2: its values do not open"), "{text:?}");
    assert!(of("the wallet: the secrets are not all those"), "{text:?}");

    device.made();
    let repaired = device.wallet.repair().await.unwrap();
    assert_eq!(repaired.faults.iter().filter(|fault| fault.lost).count(), 2);
    assert_eq!(device.made().2, 1);
    let (_, after) = inspect(&store, &key).await;
    assert_eq!(told(&after), [""; 0]);
    assert_eq!(after.good, 3);
    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.names(), ["d/a0", "d/a3", "d/a4"]);
    a.put(ids[0], Field::Uid, "written").await;
    let b = another(&store, &key).await;
    assert_eq!(b.contents().await.len(), 4);
}

/// More than one commit takes out.
#[tokio::test(start_paused = true)]
async fn many_damaged_items_are_taken_out_in_several_commits() {
    let (store, _, key, ids) = filled(103).await;
    for id in &ids[3..] {
        flip(&store, *id, true);
    }
    let (device, findings) = inspect(&store, &key).await;
    assert_eq!((findings.good, findings.faults.len()), (3, 101));
    device.made();
    device.wallet.repair().await.unwrap();
    assert_eq!(device.made().2, 2);
    assert_eq!(another(&store, &key).await.names().len(), 3);
}

/// A transaction of which a part is missing, as in a table that was restored to a moment.
#[tokio::test(start_paused = true)]
async fn a_missing_an_added_and_an_old_item_are_found_and_survived() {
    let (store, a, key, ids) = filled(3).await;
    let old = store.items()[&ids[0]].clone();
    a.put(ids[0], Field::Pwd, "newer").await;
    type Damage<'a> = Box<dyn Fn() + 'a>;
    let cases: [(&str, Damage<'_>); 3] = [
        (
            "lists 2 secrets, and the head counts 3",
            Box::new(|| drop(store.items().remove(&ids[2]))),
        ),
        (
            "put back to an older state",
            Box::new(|| drop(store.items().insert(ids[0], old.clone()))),
        ),
        ("its name, sizes and times do not open", {
            let stray = Item {
                id: Id::Secret([1; 16]),
                ..old.clone()
            };
            Box::new({
                let store = store.clone();
                move || drop(store.items().insert(stray.id, stray.clone()))
            })
        }),
    ];
    for (expected, damage) in cases {
        damage();
        let unlocked = try_another(&store, &key, Seen::in_memory(), options()).await;
        let refused = match unlocked {
            Err(WalletError::Integrity(_)) => true,
            // One that does not open is EIO by itself.
            Ok(device) => device.wallet.state().fault.is_some(),
            Err(e) => panic!("{e}"),
        };
        assert!(refused, "{expected}");
        let (device, findings) = inspect(&store, &key).await;
        let text = told(&findings).join("\n");
        assert!(text.contains(expected), "{text}");
        device.wallet.repair().await.unwrap();
        let (_, after) = inspect(&store, &key).await;
        assert_eq!(told(&after), [""; 0], "{expected}");
    }
    assert_eq!(another(&store, &key).await.names(), ["d/a0", "d/a1"]);
}

/// A wallet that was rolled back is a finding; a repair puts a head above all that was seen.
#[tokio::test(start_paused = true)]
async fn a_rolled_back_wallet_is_repaired_above_every_generation_seen() {
    let (store, a, key, ids) = filled(2).await;
    let before = store.items().clone();
    for n in 0..5 {
        a.put(ids[0], Field::Pwd, &format!("{n}")).await;
    }
    let highest = a.wallet.head_info().generation;
    *store.items() = before;
    let (device, findings) = inspect_with(&store, &key, a.seen.clone()).await;
    let text = told(&findings);
    assert!(
        text.len() == 1 && text[0].contains("rolled back"),
        "{text:?}"
    );
    device.wallet.repair().await.unwrap();
    assert_eq!(device.wallet.head_info().generation, highest + 1);
    let again = try_another(&store, &key, a.seen.clone(), options()).await;
    again.unwrap();
    grow_old().await;
    a.wallet.freshen().await.unwrap();
    assert_eq!(a.read(ids[0], &Field::Pwd).await.unwrap(), "value 0");
}

/// What opens and is still not as it should be is told, and stays.
#[tokio::test(start_paused = true)]
async fn names_that_collide_or_cannot_be_shown_are_told_and_stay() {
    let (store, _, key, ids) = filled(1).await;
    let long = "x".repeat(300);
    for (id, access) in [(1, "a0"), (2, &*long)] {
        let meta = |hash| {
            let meta = Meta {
                domain: "d".into(),
                access: access.into(),
                created_ns: 0,
                data_hash: hash,
                removed_ns: None,
                fields: Default::default(),
                unknown: Default::default(),
            };
            meta.encode()
        };
        forge(&store, &key, Id::Secret([id; 16]), meta);
    }
    let (_, findings) = inspect(&store, &key).await;
    let text = told(&findings).join("\n");
    assert_eq!((findings.good, findings.faults.len()), (3, 2), "{text}");
    assert!(text.contains("has the same name"), "{text}");
    assert!(text.contains("access cannot be a file's"), "{text}");
    assert!(findings.faults.iter().all(|fault| !fault.lost));
    let _ = ids;
}

/// A store that makes up items without end is not listened to for ever, by a check or by a rekey;
/// and what a terminal would take for a command is shown as text.
#[tokio::test(start_paused = true)]
async fn made_up_items_end_and_names_are_shown_as_text() {
    let (store, a, key, ids) = filled(1).await;
    a.rename(ids[0], "d\u{1b}[2J", "a", None).await.unwrap();
    flip(&store, ids[0], false);
    let (_, findings) = inspect(&store, &key).await;
    assert!(
        told(&findings)[0].starts_with("d\\u{1b}[2J/a: its values"),
        "{findings:?}"
    );
    flip(&store, ids[0], false);

    let made_up = |from: usize| {
        let from_ = std::sync::atomic::AtomicUsize::new(0);
        move |after: Option<Cursor>, page: Page| {
            if from_.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < from {
                return page;
            }
            let first = match after {
                Some(Cursor(Id::Secret(raw))) => u128::from_be_bytes(raw) + 1,
                _ => 0,
            };
            let item = |n: u128| Item {
                id: Id::Secret((first + n).to_be_bytes()),
                version: 1,
                meta: Bytes::from_static(b"m"),
                data: Bytes::from_static(b"d"),
            };
            let items: Vec<Item> = (0..1000).map(item).collect();
            let next = Some(Cursor(items[999].id));
            Page { items, next }
        }
    };
    let liar = Liar::new(store.clone());
    liar.pages(made_up(0));
    let seen = Seen::in_memory();
    let endless = Wallet::inspect(liar, seen, &key, &memorable(), options()).await;
    assert!(matches!(endless.err(), Some(WalletError::Integrity(_))));

    let liar = Liar::new(store.clone());
    // Unlocking, loading and counting under the new key are honest.
    liar.pages(made_up(3));
    let seen = Seen::in_memory();
    let wallet = Wallet::unlock(liar, seen, &key, &memorable(), options()).await;
    let endless = wallet.unwrap().rekey(None, |_| {}).await;
    assert!(
        matches!(endless, Err(WalletError::Integrity(_))),
        "{endless:?}"
    );
}

/// Another device that commits while it looks causes no false alarm.
#[tokio::test(start_paused = true)]
async fn an_honest_writer_is_no_fault() {
    let (store, a, key, ids) = filled(3).await;
    let a = Arc::new(a);
    let hooked = Hooked::new(store.clone());
    let times = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    hooked.hook({
        let (a, times) = (a.clone(), times.clone());
        move |did| {
            let (a, times, id) = (a.clone(), times.clone(), ids[0]);
            async move {
                let n = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                if matches!(did, Did::Get(_)) && n < 6 {
                    a.put(id, Field::Pwd, &format!("{n}")).await;
                }
            }
        }
    });
    let seen = Seen::in_memory();
    let found = Wallet::inspect(hooked, seen, &key, &memorable(), options()).await;
    let (_, findings) = found.unwrap();
    assert_eq!(told(&findings), [""; 0]);
    assert!(times.load(std::sync::atomic::Ordering::SeqCst) >= 4);
}
