//! Changing the wallet: one conditional commit that carries the head, made again when another device
//! was first.
//!
//! A commit that only changes values, and that was refused for the head alone, is made again on the
//! head that won, which the refusal carries: its own items did not move, so what they take from the
//! digest and add to it is known, and nothing needs to be loaded. Afterwards the snapshot is known
//! to be behind, and the next access loads. Everything else that is refused loads first, and is then
//! judged anew.

use super::edit::{Applied, Edit};
use super::head::Head;
use super::patience::Patience;
use super::plan::Ground;
use super::seal::{Ready, after, next, put_head, seal};
use super::value::{Fetched, open};
use super::{Body, Turn, Wallet, WalletError};
use crate::crypto::Vault;
use crate::store::{Commit, Id, Refusal, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Wallet {
    /// Makes an edit: 1 commit, and 1 get for each body that it needs and that is not in memory;
    /// more when another device commits at the same time. On return the snapshot shows it.
    ///
    /// # Errors
    ///
    /// Nothing was changed, except that after [`WalletError::Store`] the commit may have been made:
    /// the next access looks.
    pub async fn apply(&self, edit: Edit) -> Result<Applied, WalletError> {
        self.vault()?;
        if self.options.read_only {
            return Err(WalletError::ReadOnly);
        }
        edit.check_names()?;
        let _under_way = self.under_way();
        let new_ids: Vec<Id> = (0..edit.new_secrets()).map(|_| self.new_id()).collect();
        let turn = self.turn().await;
        let mut patience = Patience::new();
        let behind = {
            let held = self.held();
            let load = match edit.is_structural() {
                true => !held.complete(),
                false => !held.terms_are_current(),
            };
            load.then(|| held.tip.clone())
        };
        if let Some(tip) = behind {
            self.load(&turn, tip).await?;
        }
        loop {
            let (ready, mut applied) = self.prepare(&turn, &edit, &new_ids).await?;
            let Some(ready) = ready else {
                return Ok(applied);
            };
            let began = self.now();
            match self.commit(&ready).await? {
                Commit::Done => {
                    applied.generation = ready.head.generation();
                    self.settle(&turn, ready, began).await?;
                    return Ok(applied);
                }
                Commit::Refused(refusals) => {
                    let head_at = ready.changes.len() - 1;
                    let reload = self.make_way(refusals, head_at, &edit).await?;
                    patience.pause(&*self.options.random).await?;
                    if let Some(head) = reload {
                        self.load(&turn, head).await?;
                    }
                }
            }
        }
    }

    /// Puts a head with the same contents one above `highest` in the place of the tip, whatever the
    /// record of heads seen says.
    pub(super) async fn raise_head(
        &self,
        turn: &Turn<'_>,
        highest: u64,
    ) -> Result<(), WalletError> {
        let (vault, tip) = self.unfaulted()?;
        let mut data = tip.data.clone();
        data.committed_ns = self.options.date_ns();
        let head = Head::seal(&vault, after(highest)?, tip.item.meta.clone(), data, None);
        let ready = Ready {
            changes: vec![put_head(&head, &tip)],
            head: Arc::new(head),
            effects: Vec::new(),
        };
        let began = self.now();
        match self.commit(&ready).await? {
            Commit::Done => {
                let sighting = ready.head.sighting;
                self.seen(move |seen| seen.accept(&sighting)).await?;
                self.settle(turn, ready, began).await
            }
            Commit::Refused(_) => Err(WalletError::Contended),
        }
    }

    /// 128 random bits.
    fn new_id(&self) -> Id {
        let mut raw = [0; 16];
        self.options.random.fill(&mut raw);
        Id::Secret(raw)
    }

    /// The keys and the newest head, if the snapshot may be changed.
    pub(super) fn unfaulted(&self) -> Result<(Arc<Vault>, Arc<Head>), WalletError> {
        let held = self.held();
        let vault = held.vault()?.clone();
        if let Some(fault) = &held.snapshot.fault {
            return Err(WalletError::Integrity(format!(
                "{fault}; nothing can be changed until `walletfs check --repair` or a restored backup"
            )));
        }
        Ok((vault, held.tip.clone()))
    }

    /// Plans and seals an edit, nothing if it changes nothing; what it comes to, at the generation
    /// at hand.
    async fn prepare(
        &self,
        turn: &Turn<'_>,
        edit: &Edit,
        new_ids: &[Id],
    ) -> Result<(Option<Ready>, Applied), WalletError> {
        let bodies = self.bodies_for(turn, edit).await?;
        self.unfaulted()?;
        let held = self.held();
        let (vault, tip) = (held.vault()?, &held.tip);
        if !held.terms_are_current() {
            // A look at the head has found newer keys a moment ago.
            return Err(WalletError::Contended);
        }
        let mut ground = Ground {
            snapshot: &held.snapshot,
            bodies: &bodies,
            open: &|body| open(vault, body),
            generation: next(tip)?,
            new_ids,
            now_ns: self.options.clock.wall_ns(),
            history: self.options.history,
            trash: self.options.trash,
            reseal: false,
            most_changes: self.store.limits().changes,
        };
        let plan = edit.plan(&ground)?;
        let applied = Applied {
            generation: tip.generation(),
            created: plan.created,
            rev: plan.rev,
        };
        if plan.writes.is_empty() {
            return Ok((None, applied));
        }
        let date = self.options.date_ns();
        let seal = |plan| seal(plan, vault, tip, &held.snapshot, &*self.store, date);
        let mut ready = seal(plan);
        // History gives way: to longer names, whose item had its values as they were, and, all of
        // it, to a commit of many secrets.
        if let Err(WalletError::TooLarge) = ready {
            ground.reseal = true;
            ready = seal(edit.plan(&ground)?);
        }
        if let Err(WalletError::TooMany) = ready {
            (ground.reseal, ground.history) = (true, 0);
            ready = seal(edit.plan(&ground)?);
        }
        Ok((Some(ready?), applied))
    }

    /// The bodies that the plan of an edit needs. Loads when one of them moved.
    async fn bodies_for(
        &self,
        turn: &Turn<'_>,
        edit: &Edit,
    ) -> Result<BTreeMap<Id, Body>, WalletError> {
        let most = self.store.limits().changes;
        let mut patience = Patience::new();
        'again: loop {
            self.unfaulted()?;
            let keeps = !self.options.trash.is_zero();
            let ids = edit.bodies_needed(&self.held().snapshot, most, keeps)?;
            let mut bodies = BTreeMap::new();
            for id in ids {
                match self.fetch(id).await? {
                    Fetched::Body(body) => bodies.insert(id, body),
                    Fetched::Moved => {
                        patience.pause(&*self.options.random).await?;
                        let head = self.read_head().await?;
                        let unmoved = self.held().tip.item == head.item && self.held().complete();
                        if unmoved {
                            return Err(WalletError::Damaged(id));
                        }
                        self.load(turn, head).await?;
                        continue 'again;
                    }
                };
            }
            return Ok(bodies);
        }
    }

    /// Sends a commit. Without an answer the snapshot is in doubt, unless the store refused to
    /// look at the commit at all.
    pub(super) async fn commit(&self, ready: &Ready) -> Result<Commit, WalletError> {
        let outcome = self.store.commit(ready.changes.clone()).await;
        match outcome {
            Ok(commit) => Ok(commit),
            Err(StoreError::TooLarge(_)) => Err(WalletError::TooLarge),
            Err(e) => {
                self.held_mut().doubted = Some(self.now());
                Err(e.into())
            }
        }
    }

    /// Carries the snapshot forward over a commit that was made.
    pub(super) async fn settle(
        &self,
        _turn: &Turn<'_>,
        ready: Ready,
        began: Duration,
    ) -> Result<(), WalletError> {
        let sighting = ready.head.sighting;
        match self.seen(move |seen| seen.raise(&sighting)).await {
            // The commit is made, and saying otherwise would have it made twice. The next look at
            // the head raises the record, or fails.
            Err(WalletError::Record(e)) => tracing::error!("after a commit: {e}"),
            raised => raised?,
        }
        self.follow(&ready.changes).await;
        let generation = ready.head.generation();
        let mut cache = self.bodies();
        for (id, written) in &ready.effects {
            match written {
                Some(written) => cache.put(*id, written.meta.data_hash, written.data.clone()),
                None => cache.remove(*id),
            }
        }
        drop(cache);
        let mut held = self.held_mut();
        if held.vault.is_none() {
            // Locked meanwhile; the commit stands, and nothing is kept.
            return Ok(());
        }
        let complete = held.complete();
        held.snapshot
            .change(ready.effects.into_iter().map(|(id, written)| {
                let after = written.map(|w| (generation, w.meta, w.term));
                (id, after)
            }));
        held.tip = ready.head;
        if complete {
            held.snapshot.generation = generation;
        }
        held.confirm(began);
        Ok(())
    }

    /// Takes up the head that won over a commit of ours. Gives the head to load from, if the edit
    /// cannot simply be made on top of it.
    async fn make_way(
        &self,
        refusals: Vec<Refusal>,
        head_at: usize,
        edit: &Edit,
    ) -> Result<Option<Arc<Head>>, WalletError> {
        let head_alone = refusals.len() == 1 && refusals[0].change == head_at;
        let newest = self.vault()?.newest_epoch();
        let winner = refusals
            .into_iter()
            .find(|refusal| refusal.change == head_at)
            .and_then(|refusal| refusal.winner)
            // Older than keys that were taken up meanwhile: it has been won over since.
            .filter(|item| Vault::epoch_of(&item.data).is_none_or(|epoch| epoch >= newest));
        let head = match winner {
            Some(item) => self.admit(self.open_head(item)?).await?,
            // The head's version was not at fault, or there is none.
            None => self.read_head().await?,
        };
        let mut held = self.held_mut();
        held.advance(&head);
        let load = !head_alone || edit.is_structural() || !held.terms_are_current();
        Ok(load.then_some(head))
    }
}
