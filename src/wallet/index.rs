//! [`Index`]: the names under which secrets are found, domain by domain.
//!
//! Two secrets may bear one name: no device makes a second one, but two stores merged by hand, or a
//! restored item, may hold it. Then the lowest id has the name, and each other is shown with
//! `.duplicate-ID` behind it, so that every secret can be reached and renamed.
//!
//! Secrets that were removed have an index of their own, in which many may bear one name: the newest
//! has it, and each other is shown with the time of its removal behind it, to the nanosecond where it
//! shares the second, and its id where it shares that. Each is found by such names, however it is
//! shown ([`called`]): so whoever goes through a list of names finds all of them, although removing one
//! gives its name to another.

use super::name;
use super::utc::{utc, utc_exact};
use crate::store::Id;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter;
use std::sync::Arc;

/// Domain, then access as shown, then id.
#[derive(Clone, Default)]
pub(super) struct Index(BTreeMap<Arc<str>, BTreeMap<Arc<str>, Id>>);

/// The names that a secret which was removed is shown by where others have its own, the shorter ones
/// first. Someone may have called a secret by any of them.
fn removed_names(access: &str, removed_ns: i64, id: Id) -> impl Iterator<Item = Arc<str>> {
    let exact = format!("~{}", utc_exact(removed_ns));
    let short = iter::once_with(move || format!("~{}", utc(removed_ns)));
    let longer = (0..).map(move |times| format!("{exact}{}", format!("-{id}").repeat(times)));
    let named = |suffix: String| name::with_suffix(access, &suffix).into();
    short.chain(longer).map(named)
}

/// Which of these secrets that were removed, (access, time of the removal, id) each, has `name` among
/// those that it may be shown by: the one that was removed first.
pub(super) fn called<'a>(
    name: &str,
    secrets: impl Iterator<Item = (&'a Arc<str>, i64, Id)>,
) -> Option<Id> {
    if !name.contains('~') {
        return None;
    }
    let is_called = |(access, removed_ns, id): &(&Arc<str>, i64, Id)| {
        let mut names = removed_names(access, *removed_ns, *id).take(CALLED);
        names.any(|other| *other == *name)
    };
    let secrets = secrets.filter(is_called);
    let first = secrets.min_by_key(|(_, removed_ns, id)| (*removed_ns, *id));
    first.map(|(.., id)| id)
}

/// How many of its names a secret that was removed is found by: by the second, by the nanosecond, and
/// with its id.
const CALLED: usize = 3;

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
        self.put(domain, shown);
        renamed
    }

    /// As [`Index::set`], of secrets that were removed: (access, time of the removal, id) each.
    pub(super) fn set_removed(
        &mut self,
        domain: &Arc<str>,
        mut secrets: Vec<(Arc<str>, i64, Id)>,
    ) -> Vec<(Id, Arc<str>)> {
        // The oldest first: one that comes later takes no other's name.
        secrets.sort_by_key(|(_, removed_ns, id)| (*removed_ns, *id));
        let named = secrets.iter().map(|(access, _, id)| (access.clone(), *id));
        let mut shown: BTreeMap<Arc<str>, Id> = named.collect();
        let mut renamed = Vec::new();
        for (access, removed_ns, id) in secrets {
            if shown.get(&access) != Some(&id) {
                let mut names = removed_names(&access, removed_ns, id);
                let free = names.find(|name| !shown.contains_key(name));
                let free = free.expect("there is always a longer one");
                shown.insert(free.clone(), id);
                renamed.push((id, free));
            }
        }
        self.put(domain, shown);
        renamed
    }

    fn put(&mut self, domain: &Arc<str>, shown: BTreeMap<Arc<str>, Id>) {
        if shown.is_empty() {
            self.0.remove(domain);
        } else {
            self.0.insert(domain.clone(), shown);
        }
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

    /// The name goes to the newest; what was removed before it is called by its time from then on,
    /// whatever else comes and goes.
    #[test]
    fn the_newest_of_those_removed_has_the_name() {
        let mut index = Index::default();
        let second = 1_000_000_000;
        let mut secrets: Vec<(Arc<str>, i64, Id)> = vec![
            ("a".into(), 0, id(5)),
            ("a".into(), 1, id(4)),
            ("a".into(), 86_400 * second, id(9)),
            // Someone called a secret by the very name.
            ("a~1970-01-01T000000Z".into(), 7, id(1)),
        ];
        let find = |index: &Index, secrets: &[(Arc<str>, i64, Id)], name: &str| {
            let known = secrets.iter().map(|(access, ns, id)| (access, *ns, *id));
            index.find("d", name).or_else(|| called(name, known))
        };
        let renamed = index.set_removed(&"d".into(), secrets.clone());
        assert_eq!(
            shown(&index),
            [
                ("a".into(), id(9)),
                ("a~1970-01-01T000000.000000000Z".into(), id(5)),
                ("a~1970-01-01T000000.000000001Z".into(), id(4)),
                ("a~1970-01-01T000000Z".into(), id(1)),
            ]
        );
        assert_eq!(renamed.len(), 2);
        assert_eq!(find(&index, &secrets, "a~1970-01-02T000000Z"), Some(id(9)));
        secrets.push(("a".into(), 2 * 86_400 * second, id(2)));
        index.set_removed(&"d".into(), secrets.clone());
        assert_eq!(find(&index, &secrets, "a"), Some(id(2)));
        assert_eq!(find(&index, &secrets, "a~1970-01-02T000000Z"), Some(id(9)));
        assert_eq!(find(&index, &secrets, "a~1970-01-03T000000Z"), Some(id(2)));
        assert_eq!(find(&index, &secrets, "a~1970-01-04T000000Z"), None);
        assert_eq!(
            index.find("d", "a~1970-01-01T000000.000000001Z"),
            Some(id(4))
        );
        // Each is found by the names of before as the others go, one by one.
        let mut left = vec![(0, id(1)), (1, id(2)), (1, id(3)), (2, id(4)), (3, id(5))];
        let of = |left: &[(i64, Id)]| -> Vec<(Arc<str>, i64, Id)> {
            left.iter().map(|(ns, id)| ("b".into(), *ns, *id)).collect()
        };
        index.set_removed(&"d".into(), of(&left));
        let names = shown(&index);
        for (name, id) in names {
            assert_eq!(find(&index, &of(&left), &name), Some(id), "{name}");
            left.retain(|(_, left)| *left != id);
            index.set_removed(&"d".into(), of(&left));
        }
        assert_eq!(shown(&index), []);
    }

    #[test]
    fn a_long_name_leaves_room_for_the_time() {
        let mut index = Index::default();
        let long: Arc<str> = "é".repeat(127).into();
        let secrets = vec![(long.clone(), 0, id(1)), (long.clone(), 1, id(2))];
        index.set_removed(&"d".into(), secrets);
        let cut = format!("{}~1970-01-01T000000Z", "é".repeat(118));
        assert_eq!(shown(&index), [(cut, id(1)), (long.to_string(), id(2))]);
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
