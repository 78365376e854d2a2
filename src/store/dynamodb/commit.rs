//! A commit: one transaction, repeated with the same token and the same bytes until its outcome is
//! known.
//!
//! The token makes the service answer a repetition as it answered the first time. When no answer
//! comes at all, the truth is read: the bytes of a sealed item are random, so if the very bytes of
//! one put are in the store, the whole transaction happened. The same holds for a refusal that
//! follows an unknown outcome and names our own bytes as the winner: an engine that forgot the
//! token, not another device.

use super::fault::{Fault, Retry, classify, contended, quoted};
use super::{DynamoStore, item, retry};
use crate::store::{Change, Commit, Expect, Id, Item, Refusal, StoreError};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use std::time::Duration;
use tokio::time::Instant;

/// Makes all changes or none.
pub(super) async fn commit(store: &DynamoStore, changes: &[Change]) -> Result<Commit, Fault> {
    if changes.is_empty() {
        return Ok(Commit::Done);
    }
    let deadline = store.deadline();
    let until = deadline - truth_share(store.tuning.timeouts.operation);
    let items = transaction(&store.options.table, &store.options.wallet, changes)?;
    let token = token()?;
    let sent = retry::write(until, || async {
        attempt(store, &store.client().await?, &items, &token).await
    })
    .await;
    match sent {
        Ok((Commit::Refused(refusals), true)) if lost_to_itself(changes, &refusals) => {
            Ok(Commit::Done)
        }
        Ok((commit, _)) => Ok(commit),
        Err(fault) if fault.unknown && happened(store, changes, deadline).await => Ok(Commit::Done),
        Err(fault) => Err(fault),
    }
}

/// The part of a commit's time that is kept for reading the truth.
fn truth_share(operation: Duration) -> Duration {
    operation / 5
}

/// A fresh idempotency token: 32 hex digits of the 36 characters that are allowed.
fn token() -> Result<String, Fault> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| {
        let error = StoreError::Failed("the system gives no random numbers".into());
        Fault::known(error, Retry::Never)
    })?;
    Ok(Id::Secret(random).text().to_string())
}

async fn attempt(
    store: &DynamoStore,
    client: &Client,
    items: &[TransactWriteItem],
    token: &str,
) -> Result<Commit, Fault> {
    let sent = client
        .transact_write_items()
        .client_request_token(token)
        .set_transact_items(Some(items.to_vec()))
        .send()
        .await;
    let error = match sent {
        Ok(_) => return Ok(Commit::Done),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => refusals(
            &store.options.wallet,
            cancelled.cancellation_reasons().to_vec(),
        ),
        _ => Err(classify(&error, &store.options.table)),
    }
}

/// What a cancelled transaction means: only a failed condition is a refusal.
fn refusals(wallet: &str, reasons: Vec<CancellationReason>) -> Result<Commit, Fault> {
    let mut refusals = Vec::new();
    let mut fault = None;
    for (change, reason) in reasons.into_iter().enumerate() {
        match reason.code.as_deref() {
            None | Some("None") => {}
            Some("ConditionalCheckFailed") => refusals.push(Refusal {
                change,
                winner: match reason.item {
                    Some(found) if !found.is_empty() => Some(item::read(wallet, found)?),
                    _ => None,
                },
            }),
            Some("TransactionConflict") => {
                fault.get_or_insert_with(|| Fault::known(contended(), Retry::ToTheEnd));
            }
            Some("ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded") => {
                fault.get_or_insert_with(|| {
                    let error =
                        StoreError::Busy("it asks for fewer writes; try again in a while".into());
                    Fault::known(error, Retry::ToTheEnd)
                });
            }
            // Worse than the others: repeating does not help.
            Some(code) => {
                let message = reason.message.as_deref().unwrap_or_default();
                let error = StoreError::Failed(quoted(code, message));
                fault = Some(Fault::known(error, Retry::Never));
            }
        }
    }
    match fault {
        _ if !refusals.is_empty() => Ok(Commit::Refused(refusals)),
        Some(fault) => Err(fault),
        None => Err(Fault::known(
            StoreError::Failed(
                "DynamoDB cancelled a transaction and gave no reason; try again".into(),
            ),
            Retry::Never,
        )),
    }
}

/// Whether the changes were refused because they had been made already.
fn lost_to_itself(changes: &[Change], refusals: &[Refusal]) -> bool {
    refusals.iter().any(|refusal| {
        let ours = match changes.get(refusal.change) {
            Some(Change::Put { item, .. }) => Some(item),
            _ => None,
        };
        ours.is_some() && refusal.winner.as_ref() == ours
    })
}

