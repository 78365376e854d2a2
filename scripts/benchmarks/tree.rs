//! The secrets that every contender is given: the same names, the same values.

use crate::Trouble;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The one secret that is read, in every wallet: a path, and what is there.
pub(crate) const SECRET: &str = "energy/smart energy/pwd";
pub(crate) const CONTENT: &[u8] = b"xy67Gh!8 and a few more words, as a password would be";

/// How secrets are spread over domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// All in the domain `all`.
    OneDomain,
    /// Each in one of its own.
    ManyDomains,
    /// A hundred in each, as a growing wallet may be.
    Hundreds,
}

/// A secret of the tree: its names, and its two fields.
pub(crate) struct Entry {
    pub(crate) domain: String,
    pub(crate) access: String,
    pub(crate) uid: String,
    pub(crate) pwd: String,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::OneDomain => "one-domain",
            Shape::ManyDomains => "many-domains",
            Shape::Hundreds => "hundreds",
        }
    }

    /// The secret of this number.
    pub(crate) fn entry(self, n: usize) -> Entry {
        let domain = match self {
            Shape::OneDomain => "all".into(),
            Shape::ManyDomains => format!("site{n}.example"),
            Shape::Hundreds => format!("site{}.example", n / 100),
        };
        Entry {
            domain,
            access: format!("account {n}"),
            uid: format!("person{n}@mail.example"),
            pwd: format!("Pw-{n}-abcdefgh!"),
        }
    }

    /// A table of `count` secrets, for `walletfs import --from csv`. The one that is read is the
    /// first of them.
    pub(crate) fn csv(self, count: usize) -> String {
        let mut table = String::from("domain,access,uid,pwd\n");
        if let Some(more) = count.checked_sub(1) {
            let content = String::from_utf8_lossy(CONTENT);
            let _ = writeln!(table, "energy,smart energy,joe@mail.example,\"{content}\"");
            for n in 0..more {
                let e = self.entry(n);
                let _ = writeln!(table, "{},{},{},{}", e.domain, e.access, e.uid, e.pwd);
            }
        }
        table
    }

    /// The same in directories and files below `dir`.
    pub(crate) fn make(self, count: usize, dir: &Path) -> Result<(), Trouble> {
        put_secret(dir)?;
        let mut last = String::new();
        for n in 0..count.saturating_sub(1) {
            let e = self.entry(n);
            let domain = dir.join(&e.domain);
            if e.domain != last {
                fs::create_dir(&domain)?;
                last.clone_from(&e.domain);
            }
            let secret = domain.join(&e.access);
            fs::create_dir(&secret)?;
            fs::write(secret.join("uid"), &e.uid)?;
            fs::write(secret.join("pwd"), &e.pwd)?;
        }
        Ok(())
    }
}

/// Makes the one secret that is read.
pub(crate) fn put_secret(dir: &Path) -> Result<(), Trouble> {
    let file = dir.join(SECRET);
    fs::create_dir_all(file.parent().ok_or("a file is in a directory")?)?;
    fs::write(file.with_file_name("uid"), "joe@mail.example")?;
    fs::write(file, CONTENT)?;
    Ok(())
}
