//! `restore`: brings the wallet back to what a backup holds. On a device that is not set up, it sets
//! it up: the configuration and the key are written last, as by `init`.

use super::args::{Place, Restore as Args};
use super::{agreed, counted, secrets, showing};
use crate::cli::args::Global;
use crate::cli::config::Config;
use crate::cli::exit::{Exit, Failure, note, print};
use crate::cli::init::utc;
use crate::cli::opened::{Access, run as work};
use crate::cli::password::Source;
use crate::cli::progress::Progress;
use crate::cli::{device, prompt, store};
use crate::crypto::{DeviceKey, HeadMeta, OsRandom, SecretBytes};
use crate::session::private;
use crate::store::{Id, Item, Store};
use crate::wallet::WalletError;
use crate::wallet::backup::file::{self, FileError};
use crate::wallet::backup::{Affected, Fate, Keys, Outline, Restore, Sealed, Shelf, State, There};
use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// Runs the command.
pub(in crate::cli) fn run(global: &Global, args: Args) -> Result<(), Failure> {
    // First of all, before anything is opened.
    let (device, memorable) = (args.device.source()?, args.memorable.source()?);
    print(&work(async {
        let (access, fresh) = access(global, args.place).await?;
        let steps = Steps {
            access,
            fresh,
            yes: args.yes,
            device: Some(device),
        };
        steps.restore(args.from.as_deref(), memorable).await
    })?)
}

/// Where the wallet is, and whether that is new to this device.
async fn access(global: &Global, place: Place) -> Result<(Access, bool), Failure> {
    let (places, name) = (global.places()?, &global.wallet);
    let kind = match (places.config_file(name).exists(), place.store) {
        // Without a place and a configuration, it says how to set it up.
        (_, None) => return Ok((Access::new(global).await?, false)),
        (true, Some(_)) => {
            return Err(Failure::new(
                Exit::Usage,
                "the wallet is set up on this device: it is restored where it is kept; \
                 `walletfs migrate` moves it",
            ));
        }
        (false, Some(kind)) => kind,
    };
    let config = place.configure(kind, Config::new(kind), &places, name)?;
    private::make_dir(&places.state)?;
    let access = Access {
        store: store::open(&config, &places, name).await?,
        name: name.clone(),
        places,
        config,
    };
    Ok((access, true))
}

struct Steps {
    access: Access,
    /// Whether this device is not set up.
    fresh: bool,
    yes: bool,
    /// The source of the device password; taken once.
    device: Option<Source>,
}

/// The keys that open a backup, and the device's key if it is another than the one at hand.
struct Opened {
    keys: Option<Keys>,
    key: Option<DeviceKey>,
}

impl Steps {
    async fn restore(mut self, from: Option<&OsStr>, memorable: Source) -> Result<String, Failure> {
        let store = self.access.store.clone();
        let (name, backup) = self.backup(&store, from).await?;
        let key = match self.fresh {
            true => None,
            false => Some(self.access.key().await?),
        };
        let memorable = memorable.existing()?;

        let head = store.get(Id::Head).await?;
        let current = match (&head, &key) {
            (Some(head), Some(key)) => open(head, key, &memorable).await?,
            _ => None,
        };
        // The same way in as of old, and it does not open.
        let same = head.is_some_and(|head| head.meta == backup.head().meta);
        if same && key.is_some() && current.is_none() {
            return Err(WalletError::WrongPassword.into());
        }
        let opened = match current.as_ref().is_some_and(|keys| keys.fit(backup.head())) {
            true => Opened {
                keys: None,
                key: None,
            },
            false => self.own(backup.head(), key.as_ref(), &memorable).await?,
        };
        let (seen, o) = (self.access.seen(), self.access.options()?);
        let (generation, count) = (backup.generation(), backup.secrets().len());
        let salt = HeadMeta::decode(&backup.head().meta)
            .map_err(WalletError::from)?
            .device_salt;
        let (current, own) = (current.as_ref(), opened.keys.as_ref());
        let restore = Restore::prepare(Arc::clone(&store), seen, backup, current, own, o);
        let restore = restore.await?;
        let outline = restore.outline();
        note(&format!(
            "the backup {name}: {}, generation {generation}",
            secrets(count)
        ));
        for line in told(&outline, &store.describe()) {
            note(&line);
        }
        if restore.is_done() {
            self.set_up(outline.there, salt, opened.key)?;
            return Ok(
                "The wallet is what the backup holds: there is nothing to restore.\n".into(),
            );
        }
        agreed(self.yes, "Restore it", Some(&|| names(&restore)))?;
        let bar = Progress::new("restoring", 0);
        let done = restore.run(&showing(&bar)).await?;
        drop(bar);
        self.set_up(outline.there, salt, opened.key)?;
        let mut report = format!(
            "Restored: the wallet is now generation {}.\n",
            done.generation
        );
        if let Some(kept) = done.kept {
            report += &format!("What was there before is kept as {kept}.\n");
        }
        Ok(report)
    }

