//! What a person does meanwhile, and what comes of it: nothing but what is true, or a fault that is
//! named.

use crate::attacks::{Attack, How};
use crate::lies::{Adversary, Lie};
use crate::places::Place;
use crate::scene::{Items, MEMORABLE, Scene, Truth, options, put, put_field, secret, unlock};
use std::sync::Arc;
use std::time::{Duration, Instant};
use walletfs::cli::exit::Failure;
use walletfs::fs::FsError;
use walletfs::store::{Id, Store};
use walletfs::wallet::backup::quietly;
use walletfs::wallet::{Field, Secret, Seen, Wallet, WalletError};

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A session begins on what the store makes of the wallet; the others are of one that was there.
    Mount,
    List,
    ReadTarget,
    ReadOther,
    Write,
    /// A write that is refused for another device's, and whose refusal carries what the store likes.
    Refused,
    Check,
    Backup,
    Rekey,
}

impl Op {
    pub(crate) const ALL: [Op; 9] = [
        Op::Mount,
        Op::List,
        Op::ReadTarget,
        Op::ReadOther,
        Op::Write,
        Op::Refused,
        Op::Check,
        Op::Backup,
        Op::Rekey,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Op::Mount => "mount",
            Op::List => "list",
            Op::ReadTarget => "read it",
            Op::ReadOther => "read another",
            Op::Write => "write another",
            Op::Refused => "refused write",
            Op::Check => "check",
            Op::Backup => "backup",
            Op::Rekey => "rekey",
        }
    }
}

/// No operation takes longer.
const MOST: Duration = Duration::from_secs(60);

/// What was seen during an operation.
struct Look<'a> {
    attack: &'a Attack,
    truth: Truth,
    /// What was said, with the exit code and the error number.
    said: Vec<(u8, String, String)>,
    wrong: Vec<String>,
}

/// How a cell came out, and how long its longest call took.
pub(crate) struct Cell {
    pub(crate) outcome: Result<String, String>,
    pub(crate) wrong_values: usize,
    pub(crate) longest: Duration,
}

impl Look<'_> {
    fn error(&mut self, error: WalletError) {
        let errno = FsError::from(error.clone()).errno;
        let (exit, message) = Failure::from(error).to_parts();
        self.said.push((exit.code(), format!("{errno:?}"), message));
    }

    fn fault(&mut self, what: String) {
        self.said.push((15, "EIO".into(), what));
    }

    fn note<T>(&mut self, result: Result<T, WalletError>) -> Option<T> {
        result.map_err(|error| self.error(error)).ok()
    }

    fn value(&mut self, name: &str, value: &str) {
        if !self
            .truth
            .get(name)
            .is_some_and(|true_| true_.contains(value))
        {
            self.wrong.push(format!("{name} shows {value:?}"));
        }
    }

    fn names(&mut self, wallet: &Wallet) -> Vec<(Id, String, bool)> {
        let name = |s: &Secret| {
            let name = format!("{}/{}", s.meta.domain, s.shown);
            (s.id, name, s.meta.fields.contains_key(&Field::Pwd))
        };
        let names: Vec<_> = wallet.view().all().map(name).collect();
        for (_, name, _) in &names {
            if !self.truth.contains_key(name) {
                self.wrong.push(format!("{name} is listed"));
            }
        }
        match wallet.state().fault {
            Some(fault) => self.fault(fault),
            None if names.len() < self.truth.len() && self.said.is_empty() => {
                self.wrong
                    .push("less than the truth, and nobody is told".into());
            }
            None => {}
        }
        names
    }

    async fn read(&mut self, wallet: &Wallet, secret: Id) {
        let named = self
            .names(wallet)
            .into_iter()
            .find(|(id, ..)| *id == secret);
        let Some((_, name, true)) = named else {
            return;
        };
        let Some(body) = self.note(wallet.body(secret).await) else {
            return;
        };
        if let Some(value) = self.note(wallet.value(&body, &Field::Pwd)) {
            self.value(&name, &String::from_utf8_lossy(value.expose()));
        }
    }

    async fn everything(&mut self, wallet: &Wallet) {
        for (id, ..) in self.names(wallet) {
            self.read(wallet, id).await;
        }
    }

    fn outcome(&self, op: Op, longest: Duration) -> Result<String, String> {
        if !self.wrong.is_empty() {
            return Err(self.wrong.join("; "));
        }
        for (code, errno, what) in &self.said {
            let named = self.attack.says.iter().any(|said| what.contains(said));
            if !named || !self.attack.codes.contains(code) {
                return Err(format!("{code} {errno}: {what}"));
            }
        }
        if longest > MOST {
            return Err(format!("{longest:?}"));
        }
        match self.said.first() {
            Some((code, errno, _)) => Ok(format!("{code} {errno}")),
            None if self.attack.tells.contains(&op) => Err("nobody is told".into()),
            None => Ok("true".into()),
        }
    }
}

