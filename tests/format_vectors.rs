//! Known answers for every derivation and every seal of format 1.
//!
//! A change of a vector is a change of format: wallets that were written before would not open. The
//! program's answers are compared with `tests/vectors/format-1.json`, and `scripts/open-wallet.py`,
//! which shares no code with the program, computes each of them again. To add a vector, run with
//! `WALLETFS_WRITE_VECTORS=1` and see that the difference adds lines only.

#[path = "support/python.rs"]
mod python;

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use walletfs::crypto::{
    DeviceKey, HeadData, HeadMeta, KdfParams, Key, Keyring, Random, Recent, SecretBytes, Unknown,
    Vault, Way, derive, derive_device_key, padding, stretch,
};
use walletfs::wallet::history::{History, Past};
use walletfs::wallet::record::{Data, Field, FieldMeta, Meta};

const WALLET: [u8; 16] = *b"\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf";
const ID: &str = "00112233445566778899aabbccddeeff";
const DEVICE_PASSWORD: &str = "Device Password 1!";
const MEMORABLE: &str = "Mémorable 2 – passwörd";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/format-1.json")
}

#[test]
fn answers_are_those_of_format_1() {
    let computed = json!({
        "about": "Known answers of walletfs format 1; see TEST VECTORS in man/walletfs-format.5.md.",
        "vectors": vectors(),
    });
    let text = serde_json::to_string_pretty(&computed).unwrap() + "\n";
    if std::env::var_os("WALLETFS_WRITE_VECTORS").is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    let stored = std::fs::read_to_string(file()).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let (stored, computed) = (vectors_of(&stored), vectors_of(&computed));
    for (number, (stored, computed)) in stored.iter().zip(computed).enumerate() {
        assert_eq!(stored, computed, "vector {number}: the format has changed");
    }
    assert_eq!(stored.len(), computed.len());
}

#[test]
fn a_second_implementation_gives_the_same_answers() {
    let output = check_with_python(&file());
    assert!(output.0, "{}", output.1);
}

/// Without this, the test above could pass because the script compares nothing.
#[test]
fn the_second_implementation_sees_a_changed_answer_of_every_kind() {
    let stored = std::fs::read_to_string(file()).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let mut kinds = BTreeMap::new();
    for (number, vector) in vectors_of(&stored).iter().enumerate() {
        kinds.insert(vector["of"].as_str().unwrap().to_owned(), number);
    }
    let directory = tempfile::tempdir().unwrap();
    for (kind, number) in kinds {
        let mut changed = stored["vectors"][number].clone();
        let gives = &mut changed["gives"];
        *gives = match &*gives {
            Value::String(hex) => {
                let last = if hex.ends_with('0') { "1" } else { "0" };
                json!(format!("{}{last}", &hex[..hex.len() - 1]))
            }
            size => json!(size.as_u64().unwrap() + 1),
        };
        let changed = json!({ "vectors": [changed] });
        let file = directory.path().join("changed.json");
        std::fs::write(&file, changed.to_string()).unwrap();
        let (passed, message) = check_with_python(&file);
        assert!(!passed, "{kind}");
        let told = format!("refused: vector 0 ({kind}) differs");
        assert!(message.contains(&told), "{kind}: {message}");
    }
}

fn check_with_python(file: &Path) -> (bool, String) {
    let output = Command::new(python::python())
        .arg(python::open_wallet_script())
        .arg("--vectors")
        .arg(file)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), message)
}

fn vectors_of(file: &Value) -> &Vec<Value> {
    file["vectors"].as_array().unwrap()
}

// ---- the program's answers ------------------------------------------------------------------------

/// Gives out these pieces, each asked for in one call and at its length, and nothing else.
struct Script(Mutex<VecDeque<Vec<u8>>>);

impl Script {
    fn new(pieces: &[&[u8]]) -> Arc<Script> {
        Arc::new(Script(Mutex::new(
            pieces.iter().map(|piece| piece.to_vec()).collect(),
        )))
    }
}

