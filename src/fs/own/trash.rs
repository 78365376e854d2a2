//! `/.walletfs/trash`: secrets that were removed and are kept for a while, each with the
//! values that it comes back with: those that its fields have, and of a field that is gone the newest
//! that it held. These are known as the history's are. A secret comes back by a rename; what is
//! removed here is gone.

use super::super::attr::{self, Attr, Kind};
use super::super::error::FsResult;
use super::super::inode::{Ino, Node, Place};
use super::super::namespace::NOT_EMPTY;
use super::super::open::OWN_FILE;
use super::super::tree::{NOT_THERE, field_name};
use super::super::{Fs, LOCK};
use super::{Own, Section};
use crate::crypto::SecretBytes;
use crate::store::Id;
use crate::wallet::{Edit, Field, View};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The mode of a field that is gone: that which it comes back with.
const MODE: u32 = 0o600;

/// When the last of the secrets that were removed was.
pub(super) fn latest_removal(view: &View<'_>) -> Option<i64> {
    let domains = view.removed_domains();
    domains
        .filter_map(|domain| latest_removal_of(view, domain))
        .max()
}

/// As [`latest_removal`], of a domain.
pub(super) fn latest_removal_of(view: &View<'_>, domain: &str) -> Option<i64> {
    let secrets = view.removed_secrets(domain);
    secrets
        .filter_map(|(_, id)| view.removed(id)?.meta.removed_ns)
        .max()
}

impl Fs {
    /// The directory that shows a secret which was removed.
    pub(super) fn removed_from(&self, secret: Id) -> Option<Own> {
        let domain = self.removed_domain(secret)?;
        Some(Own::Domain(Section::Trash, domain))
    }

    /// The names in the directory of a secret that was removed.
    pub(super) fn removed_names(&self, secret: Id) -> Vec<(String, Kind, Node)> {
        let mut fields: BTreeSet<Field> = self.past_fields(secret);
        if let Some(known) = self.wallet.view().removed(secret) {
            fields.extend(known.meta.fields.keys().cloned());
        }
        let named = |field: Field| {
            let name = field_name(&field);
            let node = Node::Own(Own::RemovedField(Place { secret, field }));
            (name, Kind::File, node)
        };
        fields.into_iter().map(named).collect()
    }

    /// What `stat` shows.
    pub(super) fn removed_attr(&self, own: &Own, ino: Ino) -> FsResult<Attr> {
        let place = match own {
            Own::Removed(secret) => {
                let view = self.wallet.view();
                let removed_ns = view.removed(*secret).and_then(|s| s.meta.removed_ns);
                return Ok(attr::directory(ino, 0, removed_ns.ok_or(NOT_THERE)?));
            }
            Own::RemovedField(place) => place,
            _ => return Err(NOT_THERE),
        };
        // Before the view (`mod.rs`).
        let held = self.newest_held(place);
        let view = self.wallet.view();
        let secret = view.removed(place.secret).ok_or(NOT_THERE)?;
        if let Some(known) = secret.meta.fields.get(&place.field) {
            return Ok(attr::field(ino, known));
        }
        let (size, mtime_ns) = held.ok_or(NOT_THERE)?;
        Ok(attr::file(ino, size, mtime_ns, MODE, true))
    }

    /// The value that a field of a secret which was removed comes back with.
    pub(super) async fn removed_value(&self, place: &Place) -> FsResult<SecretBytes> {
        let body = self.wallet.body(place.secret).await?;
        if self.wallet.view().removed(place.secret).is_none() {
            return Err(NOT_THERE);
        }
        let mut data = self.wallet.values(&body)?;
        if let Some(value) = data.values.remove(&place.field) {
            return Ok(value);
        }
        let history = data.history.open();
        let newest = history.of(&place.field).first().ok_or(NOT_THERE)?;
        Ok(newest.value.duplicate())
    }

    /// Deletes something in the trash for good: a file, and the directory of a secret without files.
    /// Nothing else of the mount's own can be removed.
    pub(in crate::fs) async fn discard(&self, own: &Own) -> FsResult<()> {
        let edit = match own {
            Own::RemovedField(place) => Edit::DiscardField {
                secret: place.secret,
                field: place.field.clone(),
            },
            Own::Removed(secret) => Edit::Discard { secret: *secret },
            Own::Domain(Section::Trash, domain) => {
                self.refuse_read_only()?;
                if self.wallet.view().removed_secrets(domain).next().is_some() {
                    return Err(NOT_EMPTY);
                }
                self.emptied().remove(domain);
                return Ok(());
            }
            _ => return Err(OWN_FILE),
        };
        self.refuse_read_only()?;
        let emptied = match own {
            Own::Removed(secret) => self.removed_domain(*secret),
            _ => None,
        };
        self.wallet.apply(edit).await?;
        // The domain that it leaves stays a directory, as in the main tree: `rm -r` comes to it yet.
        self.emptied().extend(emptied);
        Ok(())
    }

    /// The domain of a secret that was removed.
    fn removed_domain(&self, secret: Id) -> Option<Arc<str>> {
        let view = self.wallet.view();
        Some(view.removed(secret)?.meta.domain.clone())
    }

    /// Brings a secret back that was removed, as a rename onto a name that is free, or that of a
    /// secret without files.
    pub(in crate::fs) async fn bring_back(
        &self,
        secret: Id,
        domain: &Arc<str>,
        access: Arc<str>,
        no_replace: bool,
    ) -> FsResult<()> {
        let replace = self.wallet.view().find(domain, &access);
        self.refuse_replacing(replace, no_replace)?;
        let edit = Edit::BringBack {
            secret,
            domain: domain.clone(),
            access,
            replace,
        };
        self.wallet.apply(edit).await?;
        {
            let mut inodes = self.inodes.write().expect(LOCK);
            if let Some(replace) = replace {
                inodes.detach(&Node::Secret(replace));
            }
            // What the kernel holds of its directory is that of the secret now.
            inodes.rename(&Node::Own(Own::Removed(secret)), Node::Secret(secret));
        }
        self.domains().remove(domain);
        Ok(())
    }
}
