//! Which names of domains, accesses and info keys can be shown as file names. The codec itself
//! belongs to the file layer; this layer knows only how long a name becomes, so that no client
//! stores one that cannot be shown.

use super::WalletError;

/// The longest file name, in bytes as shown (`NAME_MAX` of Linux, `limits.h(0p)`).
pub const MAX: usize = 255;

/// Refuses a name that has no file name: the empty one, and one of more than [`MAX`] bytes as
/// shown.
pub fn check(name: &str) -> Result<(), WalletError> {
    if name.is_empty() {
        return Err(WalletError::BadName("it is empty"));
    }
    if shown_len(name) > MAX {
        return Err(WalletError::BadName("it is over 255 bytes as shown"));
    }
    Ok(())
}

/// Bytes of `name` as shown: `/` and NUL take three bytes, and so does a `%` that would otherwise
/// read as the escape of one of these or of `%`. The escapes of whole names (`.`, `..`, `uid`,
/// `pwd`, `.walletfs`) are not counted: those names are short.
pub fn shown_len(name: &str) -> usize {
    let bytes = name.as_bytes();
    let escaped = bytes.iter().enumerate().filter(|(i, byte)| match byte {
        b'/' | 0 => true,
        b'%' => matches!(bytes.get(i + 1..i + 3), Some(b"2F" | b"00" | b"25")),
        _ => false,
    });
    bytes.len() + 2 * escaped.count()
}

/// `name` with `suffix` behind it, cut to the length that can be shown.
pub(super) fn with_suffix(name: &str, suffix: &str) -> String {
    let mut kept = name.chars();
    loop {
        let both = format!("{}{suffix}", kept.as_str());
        if shown_len(&both) <= MAX || kept.next_back().is_none() {
            return both;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_have_a_file_name_pass() {
        for name in ["uid", ".", "a/b", "%", "é", "\0", &"a".repeat(255)] {
            assert!(check(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_that_have_none_are_refused() {
        let long = "a".repeat(256);
        let slashes = format!("{}//", "a".repeat(250));
        let wide = "é".repeat(128);
        for name in ["", &long, &slashes, &wide] {
            assert!(
                matches!(check(name), Err(WalletError::BadName(_))),
                "{name:?}"
            );
        }
    }

    #[test]
    fn only_what_reads_as_an_escape_is_escaped() {
        for (name, shown) in [
            ("50%", 3),
            ("%2f", 3),
            ("%2F", 5),
            ("%25", 5),
            ("%00", 5),
            ("a/b\0", 8),
            ("%/", 4),
        ] {
            assert_eq!(shown_len(name), shown, "{name:?}");
        }
    }
}
