//! A filesystem over a counted, failing, in-memory store, and system calls by path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use walletfs::crypto::{DeviceKey, KdfParams, SecretBytes};
use walletfs::fs::{
    Attr, Errno, Fh, Fs, FsResult, Ino, OpenHow, Options, Process, Processes, SetAttr, SetTime,
};
use walletfs::store::{Counting, Failing, MemoryStore, Store};
use walletfs::wallet::{self, Clock, Seen, Wallet};

/// The lowest accepted parameters.
const KDF: KdfParams = KdfParams {
    memory_kib: 19 << 10,
    passes: 2,
    lanes: 1,
};

/// The thread and process of calls that do not say.
pub(crate) const SHELL: u32 = 100;

pub(crate) const READ: OpenHow = OpenHow {
    write: false,
    append: false,
    truncate: false,
    exclusive: false,
};
pub(crate) const WRITE: OpenHow = OpenHow {
    write: true,
    ..READ
};
pub(crate) const TRUNCATE: OpenHow = OpenHow {
    truncate: true,
    ..WRITE
};
pub(crate) const APPEND: OpenHow = OpenHow {
    append: true,
    ..WRITE
};

/// Two hands of time that tests turn: wall clock (ns) and the age of snapshots.
pub(crate) struct TestClock {
    wall_ns: AtomicI64,
    monotonic_ns: AtomicI64,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        let ns = i64::try_from(by.as_nanos()).unwrap();
        self.wall_ns.fetch_add(ns, Ordering::Relaxed);
        self.monotonic_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

impl TestClock {
    /// Turns the wall clock to this moment, seconds since 1970.
    pub(crate) fn turn_to(&self, seconds: i64) {
        self.wall_ns
            .store(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn wall_ns(&self) -> i64 {
        // Each look is a little later, so that no two changes have one time.
        self.wall_ns.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(
            self.monotonic_ns
                .load(Ordering::Relaxed)
                .try_into()
                .unwrap(),
        )
    }
}

/// Threads and the processes they belong to. A thread that is not named is a process by itself.
#[derive(Default)]
pub(crate) struct TestProcesses {
    threads: Mutex<BTreeMap<u32, u32>>,
    ended: Mutex<Vec<u32>>,
}

impl TestProcesses {
    pub(crate) fn thread_of(&self, tid: u32, pid: u32) {
        self.threads.lock().unwrap().insert(tid, pid);
    }

    pub(crate) fn end(&self, pid: u32) {
        self.ended.lock().unwrap().push(pid);
    }
}

impl Processes for TestProcesses {
    fn of_thread(&self, tid: u32) -> Option<Process> {
        let pid = *self.threads.lock().unwrap().get(&tid).unwrap_or(&tid);
        Some(Process(pid))
    }

    fn runs(&self, process: Process) -> bool {
        !self.ended.lock().unwrap().contains(&process.0)
    }
}

/// One device: a wallet, mounted by no kernel.
pub(crate) struct Device {
    pub(crate) fs: Arc<Fs>,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) calls: Arc<Counting>,
    pub(crate) faults: Arc<Failing>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) processes: Arc<TestProcesses>,
    store: Arc<MemoryStore>,
    key: DeviceKey,
}

fn memorable() -> SecretBytes {
    SecretBytes::new(b"Memorable#1".to_vec())
}

impl Device {
    /// A new wallet, and the filesystem over it.
    pub(crate) async fn new() -> Device {
        let store = Arc::new(MemoryStore::new());
        let device = SecretBytes::new(b"Device#Pass1".to_vec());
        let options = wallet::Options::default();
        let (_, key) = Wallet::create(
            store.clone(),
            Seen::in_memory(),
            &device,
            &memorable(),
            KDF,
            options,
        )
        .await
        .unwrap();
        Device::on(store, key, false).await
    }

    /// Another device with the same wallet.
    pub(crate) async fn second(&self) -> Device {
        Device::on(self.store.clone(), self.another_key(), false).await
    }

    /// The same wallet, mounted read-only.
    pub(crate) async fn read_only(&self) -> Device {
        Device::on(self.store.clone(), self.another_key(), true).await
    }

    fn another_key(&self) -> DeviceKey {
        DeviceKey::from_bytes(*self.key.expose())
    }

    /// Another device that counts from before it unlocks.
    pub(crate) async fn unlock_over(&self, store: Arc<Counting>) -> Device {
        let device = Device::build(store.clone(), self.store.clone(), self.another_key(), false);
        device.await
    }

    async fn on(store: Arc<MemoryStore>, key: DeviceKey, read_only: bool) -> Device {
        Device::build(store.clone(), store, key, read_only).await
    }

