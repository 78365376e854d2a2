//! The mount's own files, in `/.walletfs`: nothing of them is stored, and nothing can be changed.
//! What they show is made when they are opened; until then their size is not known, and shows as 0
//! as that of files in `/proc` does.
//!
//! A section shows all secrets, or those that have something to show, in directories of the same
//! names as the main tree's.

pub(super) mod history;
mod text;
mod trash;

use super::Fs;
use super::attr::{self, Attr, Kind};
use super::error::FsResult;
use super::inode::{Ino, Node, Place};
use super::io::Slice;
use super::names::{self, Level, NAME_MAX};
use super::open::Handle;
use super::tree::{NOT_THERE, field, field_name};
use crate::crypto::SecretBytes;
use crate::store::Id;
use crate::wallet::{Field, Secret, View};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trash::{latest_removal, latest_removal_of};

/// Something in `/.walletfs`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Own {
    /// `/.walletfs`
    Control,
    /// `/.walletfs/status`
    Status,
    /// `/.walletfs/SECTION`
    Section(Section),
    /// `/.walletfs/SECTION/D`, by the domain's key.
    Domain(Section, Arc<str>),
    /// The file of a secret in `/.walletfs/SECTION/D`, by its item's id.
    Secret(Section, Id),
    /// `/.walletfs/history/D/A`, by the secret's id.
    Past(Id),
    /// `/.walletfs/history/D/A/F`
    PastField(Place),
    /// `/.walletfs/history/D/A/F/TIME`
    PastValue(Place, Arc<str>),
    /// `/.walletfs/trash/D/A`, by the secret's id.
    Removed(Id),
    /// `/.walletfs/trash/D/A/F`
    RemovedField(Place),
}

/// A view of the secrets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Section {
    /// Whole secrets.
    Json,
    /// One-time codes.
    Totp,
    /// One-time codes, and how long they are good for.
    TotpJson,
    /// What fields held before.
    History,
    /// Secrets that were removed.
    Trash,
}

/// The info key whose value says how one-time codes are made.
const OTPAUTH: &str = "otpauth";

/// What a caller holds open of the mount's own files: the text as it was when it was opened.
pub(super) struct OwnFile {
    pub(super) ino: Ino,
    text: SecretBytes,
    /// Pages of it may stand in the kernel's cache.
    pub(super) mapped: AtomicBool,
}

impl OwnFile {
    /// Up to `size` bytes at `offset`.
    pub(super) fn read(&self, offset: u64, size: usize, mapped: bool) -> Slice {
        self.mapped.fetch_or(mapped, Ordering::Relaxed);
        Slice::part(self.text.expose(), offset, size)
    }
}

impl Section {
    const ALL: [Section; 5] = [
        Section::History,
        Section::Json,
        Section::Totp,
        Section::TotpJson,
        Section::Trash,
    ];

    fn name(self) -> &'static str {
        match self {
            Section::Json => "json",
            Section::Totp => "totp",
            Section::TotpJson => "totp.json",
            Section::History => "history",
            Section::Trash => "trash",
        }
    }

    /// What comes behind the name of a secret.
    fn suffix(self) -> &'static str {
        match self {
            Section::Json => ".json",
            Section::Totp | Section::TotpJson | Section::History | Section::Trash => "",
        }
    }

    /// What it shows `id` as, if it shows it. A name that leaves no room for the suffix has no file.
    fn secret<'a>(self, view: &'a View<'_>, id: Id) -> Option<&'a Secret> {
        let secret = match self {
            Section::Trash => view.removed(id),
            _ => view.secret(id),
        };
        secret.filter(|secret| self.shows(secret))
    }

    fn shows(self, secret: &Secret) -> bool {
        match self {
            Section::History | Section::Trash => true,
            Section::Json => self.file_name(&secret.shown).len() <= NAME_MAX,
            Section::Totp | Section::TotpJson => {
                let otpauth = Field::Info(OTPAUTH.into());
                secret.meta.fields.contains_key(&otpauth)
            }
        }
    }

    /// What it shows a secret by.
    fn own(self, secret: Id) -> Own {
        match self {
            Section::History => Own::Past(secret),
            Section::Trash => Own::Removed(secret),
            Section::Json | Section::Totp | Section::TotpJson => Own::Secret(self, secret),
        }
    }

    fn file_name(self, shown: &str) -> String {
        names::encode(Level::Access, shown) + self.suffix()
    }

    /// The secrets of a domain that it shows, by access.
    fn secrets<'a>(
        self,
        view: &'a View<'_>,
        domain: &str,
    ) -> impl Iterator<Item = (&'a Arc<str>, Id)> {
        let removed = self == Section::Trash;
        let there = (!removed).then(|| view.secrets(domain));
        let removed = removed.then(|| view.removed_secrets(domain));
        let all = there.into_iter().flatten();
        let all = all.chain(removed.into_iter().flatten());
        all.filter(move |(_, id)| self.secret(view, *id).is_some())
    }

    /// The secret that it shows under this name.
    fn find(self, view: &View<'_>, domain: &str, access: &str) -> Option<Id> {
        match self {
            Section::Trash => view.find_removed(domain, access),
            _ => view.find(domain, access),
        }
    }

    /// The domains of which it shows a secret.
    fn domains<'a>(self, view: &'a View<'_>) -> impl Iterator<Item = &'a Arc<str>> {
        let any = move |domain: &&Arc<str>| self.secrets(view, domain).next().is_some();
        let removed = self == Section::Trash;
        let there = (!removed).then(|| view.domains());
        let removed = removed.then(|| view.removed_domains());
        let all = there.into_iter().flatten();
        let all = all.chain(removed.into_iter().flatten());
        all.filter(any)
    }
}