impl Random for Script {
    fn fill(&self, out: &mut [u8]) {
        let piece = self.0.lock().unwrap().pop_front();
        out.copy_from_slice(&piece.expect("more randomness is asked for than the format needs"));
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let left = self.0.get_mut().unwrap().len();
        assert!(std::thread::panicking() || left == 0, "{left} pieces left");
    }
}

fn vectors() -> Vec<Value> {
    let mut all = Vec::new();
    derivations(&mut all);
    records(&mut all);
    seals(&mut all);
    all.push(head(false));
    recovered(&mut all);
    for length in [
        0, 1, 251, 252, 253, 268, 269, 508, 509, 4092, 4093, 65_532, 65_533, 400_000,
    ] {
        let size = padding::padded_len(length);
        all.push(json!({ "of": "padded_size", "from": { "length": length }, "gives": size }));
    }
    histories(&mut all);
    removals(&mut all);
    all
}

fn derivations(all: &mut Vec<Value>) {
    let odd = KdfParams {
        memory_kib: 20_001,
        passes: 4,
        lanes: 3,
    };
    let device_key = ok(derive_device_key(
        &secret(DEVICE_PASSWORD),
        &[0x11; 16],
        KdfParams::DEFAULT,
    ));
    for kdf in [KdfParams::DEFAULT, KdfParams::LEAST, odd] {
        let derived = ok(derive_device_key(
            &secret(DEVICE_PASSWORD),
            &[0x11; 16],
            kdf,
        ));
        all.push(json!({
            "of": "device_key",
            "from": { "password": DEVICE_PASSWORD, "salt": hex(&[0x11; 16]), "kdf": list(kdf) },
            "gives": hex(derived.expose()),
        }));
        let stretched = ok(stretch(&secret(MEMORABLE), &device_key, &[0x22; 16], kdf));
        all.push(json!({
            "of": "stretched",
            "from": {
                "memorable": MEMORABLE,
                "salt": hex(&[0x22; 16]),
                "kdf": list(kdf),
                "device_key": hex(device_key.expose()),
            },
            "gives": hex(stretched.expose()),
        }));
    }
    let stretched = key(0x33);
    let keys = derive::slot_keys(&stretched);
    for (of, derived) in [("kek", keys.kek), ("proof", keys.proof)] {
        all.push(json!({
            "of": of,
            "from": { "stretched": hex(stretched.expose()) },
            "gives": hex(derived.expose()),
        }));
    }
    let master = key(0x44);
    for id in ["head", ID] {
        let mut item_key = [0; 32];
        derive::item_key(&master, &WALLET, id, &mut item_key);
        all.push(json!({
            "of": "item_key",
            "from": { "master": hex(master.expose()), "wallet_id": hex(&WALLET), "id": id },
            "gives": hex(&item_key),
        }));
    }
    let digest_key = derive::digest_key(&master);
    all.push(json!({
        "of": "digest_key",
        "from": { "master": hex(master.expose()) },
        "gives": hex(digest_key.expose()),
    }));
    let term = derive::digest_term(&digest_key, ID, u64::MAX - 1, b"any bytes");
    all.push(json!({
        "of": "digest_term",
        "from": {
            "digest_key": hex(digest_key.expose()),
            "id": ID,
            "version": u64::MAX - 1,
            "meta": hex(b"any bytes"),
        },
        "gives": hex(&term),
    }));
}

