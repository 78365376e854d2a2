//! The tree: lookup, getattr, forget, statfs; the refusal of a name at each level.

use super::attr::{self, Attr, Entry};
use super::error::{Errno, FsError, FsResult};
use super::file::File;
use super::inode::{Ino, Node, Place};
use super::names::{self, Level};
use super::namespace::NOT_A_DIRECTORY;
use super::own::Own;
use super::{Fs, LOCK};
use crate::wallet::{Field, View};
use std::sync::Arc;
use std::time::Duration;

/// What `statfs` shows (statvfs(3)). Free space is not known: it is shown as ample, since programs
/// look before they write, and the store's limits are each secret's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statfs {
    /// Block size in bytes.
    pub block: u32,
    /// Blocks in all, and free.
    pub blocks: u64,
    /// Longest name in bytes.
    pub name_max: u32,
}

impl Fs {
    /// Finds `name` in the directory `parent`. The kernel holds what it finds until it forgets it.
    pub async fn lookup(&self, parent: Ino, name: &[u8], tid: u32) -> FsResult<Entry> {
        let dir = self.node(parent)?;
        let control = Node::Own(Own::Control);
        if dir != control && !(dir == Node::Root && name == names::CONTROL.as_bytes()) {
            self.freshen_for(tid).await?;
        }
        if let Node::Own(own) = &dir {
            self.know_history(own).await?;
        }
        let node = self.child(&dir, name)?;
        if let Node::File(place) = &node {
            self.part_from_replaced(place).await;
        }
        let ino = self.number(&node);
        let attr = self.attr_of(&node, ino)?;
        self.inodes.write().expect(LOCK).look_up(ino);
        Ok(Entry {
            attr,
            ttl: self.ttl(&node),
        })
    }

    /// What `stat` shows of `ino`.
    pub async fn getattr(&self, ino: Ino, tid: u32) -> FsResult<Entry> {
        let Ok(node) = self.node(ino) else {
            return self.getattr_of_nameless(ino);
        };
        match node {
            Node::Own(Own::Control | Own::Status) => {}
            // The kernel asks before it passes to `.walletfs/status`, which says what is wrong.
            Node::Root => drop(self.freshen_for(tid).await),
            _ => self.freshen_for(tid).await?,
        }
        if let Node::Own(own) = &node
            && let Err(e) = self.know_history(own).await
            && e.errno != Errno::ENOENT
        {
            return Err(e);
        }
        if let Node::File(place) = &node {
            self.part_from_replaced(place).await;
        }
        match self.attr_of(&node, ino) {
            Ok(attr) if self.number_of(&node) == Some(ino) => Ok(Entry {
                attr,
                ttl: self.ttl(&node),
            }),
            _ => self.getattr_of_nameless(ino),
        }
    }

    /// The kernel gives back `count` lookups of `ino`.
    pub fn forget(&self, ino: Ino, count: u64) {
        let there =
            self.files().contains_key(&ino) || self.node(ino).is_ok_and(|node| self.exists(&node));
        self.inodes.write().expect(LOCK).forget(ino, count, there);
    }

    /// Statistics of the filesystem.
    pub fn statfs(&self) -> Statfs {
        Statfs {
            block: 4096,
            blocks: 1 << 28,
            name_max: names::NAME_MAX as u32,
        }
    }

    /// How long the kernel may believe what it is told: what remains of the snapshot's life.
    pub(super) fn ttl(&self, node: &Node) -> Duration {
        match node {
            Node::Own(Own::Control) => Duration::from_secs(1),
            // Its size changes with every look.
            Node::Own(own) if own.is_file() => Duration::ZERO,
            _ => self.wallet.fresh_for().unwrap_or_default(),
        }
    }