/// Plays one attack during one operation, on a wallet of its own.
pub(crate) async fn play(scene: &Scene, place: &Place, attack: &Attack, op: Op) -> Cell {
    place.write(&Items::new(), &scene.now).await;
    let mut truth = scene.truth();
    if attack.name == "two secrets of one name" && op != Op::Refused {
        scene.both_names(&mut truth);
    }
    let mut look = Look {
        attack,
        truth,
        said: Vec::new(),
        wrong: Vec::new(),
    };
    let honest = place.store().await;
    let (store, attacked) = armed(scene, &honest, attack, op);
    let seen = scene.seen();
    let key = scene.key();
    let session = match op {
        Op::Mount | Op::Check => None,
        _ => Some(unlock(store.clone(), seen.clone(), &key).await.unwrap()),
    };
    if op == Op::Refused {
        let other = unlock(honest.clone(), Seen::in_memory(), &key)
            .await
            .unwrap();
        put_field(&other, scene.target, Field::Uid, "joe")
            .await
            .unwrap();
    } else if let Some(items) = &attacked {
        place.write(&scene.now, items).await;
    }
    if let How::Odd(oddity) = attack.how
        && op != Op::Refused
    {
        place.spoil(&scene.now[&scene.target], oddity).await;
    }
    store.begin();

    let began = Instant::now();
    operate(
        scene,
        &mut look,
        op,
        session.as_deref(),
        store.clone(),
        &seen,
    )
    .await;
    let mut longest = began.elapsed();
    // Whoever comes then is shown nothing else than the truth either.
    if matches!(op, Op::Write | Op::Refused | Op::Rekey) {
        let began = Instant::now();
        let store: Arc<dyn Store> = match (&attack.how, op) {
            // What the store has kept is the lie.
            (How::Answers(_), _) | (_, Op::Refused) => honest,
            _ => store,
        };
        if let Some(wallet) = look.note(unlock(store, seen, &key).await) {
            look.everything(&wallet).await;
        }
        longest = longest.max(began.elapsed());
    }
    Cell {
        outcome: look.outcome(op, longest),
        wrong_values: look.wrong.len(),
        longest,
    }
}

/// The store of the session, and the items that are put in the place of those stored.
fn armed(
    scene: &Scene,
    honest: &Arc<dyn Store>,
    attack: &Attack,
    op: Op,
) -> (Arc<Adversary>, Option<Items>) {
    let attacked = match &attack.how {
        How::Stored(change) => {
            let mut items = scene.now.clone();
            change(scene, &mut items);
            Some(items)
        }
        How::Odd(_) | How::Answers(_) => None,
    };
    let lie = match (&attack.how, op) {
        (How::Answers(lie), _) => lie(scene),
        (How::Stored(_), Op::Refused) => {
            let forged = attacked.clone().expect("a change of what is stored");
            Lie::Winners(Arc::new(move |id, _| forged.get(&id).cloned()))
        }
        _ => Lie::None,
    };
    (Adversary::new(honest.clone(), lie), attacked)
}

async fn operate(
    scene: &Scene,
    look: &mut Look<'_>,
    op: Op,
    session: Option<&Wallet>,
    store: Arc<dyn Store>,
    seen: &Seen,
) {
    let key = scene.key();
    let Some(session) = session else {
        if op == Op::Mount {
            if let Some(wallet) = look.note(unlock(store, seen.clone(), &key).await) {
                look.everything(&wallet).await;
            }
            return;
        }
        let memorable = secret(MEMORABLE);
        let inspected = Wallet::inspect(store, seen.clone(), &key, &memorable, options());
        if let Some((_, findings)) = look.note(inspected.await) {
            for fault in findings.faults {
                look.fault(fault.what);
            }
        }
        return;
    };
    match op {
        Op::Mount | Op::Check => unreachable!("these have no session"),
        Op::List => {
            look.note(session.freshen().await);
            look.names(session);
        }
        Op::ReadTarget | Op::ReadOther => {
            let secret = match op {
                Op::ReadTarget => scene.target,
                _ => scene.other,
            };
            if look.note(session.freshen().await).is_some() {
                look.read(session, secret).await;
            }
        }
        Op::Write | Op::Refused => {
            let (secret, name) = match op {
                Op::Write => (scene.third, "d/third"),
                _ => (scene.target, "d/target"),
            };
            let written = look.note(put(session, secret, "written").await);
            let values = look.truth.get_mut(name).unwrap();
            values.insert("written".into());
            if written.is_some() {
                // Acknowledged: nobody is shown what was before.
                values.retain(|value| value == "written");
            }
        }
        Op::Backup => {
            let Some(done) = look.note(session.back_up(&quietly).await) else {
                return;
            };
            if !done.faults.is_empty() {
                done.faults.into_iter().for_each(|fault| look.fault(fault));
                return;
            }
            let copy = store.sibling(&done.name);
            if let Some(wallet) = look.note(unlock(copy, Seen::in_memory(), &key).await) {
                look.everything(&wallet).await;
            }
        }
        Op::Rekey => {
            look.note(session.rekey(None, |_| {}).await);
        }
    }
}
