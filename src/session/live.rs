//! A session while it lives: mounts, then waits for whatever ends it.

use super::control::{self, LockRequest, Reply};
use super::gate::{Closed, Gate};
use super::harden::Hardening;
use super::lock::{Held, lacking};
use super::mountinfo::{self, Watch};
use super::mountpoint::{self, Claim};
use super::private::PrivateError;
use super::registry;
use super::status::{Staleness, Status};
use super::sys;
use crate::fs::{self, Fs};
use crate::fuse;
use crate::wallet::{SystemClock, Wallet};
use std::future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// What a session is made of.
pub struct Session {
    /// The wallet, unlocked.
    pub wallet: Arc<Wallet>,
    /// Its name.
    pub name: String,
    /// The configuration that it was opened by.
    pub config: PathBuf,
    /// Where the mount is made known.
    pub runtime_dir: PathBuf,
    /// Where the wallet is kept, for people.
    pub store: String,
    /// The directory to mount on.
    pub claim: Claim,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Without an access until the lock; `None` is never.
    pub timeout: Option<Duration>,
    /// Until the session ends; `None` is never.
    pub lifetime: Option<Duration>,
    /// What this machine did not allow.
    pub hardening: Hardening,
}

/// Why nothing was mounted.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The runtime directory cannot be used.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The kernel or fusermount3 refused.
    #[error(
        "cannot mount on {dir}: {why}; see that FUSE is there (`ls -l /dev/fuse`, and the package \
         fuse3 for fusermount3)", dir = .dir.display(), why = .source.to_string().trim_end()
    )]
    Mount {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("the session cannot begin: {0}")]
    Io(#[from] io::Error),
}

/// How a session ended. Keys and caches are wiped, and nothing is mounted any more.
#[must_use]
pub struct Ended {
    /// Files whose unsaved content is lost although nobody asked for that.
    pub lost: usize,
}

/// What ends a session.
enum End {
    Idle,
    Lifetime,
    Signal,
    /// The mount has gone: somebody unmounted it, or the kernel ended it.
    Gone,
    /// Nobody waits for the mount any more.
    Unwanted,
    Asked(LockRequest),
    /// A signal or the end of the lifetime, while a request waited for content to be stored.
    Overruled(LockRequest),
}

/// Mounts, says `ready` once the mount answers, and returns when the session is locked. Whoever
/// calls then ends the process without delay.
pub async fn run(
    session: Session,
    ready: impl FnOnce() -> io::Result<()>,
) -> Result<Ended, SessionError> {
    let mut signals = Signals::new()?;
    let (listener, published) = registry::publish(
        &session.runtime_dir,
        session.claim.path(),
        &session.name,
        &session.config,
    )?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;

    let (held, status) = mount(session).await?;
    let (sender, locks) = mpsc::channel(8);
    let control = tokio::spawn(control::serve(listener, status, sender));

    let end = match ready() {
        Ok(()) => held.wait(&mut signals, locks).await?,
        Err(_) => End::Unwanted,
    };
    let (why, asked) = match end {
        End::Idle => ("idle for too long", None),
        End::Lifetime => ("the session has reached its lifetime", None),
        End::Signal => ("told by a signal", None),
        End::Gone => ("it was unmounted", None),
        End::Unwanted => ("nobody waits for it", None),
        End::Asked(request) => ("asked to", Some(request)),
        End::Overruled(request) => ("a signal or the lifetime came first", Some(request)),
    };
    tracing::info!("locking: {why}");
    let lacking = held.give_up(signals.next()).await;
    control.abort();
    drop(published);
    match lacking {
        0 => tracing::info!("locked"),
        files => tracing::error!("locked; unsaved content of {files} files is lost"),
    }
    let mut lost = lacking;
    if let Some(mut request) = asked {
        if request.discard {
            lost = 0;
        }
        let discarded = lacking;
        request.answer(&Reply::Locked { discarded }).await;
        // Closed by the end of the process, and by nothing before: whoever asked waits for that.
        std::mem::forget(request);
    }
    Ok(Ended { lost })
}

type StatusText = Arc<dyn Fn() -> String + Send + Sync>;

