//! Which names of a source can be names here, and what to call the others: no secret is dropped for
//! its name. A proposal depends on the source alone, so that a second run makes the same ones.

use super::{Found, FoundField, Source};
use crate::wallet::{Field, name};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a secret or an info key without a name is called.
const UNNAMED: &str = "unnamed";

/// A secret whose names can be.
pub struct Named {
    /// As [`Found::origin`].
    pub origin: String,
    /// Its domain.
    pub domain: Arc<str>,
    /// Its access.
    pub access: Arc<str>,
    /// Its fields.
    pub fields: BTreeMap<Field, FoundField>,
    /// Which of these names are proposals, in place of names that cannot be. None: all are the
    /// source's own.
    pub renamed: Vec<Renaming>,
}

/// A name that cannot be, and the one that is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// What bears it.
    pub what: Bearer,
    /// Why it cannot be.
    pub why: &'static str,
    /// The name in the source.
    pub was: String,
    /// The name that is proposed.
    pub proposal: String,
}

/// What bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A domain.
    Domain,
    /// A secret in its domain.
    Secret,
    /// An info key.
    Key,
}

/// The secrets of a source under names that can be.
pub struct Judged {
    /// Each secret once.
    pub secrets: Vec<Named>,
    /// Secrets that stand in the source more than once, equal to the last byte, beyond the first.
    pub repeated: usize,
}

/// Judges the names of a source. `nowhere` is the domain of secrets that have none.
pub fn judge(source: Source, nowhere: &str) -> Judged {
    let mut names = Names::of(&source.secrets);
    let mut judged = Judged {
        secrets: Vec::with_capacity(source.secrets.len()),
        repeated: 0,
    };
    for found in source.secrets {
        let mut named = possible(found, nowhere);
        let name = (named.domain.clone(), named.access.clone());
        if let Some(first) = names.given.get(&name) {
            if equal(&judged.secrets[*first], &named) {
                judged.repeated += 1;
                continue;
            }
            let free = names.free(&name);
            let renaming = Renaming {
                what: Bearer::Secret,
                why: "another secret of the source has it",
                was: name.1.to_string(),
                proposal: free.to_string(),
            };
            named.access = free;
            // Of two reasons for the access's new name one is enough.
            named.renamed.retain(|r| r.what != Bearer::Secret);
            named.renamed.push(renaming);
        }
        let name = (named.domain.clone(), named.access.clone());
        names.given.insert(name, judged.secrets.len());
        judged.secrets.push(named);
    }
    judged
}

type Name = (Arc<str>, Arc<str>);

/// The names of a source.
struct Names {
    /// Every name that stands in the source: never proposed for another.
    all: BTreeSet<Name>,
    /// Those given so far, with the position of the secret.
    given: BTreeMap<Name, usize>,
    /// The number that was tried last for a name.
    tried: BTreeMap<Name, usize>,
}

impl Names {
    fn of(secrets: &[Found]) -> Names {
        let names = secrets.iter();
        Names {
            all: names
                .map(|found| (found.domain.as_str().into(), found.access.as_str().into()))
                .collect(),
            given: BTreeMap::new(),
            tried: BTreeMap::new(),
        }
    }

    /// A free access in the domain: the name with the next number.
    fn free(&mut self, name: &Name) -> Arc<str> {
        let tried = self.tried.entry(name.clone()).or_insert(1);
        loop {
            *tried += 1;
            let free = (name.0.clone(), numbered(&name.1, *tried).into());
            if !self.all.contains(&free) && !self.given.contains_key(&free) {
                return free.1;
            }
        }
    }
}

