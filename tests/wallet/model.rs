//! Two devices make random edits, each knowing what it knows, against a model that is a flat list:
//! one definition of what an edit does, applied to what the device knows (it may refuse by that
//! alone) and to the truth.

use crate::support::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use walletfs::crypto::{DeviceKey, HeadMeta, Random, sha256};
use walletfs::store::*;
use walletfs::wallet::*;

/// Operands are indices, taken modulo what there is, so that any numbers are valid.
#[derive(Clone, Copy, Debug)]
enum Step {
    Learn,
    Create(u8, u8),
    Remove(u8),
    Reseal(u8),
    Move(u8, u8, u8, bool),
    MoveDomain(u8, u8),
    Put(u8, u8, Guess),
    RemoveField(u8, u8, Guess),
    MoveField(u8, u8, u8, u8, Guess),
    PutWhole(u8, u8, u8, bool),
    BringBack(u8, u8, u8, bool),
}

/// What the device expects of a field, by what it knows.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Any,
    AsKnown,
}

/// The secrets that are there, and those that were removed and are kept.
#[derive(Clone, Debug, Default, PartialEq)]
struct Flat(BTreeMap<Id, Entry>, BTreeMap<Id, Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: (String, String),
    /// Value and revision.
    fields: BTreeMap<Field, (String, u64)>,
    /// What each field held before, the newest first: until when, and value.
    past: BTreeMap<Field, Vec<(i64, String)>>,
}

impl Entry {
    fn new(name: (String, String)) -> Entry {
        Entry {
            name,
            fields: BTreeMap::new(),
            past: BTreeMap::new(),
        }
    }

    fn set(&mut self, field: &Field, value: String, at: At) {
        let new = (value, at.generation);
        if let Some((old, _)) = self.fields.insert(field.clone(), new) {
            self.keep(field, old, at);
        }
    }

    fn remove(&mut self, field: &Field, at: At) {
        let (old, _) = self.fields.remove(field).unwrap();
        self.keep(field, old, at);
    }

    fn keep(&mut self, field: &Field, old: String, at: At) {
        let past = self.past.entry(field.clone()).or_default();
        past.insert(0, (at.now_ns, old));
        past.truncate(10);
    }

    /// Each field that is gone has its newest value of before again.
    fn bring_back(&mut self, at: At) {
        for (field, past) in &mut self.past {
            if !self.fields.contains_key(field) {
                let (_, value) = past.remove(0);
                self.fields.insert(field.clone(), (value, at.generation));
            }
        }
        self.past.retain(|_, past| !past.is_empty());
    }
}

/// When an edit is made.
#[derive(Clone, Copy)]
struct At {
    generation: u64,
    now_ns: i64,
}

/// A few names, so that they collide.
fn name(d: u8, a: u8) -> (String, String) {
    (format!("d{}", d % 2), format!("a{}", a % 3))
}

fn field(f: u8) -> Field {
    [Field::Uid, Field::Pwd, info("k")][usize::from(f % 3)].clone()
}

fn kind(e: &WalletError) -> &'static str {
    match e {
        WalletError::NotFound => "not found",
        WalletError::Exists => "exists",
        WalletError::NotEmpty => "not empty",
        WalletError::FieldMoved { .. } => "field moved",
        e => panic!("{e}"),
    }
}

impl Flat {
    /// What a device knows; values are not known by listing.
    fn known(device: &Device) -> Flat {
        let view = device.wallet.view();
        let entry = |secret: &Secret| {
            let meta = &secret.meta;
            let mut entry = Entry::new((meta.domain.to_string(), meta.access.to_string()));
            let fields = meta.fields.iter();
            entry.fields = fields
                .map(|(f, m)| (f.clone(), (String::new(), m.rev)))
                .collect();
            (secret.id, entry)
        };
        let removed = view.removed_domains();
        let removed = removed.flat_map(|domain| view.removed_secrets(domain));
        let removed = removed.map(|(_, id)| entry(view.removed(id).unwrap()));
        Flat(view.all().map(entry).collect(), removed.collect())
    }

