//! What one mount has beside what is stored: open files with their content, scratch files, empty
//! domains.

use super::flat::{Conflict, Model, Place, check, fails, scratch};
use super::{How, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use walletfs::fs::names::Level;

/// The other device has, or had, nothing of it; or its content as of this `rev`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Base {
    Absent,
    Rev(u64),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// Its content goes to its place.
    Stored,
    /// It lives here only.
    Scratch,
    /// It has lost its name.
    Gone,
}

/// The content of a file that is open, or that is not stored. Changes are numbered.
pub(super) struct File {
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// Its secret's name when it was opened.
    home: (String, String),
    pub(super) content: Vec<u8>,
    pub(super) base: Base,
    /// The last change, the last one that came by path, and up to which it is stored.
    pub(super) change: u64,
    by_path: u64,
    pub(super) stored: u64,
    /// Its place shows something else: another device's change won, or came while it was open.
    parted: bool,
    /// It takes nothing more.
    lost: bool,
}

/// An open file.
pub(super) struct Handle {
    pub(super) file: u64,
    how: How,
    opened: u64,
    made: u64,
    wrote: u64,
}

#[derive(Default)]
pub(super) struct Memory {
    pub(super) files: BTreeMap<u64, File>,
    pub(super) handles: Vec<Handle>,
    /// Empty domains.
    pub(super) domains: BTreeSet<String>,
    next: u64,
}

impl File {
    fn unsaved(&self) -> bool {
        self.kind == Kind::Stored && self.change > self.stored
    }

    pub(super) fn in_memory(&self) -> bool {
        self.unsaved() || self.kind == Kind::Scratch
    }

    fn changed(&mut self) -> u64 {
        self.change += 1;
        self.change
    }
}

impl Handle {
    fn owes(&self, file: &File) -> bool {
        self.wrote > file.stored || file.by_path > file.stored.max(self.opened)
    }
}

impl Model {
    pub(super) fn file(&mut self, file: u64) -> &mut File {
        self.memory.files.get_mut(&file).expect("it is there")
    }

    fn writers(&self, file: u64) -> usize {
        let all = self.memory.handles.iter();
        all.filter(|h| h.file == file && h.how.writes()).count()
    }

    /// What another device has changed is no longer shown by what was opened before.
    pub(super) fn look(&mut self) {
        let stored: BTreeMap<Place, u64> = self
            .secrets
            .iter()
            .flat_map(|s| s.files.iter().map(|(n, v)| ((s.id, n.clone()), v.rev)))
            .collect();
        for file in self.memory.files.values_mut() {
            let there = stored.get(&file.place).copied();
            if !file.in_memory() && Base::Rev(there.unwrap_or(0)) != file.base {
                file.parted = true;
            }
        }
    }

    /// The file that its place shows, if that is in memory.
    pub(super) fn current(&self, place: &Place) -> Option<u64> {
        let mut all = self.memory.files.iter();
        let named = |file: &File| file.kind != Kind::Gone && !file.parted && file.place == *place;
        all.find(|(_, file)| named(file)).map(|(id, _)| *id)
    }

    pub(super) fn exists(&self, place: &Place) -> bool {
        let shown = self
            .current(place)
            .is_some_and(|f| self.memory.files[&f].in_memory());
        shown || self.stored(place).is_some()
    }

    /// Names of files of a secret that live here.
    pub(super) fn in_memory(&self, secret: u64) -> BTreeSet<String> {
        let all = self.memory.files.values();
        all.filter(|f| f.in_memory() && !f.parted && f.place.0 == secret)
            .map(|f| f.place.1.clone())
            .collect()
    }

    fn add(&mut self, file: File) -> u64 {
        self.memory.next += 1;
        self.memory.files.insert(self.memory.next, file);
        self.memory.next
    }

    /// The current file at a place, taken into memory if it is not there.
    fn content(&mut self, place: &Place) -> u64 {
        if let Some(current) = self.current(place) {
            return current;
        }
        let value = self.stored(place).expect("it exists").clone();
        self.add_at(place, Kind::Stored, value.content, Base::Rev(value.rev), 0)
    }

