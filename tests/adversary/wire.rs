//! A proxy before a DynamoDB table that lies as [`Lie`] says, in DynamoDB's own terms.

use crate::lies::Lie;
use crate::scene::Items;
use crate::support::http_count::{Answer, Fate, HttpCount, Request};
use aws_smithy_types::base64;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use walletfs::store::{Cursor, Id, Item, Page};

/// A proxy that is honest until `lies` is set.
pub(crate) async fn before(
    url: &str,
    wallet: &str,
    now: Items,
    lie: Lie,
    lies: Arc<AtomicBool>,
) -> HttpCount {
    let proxy = HttpCount::before(url).await;
    let wallet = wallet.to_owned();
    proxy.plan(move |request| match lies.load(Ordering::SeqCst) {
        true => fate(request, &wallet, &now, &lie),
        false => Fate::Forward,
    });
    proxy
}

fn fate(request: &Request, wallet: &str, now: &Items, lie: &Lie) -> Fate {
    match (request.operation.as_str(), lie) {
        ("Query", Lie::Pages(lie)) => {
            let (items, next) = (now.values().cloned().collect(), None);
            answer(wallet, lie(Page { items, next }))
        }
        ("Query", Lie::MadeUp(lie)) => {
            let after = request.json()["ExclusiveStartKey"]["id"]["S"].clone();
            let after = after.as_str().and_then(Id::parse);
            answer(wallet, lie(after.map(Cursor)))
        }
        ("GetItem", Lie::Gets(lie)) => {
            let id = request.json()["Key"]["id"]["S"].clone();
            let id = id.as_str().and_then(Id::parse).expect("an id");
            match lie(id, None) {
                Some(mut item) => {
                    // The service cannot answer with another key than the one asked for.
                    item.id = id;
                    let item = attributes(wallet, &item);
                    Fate::Answer(Answer::json(&json!({ "Item": item })))
                }
                None => Fate::Forward,
            }
        }
        ("TransactWriteItems", Lie::Commits(keep)) => {
            let mut body = request.json();
            let changes = body["TransactItems"].as_array_mut().expect("changes");
            changes.retain(|change| {
                let id = change.pointer("/Put/Item/id/S").and_then(Value::as_str);
                id.and_then(Id::parse).is_some_and(keep)
            });
            match changes.is_empty() {
                true => Fate::Answer(Answer::json(&json!({}))),
                false => Fate::Rewrite(body.to_string().into_bytes()),
            }
        }
        ("TransactWriteItems", Lie::Refuses) => {
            let changes = request.json()["TransactItems"]
                .as_array()
                .map_or(0, Vec::len);
            let mut reasons = vec![json!({ "Code": "None" }); changes];
            reasons[changes - 1] = json!({
                "Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed",
                "Item": attributes(wallet, &now[&Id::Head]),
            });
            let mut refusal = Answer::error("TransactionCanceledException", "cancelled");
            let mut body: Value = serde_json::from_str(&refusal.body).expect("it is JSON");
            body["CancellationReasons"] = json!(reasons);
            refusal.body = body.to_string();
            Fate::Answer(refusal)
        }
        _ => Fate::Forward,
    }
}

fn answer(wallet: &str, page: Page) -> Fate {
    let items: Vec<Value> = page.items.iter().map(|i| attributes(wallet, i)).collect();
    let mut body = json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items });
    if let Some(Cursor(id)) = page.next {
        body["LastEvaluatedKey"] = json!({
            "wallet": { "S": wallet },
            "id": { "S": id.text().to_string() },
        });
    }
    Fate::Answer(Answer::json(&body))
}

fn attributes(wallet: &str, item: &Item) -> Value {
    json!({
        "wallet": { "S": wallet },
        "id": { "S": item.id.text().to_string() },
        "version": { "N": item.version.to_string() },
        "meta": { "B": base64::encode(&item.meta) },
        "data": { "B": base64::encode(&item.data) },
    })
}