impl Own {
    pub(super) fn is_file(&self) -> bool {
        match self {
            Own::Status | Own::Secret(..) | Own::PastValue(..) | Own::RemovedField(_) => true,
            Own::Control | Own::Section(_) | Own::Domain(..) => false,
            Own::Past(_) | Own::PastField(_) | Own::Removed(_) => false,
        }
    }

    /// Whether a look at it is an access to a secret.
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Own::Control | Own::Status | Own::Section(_) => false,
            Own::Domain(..) | Own::Secret(..) => true,
            Own::Past(_) | Own::PastField(_) | Own::PastValue(..) => true,
            Own::Removed(_) | Own::RemovedField(_) => true,
        }
    }
}

impl Fs {
    /// What `name` stands for in the directory `own`, there or not.
    pub(super) fn own_child(&self, own: &Own, name: &[u8]) -> FsResult<Own> {
        match own {
            Own::Control => {
                let section = Section::ALL
                    .into_iter()
                    .find(|s| s.name().as_bytes() == name);
                match section {
                    Some(section) => Ok(Own::Section(section)),
                    None if name == b"status" => Ok(Own::Status),
                    None => Err(NOT_THERE),
                }
            }
            Own::Section(section) => {
                let domain = names::decode(Level::Domain, name)?;
                Ok(Own::Domain(*section, domain.into()))
            }
            Own::Domain(section, domain) => {
                names::text(name)?;
                let name = name.strip_suffix(section.suffix().as_bytes());
                let access = names::decode(Level::Access, name.ok_or(NOT_THERE)?)?;
                let secret = section.find(&self.wallet.view(), domain, &access);
                Ok(section.own(secret.ok_or(NOT_THERE)?))
            }
            Own::Removed(secret) => Ok(Own::RemovedField(Place {
                secret: *secret,
                field: field(name)?,
            })),
            own => self.history_child(own, name),
        }
    }

    /// The directory of a directory.
    pub(super) fn own_parent(&self, own: &Own) -> Ino {
        let parent = match own {
            Own::Control => None,
            Own::Status | Own::Section(_) => Some(Own::Control),
            Own::Domain(section, _) | Own::Secret(section, _) => Some(Own::Section(*section)),
            Own::Removed(secret) => self.removed_from(*secret),
            Own::RemovedField(place) => Some(Own::Removed(place.secret)),
            own => self.history_parent(own),
        };
        parent.map_or(Ino::ROOT, |parent| self.number(&Node::Own(parent)))
    }

    pub(super) fn own_exists(&self, own: &Own) -> bool {
        match own {
            Own::Control | Own::Status | Own::Section(_) => true,
            Own::Domain(section, domain) => {
                let kept = *section == Section::Trash && self.emptied().contains(domain);
                let view = self.wallet.view();
                kept || section.secrets(&view, domain).next().is_some()
            }
            Own::Secret(section, id) => {
                let view = self.wallet.view();
                section.secret(&view, *id).is_some()
            }
            Own::Removed(_) | Own::RemovedField(_) => self.removed_attr(own, Ino(0)).is_ok(),
            own => self.history_exists(own),
        }
    }

