//! `/.walletfs/history`: what fields held before. It is sealed with the values of its secret, so a
//! look at what there is opens those; what was found is remembered for a few secrets, without the
//! values.

use super::super::attr::{self, Attr, Kind};
use super::super::error::FsResult;
use super::super::inode::{Ino, Node, Place};
use super::super::tree::{NOT_THERE, field, field_name};
use super::super::{Fs, LOCK};
use super::{MODE, Own, Section};
use crate::crypto::SecretBytes;
use crate::store::Id;
use crate::wallet::history::{History, Past};
use crate::wallet::{Field, utc};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Secrets of which is remembered what there is.
const REMEMBERED: usize = 8;

/// What there is of some secrets, as of the data of this hash.
#[derive(Default)]
pub(in crate::fs) struct Remembered(VecDeque<(Id, [u8; 32], Arc<Index>)>);

/// What there is of one secret, each field's the oldest first.
type Index = BTreeMap<Field, Vec<Shown>>;

/// A value, without it.
struct Shown {
    name: Arc<str>,
    until_ns: i64,
    mtime_ns: i64,
    size: u64,
}

/// The file names of what a field held, the oldest first: when each was replaced, and which of that
/// second it is where there are several.
fn named(values: &[Past]) -> impl Iterator<Item = (Arc<str>, &Past)> {
    let mut met: HashMap<String, u32> = HashMap::new();
    values.iter().rev().map(move |past| {
        let time = utc(past.until_ns);
        let count = met.entry(time.clone()).or_default();
        *count += 1;
        let name = match *count {
            1 => time,
            count => format!("{time}-{count}"),
        };
        (name.into(), past)
    })
}

fn index(history: &History) -> Index {
    let shown = |(name, past): (Arc<str>, &Past)| Shown {
        name,
        until_ns: past.until_ns,
        mtime_ns: past.mtime_ns,
        size: past.value.len() as u64,
    };
    let fields = history.fields();
    fields
        .map(|(field, values)| (field.clone(), named(values).map(shown).collect()))
        .collect()
}

impl Own {
    /// The secret whose history must be known to say what is at this place.
    fn of_history(&self) -> Option<Id> {
        match self {
            Own::Removed(secret) => Some(*secret),
            Own::RemovedField(place) => Some(place.secret),
            Own::Past(secret) => Some(*secret),
            Own::PastField(place) | Own::PastValue(place, _) => Some(place.secret),
            _ => None,
        }
    }
}

impl Fs {
    /// Finds out what there is of the history that `own` is of: no request if the secret's values
    /// are in memory, else 1 get.
    pub(in crate::fs) async fn know_history(&self, own: &Own) -> FsResult<()> {
        let Some(secret) = own.of_history() else {
            return Ok(());
        };
        let hash = {
            let view = self.wallet.view();
            let known = match own {
                Own::Removed(_) | Own::RemovedField(_) => view.removed(secret),
                _ => view.secret(secret),
            };
            known.ok_or(NOT_THERE)?.meta.data_hash
        };
        let known = |(id, of, _): &(Id, [u8; 32], _)| *id == secret && *of == hash;
        if self.history_known().0.iter().any(known) {
            return Ok(());
        }
        let body = self.wallet.body(secret).await?;
        let found = index(&self.wallet.values(&body)?.history.open());
        let mut known = self.history_known();
        known.0.retain(|(id, ..)| *id != secret);
        known.0.truncate(REMEMBERED - 1);
        known.0.push_front((secret, body.hash, Arc::new(found)));
        Ok(())
    }

    /// What was found out last.
    fn history_index(&self, secret: Id) -> FsResult<Arc<Index>> {
        let known = self.history_known();
        let found = known.0.iter().find(|(id, ..)| *id == secret);
        Ok(found.ok_or(NOT_THERE)?.2.clone())
    }

    /// The fields of a secret that held something before.
    pub(super) fn past_fields(&self, secret: Id) -> BTreeSet<Field> {
        let index = self.history_index(secret);
        index.map_or_else(|_| BTreeSet::new(), |index| index.keys().cloned().collect())
    }

