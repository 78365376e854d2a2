//! Renames: of a file, of a secret, of a domain.

use super::Outcome;
use super::flat::{Model, Place, check, fails, scratch};
use super::memory::{Base, Kind};
use walletfs::fs::names::Level;

impl Model {
    pub(super) fn rename_file(
        &mut self,
        from: &Place,
        to: &Place,
        no_replace: bool,
    ) -> Outcome<()> {
        if !self.exists(from) {
            return fails("ENOENT");
        }
        check(Level::Info, &to.1)?;
        if no_replace && self.exists(to) {
            return fails("EEXIST");
        }
        if from == to {
            return Ok(());
        }
        let moving = self.current(from);
        let here = moving.filter(|id| self.memory.files[id].in_memory());
        if let Some(id) = here {
            let file = &self.memory.files[&id];
            let stays = file.kind == Kind::Scratch && scratch(&to.1) && self.stored(to).is_none();
            if !stays {
                // Its content is stored under the new name, and what is stored under the old one
                // goes, unless that is another device's.
                let (content, base) = (file.content.clone(), file.base);
                let old = self.stored(from).map(|value| Base::Rev(value.rev));
                if old.is_some_and(|old| old != base) {
                    return fails("ESTALE");
                }
                let rev = self.put(to, &content);
                self.remove(from);
                let file = self.file(id);
                (file.kind, file.base, file.stored) = (Kind::Stored, Base::Rev(rev), file.change);
            }
        } else {
            let value = self.remove(from).expect("it exists");
            let rev = self.next_rev();
            let secret = self.secret_mut(to.0).expect("it is there");
            let moved = super::flat::Value { rev, ..value };
            secret.files.insert(to.1.clone(), moved);
            if let Some(id) = moving {
                self.file(id).base = Base::Rev(rev);
            }
        }
        self.cut_off(to);
        if let Some(id) = moving {
            self.file(id).place = to.clone();
        }
        Ok(())
    }

    pub(super) fn rename_secret(
        &mut self,
        id: u64,
        domain: &str,
        access: &str,
        no_replace: bool,
    ) -> Outcome<()> {
        check(Level::Access, access)?;
        match self.find(domain, access) {
            Some(_) if no_replace => return fails("EEXIST"),
            Some(there) if there == id => return Ok(()),
            Some(there) if !self.names(there).is_empty() => return fails("ENOTEMPTY"),
            Some(there) => self.secrets.retain(|secret| secret.id != there),
            None => {}
        }
        let secret = self.secret_mut(id).expect("it is there");
        secret.access = access.into();
        let left = std::mem::replace(&mut secret.domain, domain.into());
        self.memory.domains.insert(left);
        self.memory.domains.remove(domain);
        Ok(())
    }

    pub(super) fn rename_domain(&mut self, from: &str, to: &str, no_replace: bool) -> Outcome<()> {
        check(Level::Domain, to)?;
        let there = self.domains().iter().any(|domain| domain == to);
        if no_replace && there {
            return fails("EEXIST");
        }
        if from == to {
            return Ok(());
        }
        if self.has_domain(to) {
            return fails("ENOTEMPTY");
        }
        let stored = self.has_domain(from);
        for secret in &mut self.secrets {
            if secret.domain == from {
                secret.domain = to.into();
            }
        }
        self.memory.domains.remove(from);
        self.memory.domains.remove(to);
        if !stored {
            self.memory.domains.insert(to.into());
        }
        Ok(())
    }
}
