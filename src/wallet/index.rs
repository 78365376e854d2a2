//! [`Index`]: the names under which secrets are found, domain by domain.
//!
//! Two secrets may bear one name: no device makes a second one, but two stores merged by hand, or a
//! restored item, may hold it. Then the lowest id has the name, and each other is shown with
//! `.duplicate-ID` behind it, so that every secret can be reached and renamed.

use crate::store::Id;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Domain, then access as shown, then id.
#[derive(Clone, Default)]
pub(super) struct Index(BTreeMap<Arc<str>, BTreeMap<Arc<str>, Id>>);

impl Index {
    pub(super) fn domains(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub(super) fn secrets(&self, domain: &str) -> impl Iterator<Item = (&Arc<str>, Id)> {
        let domain = self.0.get(domain).into_iter().flatten();
        domain.map(|(shown, id)| (shown, *id))
    }

    pub(super) fn find(&self, domain: &str, shown: &str) -> Option<Id> {
        self.0.get(domain)?.get(shown).copied()
    }

    /// Replaces a domain by these secrets, (access, id) each, and gives the name of each that is
    /// shown under another one than its access.
    pub(super) fn set(
        &mut self,
        domain: &Arc<str>,
        mut secrets: Vec<(Arc<str>, Id)>,
    ) -> Vec<(Id, Arc<str>)> {
        // The lowest id of a name first; those left over get their names once every name is given.
        secrets.sort_by_key(|(_, id)| *id);
        let mut shown = BTreeMap::new();
        let mut left = Vec::new();
        for (access, id) in secrets {
            match shown.entry(access) {
                Entry::Vacant(free) => {
                    free.insert(id);
                }
                Entry::Occupied(taken) => left.push((taken.key().clone(), id)),
            }
        }
        let mut renamed = Vec::with_capacity(left.len());
        for (access, id) in left {
            let mut name = format!("{access}.duplicate-{id}");
            // Someone may have called a secret by that very name.
            while shown.contains_key(name.as_str()) {
                name = format!("{name}.duplicate-{id}");
            }
            let name: Arc<str> = name.into();
            shown.insert(name.clone(), id);
            renamed.push((id, name));
        }
        if shown.is_empty() {
            self.0.remove(domain);
        } else {
            self.0.insert(domain.clone(), shown);
        }
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Id {
        Id::Secret([n; 16])
    }

    fn shown(index: &Index) -> Vec<(String, Id)> {
        let all = index.secrets("d");
        all.map(|(name, id)| (name.to_string(), id)).collect()
    }

    #[test]
    fn the_lowest_id_has_the_name_whatever_the_order() {
        let mut index = Index::default();
        let secrets = vec![
            ("a".into(), id(2)),
            ("b".into(), id(9)),
            ("a".into(), id(1)),
        ];
        let renamed = index.set(&"d".into(), secrets);
        let second = format!("a.duplicate-{}", id(2));
        assert_eq!(
            shown(&index),
            [
                ("a".into(), id(1)),
                (second.clone(), id(2)),
                ("b".into(), id(9))
            ]
        );
        assert_eq!(renamed, [(id(2), second.as_str().into())]);
        assert_eq!(index.find("d", &second), Some(id(2)));
    }

    #[test]
    fn a_secret_that_bears_the_name_of_a_duplicate_hides_nobody() {
        let mut index = Index::default();
        let literal = format!("a.duplicate-{}", id(2));
        let secrets = vec![
            ("a".into(), id(1)),
            ("a".into(), id(2)),
            (literal.as_str().into(), id(3)),
        ];
        index.set(&"d".into(), secrets);
        assert_eq!(index.find("d", "a"), Some(id(1)));
        assert_eq!(index.find("d", &literal), Some(id(3)));
        let twice = format!("{literal}.duplicate-{}", id(2));
        assert_eq!(index.find("d", &twice), Some(id(2)));
    }

    #[test]
    fn an_empty_domain_is_no_domain() {
        let mut index = Index::default();
        index.set(&"d".into(), vec![("a".into(), id(1))]);
        assert_eq!(index.domains().count(), 1);
        index.set(&"d".into(), vec![]);
        assert_eq!(index.domains().count(), 0);
    }
}
