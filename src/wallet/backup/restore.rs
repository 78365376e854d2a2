//! [`Restore`]: bringing a wallet back to what a backup holds.
//!
//! It is not the old bytes that are put back but the old contents, commit by commit, each with the
//! head, as every other change: so the wallet opens after each of them, whatever interrupts, and
//! another restore does what is left. What is the same is not written. Secrets come back before
//! others are removed, so that at no moment there is less than in either.
//!
//! The wallet keeps its keys, so that a restore brings no old password back, wherever its head
//! opens. Where it does not, or where there is no wallet, it takes those of the backup.

use super::place::place;
use super::sealed::{meta, open};
use super::{Affected, Fate, Keys, Outline, Progress, Sealed, Shelf, State, There};
use crate::crypto::{HeadData, HeadMeta, Vault, sha256};
use crate::store::{Bytes, Change, Commit, Expect, Id, Item, Store};
use crate::wallet::head::Head;
use crate::wallet::life::blocking;
use crate::wallet::record::Meta;
use crate::wallet::seal::{after, head_meta};
use crate::wallet::snapshot::toggle;
use crate::wallet::{Options, Seen, WalletError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A restore that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The generation that the wallet now has.
    pub generation: u64,
    /// The backup of what was there before, if there was anything.
    pub kept: Option<String>,
}

/// A restore that is ready to be made.
pub struct Restore {
    store: Arc<dyn Store>,
    seen: Seen,
    options: Options,
    /// The keys that the wallet will have, and the head that they are in.
    vault: Arc<Vault>,
    head_meta: Bytes,
    head_data: HeadData,
    /// What the store holds now.
    head: Option<Item>,
    found: Vec<Item>,
    faults: bool,
    /// The highest generation known.
    highest: u64,
    /// Those of `found` that are marked as removed.
    trash: BTreeSet<Id>,
    wanted: Vec<Wanted>,
    removed: Vec<Gone>,
    outline: Outline,
}

/// A secret to be written.
struct Wanted {
    id: Id,
    meta: Meta,
    data: Bytes,
    /// The version that it replaces.
    before: Option<u64>,
    /// What that is for the person, who sees no secret in one that is marked as removed.
    fate: Fate,
}

/// A secret to be removed, with its name if that opens.
struct Gone {
    id: Id,
    version: u64,
    name: Option<(Arc<str>, Arc<str>)>,
}

impl Restore {
    /// Reads what is there and compares it with a backup: 2 gets of the head around 1 list for each
    /// page. `current` are the keys of the wallet that is there, `own` those of the backup; where
    /// `current` fit the backup, `own` may be missing.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`] if no keys open the backup; [`WalletError::Integrity`] if it
    /// is no backup of any wallet; [`WalletError::Contended`]; what the store says.
    pub async fn prepare(
        store: Arc<dyn Store>,
        seen: Seen,
        backup: Sealed,
        current: Option<&Keys>,
        own: Option<&Keys>,
        options: Options,
    ) -> Result<Restore, WalletError> {
        let keys = [current, own].into_iter().flatten();
        let opening = keys.clone().find(|keys| keys.fit(backup.head()));
        let opening = Arc::clone(&opening.ok_or(WalletError::WrongPassword)?.0);
        let own_head = Head::open(&opening, backup.head().clone())?;
        let wallet_id = opening.wallet_id();

        let place = place(&store, current, &options).await?;
        // The wallet's keys stay where its head opens and is this wallet's.
        let kept = match (&place.head, current) {
            (Some(item), Some(keys)) if keys.0.wallet_id() == wallet_id => {
                let head = Head::open(&keys.0, item.clone()).ok();
                head.map(|head| (Arc::clone(&keys.0), head))
            }
            _ => None,
        };
        let there = match (&kept, &place.head) {
            (Some((_, head)), _) => There::Open {
                generation: head.generation(),
                committed_ns: head.data.committed_ns,
            },
            (None, Some(head)) => There::Closed {
                generation: head.version,
                same_wallet: HeadMeta::decode(&head.meta).is_ok_and(|m| m.wallet_id == wallet_id),
            },
            (None, None) if place.items.is_empty() => There::Nothing,
            (None, None) => There::Headless,
        };
        let (vault, base) = kept.unwrap_or((Arc::clone(&opening), own_head));

        let record = seen.clone();
        let record = blocking(move || record.read()).await?;
        let record = record.filter(|seen| seen.wallet_id == wallet_id);
        let known = [
            backup.generation(),
            record.map_or(0, |seen| seen.generation),
        ];
        let versions = place
            .items
            .iter()
            .chain(&place.head)
            .map(|item| item.version);
        let highest = versions.chain(known).max().unwrap_or(0);

        let mut restore = Restore {
            store,
            seen,
            options,
            vault,
            head_meta: base.item.meta.clone(),
            head_data: base.data,
            head: place.head,
            found: place.items,
            faults: place.faults,
            highest,
            trash: BTreeSet::new(),
            wanted: Vec::new(),
            removed: Vec::new(),
            outline: Outline {
                there,
                ..Outline::default()
            },
        };
        let restore = blocking(move || restore.compare(&backup, &opening).map(|()| restore));
        restore.await
    }