    /// The backup that is meant, by a name for people.
    async fn backup(
        &self,
        store: &Arc<dyn Store>,
        from: Option<&OsStr>,
    ) -> Result<(String, Sealed), Failure> {
        let shelf = Shelf::beside(store);
        let stamp = from
            .and_then(OsStr::to_str)
            .and_then(|from| shelf.parse(from));
        let stamp = match (from, stamp) {
            (Some(path), None) => {
                let sealed = from_file(Path::new(path))?;
                // Where the wallet's place is lost too, it is made.
                for notice in store.create().await? {
                    note(&notice.0);
                }
                return Ok((Path::new(path).display().to_string(), sealed));
            }
            (_, Some(stamp)) => stamp,
            (None, None) => {
                let entries = shelf.list().await?;
                let whole = entries.iter().rfind(|entry| entry.state == State::Whole);
                let newest = whole.ok_or_else(|| {
                    Failure::new(
                        Exit::NoWallet,
                        "there is no backup beside the wallet: name a file",
                    )
                })?;
                newest.stamp
            }
        };
        Ok((shelf.name(stamp), shelf.get(stamp).await?))
    }

    /// The keys of the backup, by the passwords that it was made under. What does not open with
    /// those of now is asked for.
    async fn own(
        &mut self,
        head: &Item,
        key: Option<&DeviceKey>,
        memorable: &SecretBytes,
    ) -> Result<Opened, Failure> {
        if let Some(key) = key
            && let Some(keys) = open(head, key, memorable).await?
        {
            return Ok(Opened {
                keys: Some(keys),
                key: None,
            });
        }
        if key.is_some() {
            note(
                "the backup does not open with the passwords of now; give those that the wallet had \
                 when it was made",
            );
        }
        let device = self.device.take().expect("it is taken here only");
        if !device.is_given() && !prompt::possible() {
            return Err(WalletError::WrongPassword.into());
        }
        let key = Keys::device(head, &device.existing()?).await?;
        let mut keys = open(head, &key, memorable).await?;
        if keys.is_none() && prompt::possible() {
            let older = prompt::hidden("Memorable password of the backup: ")?;
            keys = open(head, &key, &older).await?;
        }
        match keys {
            Some(keys) => Ok(Opened {
                keys: Some(keys),
                key: Some(key),
            }),
            None => Err(WalletError::WrongPassword.into()),
        }
    }

    /// Makes this device one that opens what the store holds now.
    fn set_up(&self, there: There, salt: [u8; 16], key: Option<DeviceKey>) -> Result<(), Failure> {
        let keeps_its_key = !self.fresh && matches!(there, There::Open { .. });
        match key {
            Some(key) if !keeps_its_key => {
                let Access {
                    places,
                    name,
                    config,
                    ..
                } = &self.access;
                device::take(places, name, &mut config.clone(), &key, &salt)
            }
            _ => Ok(()),
        }
    }
}

/// Keys by both passwords; `None` if these are not they, or if the head is damaged.
async fn open(
    head: &Item,
    key: &DeviceKey,
    memorable: &SecretBytes,
) -> Result<Option<Keys>, Failure> {
    match Keys::open(head, key, memorable, Arc::new(OsRandom)).await {
        Ok(keys) => Ok(Some(keys)),
        Err(WalletError::WrongPassword | WalletError::Integrity(_) | WalletError::Crypto(_)) => {
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

fn from_file(path: &Path) -> Result<Sealed, Failure> {
    let shown = path.display();
    let read = || file::read(BufReader::new(File::open(path)?));
    match read() {
        Ok((_, sealed)) => Ok(sealed),
        Err(error) => {
            let exit = match error {
                FileError::Io(_) => Exit::Failed,
                FileError::Foreign | FileError::Newer(_) => Exit::Usage,
                FileError::Damaged(_) => Exit::Integrity,
            };
            Err(Failure::new(exit, format!("{shown}: {error}")))
        }
    }
}

/// What a restore comes to, as lines.
fn told(outline: &Outline, place: &str) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match outline.there {
        There::Nothing => format!("{place}: nothing is there"),
        There::Open {
            generation,
            committed_ns,
        } => format!(
            "{place}: generation {generation}, last changed {}; it keeps its passwords",
            utc(committed_ns)
        ),
        There::Closed {
            generation,
            same_wallet,
        } => format!(
            "{place}: {} (generation {generation}) is there, which these passwords do not open; it \
             is replaced, and opens with the passwords of the backup",
            match same_wallet {
                true => "a state of this wallet",
                false => "ANOTHER WALLET",
            }
        ),
        There::Headless => format!("{place}: items without a head are there, and are replaced"),
    });
    lines.push(format!(
        "restoring brings {} back, changes {}, removes {}; {}",
        secrets(outline.added),
        outline.changed,
        outline.removed,
        counted(outline.same, "stays as it is", "stay as they are"),
    ));
    if outline.damaged > 0 {
        lines.push(format!(
            "{} of the backup: not to be opened, and left out",
            counted(outline.damaged, "item", "items")
        ));
    }
    lines
}

/// The names, for the terminal of the person who asked.
fn names(restore: &Restore) -> String {
    let line = |affected: Affected| {
        let fate = match affected.fate {
            Fate::Added => "comes back",
            Fate::Changed => "changes",
            Fate::Removed => "goes",
        };
        match affected.name {
            Some((domain, access)) => {
                let shown = |text: &str| text.escape_debug().to_string();
                format!("  {fate}: {}/{}\n", shown(&domain), shown(&access))
            }
            None => format!("  {fate}: a secret whose name does not open\n"),
        }
    };
    restore.affected().into_iter().map(line).collect()
}
