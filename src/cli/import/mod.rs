//! `import`: reads what another manager left, compares it with the wallet, puts what is new, and
//! reads every value back. All of the source is read before anything is written, and what a run did
//! not come to, the next one does.

pub(super) mod args;
mod files;
mod gpg;
mod report;
pub(super) mod secret_wallet;
mod source;

use super::args::Global;
use super::exit::{Exit, Failure, note, print};
use super::progress::Progress;
use super::prompt;
use super::unlocked::{Before, Unlocked};
use crate::session::harden::Hardening;
use crate::wallet::import::naming::{Judged, Named, judge};
use crate::wallet::import::{Standing, Stopped, puts};
use crate::wallet::{Clock, WalletError};
use crate::wallet::{SecretPut, SystemClock, There};
use args::Import;
use report::Report;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the command.
pub(super) fn run(global: &Global, args: Import) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let memorable = args.memorable.clone().source()?;
    let passwords = source::Passwords {
        password: args.password.clone().source()?,
        device: args.device.clone().source()?,
    };
    Hardening::apply();
    let before = Before::load(global)?;
    let place = source::Place::find(&args)?;
    let password = memorable.existing()?;
    let wallet = before.unlock(&password)?;
    let done = import(&before, &wallet, &args, &place, passwords, password);
    drop(wallet);
    before.end();
    done
}

fn import(
    before: &Before,
    wallet: &Unlocked,
    args: &Import,
    place: &source::Place,
    passwords: source::Passwords,
    own: crate::crypto::SecretBytes,
) -> Result<(), Failure> {
    let mut source = source::read(before, args, place, passwords, own)?;
    let (left_out, lost) = (
        std::mem::take(&mut source.left_out),
        std::mem::take(&mut source.lost),
    );
    let judged = judge(source, args.from.nowhere());
    let standings = before.wait(wallet.compare(&judged.secrets))?;
    let report = Report {
        judged: &judged,
        standings: &standings,
        left_out: &left_out,
        lost: &lost,
        overwrite: args.overwrite,
    };
    print(&report.text(args.dry_run))?;
    if args.dry_run {
        return Ok(());
    }
    let rename = args.rename || report.asks_for_names() && ask_for_names()?;
    let chosen = choose(&judged, &standings, args.overwrite, rename);
    let there = match args.overwrite {
        true => There::Overwritten,
        false => There::Kept,
    };
    let puts = puts(chosen, there, SystemClock.wall_ns());
    put(before, wallet, &puts)?;
    report.outcome(rename)
}

fn ask_for_names() -> Result<bool, Failure> {
    if !prompt::possible() {
        return Ok(false);
    }
    let answer = prompt::ask("Import them under the proposed names? [y/N]")?;
    Ok(matches!(answer.as_deref(), Some("y" | "Y" | "yes")))
}

/// The secrets that are to be put.
fn choose<'a>(
    judged: &'a Judged,
    standings: &'a [Standing],
    overwrite: bool,
    rename: bool,
) -> impl Iterator<Item = &'a Named> {
    let secrets = judged.secrets.iter().zip(standings);
    secrets.filter_map(move |(named, standing)| {
        let wanted = match standing {
            Standing::New => true,
            Standing::Differs(_) => overwrite,
            Standing::Same | Standing::TooLarge => false,
        };
        (wanted && (rename || named.renamed.is_empty())).then_some(named)
    })
}

/// Puts them, and reads them back.
fn put(before: &Before, wallet: &Unlocked, puts: &[SecretPut]) -> Result<(), Failure> {
    if puts.is_empty() {
        return print("Nothing to import.\n");
    }
    let progress = Progress::new("importing", puts.len());
    let first = wallet.head_info().generation;
    let put = before.wait(async {
        let interrupted = Arc::new(AtomicBool::new(false));
        let watch = tokio::spawn({
            let interrupted = interrupted.clone();
            async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    interrupted.store(true, Ordering::Relaxed);
                }
            }
        });
        let step = |done| {
            progress.at(done);
            match interrupted.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let put = wallet.import(puts, step).await;
        watch.abort();
        put
    });
    drop(progress);
    if let Err(Stopped { done, why }) = put {
        let state = format!(
            "{done} of {} secrets are imported, each whole; run the same command again to import \
             the rest",
            puts.len()
        );
        return Err(match why {
            Some(error) => {
                let (exit, message) = Failure::from(error).to_parts();
                Failure::new(exit, format!("{message}; {state}"))
            }
            None => {
                note(&state);
                Failure::Interrupted
            }
        });
    }
    let commits = wallet.head_info().generation - first;
    let changed = before.wait(wallet.read_back(puts)).map_err(unread)?;
    print(&format!(
        "Imported {} in {}; every value was read back from the store.\n",
        report::count(puts.len() - changed.len(), "secret"),
        report::count(usize::try_from(commits).unwrap_or(usize::MAX), "commit"),
    ))?;
    if changed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} of what was imported were changed by another device at the same time; run the same \
         command again to see how they differ",
        report::count(changed.len(), "secret")
    );
    Err(Failure::new(Exit::Conflict, message))
}

fn unread(error: WalletError) -> Failure {
    let (exit, message) = Failure::from(error).to_parts();
    let message = format!("everything was imported, but not read back: {message}");
    Failure::new(exit, message)
}
