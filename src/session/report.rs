//! Says how a session stands, from the first request of the mount to the last.

use super::gate::Gate;
use super::harden::Hardening;
use super::status::{Failures, Staleness, Status};
use crate::fs::Fs;
use crate::wallet::{State, Wallet};
use std::sync::{Arc, OnceLock, Weak};

/// Makes the text of `/.walletfs/status`.
pub(super) struct Reporter {
    pub(super) wallet: Arc<Wallet>,
    pub(super) name: String,
    pub(super) mountpoint: String,
    pub(super) store: String,
    pub(super) read_only: bool,
    /// What there is only once it is mounted.
    pub(super) rest: OnceLock<Rest>,
}

pub(super) struct Rest {
    pub(super) gate: Arc<Gate>,
    /// The filesystem holds the reporter, so not the other way round too.
    pub(super) fs: Weak<Fs>,
    pub(super) hardening: Hardening,
}

/// Why content could not be stored, and of how many files, without a name.
pub(super) fn failures(fs: &Fs) -> Vec<Failures> {
    let reasons = fs.failures().into_iter();
    reasons
        .map(|(reason, files)| Failures { reason, files })
        .collect()
}

/// Why the files may be out of date.
fn reason(state: &State) -> Option<String> {
    let replica = match state.replica {
        true => "; the files are those of this device's replica",
        false => "",
    };
    let stale = state.stale.as_ref();
    let stale = stale.map(|why| format!("{why}{replica}"));
    stale.or_else(|| state.fault.clone())
}

impl Reporter {
    pub(super) fn text(&self) -> String {
        let rest = self.rest.get();
        let (idle, end) = rest.map_or((None, None), |rest| rest.gate.left());
        // Before the generation: where nothing is unsaved, that one holds everything.
        let fs = rest.and_then(|rest| rest.fs.upgrade());
        let unsaved = fs.as_ref().map(|fs| fs.unsaved()).unwrap_or_default();
        let totp_error = fs.as_ref().and_then(|fs| fs.totp_error());
        let failures = fs.map(|fs| failures(&fs)).unwrap_or_default();
        let state = self.wallet.state();
        let status = Status {
            wallet: self.name.clone(),
            mountpoint: self.mountpoint.clone(),
            pid: std::process::id(),
            store: self.store.clone(),
            generation: state.generation,
            read_only: self.read_only,
            seconds_to_idle_lock: idle.map(|left| left.as_secs()),
            seconds_to_end: end.map(|left| left.as_secs()),
            staleness: Staleness {
                age: state.age.as_secs(),
                reason: reason(&state),
            },
            unsaved: unsaved.drafts,
            failed: unsaved.failed,
            failures,
            totp_error: totp_error.map(|e| e.to_string()),
            scratch: unsaved.scratch,
            not_enforced: rest.map(|rest| rest.hardening.gaps()).unwrap_or_default(),
        };
        status.to_json()
    }
}
