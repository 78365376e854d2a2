//! The adapter: fuser calls in, fuser replies out; the only place that names `fuser`.
//!
//! It translates and dispatches, and decides nothing about files. A call's future is polled once on
//! the thread that received it, so that what needs no store is answered at once; what waits for a
//! store moves to the runtime with its reply, and holds up no other call. (Measured: a warm read takes
//! about twice the floor of `scripts/bench warm-read` when every call moves to the runtime.) `libc` stands here for
//! the numbers of flags and errors only; no function of it is called.

mod adapter;
mod convert;
mod gate;
mod opens;
mod pages;
mod process;

pub use gate::Gate;
pub use opens::{Opening, Opens};
pub use process::Proc;

use crate::fs::Fs;
use adapter::Adapter;
use fuser::{BackgroundSession, Config, MountOption, Session};
use pages::Pages;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A mount that answers. Dropping it unmounts nothing: [`crate::session`] does that.
pub struct Mount {
    session: Option<BackgroundSession>,
    pages: Pages,
    fs: Arc<Fs>,
}

/// Threads that receive calls: enough that a read goes on while another one is copied, no more than
/// the machine has cores for.
pub fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 4)
}

/// How a mount is made.
#[derive(Clone, Default)]
pub struct Options {
    /// The kernel refuses every change.
    pub read_only: bool,
    /// The kernel refuses to execute programs of the mount.
    pub no_exec: bool,
    /// Who is told of opens.
    pub opens: Option<Arc<dyn Opens>>,
}

/// Mounts `fs` on the directory `dir`. The kernel has been answered when this returns.
///
/// `runtime` takes what waits for a store. Every call passes `gate` first. No mount option is made
/// of user's text (fuser does not escape commas).
pub fn mount(
    fs: Arc<Fs>,
    gate: Arc<dyn Gate>,
    runtime: tokio::runtime::Handle,
    dir: &Path,
    options: Options,
) -> io::Result<Mount> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("walletfs".into()),
        // `MountOption::Subtype` is lost when root mounts without fusermount3.
        MountOption::CUSTOM("subtype=walletfs".into()),
        MountOption::DefaultPermissions,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
    ];
    if options.read_only {
        config.mount_options.push(MountOption::RO);
    }
    if options.no_exec {
        config.mount_options.push(MountOption::NoExec);
    }
    config.n_threads = Some(threads());
    let pages = Pages::new();
    let adapter = Adapter::new(fs.clone(), gate, options.opens, runtime, pages.clone());
    let session = Session::new(adapter, dir, &config)?;
    pages.start(session.notifier())?;
    Ok(Mount {
        session: Some(session.spawn()?),
        pages,
        fs,
    })
}

impl Mount {
    /// Has the kernel drop what its page cache holds of files that are open through private
    /// mappings. Returns at once: the kernel may hold a page for a reply that is still due.
    pub fn drop_pages(&self) {
        for ino in self.fs.mapped() {
            self.pages.drop_pages(ino);
        }
    }

    /// Whether the kernel has ended the connection (an unmount from outside, an abort).
    pub fn ended(&self) -> bool {
        self.session
            .as_ref()
            .is_none_or(|session| session.guard.is_finished())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // fuser would unmount the path a second time, perhaps somebody else's mount by then, and
        // its join lasts as long as any process holds a file.
        std::mem::forget(self.session.take());
    }
}
