//! [`Buffer`]: content that is being written. It grows without leaving copies behind.

use crate::crypto::{self, SecretBytes};
use zeroize::{Zeroize, Zeroizing};

/// Growing plaintext, wiped when it moves and when it ends.
#[derive(Default)]
pub(super) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    pub(super) fn of(value: &SecretBytes) -> Self {
        Buffer::holding(value.expose())
    }

    pub(super) fn copy(&self) -> Self {
        Buffer::holding(&self.0)
    }

    fn holding(content: &[u8]) -> Self {
        let mut buffer = Buffer::default();
        buffer.resize(content.len());
        buffer.0.copy_from_slice(content);
        buffer
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writes `data` at `offset`; a gap before it is filled with zeros (write(2)).
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.0.len() {
            self.resize(end);
        }
        self.0[offset..end].copy_from_slice(data);
    }

    /// Cuts or fills with zeros to `len` bytes (ftruncate(2)).
    pub(super) fn resize(&mut self, len: usize) {
        if len > self.0.capacity() {
            // Vec would move the content by itself and free the old place unwiped.
            let mut larger = Vec::with_capacity(len.max(2 * self.0.capacity()).max(64));
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        } else if len < self.0.len() {
            self.0[len..].zeroize();
        }
        let before = self.0.len();
        self.0.resize(len, 0);
        if len > before {
            crypto::announce(&self.0);
        }
    }

    /// The content as it is now, to be sealed.
    pub(super) fn to_value(&self) -> SecretBytes {
        SecretBytes::new(self.0.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_overlap_append_and_leave_zeros() {
        let mut buffer = Buffer::default();
        buffer.write(2, b"cd");
        assert_eq!(buffer.bytes(), b"\0\0cd");
        buffer.write(0, b"ab");
        buffer.write(3, b"DE");
        assert_eq!(buffer.bytes(), b"abcDE");
        buffer.resize(2);
        buffer.resize(4);
        assert_eq!(
            buffer.bytes(),
            b"ab\0\0",
            "what was cut off does not come back"
        );
    }

    #[test]
    fn growth_keeps_the_content() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for i in 0..2000u32 {
            buffer.write(expected.len(), &i.to_le_bytes());
            expected.extend_from_slice(&i.to_le_bytes());
        }
        assert_eq!(buffer.bytes(), expected);
    }
}
