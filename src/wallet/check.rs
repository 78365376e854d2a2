//! Looking at everything: every item opened, the head's word on all of them verified; and making a
//! wallet whole again around what opens.
//!
//! A load refuses what it cannot vouch for. This goes on and lists it, each fault with the secret
//! that it touches, so that a person can decide.

use super::head::Head;
use super::life::{by_passwords, find, open};
use super::load::{BETWEEN, LISTINGS};
use super::name;
use super::pages::{EMPTY_PAGES, MORE_ITEMS};
use super::patience::Patience;
use super::record::{Data, Field, Meta};
use super::seal::{Ready, after, head_meta, put_head};
use super::snapshot::{UNTOLD, toggle};
use super::{Options, Seen, Turn, Wallet, WalletError};
use crate::crypto::{DeviceKey, SecretBytes, Vault, sha256};
use crate::store::{Change, Commit, Cursor, Id, Item, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tokio::time::sleep;

/// Something that is not as a walletfs leaves it. Its text may hold the name of a secret: it is for
/// the person who asked, and for no log.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What it touches; `None` if all of the wallet.
    pub touches: Option<Touched>,
    /// What is wrong, and what to do.
    pub what: String,
    /// Whether the secret is lost to this wallet: a repair takes it out.
    pub lost: bool,
}

/// The secret that a fault touches.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Its item.
    pub id: Id,
    /// Domain and access, if they can be read.
    pub name: Option<(Arc<str>, Arc<str>)>,
}

/// What a look at everything found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Secrets that open whole.
    pub good: usize,
    /// Secrets that were removed and are kept, and that open whole.
    pub removed: usize,
    /// All that is wrong.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.touches {
            None => write!(f, "the wallet: {}", self.what),
            Some(Touched {
                name: Some((domain, access)),
                ..
            }) => {
                // A name may hold what moves a terminal's cursor.
                let (domain, access) = (domain.escape_debug(), access.escape_debug());
                write!(f, "{domain}/{access}: {}", self.what)
            }
            Some(Touched { id, .. }) => write!(f, "item {id}: {}", self.what),
        }
    }
}

/// What a listing held.
#[derive(Default)]
struct Survey {
    findings: Findings,
    digest: [u8; 32],
    /// Items that go in a repair: id, version, term.
    lost: Vec<(Id, u64, [u8; 32])>,
    /// Whether one of those that are lost is marked as removed.
    lost_removed: bool,
    /// The newest version of an item that opens.
    newest: u64,
}

impl Wallet {
    /// Unlocks a wallet and looks at everything in it: one derivation, 1 get, 1 list for each page,
    /// and more only while something is wrong or other devices commit. Nothing is changed.
    ///
    /// # Errors
    ///
    /// Where there is nothing to look at: as [`Wallet::unlock`], but not for a fault of what is
    /// listed nor for a wallet that was rolled back, which are findings.
    pub async fn inspect(
        store: Arc<dyn Store>,
        seen: Seen,
        key: &DeviceKey,
        memorable: &SecretBytes,
        o: Options,
    ) -> Result<(Arc<Wallet>, Findings), WalletError> {
        let (item, meta) = find(&*store, &seen).await?;
        let (wallet, head) = open(store, seen, item, by_passwords(meta, key, memorable), o).await?;
        let turn = wallet.turn().await;
        let (_, survey) = wallet.survey(&turn, head.item.clone()).await?;
        let mut findings = survey.findings;
        drop(turn);
        if let Err(WalletError::RolledBack(both)) = wallet.check_seen(&head).await {
            findings.faults.push(Fault {
                touches: None,
                what: both.to_string(),
                lost: false,
            });
        }
        Ok((wallet, findings))
    }

