//! File names: the one name that each key has in a directory, and back (design: every key has
//! exactly one file name, every other spelling is refused and never found).
//!
//! `/` and NUL show as `%2F` and `%00`, keys that cannot be names at all (`.`, `..`) or that would
//! hide another file (`uid`, `pwd` within a secret, `.walletfs` at the top) are escaped as a whole,
//! and a `%` shows as `%25` only where it would otherwise read as one of these escapes. This module
//! knows nothing of wallets.

use super::error::{Errno, FsError};

/// The longest name that is shown, in bytes (`NAME_MAX`, limits.h).
pub const NAME_MAX: usize = 255;

/// The hidden directory of the mount's own files.
pub const CONTROL: &str = ".walletfs";

/// The level of the tree that a name stands at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// In `/`: domains.
    Domain,
    /// In `/D`: accesses.
    Access,
    /// In `/D/A`: info keys (`uid` and `pwd` themselves are no keys).
    Info,
}

/// Escapes that stand for one character, wherever they are.
const CHARACTERS: [(&str, char); 3] = [("%2F", '/'), ("%00", '\0'), ("%25", '%')];

/// Escapes that stand for a whole key, and only as the whole name.
fn whole(level: Level) -> &'static [(&'static str, &'static str)] {
    match level {
        Level::Domain => &[("%2E", "."), ("%2E%2E", ".."), ("%2Ewalletfs", CONTROL)],
        Level::Access => &[("%2E", "."), ("%2E%2E", "..")],
        Level::Info => &[
            ("%2E", "."),
            ("%2E%2E", ".."),
            ("%75id", "uid"),
            ("%70wd", "pwd"),
        ],
    }
}

/// The file name of `key`. It may be longer than [`NAME_MAX`]: the wallet refuses such keys.
pub fn encode(level: Level, key: &str) -> String {
    if let Some((name, _)) = whole(level).iter().find(|(_, k)| *k == key) {
        return (*name).to_owned();
    }
    let mut name = String::with_capacity(key.len());
    // A key that is spelled like a whole-name escape: its first `%` must not read as one.
    let spelled_like_whole = whole(level).iter().any(|(name, _)| *name == key);
    for (at, c) in key.char_indices() {
        match c {
            '/' => name.push_str("%2F"),
            '\0' => name.push_str("%00"),
            '%' if (at == 0 && spelled_like_whole)
                || CHARACTERS
                    .iter()
                    .any(|(escape, _)| key[at..].starts_with(escape)) =>
            {
                name.push_str("%25");
            }
            _ => name.push(c),
        }
    }
    name
}

/// The key that `name` shows.
///
/// # Errors
/// ENAMETOOLONG over [`NAME_MAX`] bytes, EILSEQ if it is not UTF-8, EINVAL if it is not the one
/// spelling of its key.
pub fn decode(level: Level, name: &[u8]) -> Result<String, FsError> {
    let name = text(name)?;
    if let Some((_, key)) = whole(level).iter().find(|(n, _)| *n == name) {
        return Ok((*key).to_owned());
    }
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let (escape, c) = CHARACTERS
            .iter()
            .find(|(escape, _)| rest.starts_with(escape))
            .map_or((c.len_utf8(), c), |(escape, c)| (escape.len(), *c));
        key.push(c);
        rest = &rest[escape..];
    }
    if key.is_empty() || encode(level, &key) != name {
        return Err(FsError::new(
            Errno::EINVAL,
            "not the one spelling of this name",
        ));
    }
    Ok(key)
}

