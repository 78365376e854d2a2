//! [`Recent`]: which items the newest commits changed, kept in the head, so that a device which has
//! the secrets as of a little while ago fetches what it lacks instead of everything.
//!
//! It is a hint: what comes of it is believed only if the head's digest vouches for the whole.

use super::CryptoError;
use super::cbor::{self, array_len};
use minicbor::{Decoder, Encoder};
use std::collections::BTreeSet;

/// Commits that are remembered, and items that they changed, all together. So many fit into the 256
/// bytes to which a head's data is padded in any case, so the list costs no room in a store.
const MOST: usize = 10;

/// The items that the newest commits changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// The generation of the first entry.
    newest: u64,
    /// The ids of the items that each commit changed, the newest commit first, without a gap.
    commits: Vec<Vec<[u8; 16]>>,
}

impl Recent {
    /// The list in the head of `generation`, whose commit changed these items: no others, but for
    /// the head. `None`: so many that they are not told, or nobody knows.
    pub fn followed(&self, generation: u64, changed: Option<Vec<[u8; 16]>>) -> Recent {
        let Some(changed) = changed.filter(|changed| changed.len() <= MOST) else {
            return Recent::default();
        };
        let mut room = MOST - changed.len();
        let mut commits = vec![changed];
        if self.newest.checked_add(1) == Some(generation) {
            let fits = |commit: &&Vec<_>| {
                let left = room.checked_sub(commit.len());
                left.inspect(|left| room = *left).is_some()
            };
            let older = self.commits.iter().take(MOST - 1).take_while(fits);
            commits.extend(older.cloned());
        }
        Recent {
            newest: generation,
            commits,
        }
    }

    /// The items that the commits after `known` changed, up to `generation`, that of the head which
    /// has this list; `None` if it does not go back so far, or was written by a version that does
    /// not know it.
    pub fn since(&self, known: u64, generation: u64) -> Option<BTreeSet<[u8; 16]>> {
        if self.newest != generation {
            return None;
        }
        let lacking = usize::try_from(generation.checked_sub(known)?).ok()?;
        let commits = self.commits.get(..lacking)?;
        Some(commits.iter().flatten().copied().collect())
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    pub(super) fn write(&self, e: &mut Encoder<cbor::Sink>) -> cbor::Written {
        e.array(self.commits.len() as u64 + 1)?.u64(self.newest)?;
        for commit in &self.commits {
            e.bytes(commit.as_flattened())?;
        }
        Ok(())
    }

    pub(super) fn read(d: &mut Decoder<'_>) -> Result<Recent, CryptoError> {
        const OTHER: CryptoError =
            CryptoError::Malformed("a list of recent changes of another form");
        let commits = array_len(d)?.checked_sub(1).ok_or(OTHER)?;
        if !(1..=MOST as u64).contains(&commits) {
            return Err(OTHER);
        }
        let newest = d.u64()?;
        let mut recent = Recent {
            newest,
            commits: Vec::new(),
        };
        let mut items = 0;
        for _ in 0..commits {
            let (ids, rest) = d.bytes()?.as_chunks::<16>();
            items += ids.len();
            if !rest.is_empty() || items > MOST {
                return Err(OTHER);
            }
            recent.commits.push(ids.to_vec());
        }
        Ok(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(of: impl IntoIterator<Item = u8>) -> Vec<[u8; 16]> {
        of.into_iter().map(|n| [n; 16]).collect()
    }

    fn set(of: impl IntoIterator<Item = u8>) -> Option<BTreeSet<[u8; 16]>> {
        Some(ids(of).into_iter().collect())
    }

    #[test]
    fn commits_are_remembered_without_a_gap() {
        let recent = Recent::default().followed(7, Some(ids([1, 2])));
        let recent = recent.followed(8, Some(ids([])));
        let recent = recent.followed(9, Some(ids([2, 3])));
        assert_eq!(recent.since(9, 9), set([]));
        assert_eq!(recent.since(8, 9), set([2, 3]));
        assert_eq!(recent.since(7, 9), set([2, 3]));
        assert_eq!(recent.since(6, 9), set([1, 2, 3]));
        assert_eq!(recent.since(5, 9), None);
        assert_eq!(recent.since(10, 9), None);
        // A head that a version wrote which carries the list on as it was.
        assert_eq!(recent.since(9, 10), None);
        // A generation was left out, or is the last that there can be.
        assert_eq!(recent.followed(11, Some(ids([4]))).since(9, 11), None);
        let last = Recent {
            newest: u64::MAX,
            ..Recent::default()
        };
        assert_eq!(last.followed(0, Some(ids([]))).since(0, 0), set([]));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut recent = Recent::default();
        for generation in 1..=30 {
            recent = recent.followed(generation, Some(ids([generation as u8])));
        }
        assert_eq!(recent.since(20, 30), set(21..=30));
        assert_eq!(recent.since(19, 30), None);
        for generation in 31..=60 {
            recent = recent.followed(generation, Some(ids([])));
        }
        assert_eq!(recent.since(50, 60), set([]));
        assert_eq!(recent.since(49, 60), None);
        let full = recent.followed(61, Some(ids(1..=10)));
        assert_eq!(full.since(60, 61), set(1..=10));
        // Entries without items fit behind it.
        assert_eq!(full.since(52, 61), set(1..=10));
        assert_eq!(full.followed(62, Some(ids([11]))).since(60, 62), None);
        for unknown in [None, Some(ids(1..=11))] {
            assert_eq!(recent.followed(61, unknown), Recent::default());
        }
    }

    #[test]
    fn another_form_is_refused() {
        let read = |bytes: &[u8]| Recent::read(&mut Decoder::new(bytes));
        let id = [7; 16];
        let bytes = |parts: &[&[u8]]| parts.concat();
        // [3, h'', h'07...']
        let good = bytes(&[b"\x83\x03\x40\x50", &id]);
        assert_eq!(read(&good).unwrap().since(1, 3), set([7]));
        for bad in [
            &b"\x80"[..],
            b"\x81\x03",
            b"\x82\x03\x41\x07",
            b"\x82\x40\x40",
            b"\x82\x03\x03",
            // Eleven commits; eleven items.
            &bytes(&[b"\x8c\x14", &[0x40; 11]]),
            &bytes(&[b"\x82\x03\x58\xb0", &[7; 176]]),
        ] {
            assert!(read(bad).is_err(), "{bad:x?}");
        }
    }
}