    /// The names in a directory.
    pub(super) fn own_names(&self, own: &Own) -> Vec<(String, Kind, Node)> {
        let named = |name: String, own: Own| {
            let kind = match own.is_file() {
                true => Kind::File,
                false => Kind::Directory,
            };
            (name, kind, Node::Own(own))
        };
        match own {
            Own::Control => {
                let sections = Section::ALL.map(|s| named(s.name().into(), Own::Section(s)));
                let status = named("status".into(), Own::Status);
                sections.into_iter().chain([status]).collect()
            }
            Own::Section(section) => {
                let domains = self.own_domains(*section).into_iter().map(|domain| {
                    let name = names::encode(Level::Domain, &domain);
                    named(name, Own::Domain(*section, domain))
                });
                domains.collect()
            }
            Own::Domain(section, domain) => {
                let view = self.wallet.view();
                let secrets = section.secrets(&view, domain);
                let secrets = secrets.map(|(s, id)| named(section.file_name(s), section.own(id)));
                secrets.collect()
            }
            Own::Removed(secret) => self.removed_names(*secret),
            own => self.history_names(own),
        }
    }

    /// The domains that a section has directories of.
    fn own_domains(&self, section: Section) -> BTreeSet<Arc<str>> {
        let kept = match section {
            Section::Trash => self.emptied().clone(),
            _ => BTreeSet::new(),
        };
        let view = self.wallet.view();
        let shown = section.domains(&view).cloned();
        shown.chain(kept).collect()
    }

    /// What `stat` shows.
    pub(super) fn own_attr(&self, own: &Own, ino: Ino) -> FsResult<Attr> {
        if let Own::Past(_) | Own::PastField(_) | Own::PastValue(..) = own {
            return self.history_attr(own, ino);
        }
        if let Own::Removed(_) | Own::RemovedField(_) = own {
            return self.removed_attr(own, ino);
        }
        let size = self.own_size(ino);
        let (domains, kept) = match own {
            Own::Section(section) => (self.own_domains(*section).len(), false),
            Own::Domain(Section::Trash, domain) => (0, self.emptied().contains(domain)),
            _ => (0, false),
        };
        let view = self.wallet.view();
        Ok(match own {
            Own::Control => attr::directory(ino, Section::ALL.len(), self.made_ns),
            Own::Status => attr::file(ino, size, self.made_ns, MODE, true),
            Own::Section(section) => {
                let mtime_ns = match section {
                    Section::Trash => latest_removal(&view).unwrap_or(self.made_ns),
                    _ => self.times().root(&view),
                };
                attr::directory(ino, domains, mtime_ns)
            }
            Own::Domain(section, domain) => {
                let secrets = section.secrets(&view, domain).count();
                if secrets == 0 && !kept {
                    return Err(NOT_THERE);
                }
                let directories = match section {
                    Section::History | Section::Trash => secrets,
                    Section::Json | Section::Totp | Section::TotpJson => 0,
                };
                let mtime_ns = match section {
                    Section::Trash => latest_removal_of(&view, domain).unwrap_or(self.made_ns),
                    _ => self.times().domain(&view, domain),
                };
                attr::directory(ino, directories, mtime_ns)
            }
            Own::Secret(section, id) => {
                let secret = section.secret(&view, *id).ok_or(NOT_THERE)?;
                let mtime_ns = attr::secret_mtime_ns(secret);
                attr::file(ino, size, mtime_ns, MODE, true)
            }
            Own::Past(_) | Own::PastField(_) | Own::PastValue(..) => return Err(NOT_THERE),
            Own::Removed(_) | Own::RemovedField(_) => return Err(NOT_THERE),
        })
    }

    /// The size of a file as long as somebody has it open, for `fstat` and mappings.
    fn own_size(&self, ino: Ino) -> u64 {
        let handles = self.handles();
        let sizes = handles.values().filter_map(|handle| match &**handle {
            Handle::Own(own) if own.ino == ino => Some(own.text.len() as u64),
            Handle::Own(_) | Handle::File(_) => None,
        });
        sizes.max().unwrap_or(0)
    }

    /// The path of a secret's file, of a value that it had, or of a field of one that was removed,
    /// within the mount.
    pub(super) fn own_path(&self, own: &Own) -> Option<String> {
        let (section, id, within) = match own {
            Own::Secret(section, id) => (*section, *id, String::new()),
            Own::PastValue(place, time) => {
                let within = format!("/{}/{time}", field_name(&place.field));
                (Section::History, place.secret, within)
            }
            Own::RemovedField(place) => {
                let within = format!("/{}", field_name(&place.field));
                (Section::Trash, place.secret, within)
            }
            _ => return None,
        };
        let view = self.wallet.view();
        let secret = section.secret(&view, id)?;
        let domain = names::encode(Level::Domain, &secret.meta.domain);
        let (name, file) = (section.name(), section.file_name(&secret.shown));
        Some(format!("{}/{name}/{domain}/{file}{within}", names::CONTROL))
    }
}

/// Nothing here can be written.
const MODE: u32 = 0o400;
