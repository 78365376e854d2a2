//! Keeping a wallet: `backup`, `restore`, `migrate`, and what they have in common.

pub mod args;
pub(super) mod backup;
pub(super) mod migrate;
pub(super) mod restore;

use super::exit::{Exit, Failure};
use super::opened::Access;
use super::progress::Progress;
use super::prompt;
use crate::crypto::SecretBytes;
use crate::wallet::Wallet;
use std::io::{self, Write};
use std::sync::Arc;

/// The wallet, unlocked so far that it can be copied.
async fn unlock(access: &Access, password: &SecretBytes) -> Result<Arc<Wallet>, Failure> {
    let key = access.key().await?;
    let (store, seen, o) = (access.store.clone(), access.seen(), access.options()?);
    let opened = Wallet::unlock_to_copy(store, seen, &key, password, o).await;
    access.explained(opened.map_err(Failure::from)).await
}

/// Shows how far it has come: for the library, which counts steps.
fn showing(bar: &Progress) -> impl Fn(u64, u64) + Send + Sync + '_ {
    |done, all| {
        let steps = |n| usize::try_from(n).unwrap_or(usize::MAX);
        bar.total(steps(all));
        bar.at(steps(done));
    }
}

/// Asks whether to go on. `names` is what an answer `names` shows.
fn agreed(yes: bool, question: &str, names: Option<&dyn Fn() -> String>) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !prompt::possible() {
        return Err(Failure::new(
            Exit::Usage,
            "there is no terminal to ask on: give --yes if this is meant",
        ));
    }
    let answers = match names {
        Some(_) => "yes, no, names",
        None => "yes, no",
    };
    loop {
        let answer = prompt::ask(&format!("{question} ({answers}) [no]"))?;
        match (answer.as_deref(), names) {
            (Some("yes" | "y"), _) => return Ok(()),
            (None | Some("no" | "n"), _) => {
                return Err(Failure::new(Exit::Failed, "nothing was changed"));
            }
            (Some("names"), Some(names)) => drop(write!(io::stderr(), "{}", names())),
            _ => super::exit::note(&format!("the answer is one of: {answers}")),
        }
    }
}

/// A number of things, as people write it.
fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A number of secrets.
fn secrets(n: impl TryInto<usize>) -> String {
    counted(n.try_into().unwrap_or(usize::MAX), "secret", "secrets")
}
