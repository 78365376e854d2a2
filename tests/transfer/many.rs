//! Large imports: few commits, within the store's limits, and all of it verified.

use std::ops::ControlFlow;
use std::sync::Arc;
use walletfs::crypto::{KdfParams, SecretBytes};
use walletfs::store::{Bytes, Counting, Id, Item, MemoryStore, SqliteStore, Store};
use walletfs::wallet::import::naming::{Named, judge};
use walletfs::wallet::import::{Source, csv, puts};
use walletfs::wallet::{Options, Seen, There, Wallet, WalletError};

async fn wallet(store: Arc<dyn Store>) -> (Arc<Wallet>, Arc<Counting>) {
    store.create().await.unwrap();
    let calls = Arc::new(Counting::new(store));
    let secret = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
    let (device, memorable) = (secret("Device 22!"), secret("Memorable 1!"));
    let made = Wallet::create(
        calls.clone(),
        Seen::in_memory(),
        &device,
        &memorable,
        KdfParams::LEAST,
        Options::default(),
    );
    let (wallet, _) = made.await.unwrap();
    calls.take();
    (wallet, calls)
}

/// Secrets whose passwords have so many bytes.
fn secrets(count: usize, bytes: usize) -> Vec<Named> {
    let mut table = String::from("domain,access,uid,pwd,note\n");
    for n in 0..count {
        let (domain, pwd) = (n % 500, "p".repeat(bytes));
        table += &format!("site{domain}.example,user{n},u{n},{pwd}{n},a note\n");
    }
    let source: Source = csv::read(table.as_bytes(), csv::Dialect::Generic).unwrap();
    judge(source, "csv").secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_secrets_are_at_most_110_commits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wallet.sqlite");
    let (wallet, calls) = wallet(Arc::new(SqliteStore::open(file, "w"))).await;
    let named = secrets(10_000, 12);
    let puts = puts(&named, There::Kept, 0);
    let first = wallet.head_info().generation;
    let mut told = Vec::new();
    let step = |done| {
        told.push(done);
        ControlFlow::Continue(())
    };
    wallet.import(&puts, step).await.unwrap();
    let made = calls.take();
    assert_eq!(made.commits, 10_000_usize.div_ceil(99));
    assert!(made.commits <= 110);
    assert_eq!(wallet.head_info().generation - first, made.commits as u64);
    assert_eq!((made.gets, made.lists), (0, 0));
    assert_eq!(told.len(), made.commits);
    assert_eq!(told.last(), Some(&10_000));
    // Read back page by page: nothing by itself.
    assert_eq!(wallet.read_back(&puts).await.unwrap(), [0; 0]);
    let read = calls.take();
    assert_eq!((read.gets, read.commits), (0, 0));
    assert!(read.lists < 30, "{read:?}");
    assert_eq!(wallet.view().len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_stay_within_the_bytes_that_a_store_takes() {
    let (wallet, calls) = wallet(Arc::new(MemoryStore::new())).await;
    let mut named = secrets(25, 300_000);
    named.extend(secrets(150, 10));
    // Names of the second part that are in the first.
    named.dedup_by(|a, b| a.access == b.access);
    let mut seen = std::collections::BTreeSet::new();
    named.retain(|named| seen.insert((named.domain.clone(), named.access.clone())));
    let puts = puts(&named, There::Kept, 0);
    wallet
        .import(&puts, |_| ControlFlow::Continue(()))
        .await
        .unwrap();
    // Some 13 of the large ones make 4 MB; the store refuses what is over its limits.
    let commits = calls.take().commits;
    assert!((3..=9).contains(&commits), "{commits}");
    assert_eq!(wallet.read_back(&puts).await.unwrap(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_stopped_says_how_far_it_came() {
    let (wallet, calls) = wallet(Arc::new(MemoryStore::new())).await;
    let named = secrets(300, 10);
    let puts = puts(&named, There::Kept, 0);
    let stopped = wallet.import(&puts, |_| ControlFlow::Break(())).await;
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.done, stopped.why.is_none()), (99, true));
    assert_eq!(calls.take().commits, 1);
    assert_eq!(wallet.view().len(), 99);
}

/// An item of the store, changed behind the wallet's back, is found by reading back.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_does_not_hold_is_found_by_reading_back() {
    let store = Arc::new(MemoryStore::new());
    let (wallet, _) = wallet(store.clone()).await;
    let puts = puts(&secrets(3, 10), There::Kept, 0);
    wallet
        .import(&puts, |_| ControlFlow::Continue(()))
        .await
        .unwrap();
    let id = |at: usize| {
        let view = wallet.view();
        view.find(&puts[at].domain, &puts[at].access).unwrap()
    };
    let change = |id: Id, with: &dyn Fn(&mut Item)| {
        let mut items = store.items();
        let before = items[&id].clone();
        with(items.get_mut(&id).unwrap());
        before
    };
    // Other values, under the same meta.
    let other = store.items()[&id(1)].data.clone();
    let flips: [&dyn Fn(&mut Item); 3] = [
        &|item| item.data = other.clone(),
        &|item| item.data = Bytes::new(),
        &|item| item.meta = other.clone(),
    ];
    for flip in flips {
        let before = change(id(0), flip);
        let found = wallet.read_back(&puts).await;
        assert!(matches!(found, Err(WalletError::Damaged(at)) if at == id(0)));
        store.items().insert(id(0), before);
    }
    assert_eq!(wallet.read_back(&puts).await.unwrap(), [0; 0]);
    // Gone, or of a later commit: another device's doing.
    let gone = store.items().remove(&id(2)).unwrap();
    assert_eq!(wallet.read_back(&puts).await.unwrap(), [2]);
    store.items().insert(id(2), gone);
    change(id(2), &|item| item.version += 1);
    assert_eq!(wallet.read_back(&puts).await.unwrap(), [2]);
}
