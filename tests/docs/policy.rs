//! The IAM policy of the README is the least that the program needs: a service that enforces it
//! refuses nothing, and every action of it is asked for, but the one that the README excepts.

use crate::pages::Page;
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Answer, Fate, HttpCount, Request};
use crate::support::items::{create, delete, id, item, replace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use walletfs::crypto::{
    HeadMeta, KdfParams, Keyring, OsRandom, SecretBytes, Way, derive_device_key,
};
use walletfs::store::{Commit, DynamoOptions, Id, Item, Store, StoreError};
use walletfs::wallet::backup::{self, Sealed, Shelf, State};

/// Completes the set of what `TransactWriteItems` may hold; the README says that it is not used.
const EXCEPTED: &str = "dynamodb:ConditionCheckItem";

/// What one request needs to be allowed: an action, and the hash keys of the items that it concerns.
type Need = (String, Vec<String>);

fn policy() -> Value {
    let readme = Page::readme();
    let [block] = &readme.blocks("json")[..] else {
        panic!("the README has one block of JSON, the policy");
    };
    serde_json::from_str(&block.concat()).expect("the policy is JSON")
}

fn strings(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().expect("a list");
    let texts = list.iter().map(|text| text.as_str().expect("a text"));
    texts.map(str::to_owned).collect()
}

/// What IAM asks for a request ("Using IAM with DynamoDB transactions", DynamoDB's developer
/// guide): of a transaction, the actions of what is in it.
fn needs(request: &Request) -> Vec<Need> {
    let body = request.json();
    let need = |operation: &str, key: Option<&Value>| {
        let keys = key.map(|key| key["S"].as_str().expect("a text").to_owned());
        (
            format!("dynamodb:{operation}"),
            keys.into_iter().collect::<Vec<_>>(),
        )
    };
    match request.operation.as_str() {
        "GetItem" => vec![need("GetItem", Some(&body["Key"]["wallet"]))],
        "Query" => vec![need(
            "Query",
            Some(&body["ExpressionAttributeValues"][":w"]),
        )],
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().expect("a list");
            let parts = items.iter().flat_map(|item| {
                item.as_object()
                    .expect("an object")
                    .iter()
                    .map(|(part, what)| match part.as_str() {
                        "Put" => need("PutItem", Some(&what["Item"]["wallet"])),
                        "Delete" => need("DeleteItem", Some(&what["Key"]["wallet"])),
                        "ConditionCheck" => {
                            need("ConditionCheckItem", Some(&what["Key"]["wallet"]))
                        }
                        _ => panic!("{part} needs an action that this test does not know"),
                    })
            });
            parts.collect()
        }
        other => vec![need(other, None)],
    }
}

/// Whether a key is like one of the patterns, of which `*` at the end is the only sign that is used.
fn is_like(patterns: &Value, key: &str) -> bool {
    strings(patterns)
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => key.starts_with(start),
            None => key == pattern,
        })
}

/// Whether a statement allows it. What concerns no item has no leading keys, and a condition on
/// them would hold of it (`ForAllValues` of none): so it counts as allowed without a condition only.
fn allows(statement: &Value, (action, keys): &Need) -> bool {
    let condition = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    let confined = match condition {
        Value::Null => keys.is_empty(),
        names => !keys.is_empty() && keys.iter().all(|key| is_like(names, key)),
    };
    statement["Effect"] == "Allow" && strings(&statement["Action"]).contains(action) && confined
}

/// There is one source of it: `init --print-iam-policy`.
#[test]
fn the_policy_is_what_the_program_prints() {
    let mut program = assert_cmd::Command::cargo_bin("walletfs").expect("it is built");
    let empty = tempfile::tempdir().expect("a directory");
    program.env("WALLETFS_CONFIG_DIR", empty.path());
    program.args(["init", "--print-iam-policy", "--region", "eu-central-1"]);
    let printed = program.assert().success().get_output().stdout.clone();
    let printed = String::from_utf8(printed).expect("it is text");
    let readme = Page::readme();
    let [block] = &readme.blocks("json")[..] else {
        panic!("the README has one block of JSON, the policy");
    };
    let shown: Vec<_> = block.iter().map(|line| line.strip_prefix("   ")).collect();
    let printed: Vec<_> = printed.lines().map(Some).collect();
    assert_eq!(shown, printed);
}

