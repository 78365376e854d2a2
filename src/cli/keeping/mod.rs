//! Keeping a wallet: `backup`, `restore`, `migrate`, and what they have in common.

pub mod args;
pub(super) mod backup;
pub(super) mod migrate;
pub(super) mod restore;

use super::config::{self, Config};
use super::exit::{Exit, Failure};
use super::paths::Places;
use super::progress::Progress;
use super::{args::Global, prompt, store};
use crate::crypto::SecretBytes;
use crate::session::private;
use crate::store::Store;
use crate::wallet::{Options, Seen, Wallet};
use std::io::{self, Write};
use std::sync::Arc;

/// Runs a command's requests.
fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?;
    let done = runtime.block_on(work);
    // A call of the store that was given up must not hold the program.
    runtime.shutdown_background();
    done
}

/// A wallet that is set up on this device.
struct Home<'a> {
    name: &'a str,
    places: Places,
    config: Config,
}

impl<'a> Home<'a> {
    fn load(global: &'a Global) -> Result<Home<'a>, Failure> {
        let places = global.places()?;
        let config = Config::load(&places, &global.wallet)?;
        Ok(Home {
            name: &global.wallet,
            places,
            config,
        })
    }

    async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        store::open(&self.config, &self.places, self.name).await
    }

    fn seen(&self) -> Result<Seen, Failure> {
        private::make_dir(&self.places.state)?;
        Ok(Seen::at(self.places.seen_file(self.name)))
    }

    /// The wallet, unlocked so far that it can be copied.
    async fn unlock(&self, password: &SecretBytes) -> Result<Arc<Wallet>, Failure> {
        let key = config::load_key(&self.places, self.name)?;
        let (store, seen, o) = (self.store().await?, self.seen()?, Options::default());
        Ok(Wallet::unlock_to_copy(store, seen, &key, password, o).await?)
    }
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
            (Some("yes"), _) => return Ok(()),
            (None | Some("no"), _) => {
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