async fn mount(session: Session) -> Result<(Held, StatusText), SessionError> {
    let dir = session.claim.path().to_owned();
    let runtime = Handle::current();
    let reporter = Arc::new(Reporter {
        wallet: session.wallet.clone(),
        name: session.name,
        mountpoint: dir.display().to_string(),
        store: session.store,
        read_only: session.read_only,
        rest: OnceLock::new(),
    });
    let status: StatusText = {
        let reporter = reporter.clone();
        Arc::new(move || reporter.text())
    };
    let fs = Fs::new(
        session.wallet.clone(),
        fs::Options {
            read_only: session.read_only,
            uid: sys::euid(),
            gid: sys::egid(),
            status: status.clone(),
            processes: Arc::new(fuse::Proc),
            clock: Arc::new(SystemClock),
            runtime: runtime.clone(),
        },
    );
    let weak = Arc::downgrade(&fs);
    let gate = {
        let fs = weak.clone();
        let unsaved = move || fs.upgrade().is_some_and(|fs| lacking(&fs.unsaved()) > 0);
        let clock = Arc::new(sys::boottime);
        Arc::new(Gate::new(clock, session.timeout, session.lifetime, unsaved))
    };
    let refused = {
        let dir = dir.clone();
        move |source| SessionError::Mount { dir, source }
    };
    let mount = {
        let (fs, gate, dir) = (fs.clone(), gate.clone(), dir.clone());
        // Waits for fusermount3 and for the kernel's first word.
        spawn_blocking(move || fuse::mount(fs, gate, runtime, &dir, session.read_only))
    };
    let mount = mount.await.map_err(io::Error::other)?.map_err(refused)?;
    let mut hardening = session.hardening;
    if !session.claim.close() {
        hardening.add(format!(
            "{} could not be closed (mode 0500), so programs can write into it after the lock",
            dir.display()
        ));
    }
    for gap in hardening.gaps() {
        tracing::warn!("not enforced: {gap}");
    }
    let rest = Rest {
        gate: gate.clone(),
        fs: weak,
        hardening,
    };
    reporter.rest.get_or_init(|| rest);
    let watch = match mountinfo::at(&dir) {
        Ok(Some(entry)) if entry.is_ours() => Watch::new(&entry),
        Ok(_) => Err(io::Error::other("the mount has gone at once")),
        Err(error) => Err(error),
    };
    let watch = watch.inspect_err(|_| {
        gate.close();
        if let Err(error) = mountpoint::unmount(&dir, true) {
            tracing::error!("{} stays mounted, but dead: {error}", dir.display());
        }
    })?;
    tracing::info!("mounted on {}", dir.display());
    let held = Held {
        gate,
        fs,
        wallet: session.wallet,
        mount,
        watch,
    };
    Ok((held, status))
}

/// Says how the session stands.
struct Reporter {
    wallet: Arc<Wallet>,
    name: String,
    mountpoint: String,
    store: String,
    read_only: bool,
    /// What there is only once it is mounted.
    rest: OnceLock<Rest>,
}

struct Rest {
    gate: Arc<Gate>,
    /// The filesystem holds the reporter, so not the other way round too.
    fs: Weak<Fs>,
    hardening: Hardening,
}

impl Reporter {
    fn text(&self) -> String {
        let rest = self.rest.get();
        let (idle, end) = rest.map_or((None, None), |rest| rest.gate.left());
        // Before the generation: where nothing is unsaved, that one holds everything.
        let unsaved = rest
            .and_then(|rest| rest.fs.upgrade())
            .map(|fs| fs.unsaved())
            .unwrap_or_default();
        let state = self.wallet.state();
        let status = Status {
            wallet: self.name.clone(),
            mountpoint: self.mountpoint.clone(),
            pid: std::process::id(),
            store: self.store.clone(),
            generation: state.generation,
            read_only: self.read_only,
            seconds_to_idle_lock: idle.map(|left| left.as_secs()),
            seconds_to_end: end.map(|left| left.as_secs()),
            staleness: Staleness {
                age: state.age.as_secs(),
                reason: state.stale.or(state.fault),
            },
            unsaved: unsaved.drafts,
            failed: unsaved.failed,
            scratch: unsaved.scratch,
            not_enforced: rest.map(|rest| rest.hardening.gaps()).unwrap_or_default(),
        };
        status.to_json()
    }
}

impl Held {
    /// Waits for what ends the session.
    async fn wait(
        &self,
        signals: &mut Signals,
        mut locks: mpsc::Receiver<LockRequest>,
    ) -> Result<End, SessionError> {
        let gone = self.watch.gone();
        tokio::pin!(gone);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signals.next() => return Ok(End::Signal),
                gone = &mut gone => {
                    if let Err(error) = gone {
                        tracing::error!("the table of mounts cannot be watched: {error}");
                    }
                    return Ok(End::Gone);
                }
                _ = tick.tick() => match self.gate.closed() {
                    Some(Closed::Idle) => return Ok(End::Idle),
                    Some(Closed::Lifetime) => return Ok(End::Lifetime),
                    Some(Closed::Locked) | None if self.mount.ended() => return Ok(End::Gone),
                    Some(Closed::Locked) | None => {}
                },
                Some(mut request) = locks.recv() => {
                    tokio::select! {
                        followed = self.try_lock(&mut request) => {
                            if followed {
                                return Ok(End::Asked(request));
                            }
                        }
                        // Nothing holds these off.
                        () = signals.next() => return Ok(End::Overruled(request)),
                        () = self.lifetime_over() => return Ok(End::Overruled(request)),
                    }
                }
            }
        }
    }

    /// Returns once the session has reached its lifetime.
    async fn lifetime_over(&self) {
        while self.gate.left().1.is_none_or(|left| !left.is_zero()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Whether the request is to be followed. Otherwise content is left that cannot be stored: that
    /// was answered, and the session goes on.
    async fn try_lock(&self, request: &mut LockRequest) -> bool {
        if request.discard {
            return true;
        }
        // First with the gate open, so that a store that is away does not stop readers for as long
        // as it takes to find out; then once more for what came in between.
        let mut files = self.settle().await;
        if files == 0 {
            self.gate.close();
            files = self.settle().await;
        }
        if files == 0 {
            return true;
        }
        self.gate.reopen();
        request.answer(&Reply::Unsaved { files }).await;
        false
    }
}

/// The signals that lock.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let Signals([terminate, interrupt, hangup]) = self;
        tokio::select! {
            Some(()) = terminate.recv() => {}
            Some(()) = interrupt.recv() => {}
            Some(()) = hangup.recv() => {}
            // Only once the runtime shuts down.
            else => future::pending().await,
        }
    }
}
