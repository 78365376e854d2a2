//! Samples, in rounds taken in turn: whatever else the machine does meets every contender alike.

use crate::Trouble;
use crate::usage;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What one round of one contender came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// The time of one operation in seconds; in a workload of throughput, operations a second.
    pub(crate) value: f64,
    /// Processor time of one operation in seconds: of the caller and of the process that serves it.
    pub(crate) cpu: Option<f64>,
    /// Peak memory in bytes of the process that is measured.
    pub(crate) peak: Option<u64>,
}

/// The numbers of one contender.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) median: f64,
    /// The middle half of the rounds.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rounds: usize,
    pub(crate) cpu: Option<f64>,
    pub(crate) peak: Option<u64>,
}

/// Something to be measured: its name and one round of it.
pub(crate) struct Contender<'a> {
    who: String,
    round: Box<dyn FnMut() -> Result<Sample, Trouble> + 'a>,
    /// Rounds to leave out after each that is taken, for what takes long.
    every: usize,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(
        who: impl Into<String>,
        round: impl FnMut() -> Result<Sample, Trouble> + 'a,
    ) -> Contender<'a> {
        Contender {
            who: who.into(),
            round: Box::new(round),
            every: 1,
        }
    }

    /// Takes part in one round of so many.
    pub(crate) fn every(self, every: usize) -> Contender<'a> {
        Contender { every, ..self }
    }
}

/// Plays all contenders once to warm them, and then so many rounds, each contender in its turn.
pub(crate) fn in_turn(rounds: usize, contenders: Vec<Contender<'_>>) -> Result<Vec<Row>, Trouble> {
    let mut contenders = contenders;
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); contenders.len()];
    for contender in &mut contenders {
        (contender.round)().map_err(|e| format!("{}: {e}", contender.who))?;
    }
    for round in 0..rounds {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            if round % contender.every == 0 {
                let sample = (contender.round)().map_err(|e| format!("{}: {e}", contender.who))?;
                samples.push(sample);
            }
        }
    }
    let rows = contenders.into_iter().zip(samples);
    Ok(rows
        .map(|(contender, samples)| row(contender.who, &samples))
        .collect())
}

/// The numbers of samples that were taken in some other way.
pub(crate) fn row(who: impl Into<String>, samples: &[Sample]) -> Row {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    let mut cpu: Vec<f64> = samples.iter().filter_map(|sample| sample.cpu).collect();
    Row {
        who: who.into(),
        median: quantile(&mut values, 0.5),
        low: quantile(&mut values, 0.25),
        high: quantile(&mut values, 0.75),
        rounds: samples.len(),
        cpu: (!cpu.is_empty()).then(|| quantile(&mut cpu, 0.5)),
        peak: samples.iter().filter_map(|sample| sample.peak).max(),
    }
}

/// The value below which this share of the values is, between neighbours in proportion.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share * last as f64;
    let below = at.floor() as usize;
    let above = values[last.min(below + 1)];
    values[below] + (above - values[below]) * at.fract()
}

/// Calls `act` so many times: the median time of a call, and the processor time of one, of this
/// process and of the process `server`.
pub(crate) fn calls(
    calls: usize,
    server: Option<u32>,
    mut act: impl FnMut() -> Result<(), Trouble>,
) -> Result<Sample, Trouble> {
    prepared_calls(calls, server, || Ok(()), |()| act())
}

/// As [`calls`], each with what `prepare` gives; its time does not count, and the processor's does.
pub(crate) fn prepared_calls<T>(
    calls: usize,
    server: Option<u32>,
    mut prepare: impl FnMut() -> Result<T, Trouble>,
    mut act: impl FnMut(T) -> Result<(), Trouble>,
) -> Result<Sample, Trouble> {
    let used = || -> Result<Duration, Trouble> {
        let server = server.map(usage::cpu_of).transpose()?.unwrap_or_default();
        Ok(usage::own_cpu()? + server)
    };
    let mut times = Vec::with_capacity(calls);
    let before = used()?;
    for _ in 0..calls {
        let prepared = prepare()?;
        let begin = Instant::now();
        act(prepared)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let cpu = used()?.saturating_sub(before).as_secs_f64() / calls as f64;
    let peak = server.map(usage::memory_of).transpose()?.map(|m| m.1);
    Ok(Sample {
        value: quantile(&mut times, 0.5),
        cpu: Some(cpu),
        peak,
    })
}

impl From<usage::Ended> for Sample {
    fn from(ended: usage::Ended) -> Sample {
        Sample {
            value: ended.wall.as_secs_f64(),
            cpu: Some(ended.cpu.as_secs_f64()),
            peak: Some(ended.peak),
        }
    }
}