/// The secret under names that can be; another secret may still have the same.
fn possible(found: Found, nowhere: &str) -> Named {
    let mut renamed = Vec::new();
    let mut judge = |what, was: &str, otherwise: &str| -> Arc<str> {
        let Err(why) = check(was) else {
            return was.into();
        };
        let proposal = match was {
            "" => otherwise.to_owned(),
            _ => cut(was, name::MAX),
        };
        renamed.push(Renaming {
            what,
            why,
            was: was.to_owned(),
            proposal: proposal.clone(),
        });
        proposal.into()
    };
    let domain = judge(Bearer::Domain, &found.domain, nowhere);
    let uid = found.fields.get(&Field::Uid);
    let uid = uid.and_then(|uid| std::str::from_utf8(uid.value.expose()).ok());
    let uid = uid.filter(|uid| check(uid).is_ok());
    let access = judge(Bearer::Secret, &found.access, uid.unwrap_or(UNNAMED));
    let (fields, keys) = possible_keys(found.fields);
    renamed.extend(keys);
    Named {
        origin: found.origin,
        domain,
        access,
        fields,
        renamed,
    }
}

fn possible_keys(
    found: BTreeMap<Field, FoundField>,
) -> (BTreeMap<Field, FoundField>, Vec<Renaming>) {
    let (bad, mut fields): (Vec<_>, BTreeMap<_, _>) = found.into_iter().fold(
        (Vec::new(), BTreeMap::new()),
        |(mut bad, mut good), (field, value)| {
            match &field {
                Field::Info(key) if check(key).is_err() => bad.push((key.clone(), value)),
                _ => drop(good.insert(field, value)),
            }
            (bad, good)
        },
    );
    let mut renamed = Vec::with_capacity(bad.len());
    let mut numbers = BTreeMap::new();
    for (key, value) in bad {
        let why = check(&key).expect_err("only such keys are here");
        let base = match &*key {
            "" => UNNAMED.to_owned(),
            key => cut(key, name::MAX),
        };
        let mut proposal = base.clone();
        loop {
            match fields.entry(Field::Info(proposal.as_str().into())) {
                Entry::Vacant(free) => {
                    free.insert(value);
                    break;
                }
                Entry::Occupied(_) => {
                    let number = numbers.entry(base.clone()).or_insert(1);
                    *number += 1;
                    proposal = numbered(&base, *number);
                }
            }
        }
        renamed.push(Renaming {
            what: Bearer::Key,
            why,
            was: key.to_string(),
            proposal,
        });
    }
    (fields, renamed)
}

fn check(name: &str) -> Result<(), &'static str> {
    match name::check(name) {
        Ok(()) => Ok(()),
        Err(_) if name.is_empty() => Err("it is empty"),
        Err(_) => Err("it is over 255 bytes as shown"),
    }
}

/// `name` with a number behind it, cut to leave room for it.
fn numbered(name: &str, number: usize) -> String {
    let number = format!(" ({number})");
    cut(name, name::MAX - number.len()) + &number
}

/// The beginning of `name` that is not longer than `most` bytes as shown.
fn cut(name: &str, most: usize) -> String {
    // No name is shown shorter than it is.
    let mut end = name.floor_char_boundary(most);
    while name::shown_len(&name[..end]) > most {
        end = name.floor_char_boundary(end - 1);
    }
    name[..end].to_owned()
}

fn equal(a: &Named, b: &Named) -> bool {
    let values = |named: &Named| {
        let fields = named.fields.iter();
        fields
            .map(|(field, found)| (field.clone(), found.value.clone()))
            .collect::<Vec<_>>()
    };
    let (a, b) = (values(a), values(b));
    a.len() == b.len()
        && a.iter()
            .zip(&b)
            .all(|((field, value), (other, with))| field == other && value.ct_eq(with))
}

#[cfg(test)]
mod tests {
    use super::super::fields::{Fields, value};
    use super::*;

    fn found(domain: &str, access: &str, pwd: &str) -> Found {
        let mut fields = Fields::default();
        fields.put(Field::Pwd, value(pwd));
        fields.into_found("entry".into(), domain, access)
    }

