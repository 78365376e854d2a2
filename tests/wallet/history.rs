//! What fields held before: kept with the values, bounded, and never in their way.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use walletfs::crypto::{DeviceKey, SecretBytes};
use walletfs::store::*;
use walletfs::wallet::*;

impl Device {
    /// What a field held before, the newest first.
    async fn past(&self, id: Id, field: &Field) -> Vec<String> {
        let body = self.wallet.body(id).await.unwrap();
        let history = self.wallet.values(&body).unwrap().history.open();
        let values = history.of(field).iter();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        values.map(|past| text(past.value.expose())).collect()
    }

    async fn change(&self, secret: Id, field: Field, change: FieldChange) {
        let edit = FieldEdit {
            secret,
            field,
            expect: Expected::Any,
            change,
        };
        self.fields(vec![edit]).await.unwrap();
    }

    async fn try_put_bytes(
        &self,
        secret: Id,
        field: &Field,
        len: usize,
    ) -> Result<Applied, WalletError> {
        let edit = put(secret, field.clone(), Expected::Any, &"x".repeat(len));
        self.fields(vec![edit]).await
    }
}

async fn one() -> (Arc<MemoryStore>, Device, DeviceKey, Id) {
    let store = Arc::new(MemoryStore::new());
    let (device, key) = first(&store).await;
    let id = device.create("d", "s").await;
    device.made();
    (store, device, key, id)
}

fn keeping(history: usize) -> Options {
    Options {
        history,
        ..options()
    }
}