/// The name as text.
///
/// # Errors
/// ENAMETOOLONG over [`NAME_MAX`] bytes, EILSEQ if it is not UTF-8.
pub fn text(name: &[u8]) -> Result<&str, FsError> {
    if name.len() > NAME_MAX {
        return Err(FsError::new(
            Errno::ENAMETOOLONG,
            "a name of over 255 bytes",
        ));
    }
    std::str::from_utf8(name).map_err(|_| FsError::new(Errno::EILSEQ, "a name that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEVELS: [Level; 3] = [Level::Domain, Level::Access, Level::Info];

    #[test]
    fn the_names_of_the_design() {
        for (level, key, name) in [
            (Level::Info, "gas account", "gas account"),
            (Level::Info, "pin/code", "pin%2Fcode"),
            (Level::Info, "a\0b", "a%00b"),
            (Level::Access, ".", "%2E"),
            (Level::Access, "..", "%2E%2E"),
            (Level::Access, "...", "..."),
            (Level::Info, ".hidden", ".hidden"),
            (Level::Info, "uid", "%75id"),
            (Level::Info, "pwd", "%70wd"),
            (Level::Access, "uid", "uid"),
            (Level::Access, "%75id", "%75id"),
            (Level::Info, "%75id", "%2575id"),
            (Level::Domain, ".walletfs", "%2Ewalletfs"),
            (Level::Access, ".walletfs", ".walletfs"),
            (Level::Access, "%2Ewalletfs", "%2Ewalletfs"),
            (Level::Access, "50% off", "50% off"),
            (Level::Access, "%2E", "%252E"),
            (Level::Access, "%2E%2E", "%252E%2E"),
            (Level::Access, "a%2E", "a%2E"),
            (Level::Access, "%2F", "%252F"),
            (Level::Access, "%2f", "%2f"),
            (Level::Access, "%25", "%2525"),
            (Level::Access, "%/", "%%2F"),
            (Level::Access, "100%", "100%"),
        ] {
            assert_eq!(encode(level, key), name, "{level:?} {key:?}");
            assert_eq!(
                decode(level, name.as_bytes()).unwrap(),
                key,
                "{level:?} {name:?}"
            );
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for (level, name) in [
            (Level::Access, "%25"),
            (Level::Access, "a%25b"),
            (Level::Access, "%252e"),
            (Level::Info, "%2575ID"),
            (Level::Access, "%2575id"),
        ] {
            assert_eq!(
                decode(level, name.as_bytes()).unwrap_err().errno,
                Errno::EINVAL,
                "{name}"
            );
        }
        assert_eq!(
            decode(Level::Info, &[0xff]).unwrap_err().errno,
            Errno::EILSEQ
        );
        assert_eq!(
            decode(Level::Info, &[b'a'; 256]).unwrap_err().errno,
            Errno::ENAMETOOLONG
        );
        assert!(decode(Level::Info, &[b'a'; 255]).is_ok());
    }

    /// Texts made of what the codec treats apart, so that they collide often.
    fn hostile() -> impl Strategy<Value = String> {
        let parts = [
            "%",
            "2",
            "F",
            "E",
            "5",
            "0",
            "7",
            "/",
            "\0",
            ".",
            "..",
            "uid",
            "pwd",
            "id",
            "wd",
            "%2E",
            "%25",
            "%75id",
            "%70wd",
            ".walletfs",
            "walletfs",
            "é",
            "f",
        ];
        prop::collection::vec(prop::sample::select(parts.to_vec()), 1..7).prop_map(|v| v.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Every key has a name that the kernel can carry, and the name leads back to the key.
        #[test]
        fn key_to_name_and_back(key in hostile()) {
            for level in LEVELS {
                let name = encode(level, &key);
                prop_assert!(!name.contains(['/', '\0']) && name != "." && name != "..");
                prop_assert!(level != Level::Info || (name != "uid" && name != "pwd"));
                prop_assert!(level != Level::Domain || name != CONTROL);
                prop_assert_eq!(decode(level, name.as_bytes()).ok(), Some(key.clone()));
            }
        }

        /// A name either is the one name of its key or is refused.
        #[test]
        fn name_to_key_and_back(name in hostile().prop_map(|n| n.replace(['/', '\0'], "_"))) {
            for level in LEVELS {
                if let Ok(key) = decode(level, name.as_bytes()) {
                    // The names that the kernel or the layout keeps for itself are no keys' names.
                    let kept = name == "." || name == ".."
                        || (level == Level::Info && (name == "uid" || name == "pwd"))
                        || (level == Level::Domain && name == CONTROL);
                    prop_assert!(!kept);
                    prop_assert_eq!(encode(level, &key), name.clone());
                }
            }
        }
    }
}