    async fn build(
        over: Arc<dyn Store>,
        store: Arc<MemoryStore>,
        key: DeviceKey,
        read_only: bool,
    ) -> Device {
        let clock = Arc::new(TestClock {
            wall_ns: AtomicI64::new(1_764_000_000_000_000_000),
            monotonic_ns: AtomicI64::new(0),
        });
        let faults = Arc::new(Failing::new(over));
        let calls = Arc::new(Counting::new(faults.clone()));
        let options = wallet::Options {
            read_only,
            clock: clock.clone(),
            ..wallet::Options::default()
        };
        let wallet = Wallet::unlock(
            calls.clone(),
            Seen::in_memory(),
            &key,
            &memorable(),
            options,
        )
        .await
        .unwrap();
        let processes = Arc::new(TestProcesses::default());
        let fs = Fs::new(
            wallet.clone(),
            Options {
                read_only,
                uid: 1000,
                gid: 1000,
                status: Arc::new(|| "{}".into()),
                processes: processes.clone(),
                clock: clock.clone(),
                runtime: tokio::runtime::Handle::current(),
            },
        );
        calls.take();
        Device {
            fs,
            wallet,
            calls,
            faults,
            clock,
            processes,
            store,
            key,
        }
    }

    /// Lets the snapshot grow older than the cache's life.
    pub(crate) fn age(&self) {
        self.clock.advance(Duration::from_secs(2));
    }

    /// Requests since the last look, as (gets, lists, commits).
    pub(crate) fn requests(&self) -> (usize, usize, usize) {
        let tally = self.calls.take();
        (tally.gets, tally.lists, tally.commits)
    }

    /// Commits since the last look.
    pub(crate) fn commits(&self) -> usize {
        self.calls.take().commits
    }

    pub(crate) async fn ino(&self, path: &str) -> FsResult<Ino> {
        let mut ino = Ino::ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            ino = self.fs.lookup(ino, name.as_bytes(), SHELL).await?.attr.ino;
        }
        Ok(ino)
    }

