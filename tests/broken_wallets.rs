//! Wallets that a store broke: each gives an error, and never another content than the true one.

#[path = "support/contents.rs"]
mod contents;

use contents::shown;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use walletfs::crypto::{DeviceKey, KdfParams, SecretBytes};
use walletfs::store::{Bytes, Id, Item, MemoryStore, SqliteStore, Store};
use walletfs::wallet::{
    Edit, Expected, Field, FieldChange, FieldEdit, Options, Seen, Wallet, WalletError,
};

const WALLET: &str = "small";

// ---- a small wallet -------------------------------------------------------------------------------

fn memorable() -> SecretBytes {
    SecretBytes::new("memorable Passw0rd!".into())
}

/// Makes a wallet of two secrets in this store. Gives the device's key and the secrets' ids.
async fn fill(store: &Arc<dyn Store>) -> (DeviceKey, [Id; 2]) {
    store.create().await.unwrap();
    let device = SecretBytes::new("device Passw0rd!".into());
    let (seen, kdf) = (Seen::in_memory(), KdfParams::LEAST);
    let options = Options::default();
    let made = Wallet::create(store.clone(), seen, &device, &memorable(), kdf, options).await;
    let (wallet, key) = made.unwrap();
    let info = Field::Info("gas account".into());
    let smart = [
        (Field::Uid, "joe@email.com"),
        (Field::Pwd, "xy67Gh!8"),
        (info, "G15003798"),
    ];
    let plain = [(Field::Pwd, "plain")];
    let first = secret(&wallet, "energy", "smart energy", &smart).await;
    let second = secret(&wallet, "bank", "plain", &plain).await;
    (key, [first, second])
}

async fn secret(wallet: &Wallet, domain: &str, access: &str, fields: &[(Field, &str)]) -> Id {
    let (domain, access) = (domain.into(), access.into());
    let created = wallet.apply(Edit::Create { domain, access }).await.unwrap();
    let secret = created.created.unwrap();
    let put = |(field, value): &(Field, &str)| FieldEdit {
        secret,
        field: field.clone(),
        expect: Expected::Absent,
        change: FieldChange::Put {
            value: Arc::new(SecretBytes::new((*value).into())),
            mtime_ns: -1,
            mode: 0o400,
        },
    };
    let edits = fields.iter().map(put).collect();
    wallet.apply(Edit::Fields(edits)).await.unwrap();
    secret
}

async fn unlock(store: Arc<dyn Store>, key: &DeviceKey) -> Result<Arc<Wallet>, WalletError> {
    let options = Options::default();
    Wallet::unlock(store, Seen::in_memory(), key, &memorable(), options).await
}

/// What a wallet shows, each fact under a path of its own, and whether anything was wrong.
struct Facts {
    facts: Value,
    fault: bool,
}

async fn facts(wallet: &Wallet) -> Facts {
    let head = wallet.head_info();
    let mut facts = json!({
        "head": [head.generation, head.count, head.created_ns, head.committed_ns],
    });
    let mut fault = wallet.state().fault.is_some();
    let secrets: Vec<_> = wallet.view().all().cloned().collect();
    for secret in secrets {
        let path = format!("{}/{}", secret.meta.domain, secret.shown);
        facts[&path] = json!([
            secret.id.to_string(),
            secret.version,
            secret.meta.created_ns
        ]);
        let body = wallet.body(secret.id).await;
        fault |= body.is_err();
        for (field, known) in &secret.meta.fields {
            let path = match field {
                Field::Uid => format!("{path}/uid"),
                Field::Pwd => format!("{path}/pwd"),
                Field::Info(key) => format!("{path}/info {key}"),
            };
            facts[&path] = json!([known.size, known.mtime_ns, known.mode, known.rev]);
            if let Ok(body) = &body {
                match wallet.value(body, field) {
                    Ok(value) => facts[format!("{path} value")] = shown(value.expose()),
                    Err(_) => fault = true,
                }
            }
        }
    }
    Facts { facts, fault }
}

/// Opens a broken wallet and says whether anyone was told. Panics if it shows what is not true, or
/// less than the truth without saying so.
async fn told(store: Arc<dyn Store>, key: &DeviceKey, truth: &Value, what: &str) -> bool {
    let Ok(wallet) = unlock(store, key).await else {
        return true;
    };
    let found = facts(&wallet).await;
    for (path, fact) in found.facts.as_object().unwrap() {
        assert_eq!(truth.get(path), Some(fact), "{what}: {path}");
    }
    assert!(found.fault || found.facts == *truth, "{what}");
    found.fault
}

// ---- bit flips ------------------------------------------------------------------------------------

/// A byte of a stored column.
struct Place {
    id: Id,
    column: &'static str,
    offset: usize,
}

