//! A rekey and a check of a large wallet: the requests that they make.

use crate::support::*;
use std::sync::Arc;
use walletfs::wallet::{Options, Seen, Wallet};

#[tokio::test]
async fn ten_thousand_secrets_are_a_bounded_number_of_requests() {
    let (memory, calls) = counted();
    let (_, key) = create(memory.clone()).await;
    fill(&memory, &key, 10_000);
    let seen = Seen::in_memory();
    calls.take();
    let found = Wallet::inspect(calls.clone(), seen, &key, &memorable(), Options::default()).await;
    let (_, findings) = found.unwrap();
    assert_eq!((findings.good, findings.faults.len()), (10_000, 0));
    let tally = calls.take();
    assert_eq!((tally.gets, tally.lists, tally.commits), (2, PAGES, 0));

    let wallet = unlock(calls.clone(), Seen::in_memory(), &key)
        .await
        .unwrap();
    calls.take();
    wallet.rekey(None, |_| {}).await.unwrap();
    let tally = calls.take();
    // The key appended and dropped, and the secrets, 99 a commit.
    assert_eq!(tally.commits, 2 + 10_000_usize.div_ceil(99));
    // A load and a count under the new key, the walk, the last load.
    assert_eq!((tally.gets, tally.lists), (2, 4 * PAGES));
    let again = unlock(Arc::clone(&calls) as _, Seen::in_memory(), &key)
        .await
        .unwrap();
    assert_eq!(again.view().len(), 10_000);
}
