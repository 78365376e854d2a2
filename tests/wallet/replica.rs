//! The replica: what it holds, when it is read, and what becomes of one that was meddled with.

use crate::support::*;
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use walletfs::crypto::DeviceKey;
use walletfs::store::*;
use walletfs::wallet::*;

const VALUE: &str = "a value that nobody finds";

struct Scene {
    /// Another device, which always reaches the store and keeps no replica.
    maker: Device,
    memory: Arc<MemoryStore>,
    failing: Arc<Failing>,
    key: DeviceKey,
    id: Id,
    seen: Seen,
    dir: tempfile::TempDir,
}

async fn scene() -> Scene {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let id = maker.create("domain", "secret").await;
    maker.put(id, Field::Pwd, VALUE).await;
    Scene {
        maker,
        failing: Arc::new(Failing::new(memory.clone())),
        memory,
        key,
        id,
        seen: Seen::in_memory(),
        dir: tempfile::tempdir().unwrap(),
    }
}

impl Scene {
    fn path(&self) -> PathBuf {
        self.dir.path().join("wallet.replica")
    }

    fn replica(&self) -> Replica {
        Replica::at(self.path(), self.memory.wallet())
    }

    fn options(&self) -> Options {
        Options {
            cache_ttl: Duration::ZERO,
            replica: Some(Arc::new(self.replica())),
            ..Options::default()
        }
    }

    /// This device, online or not.
    async fn device(&self) -> Result<Device, WalletError> {
        self.device_with(self.options()).await
    }

    async fn device_with(&self, o: Options) -> Result<Device, WalletError> {
        let calls = Arc::new(Counting::new(self.failing.clone()));
        let (seen, password) = (self.seen.clone(), memorable());
        let wallet = Wallet::unlock_readable(calls.clone(), seen, &self.key, &password, o).await?;
        Ok(Device {
            wallet,
            calls,
            seen: self.seen.clone(),
        })
    }

    /// A replica that has what the store has now, and a store that is away from now on.
    async fn away(&self) {
        self.device().await.unwrap();
        self.failing.fail_all(unreachable());
    }

    async fn assert_equal(&self) {
        let items: Vec<Item> = self.memory.items().values().cloned().collect();
        assert_eq!(
            self.replica().store().list(None).await.unwrap().items,
            items
        );
    }

    fn sql(&self, statement: &str) {
        let file = Connection::open(self.path()).unwrap();
        assert!(file.execute(statement, []).unwrap() > 0, "{statement}");
    }
}

fn unreachable() -> StoreError {
    StoreError::Unreachable("no route to host".into())
}

#[tokio::test]
async fn each_load_fills_it_and_each_commit_is_followed() {
    let scene = scene().await;
    let device = scene.device().await.unwrap();
    scene.assert_equal().await;
    let other = scene.maker.create("domain", "other").await;
    let empty = scene.maker.create("domain", "empty").await;
    scene.maker.put(scene.id, Field::Uid, "changed").await;
    device.wallet.freshen().await.unwrap();
    scene.assert_equal().await;
    device.put(other, info("key"), "own").await;
    scene.assert_equal().await;
    device.rename(other, "elsewhere", "it", None).await.unwrap();
    device.remove(empty).await.unwrap();
    scene.assert_equal().await;
}

#[tokio::test]
async fn it_holds_ciphertext_only() {
    let scene = scene().await;
    scene.device().await.unwrap();
    let bytes = fs::read(scene.path()).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    for text in [VALUE, "domain", "secret"] {
        assert!(!holds(text), "{text}");
    }
    // The look does find what is there.
    assert!(holds(&scene.id.text()));
}

#[tokio::test]
async fn while_the_store_is_away_the_wallet_is_read_from_it_and_not_changed() {
    let scene = scene().await;
    scene.away().await;
    let file = fs::File::options().write(true).open(scene.path()).unwrap();
    let hour = Duration::from_secs(3600);
    file.set_modified(SystemTime::now() - hour).unwrap();

    let device = scene.device().await.unwrap();
    assert_eq!(device.names(), ["domain/secret"]);
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), VALUE);
    let state = device.wallet.state();
    assert!(state.replica);
    assert!(state.stale.unwrap().contains("no route"));
    assert!((hour..hour * 2).contains(&state.age), "{:?}", state.age);
    let refused = |error: Result<(), WalletError>| {
        assert!(matches!(
            error,
            Err(WalletError::Store(StoreError::Unreachable(_)))
        ));
    };
    refused(device.wallet.require_current().await);
    let edit = put(scene.id, Field::Pwd, Expected::Any, "new");
    refused(device.fields(vec![edit]).await.map(drop));
    assert!(matches!(
        device.wallet.freshen().await,
        Ok(Freshness::Stale(_))
    ));
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), VALUE);

    // Back again: what was committed meanwhile is seen, and changes are made, by the same session.
    scene.maker.put(scene.id, Field::Uid, "meanwhile").await;
    scene.failing.heal();
    device.wallet.require_current().await.unwrap();
    let state = device.wallet.state();
    assert_eq!((state.replica, state.stale), (false, None));
    assert!(state.age < hour);
    let uid = device.read(scene.id, &Field::Uid).await.unwrap();
    assert_eq!(uid, "meanwhile");
    device.put(scene.id, Field::Pwd, "new").await;
    scene.assert_equal().await;
}

#[tokio::test]
async fn back_again_without_a_change_the_snapshot_is_that_of_the_store() {
    let scene = scene().await;
    scene.away().await;
    let device = scene.device().await.unwrap();
    scene.failing.heal();
    device.calls.take();
    device.wallet.require_current().await.unwrap();
    assert_eq!(device.calls.take().gets, 1);
    assert!(!device.wallet.state().replica);
}