    async fn parent<'a>(&self, path: &'a str) -> FsResult<(Ino, &'a [u8])> {
        let (dir, name) = path.rsplit_once('/').unwrap();
        Ok((self.ino(dir).await?, name.as_bytes()))
    }

    pub(crate) async fn stat(&self, path: &str) -> FsResult<Attr> {
        let ino = self.ino(path).await?;
        Ok(self.fs.getattr(ino, SHELL).await?.attr)
    }

    pub(crate) async fn mkdir(&self, path: &str) -> FsResult<()> {
        let (dir, name) = self.parent(path).await?;
        self.fs.mkdir(dir, name).await.map(drop)
    }

    /// `mkdir -p`.
    pub(crate) async fn secret(&self, path: &str) {
        let (domain, _) = path.rsplit_once('/').unwrap();
        for dir in [domain, path] {
            match self.mkdir(dir).await {
                Ok(()) => {}
                Err(e) => assert_eq!(e.errno, Errno::EEXIST),
            }
        }
    }

    pub(crate) async fn rmdir(&self, path: &str) -> FsResult<()> {
        let (dir, name) = self.parent(path).await?;
        self.fs.rmdir(dir, name).await
    }

    pub(crate) async fn unlink(&self, path: &str) -> FsResult<()> {
        let (dir, name) = self.parent(path).await?;
        self.fs.unlink(dir, name).await
    }

    pub(crate) async fn rename(&self, from: &str, to: &str) -> FsResult<()> {
        self.rename_flags(from, to, false).await
    }

    pub(crate) async fn rename_flags(
        &self,
        from: &str,
        to: &str,
        no_replace: bool,
    ) -> FsResult<()> {
        let (dir, name) = self.parent(from).await?;
        let (to_dir, to_name) = self.parent(to).await?;
        self.fs.rename(dir, name, to_dir, to_name, no_replace).await
    }

    /// open(2) without O_CREAT.
    pub(crate) async fn open_as(&self, path: &str, how: OpenHow, tid: u32) -> FsResult<Fh> {
        let ino = self.ino(path).await?;
        Ok(self.fs.open(ino, how, tid).await?.fh)
    }

    pub(crate) async fn open(&self, path: &str, how: OpenHow) -> FsResult<Fh> {
        self.open_as(path, how, SHELL).await
    }

    /// open(2) with O_CREAT, as the kernel does it: a lookup, then open or create.
    pub(crate) async fn create_as(&self, path: &str, how: OpenHow, tid: u32) -> FsResult<Fh> {
        let (dir, name) = self.parent(path).await?;
        match self.fs.lookup(dir, name, SHELL).await {
            Ok(_) if how.exclusive => panic!("the kernel refuses O_EXCL itself"),
            Ok(found) => Ok(self.fs.open(found.attr.ino, how, tid).await?.fh),
            Err(e) if e.errno == Errno::ENOENT => {
                Ok(self.fs.create(dir, name, 0o644, how, tid).await?.1.fh)
            }
            Err(e) => Err(e),
        }
    }

    pub(crate) async fn create(&self, path: &str, how: OpenHow) -> FsResult<Fh> {
        self.create_as(path, how, SHELL).await
    }

    pub(crate) fn write(&self, fh: Fh, offset: u64, data: &[u8]) -> FsResult<usize> {
        self.fs.write(fh, offset, data)
    }

    pub(crate) fn read(&self, fh: Fh) -> FsResult<Vec<u8>> {
        Ok(self.fs.read(fh, 0, 1 << 20, false)?.bytes().to_vec())
    }

    /// close(2) of one of several descriptors, by the thread `tid`.
    pub(crate) async fn close_one(&self, fh: Fh, tid: u32) -> FsResult<()> {
        self.fs.flush(fh, tid).await
    }

    /// close(2) of the last descriptor: a flush, then the release that no one hears of.
    pub(crate) async fn close_as(&self, fh: Fh, tid: u32) -> FsResult<()> {
        let flushed = self.fs.flush(fh, tid).await;
        self.fs.release(fh).await.unwrap();
        flushed
    }

    pub(crate) async fn close(&self, fh: Fh) -> FsResult<()> {
        self.close_as(fh, SHELL).await
    }

    /// `echo -n content > path`, by a program that writes without a shell.
    pub(crate) async fn put(&self, path: &str, content: &[u8]) -> FsResult<()> {
        let fh = self.create(path, TRUNCATE).await?;
        let written = self.write(fh, 0, content);
        let closed = self.close(fh).await;
        written?;
        closed
    }

    /// `cat path`.
    pub(crate) async fn cat(&self, path: &str) -> FsResult<Vec<u8>> {
        let fh = self.open(path, READ).await?;
        let content = self.read(fh);
        self.close(fh).await?;
        content
    }

    /// The content as another device has it: stored, that is.
    pub(crate) async fn stored(&self, path: &str) -> FsResult<Vec<u8>> {
        self.second().await.cat(path).await
    }

    pub(crate) async fn chmod(&self, path: &str, mode: u32) -> FsResult<()> {
        let set = SetAttr {
            mode: Some(mode),
            ..SetAttr::default()
        };
        self.setattr(path, set, None).await
    }

    pub(crate) async fn utimens(&self, path: &str, mtime_ns: i64) -> FsResult<()> {
        let set = SetAttr {
            mtime: Some(SetTime::At(mtime_ns)),
            ..SetAttr::default()
        };
        self.setattr(path, set, None).await
    }

    pub(crate) async fn truncate(&self, path: &str, size: u64, fh: Option<Fh>) -> FsResult<()> {
        let set = SetAttr {
            size: Some(size),
            ..SetAttr::default()
        };
        self.setattr(path, set, fh).await
    }

    pub(crate) async fn setattr(&self, path: &str, set: SetAttr, fh: Option<Fh>) -> FsResult<()> {
        let ino = self.ino(path).await?;
        self.fs.setattr(ino, set, fh, SHELL).await.map(drop)
    }

    /// Names in a directory, `.` and `..` left out, in pages of `page` entries.
    pub(crate) async fn ls_pages(&self, path: &str, page: usize) -> FsResult<Vec<String>> {
        let fh = self.fs.opendir(self.ino(path).await?)?;
        let mut names = Vec::new();
        let mut offset = 0;
        loop {
            let before = offset;
            let mut room = page;
            let mut add = |entry: &walletfs::fs::DirEntry<'_>| {
                if room == 0 {
                    return false;
                }
                room -= 1;
                offset = entry.next;
                names.push(entry.name.to_owned());
                true
            };
            self.fs.readdir(fh, before, false, &mut add).await?;
            if offset == before {
                break;
            }
        }
        self.fs.releasedir(fh);
        assert_eq!(&names[..2], [".", ".."]);
        Ok(names.split_off(2))
    }

    pub(crate) async fn ls(&self, path: &str) -> Vec<String> {
        self.ls_pages(path, usize::MAX).await.unwrap()
    }
}

/// The errno of a call that must fail.
pub(crate) fn errno<T>(result: FsResult<T>) -> Errno {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(e) => e.errno,
    }
}
