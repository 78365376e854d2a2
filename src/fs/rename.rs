//! Renaming: of a file (also onto another, also into another secret), of a secret, of a domain.
//! Each is atomic, in at most one commit.

use super::error::{Errno, FsError, FsResult};
use super::file::{Content, File, Name};
use super::inode::{Ino, Node, Place};
use super::io::TOO_LARGE;
use super::names::{self, Level};
use super::namespace::{NOT_EMPTY, refuse_bin};
use super::open::{EXISTS, OWN_FILE};
use super::own::Own;
use super::scratch::is_scratch;
use super::tree::{NOT_THERE, field_name, has_domain};
use super::{Fs, LOCK};
use crate::store::Id;
use crate::wallet::{Edit, Expected, FieldChange, FieldEdit, WalletError};
use std::sync::Arc;

/// What moves: the file as this mount has it, or the field as it is stored.
struct Moving<'a> {
    from: &'a Place,
    to: &'a Place,
    file: Option<&'a Arc<File>>,
}

impl Fs {
    /// Renames (rename(2)); `no_replace` is RENAME_NOREPLACE.
    pub async fn rename(
        &self,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &[u8],
        no_replace: bool,
    ) -> FsResult<()> {
        let (dir, new_dir) = (self.node(parent)?, self.node(new_parent)?);
        self.freshen().await?;
        if let Node::Own(own) = &dir {
            self.know_history(own).await?;
        }
        let node = self.child(&dir, name)?;
        match (&node, &new_dir) {
            (Node::File(from), _) => {
                let to = self.place_in(&new_dir, new_name)?;
                self.refuse_read_only()?;
                self.rename_file(from, &to, no_replace).await
            }
            (Node::Secret(secret), Node::Domain(domain)) => {
                let access: Arc<str> = names::decode(Level::Access, new_name)?.into();
                self.refuse_read_only()?;
                self.rename_secret(*secret, domain, access, no_replace)
                    .await
            }
            (Node::Own(Own::Removed(secret)), Node::Domain(domain)) => {
                let access: Arc<str> = names::decode(Level::Access, new_name)?.into();
                self.refuse_read_only()?;
                self.bring_back(*secret, domain, access, no_replace).await
            }
            (Node::Domain(from), Node::Root) if new_name != names::CONTROL.as_bytes() => {
                let to: Arc<str> = names::decode(Level::Domain, new_name)?.into();
                refuse_bin(&to)?;
                self.refuse_read_only()?;
                self.rename_domain(from, to, no_replace).await
            }
            (_, Node::Own(_)) | (Node::Domain(_), Node::Root) => Err(OWN_FILE),
            (Node::Secret(_) | Node::Domain(_) | Node::Own(Own::Removed(_)), _) => Err(
                FsError::new(Errno::EPERM, "the levels are DOMAIN/ACCESS/FILE"),
            ),
            (Node::Root | Node::Own(_), _) => Err(OWN_FILE),
        }
    }

    async fn rename_file(&self, from: &Place, to: &Place, no_replace: bool) -> FsResult<()> {
        let target = Node::File(to.clone());
        if no_replace && self.exists(&target) {
            return Err(EXISTS);
        }
        if from == to {
            return Ok(());
        }
        let (file, replaced) = (self.file_at(from), self.file_at(to));
        // Two renames that meet take the turns in the same order.
        let mut turns: Vec<_> = file.iter().chain(&replaced).collect();
        turns.sort_by_key(|file| file.ino);
        let mut held = Vec::with_capacity(2);
        for file in turns {
            held.push(file.turn.lock().await);
        }
        let moving = Moving {
            from,
            to,
            file: file.as_ref(),
        };
        if !self.rename_in_memory(&moving) {
            self.rename_stored(&moving).await?;
        }
        drop(held);
        // What was opened while the commit was under way comes along, or loses its name.
        let later = self
            .file_at(from)
            .filter(|later| file.as_ref().is_none_or(|file| !Arc::ptr_eq(file, later)));
        if let Some(later) = &later {
            self.follow(later, to);
        }
        for replaced in replaced.into_iter().chain(self.file_at(to)) {
            self.cut_off(&replaced);
        }
        self.inodes
            .write()
            .expect(LOCK)
            .rename(&Node::File(from.clone()), target);
        Ok(())
    }

    /// Renames a scratch file to another scratch name: no store is involved, unless one of that
    /// name is stored.
    fn rename_in_memory(&self, moving: &Moving<'_>) -> bool {
        let Some(file) = moving.file else {
            return false;
        };
        let mut state = file.state();
        let stays = matches!(state.name, Name::Scratch(_))
            && is_scratch(&field_name(&moving.to.field))
            && !self.is_stored(moving.to);
        if stays {
            state.name = Name::Scratch(moving.to.clone());
        }
        stays
    }

