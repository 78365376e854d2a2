//! Keeps the process's memory to itself, as far as this machine allows, and knows what it did not.
//!
//! Neither seccomp(2) nor landlock(7). For a process without privileges both want
//! `PR_SET_NO_NEW_PRIVS`, and with that the set-user-id `fusermount3` has none of its own: asked to
//! unmount, it fails ("Operation not permitted", measured), so that each lock would leave a dead
//! mount in the table. A helper outside of the fence that unmounts would be a second process to
//! trust. Besides, what a session does until its last moment leaves little to fence in: it speaks
//! with the network, reads credentials that AWS's settings name, runs the programs that those name
//! (`credential_process`), and writes the database, the log, and the audit file wherever they are.

use super::sys::{self, MemoryLock};
use crate::crypto;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Set once a page with a secret could not be locked.
static UNLOCKED: AtomicBool = AtomicBool::new(false);

/// What this machine did not allow, as sentences for `status`.
#[derive(Clone, Debug, Default)]
pub struct Hardening {
    gaps: Vec<String>,
    /// What turns out while the session lives.
    late: Arc<Mutex<Vec<String>>>,
}

/// Where a gap is told that turns out while the session lives.
#[derive(Clone, Debug)]
pub struct Late(Arc<Mutex<Vec<String>>>);

impl Late {
    /// Notes one more, once.
    pub fn add(&self, gap: String) {
        tracing::warn!("not enforced: {gap}");
        let mut late = self.0.lock().expect(LOCK);
        if !late.contains(&gap) {
            late.push(gap);
        }
    }
}

const LOCK: &str = "no holder of this lock panics";

impl Hardening {
    /// Forbids core dumps and tracing, and keeps memory out of swap where the limit allows. For
    /// the start of the program, before any secret is read. What fails is told by
    /// [`Hardening::gaps`]; nothing stops for it.
    pub fn apply() -> Hardening {
        let mut hardening = Hardening::default();
        if let Err(error) = sys::forbid_dumps() {
            hardening.add(format!(
                "core dumps and tracing of the process are not forbidden: {}",
                crate::told::system(&error)
            ));
        }
        match sys::lock_memory() {
            Ok(MemoryLock::All) => {}
            Ok(MemoryLock::UpTo(limit)) => {
                crypto::on_secret(lock_secret);
                hardening.add(format!(
                    "the limit for locked memory is {} KiB, so keys and open values are kept out \
                     of swap, but not the buffers of requests (raise `ulimit -l`)",
                    limit / 1024
                ));
            }
            Err(error) => hardening.add(format!(
                "memory may reach swap: {}",
                crate::told::system(&error)
            )),
        }
        if sys::euid() == 0 {
            hardening.add(
                "root is not kept from writing into the mount's directory after the lock".into(),
            );
        }
        hardening
    }

    /// Notes one more gap.
    pub fn add(&mut self, gap: String) {
        self.gaps.push(gap);
    }

    /// Where gaps are told that turn out later.
    pub fn late(&self) -> Late {
        Late(self.late.clone())
    }

    /// Everything that is not enforced, as of now.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = self.gaps.clone();
        gaps.extend(self.late.lock().expect(LOCK).iter().cloned());
        if UNLOCKED.load(Ordering::Relaxed) {
            gaps.push("the limit for locked memory is used up: some secrets may reach swap".into());
        }
        gaps
    }
}

fn lock_secret(bytes: &[u8]) {
    if let Err(error) = sys::lock_pages(bytes)
        && !UNLOCKED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!("a secret could not be kept out of swap: {error}");
    }
}