    fn holder(&self, name: &(String, String)) -> Option<Id> {
        let found = self.0.iter().find(|(_, entry)| entry.name == *name);
        found.map(|(id, _)| *id)
    }

    fn domain(&self, domain: &str) -> Vec<Id> {
        let all = self.0.iter();
        all.filter(|(_, entry)| entry.name.0 == domain)
            .map(|(id, _)| *id)
            .collect()
    }

    /// A secret goes, and is kept if its fields held something before.
    fn remove(&mut self, id: Id) -> Result<(), &'static str> {
        let entry = self.0.get(&id).ok_or("not found")?;
        if !entry.fields.is_empty() {
            return Err("not empty");
        }
        let entry = self.0.remove(&id).unwrap();
        if !entry.past.is_empty() {
            self.1.insert(id, entry);
        }
        Ok(())
    }

    /// A secret takes a name, which is free or that of an empty one that goes.
    fn make_room(
        &mut self,
        name: &(String, String),
        replace: Option<Id>,
    ) -> Result<(), &'static str> {
        match self.holder(name) {
            Some(holder) if replace == Some(holder) => self.remove(holder),
            Some(_) => Err("exists"),
            None => Ok(()),
        }
    }

    /// Makes an edit; false if it changes nothing. `new` and `at` are used if it does.
    fn make(&mut self, edit: &Edit, new: Id, at: At) -> Result<bool, &'static str> {
        match edit {
            Edit::Create { domain, access } => {
                let name = (domain.to_string(), access.to_string());
                if self.holder(&name).is_some() {
                    return Err("exists");
                }
                self.0.insert(new, Entry::new(name));
            }
            Edit::Remove { secret } => self.remove(*secret)?,
            Edit::BringBack {
                secret,
                domain,
                access,
                replace,
            } => {
                let name = (domain.to_string(), access.to_string());
                self.1.get(secret).ok_or("not found")?;
                self.make_room(&name, *replace)?;
                let mut entry = self.1.remove(secret).unwrap();
                entry.bring_back(at);
                entry.name = name;
                self.0.insert(*secret, entry);
            }
            Edit::Move {
                secret,
                domain,
                access,
                replace,
            } => {
                let name = (domain.to_string(), access.to_string());
                let entry = self.0.get(secret).ok_or("not found")?;
                if entry.name == name {
                    return Ok(false);
                }
                self.make_room(&name, *replace)?;
                self.0.get_mut(secret).unwrap().name = name;
            }
            Edit::Reseal(ids) => {
                let there = |id| self.0.contains_key(id) || self.1.contains_key(id);
                return Ok(ids.iter().any(there));
            }
            Edit::Expire | Edit::DiscardField { .. } | Edit::Discard { .. } => {
                panic!("no step makes one")
            }
            Edit::MoveDomain { from, to } => {
                let moved = self.domain(from);
                if moved.is_empty() {
                    return Err("not found");
                }
                if from == to {
                    return Ok(false);
                }
                if !self.domain(to).is_empty() {
                    return Err("exists");
                }
                for id in moved {
                    self.0.get_mut(&id).unwrap().name.0 = to.to_string();
                }
            }
            Edit::Secrets(puts) => {
                let [put] = &puts[..] else { panic!() };
                let name = (put.domain.to_string(), put.access.to_string());
                let id = match self.holder(&name) {
                    Some(_) if put.there == There::Kept => return Ok(false),
                    Some(id) => id,
                    None => {
                        self.0.insert(new, Entry::new(name));
                        new
                    }
                };
                let entry = self.0.get_mut(&id).unwrap();
                for (field, put) in &put.fields {
                    let value = String::from_utf8(put.value.expose().to_vec()).unwrap();
                    entry.set(field, value, at);
                }
            }
            Edit::Fields(edits) => {
                let [edit] = &edits[..] else { panic!() };
                return self.make_field(edit, at);
            }
        }
        Ok(true)
    }

    fn make_field(&mut self, edit: &FieldEdit, at: At) -> Result<bool, &'static str> {
        if let FieldChange::MoveTo { secret, .. } = &edit.change
            && !self.0.contains_key(secret)
        {
            return Err("not found");
        }
        let entry = self.0.get_mut(&edit.secret).ok_or("not found")?;
        let rev = entry.fields.get(&edit.field).map(|(_, rev)| *rev);
        let met = match edit.expect {
            Expected::Any => true,
            Expected::Absent => rev.is_none(),
            Expected::Rev(expected) => rev == Some(expected),
        };
        match &edit.change {
            FieldChange::Put { value, .. } => {
                if !met {
                    return Err("field moved");
                }
                let value = String::from_utf8(value.expose().to_vec()).unwrap();
                entry.set(&edit.field, value, at);
            }
            FieldChange::Remove => {
                rev.ok_or("not found")?;
                if !met {
                    return Err("field moved");
                }
                entry.remove(&edit.field, at);
            }
            FieldChange::MoveTo { secret, field, .. } => {
                rev.ok_or("not found")?;
                if !met {
                    return Err("field moved");
                }
                if (*secret, field) == (edit.secret, &edit.field) {
                    return Ok(false);
                }
                let (value, _) = entry.fields.remove(&edit.field).unwrap();
                let moved = entry.past.remove(&edit.field).unwrap_or_default();
                let target = self.0.get_mut(secret).unwrap();
                target.set(field, value, at);
                if !moved.is_empty() {
                    let past = target.past.entry(field.clone()).or_default();
                    past.extend(moved);
                    past.sort_by_key(|(until, _)| std::cmp::Reverse(*until));
                    past.truncate(10);
                }
            }
            FieldChange::Attributes { .. } => panic!("no step makes one"),
        }
        Ok(true)
    }
}

