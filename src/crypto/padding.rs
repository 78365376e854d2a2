//! Padding, so that sizes tell little: `padded(x)` = length of x as u32, x, zeros.
//!
//! The whole of it, the length included, takes the larger of 256 bytes and Padmé's size (Nikitin et
//! al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019,
//! section 4): at most 12 % more, and a length tells O(log log) bits. There is one padding of each
//! x, and no other is accepted.

use super::CryptoError;

/// Bytes of the length before the content.
const PREFIX: usize = 4;
/// The least size.
const LEAST: usize = 256;

/// Size in bytes of `padded(x)` for an x of `len` bytes.
pub fn padded_len(len: usize) -> usize {
    padme(len + PREFIX).max(LEAST)
}

/// Writes `padded(x)` over `out`, which has [`padded_len`] zeros.
pub(crate) fn pad_into(out: &mut [u8], x: &[u8]) {
    let len = u32::try_from(x.len()).expect("an item is far smaller than 4 GiB");
    out[..PREFIX].copy_from_slice(&len.to_be_bytes());
    out[PREFIX..PREFIX + x.len()].copy_from_slice(x);
}

/// Reduces `padded(x)` to x, in place. The bytes behind x stay in the vector's capacity.
pub(crate) fn unpad(padded: &mut Vec<u8>) -> Result<(), CryptoError> {
    let prefix = padded.first_chunk().ok_or(CryptoError::BadPadding)?;
    let len = u32::from_be_bytes(*prefix) as usize;
    if len > padded.len() || padded.len() != padded_len(len) {
        return Err(CryptoError::BadPadding);
    }
    if padded[PREFIX + len..].iter().any(|filler| *filler != 0) {
        return Err(CryptoError::BadPadding);
    }
    padded.copy_within(PREFIX..PREFIX + len, 0);
    padded.truncate(len);
    Ok(())
}

/// The size that Padmé gives to `len` bytes, `len` being positive.
fn padme(len: usize) -> usize {
    let exponent = len.ilog2();
    if exponent == 0 {
        return len;
    }
    // The low bits that Padmé clears: all of the mantissa but as many bits as the exponent takes.
    let significant = exponent.ilog2() + 1;
    let mask = (1 << (exponent - significant)) - 1;
    (len + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(x: &[u8]) -> Vec<u8> {
        let mut out = vec![0; padded_len(x.len())];
        pad_into(&mut out, x);
        out
    }

    #[test]
    fn padme_gives_the_sizes_of_the_paper() {
        // Computed with the paper's Algorithm 1 in another language.
        for (len, size) in [
            (1, 1),
            (2, 2),
            (9, 10),
            (16, 16),
            (255, 256),
            (256, 256),
            (257, 272),
            (272, 272),
            (273, 288),
            (1000, 1024),
            (65537, 67584),
            (400_000, 401_408),
        ] {
            assert_eq!(padme(len), size, "{len}");
        }
    }

    #[test]
    fn the_length_counts_in_the_size() {
        assert_eq!(padded_len(0), 256);
        assert_eq!(padded_len(252), 256);
        assert_eq!(padded_len(253), 272);
    }

    #[test]
    fn other_padding_is_refused() {
        let good = padded(&[7; 300]);
        let refused = |mut bytes: Vec<u8>| unpad(&mut bytes) == Err(CryptoError::BadPadding);
        assert!(!refused(good.clone()));
        assert!(refused(good[..good.len() - 1].to_vec()));
        assert!(refused([good.clone(), vec![0]].concat()));
        assert!(refused([good.clone(), vec![0; 16]].concat()));
        for filler in 304..good.len() {
            let mut bytes = good.clone();
            bytes[filler] = 1;
            assert!(refused(bytes), "{filler}");
        }
        for len in [299, 305, 306, 4000, u32::MAX] {
            let mut bytes = good.clone();
            bytes[..4].copy_from_slice(&u32::to_be_bytes(len));
            assert!(refused(bytes), "{len}");
        }
        assert!(refused(Vec::new()));
        assert!(refused(vec![0; 3]));
        assert!(refused(vec![0; 4]));
    }

    proptest! {
        #[test]
        fn unpad_is_the_inverse_of_pad(x in prop::collection::vec(any::<u8>(), 0..5000)) {
            let mut bytes = padded(&x);
            let size = bytes.len();
            prop_assert!(size >= 256);
            prop_assert!(size == 256 || (size as f64) <= 1.12 * (x.len() + 4) as f64);
            unpad(&mut bytes).unwrap();
            prop_assert_eq!(bytes, x);
        }

        #[test]
        fn what_unpads_is_the_one_padding_of_its_content(
            mut bytes in prop::collection::vec(0..2_u8, 250..300),
            len in 0..300_u32,
            real in any::<bool>(),
        ) {
            bytes[..4].copy_from_slice(&len.to_be_bytes());
            if real {
                bytes.truncate(256);
                let end = bytes.len().min(4 + len as usize);
                bytes[end..].fill(0);
            }
            let mut x = bytes.clone();
            if unpad(&mut x).is_ok() {
                prop_assert_eq!(padded(&x), bytes);
            }
        }
    }
}