/// Every byte of every column of the head and of the first secret, one bit of it in turn: each is
/// told. The work is shared by two threads, each with a copy of the file.
#[test]
fn every_flipped_byte_of_every_column_is_told() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wallet.sqlite");
    let (key, truth, places) = runtime().block_on(async {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file, WALLET));
        let (key, [first, _]) = fill(&store).await;
        let wallet = unlock(store, &key).await.unwrap();
        let truth = facts(&wallet).await;
        assert!(!truth.fault);
        assert_eq!(truth.facts.as_object().unwrap().len(), 1 + 2 + 2 * 4);
        let database = Connection::open(&file).unwrap();
        let mut places = Vec::new();
        for id in [Id::Head, first] {
            for column in ["wallet", "id", "version", "meta", "data"] {
                let bytes = bytes_of(&read(&database, id, column)).len();
                let place = |offset| Place { id, column, offset };
                places.extend((0..bytes).map(place));
            }
        }
        (key, truth.facts, places)
    });
    // 5 + 4 + 8 and 5 + 32 + 8 bytes, two metas and two data of more than 200 each.
    assert!(places.len() > 62 + 4 * 200, "{}", places.len());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let copy = directory.path().join(format!("copy-{worker}.sqlite"));
            std::fs::copy(&file, &copy).unwrap();
            let (key, truth, places, next) = (&key, &truth, &places, &next);
            let whole = &file;
            scope.spawn(move || {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    flip(&copy, whole, place, key, truth);
                }
            });
        }
    });
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

/// Time is paused, so that the seconds between the listings of a faulty wallet take none.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

fn flip(file: &Path, whole: &Path, place: &Place, key: &DeviceKey, truth: &Value) {
    let database = Connection::open(file).unwrap();
    restore(&database, whole);
    let found = read(&database, place.id, place.column);
    let mut bytes = bytes_of(&found);
    bytes[place.offset] ^= 1 << (place.offset % 8);
    let (value, typed) = match found {
        Sql::Integer(_) => (Sql::Integer(number(bytes)), "?1"),
        // As bytes: they need not be UTF-8 any more.
        Sql::Text(_) => (Sql::Blob(bytes), "CAST(?1 AS TEXT)"),
        _ => (Sql::Blob(bytes), "?1"),
    };
    let column = place.column;
    let update = format!("UPDATE items SET {column} = {typed} WHERE wallet = ?2 AND id = ?3");
    let id = place.id.to_string();
    let updated = database.execute(&update, (value, WALLET, &id)).unwrap();
    assert_eq!(updated, 1);
    let what = format!("{id} {column} {}", place.offset);
    let store = Arc::new(SqliteStore::open(file, WALLET));
    let told = runtime().block_on(told(store, key, truth, &what));
    assert!(told, "{what}: nobody was told");
}

/// Makes the items of a copy those of the whole wallet again.
fn restore(database: &Connection, whole: &Path) {
    database.pragma_update(None, "synchronous", "OFF").unwrap();
    let whole = whole.to_str().unwrap();
    database.execute("ATTACH ?1 AS whole", [whole]).unwrap();
    database.execute("DELETE FROM main.items", []).unwrap();
    let copy = "INSERT INTO main.items SELECT * FROM whole.items";
    assert_eq!(database.execute(copy, []).unwrap(), 3);
    database.execute("DETACH whole", []).unwrap();
}

fn read(database: &Connection, id: Id, column: &str) -> Sql {
    let query = format!("SELECT {column} FROM items WHERE wallet = ?1 AND id = ?2");
    let key = (WALLET, id.to_string());
    database.query_row(&query, key, |row| row.get(0)).unwrap()
}