/// Reads whether the changes were made. A put whose very bytes are there proves that they were;
/// one that finds what it expected proves that they were not; one that another device has
/// overwritten since proves nothing, and the next is asked. The head, in every commit of a wallet,
/// is asked first. A store that stays away proves nothing either.
async fn happened(store: &DynamoStore, changes: &[Change], deadline: Instant) -> bool {
    let mut puts: Vec<(&Item, Expect)> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Put { item, expect } => Some((item, *expect)),
            Change::Delete { .. } => None,
        })
        .collect();
    puts.sort_by_key(|(item, _)| item.id != Id::Head);
    for (ours, expect) in puts {
        let read = retry::read(deadline, || async {
            store.get_item(&store.client().await?, ours.id).await
        });
        let Ok(found) = read.await else {
            return false;
        };
        if found.as_ref() == Some(ours) {
            return true;
        }
        let untouched = match expect {
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found.is_some_and(|item| item.version == version),
        };
        if untouched {
            return false;
        }
    }
    false
}

/// The changes in the service's terms.
fn transaction(
    table: &str,
    wallet: &str,
    changes: &[Change],
) -> Result<Vec<TransactWriteItem>, Fault> {
    let write = |change: &Change| match change {
        Change::Put { item, expect } => put(table, wallet, item, *expect)
            .map(|put| TransactWriteItem::builder().put(put).build()),
        Change::Delete { id, expect } => delete(table, wallet, *id, *expect)
            .map(|delete| TransactWriteItem::builder().delete(delete).build()),
    };
    let items: Result<_, BuildError> = changes.iter().map(write).collect();
    items.map_err(|_| {
        let error = StoreError::Failed(
            "the AWS SDK refuses the request: a fault of walletfs, to be reported".into(),
        );
        Fault::known(error, Retry::Never)
    })
}

fn put(table: &str, wallet: &str, item: &Item, expect: Expect) -> Result<Put, BuildError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item::write(wallet, item)))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match expect {
        Expect::Absent => put
            .condition_expression("attribute_not_exists(#i)")
            .expression_attribute_names("#i", item::ID),
        Expect::Version(version) => put
            .condition_expression("#v = :v")
            .expression_attribute_names("#v", item::VERSION)
            .expression_attribute_values(":v", item::number(version)),
    }
    .build()
}

fn delete(table: &str, wallet: &str, id: Id, expect: u64) -> Result<Delete, BuildError> {
    Delete::builder()
        .table_name(table)
        .set_key(Some(item::key(wallet, id)))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .condition_expression("#v = :v")
        .expression_attribute_names("#v", item::VERSION)
        .expression_attribute_values(":v", item::number(expect))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Bytes;

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    fn item(version: u64) -> Item {
        Item {
            id: Id::Head,
            version,
            meta: Bytes::from_static(b"m"),
            data: Bytes::from_static(b"d"),
        }
    }

    fn outcome(codes: &[&str]) -> Result<Commit, (StoreError, Retry)> {
        refusals("w", codes.iter().map(|code| reason(code)).collect())
            .map_err(|fault| (fault.error, fault.retry))
    }

    #[test]
    fn only_a_failed_condition_is_a_refusal() {
        let refused = |change| {
            Commit::Refused(vec![Refusal {
                change,
                winner: None,
            }])
        };
        assert_eq!(outcome(&["None", "ConditionalCheckFailed"]), Ok(refused(1)));
        assert_eq!(
            outcome(&["TransactionConflict", "ConditionalCheckFailed"]),
            Ok(refused(1))
        );
        for patience in ["TransactionConflict", "ThrottlingError"] {
            assert!(matches!(
                outcome(&["None", patience]),
                Err((StoreError::Busy(_), Retry::ToTheEnd))
            ));
        }
        for hopeless in [
            &["ValidationError"][..],
            &["TransactionConflict", "ItemCollectionSizeLimitExceeded"],
            &["None"],
            &[],
        ] {
            assert!(matches!(
                outcome(hopeless),
                Err((StoreError::Failed(_), Retry::Never))
            ));
        }
    }

    #[test]
    fn a_refusal_carries_the_winner() {
        let reason = CancellationReason::builder()
            .code("ConditionalCheckFailed")
            .set_item(Some(item::write("w", &item(7))))
            .build();
        let refusals = refusals("w", vec![reason]).map_err(|fault| fault.error);
        let winner = Some(item(7));
        assert_eq!(
            refusals,
            Ok(Commit::Refused(vec![Refusal { change: 0, winner }]))
        );
    }

    #[test]
    fn a_commit_that_lost_to_itself_is_known_by_its_bytes() {
        let changes = [
            Change::Delete {
                id: Id::Secret([1; 16]),
                expect: 1,
            },
            Change::Put {
                item: item(2),
                expect: Expect::Version(1),
            },
        ];
        let refused = |winner| {
            let gone = Refusal {
                change: 0,
                winner: None,
            };
            [gone, Refusal { change: 1, winner }]
        };
        assert!(lost_to_itself(&changes, &refused(Some(item(2)))));
        let mut other = item(2);
        other.data = Bytes::from_static(b"x");
        assert!(!lost_to_itself(&changes, &refused(Some(other))));
        assert!(!lost_to_itself(&changes, &refused(None)));
    }

    #[test]
    fn tokens_differ_and_fit() {
        let tokens = [token().ok(), token().ok()].map(Option::unwrap);
        assert_ne!(tokens[0], tokens[1]);
        assert!(tokens.iter().all(|token| token.len() <= 36));
    }
}
