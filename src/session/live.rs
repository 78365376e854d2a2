//! A session while it lives: mounts, then waits for whatever ends it.

use super::audit::Audit;
use super::calls::Calls;
use super::control::{self, Reply};
use super::events::{Events, Leash};
use super::gate::Gate;
use super::harden::Hardening;
use super::lock::{Held, lacking};
use super::mountinfo::{self, Watch};
use super::mountpoint::{self, Claim};
use super::private::PrivateError;
use super::report::{Reporter, Rest};
use super::wait::End;
use super::{logind, notify, registry, sys};
use crate::fs::{self, Fs};
use crate::fuse;
use crate::wallet::{SystemClock, Wallet, WalletError};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Longest that a suspend waits for the lock.
const SUSPEND: Duration = Duration::from_millis(1900);

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
    /// Whether programs in the mount may not be executed.
    pub no_exec: bool,
    /// Where opens are written down.
    pub audit: Option<Audit>,
    /// The command that the session is for, if it is for one.
    pub leash: Option<Leash>,
    /// Without an access until the lock; `None` is never.
    pub timeout: Option<Duration>,
    /// Until the session ends; `None` is never.
    pub lifetime: Option<Duration>,
    /// What this machine did not allow.
    pub hardening: Hardening,
    /// Where calls wait for the store: the wallet was unlocked [`Calls::around`] it.
    pub calls: Calls,
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
         fuse3 for fusermount3)", dir = .dir.display(), why = crate::told::system(.source)
    )]
    Mount {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("the session cannot begin: {why}", why = crate::told::system(.0))]
    Io(#[from] io::Error),
}

/// How a session ended. Keys and caches are wiped, and nothing is mounted any more.
#[must_use]
pub struct Ended {
    /// Files whose unsaved content is lost although nobody asked for that.
    pub lost: usize,
}

/// Mounts, says `ready` once the mount answers, and returns when the session is locked. Whoever
/// calls then ends the process without delay.
pub async fn run(
    mut session: Session,
    ready: impl FnOnce() -> io::Result<()>,
) -> Result<Ended, SessionError> {
    let late = session.hardening.late();
    let audit = session.audit.clone();
    let mut events = Events::new(session.leash.take())?;
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
    events.hear(logind::watch(late));

    let end = match ready() {
        Ok(()) => held.wait(&mut events, locks).await,
        Err(_) => End::Unwanted,
    };
    let trigger = Instant::now() - held.since(&end);
    tracing::info!("locking: {}", end.reason());
    notify::stopping();
    let (asked, inhibitor) = end.into_parts();
    // A suspend goes on when the process ends, or by then.
    tokio::spawn(async move {
        tokio::time::sleep(SUSPEND).await;
        drop(inhibitor);
    });
    let lacking = held.give_up(trigger, events.signal()).await;
    if let Some(audit) = audit {
        audit.finish().await;
    }
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

/// Deletes secrets that were removed long enough ago. What hinders that does not hinder a session.
async fn empty_trash(wallet: Arc<Wallet>) {
    match wallet.empty_expired().await {
        Ok(()) | Err(WalletError::Locked) => {}
        Err(e) => tracing::warn!("what was removed and is past its time stays for now: {e}"),
    }
}

type StatusText = Arc<dyn Fn() -> String + Send + Sync>;

async fn mount(session: Session) -> Result<(Held, StatusText), SessionError> {
    let dir = session.claim.path().to_owned();
    let calls = session.calls;
    let runtime = calls.handle();
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
    let audit = session
        .audit
        .map(|audit| Arc::new(audit) as Arc<dyn fuse::Opens>);
    let options = fuse::Options {
        read_only: session.read_only,
        no_exec: session.no_exec,
        opens: audit,
    };
    let trash = empty_trash(session.wallet.clone());
    let expiring = runtime.clone();
    let mount = {
        let (fs, gate, dir) = (fs.clone(), gate.clone(), dir.clone());
        // Waits for fusermount3 and for the kernel's first word.
        spawn_blocking(move || fuse::mount(fs, gate, runtime, &dir, options))
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
    // Nobody waits for it.
    drop(expiring.spawn(trash));
    let held = Held {
        gate,
        fs,
        wallet: session.wallet,
        mount,
        watch,
        calls,
    };
    Ok((held, status))
}
