//! Buffers for short secrets that are used over and over: to keep a buffer out of swap is a system
//! call, which a read of a value would make again and again, and all threads in turn.
//!
//! A buffer is wiped before it comes back, and never given back to the allocator while it is kept.

use super::secret::announce;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroize;

/// Bytes of a buffer: most values are shorter, and so is all that one secret holds, as a rule.
const SIZE: usize = 1024;

/// Buffers that are kept: as many as there are ever calls at the same time.
const KEPT: usize = 64;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn free() -> MutexGuard<'static, Vec<Vec<u8>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty buffer with room for `len` bytes, none of which will ever need another; `None` if that
/// is more than buffers have.
pub(super) fn take(len: usize) -> Option<Vec<u8>> {
    if len > SIZE {
        return None;
    }
    let kept = free().pop();
    Some(kept.unwrap_or_else(|| {
        let mut new = vec![0; SIZE];
        announce(&new);
        new.clear();
        new
    }))
}

/// Wipes a buffer that [`take`] gave, and keeps it.
pub(super) fn give(mut buffer: Vec<u8>) {
    buffer.zeroize();
    let mut free = free();
    if free.len() < KEPT {
        free.push(buffer);
    }
}

/// Lets go of the buffers that are kept: they were made before anybody was told of secrets.
pub(super) fn forget() {
    free().clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_wiped_and_used_again_without_a_move() {
        let mut buffer = take(SIZE).unwrap();
        buffer.extend_from_slice(&[7; SIZE]);
        let at = buffer.as_ptr();
        give(buffer);
        // Other tests take and give, too: it is among those that are kept, or in use by them.
        let mut taken = Vec::new();
        for _ in 0..KEPT {
            let buffer = take(1).unwrap();
            assert!(buffer.is_empty());
            let again = buffer.as_ptr() == at;
            taken.push(buffer);
            if again {
                let mut buffer = taken.pop().unwrap();
                buffer.resize(SIZE, 0);
                assert_eq!(buffer.as_ptr(), at);
                break;
            }
        }
        for buffer in taken {
            give(buffer);
        }
        assert!(free().iter().all(|kept| kept.capacity() >= SIZE));
    }

    #[test]
    fn what_is_longer_has_none() {
        assert!(take(SIZE + 1).is_none());
    }

    #[test]
    fn no_more_are_kept_than_so_many() {
        let taken: Vec<_> = (0..2 * KEPT).filter_map(|_| take(1)).collect();
        for buffer in taken {
            give(buffer);
        }
        assert!(free().len() <= KEPT);
    }
}
