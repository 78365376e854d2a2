//! Devices with wallets of theirs on one store, and stores that meddle.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use walletfs::crypto::{self, DeviceKey, HeadMeta, KdfParams, OsRandom, SecretBytes, Vault};
use walletfs::store::*;
use walletfs::wallet::*;

pub(crate) const TTL: Duration = Duration::from_secs(1);

/// Tokio's time, which tests pause and advance.
pub(crate) struct TokioClock(Instant);

impl Clock for TokioClock {
    fn wall_ns(&self) -> i64 {
        1_700_000_000_000_000_000 + i64::try_from(self.monotonic().as_nanos()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn options() -> Options {
    Options {
        cache_ttl: TTL,
        clock: Arc::new(TokioClock(Instant::now())),
        ..Options::default()
    }
}

pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

pub(crate) fn device_password() -> SecretBytes {
    secret("device Passw0rd!")
}

pub(crate) fn memorable() -> SecretBytes {
    secret("memorable Passw0rd!")
}

/// One device: its wallet, the calls it makes, the heads it has seen.
pub(crate) struct Device {
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) calls: Arc<Counting>,
    pub(crate) seen: Seen,
}

/// Makes a wallet in `store` and gives it with the device's key.
pub(crate) async fn first(store: &Arc<impl Store + 'static>) -> (Device, DeviceKey) {
    let calls = Arc::new(Counting::new(store.clone()));
    let seen = Seen::in_memory();
    let (wallet, key) = Wallet::create(
        calls.clone(),
        seen.clone(),
        &device_password(),
        &memorable(),
        KdfParams::LEAST,
        options(),
    )
    .await
    .unwrap();
    calls.take();
    (
        Device {
            wallet,
            calls,
            seen,
        },
        key,
    )
}

/// Another device, with the same key, on this store.
pub(crate) async fn another(store: &Arc<impl Store + 'static>, key: &DeviceKey) -> Device {
    try_another(store, key, Seen::in_memory(), options())
        .await
        .unwrap()
}

pub(crate) async fn try_another(
    store: &Arc<impl Store + 'static>,
    key: &DeviceKey,
    seen: Seen,
    o: Options,
) -> Result<Device, WalletError> {
    let calls = Arc::new(Counting::new(store.clone()));
    let wallet = Wallet::unlock(calls.clone(), seen.clone(), key, &memorable(), o).await?;
    Ok(Device {
        wallet,
        calls,
        seen,
    })
}

/// Lets the snapshots of all devices grow old.
pub(crate) async fn grow_old() {
    tokio::time::advance(TTL).await;
}

pub(crate) fn info(key: &str) -> Field {
    Field::Info(key.into())
}

/// What an edit of fields writes.
pub(crate) fn put(secret_id: Id, field: Field, expect: Expected, value: &str) -> FieldEdit {
    FieldEdit {
        secret: secret_id,
        field,
        expect,
        change: FieldChange::Put {
            value: Arc::new(secret(value)),
            mtime_ns: 5,
            mode: 0o600,
        },
    }
}

impl Device {
    pub(crate) async fn create(&self, domain: &str, access: &str) -> Id {
        let edit = Edit::Create {
            domain: domain.into(),
            access: access.into(),
        };
        self.wallet.apply(edit).await.unwrap().created.unwrap()
    }

    pub(crate) async fn fields(&self, edits: Vec<FieldEdit>) -> Result<Applied, WalletError> {
        self.wallet.apply(Edit::Fields(edits)).await
    }

    pub(crate) async fn put(&self, id: Id, field: Field, value: &str) -> Applied {
        let edit = put(id, field, Expected::Any, value);
        self.fields(vec![edit]).await.unwrap()
    }

    pub(crate) async fn remove(&self, secret: Id) -> Result<Applied, WalletError> {
        self.wallet.apply(Edit::Remove { secret }).await
    }

    pub(crate) async fn rename(
        &self,
        secret: Id,
        domain: &str,
        access: &str,
        replace: Option<Id>,
    ) -> Result<Applied, WalletError> {
        let (domain, access) = (domain.into(), access.into());
        let edit = Edit::Move {
            secret,
            domain,
            access,
            replace,
        };
        self.wallet.apply(edit).await
    }

    pub(crate) async fn move_domain(&self, from: &str, to: &str) -> Result<Applied, WalletError> {
        let (from, to) = (from.into(), to.into());
        self.wallet.apply(Edit::MoveDomain { from, to }).await
    }

    pub(crate) async fn read(&self, id: Id, field: &Field) -> Result<String, WalletError> {
        let body = self.wallet.body(id).await?;
        let value = self.wallet.value(&body, field)?;
        Ok(String::from_utf8(value.expose().to_vec()).unwrap())
    }

    pub(crate) fn meta(&self, id: Id) -> Option<Meta> {
        self.wallet.view().secret(id).map(|s| s.meta.clone())
    }

    pub(crate) fn rev(&self, id: Id, field: &Field) -> u64 {
        self.meta(id).unwrap().fields[field].rev
    }

    /// The names as shown.
    pub(crate) fn names(&self) -> Vec<String> {
        let view = self.wallet.view();
        let mut names = Vec::new();
        for domain in view.domains() {
            for (shown, id) in view.secrets(domain) {
                assert_eq!(view.find(domain, shown), Some(id));
                assert_eq!(&view.secret(id).unwrap().shown, shown);
                names.push(format!("{domain}/{shown}"));
            }
        }
        names
    }

    /// Everything: domain/access/field and value.
    pub(crate) async fn contents(&self) -> BTreeMap<(String, Field), String> {
        let metas: Vec<(Id, String, Meta)> = {
            let view = self.wallet.view();
            let names = |s: &Secret| format!("{}/{}", s.meta.domain, s.shown);
            view.all()
                .map(|s| (s.id, names(s), s.meta.clone()))
                .collect()
        };
        let mut contents = BTreeMap::new();
        for (id, name, meta) in metas {
            for (field, known) in meta.fields {
                let value = self.read(id, &field).await.unwrap();
                assert_eq!(value.len() as u64, known.size);
                contents.insert((name.clone(), field), value);
            }
        }
        contents
    }
}

/// Puts an item that no walletfs makes, with this meta and no values, and a head that vouches for it.
pub(crate) fn forge(
    store: &MemoryStore,
    key: &DeviceKey,
    id: Id,
    meta: impl FnOnce([u8; 32]) -> SecretBytes,
) {
    let mut items = store.items();
    let head = items[&Id::Head].clone();
    let public = HeadMeta::decode(&head.meta).unwrap();
    let (keyring, _) = crypto::unlock(&public, key, &memorable()).unwrap_or_else(|e| panic!("{e}"));
    let vault = Vault::new(public.wallet_id, keyring, Arc::new(OsRandom));
    let (mut data, epoch) = vault
        .open_head(head.version, &head.meta, &head.data)
        .unwrap();
    let version = head.version + 1;
    let text = id.text();
    let values = vault.seal_data(&text, record::Data::default().encode().expose());
    let plain = meta(crypto::sha256(&values));
    let meta = vault.seal_meta(&text, version, plain.expose());
    let term = vault.item_digest(epoch, &text, version, &meta).unwrap();
    for (d, t) in data.digest.iter_mut().zip(term) {
        *d ^= t;
    }
    data.count += 1;
    if let Id::Secret(raw) = id {
        data.recent = data.recent.followed(version, Some(vec![raw]));
    }
    let item = Item {
        id,
        version,
        meta,
        data: values,
    };
    let head = Item {
        version,
        data: vault.seal_head(version, &head.meta, &data),
        ..head
    };
    assert!(items.insert(id, item).is_none());
    items.insert(Id::Head, head);
}

/// Counts that a test expects.
pub(crate) fn calls(gets: usize, lists: usize, commits: usize) -> (usize, usize, usize) {
    (gets, lists, commits)
}

impl Device {
    /// The calls since this was last asked: gets, lists, commits.
    pub(crate) fn made(&self) -> (usize, usize, usize) {
        let tally = self.calls.take();
        (tally.gets, tally.lists, tally.commits)
    }
}

/// What a [`Hooked`] store has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Get(Id),
    /// A page, and whether another follows.
    List {
        more: bool,
    },
    /// About to commit.
    Committing,
}

type Hook = Arc<dyn Fn(Did) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Runs a hook after each read of the store below, before the caller has the answer, and before each
/// commit: what others do at the worst moment.
pub(crate) struct Hooked {
    inner: Arc<dyn Store>,
    hook: Mutex<Option<Hook>>,
}

impl Hooked {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Hooked {
            inner,
            hook: Mutex::new(None),
        })
    }

    pub(crate) fn hook<F>(&self, hook: impl Fn(Did) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.hook.lock().unwrap() = Some(Arc::new(move |did| Box::pin(hook(did))));
    }

    pub(crate) fn unhook(&self) {
        *self.hook.lock().unwrap() = None;
    }

    async fn run(&self, did: Did) {
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(did).await;
        }
    }
}