/// The edit that a step means to a device which knows `known`; `None` if there is nothing to do it
/// to.
fn edit_of(step: Step, known: &Flat, number: usize) -> Option<Edit> {
    let pick = |i: u8| {
        let n = known.0.len().max(1);
        known.0.keys().nth(usize::from(i) % n).copied()
    };
    let pick_removed = |i: u8| {
        let n = known.1.len().max(1);
        known.1.keys().nth(usize::from(i) % n).copied()
    };
    let expect = |guess, secret: Id, f: &Field| match guess {
        Guess::Any => Expected::Any,
        Guess::AsKnown => match known.0[&secret].fields.get(f) {
            Some((_, rev)) => Expected::Rev(*rev),
            None => Expected::Absent,
        },
    };
    let arc = |(domain, access): (String, String)| -> (Arc<str>, Arc<str>) {
        (domain.into(), access.into())
    };
    Some(match step {
        Step::Learn => return None,
        Step::Create(d, a) => {
            let (domain, access) = arc(name(d, a));
            Edit::Create { domain, access }
        }
        Step::PutWhole(d, a, f, overwrite) => {
            let (domain, access) = arc(name(d, a));
            let fields = [field(f), field(f + 1)].map(|field| {
                let value = Arc::new(secret(&number.to_string()));
                let (mtime_ns, mode) = (5, 0o600);
                let put = FieldPut {
                    value,
                    mtime_ns,
                    mode,
                };
                (field, put)
            });
            Edit::Secrets(vec![SecretPut {
                domain,
                access,
                fields: fields.into(),
                there: if overwrite {
                    There::Overwritten
                } else {
                    There::Kept
                },
            }])
        }
        Step::Remove(s) => Edit::Remove { secret: pick(s)? },
        Step::Reseal(s) => Edit::Reseal(vec![pick(s).or_else(|| pick_removed(s))?]),
        Step::BringBack(s, d, a, replace) => {
            let replace = known.holder(&name(d, a)).filter(|_| replace);
            let (domain, access) = arc(name(d, a));
            Edit::BringBack {
                secret: pick_removed(s)?,
                domain,
                access,
                replace,
            }
        }
        Step::Move(s, d, a, replace) => {
            let replace = known.holder(&name(d, a)).filter(|_| replace);
            let (domain, access) = arc(name(d, a));
            Edit::Move {
                secret: pick(s)?,
                domain,
                access,
                replace,
            }
        }
        Step::MoveDomain(from, to) => Edit::MoveDomain {
            from: name(from, 0).0.into(),
            to: name(to, 0).0.into(),
        },
        Step::Put(s, f, guess) => {
            let (secret, field) = (pick(s)?, field(f));
            let expect = expect(guess, secret, &field);
            Edit::Fields(vec![put(secret, field, expect, &number.to_string())])
        }
        Step::RemoveField(s, f, guess) => {
            let (secret, field) = (pick(s)?, field(f));
            Edit::Fields(vec![FieldEdit {
                secret,
                expect: expect(guess, secret, &field),
                field,
                change: FieldChange::Remove,
            }])
        }
        Step::MoveField(s, f, s2, f2, guess) => {
            let (secret, field, to) = (pick(s)?, field(f), pick(s2)?);
            Edit::Fields(vec![FieldEdit {
                secret,
                expect: expect(guess, secret, &field),
                field,
                change: FieldChange::MoveTo {
                    secret: to,
                    field: crate::model::field(f2),
                    expect: Expected::Any,
                },
            }])
        }
    })
}

