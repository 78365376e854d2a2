//! What edits mean, and what they are refused for.

use crate::support::*;
use std::sync::Arc;
use walletfs::crypto::{DeviceKey, SecretBytes};
use walletfs::store::*;
use walletfs::wallet::*;

async fn one() -> (Arc<MemoryStore>, Device, DeviceKey, Id) {
    let store = Arc::new(MemoryStore::new());
    let (device, key) = first(&store).await;
    let id = device.create("d", "s").await;
    (store, device, key, id)
}

fn edit(secret: Id, field: Field, expect: Expected, change: FieldChange) -> FieldEdit {
    FieldEdit {
        secret,
        field,
        expect,
        change,
    }
}

fn to(secret: Id, field: Field, expect: Expected) -> FieldChange {
    FieldChange::MoveTo {
        secret,
        field,
        expect,
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_are_kept_exactly_and_an_empty_value_is_a_value() {
    let (store, device, key, id) = one().await;
    let all: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let change = |bytes: &[u8]| FieldChange::Put {
        value: Arc::new(SecretBytes::new(bytes.to_vec())),
        mtime_ns: i64::MIN,
        mode: 0o7777,
    };
    let applied = device
        .fields(vec![
            edit(id, Field::Uid, Expected::Absent, change(&all)),
            edit(id, Field::Pwd, Expected::Absent, change(b"")),
            edit(id, info("uid"), Expected::Absent, change(b"x\n")),
        ])
        .await
        .unwrap();
    for device in [device, another(&store, &key).await] {
        let body = device.wallet.body(id).await.unwrap();
        let value = |field| device.wallet.value(&body, &field).unwrap();
        assert!(value(Field::Uid).expose() == all);
        assert_eq!(value(Field::Pwd).expose(), b"");
        assert_eq!(value(info("uid")).expose(), b"x\n");
        let absent = device.wallet.value(&body, &info("pwd")).err().unwrap();
        assert!(matches!(absent, WalletError::NotFound));
        let meta = device.meta(id).unwrap();
        let known = meta.fields[&Field::Uid];
        assert_eq!((known.size, known.mtime_ns), (5_000, i64::MIN));
        assert_eq!((known.mode, known.rev), (0o700, applied.generation));
        assert_eq!(meta.fields.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn each_expectation_is_met_or_the_field_moved() {
    let (_, device, _, _) = one().await;
    /// A revision counted from that of uid.
    type Expect = fn(u64) -> Expected;
    let expectations: [(Field, Expect, bool); 7] = [
        (Field::Uid, |_| Expected::Any, true),
        (Field::Uid, Expected::Rev, true),
        (Field::Uid, |rev| Expected::Rev(rev - 1), false),
        (Field::Uid, |_| Expected::Absent, false),
        (Field::Pwd, |_| Expected::Any, true),
        (Field::Pwd, |_| Expected::Absent, true),
        (Field::Pwd, Expected::Rev, false),
    ];
    for (n, (field, expect, met)) in expectations.into_iter().enumerate() {
        let id = device.create("e", &n.to_string()).await;
        let rev = device.put(id, Field::Uid, "uid").await.generation;
        assert_eq!(device.rev(id, &Field::Uid), rev);
        let expect = expect(rev);
        let applied = device
            .fields(vec![put(id, field.clone(), expect, "other")])
            .await;
        let refused = match &applied {
            Ok(applied) => {
                assert_eq!(applied.generation, rev + 1);
                false
            }
            Err(WalletError::FieldMoved { secret, field: f }) => *secret == id && *f == field,
            Err(e) => panic!("{e}"),
        };
        assert_eq!(refused, !met, "{field:?} {expect:?} {applied:?}");
        let changes = [
            FieldChange::Attributes {
                mtime_ns: Some(9),
                mode: None,
            },
            FieldChange::Remove,
            to(id, info("k"), Expected::Any),
        ];
        if refused && field == Field::Uid {
            for change in changes {
                let moved = device.fields(vec![edit(id, Field::Uid, expect, change)]);
                assert!(matches!(moved.await, Err(WalletError::FieldMoved { .. })));
            }
        }
        assert_eq!(device.wallet.head_info().generation, rev + u64::from(met));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_can_neither_be_changed_nor_removed_nor_moved() {
    let (_, device, _, id) = one().await;
    let changes = [
        FieldChange::Attributes {
            mtime_ns: Some(9),
            mode: None,
        },
        FieldChange::Remove,
        to(id, info("k"), Expected::Any),
    ];
    for change in changes {
        for expect in [Expected::Any, Expected::Rev(1), Expected::Absent] {
            let absent = device.fields(vec![edit(id, info("no"), expect, change.clone())]);
            assert!(matches!(absent.await, Err(WalletError::NotFound)));
        }
    }
    let nobody = Id::Secret([1; 16]);
    let absent = device.fields(vec![put(nobody, Field::Uid, Expected::Any, "x")]);
    assert!(matches!(absent.await, Err(WalletError::NotFound)));
    let absent = device.wallet.body(nobody).await.err();
    assert!(matches!(absent, Some(WalletError::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_edit_of_several_fields_changes_none() {
    let (_, device, _, id) = one().await;
    device.put(id, Field::Uid, "uid").await;
    let before = device.contents().await;
    device.made();
    let edits = vec![
        put(id, Field::Uid, Expected::Any, "changed"),
        put(id, Field::Pwd, Expected::Rev(1), "pwd"),
    ];
    assert!(device.fields(edits).await.is_err());
    assert_eq!(device.made(), calls(0, 0, 0));
    assert_eq!(device.contents().await, before);
}

#[tokio::test(start_paused = true)]
async fn fields_move_within_a_secret_and_to_another_with_all_they_have() {
    let (store, device, key, a) = one().await;
    let b = device.create("d", "t").await;
    device.put(a, Field::Uid, "1").await;
    device.put(a, info("k"), "2").await;
    device.put(b, Field::Pwd, "3").await;
    let time = device.meta(a).unwrap().fields[&Field::Uid].mtime_ns;

    // Onto a field that must not be there, and is.
    let step = edit(
        a,
        Field::Uid,
        Expected::Any,
        to(b, Field::Pwd, Expected::Absent),
    );
    let refused = device.fields(vec![step]).await.unwrap_err();
    assert!(
        matches!(refused, WalletError::FieldMoved { secret, field: Field::Pwd } if secret == b)
    );
    // A source that moved.
    let step = edit(
        a,
        Field::Uid,
        Expected::Rev(1),
        to(b, Field::Pwd, Expected::Any),
    );
    let refused = device.fields(vec![step]).await.unwrap_err();
    assert!(
        matches!(refused, WalletError::FieldMoved { secret, field: Field::Uid } if secret == a)
    );

    let rev = device.rev(b, &Field::Pwd);
    let step = edit(
        a,
        Field::Uid,
        Expected::Any,
        to(b, Field::Pwd, Expected::Rev(rev)),
    );
    let applied = device.fields(vec![step]).await.unwrap();
    let moved = device.meta(b).unwrap().fields[&Field::Pwd];
    assert_eq!((moved.mtime_ns, moved.rev), (time, applied.generation));
    // Two at once, the second from where the first went.
    device
        .fields(vec![
            edit(
                a,
                info("k"),
                Expected::Any,
                to(a, info("l"), Expected::Absent),
            ),
            edit(
                a,
                info("l"),
                Expected::Any,
                to(b, info("m"), Expected::Absent),
            ),
        ])
        .await
        .unwrap();
    for device in [device, another(&store, &key).await] {
        assert!(device.meta(a).unwrap().fields.is_empty());
        assert_eq!(device.read(b, &Field::Pwd).await.unwrap(), "1");
        assert_eq!(device.read(b, &info("m")).await.unwrap(), "2");
        assert_eq!(device.meta(b).unwrap().fields.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_unique_and_a_rename_may_replace_an_empty_secret() {
    let (store, device, key, a) = one().await;
    let b = device.create("d", "t").await;
    let again = device.wallet.apply(Edit::Create {
        domain: "d".into(),
        access: "t".into(),
    });
    assert!(matches!(again.await, Err(WalletError::Exists)));
    let taken = device.rename(a, "d", "t", None).await;
    assert!(matches!(taken, Err(WalletError::Exists)));
    let other = device.create("d", "u").await;
    let taken = device.rename(a, "d", "t", Some(other)).await;
    assert!(matches!(taken, Err(WalletError::Exists)));
    device.put(b, Field::Uid, "x").await;
    let full = device.rename(a, "d", "t", Some(b)).await;
    assert!(matches!(full, Err(WalletError::NotEmpty)));
    let full = device.remove(b).await;
    assert!(matches!(full, Err(WalletError::NotEmpty)));

    device.made();
    device.rename(b, "d", "u", Some(other)).await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));
    // What was to be replaced may be gone already.
    device.rename(a, "d", "t", Some(other)).await.unwrap();
    assert_eq!(device.names(), ["d/t", "d/u"]);
    assert_eq!(device.wallet.view().find("d", "u"), Some(b));
    let absent = device.rename(other, "d", "v", None).await;
    assert!(matches!(absent, Err(WalletError::NotFound)));
    let absent = device.remove(other).await;
    assert!(matches!(absent, Err(WalletError::NotFound)));
    let absent = device.move_domain("nowhere", "e").await;
    assert!(matches!(absent, Err(WalletError::NotFound)));
    device.create("e", "x").await;
    let taken = device.move_domain("d", "e").await;
    assert!(matches!(taken, Err(WalletError::Exists)));
    assert_eq!(device.names(), another(&store, &key).await.names());
    assert_eq!(device.wallet.head_info().count, 3);
}

#[tokio::test(start_paused = true)]
async fn two_secrets_of_one_name_are_both_shown_and_can_be_told_apart() {
    // No walletfs makes the second one.
    let (store, device, key, a) = one().await;
    device.put(a, Field::Uid, "first").await;
    for id in [Id::Secret([0; 16]), Id::Secret([0xff; 16])] {
        let meta = device.meta(a).unwrap();
        forge(&store, &key, id, |data_hash| {
            Meta {
                data_hash,
                removed_ns: None,
                fields: Default::default(),
                ..meta
            }
            .encode()
        });
    }
    let device = another(&store, &key).await;
    let (low, high) = (Id::Secret([0; 16]), Id::Secret([0xff; 16]));
    let second = format!("s.duplicate-{a}");
    let third = format!("s.duplicate-{high}");
    assert_eq!(
        device.names(),
        [
            "d/s".to_string(),
            format!("d/{second}"),
            format!("d/{third}")
        ]
    );
    let find = |name: &str| device.wallet.view().find("d", name);
    assert_eq!(
        (find("s"), find(&second), find(&third)),
        (Some(low), Some(a), Some(high))
    );
    assert_eq!(device.meta(a).unwrap().access, "s".into());
    assert_eq!(device.read(a, &Field::Uid).await.unwrap(), "first");

    // A change of fields leaves the names; a rename gives the name to the next.
    device.put(a, Field::Uid, "second").await;
    assert_eq!(find(&second), Some(a));
    device.rename(low, "d", "t", None).await.unwrap();
    assert_eq!(
        (find("s"), find("t"), find(&second)),
        (Some(a), Some(low), None)
    );
    // A duplicate may take for its own the name it is shown under; that of the other only when the
    // other goes.
    device.rename(high, "d", &third, None).await.unwrap();
    assert_eq!(find(&third), Some(high));
    device.rename(high, "d", "t", Some(low)).await.unwrap();
    let meta = device.meta(high).unwrap();
    forge(&store, &key, low, |data_hash| {
        Meta { data_hash, ..meta }.encode()
    });
    device.wallet.require_current().await.unwrap();
    let third = format!("t.duplicate-{high}");
    assert_eq!((find("t"), find(&third)), (Some(low), Some(high)));
    let taken = device.rename(high, "d", "t", None).await;
    assert!(matches!(taken, Err(WalletError::Exists)), "{taken:?}");
    device.rename(high, "d", "t", Some(low)).await.unwrap();
    assert_eq!((find("t"), find(&third)), (Some(high), None));
    assert_eq!(device.meta(low).map(drop), None);
    device.move_domain("d", "e").await.unwrap();
    assert_eq!(device.names().len(), 2);
    assert_eq!(device.names(), another(&store, &key).await.names());
}

#[tokio::test(start_paused = true)]
async fn an_item_of_a_later_kind_is_left_alone_and_the_others_can_be_changed() {
    let (store, _, key, id) = one().await;
    let strange = Id::Secret([3; 16]);
    forge(&store, &key, strange, |_| secret("not a meta"));
    let device = another(&store, &key).await;
    assert_eq!(device.wallet.state().fault, None, "the head vouches for it");
    assert_eq!(
        device.wallet.view().damaged().collect::<Vec<_>>(),
        [strange]
    );
    assert_eq!(device.names(), ["d/s"]);
    device.put(id, Field::Uid, "x").await;
    let again = another(&store, &key).await;
    assert_eq!(again.read(id, &Field::Uid).await.unwrap(), "x");
    assert_eq!(again.wallet.head_info().count, 2);
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_shown_are_refused() {
    let (_, device, _, id) = one().await;
    let long = "x".repeat(256);
    for bad in ["", &long, &"/".repeat(86)] {
        let edits = [
            Edit::Create {
                domain: bad.into(),
                access: "a".into(),
            },
            Edit::Create {
                domain: "a".into(),
                access: bad.into(),
            },
            Edit::Move {
                secret: id,
                domain: "d".into(),
                access: bad.into(),
                replace: None,
            },
            Edit::MoveDomain {
                from: "d".into(),
                to: bad.into(),
            },
            Edit::Fields(vec![put(id, info(bad), Expected::Any, "x")]),
            Edit::Fields(vec![edit(
                id,
                Field::Uid,
                Expected::Any,
                to(id, info(bad), Expected::Any),
            )]),
        ];
        device.made();
        for edit in edits {
            let refused = device.wallet.apply(edit).await;
            assert!(
                matches!(refused, Err(WalletError::BadName(_))),
                "{refused:?}"
            );
        }
        assert_eq!(device.made(), calls(0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_fits_to_the_last_byte_that_the_store_takes() {
    let (_, device, _, id) = one().await;
    let fits = |size: u64| device.wallet.fits(id, &[(Field::Uid, Some(size))]);
    // The largest size that fits, by halving.
    let (mut low, mut high) = (0, 1 << 20);
    assert!(fits(low) && !fits(high));
    while high - low > 1 {
        let middle = (low + high) / 2;
        match fits(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    assert!(low > 300_000);
    let value = |size: u64| "x".repeat(usize::try_from(size).unwrap());
    let too_large = device.fields(vec![put(id, Field::Uid, Expected::Any, &value(high))]);
    assert!(matches!(too_large.await, Err(WalletError::TooLarge)));
    device.put(id, Field::Uid, &value(low)).await;
    assert_eq!(
        device.read(id, &Field::Uid).await.unwrap().len() as u64,
        low
    );

    let fits = |sizes: &[(Field, Option<u64>)]| device.wallet.fits(id, sizes);
    assert!(!fits(&[(Field::Pwd, Some(high - low + 100_000))]));
    assert!(fits(&[(Field::Uid, None), (Field::Pwd, Some(low))]));
    assert!(!fits(&[(Field::Pwd, Some(u64::MAX))]));
    // Names count too.
    let names: Vec<_> = (0..4_000)
        .map(|n| (info(&format!("{n:0200}")), Some(0)))
        .collect();
    assert!(!fits(&names));
}

#[tokio::test(start_paused = true)]
async fn what_one_commit_does_not_take_is_too_many() {
    let (_, device, _, _) = one().await;
    for n in 0..99 {
        device.create("full", &n.to_string()).await;
    }
    device.made();
    device.move_domain("full", "moved").await.unwrap();
    assert_eq!(device.made(), calls(0, 0, 1));
    device.create("moved", "one more").await;
    device.made();
    let refused = device.move_domain("moved", "full").await;
    assert!(matches!(refused, Err(WalletError::TooMany)));
    let ids: Vec<Id> = device
        .wallet
        .view()
        .secrets("moved")
        .map(|(_, id)| id)
        .collect();
    let edits = ids
        .iter()
        .map(|id| put(*id, Field::Uid, Expected::Any, "x"));
    let refused = device.fields(edits.collect()).await;
    assert!(matches!(refused, Err(WalletError::TooMany)));
    assert_eq!(device.made(), calls(0, 0, 0));

    // 4 MB go before 100 changes do.
    let large = "x".repeat(300_000);
    for n in 0..14 {
        let id = device.create("large", &n.to_string()).await;
        device.put(id, Field::Uid, &large).await;
    }
    device.made();
    let refused = device.move_domain("large", "elsewhere").await;
    assert!(matches!(refused, Err(WalletError::TooMany)));
    assert_eq!(device.made(), calls(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_read_only_wallet_is_read() {
    let (store, device, key, id) = one().await;
    device.put(id, Field::Uid, "uid").await;
    let o = Options {
        read_only: true,
        ..options()
    };
    let device = try_another(&store, &key, Seen::in_memory(), o)
        .await
        .unwrap();
    assert_eq!(device.read(id, &Field::Uid).await.unwrap(), "uid");
    let refused = device
        .fields(vec![put(id, Field::Uid, Expected::Any, "x")])
        .await;
    assert!(matches!(refused, Err(WalletError::ReadOnly)));
    assert_eq!(device.calls.take().commits, 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_neither_a_secret_nor_a_key() {
    let (_, device, _, id) = one().await;
    let refused = device
        .fields(vec![put(id, info("topsecret"), Expected::Rev(9), "hidden")])
        .await
        .unwrap_err();
    for said in [refused.to_string(), format!("{refused:?}")] {
        assert!(
            !said.contains("topsecret") && !said.contains("hidden"),
            "{said}"
        );
    }
}

fn whole(access: &str, fields: &[(Field, &str)], there: There) -> SecretPut {
    let fields = fields.iter().map(|(field, value)| {
        let put = FieldPut {
            value: Arc::new(secret(value)),
            mtime_ns: 7,
            mode: 0o7400,
        };
        (field.clone(), put)
    });
    SecretPut {
        domain: "d".into(),
        access: access.into(),
        fields: fields.collect(),
        there,
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_put_whole_in_one_commit() {
    let (store, device, key, there) = one().await;
    device.put(there, Field::Uid, "old").await;
    device.put(there, info("k"), "stays").await;
    let before = device.wallet.head_info();
    device.calls.take();
    let new = [(Field::Uid, "joe"), (Field::Pwd, ""), (info("uid"), "x\n")];
    let edit = Edit::Secrets(vec![
        whole("new", &new, There::Kept),
        whole(
            "s",
            &[(Field::Uid, "new"), (Field::Pwd, "p")],
            There::Overwritten,
        ),
        whole("empty", &[], There::Overwritten),
    ]);
    let applied = device.wallet.apply(edit.clone()).await.unwrap();
    let calls = device.calls.take();
    assert_eq!((calls.commits, calls.changes, calls.gets), (1, 4, 0));
    assert_eq!(applied.generation, before.generation + 1);
    for device in [&device, &another(&store, &key).await] {
        assert_eq!(device.wallet.head_info().count, before.count + 2);
        let find = |access| device.wallet.view().find("d", access).unwrap();
        let made = find("new");
        for (field, value) in &new {
            assert_eq!(device.read(made, field).await.unwrap(), *value);
            let known = device.meta(made).unwrap().fields[field];
            assert_eq!((known.mtime_ns, known.mode), (7, 0o400));
            assert_eq!(known.rev, applied.generation);
        }
        assert_eq!(find("s"), there);
        for (field, value) in [(Field::Uid, "new"), (Field::Pwd, "p"), (info("k"), "stays")] {
            assert_eq!(device.read(there, &field).await.unwrap(), value);
        }
        assert!(device.meta(find("empty")).unwrap().fields.is_empty());
    }
    // All of it is there now: nothing is committed.
    device.wallet.apply(edit).await.unwrap();
    assert_eq!(device.calls.take().commits, 0);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_another_device_made_meanwhile_is_not_made_twice() {
    let (store, device, key, _) = one().await;
    let other = another(&store, &key).await;
    let put = |value, there| Edit::Secrets(vec![whole("x", &[(Field::Pwd, value)], there)]);
    other
        .wallet
        .apply(put("theirs", There::Kept))
        .await
        .unwrap();
    device.wallet.apply(put("ours", There::Kept)).await.unwrap();
    let id = device.wallet.view().find("d", "x").unwrap();
    assert_eq!(device.read(id, &Field::Pwd).await.unwrap(), "theirs");
    other
        .wallet
        .apply(put("again", There::Overwritten))
        .await
        .unwrap();
    device
        .wallet
        .apply(put("last", There::Overwritten))
        .await
        .unwrap();
    assert_eq!(device.read(id, &Field::Pwd).await.unwrap(), "last");
    assert_eq!(device.wallet.view().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn secrets_that_cannot_be_put_are_refused_whole() {
    let (store, device, _, _) = one().await;
    let before = store.items().clone();
    let refused = async |puts: Vec<SecretPut>| {
        let refused = device.wallet.apply(Edit::Secrets(puts)).await;
        refused.expect_err("it should be refused")
    };
    let new = |access: &str| whole(access, &[], There::Kept);
    let twice = refused(vec![new("x"), new("y"), new("x")]).await;
    assert!(matches!(twice, WalletError::Exists));
    let bad = refused(vec![new("x"), new("")]).await;
    assert!(matches!(bad, WalletError::BadName(_)));
    let key = whole("x", &[(info(&"k".repeat(256)), "")], There::Kept);
    assert!(matches!(refused(vec![key]).await, WalletError::BadName(_)));
    let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let many = refused(names.iter().map(|name| new(name)).collect()).await;
    assert!(matches!(many, WalletError::TooMany));
    let large = "x".repeat(500_000);
    let large = whole("x", &[(Field::Pwd, &large)], There::Kept);
    assert!(matches!(refused(vec![large]).await, WalletError::TooLarge));
    let heavy = "x".repeat(300_000);
    let heavy = names[..20]
        .iter()
        .map(|name| whole(name, &[(Field::Pwd, &heavy)], There::Kept));
    assert!(matches!(
        refused(heavy.collect()).await,
        WalletError::TooMany
    ));
    assert_eq!(*store.items(), before);
    let names = names[..99].iter().map(|name| new(name));
    device
        .wallet
        .apply(Edit::Secrets(names.collect()))
        .await
        .unwrap();
}