    fn add_at(
        &mut self,
        place: &Place,
        kind: Kind,
        content: Vec<u8>,
        base: Base,
        change: u64,
    ) -> u64 {
        let secret = self.secret(place.0).expect("it is there");
        let home = (secret.domain.clone(), secret.access.clone());
        self.add(File {
            kind,
            place: place.clone(),
            home,
            content,
            base,
            change,
            by_path: 0,
            stored: 0,
            parted: false,
            lost: false,
        })
    }

    pub(super) fn open(&mut self, place: &Place, how: How) -> Outcome<()> {
        check(Level::Info, &place.1)?;
        let there = self.exists(place);
        let (file, made) = match there {
            true if how == How::Exclusive => return fails("EEXIST"),
            false if !how.creates() => return fails("ENOENT"),
            true => (self.content(place), 0),
            false => {
                let kind = [Kind::Stored, Kind::Scratch][usize::from(scratch(&place.1))];
                let content = Vec::new();
                (self.add_at(place, kind, content, Base::Absent, 1), 1)
            }
        };
        let opened = self.file(file);
        let made = if there && how == How::Truncate {
            opened.content.clear();
            opened.changed()
        } else {
            made
        };
        let opened = opened.change;
        self.memory.handles.push(Handle {
            file,
            how,
            opened,
            made,
            wrote: 0,
        });
        Ok(())
    }

    /// A change of the content through a handle.
    pub(super) fn write(
        &mut self,
        handle: usize,
        change: impl FnOnce(&mut Vec<u8>, bool),
    ) -> Outcome<()> {
        let Handle { file, how, .. } = self.memory.handles[handle];
        if !how.writes() {
            return fails("EBADF");
        }
        let file = self.file(file);
        if file.lost {
            return fails("ESTALE");
        }
        change(&mut file.content, how == How::Append);
        self.memory.handles[handle].wrote = file.changed();
        Ok(())
    }

    pub(super) fn truncate_file(&mut self, place: &Place, len: usize) -> Outcome<()> {
        if !self.exists(place) {
            return fails("ENOENT");
        }
        let id = self.content(place);
        let file = self.file(id);
        let joins = file.in_memory();
        file.content.resize(len, 0);
        let change = file.changed();
        file.by_path = change;
        let result = match joins && self.writers(id) > 0 {
            true => Ok(()),
            false => self.commit(id),
        };
        if !joins {
            // A copy was changed: no handle has anything to answer for.
            self.file(id).by_path = 0;
        }
        self.forget(id);
        result
    }

    /// Stores what a file has unsaved.
    pub(super) fn commit(&mut self, id: u64) -> Outcome<()> {
        let file = &self.memory.files[&id];
        if !file.unsaved() {
            return Ok(());
        }
        let (place, content, base) = (file.place.clone(), file.content.clone(), file.base);
        let (home, change) = (file.home.clone(), file.change);
        let there = self.stored(&place);
        let same = there.is_some_and(|value| value.content == content);
        let good = self.secret(place.0).is_some()
            && match base {
                Base::Absent => there.is_none() || same && !content.is_empty(),
                Base::Rev(rev) => there.is_some_and(|value| value.rev == rev) || same,
            };
        if good {
            let rev = self.put(&place, &content);
            let file = self.file(id);
            (file.base, file.stored) = (Base::Rev(rev), change);
            return Ok(());
        }
        let secret = match self.secret(place.0) {
            Some(secret) => secret.id,
            None => {
                let there = self.find(&home.0, &home.1);
                there.unwrap_or_else(|| self.make(&home.0, &home.1))
            }
        };
        self.conflicts.push(Conflict {
            secret,
            name: place.1,
            content,
        });
        let file = self.file(id);
        (file.stored, file.parted, file.lost) = (change, true, true);
        fails("ESTALE")
    }

    pub(super) fn fsync(&mut self, handle: usize) -> Outcome<()> {
        let Handle { file, how, .. } = self.memory.handles[handle];
        match how.writes() || self.writers(file) == 0 {
            true => self.commit(file),
            false => Ok(()),
        }
    }

