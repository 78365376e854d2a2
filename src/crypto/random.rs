//! [`Random`]: where nonces, salts, ids and keys come from. Injected, so that known-answer tests can
//! fix it; the program knows [`OsRandom`] alone.

/// A source of random bytes that are fit for keys.
pub trait Random: Send + Sync {
    /// Overwrites all of `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator (getrandom(2)).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    /// Aborts the process when the system has no random bytes: nothing sealed without them would be
    /// safe, and no caller could do better.
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            eprintln!("walletfs: the system gives no random bytes ({error}); stopping");
            std::process::abort();
        }
    }
}

/// Bytes 0, 1, 2, ... over and over: every call goes on where the last one ended.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Counting(std::sync::atomic::AtomicU8);

#[cfg(test)]
impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_fills_every_byte_and_never_alike() {
        let mut a = [0; 64];
        let mut b = [0; 64];
        OsRandom.fill(&mut a);
        OsRandom.fill(&mut b);
        // A half left at zero, or equal draws, come by chance once in 2^256.
        assert!(a[..32] != [0; 32] && a[32..] != [0; 32]);
        assert!(a != b);
    }
}
