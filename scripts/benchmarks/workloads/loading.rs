//! From a sealed wallet to the first secret.

use super::OURS;
use crate::Trouble;
use crate::bench::{Bench, ORDINARY};
use crate::device::{Device, PASSWORD};
use crate::engine;
use crate::outcome::{BarUnit, Outcome, Unit};
use crate::series::{self, Contender, Row, Sample};
use crate::tree::{SECRET, Shape};
use crate::workloads::reads;
use std::sync::Arc;
use std::time::Instant;
use walletfs::crypto::{KdfParams, SecretBytes, stretch};
use walletfs::store::Store;
use walletfs::wallet::Options;

const DERIVATION: &str = "derivation";
const APART: &str = "walletfs, derivation apart";

/// The time of something in seconds, and the processor time of this process.
pub(super) fn timed(act: impl FnOnce() -> Result<(), Trouble>) -> Result<Sample, Trouble> {
    let (begin, before) = (Instant::now(), crate::usage::own_cpu()?);
    act()?;
    Ok(Sample {
        value: begin.elapsed().as_secs_f64(),
        cpu: Some(
            crate::usage::own_cpu()?
                .saturating_sub(before)
                .as_secs_f64(),
        ),
        peak: None,
    })
}

/// One derivation of the stretched password, with the parameters of every wallet.
pub(super) fn derivation(device: &Device) -> Result<Contender<'_>, Trouble> {
    let (key, salt) = (device.key()?, [7; 16]);
    let memorable = SecretBytes::new(PASSWORD.as_bytes().to_vec());
    Ok(Contender::new(DERIVATION, move || {
        timed(|| Ok(stretch(&memorable, &key, &salt, KdfParams::DEFAULT).map(drop)?))
    }))
}

/// Adds the row of what is left without the derivation.
pub(super) fn apart(outcome: &mut Outcome) -> Result<(), Trouble> {
    let derivation = outcome.row(DERIVATION)?.clone();
    let ours = outcome.row(OURS)?;
    let apart = Row {
        who: APART.into(),
        median: ours.median - derivation.median,
        low: ours.low - derivation.median,
        high: ours.high - derivation.median,
        cpu: ours.cpu.zip(derivation.cpu).map(|(all, part)| all - part),
        ..ours.clone()
    };
    outcome.rows.push(apart);
    Ok(())
}

/// One `walletfs mount` of this device, until the mount is ready.
pub(super) fn mount<'a>(who: &str, device: &'a Device) -> Contender<'a> {
    Contender::new(who, move || {
        let (mounted, ended) = device.timed_mount(&[])?;
        Ok(Sample {
            value: ended.wall.as_secs_f64(),
            cpu: Some((ended.cpu + crate::usage::cpu_of(mounted.pid())?).as_secs_f64()),
            peak: Some(crate::usage::memory_of(mounted.pid())?.1),
        })
    })
}

pub(super) fn unlock(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let local = bench.ordinary()?;
    let table = bench.table(Shape::Hundreds, ORDINARY)?;
    let mut contenders = vec![
        mount(OURS, &local),
        mount("walletfs, DynamoDB", &table),
        derivation(&local)?,
    ];
    // What is mounted already is mounted once more, elsewhere.
    for peer in bench.peers()?.iter().filter(|peer| peer.mounts_twice()) {
        contenders.push(Contender::new(peer.peer.name(), || {
            let mounted = peer.sealed.mount()?;
            Ok(Sample {
                value: mounted.took.as_secs_f64(),
                cpu: Some(crate::usage::cpu_of(mounted.pid())?.as_secs_f64()),
                peak: Some(crate::usage::memory_of(mounted.pid())?.1),
            })
        }));
    }
    let rows = series::in_turn(bench.rounds(8), contenders)?;
    let what =
        "`mount` until it is ready, 1,000 secrets, SQLite and DynamoDB engine; derivation included";
    let mut outcome = Outcome::new("unlock", what, Unit::Seconds, rows);
    apart(&mut outcome)?;
    outcome.note(
        "The derivation is dear on purpose, and each program has its own: gocryptfs scrypt, securefs \
         Argon2id, CryFS scrypt, with their usual settings.",
    );
    Ok(vec![outcome])
}

pub(super) fn first_read(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const BARE: &str = "bare requests";
    let engine = bench.engine()?;
    let device = bench.table(Shape::Hundreds, ORDINARY)?;
    let table = device.setting("table")?;
    let ours = Contender::new(OURS, || {
        let begin = Instant::now();
        let (mounted, ended) = device.timed_mount(&[])?;
        reads::read(&mounted.path().join(SECRET))?;
        let value = begin.elapsed().as_secs_f64();
        Ok(Sample {
            value,
            cpu: Some((ended.cpu + crate::usage::cpu_of(mounted.pid())?).as_secs_f64()),
            peak: Some(crate::usage::memory_of(mounted.pid())?.1),
        })
    });
    // A client of its own each time, as each mount has one: it connects first.
    let bare = Contender::new(BARE, || {
        timed(|| {
            engine.runtime.block_on(async {
                let client = engine.client();
                engine::get_head(&client, &table).await?;
                engine::query(&client, &table).await.map(drop)
            })
        })
    });
    let contenders = vec![ours, derivation(&device)?, bare];
    let rows = series::in_turn(bench.rounds(20), contenders)?;
    let what = "`walletfs mount` and the first read of a secret, 1,000 secrets, DynamoDB engine";
    let mut outcome = Outcome::new("first-read", what, Unit::Seconds, rows);
    apart(&mut outcome)?;
    outcome.within(1.5, APART, BARE)?;
    outcome.note(
        "bare requests: a new client, the head and every page, nothing done with what comes. \
         derivation: one Argon2id with the wallet's parameters (64 MiB, 3 passes, 4 lanes).",
    );
    Ok(vec![outcome])
}

pub(super) fn load(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    const BARE: &str = "bare Query";
    let count = bench.count(100_000);
    let engine = bench.engine()?;
    let device = bench.table(Shape::Hundreds, count)?;
    let table = device.setting("table")?;
    let (store, client) = (engine.store(&table), engine.client());
    let bare = Contender::new(BARE, || {
        timed(|| {
            let listed = engine.runtime.block_on(engine::query(&client, &table))?;
            match listed == count + 1 {
                true => Ok(()),
                false => Err(format!("a listing of {listed} items").into()),
            }
        })
    });
    let ours = Contender::new(OURS, || open(bench, &device, store.clone(), count));
    let contenders = vec![ours, derivation(&device)?, bare];
    let rows = series::in_turn(bench.rounds(5), contenders)?;
    let what =
        format!("unlocking and loading {count} secrets, DynamoDB engine, within one process");
    let mut outcome = Outcome::new("load", what, Unit::Seconds, rows);
    apart(&mut outcome)?;
    let ratio = outcome.ratio(APART, BARE)?;
    outcome.at_most("at most 3.00 x bare Query", 3.0, ratio, BarUnit::Times);
    Ok(vec![outcome])
}

pub(super) fn open(
    bench: &Bench,
    device: &Device,
    store: Arc<dyn Store>,
    count: usize,
) -> Result<Sample, Trouble> {
    timed(|| {
        let unlock = device.unlock(store, Options::default());
        let wallet = bench.engine()?.runtime.block_on(unlock)?;
        let found = wallet.view().len();
        wallet.lock();
        match found == count {
            true => Ok(()),
            false => Err(format!("{found} secrets were loaded").into()),
        }
    })
}
