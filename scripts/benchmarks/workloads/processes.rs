//! What a person types: a program that shows one secret.

use super::OURS;
use super::reads::places;
use crate::Trouble;
use crate::bench::{Bench, is_there};
use crate::managers::{PasswordStore, SecretWallet};
use crate::outcome::{Outcome, Unit};
use crate::series::{self, Contender, Sample, quantile};
use crate::tree::CONTENT;
use crate::usage::Program;

/// Starts in one round of what takes a millisecond.
const STARTS: usize = 10;

/// Runs a program that must show the secret.
fn shows(mut program: Program) -> Result<Sample, Trouble> {
    let (ended, said) = program.output()?;
    let shown = said.windows(CONTENT.len()).any(|part| part == CONTENT);
    match shown {
        true => Ok(Sample::from(ended)),
        false => Err("it does not show the secret".into()),
    }
}

pub(super) fn cat(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const PYTHON: &str = "secret-wallet get";
    let places = places(bench)?;
    let store = is_there("gpg").then(PasswordStore::new).transpose()?;
    let wallet = SecretWallet::new(bench.engine()?)?;
    wallet.load(100, 0)?.run()?;
    let mut contenders = Vec::new();
    for (name, _, path) in &places.all {
        contenders.push(Contender::new(name, move || {
            let (mut times, mut last) = (Vec::new(), Sample::default());
            for _ in 0..STARTS {
                let mut cat = Program::new("cat")?;
                cat.arg(path);
                last = shows(cat)?;
                times.push(last.value);
            }
            Ok(Sample {
                value: quantile(&mut times, 0.5),
                ..last
            })
        }));
    }
    if let Some(store) = &store {
        for program in ["pass", "gopass"] {
            if is_there(program) {
                let round = move || shows(store.show(program)?);
                contenders.push(Contender::new(format!("{program} show"), round));
            }
        }
    }
    contenders.push(Contender::new(PYTHON, || shows(wallet.get()?)).every(4));
    let rows = series::in_turn(bench.rounds(20), contenders)?;
    let what = "`cat` of a secret in a mount, or the command that shows it, as a process";
    let mut outcome = Outcome::new("cat", what, Unit::Seconds, rows);
    outcome.faster(300.0, OURS, PYTHON)?;
    outcome.faster(10.0, OURS, "pass show")?;
    outcome.faster(5.0, OURS, "gopass show")?;
    outcome.note(
        "The key of pass and gopass has no passphrase, and the Python program is given its password: \
         nobody types. It asks the same engine on loopback; walletfs is mounted.",
    );
    Ok(vec![outcome])
}
