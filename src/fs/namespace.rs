//! Making and removing: mkdir, rmdir, unlink, mknod.

use super::attr::Entry;
use super::error::{Errno, FsError, FsResult};
use super::file::{File, Name};
use super::inode::{Ino, Node, Place};
use super::names::{self, Level};
use super::open::{EXISTS, OWN_FILE, OpenHow, take};
use super::tree::{NOT_THERE, field, has_domain};
use super::{Fs, LOCK};
use crate::wallet::{Edit, Expected, FieldChange, FieldEdit};
use std::sync::Arc;

impl Fs {
    /// Makes a domain, which lives in the mount until a secret arrives, or a secret, which is
    /// stored at once.
    pub async fn mkdir(&self, parent: Ino, name: &[u8]) -> FsResult<Entry> {
        let node = match self.node(parent)? {
            Node::Root => Node::Domain(self.make_domain(name).await?),
            Node::Domain(domain) => {
                let access: Arc<str> = names::decode(Level::Access, name)?.into();
                self.refuse_read_only()?;
                self.freshen().await?;
                let edit = Edit::Create {
                    domain: domain.clone(),
                    access,
                };
                let applied = self.wallet.apply(edit).await?;
                // The domain lives in the store from now on.
                self.domains().remove(&domain);
                Node::Secret(applied.created.ok_or(NOT_THERE)?)
            }
            Node::Own(own) if own.is_file() => return Err(NOT_A_DIRECTORY),
            Node::Own(_) => return Err(OWN_FILE),
            Node::Secret(_) => {
                return Err(FsError::new(Errno::EPERM, "a secret holds files only"));
            }
            Node::File(_) => return Err(NOT_A_DIRECTORY),
        };
        let ino = self.number(&node);
        let attr = self.attr_of(&node, ino)?;
        self.inodes.write().expect(LOCK).look_up(ino);
        Ok(Entry {
            attr,
            ttl: self.ttl(&node),
        })
    }

    async fn make_domain(&self, name: &[u8]) -> FsResult<Arc<str>> {
        if name == names::CONTROL.as_bytes() {
            return Err(EXISTS);
        }
        let domain: Arc<str> = names::decode(Level::Domain, name)?.into();
        refuse_bin(&domain)?;
        self.refuse_read_only()?;
        self.freshen().await?;
        if self.exists(&Node::Domain(domain.clone())) {
            return Err(EXISTS);
        }
        self.domains().insert(domain.clone());
        Ok(domain)
    }

    /// Removes an empty directory.
    pub async fn rmdir(&self, parent: Ino, name: &[u8]) -> FsResult<()> {
        let dir = self.node(parent)?;
        self.freshen().await?;
        let node = self.child(&dir, name)?;
        match &node {
            Node::Domain(domain) => {
                self.refuse_read_only()?;
                if has_domain(&self.wallet.view(), domain) {
                    return Err(NOT_EMPTY);
                }
                self.domains().remove(domain);
            }
            Node::Secret(secret) => {
                self.refuse_read_only()?;
                if !self.fields_in_memory(*secret).is_empty() {
                    return Err(NOT_EMPTY);
                }
                let domain = self.domain_of(*secret);
                self.wallet.apply(Edit::Remove { secret: *secret }).await?;
                // The domain that it leaves stays a directory of this mount.
                self.domains().extend(domain);
            }
            Node::Own(own) if own.is_file() => return Err(NOT_A_DIRECTORY),
            Node::Own(own) => self.discard(own).await?,
            Node::Root => return Err(OWN_FILE),
            Node::File(_) => return Err(NOT_A_DIRECTORY),
        }
        self.inodes.write().expect(LOCK).detach(&node);
        Ok(())
    }

    /// Removes a file. Whoever has it open keeps its content; it goes nowhere on close.
    pub async fn unlink(&self, parent: Ino, name: &[u8]) -> FsResult<()> {
        let dir = self.node(parent)?;
        self.freshen().await?;
        if let Node::Own(own) = &dir {
            self.know_history(own).await?;
        }
        let node = self.child(&dir, name)?;
        let place = match &node {
            Node::File(place) => place,
            Node::Own(own) if own.is_file() => {
                self.discard(own).await?;
                self.inodes.write().expect(LOCK).detach(&node);
                return Ok(());
            }
            _ => return Err(FsError::new(Errno::EISDIR, "a directory")),
        };
        self.refuse_read_only()?;
        let file = self.file_at(place);
        let turn = match &file {
            Some(file) => Some(file.turn.lock().await),
            None => None,
        };
        if self.is_stored(place) {
            let edit = FieldEdit {
                secret: place.secret,
                field: place.field.clone(),
                expect: Expected::Any,
                change: FieldChange::Remove,
            };
            self.wallet.apply(Edit::Fields(vec![edit])).await?;
        }
        drop(turn);
        // Also what was opened while the commit was under way.
        for file in file.into_iter().chain(self.file_at(place)) {
            self.cut_off(&file);
        }
        self.inodes.write().expect(LOCK).detach(&node);
        Ok(())
    }

    /// Makes an empty file, stored at once (mknod(2) of a regular file).
    pub async fn mknod(&self, parent: Ino, name: &[u8], mode: u32, tid: u32) -> FsResult<Entry> {
        let how = OpenHow {
            exclusive: true,
            write: true,
            ..OpenHow::default()
        };
        let (entry, opened) = self.create(parent, name, mode, how, tid).await?;
        let stored = self.fsync(opened.fh).await;
        self.release(opened.fh).await?;
        stored?;
        Ok(entry)
    }

    /// The place of an existing or future file in a secret.
    pub(super) fn place_in(&self, dir: &Node, name: &[u8]) -> FsResult<Place> {
        match dir {
            Node::Secret(secret) => Ok(Place {
                secret: *secret,
                field: field(name)?,
            }),
            Node::Own(_) => Err(OWN_FILE),
            _ => Err(FsError::new(
                Errno::EPERM,
                "files are in secrets: DOMAIN/ACCESS/FILE",
            )),
        }
    }

    /// A file has lost its name: its content lives on in its handles, and goes nowhere.
    pub(super) fn cut_off(&self, file: &Arc<File>) {
        file.state().name = Name::Gone;
        self.note_clean(file);
        take(&mut self.files(), file);
    }

    /// The domain of a secret.
    pub(super) fn domain_of(&self, secret: crate::store::Id) -> Option<Arc<str>> {
        let view = self.wallet.view();
        Some(view.secret(secret)?.meta.domain.clone())
    }
}

/// Refuses the name of a desktop's bin, so that it asks to delete instead of moving secrets there.
pub(super) fn refuse_bin(domain: &str) -> FsResult<()> {
    if domain.starts_with(".Trash") {
        return Err(FsError::new(Errno::EPERM, "no bin is kept here"));
    }
    Ok(())
}

pub(super) const NOT_EMPTY: FsError = FsError::new(Errno::ENOTEMPTY, "the directory is not empty");
pub(super) const NOT_A_DIRECTORY: FsError = FsError::new(Errno::ENOTDIR, "not a directory");
