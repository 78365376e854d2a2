//! gpg, which decrypts a store of pass: one process an entry, its plaintext through a pipe.

use super::files::{self, MOST_FILE};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::crypto::{Growing, SecretBytes};
use crate::told;
use crate::wallet::import::{MOST_BYTES, Source, pass};
use std::path::Path;
use std::process::{Command, Stdio};

/// The end of every entry's file name.
const SUFFIX: &str = ".gpg";

/// Reads a store.
pub(super) fn read(store: &Path) -> Result<Source, Failure> {
    // The store may be a repository of git, and has files that say whose keys it is for.
    let walk = files::walk(store, |name| name.starts_with(b"."))?;
    let mut source = Source::default();
    source.leave_out(walk.strange, "links and special files");
    let (entries, others): (Vec<_>, Vec<_>) = walk
        .found
        .into_iter()
        .filter(|found| !found.is_dir)
        .partition(|found| {
            let name = found.path.last();
            name.is_some_and(|name| name.ends_with(SUFFIX.as_bytes()))
        });
    source.leave_out(others.len(), "files that are not encrypted entries");
    if entries.is_empty() {
        let message = format!("{} holds no entry of pass", store.display());
        return Err(Failure::new(Exit::Failed, message));
    }
    let progress = Progress::new("decrypting", entries.len());
    let (mut refused, mut too_large) = (Vec::new(), 0);
    let mut room = MOST_BYTES;
    for (at, entry) in entries.iter().enumerate() {
        let path: Vec<String> = entry
            .path
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        match decrypt(&entry.file)? {
            Plain::Whole(plain) => {
                room = room.checked_sub(plain.len()).ok_or_else(|| {
                    let message = format!("the entries hold more than {} MiB", MOST_BYTES >> 20);
                    Failure::new(Exit::Failed, message)
                })?;
                let mut names = path;
                if let Some(name) = names.last_mut() {
                    name.truncate(name.len() - SUFFIX.len());
                }
                let origin = format!("entry {}", at + 1);
                let found = pass::entry(origin, &names, plain, Some(entry.mtime_ns));
                source.push(found?)?;
            }
            Plain::TooLarge => too_large += 1,
            Plain::Refused => refused.push(path.join("/")),
        }
        progress.at(at + 1);
    }
    drop(progress);
    if refused.len() == entries.len() {
        return Err(Failure::new(
            Exit::WrongPassword,
            "gpg decrypts none of the entries; run `gpg --decrypt` on one of them to see why",
        ));
    }
    source.lose(too_large, "entries that are larger than a secret can be");
    if !refused.is_empty() {
        let what = format!("entries that gpg does not decrypt: {refused:?}");
        source.lose(refused.len(), &what);
    }
    Ok(source)
}

enum Plain {
    Whole(SecretBytes),
    TooLarge,
    Refused,
}

fn decrypt(file: &Path) -> Result<Plain, Failure> {
    let mut child = Command::new("gpg")
        .args(["--quiet", "--batch", "--decrypt", "--"])
        .arg(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            let message = format!(
                "gpg cannot be run: {}; install GnuPG (Debian: gpg)",
                told::system(&error)
            );
            Failure::new(Exit::Failed, message)
        })?;
    let output = child.stdout.take().expect("it is piped");
    let mut plain = Growing::default();
    let heard = plain.read_from(output, MOST_FILE);
    if !matches!(heard, Ok(true)) {
        // It writes more than is read.
        let _ = child.kill();
    }
    let failed = |error| Failure::new(Exit::Failed, format!("gpg: {}", told::system(&error)));
    let status = child.wait().map_err(failed)?;
    Ok(match heard.map_err(failed)? {
        false => Plain::TooLarge,
        true if status.success() => Plain::Whole(SecretBytes::new(plain.expose().to_vec())),
        true => Plain::Refused,
    })
}
