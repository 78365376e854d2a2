//! A device that is a few commits behind fetches what they changed, and believes it only if the head
//! vouches for the whole.

use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use walletfs::crypto::{DeviceKey, KdfParams};
use walletfs::store::*;
use walletfs::wallet::*;

/// Secrets in the wallet: so many that several may be fetched one by one.
const SECRETS: usize = 80;

struct Scene {
    memory: Arc<MemoryStore>,
    maker: Device,
    device: Device,
    key: DeviceKey,
    ids: Vec<Id>,
}

fn options() -> Options {
    Options {
        cache_ttl: Duration::ZERO,
        ..Options::default()
    }
}

async fn scene() -> Scene {
    let memory = Arc::new(MemoryStore::new());
    let (maker, key) = first(&memory).await;
    let mut ids = Vec::new();
    for n in 0..SECRETS {
        ids.push(maker.create("d", &format!("s{n:02}")).await);
    }
    let device = device(&memory, &key, options()).await;
    Scene {
        memory,
        maker,
        device,
        key,
        ids,
    }
}

async fn device(memory: &Arc<MemoryStore>, key: &DeviceKey, o: Options) -> Device {
    let device = try_another(memory, key, Seen::in_memory(), o).await;
    let device = device.unwrap();
    device.calls.take();
    device
}

impl Scene {
    /// Looks at the head, and gives the gets and lists that this took.
    async fn look(&self) -> (usize, usize) {
        self.device.wallet.freshen().await.unwrap();
        let calls = self.device.calls.take();
        (calls.gets, calls.lists)
    }

    /// What the device shows is what one shows that has just come.
    async fn assert_same(&self) {
        let fresh = device(&self.memory, &self.key, options()).await;
        assert_eq!(self.device.names(), fresh.names());
        assert_eq!(self.device.contents().await, fresh.contents().await);
        let state = self.device.wallet.state();
        assert_eq!(state.generation, fresh.wallet.state().generation);
        self.device.calls.take();
    }
}

#[tokio::test]
async fn what_changed_is_fetched_and_nothing_else() {
    let scene = scene().await;
    let (maker, ids) = (&scene.maker, &scene.ids);
    maker.put(ids[3], Field::Pwd, "new").await;
    assert_eq!(scene.look().await, (2, 0));
    scene.assert_same().await;
    // Several commits: a value, a name, one that comes, one that goes.
    maker.put(ids[3], Field::Uid, "more").await;
    maker.rename(ids[4], "elsewhere", "it", None).await.unwrap();
    maker.create("d", "another").await;
    maker.remove(ids[5]).await.unwrap();
    assert_eq!(scene.look().await, (5, 0));
    scene.assert_same().await;
    // One that came and went in between, and one that another took the place of.
    let passing = maker.create("d", "passing").await;
    maker.remove(passing).await.unwrap();
    let (from, onto) = (ids[6], ids[7]);
    maker.rename(from, "d", "s07", Some(onto)).await.unwrap();
    assert_eq!(scene.look().await, (4, 0));
    scene.assert_same().await;
    assert_eq!(scene.look().await, (1, 0));
}

#[tokio::test]
async fn what_it_fetched_is_read_without_another_get() {
    let scene = scene().await;
    scene.maker.put(scene.ids[3], Field::Pwd, "new").await;
    scene.look().await;
    let read = scene.device.read(scene.ids[3], &Field::Pwd).await.unwrap();
    assert_eq!(read, "new");
    assert_eq!(scene.device.calls.take().gets, 0);
}

#[tokio::test]
async fn a_change_of_a_password_needs_no_fetch() {
    let scene = scene().await;
    let password = secret("another Passw0rd!");
    let changed = scene
        .maker
        .wallet
        .change_memorable(&scene.key, &password, KdfParams::LEAST);
    changed.await.unwrap();
    assert_eq!(scene.look().await, (1, 0));
    // (The others join by the old password, which opens nothing any more.)
    assert_eq!(
        scene.device.wallet.state().generation,
        scene.memory.items()[&Id::Head].version
    );
}

#[tokio::test]
async fn own_commits_on_top_of_foreign_ones_are_no_obstacle() {
    let scene = scene().await;
    scene.maker.put(scene.ids[1], Field::Pwd, "theirs").await;
    // Refused for the head alone, and made again on the one that won: 2 commits, no load.
    scene.device.put(scene.ids[2], Field::Pwd, "ours").await;
    let calls = scene.device.calls.take();
    assert_eq!((calls.commits, calls.lists), (2, 0));
    assert_eq!(scene.look().await, (3, 0));
    scene.assert_same().await;
}