fn records(all: &mut Vec<Value>) {
    let field = |size, mtime_ns, mode, rev| FieldMeta {
        size,
        mtime_ns,
        mode,
        rev,
    };
    let full = [
        (Field::Uid, field(13, 1_700_000_000_123_456_789, 0o600, 1)),
        (Field::Pwd, field(0, -1, 0o400, u64::MAX)),
        // Not in the order of their encodings.
        (info("aa"), field(u64::MAX, i64::MIN, 0o700, 24)),
        (info("b"), field(255, i64::MAX, 0, 256)),
        (info("../é/\0"), field(65_536, 0, 0o600, 4_294_967_296)),
    ];
    for fields in [BTreeMap::from(full), BTreeMap::new()] {
        let mut from = json!({
            "domain": "énergie",
            "access": "smart energy",
            "created": -5,
            "data_hash": hex(&[0x55; 32]),
        });
        add_fields(&mut from, &fields, |f| {
            json!([f.size, f.mtime_ns, f.mode, f.rev])
        });
        let meta = Meta {
            domain: "énergie".into(),
            access: "smart energy".into(),
            created_ns: -5,
            data_hash: [0x55; 32],
            removed_ns: None,
            fields,
            unknown: Unknown::default(),
        };
        let gives = hex(meta.encode().expose());
        all.push(json!({ "of": "record_meta", "from": from, "gives": gives }));
    }
    let full = [
        (Field::Uid, &b"joe@email.com"[..]),
        (Field::Pwd, b""),
        (info("aa"), b"\x00\xff"),
        (info("b"), &[7; 24]),
        (info("../é/\0"), &[7; 256]),
    ];
    for fields in [BTreeMap::from(full), BTreeMap::new()] {
        let mut from = json!({});
        add_fields(&mut from, &fields, |value| json!(hex(value)));
        let values = fields.into_iter();
        let data = Data {
            values: values
                .map(|(f, v)| (f, SecretBytes::new(v.into())))
                .collect(),
            ..Data::default()
        };
        let gives = hex(data.encode().expose());
        all.push(json!({ "of": "record_data", "from": from, "gives": gives }));
    }
}

fn histories(all: &mut Vec<Value>) {
    let past = [
        (Field::Pwd, -1, 5, &b"first"[..]),
        (Field::Pwd, 1_700_000_000_000_000_000, -1, b"\xff second"),
        (info("b"), 256, i64::MIN, &[7; 24]),
        (info("aa"), i64::MAX, 0, b"x"),
    ];
    let mut history = History::default();
    let mut from = json!({ "uid": hex(b"joe"), "history": { "info": {} } });
    for (field, until_ns, mtime_ns, value) in past {
        let shown = json!([until_ns, mtime_ns, hex(value)]);
        let of = &mut from["history"];
        match &field {
            // The newest comes first.
            Field::Pwd if of["pwd"].is_null() => of["pwd"] = json!([shown]),
            Field::Pwd => of["pwd"].as_array_mut().unwrap().insert(0, shown),
            Field::Info(key) => of["info"][&**key] = json!([shown]),
            Field::Uid => unreachable!(),
        }
        let value = SecretBytes::new(value.into());
        history.add(
            &field,
            Past {
                until_ns,
                mtime_ns,
                value,
            },
        );
    }
    let data = Data {
        values: BTreeMap::from([(Field::Uid, SecretBytes::new(b"joe".into()))]),
        history: history.fold(),
        ..Data::default()
    };
    let gives = hex(data.encode().expose());
    all.push(json!({ "of": "record_data", "from": from, "gives": gives }));
}

/// What a removed secret's meta says, and its wallet's head.
fn removals(all: &mut Vec<Value>) {
    for removed_ns in [-1, 1_700_000_000_123_456_789] {
        let meta = Meta {
            domain: "énergie".into(),
            access: "smart energy".into(),
            created_ns: -5,
            data_hash: [0x55; 32],
            removed_ns: Some(removed_ns),
            fields: BTreeMap::new(),
            unknown: Unknown::default(),
        };
        let from = json!({
            "domain": "énergie",
            "access": "smart energy",
            "created": -5,
            "data_hash": hex(&[0x55; 32]),
            "removed": removed_ns,
        });
        let gives = hex(meta.encode().expose());
        all.push(json!({ "of": "record_meta", "from": from, "gives": gives }));
    }
    all.push(head(true));
}