fn bytes_of(value: &Sql) -> Vec<u8> {
    match value {
        Sql::Integer(number) => number.to_be_bytes().to_vec(),
        Sql::Text(text) => text.clone().into_bytes(),
        Sql::Blob(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

fn number(bytes: Vec<u8>) -> i64 {
    i64::from_be_bytes(bytes.try_into().unwrap())
}

// ---- whole parts in the wrong place ---------------------------------------------------------------

type Items = std::collections::BTreeMap<Id, Item>;

/// What a store may do with parts that are each authentic, or no parts of any wallet, and what is
/// said of it.
#[tokio::test(start_paused = true)]
async fn each_way_to_break_a_wallet_has_its_error() {
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    let (key, [first, second]) = fill(&store).await;
    let wallet = unlock(store.clone(), &key).await.unwrap();
    let truth = facts(&wallet).await.facts;
    let whole = memory.items().clone();
    // The next generation: another password in the first secret.
    let put = FieldEdit {
        secret: first,
        field: Field::Pwd,
        expect: Expected::Any,
        change: FieldChange::Put {
            value: Arc::new(SecretBytes::new("new".into())),
            mtime_ns: 0,
            mode: 0o600,
        },
    };
    wallet.apply(Edit::Fields(vec![put])).await.unwrap();
    let later = memory.items().clone();
    // Another wallet with the same passwords.
    let other: Arc<MemoryStore> = Arc::default();
    fill(&(other.clone() as Arc<dyn Store>)).await;
    let other = other.items().clone();
    let others_first = *other.keys().next().unwrap();

    let meta_swapped = |items: &mut Items| {
        let (a, b) = (items[&first].meta.clone(), items[&second].meta.clone());
        items.get_mut(&first).unwrap().meta = b;
        items.get_mut(&second).unwrap().meta = a;
    };
    let data_swapped = |items: &mut Items| {
        let (a, b) = (items[&first].data.clone(), items[&second].data.clone());
        items.get_mut(&first).unwrap().data = b;
        items.get_mut(&second).unwrap().data = a;
    };
    let head = |edit: fn(&mut Vec<u8>)| {
        move |items: &mut Items| {
            let head = items.get_mut(&Id::Head).unwrap();
            let mut meta = head.meta.to_vec();
            edit(&mut meta);
            head.meta = meta.into();
        }
    };
    let not_vouched = "the items are not those that the head vouches for";
    let not_authentic = "authentication failed";
    let damaged = "are damaged";
    type Break<'a> = Box<dyn Fn(&mut Items) + 'a>;
    let broken: Vec<(&str, Break, &str)> = vec![
        ("two metas swapped", Box::new(meta_swapped), not_vouched),
        ("two data swapped", Box::new(data_swapped), damaged),
        (
            "an item dropped",
            Box::new(|items| drop(items.remove(&first))),
            "the store gave 1 items, and the head says 2",
        ),
        (
            "an item added",
            Box::new(|items| {
                let mut item = items[&first].clone();
                item.id = Id::Secret([7; 16]);
                items.insert(item.id, item);
            }),
            "the store gave 3 items, and the head says 2",
        ),
        (
            "an item of another wallet in the place of one",
            Box::new(|items| {
                items.remove(&first);
                items.insert(others_first, other[&others_first].clone());
            }),
            not_vouched,
        ),
        (
            "a later item under an earlier head",
            Box::new(|items| drop(items.insert(first, later[&first].clone()))),
            "newer than the head",
        ),
        (
            "a later item's data under an earlier meta",
            Box::new(|items| items.get_mut(&first).unwrap().data = later[&first].data.clone()),
            damaged,
        ),
        (
            "a later head over earlier items",
            Box::new(|items| drop(items.insert(Id::Head, later[&Id::Head].clone()))),
            not_vouched,
        ),
        (
            "the head of another wallet",
            Box::new(|items| drop(items.insert(Id::Head, other[&Id::Head].clone()))),
            "wrong memorable password, or this device's key is not this wallet's",
        ),
        (
            "an earlier head's data with a later version",
            Box::new(|items| items.get_mut(&Id::Head).unwrap().version += 1),
            not_authentic,
        ),
        (
            "no head",
            Box::new(|items| drop(items.remove(&Id::Head))),
            "there is no wallet of this name",
        ),
        (
            "a head of a later format",
            Box::new(head(|meta| meta[2] = 2)),
            "format 2, which this version does not know",
        ),
        (
            "a head that requires a feature",
            Box::new(head(|meta| {
                assert_eq!(meta.pop(), Some(0x80));
                meta.extend(b"\x81\x65glass");
            })),
            "the wallet requires \"glass\"",
        ),
        (
            "a head cut short",
            Box::new(head(|meta| meta.truncate(meta.len() - 1))),
            "not in walletfs's format",
        ),
        (
            "an absurd key derivation",
            // The device's: [19456, 2, 1] becomes [19456, 2, 17].
            Box::new(head(|meta| {
                let at = meta
                    .windows(6)
                    .position(|w| w == b"\x83\x19\x4c\x00\x02\x01");
                meta[at.unwrap() + 5] = 17;
            })),
            "outside what walletfs accepts",
        ),
        (
            "an empty meta",
            Box::new(|items| items.get_mut(&first).unwrap().meta = Bytes::new()),
            not_vouched,
        ),
        (
            "an empty data",
            Box::new(|items| items.get_mut(&first).unwrap().data = Bytes::new()),
            damaged,
        ),
    ];
    for (what, broken, expected) in broken {
        let mut items = whole.clone();
        broken(&mut items);
        *memory.items() = items;
        let said = match unlock(store.clone(), &key).await {
            Err(error) => error.to_string(),
            Ok(wallet) => match (wallet.state().fault, contents::contents(&wallet).await) {
                (Some(fault), _) => fault,
                (None, Err(error)) => error.to_string(),
                (None, Ok(_)) => "nothing".to_owned(),
            },
        };
        assert!(said.contains(expected), "{what}: {said}");
        assert!(told(store.clone(), &key, &truth, what).await, "{what}");
    }
    // What was broken last is whole again: the wallet opens, so the errors were not of the test.
    *memory.items() = whole;
    assert!(!told(store.clone(), &key, &truth, "the whole wallet").await);
}
