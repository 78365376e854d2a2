//! Directory listings: taken when a directory is opened or rewound, so that pages of any size are
//! stable while the directory changes.

use super::attr::{Entry, Kind};
use super::error::{Errno, FsError, FsResult};
use super::file::Name;
use super::inode::{Ino, Node, Place};
use super::names::{self, Level};
use super::namespace::NOT_A_DIRECTORY;
use super::own::Own;
use super::tree::field_name;
use super::{Fh, Fs, LOCK};
use std::sync::{Arc, Mutex};

/// A listing that is being read.
pub(super) struct Listing {
    dir: Ino,
    /// `None` until the first page is asked for.
    names: Option<Arc<[Listed]>>,
}

struct Listed {
    name: String,
    kind: Kind,
    /// `None` for `.` and `..`, whose entries the kernel knows.
    node: Option<Node>,
    ino: Ino,
}

/// An entry of a listing.
pub struct DirEntry<'a> {
    /// Its inode number, the same as `stat`'s.
    pub ino: Ino,
    /// Where the listing goes on after it.
    pub next: u64,
    /// File or directory.
    pub kind: Kind,
    /// Its file name.
    pub name: &'a str,
    /// What `stat` shows, where it was asked for (never for `.` and `..`).
    pub entry: Option<Entry>,
}

impl Fs {
    /// Opens a directory.
    pub fn opendir(&self, ino: Ino) -> FsResult<Fh> {
        match self.node(ino)? {
            node if node.is_file() => Err(NOT_A_DIRECTORY),
            _ => {
                let fh = self.fh();
                let listing = Listing {
                    dir: ino,
                    names: None,
                };
                self.listings().insert(fh, Arc::new(Mutex::new(listing)));
                Ok(fh)
            }
        }
    }

    /// Closes a directory.
    pub fn releasedir(&self, fh: Fh) {
        self.listings().remove(&fh);
    }

    /// Hands the entries from `offset` on to `add`, which says whether one more fits. With `plus`
    /// each comes with what `stat` shows, and counts as looked up if it was added.
    pub async fn readdir(
        &self,
        fh: Fh,
        offset: u64,
        plus: bool,
        add: &mut (dyn FnMut(&DirEntry<'_>) -> bool + Send),
    ) -> FsResult<()> {
        let listing = self.listings().get(&fh).cloned();
        let listing = listing.ok_or(FsError::new(Errno::EBADF, "no such open directory"))?;
        let (dir, taken) = {
            let listing = listing.lock().expect(LOCK);
            (listing.dir, listing.names.clone())
        };
        let names = match taken {
            Some(names) if offset > 0 => names,
            _ => {
                let node = self.node(dir)?;
                if node != Node::Own(Own::Control) {
                    self.freshen().await?;
                }
                if let Node::Own(own) = &node {
                    self.know_history(own).await?;
                }
                if let Node::Secret(secret) = node {
                    self.part_from_replaced_in(secret).await;
                }
                let names: Arc<[Listed]> = self.names_in(dir, &node).into();
                listing.lock().expect(LOCK).names = Some(names.clone());
                names
            }
        };
        if plus && let Ok(Node::Own(own)) = self.node(dir) {
            self.know_history(&own).await?;
        }
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(names.len());
        for (listed, next) in names[start..].iter().zip(offset + 1..) {
            let mut ino = listed.ino;
            let entry = match &listed.node {
                Some(node) if plus => {
                    // Another one, if another device's content has come since.
                    ino = self.number(node);
                    match self.attr_of(node, ino) {
                        Ok(attr) => Some(Entry {
                            attr,
                            ttl: self.ttl(node),
                        }),
                        // Removed since the listing was taken.
                        Err(_) => continue,
                    }
                }
                _ => None,
            };
            let looked_up = entry.is_some();
            let (kind, name) = (listed.kind, listed.name.as_str());
            if !add(&DirEntry {
                ino,
                next,
                kind,
                name,
                entry,
            }) {
                break;
            }
            if looked_up {
                self.inodes.write().expect(LOCK).look_up(ino);
            }
        }
        Ok(())
    }

    fn names_in(&self, dir: Ino, node: &Node) -> Vec<Listed> {
        let parent = self.parent_of(node);
        let mut names = vec![
            Listed {
                name: ".".into(),
                kind: Kind::Directory,
                node: None,
                ino: dir,
            },
            Listed {
                name: "..".into(),
                kind: Kind::Directory,
                node: None,
                ino: parent,
            },
        ];
        let children = match node {
            Node::Root => self.domain_names(),
            Node::Domain(domain) => self.secret_names(domain),
            Node::Secret(secret) => self.field_names(*secret),
            Node::Own(own) => self.own_names(own),
            Node::File(_) => Vec::new(),
        };
        let mut inodes = self.inodes.write().expect(LOCK);
        for (name, kind, node) in children {
            if name.len() > names::NAME_MAX {
                tracing::warn!("a name too long to be shown is left out of a listing");
                continue;
            }
            let ino = inodes.number(&node);
            names.push(Listed {
                name,
                kind,
                node: Some(node),
                ino,
            });
        }
        names
    }

    fn domain_names(&self) -> Vec<(String, Kind, Node)> {
        let mut domains = self.domains().clone();
        domains.extend(self.wallet.view().domains().cloned());
        let named = |domain: Arc<str>| {
            (
                names::encode(Level::Domain, &domain),
                Kind::Directory,
                Node::Domain(domain),
            )
        };
        domains.into_iter().map(named).collect()
    }

    fn secret_names(&self, domain: &str) -> Vec<(String, Kind, Node)> {
        let view = self.wallet.view();
        let secrets = view.secrets(domain);
        let named = |access: &str, id| {
            (
                names::encode(Level::Access, access),
                Kind::Directory,
                Node::Secret(id),
            )
        };
        secrets.map(|(access, id)| named(access, id)).collect()
    }

    fn field_names(&self, secret: crate::store::Id) -> Vec<(String, Kind, Node)> {
        let mut fields: std::collections::BTreeSet<_> = self.fields_in_memory(secret);
        if let Some(secret) = self.wallet.view().secret(secret) {
            fields.extend(secret.meta.fields.keys().cloned());
        }
        let named = |field| {
            (
                field_name(&field),
                Kind::File,
                Node::File(Place { secret, field }),
            )
        };
        fields.into_iter().map(named).collect()
    }

    /// Fields of `secret` that this mount has and the store may not have.
    pub(super) fn fields_in_memory(
        &self,
        secret: crate::store::Id,
    ) -> std::collections::BTreeSet<crate::wallet::Field> {
        let files = self.files();
        let places = files.values().filter_map(|file| {
            let state = file.state();
            match &state.name {
                Name::Stored(place) if state.unsaved() => Some(place.clone()),
                Name::Scratch(place) => Some(place.clone()),
                _ => None,
            }
        });
        places
            .filter(|place| place.secret == secret)
            .map(|place| place.field)
            .collect()
    }

    fn parent_of(&self, node: &Node) -> Ino {
        match node {
            Node::Secret(secret) => {
                let domain = self
                    .wallet
                    .view()
                    .secret(*secret)
                    .map(|s| s.meta.domain.clone());
                domain.map_or(Ino::ROOT, |domain| self.number(&Node::Domain(domain)))
            }
            Node::Own(own) => self.own_parent(own),
            _ => Ino::ROOT,
        }
    }
}
