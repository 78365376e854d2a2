//! Golden wallets: files that a released version wrote, which every later version must open.
//!
//! Each is opened by the program and by `scripts/open-wallet.py`, which shares no code with it, and
//! both must find what the JSON beside it says. A golden wallet is never written anew: that would
//! prove only that a version opens what it wrote itself. For another one, give [`GOLDEN`] a new name
//! and run with `WALLETFS_WRITE_GOLDEN=1`.

#[path = "support/contents.rs"]
mod contents;
#[path = "support/python.rs"]
mod python;

use contents::{contents, removed, shown};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use walletfs::crypto::{KdfParams, Random, SecretBytes, sha256};
use walletfs::store::{Id, SqliteStore, Store};
use walletfs::wallet::{
    Clock, Edit, Expected, Field, FieldChange, FieldEdit, Options, Seen, Wallet, WalletError,
};

/// The golden wallet that this version writes, once.
const GOLDEN: &str = "golden-3";
/// The wallet's name in its file.
const WALLET: &str = "golden";
const DEVICE_PASSWORD: &str = "Golden Device 1!";
const MEMORABLE: &str = "Gölden Memorable 2 – not a secret";

/// The moment at which the first golden wallet's clock starts.
const NOON: i64 = 1_700_000_000_000_000_000;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every golden wallet: its file and its description.
fn golden() -> Vec<(PathBuf, Value)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(vectors()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|e| e == "sqlite") {
            let description = std::fs::read_to_string(file.with_extension("json")).unwrap();
            all.push((file, serde_json::from_str(&description).unwrap()));
        }
    }
    assert!(!all.is_empty());
    all
}

#[tokio::test]
async fn the_program_opens_every_golden_wallet() {
    write_if_asked().await;
    for (file, description) in golden() {
        // A copy: opening may write, and these files never change.
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("wallet.sqlite");
        std::fs::copy(&file, &copy).unwrap();
        let wallet = join(&copy, &description).await.unwrap();
        assert_eq!(wallet.state().fault, None);
        let found = contents(&wallet).await.unwrap();
        assert!(found == description["contents"], "{}", file.display());
        let found = removed(&wallet).await.unwrap();
        assert_eq!(found, removed_of(&description), "{}", file.display());
        assert_eq!(attributes(&wallet), description["attributes"]);
        let head = wallet.head_info();
        assert_eq!(json!(head.generation), description["generation"]);
        assert_eq!(json!(head.created_ns), description["created"]);
        assert_eq!(json!(head.committed_ns), description["committed"]);
    }
}

