//! [`Growing`]: bytes that are secret and whose number is not known before. Growing leaves no copy
//! behind, as a vector's does.

use super::announce;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// Room that it begins with.
const FIRST: usize = 4 << 10;

/// Secret bytes that are written one after the other. Wiped on drop.
#[derive(Default)]
pub struct Growing(Zeroizing<Vec<u8>>);

impl Growing {
    /// The bytes so far.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts bytes behind those that are there.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        // Where memory begins that nobody was told of yet.
        let mut new = self.0.len();
        if needed > self.0.capacity() {
            let room = needed.max(2 * self.0.capacity()).max(FIRST);
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.0);
            // The old one is wiped as it goes.
            self.0 = grown;
            new = 0;
        }
        self.0.extend_from_slice(bytes);
        announce(&self.0[new..]);
    }

    /// Reads to the end, at most `most` bytes; `false` if there are more.
    pub fn read_from(&mut self, mut from: impl io::Read, most: usize) -> io::Result<bool> {
        let mut buffer = Zeroizing::new([0; 16 << 10]);
        loop {
            match from.read(&mut *buffer) {
                Ok(0) => return Ok(true),
                Ok(read) if self.len() + read > most => return Ok(false),
                Ok(read) => self.extend(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_in_their_order() {
        let mut growing = Growing::default();
        let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for part in all.chunks(777) {
            growing.write_all(part).unwrap();
        }
        assert!(growing.expose() == all);
    }

    #[test]
    fn reading_is_bounded() {
        for (bytes, most, whole) in [
            (0, 0, true),
            (5, 5, true),
            (5, 4, false),
            (99_999, 99_998, false),
        ] {
            let mut growing = Growing::default();
            let from = vec![7; bytes];
            assert_eq!(
                growing.read_from(&from[..], most).unwrap(),
                whole,
                "{bytes}"
            );
            assert!(growing.len() <= most);
        }
    }
}