    /// Makes the wallet whole around every item that opens: takes the others out, and puts a head
    /// that vouches for what is left, one above every generation known. Whoever calls has made a
    /// backup. Gives what it found: the lost ones are what it took out. For a wallet of n pages: 1
    /// get, n lists, 1 commit for each 99 items that are lost (1 at least), and a load.
    ///
    /// # Errors
    ///
    /// [`WalletError::Contended`] if another device commits meanwhile; [`WalletError::ReadOnly`];
    /// what the store says. What was taken out stays out; another repair goes on.
    pub async fn repair(&self) -> Result<Findings, WalletError> {
        if self.options.read_only {
            return Err(WalletError::ReadOnly);
        }
        let turn = self.turn().await;
        let item = self.store.get(Id::Head).await?;
        let item = item.ok_or(WalletError::NoSuchWallet)?;
        let (mut tip, survey) = self.survey(&turn, item).await?;
        let seen = self.seen(|seen| seen.read()).await?;
        let vault = self.vault()?;
        let most = self.store.limits().changes - 1;
        let mut generation = survey.newest.max(seen.map_or(0, |seen| seen.generation));
        let mut data = tip.data.clone();
        data.digest = survey.digest;
        data.count = survey.listed();
        let removed = survey.findings.removed > 0;
        let mut lost = survey.lost.chunks(most);
        loop {
            let part = lost.next().unwrap_or_default();
            let mut changes = Vec::with_capacity(part.len() + 1);
            for (id, version, term) in part {
                toggle(&mut data.digest, term);
                data.count -= 1;
                changes.push(Change::Delete {
                    id: *id,
                    expect: *version,
                });
            }
            data.committed_ns = self.options.date_ns();
            generation = after(generation.max(tip.generation()))?;
            let trash = removed || survey.lost_removed && lost.len() > 0;
            let meta = head_meta(&tip.item.meta, trash)?;
            let head = Head::seal(&vault, generation, meta, data.clone(), None);
            changes.push(put_head(&head, &tip));
            let ready = Ready {
                changes,
                head: Arc::new(head),
                effects: Vec::new(),
            };
            match self.commit(&ready).await? {
                Commit::Done => {}
                Commit::Refused(_) => return Err(WalletError::Contended),
            }
            tip = ready.head;
            let sighting = tip.sighting;
            self.seen(move |seen| seen.accept(&sighting)).await?;
            if lost.len() == 0 {
                break;
            }
        }
        self.held_mut().advance(&tip);
        self.load(&turn, tip).await?;
        Ok(survey.findings)
    }

    /// Looks at every item under one head. The head is returned as it was then.
    async fn survey(
        &self,
        _turn: &Turn<'_>,
        mut item: Item,
    ) -> Result<(Arc<Head>, Survey), WalletError> {
        let mut patience = Patience::new();
        let mut contradictions = 0;
        loop {
            let head = self.open_head(item)?;
            let vault = self.vault()?;
            let survey = self.look_at_all(&vault, &head).await?;
            item = self
                .store
                .get(Id::Head)
                .await?
                .ok_or(WalletError::NoSuchWallet)?;
            if item != head.item {
                patience.pause(&*self.options.random).await?;
                contradictions = 0;
                continue;
            }
            // A commit that becomes visible piece by piece looks like a fault for a moment.
            contradictions += 1;
            if survey.findings.faults.is_empty() || contradictions == LISTINGS {
                return Ok((head, survey));
            }
            sleep(BETWEEN).await;
        }
    }

    async fn look_at_all(&self, vault: &Vault, head: &Head) -> Result<Survey, WalletError> {
        let mut survey = Survey::default();
        let mut met = BTreeSet::new();
        let mut names: BTreeMap<(Arc<str>, Arc<str>), Id> = BTreeMap::new();
        let most = head.data.count.saturating_mul(2).saturating_add(MORE_ITEMS);
        let mut after = None;
        let mut empty = 0;
        let mut last = None;
        let mut ascends = true;
        // A store that makes up items is not listened to for ever.
        while met.len() as u64 <= most && empty <= EMPTY_PAGES {
            let page = self.store.list(after).await?;
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            for item in &page.items {
                ascends &= last.is_none_or(|last| item.id >= last);
                last = Some(item.id);
                if item.id == Id::Head {
                    continue;
                }
                if !met.insert(item.id) {
                    survey.fault(None, "the store lists an item twice".into(), false);
                    continue;
                }
                self.look_at(vault, head, item, &mut survey, &mut names)?;
            }
            match page.next {
                None => {
                    // A load believes no such listing, whatever is in it.
                    if !ascends {
                        survey.fault(None, "the store lists items out of order".into(), false);
                    }
                    if last != Some(Id::Head) {
                        let what = "the store's listing did not come to its end with the head";
                        survey.fault(None, what.into(), false);
                    }
                    survey.conclude(head);
                    return Ok(survey);
                }
                // What does not lead on would be read for ever.
                Some(next) if after.is_some_and(|Cursor(after)| next.0 <= after) => break,
                next => after = next,
            }
        }
        Err(WalletError::Integrity(
            "the store's listing does not come to an end".into(),
        ))
    }