#[tokio::test]
async fn only_a_store_that_is_not_reached_is_stood_in_for() {
    let scene = scene().await;
    scene.device().await.unwrap();
    for answer in [
        StoreError::Denied("not any more".into()),
        StoreError::Missing("no table".into()),
        StoreError::Failed("x".into()),
    ] {
        scene.failing.fail_all(answer.clone());
        match scene.device().await {
            Err(WalletError::Store(why)) => assert_eq!(why, answer),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{answer} was stood in for"),
        }
    }
    for silence in [StoreError::Deadline, StoreError::Busy("throttled".into())] {
        scene.failing.fail_all(silence);
        assert!(scene.device().await.unwrap().wallet.state().replica);
    }
}

#[tokio::test]
async fn without_one_the_store_is_said_to_be_away() {
    let scene = scene().await;
    scene.failing.fail_all(unreachable());
    // None was made yet; none is wanted.
    for o in [scene.options(), Options::default()] {
        let refused = scene.device_with(o).await.err().unwrap();
        assert!(matches!(
            refused,
            WalletError::Store(StoreError::Unreachable(_))
        ));
    }
}

#[tokio::test]
async fn both_passwords_are_needed_all_the_same() {
    let scene = scene().await;
    scene.away().await;
    let wrong = secret("not the Passw0rd!");
    let unlock = |key: DeviceKey, password: walletfs::crypto::SecretBytes| {
        let (store, seen, o) = (scene.failing.clone(), scene.seen.clone(), scene.options());
        async move { Wallet::unlock_readable(store, seen, &key, &password, o).await }
    };
    let key = || DeviceKey::from_bytes(*scene.key.expose());
    for (key, password) in [
        (key(), wrong),
        (DeviceKey::from_bytes([7; 32]), memorable()),
    ] {
        let refused = unlock(key, password).await.err().unwrap();
        assert!(matches!(refused, WalletError::WrongPassword), "{refused}");
    }
    assert!(unlock(key(), memorable()).await.is_ok());
}

#[tokio::test]
async fn one_that_was_meddled_with_is_refused() {
    for statement in [
        "UPDATE items SET meta = CAST(substr(meta, 1, 99) || x'00' AS BLOB) WHERE id <> 'head'",
        "UPDATE items SET meta = 'text' WHERE id <> 'head'",
        "UPDATE items SET version = version - 1 WHERE id <> 'head'",
        "DELETE FROM items WHERE id <> 'head'",
    ] {
        let scene = scene().await;
        scene.away().await;
        scene.sql(statement);
        let refused = scene.device().await.err().unwrap();
        assert!(
            matches!(&refused, WalletError::Integrity(what) if what.contains("replica")),
            "{statement}: {refused}"
        );
        // The store makes it good.
        scene.failing.heal();
        scene.device().await.unwrap();
        scene.assert_equal().await;
    }
}

#[tokio::test]
async fn a_value_that_was_meddled_with_is_not_shown() {
    let scene = scene().await;
    let o = Options {
        cache_bytes: 0,
        ..scene.options()
    };
    let device = scene.device_with(o).await.unwrap();
    scene.sql("UPDATE items SET data = x'00' WHERE id <> 'head'");
    // The store has the right one.
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), VALUE);
    scene.failing.fail_all(unreachable());
    assert!(device.read(scene.id, &Field::Pwd).await.is_err());
}

#[tokio::test]
async fn one_of_another_wallet_is_refused() {
    let (ours, theirs) = (scene().await, scene().await);
    ours.away().await;
    theirs.away().await;
    fs::copy(theirs.path(), ours.path()).unwrap();
    let mut scene = ours;
    scene.key = theirs.key;
    let refused = scene.device().await.err().unwrap();
    assert!(matches!(refused, WalletError::RolledBack(_)), "{refused}");
}

#[tokio::test]
async fn one_that_is_behind_what_was_seen_is_read_and_left_behind() {
    let scene = scene().await;
    scene.device().await.unwrap();
    let old = fs::read(scene.path()).unwrap();
    scene.maker.put(scene.id, Field::Pwd, "newer").await;
    scene.away().await;
    // As if this device had been killed between a commit and its copy.
    fs::write(scene.path(), old).unwrap();
    let device = scene.device().await.unwrap();
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), VALUE);
    scene.failing.heal();
    device.wallet.require_current().await.unwrap();
    let now = device.read(scene.id, &Field::Pwd).await.unwrap();
    assert_eq!(now, "newer");
    scene.assert_equal().await;
}

#[tokio::test]
async fn what_is_not_verified_is_not_copied() {
    let scene = scene().await;
    let device = scene.device().await.unwrap();
    let before = fs::read(scene.path()).unwrap();
    // The store loses the secret and says nothing of it.
    scene.maker.create("domain", "more").await;
    scene.memory.items().remove(&scene.id);
    assert!(scene.device().await.is_err());
    drop(device);
    assert_eq!(fs::read(scene.path()).unwrap(), before);
}

#[tokio::test]
async fn bodies_that_memory_let_go_are_read_from_it() {
    let scene = scene().await;
    let o = Options {
        cache_bytes: 0,
        ..scene.options()
    };
    let device = scene.device_with(o).await.unwrap();
    device.calls.take();
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), VALUE);
    assert_eq!(device.calls.take().gets, 0);
}

#[tokio::test]
async fn nothing_fails_for_its_sake() {
    let scene = scene().await;
    // A directory is in its place.
    fs::create_dir(scene.path()).unwrap();
    let device = scene.device().await.unwrap();
    device.put(scene.id, Field::Pwd, "new").await;
    assert_eq!(device.read(scene.id, &Field::Pwd).await.unwrap(), "new");
}
