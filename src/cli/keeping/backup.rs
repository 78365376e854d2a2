//! `backup`: copies the sealed items, beside the wallet in its store or to a file, and opens every
//! one of them.

use super::args::Backup;
use super::{secrets, showing, unlock};
use crate::cli::args::Global;
use crate::cli::exit::{Exit, Failure, note, print};
use crate::cli::opened::{Access, run as work};
use crate::cli::progress::Progress;
use crate::crypto::{HeadMeta, SecretBytes};
use crate::session::private;
use crate::wallet::backup::file::{self, Description};
use crate::wallet::backup::{Entry, Sealed, Shelf, State};
use crate::wallet::{Clock, SystemClock, WalletError};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::Path;

/// Runs the command.
pub(in crate::cli) fn run(global: &Global, args: Backup) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let password = args.memorable.source()?;
    let (report, faults) = work(async {
        let access = Access::new(global).await?;
        if args.list {
            return Ok((list(&access).await?, Vec::new()));
        }
        if let Some(name) = &args.delete {
            return Ok((delete(&access, name).await?, Vec::new()));
        }
        let password = password.existing()?;
        match &args.to {
            Some(path) => to_file(&access, &password, path).await,
            None => beside(&access, &password, args.keep).await,
        }
    })?;
    print(&report)?;
    if faults.is_empty() {
        return Ok(());
    }
    for fault in &faults {
        note(fault);
    }
    Err(Failure::new(
        Exit::Integrity,
        "the wallet is damaged, and so is this copy of it: `walletfs check` says what to do",
    ))
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    u64::try_from(SystemClock.wall_ns()).unwrap_or(0)
}

async fn beside(
    access: &Access,
    password: &SecretBytes,
    keep: Option<u16>,
) -> Result<(String, Vec<String>), Failure> {
    let wallet = unlock(access, password).await?;
    let bar = Progress::new("backing up", 0);
    let made = wallet.back_up(&showing(&bar)).await?;
    drop(bar);
    wallet.lock();
    let mut report = format!(
        "Backed up as {}: {}, generation {}. Every one was read back and opened.\n",
        made.name,
        secrets(made.count),
        made.generation
    );
    if !made.faults.is_empty() {
        report = format!(
            "Backed up as {}: {}, generation {}, as they were found.\n",
            made.name,
            secrets(made.count),
            made.generation
        );
    }
    if let Some(keep) = keep {
        let shelf = Shelf::beside(&access.store);
        let bar = Progress::new("removing", 0);
        let removed = shelf.prune(keep.into(), now(), &showing(&bar)).await?;
        drop(bar);
        for stamp in removed {
            report += &format!("Removed {}.\n", shelf.name(stamp));
        }
    }
    Ok((report, made.faults))
}

async fn delete(access: &Access, name: &str) -> Result<String, Failure> {
    let shelf = Shelf::beside(&access.store);
    let entries = shelf.list().await?;
    let meant = shelf.parse(name);
    let entry = entries.iter().find(|entry| Some(entry.stamp) == meant);
    let entry = entry.ok_or_else(|| WalletError::NoSuchBackup(name.escape_debug().to_string()))?;
    let bar = Progress::new("removing", 0);
    shelf.remove(entry, &showing(&bar)).await?;
    Ok(format!("Removed {}.\n", shelf.name(entry.stamp)))
}

async fn list(access: &Access) -> Result<String, Failure> {
    let shelf = Shelf::beside(&access.store);
    let entries = shelf.list().await?;
    if entries.is_empty() {
        return Ok(format!("The wallet `{}` has no backups.\n", access.name));
    }
    Ok(entries.iter().map(|entry| line(&shelf, entry)).collect())
}

fn line(shelf: &Shelf, entry: &Entry) -> String {
    let state = match entry.state {
        State::Whole => "",
        State::AsFound => ", of a damaged wallet",
        State::Unfinished => ", not finished",
    };
    format!(
        "{}: made {}, generation {}, {}{state}\n",
        shelf.name(entry.stamp),
        entry.stamp.shown(),
        entry.generation,
        secrets(entry.count),
    )
}

async fn to_file(
    access: &Access,
    password: &SecretBytes,
    path: &Path,
) -> Result<(String, Vec<String>), Failure> {
    if path.file_name().is_none() {
        return Err(in_file(path, &"a directory is not a file: name one in it"));
    }
    let wallet = unlock(access, password).await?;
    let (sealed, faults) = wallet.examined().await?;
    wallet.lock();
    refuse_foreign(path, &sealed)?;
    let of = Description {
        wallet: access.name.clone(),
        made_ns: now(),
    };
    private::write_by(path, |file| {
        let mut out = BufWriter::new(&*file);
        file::write(&mut out, &of, &sealed)?;
        out.flush()?;
        drop(out);
        file.rewind()?;
        match file::read(BufReader::new(&*file)) {
            Ok((_, back)) if back == sealed => Ok(()),
            Ok(_) => Err(io::Error::other("it does not hold what was written")),
            Err(error) => Err(io::Error::other(error)),
        }
    })?;
    let how = match faults.is_empty() {
        true => ". Every one was read back and opened.",
        false => ", as they were found.",
    };
    let report = format!(
        "Backed up to {}: {}, generation {}{how}\n",
        path.display(),
        secrets(sealed.secrets().len()),
        sealed.generation()
    );
    Ok((report, faults))
}

/// Only a backup of the same wallet is replaced.
fn refuse_foreign(path: &Path, sealed: &Sealed) -> Result<(), Failure> {
    let there = match File::open(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(in_file(path, &error)),
    };
    let wallet = |sealed: &Sealed| Some(HeadMeta::decode(&sealed.head().meta).ok()?.wallet_id);
    match file::read(BufReader::new(there)) {
        Ok((_, older)) if wallet(&older) == wallet(sealed) => Ok(()),
        Ok(_) => Err(in_file(
            path,
            &"it is a backup of another wallet; name another file",
        )),
        Err(_) => Err(in_file(
            path,
            &"it is there, and no backup of this wallet; name another file",
        )),
    }
}

fn in_file(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {why}", path.display()))
}