#[tokio::test]
async fn the_policy_is_the_least_that_is_needed() {
    let policy = policy();
    assert_eq!(policy["Version"], "2012-10-17");
    let [table, wallet] = policy["Statement"].as_array().expect("a list").as_slice() else {
        panic!("one statement for the table, one for the wallet");
    };
    for statement in [table, wallet] {
        let resource = statement["Resource"].as_str().expect("one resource");
        assert!(resource.starts_with("arn:aws:dynamodb:"), "{resource}");
        assert!(resource.ends_with(":table/walletfs"), "{resource}");
    }

    let engine = Engine::start();
    let proxy = HttpCount::before(engine.url()).await;
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let enforce = |statements: Vec<Value>| {
        let used = Arc::clone(&used);
        proxy.plan(move |request| {
            for need in needs(request) {
                if !statements.iter().any(|statement| allows(statement, &need)) {
                    return Fate::Answer(Answer::error("AccessDeniedException", &need.0));
                }
                used.lock().unwrap().insert(need.0);
            }
            Fate::Forward
        });
    };
    let store = engine
        .connect(DynamoOptions {
            endpoint_url: Some(proxy.url().into()),
            ..engine.options("default")
        })
        .await;

    enforce(vec![table.clone()]);
    store.create().await.expect("the table is made");
    let asked = std::mem::take(&mut *used.lock().unwrap());
    assert_eq!(asked, strings(&table["Action"]));

    // Once the table is there, the second statement is enough.
    enforce(vec![wallet.clone()]);
    let (head, secret) = (item(Id::Head, 1), item(id(1), 1));
    let made = store.commit(vec![create(&head), create(&secret)]).await;
    assert_eq!(made, Ok(Commit::Done));
    store.get(Id::Head).await.expect("an answer");
    store.list(None).await.expect("a page");
    let changes = vec![replace(&item(Id::Head, 2), 1), delete(id(1), 1)];
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
    let mut asked = std::mem::take(&mut *used.lock().unwrap());
    assert!(asked.insert(EXCEPTED.into()), "it is used after all");
    assert_eq!(asked, strings(&wallet["Action"]));

    // It allows the wallet's backups and their index, made, read and removed.
    let store: Arc<dyn Store> = Arc::new(store);
    let shelf = Shelf::beside(&store);
    let backup = Sealed::new(vec![backed_up()]).expect("a head alone");
    let made = shelf.put(&backup, 0, State::Whole, &backup::quietly).await;
    made.expect("it is made");
    let entry = shelf.list().await.expect("a list").remove(0);
    shelf.get(entry.stamp).await.expect("it is there");
    let removed = shelf.remove(&entry, &backup::quietly).await;
    removed.expect("it is removed");

    // And it allows nothing of another wallet.
    for other in ["other", "default2", "default.", "other.backup-index"] {
        let refused = store.sibling(other).get(Id::Head).await;
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{other}");
    }
}

/// A head whose public part is one: all that a backup is asked for before it is opened.
fn backed_up() -> Item {
    let password = SecretBytes::new(b"any".to_vec());
    let (random, kdf) = (&OsRandom, KdfParams::LEAST);
    let key = derive_device_key(&password, &[0; 16], kdf).expect("it is within bounds");
    let way = Way::by_passwords(&key, &password, kdf, random).expect("it is within bounds");
    let meta = HeadMeta {
        wallet_id: [0; 16],
        device_salt: [0; 16],
        kdf,
        slots: vec![way.wrap(&Keyring::new(random), &[0; 16], random)],
        trash: false,
        unknown: Default::default(),
    };
    Item {
        meta: meta.encode(),
        ..item(Id::Head, 1)
    }
}
