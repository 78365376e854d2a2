//! [`Id`]: the name of an item in a store.

use std::fmt;

/// The name of an item: `head`, or 32 lower-case hex digits. Ids order as their texts do, so the
/// head comes last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A secret's item: 128 random bits.
    Secret([u8; 16]),
    /// The wallet's head.
    Head,
}

/// The text of an [`Id`], on the stack.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; 32],
    len: usize,
}

impl Id {
    /// The text that the store and the associated data of a seal hold.
    pub fn text(self) -> IdText {
        let mut bytes = [0; 32];
        let len = match self {
            Id::Head => {
                bytes[..4].copy_from_slice(b"head");
                4
            }
            Id::Secret(raw) => {
                for (i, byte) in raw.iter().enumerate() {
                    bytes[2 * i] = HEX[usize::from(byte >> 4)];
                    bytes[2 * i + 1] = HEX[usize::from(byte & 15)];
                }
                32
            }
        };
        IdText { bytes, len }
    }

    /// The id of this text, or `None` if no item may be called so.
    pub fn parse(text: &str) -> Option<Id> {
        if text == "head" {
            return Some(Id::Head);
        }
        let text: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut raw = [0; 16];
        for (byte, pair) in raw.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Id::Secret(raw))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn digit(byte: u8) -> Option<u8> {
    HEX.iter().position(|h| *h == byte).map(|i| i as u8)
}

impl std::ops::Deref for IdText {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("hex digits are ASCII")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parse_are_inverse() {
        for id in [Id::Head, Id::Secret([0; 16]), Id::Secret([0xab; 16])] {
            assert_eq!(Id::parse(&id.text()), Some(id));
        }
        for bad in [
            "",
            "Head",
            "ABABABABABABABABABABABABABABABAB",
            "00",
            "head ",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_order_as_their_texts() {
        let ids = [
            Id::Secret([0; 16]),
            Id::Secret([0x9f; 16]),
            Id::Secret([0xff; 16]),
            Id::Head,
        ];
        assert!(ids.is_sorted());
        assert!(ids.map(|id| id.text().to_string()).is_sorted());
    }
}