/// Proves semantics 1.10.
#[tokio::test(start_paused = true)]
async fn the_last_ten_values_are_kept_in_the_same_commit() {
    let (store, device, key, id) = one().await;
    for n in 0..13 {
        device.put(id, Field::Pwd, &n.to_string()).await;
        assert_eq!(device.made(), calls(0, 0, 1));
    }
    let ten: Vec<String> = (2..12).rev().map(|n| n.to_string()).collect();
    assert_eq!(device.past(id, &Field::Pwd).await, ten);
    assert_eq!(another(&store, &key).await.past(id, &Field::Pwd).await, ten);
    // Neither the same value nor another mode is a change of the value.
    device.put(id, Field::Pwd, "12").await;
    let mode = FieldChange::Attributes {
        mtime_ns: None,
        mode: Some(0o400),
    };
    device.change(id, Field::Pwd, mode).await;
    assert_eq!(device.past(id, &Field::Pwd).await, ten);
    assert_eq!(device.past(id, &Field::Uid).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn each_value_has_its_times() {
    let (_, device, _, id) = one().await;
    let mut replaced = Vec::new();
    for value in ["a", "b", "c"] {
        tokio::time::advance(Duration::from_secs(60)).await;
        device.put(id, Field::Uid, value).await;
        replaced.push(options().clock.wall_ns());
    }
    let body = device.wallet.body(id).await.unwrap();
    let history = device.wallet.values(&body).unwrap().history.open();
    let times = history.of(&Field::Uid).iter();
    let times: Vec<_> = times.map(|past| (past.until_ns, past.mtime_ns)).collect();
    // `put` says 5 for the modification time.
    assert_eq!(times.iter().map(|t| t.1).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(times[0].0 - times[1].0, 60_000_000_000);
}

/// A field that was removed can be had back; one that was empty is no loss.
#[tokio::test(start_paused = true)]
async fn what_is_removed_is_kept() {
    let (_, device, _, id) = one().await;
    device.put(id, info("k"), "gone").await;
    device.put(id, Field::Pwd, "").await;
    device.change(id, info("k"), FieldChange::Remove).await;
    device.change(id, Field::Pwd, FieldChange::Remove).await;
    assert!(device.meta(id).unwrap().fields.is_empty());
    assert_eq!(device.past(id, &info("k")).await, ["gone"]);
    assert_eq!(device.past(id, &Field::Pwd).await, [""; 0]);
    // It goes on where it was.
    device.put(id, info("k"), "new").await;
    device.put(id, info("k"), "newer").await;
    assert_eq!(device.past(id, &info("k")).await, ["new", "gone"]);
}

/// History goes along with a renamed secret and domain, whose values are moved as they are; and with
/// a renamed field, where it joins that of the field that was replaced.
#[tokio::test(start_paused = true)]
async fn it_goes_along() {
    let (_, device, _, id) = one().await;
    for value in ["1", "2"] {
        device.put(id, info("a"), value).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        device.put(id, info("b"), &format!("b{value}")).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    device.rename(id, "e", "t", None).await.unwrap();
    device.move_domain("e", "f").await.unwrap();
    assert_eq!(device.past(id, &info("a")).await, ["1"]);
    let other = device.create("d", "other").await;
    let moved = |secret, key: &str| FieldChange::MoveTo {
        secret,
        field: info(key),
        expect: Expected::Any,
    };
    device.change(id, info("a"), moved(id, "b")).await;
    assert_eq!(device.past(id, &info("a")).await, [""; 0]);
    assert_eq!(device.past(id, &info("b")).await, ["b2", "b1", "1"]);
    device.change(id, info("b"), moved(other, "c")).await;
    assert_eq!(device.past(id, &info("b")).await, [""; 0]);
    assert_eq!(device.past(other, &info("c")).await, ["b2", "b1", "1"]);
    assert_eq!(device.read(other, &info("c")).await.unwrap(), "2");
}

/// Two devices that know of different states lose nothing of each other's.
#[tokio::test(start_paused = true)]
async fn two_devices_add_to_one_history() {
    let (store, one, key, id) = one().await;
    let two = another(&store, &key).await;
    for n in 0..4 {
        let device = if n % 2 == 0 { &one } else { &two };
        device.put(id, Field::Uid, &format!("u{n}")).await;
        device.put(id, info("k"), &format!("k{n}")).await;
    }
    grow_old().await;
    one.wallet.freshen().await.unwrap();
    assert_eq!(one.past(id, &Field::Uid).await, ["u2", "u1", "u0"]);
    assert_eq!(one.past(id, &info("k")).await, ["k2", "k1", "k0"]);
}

/// What is configured counts at the next write of the secret, and in a rekey for all of them; 0
/// leaves nothing.
#[tokio::test(start_paused = true)]
async fn fewer_or_none_from_the_next_write_on() {
    let (store, device, key, id) = one().await;
    for n in 0..6 {
        device.put(id, Field::Pwd, &n.to_string()).await;
        device.put(id, Field::Uid, &n.to_string()).await;
    }
    let untouched = device.create("d", "untouched").await;
    for value in ["old", "new"] {
        device.put(untouched, Field::Pwd, value).await;
    }
    let two = try_another(&store, &key, Seen::in_memory(), keeping(2))
        .await
        .unwrap();
    assert_eq!(two.past(id, &Field::Pwd).await.len(), 5);
    two.put(id, Field::Pwd, "6").await;
    assert_eq!(two.past(id, &Field::Pwd).await, ["5", "4"]);
    assert_eq!(two.past(id, &Field::Uid).await, ["4", "3"]);
    let none = try_another(&store, &key, Seen::in_memory(), keeping(0))
        .await
        .unwrap();
    none.put(id, Field::Pwd, "7").await;
    let body = none.wallet.body(id).await.unwrap();
    assert!(
        none.wallet
            .values(&body)
            .unwrap()
            .history
            .open()
            .fields()
            .next()
            .is_none()
    );
    assert_eq!(none.past(untouched, &Field::Pwd).await, ["old"]);
    none.wallet.rekey(None, |_| {}).await.unwrap();
    assert_eq!(none.past(untouched, &Field::Pwd).await, [""; 0]);
    assert_eq!(none.read(untouched, &Field::Pwd).await.unwrap(), "new");
}

/// It is carried along by a rekey as long as it is wanted.
#[tokio::test(start_paused = true)]
async fn a_rekey_keeps_it() {
    let (_, device, _, id) = one().await;
    for value in ["old", "new"] {
        device.put(id, Field::Pwd, value).await;
    }
    device.wallet.rekey(None, |_| {}).await.unwrap();
    assert_eq!(device.past(id, &Field::Pwd).await, ["old"]);
}

/// A value that fits without history fits with it: the oldest values go, and no more than must.
/// Proves semantics 1.10.
#[tokio::test(start_paused = true)]
async fn it_gives_way_to_values() {
    let (_, device, _, id) = one().await;
    for n in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        device
            .try_put_bytes(id, &Field::Uid, 5_000 + n)
            .await
            .unwrap();
    }
    assert_eq!(device.past(id, &Field::Uid).await.len(), 9);
    // The largest value that `fits` allows, beside 45,000 bytes of history.
    let mut largest = 409_600;
    while !device.wallet.fits(id, &[(info("large"), Some(largest))]) {
        largest -= 16;
    }
    device
        .try_put_bytes(id, &info("large"), largest as usize - 30_000)
        .await
        .unwrap();
    let left: Vec<_> = device
        .past(id, &Field::Uid)
        .await
        .iter()
        .map(String::len)
        .collect();
    assert!((1..9).contains(&left.len()), "{left:?}");
    assert_eq!(left[0], 5_008, "the oldest have gone");
    device
        .try_put_bytes(id, &info("large"), largest as usize)
        .await
        .unwrap();
    assert_eq!(device.past(id, &Field::Uid).await, [""; 0]);
    let too_large = device
        .try_put_bytes(id, &info("large"), largest as usize + 3_000)
        .await;
    assert!(matches!(too_large, Err(WalletError::TooLarge)));
}

/// It also gives way to a longer name, though a rename moves values as they are.
#[tokio::test(start_paused = true)]
async fn it_gives_way_to_a_longer_name() {
    let (store, device, _, id) = one().await;
    device.try_put_bytes(id, &Field::Pwd, 10_000).await.unwrap();
    device.put(id, Field::Pwd, "new").await;
    device
        .try_put_bytes(id, &info("large"), 380_000)
        .await
        .unwrap();
    // As many info keys as leave less room than the longest names take.
    let room = || 409_600 - 24 - store.item_size(&store.items()[&id]);
    let key = |n: u32| info(&format!("{n:0200}"));
    let many = (0..30).map(|n| put(id, key(n), Expected::Any, ""));
    device.fields(many.collect()).await.unwrap();
    assert!(room() > 400);
    for n in 30.. {
        device.put(id, key(n), "").await;
        if room() < 400 {
            break;
        }
    }
    assert_eq!(device.past(id, &Field::Pwd).await.len(), 1);
    let long = "x".repeat(255);
    device.rename(id, &long, &long, None).await.unwrap();
    assert_eq!(device.past(id, &Field::Pwd).await.len(), 0);
    assert_eq!(device.read(id, &Field::Pwd).await.unwrap(), "new");
}

/// A commit of many secrets that fits without history is not refused for it.
#[tokio::test(start_paused = true)]
async fn it_gives_way_to_a_commit_of_many() {
    let (store, device, _, _) = one().await;
    for byte in [7, 8] {
        let value = Arc::new(SecretBytes::new(vec![byte; 35_000]));
        for half in [0..35, 35..70] {
            let put = |n: u32| {
                let put = FieldPut {
                    value: value.clone(),
                    mtime_ns: 0,
                    mode: 0o600,
                };
                SecretPut {
                    domain: "many".into(),
                    access: n.to_string().into(),
                    fields: [(Field::Pwd, put)].into(),
                    there: There::Overwritten,
                }
            };
            let puts = half.map(put).collect();
            device.wallet.apply(Edit::Secrets(puts)).await.unwrap();
        }
    }
    let id = device.wallet.view().find("many", "0").unwrap();
    let bytes: usize = store.items().values().map(|item| item.data.len()).sum();
    assert!(bytes > store.limits().commit_bytes, "{bytes}");
    assert_eq!(device.past(id, &Field::Pwd).await.len(), 1);
    device.move_domain("many", "moved").await.unwrap();
    let names = device.names();
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("moved/"))
            .count(),
        70
    );
    assert_eq!(device.past(id, &Field::Pwd).await.len(), 0);
}

/// A commit whose answer was lost is made again without a value more.
#[tokio::test(start_paused = true)]
async fn a_commit_that_is_made_again_adds_nothing() {
    let (_, device, _, id) = one().await;
    device.put(id, Field::Pwd, "old").await;
    for _ in 0..3 {
        device.put(id, Field::Pwd, "new").await;
    }
    assert_eq!(device.past(id, &Field::Pwd).await, ["old"]);
}

/// What leaves the wallet has no history in it.
#[tokio::test(start_paused = true)]
async fn an_export_leaves_it_out() {
    let (_, device, _, id) = one().await;
    for value in ["old-value", "new-value"] {
        device.put(id, Field::Pwd, value).await;
    }
    let opened = device.wallet.open_all(|_| {}).await.unwrap();
    let written = export::json(&opened.secrets).bytes;
    let text = String::from_utf8_lossy(written.expose()).into_owned();
    assert!(text.contains("new-value") && !text.contains("old-value"));
}