    /// What `name` stands for in `dir`, if it is there.
    pub(super) fn child(&self, dir: &Node, name: &[u8]) -> FsResult<Node> {
        let node = match dir {
            Node::Root if name == names::CONTROL.as_bytes() => Node::Own(Own::Control),
            Node::Root => Node::Domain(names::decode(Level::Domain, name)?.into()),
            Node::Own(own) => Node::Own(self.own_child(own, name)?),
            Node::Domain(domain) => {
                let access = names::decode(Level::Access, name)?;
                Node::Secret(self.wallet.view().find(domain, &access).ok_or(NOT_THERE)?)
            }
            Node::Secret(secret) => Node::File(Place {
                secret: *secret,
                field: field(name)?,
            }),
            Node::File(_) => return Err(NOT_A_DIRECTORY),
        };
        if self.exists(&node) {
            Ok(node)
        } else {
            Err(NOT_THERE)
        }
    }

    /// Whether `node` is there, stored or in this mount.
    pub(super) fn exists(&self, node: &Node) -> bool {
        match node {
            Node::Root => true,
            Node::Own(own) => self.own_exists(own),
            Node::Domain(domain) => {
                let kept = self.domains().contains(domain);
                kept || has_domain(&self.wallet.view(), domain)
            }
            Node::Secret(secret) => self.wallet.view().secret(*secret).is_some(),
            Node::File(place) => self.in_memory(place).is_some() || self.is_stored(place),
        }
    }

    /// Whether the snapshot has a field at `place`.
    pub(super) fn is_stored(&self, place: &Place) -> bool {
        let view = self.wallet.view();
        view.secret(place.secret)
            .is_some_and(|s| s.meta.fields.contains_key(&place.field))
    }

    /// The file at `place`, if what it shows is this mount's and not the snapshot's. A commit that
    /// failed is tried again now that somebody looks.
    pub(super) fn in_memory(&self, place: &Place) -> Option<Arc<File>> {
        let file = self.file_at(place)?;
        let (in_memory, failed) = {
            let state = file.state();
            (state.in_memory(), state.failed.is_some())
        };
        if failed {
            self.try_again(&file);
        }
        in_memory.then_some(file)
    }

    /// What `stat` shows of `node`.
    pub(super) fn attr_of(&self, node: &Node, ino: Ino) -> FsResult<Attr> {
        if let Node::File(place) = node
            && let Some(file) = self.in_memory(place)
        {
            return Ok(file.state().attr(ino));
        }
        if let Node::Own(own) = node {
            // Has locks of its own to take.
            return self.own_attr(own, ino);
        }
        // Before the view (`mod.rs`).
        let made = self.domains();
        let view = self.wallet.view();
        Ok(match node {
            Node::Root => {
                let stored = view.domains().count();
                let both = view.domains().filter(|domain| made.contains(*domain));
                let domains = stored + made.len() - both.count();
                attr::directory(ino, domains, self.times().root(&view))
            }
            Node::Own(_) => unreachable!("answered above"),
            Node::Domain(domain) => {
                let secrets = view.secrets(domain).count();
                if secrets == 0 && !made.contains(domain) {
                    return Err(NOT_THERE);
                }
                attr::directory(ino, secrets, self.times().domain(&view, domain))
            }
            Node::Secret(secret) => {
                let secret = view.secret(*secret).ok_or(NOT_THERE)?;
                attr::directory(ino, 0, attr::secret_mtime_ns(secret))
            }
            Node::File(place) => {
                let secret = view.secret(place.secret).ok_or(NOT_THERE)?;
                attr::field(ino, secret.meta.fields.get(&place.field).ok_or(NOT_THERE)?)
            }
        })
    }
}

/// The field that `name` shows within a secret.
pub(super) fn field(name: &[u8]) -> FsResult<Field> {
    match names::text(name)? {
        "uid" => Ok(Field::Uid),
        "pwd" => Ok(Field::Pwd),
        _ => Ok(Field::Info(names::decode(Level::Info, name)?.into())),
    }
}

/// The file name that shows `field`.
pub(super) fn field_name(field: &Field) -> String {
    match field {
        Field::Uid => "uid".into(),
        Field::Pwd => "pwd".into(),
        Field::Info(key) => names::encode(Level::Info, key),
    }
}

/// Whether any secret is stored under `domain`.
pub(super) fn has_domain(view: &View<'_>, domain: &str) -> bool {
    view.secrets(domain).next().is_some()
}

/// The plain answer to a name that is not there.
pub(super) const NOT_THERE: FsError = FsError::new(Errno::ENOENT, "no such name");
