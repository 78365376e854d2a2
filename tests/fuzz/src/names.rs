//! File names.

use walletfs::fs::names::{CONTROL, Level, NAME_MAX, decode, encode};
use walletfs::wallet::name;

const LEVELS: [Level; 3] = [Level::Domain, Level::Access, Level::Info];

/// The bytes as a file name, and as a key: each key has one file name, and each file name one key
/// at most.
pub fn names(bytes: &[u8]) {
    for level in LEVELS {
        if let Ok(key) = decode(level, bytes) {
            assert!(
                encode(level, &key).as_bytes() == bytes,
                "a second name of a key"
            );
            assert!(name::check(&key).is_ok(), "a key that the wallet refuses");
        }
    }
    let Ok(key) = std::str::from_utf8(bytes) else {
        return;
    };
    for level in LEVELS {
        let shown = encode(level, key);
        let can_be = name::check(key).is_ok();
        assert!(can_be == (!shown.is_empty() && shown.len() <= NAME_MAX));
        if !can_be {
            continue;
        }
        assert!(!shown.contains(['/', '\0']) && shown != "." && shown != "..");
        match level {
            Level::Domain => assert!(shown != CONTROL),
            Level::Access => {}
            Level::Info => assert!(shown != "uid" && shown != "pwd"),
        }
        assert!(decode(level, shown.as_bytes()).is_ok_and(|decoded| decoded == key));
    }
}