    /// Size and modification time of the newest value that a field held before.
    pub(super) fn newest_held(&self, place: &Place) -> Option<(u64, i64)> {
        let index = self.history_index(place.secret).ok()?;
        let newest = index.get(&place.field)?.last()?;
        Some((newest.size, newest.mtime_ns))
    }

    pub(in crate::fs) fn history_known(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.history.lock().expect(LOCK)
    }

    /// What `name` stands for in a directory of the history, there or not.
    pub(super) fn history_child(&self, own: &Own, name: &[u8]) -> FsResult<Own> {
        match own {
            Own::Past(secret) => Ok(Own::PastField(Place {
                secret: *secret,
                field: field(name)?,
            })),
            Own::PastField(place) => {
                let name = super::names::text(name)?;
                Ok(Own::PastValue(place.clone(), name.into()))
            }
            _ => Err(super::super::namespace::NOT_A_DIRECTORY),
        }
    }

    pub(super) fn history_exists(&self, own: &Own) -> bool {
        match own {
            Own::Past(secret) => self.wallet.view().secret(*secret).is_some(),
            own => self.history_attr(own, Ino(0)).is_ok(),
        }
    }

    /// The names in a directory of the history.
    pub(super) fn history_names(&self, own: &Own) -> Vec<(String, Kind, Node)> {
        let index = own.of_history().map(|secret| self.history_index(secret));
        let Some(Ok(index)) = index else {
            return Vec::new();
        };
        match own {
            Own::Past(secret) => {
                let fields = index.keys().map(|field| {
                    let place = Place {
                        secret: *secret,
                        field: field.clone(),
                    };
                    let node = Node::Own(Own::PastField(place));
                    (field_name(field), Kind::Directory, node)
                });
                fields.collect()
            }
            Own::PastField(place) => {
                let values = index.get(&place.field).into_iter().flatten();
                let values = values.map(|shown| {
                    let node = Node::Own(Own::PastValue(place.clone(), shown.name.clone()));
                    (shown.name.to_string(), Kind::File, node)
                });
                values.collect()
            }
            _ => Vec::new(),
        }
    }

    /// What `stat` shows. The directory of a secret has one link, which says that its directories
    /// are not counted: that would open every secret of a listing.
    pub(super) fn history_attr(&self, own: &Own, ino: Ino) -> FsResult<Attr> {
        match own {
            Own::Past(secret) => {
                let view = self.wallet.view();
                let secret = view.secret(*secret).ok_or(NOT_THERE)?;
                let attr = attr::directory(ino, 0, attr::secret_mtime_ns(secret));
                Ok(Attr { links: 1, ..attr })
            }
            Own::PastField(place) => {
                let index = self.history_index(place.secret)?;
                let values = index.get(&place.field).ok_or(NOT_THERE)?;
                let latest = values.iter().map(|shown| shown.until_ns).max();
                Ok(attr::directory(ino, 0, latest.ok_or(NOT_THERE)?))
            }
            Own::PastValue(place, name) => {
                let index = self.history_index(place.secret)?;
                let values = index.get(&place.field).ok_or(NOT_THERE)?;
                let shown = values.iter().find(|shown| shown.name == *name);
                let shown = shown.ok_or(NOT_THERE)?;
                Ok(attr::file(ino, shown.size, shown.mtime_ns, MODE, true))
            }
            _ => Err(NOT_THERE),
        }
    }

    /// The directory of a directory of the history.
    pub(super) fn history_parent(&self, own: &Own) -> Option<Own> {
        match own {
            Own::Past(secret) => Some(Own::Domain(Section::History, self.domain_of(*secret)?)),
            _ => own.of_history().map(Own::Past),
        }
    }

    /// A value that a field had.
    pub(super) async fn past_value(&self, place: &Place, name: &str) -> FsResult<SecretBytes> {
        let body = self.wallet.body(place.secret).await?;
        let history = self.wallet.values(&body)?.history.open();
        let mut values = named(history.of(&place.field));
        let (_, past) = values.find(|(of, _)| **of == *name).ok_or(NOT_THERE)?;
        Ok(past.value.duplicate())
    }
}
