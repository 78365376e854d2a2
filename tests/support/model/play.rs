//! Plays a case on a filesystem and on the model, and compares all that can be seen after each step.

use super::flat::{Model, Place};
use super::step::{Case, Step, name};
use super::{How, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use walletfs::fs::names::{Level, decode, encode};

/// A path: a domain, a secret, a file.
pub(crate) type Path<'a> = &'a [&'a str];

/// Directories, and files with their content, by path.
pub(crate) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// One mount of a wallet.
pub(crate) trait Subject {
    /// An open file.
    type Open;
    /// Whether the system calls take names such as `.` and `a/b`, and RENAME_NOREPLACE.
    const RAW: bool;
    /// Whether [`Subject::close`] can only tell of an error by an `fsync` before it.
    const SYNCS: bool;

    fn mkdir(&mut self, path: Path) -> Outcome<()>;
    fn rmdir(&mut self, path: Path) -> Outcome<()>;
    fn unlink(&mut self, path: Path) -> Outcome<()>;
    fn rename(&mut self, from: Path, to: Path, no_replace: bool) -> Outcome<()>;
    fn truncate_path(&mut self, path: Path, len: u64) -> Outcome<()>;
    fn open(&mut self, path: Path, how: How) -> Outcome<Self::Open>;
    /// At an offset, unless the handle appends.
    fn write(&mut self, open: &Self::Open, offset: u64, data: &[u8]) -> Outcome<()>;
    fn truncate(&mut self, open: &Self::Open, len: u64) -> Outcome<()>;
    fn read(&mut self, open: &Self::Open, offset: u64, len: usize) -> Outcome<Vec<u8>>;
    fn size(&mut self, open: &Self::Open) -> Outcome<u64>;
    fn fsync(&mut self, open: &Self::Open) -> Outcome<()>;
    fn close(&mut self, open: Self::Open) -> Outcome<()>;
    /// Names, in pages of so many entries. After the first page, `unlink` goes.
    fn list(&mut self, path: Path, page: usize, unlink: Option<Path>) -> Outcome<Vec<String>>;
    fn tree(&mut self) -> Tree;
    /// From now on it shows what another device has stored up to now.
    fn learn(&mut self);
    /// Ends the mount, and mounts again.
    fn remount(&mut self);
}

struct Play<'a, S: Subject> {
    model: Model,
    open: Vec<S::Open>,
    mount: &'a mut S,
    other: &'a mut S,
}

/// Plays a case on two mounts of an empty wallet.
///
/// # Panics
/// If they show anything but what the model says.
pub(crate) fn play<S: Subject>(case: &Case, mount: &mut S, other: &mut S) {
    let mut play = Play {
        model: Model::default(),
        open: Vec::new(),
        mount,
        other,
    };
    for (number, step) in case.0.iter().enumerate() {
        play.step(*step, &format!("step {number}, {step:?}"));
        play.compare(&format!("after step {number}, {step:?}"));
    }
    play.remount();
    play.compare("at the end");
}

#[track_caller]
fn same<T: PartialEq + Debug>(what: &str, there: T, model: T) {
    assert!(there == model, "{what}: {there:?}\nthe model: {model:?}");
}

/// One of those that are there.
fn of<T: Clone>(all: &[T], number: u8) -> Option<T> {
    (!all.is_empty()).then(|| all[usize::from(number) % all.len()].clone())
}

fn bytes(number: u8) -> Vec<u8> {
    vec![b'a' + number % 26; usize::from(number % 40)]
}

impl<S: Subject> Play<'_, S> {
    fn name(number: u8) -> String {
        let name = name(number);
        let usable = S::RAW || !(name.contains('/') || name == "." || name == "..");
        if usable { name } else { "a".into() }
    }

    fn domain(&self, number: u8) -> Option<String> {
        of(&self.model.domains(), number)
    }

    fn secret(&self, number: u8) -> Option<u64> {
        let all: Vec<_> = self.model.sorted().iter().map(|s| s.id).collect();
        of(&all, number)
    }

    fn dir(&self, secret: u64) -> [String; 2] {
        let secret = self.model.secret(secret).expect("it is there");
        [secret.domain.clone(), secret.access.clone()]
    }

    fn file(&self, number: u8) -> Option<Place> {
        let secrets = self.model.sorted().into_iter();
        let all: Vec<_> = secrets
            .flat_map(|s| self.model.names(s.id).into_iter().map(|name| (s.id, name)))
            .collect();
        of(&all, number)
    }

    /// A file that is stored, which the other device sees.
    fn other_file(&self, number: u8) -> Option<Place> {
        let secrets = self.model.sorted().into_iter();
        let all: Vec<_> = secrets
            .flat_map(|s| s.files.keys().map(|name| (s.id, name.clone())))
            .collect();
        of(&all, number)
    }

    fn handle(&self, number: u8) -> Option<usize> {
        let all: Vec<_> = (0..self.open.len()).collect();
        of(&all, number)
    }

    fn open(&mut self, what: &str, place: &Place, how: How) {
        if self.open.len() == 6 {
            self.close(what, 0);
        }
        let model = self.model.open(place, how);
        let [domain, access] = self.dir(place.0);
        let opened = self.mount.open(&[&domain, &access, &place.1], how);
        match opened {
            Ok(opened) => {
                same(what, Ok(()), model);
                self.open.push(opened);
            }
            Err(errno) => same(what, Err(errno), model),
        }
    }

    fn close(&mut self, what: &str, handle: usize) {
        let synced = if S::SYNCS {
            self.model.fsync(handle)
        } else {
            Ok(())
        };
        let model = synced.and(self.model.close(handle));
        let open = self.open.remove(handle);
        same(what, self.mount.close(open), model);
    }

    fn remount(&mut self) {
        while !self.open.is_empty() {
            self.close("at the end of a mount", 0);
        }
        self.model.end();
        self.mount.remount();
    }

    /// A step: nothing, if there is nothing to do it to.
    fn step(&mut self, step: Step, what: &str) -> Option<()> {
        match step {
            Step::MakeDomain(n) => {
                let name = Self::name(n);
                let model = self.model.make_domain(&name);
                same(what, self.mount.mkdir(&[&name]), model);
            }
            Step::MakeSecret(d, n) => {
                let (domain, name) = (self.domain(d)?, Self::name(n));
                let model = self.model.make_secret(&domain, &name);
                same(what, self.mount.mkdir(&[&domain, &name]), model);
            }
            Step::RemoveDomain(d) => {
                let domain = self.domain(d)?;
                let model = self.model.remove_domain(&domain);
                same(what, self.mount.rmdir(&[&domain]), model);
            }
            Step::RemoveSecret(s) => {
                let secret = self.secret(s)?;
                let [domain, access] = self.dir(secret);
                let model = self.model.remove_secret(secret);
                same(what, self.mount.rmdir(&[&domain, &access]), model);
            }
            Step::Open(s, n, how) => {
                let place = (self.secret(s)?, Self::name(n));
                self.open(what, &place, how);
            }
            Step::OpenFile(f, how) => {
                let place = self.file(f)?;
                self.open(what, &place, how);
            }
            Step::Write(h, offset, n) => {
                let (handle, data) = (self.handle(h)?, bytes(n));
                let offset = usize::from(offset % 60);
                if data.is_empty() {
                    // The kernel keeps such a write to itself.
                    return None;
                }
                let model = self.model.write(handle, |content, append| {
                    let offset = if append { content.len() } else { offset };
                    let end = offset + data.len();
                    content.resize(content.len().max(end), 0);
                    content[offset..end].copy_from_slice(&data);
                });
                let open = &self.open[handle];
                same(what, self.mount.write(open, offset as u64, &data), model);
            }
            Step::Truncate(h, len) => {
                let (handle, len) = (self.handle(h)?, usize::from(len % 60));
                let model = self
                    .model
                    .write(handle, |content, _| content.resize(len, 0));
                // ftruncate(2) has a number of its own for it.
                let model = model.map_err(|e| if e == "EBADF" { "EINVAL".into() } else { e });
                same(
                    what,
                    self.mount.truncate(&self.open[handle], len as u64),
                    model,
                );
            }
            Step::Read(h, offset, len) => {
                let handle = self.handle(h)?;
                let (offset, len) = (usize::from(offset % 70), usize::from(len));
                let file = self.model.memory.handles[handle].file;
                let content = self.model.memory.files[&file].content.clone();
                let end = content.len().min(offset + len);
                let model = content.get(offset..end).unwrap_or_default().to_vec();
                let open = &self.open[handle];
                same(what, self.mount.read(open, offset as u64, len), Ok(model));
                same(what, self.mount.size(open), Ok(content.len() as u64));
            }
            Step::Fsync(h) => {
                let handle = self.handle(h)?;
                let model = self.model.fsync(handle);
                same(what, self.mount.fsync(&self.open[handle]), model);
            }
            Step::Close(h) => {
                let handle = self.handle(h)?;
                self.close(what, handle);
            }
            Step::TruncateFile(f, len) => {
                let (place, len) = (self.file(f)?, usize::from(len % 60));
                let model = self.model.truncate_file(&place, len);
                let [domain, access] = self.dir(place.0);
                let path = [&*domain, &access, &place.1];
                same(what, self.mount.truncate_path(&path, len as u64), model);
            }
            Step::Unlink(f) => {
                let place = self.file(f)?;
                let [domain, access] = self.dir(place.0);
                let model = self.model.unlink(&place);
                same(
                    what,
                    self.mount.unlink(&[&domain, &access, &place.1]),
                    model,
                );
            }
            Step::RenameFile(f, s, n, no_replace) => {
                let to = (self.secret(s)?, Self::name(n));
                self.rename_file(what, &self.file(f)?, &to, no_replace);
            }
            Step::RenameFileOnto(f, to, no_replace) => {
                self.rename_file(what, &self.file(f)?, &self.file(to)?, no_replace);
            }
            Step::RenameSecret(s, d, n, no_replace) => {
                let to = [self.domain(d)?, Self::name(n)];
                self.rename_secret(what, self.secret(s)?, &to, no_replace);
            }
            Step::RenameSecretOnto(s, to, no_replace) => {
                let to = self.dir(self.secret(to)?);
                self.rename_secret(what, self.secret(s)?, &to, no_replace);
            }
            Step::RenameDomain(d, n, no_replace) => {
                self.rename_domain(what, &self.domain(d)?, &Self::name(n), no_replace);
            }
            Step::RenameDomainOnto(d, to, no_replace) => {
                self.rename_domain(what, &self.domain(d)?, &self.domain(to)?, no_replace);
            }
            Step::List(n, page) => {
                let page = usize::from(page % 5) + 1;
                let domains = self.model.domains();
                same(what, sorted(self.mount.list(&[], page, None)), Ok(domains));
                let domain = self.domain(n)?;
                let secrets = self.model.sorted().into_iter();
                let accesses = secrets.filter(|s| s.domain == domain);
                let accesses = accesses.map(|s| s.access.clone()).collect();
                let listed = self.mount.list(&[&domain], page, None);
                same(what, sorted(listed), Ok(accesses));
                let secret = self.secret(n)?;
                let [domain, access] = self.dir(secret);
                let listed = self.mount.list(&[&domain, &access], page, None);
                same(what, sorted(listed), Ok(self.model.names(secret)));
            }
            Step::ListWhileRemoving(f, page) => {
                let place = self.file(f)?;
                let before: BTreeSet<_> = self.model.names(place.0).into_iter().collect();
                let [domain, access] = self.dir(place.0);
                same(what, self.model.unlink(&place), Ok(()));
                let dir = [&*domain, &access];
                let path = [&*domain, &access, &place.1];
                let page = usize::from(page % 3) + 1;
                let listed = sorted(self.mount.list(&dir, page, Some(&path)));
                let mut once: BTreeSet<_> = listed.clone().unwrap().into_iter().collect();
                assert_eq!(once.len(), listed.unwrap().len(), "{what}: an entry twice");
                // It may be listed or not.
                once.insert(place.1);
                same(what, once, before);
            }
            Step::Remount => self.remount(),
            Step::OtherPut(s, n, amount) => {
                let name = Self::name(n);
                // A scratch file would live there; a bad name is the same story there.
                let good = super::flat::check(Level::Info, &name).is_ok();
                let name = if good && !super::flat::scratch(&name) {
                    name
                } else {
                    "a".into()
                };
                self.other_put(what, (self.secret(s)?, name), amount);
            }
            Step::OtherPutFile(f, amount) => {
                let place = self.other_file(f)?;
                self.other_put(what, place, amount);
            }
            Step::OtherUnlink(f) => {
                let place = self.other_file(f)?;
                let [domain, access] = self.dir(place.0);
                self.model.remove(&place);
                self.by_other(what, |o| o.unlink(&[&domain, &access, &place.1]));
            }
            Step::OtherMakeSecret(d, n) => {
                let (domain, name) = (self.domain(d)?, Self::name(n));
                let good = super::flat::check(Level::Access, &name).is_ok();
                if !good || self.model.find(&domain, &name).is_some() {
                    return None;
                }
                let there = self.model.has_domain(&domain);
                let there = there || self.model.other_domains.contains(&domain);
                self.model.make(&domain, &name);
                self.model.other_domains.remove(&domain);
                self.by_other(what, |other| {
                    if !there {
                        other.mkdir(&[&domain])?;
                    }
                    other.mkdir(&[&domain, &name])
                });
            }
            Step::OtherRemoveSecret(s) => {
                let secret = self.secret(s)?;
                let [domain, access] = self.dir(secret);
                let names: Vec<_> = {
                    let secret = self.model.secret(secret).expect("it is there");
                    secret.files.keys().cloned().collect()
                };
                self.model.secrets.retain(|other| other.id != secret);
                self.model.other_domains.insert(domain.clone());
                self.by_other(what, |other| {
                    for name in &names {
                        other.unlink(&[&domain, &access, name])?;
                    }
                    other.rmdir(&[&domain, &access])
                });
            }
            Step::OtherRenameFile(f, s, n) => {
                let (from, to) = (self.other_file(f)?, (self.secret(s)?, Self::name(n)));
                if super::flat::check(Level::Info, &to.1).is_err() || from == to {
                    return None;
                }
                let ([d1, a1], [d2, a2]) = (self.dir(from.0), self.dir(to.0));
                let value = self.model.remove(&from).expect("it is there");
                let rev = self.model.next_rev();
                let secret = self.model.secret_mut(to.0).expect("it is there");
                let moved = super::flat::Value { rev, ..value };
                secret.files.insert(to.1.clone(), moved);
                self.by_other(what, |other| {
                    other.rename(&[&d1, &a1, &from.1], &[&d2, &a2, &to.1], false)
                });
            }
            Step::OtherRenameSecret(s, d, n) => {
                let (id, access) = (self.secret(s)?, Self::name(n));
                let domains: Vec<_> = self
                    .model
                    .sorted()
                    .iter()
                    .map(|s| s.domain.clone())
                    .collect();
                let domain = of(&domains, d)?;
                let good = super::flat::check(Level::Access, &access).is_ok();
                if !good || self.model.find(&domain, &access).is_some() {
                    return None;
                }
                let [from, old] = self.dir(id);
                let secret = self.model.secret_mut(id).expect("it is there");
                (secret.domain, secret.access) = (domain.clone(), access.clone());
                self.model.other_domains.insert(from.clone());
                self.model.other_domains.remove(&domain);
                self.by_other(what, |other| {
                    other.rename(&[&from, &old], &[&domain, &access], false)
                });
            }
        }
        Some(())
    }

    fn other_put(&mut self, what: &str, place: Place, amount: u8) {
        let content = bytes(amount);
        let [domain, access] = self.dir(place.0);
        self.model.put(&place, &content);
        self.by_other(what, |other| {
            let open = other.open(&[&domain, &access, &place.1], How::Truncate)?;
            other.write(&open, 0, &content)?;
            other.close(open)
        });
    }

    /// The other device does something, which succeeds, and which this one learns.
    fn by_other(&mut self, what: &str, act: impl FnOnce(&mut S) -> Outcome<()>) {
        self.other.learn();
        same(what, act(self.other), Ok(()));
        self.mount.learn();
        self.model.look();
    }

    fn rename_file(&mut self, what: &str, from: &Place, to: &Place, no_replace: bool) {
        let no_replace = no_replace && S::RAW;
        let ([d1, a1], [d2, a2]) = (self.dir(from.0), self.dir(to.0));
        let model = self.model.rename_file(from, to, no_replace);
        let (from, to) = ([&*d1, &a1, &from.1], [&*d2, &a2, &to.1]);
        same(what, self.mount.rename(&from, &to, no_replace), model);
    }

    fn rename_secret(&mut self, what: &str, id: u64, to: &[String; 2], no_replace: bool) {
        let no_replace = no_replace && S::RAW;
        let [domain, access] = self.dir(id);
        let model = self.model.rename_secret(id, &to[0], &to[1], no_replace);
        let renamed = self
            .mount
            .rename(&[&domain, &access], &[&to[0], &to[1]], no_replace);
        same(what, renamed, model);
    }

    fn rename_domain(&mut self, what: &str, from: &str, to: &str, no_replace: bool) {
        let no_replace = no_replace && S::RAW;
        let model = self.model.rename_domain(from, to, no_replace);
        same(what, self.mount.rename(&[from], &[to], no_replace), model);
    }

    /// Everything that is shown is what the model says.
    fn compare(&mut self, what: &str) {
        self.other.learn();
        let other = self.other.tree();
        self.find_conflicts(what, &other);
        same(
            &format!("{what}, the other device"),
            other,
            self.model.other_tree(),
        );
        same(what, self.mount.tree(), self.model.tree());
        for (handle, open) in self.open.iter().enumerate() {
            let file = self.model.memory.handles[handle].file;
            let content = self.model.memory.files[&file].content.clone();
            let what = format!("{what}, handle {handle}");
            same(&what, self.mount.read(open, 0, 1000), Ok(content));
        }
    }

    /// Content that lost is beside what won, under a name that nobody else has given.
    fn find_conflicts(&mut self, what: &str, stored: &Tree) {
        for conflict in std::mem::take(&mut self.model.conflicts) {
            let [domain, access] = self.dir(conflict.secret);
            let name = &conflict.name;
            let key = match name.as_str() {
                "uid" | "pwd" => name.clone(),
                _ => decode(Level::Info, name.as_bytes()).expect("it was a name"),
            };
            let start = encode(Level::Info, &format!("{key}.conflict-"));
            let start = format!("{domain}/{access}/{start}");
            let known = self.model.other_tree();
            let mut beside: Vec<_> = stored
                .iter()
                .filter(|(path, content)| {
                    path.starts_with(&start) && content.as_ref() == Some(&conflict.content)
                })
                .collect();
            // The same content may be kept there already.
            beside.sort_by_key(|(path, _)| known.contains_key(*path));
            let Some((path, _)) = beside.first() else {
                panic!("{what}: {conflict:?} is nowhere: {stored:?}");
            };
            let name = path[format!("{domain}/{access}/").len()..].to_owned();
            self.model.put(&(conflict.secret, name), &conflict.content);
        }
    }
}

/// Sorted; what is there twice stays so.
fn sorted(names: Outcome<Vec<String>>) -> Outcome<Vec<String>> {
    names.map(|mut names| {
        names.sort();
        names
    })
}