#[async_trait::async_trait]
impl Store for Hooked {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        let item = self.inner.get(id).await;
        self.run(Did::Get(id)).await;
        item
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        let page = self.inner.list(after).await?;
        let more = page.next.is_some();
        self.run(Did::List { more }).await;
        Ok(page)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        self.run(Did::Committing).await;
        self.inner.commit(changes).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn item_size(&self, item: &Item) -> usize {
        self.inner.item_size(item)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn wallet(&self) -> &str {
        self.inner.wallet()
    }

    /// Another wallet's items are left alone.
    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        self.inner.sibling(wallet)
    }
}

type Pages = Box<dyn Fn(Option<Cursor>, Page) -> Page + Send + Sync>;

/// Changes what a listing of the store below gives.
pub(crate) struct Liar {
    inner: Arc<dyn Store>,
    pages: Mutex<Option<Pages>>,
}

impl Liar {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Liar {
            inner,
            pages: Mutex::new(None),
        })
    }

    pub(crate) fn pages(
        &self,
        pages: impl Fn(Option<Cursor>, Page) -> Page + Send + Sync + 'static,
    ) {
        *self.pages.lock().unwrap() = Some(Box::new(pages));
    }
}

#[async_trait::async_trait]
impl Store for Liar {
    async fn create(&self) -> Result<Vec<Notice>, StoreError> {
        self.inner.create().await
    }

    async fn get(&self, id: Id) -> Result<Option<Item>, StoreError> {
        self.inner.get(id).await
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page, StoreError> {
        let page = self.inner.list(after).await?;
        match &*self.pages.lock().unwrap() {
            Some(pages) => Ok(pages(after, page)),
            None => Ok(page),
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, StoreError> {
        self.inner.commit(changes).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn item_size(&self, item: &Item) -> usize {
        self.inner.item_size(item)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn wallet(&self) -> &str {
        self.inner.wallet()
    }

    /// Another wallet's items are left alone.
    fn sibling(&self, wallet: &str) -> Arc<dyn Store> {
        self.inner.sibling(wallet)
    }
}

/// What is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens for as long as what is returned lives.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        // Somebody always listens: else tracing may note of a place, when another thread comes by,
        // that nobody does.
        static ALWAYS: std::sync::Once = std::sync::Once::new();
        ALWAYS.call_once(|| {
            let nowhere = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(std::io::sink)
                .finish();
            tracing::subscriber::set_global_default(nowhere).unwrap();
        });
        let to = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
