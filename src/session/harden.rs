//! Keeps the process's memory to itself, as far as this machine allows, and knows what it did not.

use super::sys::{self, MemoryLock};
use crate::crypto;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once a page with a secret could not be locked.
static UNLOCKED: AtomicBool = AtomicBool::new(false);

/// What this machine did not allow, as sentences for `status`.
#[derive(Clone, Debug, Default)]
pub struct Hardening {
    gaps: Vec<String>,
}

impl Hardening {
    /// Forbids core dumps and tracing, and keeps memory out of swap where the limit allows. For
    /// the start of the program, before any secret is read. What fails is told by
    /// [`Hardening::gaps`]; nothing stops for it.
    pub fn apply() -> Hardening {
        let mut hardening = Hardening::default();
        if let Err(error) = sys::forbid_dumps() {
            hardening.add(format!(
                "core dumps and tracing of the process are not forbidden: {error}"
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
            Err(error) => hardening.add(format!("memory may reach swap: {error}")),
        }
        if sys::euid() == 0 {
            hardening.add(
                "root is not kept from writing into the mount's directory after the lock".into(),
            );
        }
        hardening
    }

    /// Notes one more.
    pub fn add(&mut self, gap: String) {
        self.gaps.push(gap);
    }

    /// Everything that is not enforced, as of now.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = self.gaps.clone();
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