    fn judged(secrets: Vec<Found>) -> Judged {
        let source = Source {
            secrets,
            ..Source::default()
        };
        judge(source, "elsewhere")
    }

    fn names(judged: &Judged) -> Vec<(&str, &str, bool)> {
        let secrets = judged.secrets.iter();
        secrets
            .map(|named| (&*named.domain, &*named.access, named.renamed.is_empty()))
            .collect()
    }

    #[test]
    fn names_that_can_be_are_kept_as_they_are() {
        let awkward = [("d", ".."), ("https://x", "a/b"), ("50%", "\u{1}é")];
        let judged = judged(awkward.map(|(d, a)| found(d, a, "p")).into());
        assert_eq!(names(&judged), awkward.map(|(d, a)| (d, a, true)));
    }

    #[test]
    fn an_empty_name_becomes_what_is_known_of_the_secret() {
        let mut with_uid = found("", "", "p");
        let mut fields = Fields::default();
        fields.put(Field::Uid, value("joe"));
        with_uid
            .fields
            .append(&mut fields.into_found("".into(), "", "").fields);
        let judged = judged(vec![with_uid, found("d", "", "p")]);
        assert_eq!(
            names(&judged),
            [("elsewhere", "joe", false), ("d", UNNAMED, false)]
        );
        let whys: Vec<_> = judged.secrets[0].renamed.iter().map(|r| r.why).collect();
        assert_eq!(whys, ["it is empty"; 2]);
    }

    #[test]
    fn a_long_name_is_cut_where_it_can_be_shown() {
        for long in ["é".repeat(200), "/".repeat(100), "x".repeat(10_000)] {
            let judged = judged(vec![found(&long, &long, "p")]);
            let [named] = &judged.secrets[..] else {
                panic!("one secret")
            };
            for name in [&named.domain, &named.access] {
                assert!(name::check(name).is_ok() && long.starts_with(&**name));
                assert!(name::shown_len(name) > name::MAX - 3);
            }
        }
    }

    #[test]
    fn the_second_of_a_name_takes_a_number_that_nobody_has() {
        let long = "x".repeat(255);
        let judged = judged(vec![
            found("d", "a", "1"),
            found("d", "a", "2"),
            found("d", "a", "3"),
            found("d", "a (2)", "4"),
            found("d", &long, "5"),
            found("d", &long, "6"),
        ]);
        let cut = format!("{} (2)", "x".repeat(251));
        assert_eq!(
            names(&judged),
            [
                ("d", "a", true),
                ("d", "a (3)", false),
                ("d", "a (4)", false),
                ("d", "a (2)", true),
                ("d", &long, true),
                ("d", &cut, false),
            ]
        );
    }

    #[test]
    fn the_same_secret_again_is_counted_and_not_made_twice() {
        let judged = judged(vec![found("d", "a", "1"), found("d", "a", "1")]);
        assert_eq!((names(&judged).len(), judged.repeated), (1, 1));
    }

    #[test]
    fn keys_get_names_of_their_own() {
        let mut secret = found("d", "a", "p");
        let long = "k".repeat(300);
        for key in ["", UNNAMED, &long, &long[..255]] {
            let mut fields = Fields::default();
            fields.put(Field::Info(key.into()), value(key));
            secret
                .fields
                .append(&mut fields.into_found("".into(), "", "").fields);
        }
        let judged = judged(vec![secret]);
        let [named] = &judged.secrets[..] else {
            panic!("one secret")
        };
        let proposals: Vec<_> = named.renamed.iter().map(|r| r.proposal.as_str()).collect();
        let cut = format!("{} (2)", "k".repeat(251));
        assert_eq!(proposals, ["unnamed (2)", &cut]);
        assert_eq!(named.fields.len(), 5);
        for renaming in &named.renamed {
            let field = Field::Info(renaming.proposal.as_str().into());
            assert_eq!(named.fields[&field].value.expose(), renaming.was.as_bytes());
        }
    }
}