    fn look_at(
        &self,
        vault: &Vault,
        head: &Head,
        item: &Item,
        survey: &mut Survey,
        names: &mut BTreeMap<(Arc<str>, Arc<str>), Id>,
    ) -> Result<(), WalletError> {
        let text = item.id.text();
        let term = vault.item_digest(vault.newest_epoch(), &text, item.version, &item.meta)?;
        toggle(&mut survey.digest, &term);
        let touched = |name| Touched { id: item.id, name };
        let lost = |survey: &mut Survey, name, what: &str| {
            let what = format!("{what}; `walletfs check --repair` takes it out, after a backup");
            survey.fault(Some(touched(name)), what, true);
            survey.lost.push((item.id, item.version, term));
        };
        let meta = vault
            .open_meta(&text, item.version, &item.meta)
            .and_then(|plain| Meta::decode(&plain));
        let Ok(meta) = meta else {
            lost(survey, None, "its name, sizes and times do not open");
            return Ok(());
        };
        let name = (meta.domain.clone(), meta.access.clone());
        let removed = meta.removed_ns.is_some();
        if item.version > head.generation() {
            survey.lost_removed |= removed;
            lost(survey, Some(name), "it is newer than the head");
            return Ok(());
        }
        let values = (sha256(&item.data) == meta.data_hash)
            .then(|| vault.open_data(&text, &item.data))
            .and_then(Result::ok)
            .and_then(|plain| Data::decode(plain.expose()).ok());
        let fits = |data: &Data| {
            let sizes = meta.fields.iter().map(|(field, known)| (field, known.size));
            let values = data.values.iter();
            sizes.eq(values.map(|(field, value)| (field, value.len() as u64)))
        };
        if !values.is_some_and(|data| fits(&data)) {
            survey.lost_removed |= removed;
            lost(survey, Some(name), "its values do not open");
            return Ok(());
        }
        survey.newest = survey.newest.max(item.version);
        if removed {
            // Others may bear its name, and it is shown where names are not those of the tree.
            survey.findings.removed += 1;
            return Ok(());
        }
        survey.findings.good += 1;
        let mut tell = |what: String| survey.fault(Some(touched(Some(name.clone()))), what, false);
        for (part, shown) in names_of(&meta) {
            if let Err(WalletError::BadName(why)) = name::check(shown) {
                tell(format!(
                    "the name of its {part} cannot be a file's ({why}), so no mount shows it: \
                     export it, and import it under another name"
                ));
            }
        }
        if self.store.item_size(item) > self.store.limits().item_bytes {
            tell("it is larger than this store takes, so it cannot be changed: shorten it".into());
        }
        if let Some(other) = names.insert(name.clone(), item.id) {
            tell(format!(
                "another secret (item {other}) has the same name; a mount shows this one as \
                 {}.duplicate-{}: rename one of them there",
                name.1, item.id
            ));
        }
        Ok(())
    }
}

/// The names in a secret, each with what it is of.
fn names_of(meta: &Meta) -> Vec<(&'static str, &str)> {
    let mut names = vec![("domain", &*meta.domain), ("access", &*meta.access)];
    for field in meta.fields.keys() {
        if let Field::Info(key) = field {
            names.push(("info key", key));
        }
    }
    names
}

impl Survey {
    fn fault(&mut self, touches: Option<Touched>, what: String, lost: bool) {
        self.findings.faults.push(Fault {
            touches,
            what,
            lost,
        });
    }

    /// Number of secrets' items.
    fn listed(&self) -> u64 {
        (self.findings.good + self.findings.removed + self.lost.len()) as u64
    }

    /// The head's own word on what was listed.
    fn conclude(&mut self, head: &Head) {
        const AND: &str = "restore a backup, or have `walletfs check --repair` keep what is there";
        let listed = self.listed();
        if !head.trash && (self.findings.removed > 0 || self.lost_removed) {
            self.fault(None, format!("{UNTOLD}: {AND}"), false);
        }
        if listed != head.data.count {
            let count = head.data.count;
            self.fault(
                None,
                format!("the store lists {listed} secrets, and the head counts {count}: {AND}"),
                false,
            );
        } else if self.digest != head.data.digest {
            self.fault(
                None,
                format!(
                    "the secrets are not all those that the last commit left: some were changed, or \
                     put back to an older state: {AND}"
                ),
                false,
            );
        }
    }
}