    /// Finds out what is to be written and removed.
    fn compare(&mut self, backup: &Sealed, opening: &Arc<Vault>) -> Result<(), WalletError> {
        for item in &self.found {
            if meta(&self.vault, item).is_some_and(|meta| meta.removed_ns.is_some()) {
                self.trash.insert(item.id);
            }
        }
        let mut rest: BTreeMap<Id, &Item> = self.found.iter().map(|i| (i.id, i)).collect();
        for item in backup.secrets() {
            let found = rest.remove(&item.id);
            let Some((mut meta, values)) = open(opening, item) else {
                self.outline.damaged += 1;
                continue;
            };
            let same_keys = Arc::ptr_eq(opening, &self.vault);
            if let Some(found) = found {
                let same = same_keys && found == item
                    || open(&self.vault, found).is_some_and(|(mut known, known_values)| {
                        known.data_hash = meta.data_hash;
                        known == meta && known_values.encode().ct_eq(&values.encode())
                    });
                if same {
                    self.outline.same += 1;
                    continue;
                }
            }
            let there = found.is_some_and(|found| !self.trash.contains(&found.id));
            let fate = match (there, meta.removed_ns.is_some()) {
                (false, false) => Fate::Added,
                (true, true) => Fate::Removed,
                (true, false) | (false, true) => Fate::Changed,
            };
            match fate {
                Fate::Added => self.outline.added += 1,
                Fate::Changed => self.outline.changed += 1,
                Fate::Removed => self.outline.removed += 1,
            }
            let text = item.id.text();
            let data = match same_keys || self.vault.open_data(&text, &item.data).is_ok() {
                true => item.data.clone(),
                false => self.vault.seal_data(&text, values.encode().expose()),
            };
            meta.data_hash = sha256(&data);
            self.wanted.push(Wanted {
                id: item.id,
                meta,
                data,
                before: found.map(|found| found.version),
                fate,
            });
        }
        let removed = rest.into_values().map(|item| Gone {
            id: item.id,
            version: item.version,
            name: open(&self.vault, item).map(|(meta, _)| (meta.domain, meta.access)),
        });
        self.removed = removed.collect();
        self.outline.removed += self.removed.len();
        Ok(())
    }

    /// What it comes to.
    pub fn outline(&self) -> Outline {
        self.outline
    }

    /// Each secret that does not stay as it is. For the person who asked only.
    pub fn affected(&self) -> Vec<Affected> {
        let wanted = self.wanted.iter().map(|wanted| Affected {
            fate: wanted.fate,
            name: Some((wanted.meta.domain.clone(), wanted.meta.access.clone())),
        });
        let removed = self.removed.iter().map(|gone| Affected {
            fate: Fate::Removed,
            name: gone.name.clone(),
        });
        wanted.chain(removed).collect()
    }

    /// Whether the wallet is what the backup holds already, and all of it is in order.
    pub fn is_done(&self) -> bool {
        let open = matches!(self.outline.there, There::Open { .. });
        open && !self.faults && self.wanted.is_empty() && self.removed.is_empty()
    }

