//! What is stored: a flat list of secrets, and what the other device does to it.

use super::Outcome;
use super::memory::Memory;
use std::collections::{BTreeMap, BTreeSet};
use walletfs::fs::names::{self, Level};
use walletfs::fs::scratch::is_scratch;

/// A file's content, and when it was last changed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Value {
    pub(super) content: Vec<u8>,
    pub(super) rev: u64,
}

/// A secret, by the names that it and its files are shown under.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    pub(super) id: u64,
    pub(super) domain: String,
    pub(super) access: String,
    pub(super) files: BTreeMap<String, Value>,
}

/// Content that lost to another device's, and is to be found beside it, under a name that has the
/// time in it.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    pub(super) secret: u64,
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// The wallet, one mount of it, and the other device.
#[derive(Default)]
pub(super) struct Model {
    pub(super) secrets: Vec<Secret>,
    /// Raised by each change; also gives numbers to secrets.
    pub(super) rev: u64,
    pub(super) memory: Memory,
    /// Empty domains that the other device shows.
    pub(super) other_domains: BTreeSet<String>,
    /// Conflicts since the last comparison.
    pub(super) conflicts: Vec<Conflict>,
}

/// A place of a file: a secret, and the file's name.
pub(super) type Place = (u64, String);

pub(super) fn fails<T>(errno: &str) -> Outcome<T> {
    Err(errno.to_owned())
}

/// Names that are no names. The codec has tests of its own.
pub(super) fn check(level: Level, name: &str) -> Outcome<()> {
    if level == Level::Info && ["uid", "pwd"].contains(&name) {
        return Ok(());
    }
    let decoded = names::decode(level, name.as_bytes());
    decoded.map(drop).map_err(|e| format!("{:?}", e.errno))
}

pub(super) fn scratch(name: &str) -> bool {
    is_scratch(name)
}

impl Model {
    pub(super) fn next_rev(&mut self) -> u64 {
        self.rev += 1;
        self.rev
    }

    pub(super) fn secret(&self, id: u64) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.id == id)
    }

    pub(super) fn secret_mut(&mut self, id: u64) -> Option<&mut Secret> {
        self.secrets.iter_mut().find(|secret| secret.id == id)
    }

    pub(super) fn find(&self, domain: &str, access: &str) -> Option<u64> {
        let found = self
            .secrets
            .iter()
            .find(|s| (s.domain.as_str(), s.access.as_str()) == (domain, access));
        found.map(|secret| secret.id)
    }

    pub(super) fn has_domain(&self, domain: &str) -> bool {
        self.secrets.iter().any(|secret| secret.domain == domain)
    }

    pub(super) fn stored(&self, (secret, name): &Place) -> Option<&Value> {
        self.secret(*secret)?.files.get(name)
    }

    /// Stores a value, and gives its `rev`: the old one if it is the same.
    pub(super) fn put(&mut self, (secret, name): &Place, content: &[u8]) -> u64 {
        let rev = self.next_rev();
        let secret = self.secret_mut(*secret).expect("it is there");
        let value = secret.files.entry(name.clone()).or_insert(Value {
            content: content.to_vec(),
            rev,
        });
        if value.content != content {
            *value = Value {
                content: content.to_vec(),
                rev,
            };
        }
        value.rev
    }

    pub(super) fn remove(&mut self, (secret, name): &Place) -> Option<Value> {
        self.secret_mut(*secret)?.files.remove(name)
    }

    pub(super) fn make(&mut self, domain: &str, access: &str) -> u64 {
        let id = self.next_rev();
        self.secrets.push(Secret {
            id,
            domain: domain.into(),
            access: access.into(),
            files: BTreeMap::new(),
        });
        id
    }

    /// All secrets, by name.
    pub(super) fn sorted(&self) -> Vec<&Secret> {
        let mut all: Vec<_> = self.secrets.iter().collect();
        all.sort_by_key(|secret| (&secret.domain, &secret.access));
        all
    }

    /// What the other device shows: directories, and files with their content.
    pub(super) fn other_tree(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        for domain in &self.other_domains {
            tree.insert(domain.clone(), None);
        }
        for secret in &self.secrets {
            let dir = format!("{}/{}", secret.domain, secret.access);
            tree.insert(secret.domain.clone(), None);
            tree.insert(dir.clone(), None);
            for (name, value) in &secret.files {
                tree.insert(format!("{dir}/{name}"), Some(value.content.clone()));
            }
        }
        tree
    }
}