#[tokio::test]
async fn too_far_behind_or_too_much_is_a_load() {
    let scene = scene().await;
    for n in 0..11 {
        scene
            .maker
            .put(scene.ids[0], Field::Pwd, &n.to_string())
            .await;
    }
    assert_eq!(scene.look().await, (1, 1));
    scene.assert_same().await;
    // Six of eighty secrets are too many to be worth it, five are not.
    for n in 0..6 {
        scene.maker.put(scene.ids[n], Field::Pwd, "x").await;
    }
    assert_eq!(scene.look().await, (1, 1));
    for n in 0..5 {
        scene.maker.put(scene.ids[n], Field::Pwd, "y").await;
    }
    assert_eq!(scene.look().await, (6, 0));
    // More than the head tells.
    scene.maker.move_domain("d", "e").await.unwrap();
    assert_eq!(scene.look().await, (1, 1));
    scene.assert_same().await;
}

#[tokio::test]
async fn after_a_rekey_everything_is_loaded() {
    let scene = scene().await;
    scene.maker.wallet.rekey(None, |_| {}).await.unwrap();
    assert_eq!(scene.look().await.1, 1);
    scene.assert_same().await;
}

/// The secret changes, and the store meddles with it when the device catches up.
async fn refused_after(meddle: impl FnOnce(&Scene, Item)) {
    let scene = scene().await;
    let old = scene.memory.items()[&scene.ids[3]].clone();
    scene.maker.put(scene.ids[3], Field::Pwd, "right").await;
    meddle(&scene, old);
    let looked = scene.device.wallet.freshen().await;
    // One that does not open leaves the others to be read.
    let fault = scene.device.wallet.state().fault;
    assert!(
        matches!(looked, Err(WalletError::Integrity(_))) || fault.is_some(),
        "{looked:?}"
    );
    let read = scene.device.read(scene.ids[3], &Field::Pwd).await;
    assert!(read.is_err());
}

#[tokio::test]
async fn what_the_head_does_not_vouch_for_is_not_taken() {
    let withheld = refused_after(|scene, _| drop(scene.memory.items().remove(&scene.ids[3])));
    let replayed = refused_after(|scene, old| drop(scene.memory.items().insert(old.id, old)));
    let exchanged = refused_after(|scene, old| {
        let mut items = scene.memory.items();
        let mut other = items[&scene.ids[4]].clone();
        other.id = old.id;
        items.insert(old.id, other);
    });
    // Each is a fault after three listings, a second apart.
    tokio::join!(withheld, replayed, exchanged);
}

#[tokio::test]
async fn a_commit_in_the_middle_is_caught_up_with_too() {
    let scene = scene().await;
    let store = Arc::new(Failing::new(scene.memory.clone()));
    let late = device_on(&store, &scene.key).await;
    scene.maker.put(scene.ids[3], Field::Pwd, "first").await;
    // Between the look at the head and the get of the item, another commit.
    let memory = scene.memory.clone();
    let newer = {
        let item = |scene: &Scene| scene.memory.items().clone();
        let before = item(&scene);
        scene.maker.put(scene.ids[3], Field::Pwd, "second").await;
        let after = item(&scene);
        *scene.memory.items() = before;
        after
    };
    let mut newer = Some(newer);
    store.plan(move |call| {
        if matches!(call, Call::Get(Id::Secret(_)))
            && let Some(newer) = newer.take()
        {
            *memory.items() = newer;
        }
        None
    });
    late.wallet.freshen().await.unwrap();
    assert_eq!(
        late.read(scene.ids[3], &Field::Pwd).await.unwrap(),
        "second"
    );
    // The head, the old one's item, the newer head and its item.
    let calls = late.calls.take();
    assert_eq!((calls.gets, calls.lists), (4, 0));
}

async fn device_on(store: &Arc<Failing>, key: &DeviceKey) -> Device {
    let device = try_another(store, key, Seen::in_memory(), options())
        .await
        .unwrap();
    device.calls.take();
    device
}

#[tokio::test]
async fn a_replica_follows() {
    let scene = scene().await;
    let dir = tempfile::tempdir().unwrap();
    let replica = Arc::new(Replica::at(dir.path().join("r"), scene.memory.wallet()));
    let o = Options {
        replica: Some(replica.clone()),
        ..options()
    };
    let device = device(&scene.memory, &scene.key, o).await;
    scene.maker.put(scene.ids[3], Field::Pwd, "new").await;
    scene.maker.remove(scene.ids[4]).await.unwrap();
    scene.maker.create("d", "another").await;
    device.wallet.freshen().await.unwrap();
    assert_eq!(device.calls.take().lists, 0);
    let items: Vec<Item> = scene.memory.items().values().cloned().collect();
    assert_eq!(replica.store().list(None).await.unwrap().items, items);
}