    /// Renames in the store, in one commit: a field moves as it is; content that the store does not
    /// have (or has not yet) is stored under the new name, and the old one removed.
    async fn rename_stored(&self, moving: &Moving<'_>) -> FsResult<()> {
        let Moving { from, to, file } = *moving;
        let edit = |place: &Place, expect, change| FieldEdit {
            secret: place.secret,
            field: place.field.clone(),
            expect,
            change,
        };
        // What is open here under the old name is not what moves, if another device changed it.
        let base = file.map_or(Expected::Any, |file| file.state().base);
        if file.is_some_and(|file| file.state().is_cut_short()) {
            return Err(TOO_LARGE);
        }
        let unsaved = file.and_then(|file| self.unsaved_value(file));
        let Some((seq, put)) = unsaved else {
            // Attributes that the store lacks come along.
            let attributes = file.and_then(|file| self.unsaved_attributes(file));
            let move_it = |expect| {
                let (secret, field) = (to.secret, to.field.clone());
                let change = FieldChange::MoveTo {
                    secret,
                    field,
                    expect: Expected::Any,
                };
                let mut edits = vec![edit(from, expect, change)];
                if let Some((_, attributes)) = &attributes {
                    edits.push(edit(to, Expected::Any, attributes.clone()));
                }
                self.wallet.apply(Edit::Fields(edits))
            };
            let (applied, parted) = match (file, move_it(base).await) {
                (Some(file), Err(WalletError::FieldMoved { .. })) => {
                    self.part(file, from);
                    (move_it(Expected::Any).await?, true)
                }
                (_, applied) => (applied?, false),
            };
            let Some(file) = file else { return Ok(()) };
            {
                let mut state = file.state();
                if let Some((seq, _)) = attributes {
                    state.stored(seq, None);
                }
                if !parted {
                    state.name = Name::Stored(to.clone());
                    state.base = applied.rev.map_or(state.base, Expected::Rev);
                }
            }
            self.note_clean(file);
            return Ok(());
        };
        let mut edits = vec![edit(to, Expected::Any, put)];
        if self.is_stored(from) {
            edits.push(edit(from, base, FieldChange::Remove));
        }
        let applied = self.wallet.apply(Edit::Fields(edits)).await?;
        if let Some(file) = file {
            file.state().name = Name::Stored(to.clone());
            self.note_stored(file, seq, applied.rev, to);
            self.note_unsaved(file);
        }
        Ok(())
    }

    /// A file that was opened under its old name, while that was being moved to `to`, stands for
    /// what is there now.
    fn follow(&self, file: &Arc<File>, to: &Place) {
        let mut state = file.state();
        let view = self.wallet.view();
        let secret = view.secret(to.secret);
        if let Some(moved) = secret.and_then(|s| s.meta.fields.get(&to.field)) {
            state.name = Name::Stored(to.clone());
            state.base = Expected::Rev(moved.rev);
        }
    }

    /// The content of `file`, if the store does not have it under the file's name.
    fn unsaved_value(&self, file: &File) -> Option<(u64, FieldChange)> {
        let state = file.state();
        match &state.content {
            Content::Plain(buffer) if state.in_memory() => {
                let value = Arc::new(buffer.to_value());
                let (mtime_ns, mode) = (state.mtime_ns, state.mode);
                Some((
                    state.seq,
                    FieldChange::Put {
                        value,
                        mtime_ns,
                        mode,
                    },
                ))
            }
            _ => None,
        }
    }

    async fn rename_secret(
        &self,
        secret: Id,
        domain: &Arc<str>,
        access: Arc<str>,
        no_replace: bool,
    ) -> FsResult<()> {
        let replace = self.wallet.view().find(domain, &access);
        if replace == Some(secret) {
            return if no_replace { Err(EXISTS) } else { Ok(()) };
        }
        self.refuse_replacing(replace, no_replace)?;
        let from = self.domain_of(secret);
        let edit = Edit::Move {
            secret,
            domain: domain.clone(),
            access,
            replace,
        };
        self.wallet.apply(edit).await?;
        if let Some(replace) = replace {
            self.inodes
                .write()
                .expect(LOCK)
                .detach(&Node::Secret(replace));
        }
        let mut domains = self.domains();
        // The domain it left stays a directory; the one it came to is in the store now.
        domains.extend(from);
        domains.remove(domain);
        Ok(())
    }

    /// Refuses to put a secret in the place of another, unless that has no files.
    pub(super) fn refuse_replacing(&self, replace: Option<Id>, no_replace: bool) -> FsResult<()> {
        let Some(replace) = replace else {
            return Ok(());
        };
        if no_replace {
            return Err(EXISTS);
        }
        let empty = {
            let view = self.wallet.view();
            let secret = view.secret(replace);
            secret.is_none_or(|secret| secret.meta.fields.is_empty())
        };
        match empty && self.fields_in_memory(replace).is_empty() {
            true => Ok(()),
            false => Err(NOT_EMPTY),
        }
    }

    async fn rename_domain(&self, from: &Arc<str>, to: Arc<str>, no_replace: bool) -> FsResult<()> {
        let there = self.exists(&Node::Domain(to.clone()));
        if no_replace && there {
            return Err(EXISTS);
        }
        if *from == to {
            return Ok(());
        }
        if has_domain(&self.wallet.view(), &to) {
            return Err(NOT_EMPTY);
        }
        let stored = has_domain(&self.wallet.view(), from);
        if stored {
            let edit = Edit::MoveDomain {
                from: from.clone(),
                to: to.clone(),
            };
            self.wallet.apply(edit).await.map_err(|e| match e {
                WalletError::Exists => NOT_EMPTY,
                WalletError::NotFound => NOT_THERE,
                e => e.into(),
            })?;
        }
        {
            let mut domains = self.domains();
            domains.remove(from);
            domains.remove(&to);
            if !stored {
                domains.insert(to.clone());
            }
        }
        let (from, to) = (Node::Domain(from.clone()), Node::Domain(to));
        self.inodes.write().expect(LOCK).rename(&from, to);
        Ok(())
    }
}
