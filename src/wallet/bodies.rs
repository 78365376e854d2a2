//! [`Bodies`]: sealed values, the most recently read ones, bounded in bytes. Ciphertext only: a
//! value is opened when it is read.

use crate::store::{Bytes, Id};
use lru::LruCache;

/// The sealed values of a secret, checked against the hash that its meta vouches for. Clones share
/// the bytes. One that is kept goes on holding what it held, whatever is committed.
#[derive(Clone)]
pub struct Body {
    /// The secret.
    pub id: Id,
    /// Ciphertext.
    pub data: Bytes,
    /// Its SHA-256, as the secret's meta has it.
    pub hash: [u8; 32],
}

/// A cache of bodies.
pub(super) struct Bodies {
    cache: LruCache<Id, Kept>,
    bytes: usize,
    most: usize,
}

struct Kept {
    hash: [u8; 32],
    data: Bytes,
}

impl Bodies {
    /// An empty cache of at most `most` bytes of ciphertext.
    pub(super) fn new(most: usize) -> Self {
        Bodies {
            cache: LruCache::unbounded(),
            bytes: 0,
            most,
        }
    }

    /// The data of this id if it has this hash; it becomes the most recently read.
    pub(super) fn get(&mut self, id: Id, hash: &[u8; 32]) -> Option<Bytes> {
        let kept = self.cache.get(&id)?;
        (kept.hash == *hash).then(|| kept.data.clone())
    }

    /// Whether the data of this id is there with this hash; a look is not a read.
    pub(super) fn has(&self, id: Id, hash: &[u8; 32]) -> bool {
        self.cache.peek(&id).is_some_and(|kept| kept.hash == *hash)
    }

    /// Keeps data as the most recently read, and lets go of the least recently read for it.
    pub(super) fn put(&mut self, id: Id, hash: [u8; 32], data: Bytes) {
        self.remove(id);
        self.bytes += data.len();
        self.cache.put(id, Kept { hash, data });
        while self.bytes > self.most {
            let (_, kept) = self.cache.pop_lru().expect("bytes are counted for entries");
            self.bytes -= kept.data.len();
        }
    }

    /// Keeps data if there is room: what a load brings never takes the place of what was read.
    pub(super) fn fill(&mut self, id: Id, hash: [u8; 32], data: Bytes) {
        let before = self.cache.peek(&id).map_or(0, |kept| kept.data.len());
        if self.bytes - before + data.len() <= self.most {
            self.put(id, hash, data);
        }
    }

    pub(super) fn remove(&mut self, id: Id) {
        if let Some(kept) = self.cache.pop(&id) {
            self.bytes -= kept.data.len();
        }
    }

    /// Lets go of what `current` does not know with this hash.
    pub(super) fn retain(&mut self, current: impl Fn(Id, &[u8; 32]) -> bool) {
        let bytes = &mut self.bytes;
        self.cache.retain(|id, kept| {
            let stays = current(*id, &kept.hash);
            if !stays {
                *bytes -= kept.data.len();
            }
            stays
        });
    }

    /// Lets go of everything, and keeps nothing from now on.
    pub(super) fn close(&mut self) {
        *self = Bodies::new(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Id {
        Id::Secret([n; 16])
    }

    fn put(bodies: &mut Bodies, n: u8, len: usize) {
        bodies.put(id(n), [n; 32], vec![n; len].into());
    }

    fn held(bodies: &Bodies) -> Vec<u8> {
        (0..10).filter(|n| bodies.has(id(*n), &[*n; 32])).collect()
    }

    #[test]
    fn the_least_recently_read_go_when_bytes_run_out() {
        let mut bodies = Bodies::new(100);
        put(&mut bodies, 1, 40);
        put(&mut bodies, 2, 40);
        assert!(bodies.get(id(1), &[1; 32]).is_some());
        put(&mut bodies, 3, 40);
        assert_eq!(held(&bodies), [1, 3]);
        assert_eq!(bodies.bytes, 80);
        put(&mut bodies, 4, 101);
        assert_eq!(held(&bodies), [] as [u8; 0]);
        assert_eq!(bodies.bytes, 0);
    }

    #[test]
    fn data_of_another_hash_is_not_found() {
        let mut bodies = Bodies::new(100);
        put(&mut bodies, 1, 40);
        assert!(bodies.get(id(1), &[2; 32]).is_none());
        bodies.put(id(1), [2; 32], vec![0; 10].into());
        assert!(bodies.get(id(1), &[2; 32]).is_some());
        assert_eq!(bodies.bytes, 10);
    }

    #[test]
    fn a_load_takes_only_the_room_there_is() {
        let mut bodies = Bodies::new(100);
        put(&mut bodies, 1, 60);
        bodies.fill(id(2), [2; 32], vec![2; 50].into());
        assert_eq!(held(&bodies), [1]);
        bodies.fill(id(3), [3; 32], vec![3; 40].into());
        assert_eq!(held(&bodies), [1, 3]);
        bodies.fill(id(1), [9; 32], vec![1; 60].into());
        assert!(bodies.has(id(1), &[9; 32]));
    }

    #[test]
    fn what_is_not_current_goes() {
        let mut bodies = Bodies::new(100);
        put(&mut bodies, 1, 40);
        put(&mut bodies, 2, 30);
        bodies.retain(|at, hash| at == id(2) && *hash == [2; 32]);
        assert_eq!((held(&bodies), bodies.bytes), (vec![2], 30));
    }

    #[test]
    fn a_closed_cache_keeps_nothing() {
        let mut bodies = Bodies::new(100);
        put(&mut bodies, 1, 40);
        bodies.close();
        put(&mut bodies, 2, 1);
        assert_eq!(held(&bodies), [] as [u8; 0]);
    }
}