#[tokio::test]
async fn a_second_implementation_opens_every_golden_wallet() {
    write_if_asked().await;
    for (file, description) in golden() {
        let memorable = description["memorable_password"].as_str().unwrap();
        let found = |which: &[&str]| -> Value {
            let output = open_with_python(&file, memorable, which);
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{message}");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let name = file.display();
        assert!(found(&[]) == description["contents"], "{name}");
        assert_eq!(found(&["--removed"]), removed_of(&description), "{name}");
    }
}

/// The second implementation would be no proof of the seals if it did not check them.
#[tokio::test]
async fn the_second_implementation_refuses_what_is_not_true() {
    write_if_asked().await;
    let (file, description) = golden().remove(0);
    let right = description["memorable_password"].as_str().unwrap();
    let refusal = |file: &Path, memorable: &str| {
        let output = open_with_python(file, memorable, &[]);
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        let message = String::from_utf8(output.stderr).unwrap();
        message.trim().to_owned()
    };
    let wrong = refusal(&file, "not the password");
    assert_eq!(wrong, "refused: a password is wrong");
    let directory = tempfile::tempdir().unwrap();
    for (tamper, expected) in [
        // The head's data, a secret's meta and a secret's data: one bit of the tag each.
        (
            "UPDATE items SET data = CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB) WHERE id = 'head'",
            "refused: not authentic",
        ),
        (
            "UPDATE items SET meta = CAST(substr(meta, 1, length(meta) - 1) || x'00' AS BLOB) WHERE id != 'head'",
            "refused: not authentic",
        ),
        (
            "UPDATE items SET data = CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB) WHERE id != 'head'",
            "refused: data is not what meta says",
        ),
        (
            "UPDATE items SET version = version + 1 WHERE id = 'head'",
            "refused: not authentic",
        ),
        (
            "DELETE FROM items WHERE id = (SELECT min(id) FROM items)",
            "refused: items dropped, swapped or added",
        ),
        (
            "DELETE FROM items WHERE id = 'head'",
            "refused: no such wallet",
        ),
    ] {
        let copy = directory.path().join("wallet.sqlite");
        std::fs::copy(&file, &copy).unwrap();
        let database = rusqlite::Connection::open(&copy).unwrap();
        assert!(database.execute(tamper, []).unwrap() > 0);
        drop(database);
        assert_eq!(refusal(&copy, right), expected, "{tamper}");
    }
}

/// The secrets that must be found marked as removed: none where the description says nothing.
fn removed_of(description: &Value) -> Value {
    let removed = description.get("removed").cloned();
    removed.unwrap_or_else(|| json!({}))
}

async fn join(file: &Path, description: &Value) -> Result<Arc<Wallet>, WalletError> {
    let secret = |key: &str| SecretBytes::new(description[key].as_str().unwrap().into());
    let store = Arc::new(SqliteStore::open(file, WALLET));
    let (device, memorable) = (secret("device_password"), secret("memorable_password"));
    let options = Options::default();
    let joined = Wallet::join(store, Seen::in_memory(), &device, &memorable, options).await;
    Ok(joined?.0)
}

fn open_with_python(file: &Path, memorable: &str, which: &[&str]) -> Output {
    let mut child = Command::new(python::python())
        .arg(python::open_wallet_script())
        .args(which)
        .args([file.as_os_str(), WALLET.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let passwords = format!("{DEVICE_PASSWORD}\n{memorable}\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(passwords.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Of each field: modification time, mode, rev; of each secret: when it was made.
fn attributes(wallet: &Wallet) -> Value {
    let mut all = json!({});
    for secret in wallet.view().all() {
        let of = &mut all[&*secret.meta.domain][&*secret.shown];
        of["created"] = json!(secret.meta.created_ns);
        for (field, known) in &secret.meta.fields {
            let attributes = json!([known.mtime_ns, known.mode, known.rev]);
            match field {
                Field::Uid => of["uid"] = attributes,
                Field::Pwd => of["pwd"] = attributes,
                Field::Info(key) => of["info"][&**key] = attributes,
            }
        }
    }
    all
}

// ---- the generator --------------------------------------------------------------------------------

/// The same bytes at every run: SHA-256 of a count. Never for a wallet of anyone's.
#[derive(Default)]
struct Known(AtomicU64);

impl Random for Known {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&sha256(&count.to_be_bytes())[..chunk.len()]);
        }
    }
}

/// A second later at every look.
struct Steps(AtomicI64);

impl Clock for Steps {
    fn wall_ns(&self) -> i64 {
        self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

async fn write_if_asked() {
    static WRITTEN: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    if std::env::var_os("WALLETFS_WRITE_GOLDEN").is_some() {
        WRITTEN.get_or_init(write).await;
    }
}

async fn write() {
    let file = vectors().join(GOLDEN).with_extension("sqlite");
    assert!(!file.exists(), "{GOLDEN} is there: give GOLDEN a new name");
    let store = Arc::new(SqliteStore::open(&file, WALLET));
    store.create().await.unwrap();
    let options = Options {
        clock: Arc::new(Steps(AtomicI64::new(NOON))),
        random: Arc::new(Known::default()),
        ..Options::default()
    };
    let secret = |text: &str| SecretBytes::new(text.into());
    let (device, memorable) = (secret(DEVICE_PASSWORD), secret(MEMORABLE));
    let seen = Seen::in_memory();
    let kdf = KdfParams::LEAST;
    let made = Wallet::create(store, seen, &device, &memorable, kdf, options).await;
    let (wallet, _) = made.unwrap();
    fill(&wallet).await;
    let contents = contents(&wallet).await.unwrap();
    assert_eq!(
        told_apart(contents.clone()),
        (expected(), expected_history())
    );
    let removed = removed(&wallet).await.unwrap();
    assert_eq!(values_alone(removed.clone()), expected_removed());
    let head = wallet.head_info();
    let description = json!({
        "about": "A golden wallet: what it must be opened with, and what must be found in it.",
        "device_password": DEVICE_PASSWORD,
        "memorable_password": MEMORABLE,
        "generation": head.generation,
        "created": head.created_ns,
        "committed": head.committed_ns,
        "contents": contents,
        "removed": removed,
        "attributes": attributes(&wallet),
    });
    let text = serde_json::to_string_pretty(&description).unwrap() + "\n";
    std::fs::write(file.with_extension("json"), text).unwrap();
}

/// Contents without history; and of the history, all of it one secret's, the values alone.
fn told_apart(mut contents: Value) -> (Value, Value) {
    let of = &mut contents["energy"]["smart energy"];
    let mut history = of.as_object_mut().unwrap().remove("history").unwrap();
    let values = |past: &mut Value| {
        for past in past.as_array_mut().unwrap() {
            *past = past[2].take();
        }
    };
    values(&mut history["pwd"]);
    values(&mut history["info"]["gone"]);
    (contents, history)
}

/// What the secrets that were removed hold, without any time.
fn values_alone(mut removed: Value) -> Value {
    for of in removed["energy"].as_object_mut().unwrap().values_mut() {
        assert!(of["removed"].take().is_i64());
        let history = of["history"].as_object_mut().unwrap();
        let (infos, others): (Vec<_>, Vec<_>) =
            history.iter_mut().partition(|(name, _)| *name == "info");
        let infos = infos
            .into_iter()
            .flat_map(|(_, infos)| infos.as_object_mut().unwrap().iter_mut());
        for (_, past) in others.into_iter().chain(infos) {
            for past in past.as_array_mut().unwrap() {
                *past = past[2].take();
            }
        }
    }
    removed
}

/// One whose name is free, and one whose name another bears since.
fn expected_removed() -> Value {
    json!({
        "energy": {
            "coal": {
                "info": {},
                "history": {
                    "uid": ["jim"],
                    "pwd": ["p2", "p1"],
                    "info": { "note": [{ "hex": "ff01" }] },
                },
                "removed": null,
            },
            "empty": {
                "info": {},
                "history": { "pwd": ["another"], "info": {} },
                "removed": null,
            },
        },
    })
}

/// What its fields held before, the newest first.
fn expected_history() -> Value {
    json!({
        "pwd": ["an old password", "xy67Gh!8"],
        "info": { "gone": [{ "hex": "ff00" }] },
    })
}

/// What the golden wallet holds in the end, said apart from how it came to be.
fn expected() -> Value {
    let mut all = json!({});
    for (domain, access, fields) in secrets() {
        let of = &mut all[&domain][&access];
        of["info"] = json!({});
        for (field, value) in fields {
            match field {
                Field::Uid => of["uid"] = shown(&value),
                Field::Pwd => of["pwd"] = shown(&value),
                Field::Info(key) => of["info"][&*key] = shown(&value),
            }
        }
    }
    all
}

type Fields = Vec<(Field, Vec<u8>)>;

fn secrets() -> Vec<(String, String, Fields)> {
    let info = |key: &str, value: &[u8]| (Field::Info(key.into()), value.to_vec());
    let long = "é".repeat(127);
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = "walletfs ".repeat(8_000); // 72,000 bytes
    let secret =
        |domain: &str, access: &str, fields: Fields| (domain.into(), access.into(), fields);
    vec![
        secret(
            "energy",
            "smart energy",
            vec![
                (Field::Uid, b"joe@email.com".into()),
                (Field::Pwd, b"xy67Gh!8".into()),
                info("gas account", b"G15003798"),
            ],
        ),
        // Null and empty are two things.
        secret("energy", "nothing", vec![]),
        secret(
            "energy",
            "empty",
            vec![(Field::Pwd, vec![]), info("note", b"")],
        ),
        // Names that cannot be file names as they are, or that look like others.
        secret(".walletfs", "..", vec![(Field::Uid, b"a\nb\n".into())]),
        secret(
            "a/b\0c",
            "%2F",
            vec![
                info("uid", b"not the uid"),
                info("pwd", b"not the pwd"),
                info(".", b"dot"),
                info("%25", b"percent"),
                info("-rf *", b"dash"),
                info(" \t\n", b"blank"),
                info("\u{202e}\u{1f511}", b"right to left"),
            ],
        ),
        secret(&long, &long, vec![info(&long, long.as_bytes())]),
        secret(
            "files",
            "binary",
            vec![
                info("every byte", &every_byte),
                info("text", b"\xef\xbb\xbf"),
            ],
        ),
        secret("files", "large", vec![info("large", large.as_bytes())]),
    ]
}

/// Makes the secrets by way of all kinds of changes, so that revs, versions and generations differ.
async fn fill(wallet: &Arc<Wallet>) {
    let put = |secret, field: &Field, value: &[u8]| FieldEdit {
        secret,
        field: field.clone(),
        expect: Expected::Any,
        change: FieldChange::Put {
            value: Arc::new(SecretBytes::new(value.to_vec())),
            mtime_ns: NOON,
            mode: 0o600,
        },
    };
    let mut ids = Vec::new();
    for (domain, access, fields) in secrets() {
        let id = create(wallet, "made", &format!("{}", ids.len())).await;
        let edits: Vec<_> = fields.iter().map(|(f, v)| put(id, f, v)).collect();
        apply(wallet, Edit::Fields(edits)).await;
        let (domain, access) = (domain.into(), access.into());
        let secret = id;
        let replace = None;
        apply(
            wallet,
            Edit::Move {
                secret,
                domain,
                access,
                replace,
            },
        )
        .await;
        ids.push(id);
    }
    // A value that was another one before; attributes that are not the usual ones.
    let first = ids[0];
    let fields = &secrets()[0].2;
    apply(
        wallet,
        Edit::Fields(vec![put(first, &Field::Pwd, b"an old password")]),
    )
    .await;
    apply(
        wallet,
        Edit::Fields(vec![put(first, &Field::Pwd, &fields[1].1)]),
    )
    .await;
    let change = FieldChange::Attributes {
        mtime_ns: Some(-1),
        mode: Some(0o400),
    };
    let edit = FieldEdit {
        change,
        ..put(first, &Field::Uid, b"")
    };
    apply(wallet, Edit::Fields(vec![edit])).await;
    // A field that is there no more.
    let gone = Field::Info("gone".into());
    apply(wallet, Edit::Fields(vec![put(first, &gone, b"\xff\x00")])).await;
    let edit = FieldEdit {
        change: FieldChange::Remove,
        ..put(first, &gone, b"")
    };
    apply(wallet, Edit::Fields(vec![edit])).await;
    // Secrets that were removed and are kept; the second had a name that another bears.
    let bear = |id, domain: &str, access: &str| Edit::Move {
        secret: id,
        domain: domain.into(),
        access: access.into(),
        replace: None,
    };
    let empty = ids[2];
    apply(wallet, bear(empty, "energy", "for a while")).await;
    let note = Field::Info("note".into());
    for (access, values) in [
        (
            "coal",
            vec![
                (&Field::Uid, &b"jim"[..]),
                (&Field::Pwd, b"p1"),
                (&Field::Pwd, b"p2"),
                (&note, b"\xff\x01"),
            ],
        ),
        ("empty", vec![(&Field::Pwd, b"another")]),
    ] {
        let id = create(wallet, "energy", access).await;
        let mut fields = std::collections::BTreeSet::new();
        for (field, value) in values {
            apply(wallet, Edit::Fields(vec![put(id, field, value)])).await;
            fields.insert(field.clone());
        }
        for field in fields {
            let edit = FieldEdit {
                change: FieldChange::Remove,
                ..put(id, &field, b"")
            };
            apply(wallet, Edit::Fields(vec![edit])).await;
        }
        apply(wallet, Edit::Remove { secret: id }).await;
    }
    apply(wallet, bear(empty, "energy", "empty")).await;
    // Items that are there no more.
    let gone = create(wallet, "gone", "gone").await;
    apply(wallet, Edit::Remove { secret: gone }).await;
}

async fn create(wallet: &Arc<Wallet>, domain: &str, access: &str) -> Id {
    let (domain, access) = (domain.into(), access.into());
    let edit = Edit::Create { domain, access };
    wallet.apply(edit).await.unwrap().created.unwrap()
}

async fn apply(wallet: &Arc<Wallet>, edit: Edit) {
    wallet.apply(edit).await.unwrap();
}
