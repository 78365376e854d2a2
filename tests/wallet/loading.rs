//! Loading a wallet of several pages: the next page comes while one is opened, and whoever waits is
//! told how far it is.

use crate::support::*;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::*;

/// Several hundred secrets on each page: more than one thread opens them.
const SECRETS: usize = 990;
const PAGE_BYTES: usize = 200 << 10;

async fn scene() -> (Arc<MemoryStore>, Device, DeviceKey) {
    let memory = Arc::new(MemoryStore::with_page_bytes(PAGE_BYTES));
    let (maker, key) = first(&memory).await;
    let puts: Vec<_> = (0..SECRETS)
        .map(|n| SecretPut {
            domain: format!("d{}", n % 7).as_str().into(),
            access: format!("s{n:03}").as_str().into(),
            there: There::Kept,
            fields: [(
                Field::Pwd,
                FieldPut {
                    value: Arc::new(secret(&format!("value {n}"))),
                    mtime_ns: 5,
                    mode: 0o600,
                },
            )]
            .into(),
        })
        .collect();
    let put = maker
        .wallet
        .import(&puts, |_| ControlFlow::Continue(()))
        .await;
    put.unwrap();
    maker.calls.take();
    (memory, maker, key)
}

/// As [`try_another`], with the calls at hand before the wallet is.
async fn unlock(
    calls: &Arc<Counting>,
    key: &DeviceKey,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Arc<Wallet> {
    let o = Options {
        progress: Arc::new(progress),
        ..options()
    };
    Wallet::unlock(calls.clone(), Seen::in_memory(), key, &memorable(), o)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_how_far_it_is() {
    let (memory, maker, key) = scene().await;
    let calls = Arc::new(Counting::new(memory.clone()));
    let told = Arc::new(Mutex::new(Vec::new()));
    let wallet = unlock(&calls, &key, {
        let told = told.clone();
        move |done, all| told.lock().unwrap().push((done, all))
    })
    .await;
    let pages = calls.tally().lists;
    assert!(pages >= 3, "{pages}");
    let told = told.lock().unwrap();
    assert_eq!(told.len(), pages);
    assert!(told.is_sorted());
    assert!(told.iter().all(|(_, all)| *all == SECRETS as u64));
    assert_eq!(told.last().unwrap().0, SECRETS as u64);
    let loaded = Device {
        wallet,
        calls,
        seen: Seen::in_memory(),
    };
    assert_eq!(loaded.names(), maker.names());
}

/// Each page but the last is opened while the next one is being fetched.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_comes_while_one_is_opened() {
    const LONG: Duration = Duration::from_secs(20);
    let (memory, _, key) = scene().await;
    let pages = {
        let calls = Arc::new(Counting::new(memory.clone()));
        unlock(&calls, &key, |_, _| ()).await;
        calls.tally().lists
    };
    let calls = Arc::new(Counting::new(memory.clone()));
    let looks = Arc::new(Mutex::new(Vec::new()));
    unlock(&calls, &key, {
        let (calls, looks) = (calls.clone(), looks.clone());
        move |_, _| {
            let opened = looks.lock().unwrap().len() + 1;
            let since = Instant::now();
            let ahead = || calls.tally().lists > opened;
            while opened < pages && !ahead() && since.elapsed() < LONG {
                std::thread::yield_now();
            }
            looks.lock().unwrap().push(ahead());
        }
    })
    .await;
    let looks = looks.lock().unwrap();
    let (last, others) = looks.split_last().unwrap();
    assert!(others.iter().all(|ahead| *ahead), "{looks:?}");
    assert!(!last, "nothing is fetched behind the last page");
}

/// The first page takes no key: it is asked for when the head has come, and not when the key has been
/// derived.
#[tokio::test(start_paused = true)]
async fn the_first_page_comes_while_the_key_is_derived() {
    let (memory, _, key) = scene().await;
    let calls = Arc::new(Counting::new(memory.clone()));
    let (wrong, seen) = (secret("wrong Passw0rd!"), Seen::in_memory());
    let refused = Wallet::unlock(calls.clone(), seen, &key, &wrong, options()).await;
    let refused = refused.err();
    assert!(matches!(refused, Some(WalletError::WrongPassword)));
    assert_eq!((calls.tally().gets, calls.tally().lists), (1, 1));
}