fn seals(all: &mut Vec<Value>) {
    let master = [0x66; 32];
    for (nonce, plain) in [([0x77; 12], vec![]), ([0x78; 12], vec![0xab; 253])] {
        let random = Script::new(&[&master, &nonce, &nonce]);
        let vault = Vault::new(WALLET, Keyring::new(&*random), random);
        let from = json!({
            "master": hex(&master),
            "epoch": 1,
            "nonce": hex(&nonce),
            "wallet_id": hex(&WALLET),
            "id": ID,
            "plain": hex(&plain),
        });
        let mut with_version = from.clone();
        with_version["version"] = json!(258);
        let meta = hex(&vault.seal_meta(ID, 258, &plain));
        all.push(json!({ "of": "sealed_meta", "from": with_version, "gives": meta }));
        let data = hex(&vault.seal_data(ID, &plain));
        all.push(json!({ "of": "sealed_data", "from": from, "gives": data }));
    }
    let (nonce, meta) = ([0x79; 12], b"the head's meta as stored");
    let random = Script::new(&[&master, &nonce]);
    let vault = Vault::new(WALLET, Keyring::new(&*random), random);
    let data = HeadData {
        recent: Recent::default(),
        digest: [0x88; 32],
        count: 24,
        created_ns: 1_700_000_000_000_000_000,
        committed_ns: 1_700_000_001_000_000_000,
        unknown: Unknown::default(),
    };
    all.push(json!({
        "of": "sealed_head",
        "from": {
            "master": hex(&master),
            "epoch": 1,
            "nonce": hex(&nonce),
            "wallet_id": hex(&WALLET),
            "generation": 258,
            "meta": hex(meta),
            "digest": hex(&data.digest),
            "count": data.count,
            "created": data.created_ns,
            "committed": data.committed_ns,
        },
        "gives": hex(&vault.seal_head(258, meta, &data)),
    }));
}

fn recovered(all: &mut Vec<Value>) {
    let (key, salt) = ([0xee; 32], [0xef; 16]);
    let gives = derive::recovered(&Key::from_bytes(key), &WALLET, &salt);
    all.push(json!({
        "of": "recovered",
        "from": { "key": hex(&key), "wallet_id": hex(&WALLET), "salt": hex(&salt) },
        "gives": hex(gives.expose()),
    }));
}

fn head(trash: bool) -> Value {
    let master = [0x99; 32];
    let places = [([0xaa; 16], [0xab; 12]), ([0xba; 16], [0xbb; 12])];
    let [(salt_1, nonce_1), (salt_2, nonce_2)] = &places;
    let random = Script::new(&[&master, salt_1, nonce_1, salt_2, nonce_2]);
    let keyring = Keyring::new(&*random);
    let device_key = DeviceKey::from_bytes([0xcc; 32]);
    let mut slots = Vec::new();
    let mut from = Vec::new();
    for (salt, nonce) in places {
        let memorable = secret(MEMORABLE);
        let kdf = KdfParams::LEAST;
        let way = ok(Way::by_passwords(&device_key, &memorable, kdf, &*random));
        slots.push(way.wrap(&keyring, &WALLET, &*random));
        from.push(json!({
            "memorable": MEMORABLE,
            "device_key": hex(device_key.expose()),
            "salt": hex(&salt),
            "kdf": list(kdf),
            "nonce": hex(&nonce),
            "epochs": { "1": hex(&master) },
        }));
    }
    let head = HeadMeta {
        wallet_id: WALLET,
        device_salt: [0xdd; 16],
        kdf: KdfParams::DEFAULT,
        slots,
        trash,
        unknown: Unknown::default(),
    };
    let mut from = json!({
        "wallet_id": hex(&WALLET),
        "device_salt": hex(&head.device_salt),
        "kdf": list(head.kdf),
        "slots": from,
    });
    if trash {
        from["features"] = json!(["trash"]);
    }
    json!({ "of": "head_meta", "from": from, "gives": hex(&head.encode()) })
}

// ---- JSON -----------------------------------------------------------------------------------------

fn add_fields<T>(from: &mut Value, fields: &BTreeMap<Field, T>, value: impl Fn(&T) -> Value) {
    for (field, of) in fields {
        match field {
            Field::Uid => from["uid"] = value(of),
            Field::Pwd => from["pwd"] = value(of),
            Field::Info(key) => from["info"][&**key] = value(of),
        }
    }
}

fn info(key: &str) -> Field {
    Field::Info(key.into())
}

fn list(kdf: KdfParams) -> Value {
    json!([kdf.memory_kib, kdf.passes, kdf.lanes])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.into())
}

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

fn ok<T>(result: Result<T, walletfs::crypto::CryptoError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