/// Randomness that is the same in each run, so that a failing case can be made smaller.
struct Seeded(u8, AtomicU32);

impl Random for Seeded {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let n = self.1.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let bytes = sha256(&[self.0, n[0], n[1], n[2], n[3]]);
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

impl Device {
    /// What each field held before, the newest first: until when, and value.
    async fn past_of(&self, id: Id) -> BTreeMap<Field, Vec<(i64, String)>> {
        let body = self.wallet.body(id).await.unwrap();
        let history = self.wallet.values(&body).unwrap().history.open();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let shown = |past: &history::Past| (past.until_ns, text(past.value.expose()));
        let fields = history.fields();
        fields
            .map(|(field, past)| (field.clone(), past.iter().map(shown).collect()))
            .collect()
    }
}

/// A store with an empty wallet, made once.
async fn empty_wallet() -> (Arc<MemoryStore>, DeviceKey) {
    static MADE: OnceLock<(Item, [u8; 32])> = OnceLock::new();
    let store = Arc::new(MemoryStore::with_page_bytes(2_000));
    if MADE.get().is_none() {
        let scratch = Arc::new(MemoryStore::new());
        let (_, key) = first(&scratch).await;
        let head = scratch.items()[&Id::Head].clone();
        MADE.get_or_init(|| (head, *key.expose()));
    }
    let (head, key) = MADE.get().unwrap();
    store.items().insert(Id::Head, head.clone());
    (store, DeviceKey::from_bytes(*key))
}

async fn play(steps: &[(bool, Step)]) {
    let (store, key) = empty_wallet().await;
    // Nothing grows old by itself: a device learns when a step says so, or when it must.
    let clock = options().clock;
    let o = |seed| Options {
        clock: clock.clone(),
        cache_ttl: Duration::from_secs(1 << 20),
        random: Arc::new(Seeded(seed, AtomicU32::new(0))),
        ..options()
    };
    let seen = Seen::in_memory;
    let devices = [
        try_another(&store, &key, seen(), o(1)).await.unwrap(),
        try_another(&store, &key, seen(), o(2)).await.unwrap(),
    ];
    let mut truth = Flat::default();
    let nobody = Id::Secret([0; 16]);
    for (number, (which, step)) in steps.iter().enumerate() {
        let device = &devices[usize::from(*which)];
        let mut known = Flat::known(device);
        let Some(edit) = edit_of(*step, &known, number) else {
            device.wallet.require_current().await.unwrap();
            continue;
        };
        let structural = !matches!(edit, Edit::Fields(_));
        if structural && device.wallet.fresh_for().is_none() {
            // Known to be behind: it loads before it judges.
            known = truth.clone();
        }
        let generation = store.items()[&Id::Head].version + 1;
        let made = device.wallet.apply(edit.clone()).await;
        let new = match &edit {
            Edit::Secrets(puts) => {
                let view = device.wallet.view();
                view.find(&puts[0].domain, &puts[0].access)
            }
            _ => made.as_ref().ok().and_then(|applied| applied.created),
        };
        let new = new.unwrap_or(nobody);
        let at = At {
            generation,
            now_ns: clock.wall_ns(),
        };
        let expected = match known.make(&edit, new, at) {
            Ok(true) => truth.make(&edit, new, at),
            by_what_it_knows => by_what_it_knows,
        };
        match (&made, expected) {
            (Ok(applied), Ok(true)) => assert_eq!(applied.generation, generation),
            (Ok(applied), Ok(false)) => assert!(applied.generation < generation),
            (Err(e), Err(expected)) => assert_eq!(kind(e), expected, "{number} {step:?}"),
            (made, expected) => panic!("{number} {step:?}: {made:?}, expected {expected:?}"),
        }
    }
    let fresh = try_another(&store, &key, seen(), o(3)).await.unwrap();
    for device in devices.iter().chain([&fresh]) {
        device.wallet.require_current().await.unwrap();
        let mut contents = Flat::known(device);
        for (id, entry) in contents.0.iter_mut().chain(&mut contents.1) {
            for (field, (value, _)) in &mut entry.fields {
                *value = device.read(*id, field).await.unwrap();
            }
            entry.past = device.past_of(*id).await;
        }
        assert_eq!(contents, truth);
        let items = truth.0.len() + truth.1.len();
        assert_eq!(device.wallet.head_info().count, items as u64);
        assert_eq!(device.wallet.view().len(), truth.0.len());
        assert_eq!(device.names().len(), truth.0.len());
        let head = HeadMeta::decode(&store.items()[&Id::Head].meta).unwrap();
        assert_eq!(head.trash, !truth.1.is_empty());
    }
}

fn step() -> impl Strategy<Value = Step> {
    let guess = || prop_oneof![Just(Guess::Any), Just(Guess::AsKnown)];
    let n = || 0..6u8;
    prop_oneof![
        2 => Just(Step::Learn),
        4 => (n(), n()).prop_map(|(d, a)| Step::Create(d, a)),
        3 => (n(), n(), n(), any::<bool>()).prop_map(|(d, a, f, o)| Step::PutWhole(d, a, f, o)),
        2 => n().prop_map(Step::Remove),
        2 => (n(), n(), n(), any::<bool>()).prop_map(|(s, d, a, r)| Step::BringBack(s, d, a, r)),
        1 => n().prop_map(Step::Reseal),
        2 => (n(), n(), n(), any::<bool>()).prop_map(|(s, d, a, r)| Step::Move(s, d, a, r)),
        1 => (n(), n()).prop_map(|(from, to)| Step::MoveDomain(from, to)),
        5 => (n(), n(), guess()).prop_map(|(s, f, g)| Step::Put(s, f, g)),
        4 => (n(), n(), guess()).prop_map(|(s, f, g)| Step::RemoveField(s, f, g)),
        2 => (n(), n(), n(), n(), guess())
            .prop_map(|(s, f, s2, f2, g)| Step::MoveField(s, f, s2, f2, g)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn two_devices_do_what_the_model_does(
        steps in prop::collection::vec((any::<bool>(), step()), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(&steps));
    }
}