    /// Makes a backup of what is there, and then the restore: 1 commit for each 99 secrets or 4 MiB
    /// that change (1 at least), and 1 list for each page to verify it.
    ///
    /// # Errors
    ///
    /// [`WalletError::Contended`] if another device commits meanwhile: what was done stands, and
    /// another restore goes on. What the store says.
    pub async fn run(self, progress: Progress<'_>) -> Result<Restored, WalletError> {
        let all = (self.wanted.len() + self.removed.len()) as u64;
        let kept = self.keep().await?;
        let mut data = self.head_data.clone();
        data.count = self.found.len() as u64;
        data.digest = [0; 32];
        let mut terms = BTreeMap::new();
        for item in &self.found {
            let term = self.term(item)?;
            toggle(&mut data.digest, &term);
            terms.insert(item.id, term);
        }
        let limits = self.store.limits();
        // Padding makes every head of these keys as long as any other.
        let head_bytes = {
            let meta = head_meta(&self.head_meta, true)?;
            let head = Head::seal(&self.vault, 1, meta, data.clone(), None);
            self.store.item_size(&head.item)
        };
        let mut tip = self.head.as_ref().map(|head| head.version);
        let mut generation = self.highest;
        let mut trash = self.trash.clone();
        let mut steps = self.steps().peekable();
        let mut done = 0;
        loop {
            generation = after(generation)?;
            let mut changes = Vec::new();
            let mut bytes = head_bytes;
            while let Some(step) = steps.peek() {
                let change = self.change(step, generation);
                if let Change::Put { item, .. } = &change {
                    bytes += self.store.item_size(item);
                }
                if changes.len() + 1 == limits.changes || bytes > limits.commit_bytes {
                    break;
                }
                if let Some(term) = terms.get(&change.id()) {
                    toggle(&mut data.digest, term);
                    data.count -= 1;
                }
                if let Change::Put { item, .. } = &change {
                    toggle(&mut data.digest, &self.term(item)?);
                    data.count += 1;
                }
                match step.is_trash() {
                    true => trash.insert(change.id()),
                    false => trash.remove(&change.id()),
                };
                changes.push(change);
                steps.next();
            }
            done += changes.len() as u64;
            data.committed_ns = self.options.date_ns();
            let head = Head::seal(
                &self.vault,
                generation,
                head_meta(&self.head_meta, !trash.is_empty())?,
                data.clone(),
                None,
            );
            changes.push(Change::Put {
                item: head.item.clone(),
                expect: tip.map_or(Expect::Absent, Expect::Version),
            });
            match self.store.commit(changes).await? {
                Commit::Done => {}
                Commit::Refused(_) => return Err(WalletError::Contended),
            }
            let (seen, sighting) = (self.seen.clone(), head.sighting);
            blocking(move || seen.accept(&sighting)).await?;
            tip = Some(generation);
            progress(done, all);
            if steps.peek().is_none() {
                self.verify(&head).await?;
                return Ok(Restored { generation, kept });
            }
        }
    }

    /// Reads everything again.
    async fn verify(&self, head: &Head) -> Result<(), WalletError> {
        let sealed = Sealed::list(&self.store, head.data.count).await?;
        if *sealed.head() != head.item {
            // Another device has gone on from here.
            return Ok(());
        }
        match sealed.mismatch(&self.vault, head)? {
            None => Ok(()),
            Some(what) => Err(WalletError::Integrity(format!(
                "the store did not keep what was restored: {what}; restore again"
            ))),
        }
    }

    /// Keeps what is there as a backup.
    async fn keep(&self) -> Result<Option<String>, WalletError> {
        let head = match &self.head {
            Some(head) => head.clone(),
            None if self.found.is_empty() => return Ok(None),
            None => self.head_for_headless()?,
        };
        let open = matches!(self.outline.there, There::Open { .. });
        let state = match open && !self.faults {
            true => State::Whole,
            false => State::AsFound,
        };
        let items = self.found.iter().cloned().chain([head]).collect();
        let shelf = Shelf::beside(&self.store);
        let date = self.options.date_ns();
        let sealed = Sealed::new(items)?;
        let stamp = shelf.put(&sealed, date, state, &super::quietly).await?;
        Ok(Some(shelf.name(stamp)))
    }

    /// A head that vouches for items that have none, so that they can be kept.
    fn head_for_headless(&self) -> Result<Item, WalletError> {
        let mut data = self.head_data.clone();
        data.count = self.found.len() as u64;
        data.digest = [0; 32];
        for item in &self.found {
            toggle(&mut data.digest, &self.term(item)?);
        }
        Ok(Head::seal(
            &self.vault,
            self.highest,
            head_meta(&self.head_meta, !self.trash.is_empty())?,
            data,
            None,
        )
        .item)
    }

    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let wanted = self.wanted.iter().map(Step::Write);
        wanted.chain(self.removed.iter().map(Step::Remove))
    }

    fn change(&self, step: &Step<'_>, generation: u64) -> Change {
        let wanted = match step {
            Step::Remove(gone) => {
                return Change::Delete {
                    id: gone.id,
                    expect: gone.version,
                };
            }
            Step::Write(wanted) => wanted,
        };
        let (plain, text) = (wanted.meta.encode(), wanted.id.text());
        let item = Item {
            id: wanted.id,
            version: generation,
            meta: self.vault.seal_meta(&text, generation, plain.expose()),
            data: wanted.data.clone(),
        };
        let expect = wanted.before.map_or(Expect::Absent, Expect::Version);
        Change::Put { item, expect }
    }

    fn term(&self, item: &Item) -> Result<[u8; 32], WalletError> {
        let (vault, text) = (&self.vault, item.id.text());
        Ok(vault.item_digest(vault.newest_epoch(), &text, item.version, &item.meta)?)
    }
}

/// One secret's part of a restore.
enum Step<'a> {
    Write(&'a Wanted),
    Remove(&'a Gone),
}

impl Step<'_> {
    /// Whether it leaves a secret that is marked as removed.
    fn is_trash(&self) -> bool {
        matches!(self, Step::Write(wanted) if wanted.meta.removed_ns.is_some())
    }
}
