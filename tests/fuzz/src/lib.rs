//! What the fuzz targets do with their bytes: hand them to a reader of the program, and hold what it
//! makes of them against what it promises. A target returns, or panics over a promise that is broken.
//!
//! Used twice: by the programs in `bins/`, which cargo-fuzz builds, and by `tests/fuzz_corpus.rs`,
//! which runs every seed in the ordinary tests.

mod device;
mod imports;
mod names;
mod sealed;

pub use device::{config, records};
pub use imports::{bitwarden, csv, json, kdbx, keepass, onepux, pass, secret_wallet, tree};
pub use names::names;
pub use sealed::{backup, cbor, head, item};

/// A target: its name, which is that of its program and of the directory of its seeds, and what it
/// does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 16] = [
    ("backup", backup),
    ("bitwarden", bitwarden),
    ("cbor", cbor),
    ("config", config),
    ("csv", csv),
    ("head", head),
    ("item", item),
    ("json", json),
    ("kdbx", kdbx),
    ("keepass", keepass),
    ("names", names),
    ("onepux", onepux),
    ("pass", pass),
    ("records", records),
    ("secret_wallet", secret_wallet),
    ("tree", tree),
];