    /// A close of the only descriptor: what it owes is stored, and told; the release stores the rest,
    /// untold.
    pub(super) fn close(&mut self, handle: usize) -> Outcome<()> {
        let id = self.memory.handles[handle].file;
        let closed = &self.memory.handles[handle];
        let owes = closed.how.writes() && closed.owes(&self.memory.files[&id]);
        let told = match owes {
            true => self.commit(id),
            false => Ok(()),
        };
        let closed = self.memory.handles.remove(handle);
        let last = self.writers(id) == 0;
        let file = &self.memory.files[&id];
        if closed.how.writes() && (closed.owes(file) || closed.made > file.stored || last) {
            let _ = self.commit(id);
        }
        self.forget(id);
        told
    }

    /// Forgets a file that nobody has open and that is stored.
    fn forget(&mut self, id: u64) {
        let open = self.memory.handles.iter().any(|handle| handle.file == id);
        if !open && !self.memory.files[&id].in_memory() {
            self.memory.files.remove(&id);
        }
    }

    /// A file loses its name.
    pub(super) fn cut_off(&mut self, place: &Place) {
        if let Some(id) = self.current(place) {
            self.file(id).kind = Kind::Gone;
            self.forget(id);
        }
    }

    pub(super) fn unlink(&mut self, place: &Place) -> Outcome<()> {
        if !self.exists(place) {
            return fails("ENOENT");
        }
        self.remove(place);
        self.cut_off(place);
        Ok(())
    }

    pub(super) fn make_domain(&mut self, name: &str) -> Outcome<()> {
        check(Level::Domain, name)?;
        if self.has_domain(name) || !self.memory.domains.insert(name.into()) {
            return fails("EEXIST");
        }
        Ok(())
    }

    pub(super) fn make_secret(&mut self, domain: &str, access: &str) -> Outcome<()> {
        check(Level::Access, access)?;
        if self.find(domain, access).is_some() {
            return fails("EEXIST");
        }
        self.make(domain, access);
        self.memory.domains.remove(domain);
        Ok(())
    }

    pub(super) fn remove_domain(&mut self, domain: &str) -> Outcome<()> {
        if self.has_domain(domain) {
            return fails("ENOTEMPTY");
        }
        self.memory.domains.remove(domain);
        Ok(())
    }

    pub(super) fn remove_secret(&mut self, id: u64) -> Outcome<()> {
        let secret = self.secret(id).expect("it is there").clone();
        if !secret.files.is_empty() || !self.in_memory(id).is_empty() {
            return fails("ENOTEMPTY");
        }
        self.secrets.retain(|secret| secret.id != id);
        self.memory.domains.insert(secret.domain);
        Ok(())
    }

    /// The mount ends: everything is closed, and what lived in it is gone.
    pub(super) fn end(&mut self) {
        while !self.memory.handles.is_empty() {
            let _ = self.close(0);
        }
        let next = self.memory.next;
        self.memory = Memory {
            next,
            ..Memory::default()
        };
    }

    /// Domains that the mount shows, sorted.
    pub(super) fn domains(&self) -> Vec<String> {
        let mut all = self.memory.domains.clone();
        all.extend(self.secrets.iter().map(|secret| secret.domain.clone()));
        all.into_iter().collect()
    }

    /// Names in a secret, sorted.
    pub(super) fn names(&self, secret: u64) -> Vec<String> {
        let mut names = self.in_memory(secret);
        names.extend(
            self.secret(secret)
                .expect("it is there")
                .files
                .keys()
                .cloned(),
        );
        names.into_iter().collect()
    }

    /// The content that a place shows.
    pub(super) fn shown(&self, place: &Place) -> Vec<u8> {
        match self.current(place) {
            Some(file) => self.memory.files[&file].content.clone(),
            None => self.stored(place).expect("it exists").content.clone(),
        }
    }

    /// What the mount shows: directories, and files with their content.
    pub(super) fn tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut tree: BTreeMap<_, _> = self.domains().into_iter().map(|d| (d, None)).collect();
        for secret in &self.secrets {
            let dir = format!("{}/{}", secret.domain, secret.access);
            for name in self.names(secret.id) {
                let content = self.shown(&(secret.id, name.clone()));
                tree.insert(format!("{dir}/{name}"), Some(content));
            }
            tree.insert(dir, None);
        }
        tree
    }
}
