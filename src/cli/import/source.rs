//! From the options to a source: which file it is, who opens it, and its secrets.

use super::args::{Format, Import};
use super::{files, gpg, secret_wallet};
use crate::cli::exit::{Exit, Failure};
use crate::cli::password::Source as Password;
use crate::cli::paths;
use crate::cli::unlocked::Before;
use crate::crypto::SecretBytes;
use crate::fs::names;
use crate::wallet::import::csv::{self, Dialect};
use crate::wallet::import::tree::{self, Level};
use crate::wallet::import::{
    MOST_BYTES, Source, SourceError, bitwarden, json, kdbx, keepass, onepux,
};
use std::path::{Path, PathBuf};

/// Where the other wallet's passwords come from.
pub(super) struct Passwords {
    pub(super) password: Password,
    pub(super) device: Password,
}

/// Where the other wallet is.
pub(super) enum Place {
    /// A file or directory that is there.
    File(PathBuf),
    /// The live table of a secret-wallet.
    Live,
}

impl Place {
    /// Found before a password is asked for.
    pub(super) fn find(args: &Import) -> Result<Place, Failure> {
        if let Some(file) = &args.file {
            return match file.exists() {
                true => Ok(Place::File(file.clone())),
                false => {
                    let message = format!(
                        "{}: there is no such file or directory: see that its path is right",
                        file.display()
                    );
                    Err(Failure::new(Exit::Failed, message))
                }
            };
        }
        if !args.from.has_usual_place() {
            return Err(Failure::new(
                Exit::Usage,
                "there is nothing to import: name the file",
            ));
        }
        match args.from {
            Format::Pass => {
                let env = |name: &str| std::env::var_os(name);
                let store = match env("PASSWORD_STORE_DIR").filter(|dir| !dir.is_empty()) {
                    Some(dir) => PathBuf::from(dir),
                    None => paths::home(&env)?.join(".password-store"),
                };
                Ok(Place::File(store))
            }
            _ => Ok(Place::Live),
        }
    }
}

/// Reads it. `own` is this wallet's memorable password.
pub(super) fn read(
    before: &Before,
    args: &Import,
    place: &Place,
    passwords: Passwords,
    own: SecretBytes,
) -> Result<Source, Failure> {
    let path = match place {
        Place::File(path) => path,
        Place::Live => return secret_wallet::read_live(before, args, passwords, &own),
    };
    let named = |error: SourceError| {
        let (exit, message) = Failure::from(error).to_parts();
        Failure::new(
            exit,
            format!(
                "{}: {message}; see that it is what --from says",
                path.display()
            ),
        )
    };
    let table = |dialect| csv::read(files::read(path)?.expose(), dialect).map_err(named);
    match args.from {
        Format::SecretWallet | Format::SecretWalletDecrypted => {
            secret_wallet::read_file(before, args, path, passwords, &own)
        }
        Format::Pass => gpg::read(path),
        Format::Bitwarden => bitwarden::read(files::read(path)?.expose()).map_err(named),
        Format::Keepass => {
            let file = files::read(path)?;
            let key_file = args.key_file.as_deref().map(files::read).transpose()?;
            let password = passwords.password.existing()?;
            let credentials = kdbx::Credentials { password, key_file };
            kdbx::read(file.expose(), &credentials).map_err(named)
        }
        Format::KeepassXml => keepass::read(files::read(path)?.expose()).map_err(named),
        Format::OnePassword => onepux::read(files::read(path)?.expose()).map_err(named),
        Format::OnePasswordCsv => table(Dialect::OnePassword),
        Format::Chrome => table(Dialect::Chrome),
        Format::Firefox => table(Dialect::Firefox),
        Format::Csv => table(Dialect::Generic),
        Format::Directory => directory(path),
        Format::Json => json::read(files::read(path)?.expose()).map_err(named),
    }
}

fn directory(top: &Path) -> Result<Source, Failure> {
    let walk = files::walk(top, |_| false)?;
    let mut entries = Vec::with_capacity(walk.found.len());
    let mut too_large = 0;
    let mut room = MOST_BYTES as u64;
    for found in walk.found {
        let content = match found.is_dir {
            true if found.path.len() == 2 => None,
            true => continue,
            false => {
                room = room
                    .checked_sub(found.size.min(files::MOST_FILE as u64))
                    .ok_or_else(|| {
                        let message = format!("the files hold more than {} MiB", MOST_BYTES >> 20);
                        Failure::new(Exit::Failed, message)
                    })?;
                match found.read()? {
                    Some(content) => Some(content),
                    None => {
                        too_large += 1;
                        continue;
                    }
                }
            }
        };
        entries.push(tree::Entry {
            path: found.path,
            content,
            mtime_ns: found.mtime_ns,
            mode: found.mode,
        });
    }
    let absolute = std::path::absolute(top).unwrap_or_else(|_| top.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let decode = |level: Level, name: &[u8]| {
        let level = match level {
            Level::Domain => names::Level::Domain,
            Level::Secret => names::Level::Access,
            Level::Key => names::Level::Info,
        };
        names::decode(level, name).ok()
    };
    let mut source = tree::read(entries, &name, &decode)?;
    source.lose(too_large, "files that are larger than a secret can be");
    source.leave_out(walk.strange, "links and special files");
    Ok(source)
}
