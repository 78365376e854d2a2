//! DynamoDB's units and list prices, as its documentation states them, and what a month of a
//! person's use comes to.

use crate::Trouble;
use crate::outcome::{Counted, Outcome, Unit};
use crate::support::http_count::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// List prices of us-east-1, on demand, table class Standard, in US dollars, since 1 November 2024:
/// a million read request units, a million write request units, a GB of items for a month, a GB of
/// point-in-time recovery for a month. The first 25 GB of items are free, which is not counted on.
pub(crate) const READ: f64 = 0.125;
pub(crate) const WRITE: f64 = 0.625;
pub(crate) const STORAGE: f64 = 0.25;
pub(crate) const RECOVERY: f64 = 0.20;

/// A unit's bytes: "Read and write operations" of the DynamoDB Developer Guide. A transaction
/// writes each item twice, so to speak.
const READ_UNIT: u64 = 4096;
const WRITE_UNIT: u64 = 1024;
const TRANSACTION: u64 = 2;

/// What an action has asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cost {
    pub(crate) requests: BTreeMap<String, u64>,
    /// Bodies of requests and answers; heads of HTTP come on top, some 1 kB for both.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) read_units: u64,
    pub(crate) write_units: u64,
}

impl Cost {
    /// Adds a request and its answer.
    pub(crate) fn add(&mut self, request: &Request, answer: &[u8]) {
        *self.requests.entry(request.operation.clone()).or_default() += 1;
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
        let body = head.map_or(&[][..], |end| &answer[end + 4..]);
        self.sent += request.body.len() as u64;
        self.received += body.len() as u64;
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        // Every read is strongly consistent: a unit for each 4 KiB that is begun.
        match &*request.operation {
            "GetItem" => self.read_units += size(&told["Item"]).div_ceil(READ_UNIT).max(1),
            "Query" => {
                let all: u64 = told["Items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(size)
                    .sum();
                self.read_units += all.div_ceil(READ_UNIT).max(1);
            }
            "TransactWriteItems" => {
                for item in asked["TransactItems"].as_array().into_iter().flatten() {
                    let put = size(&item["Put"]["Item"]);
                    self.write_units += put.div_ceil(WRITE_UNIT).max(1) * TRANSACTION;
                }
            }
            _ => {}
        }
    }

    /// US dollars.
    pub(crate) fn price(&self) -> f64 {
        (self.read_units as f64 * READ + self.write_units as f64 * WRITE) / 1e6
    }
}

/// Bytes that an item counts: names and values of its attributes ("Item sizes and formats" of the
/// DynamoDB Developer Guide). A number takes about a byte for two digits, and one more.
fn size(item: &Value) -> u64 {
    let attribute = |(name, value): (&String, &Value)| {
        let text = |kind: &str| value[kind].as_str();
        let bytes = match (text("S"), text("N"), text("B")) {
            (Some(text), ..) => text.len(),
            (_, Some(digits), _) => digits.len().div_ceil(2) + 1,
            (.., Some(coded)) => STANDARD.decode(coded).map_or(0, |bytes| bytes.len()),
            _ => 0,
        };
        (name.len() + bytes) as u64
    };
    item.as_object().into_iter().flatten().map(attribute).sum()
}

/// What a person does in a day, and how often. Changes come by themselves, so each looks at the
/// store first.
const DAY: [(&str, f64); 7] = [
    ("mount", 4.0),
    ("read, later", 40.0),
    ("listing of a domain, later", 20.0),
    ("write and close", 2.0),
    ("new file in a secret", 1.0),
    ("new secret", 0.5),
    ("read after a change by another device", 1.0),
];

const DAYS: f64 = 30.0;

/// The table of counts, and the price of a month.
pub(crate) fn outcome(costs: Vec<(&'static str, Cost)>) -> Result<Outcome, Trouble> {
    let what =
        "requests of each action on DynamoDB, a wallet of 1,000 secrets, units and list price";
    let mut outcome = Outcome::new("requests", what, Unit::Seconds, Vec::new());
    let mut month = 0.0;
    let mut day = Vec::new();
    for (action, times) in DAY {
        let cost = costs.iter().find(|(of, _)| *of == action);
        let (_, cost) = cost.ok_or_else(|| format!("{action} was not counted"))?;
        month += cost.price() * times * DAYS;
        day.push(format!("{times} x {action}"));
    }
    // What listing the wallet brings is what it holds.
    let mount = costs.iter().find(|(of, _)| *of == "mount");
    let held = mount.map_or(0, |(_, cost)| cost.read_units * READ_UNIT) as f64;
    let kept = held / 1e9 * (STORAGE + RECOVERY);
    outcome.note(format!(
        "List prices of us-east-1, on demand, since 1 November 2024: ${READ} for a million read units \
         (4 KiB, strongly consistent), ${WRITE} for a million write units (1 KiB, two in a \
         transaction), ${STORAGE} for a GB-month of items, ${RECOVERY} for a GB-month of \
         point-in-time recovery."
    ));
    outcome.note(format!(
        "A day of a person's use: {}. A month is {DAYS} such days, each action's units times its price, \
         and {:.2} MB kept.",
        day.join(", "),
        held / 1e6
    ));
    outcome.note(format!(
        "A month comes to ${month:.4} for requests and ${kept:.4} for storage: ${:.4}.",
        month + kept
    ));
    outcome.counts = costs
        .into_iter()
        .map(|(action, cost)| Counted {
            action: action.into(),
            cost,
        })
        .collect();
    Ok(outcome)
}
