//! What files in a wallet do (walletfs-semantics(7)), written down once more, as simply as can be, to
//! compare with: random steps of two devices are played on a filesystem and on this model, and after
//! each step everything that either device shows must be what the model says.
//!
//! | file         | subject                                          |
//! |--------------|--------------------------------------------------|
//! | `step.rs`    | the steps, the names, and how a case is printed  |
//! | `flat.rs`    | the model: what is stored                        |
//! | `memory.rs`  | the model: what one mount has beside that        |
//! | `renames.rs` | the model: renames                               |
//! | `play.rs`    | plays steps on both, and compares                |

mod flat;
mod memory;
mod play;
mod renames;
pub(crate) mod step;

pub(crate) use play::{Subject, play};
pub(crate) use step::{Case, How, cases};

/// What a call gives: a value, or the name of its error number.
pub(crate) type Outcome<T> = Result<T, String>;

/// How many cases are played: `usual`, unless `WALLETFS_TEST_CASES` says how many times as many.
pub(crate) fn times(usual: u32) -> u32 {
    let times = std::env::var("WALLETFS_TEST_CASES");
    usual * times.map_or(1, |times| times.parse().expect("a number"))
}
