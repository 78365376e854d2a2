//! What is said of a session: the JSON of `/.walletfs/status` and of `walletfs status --json`.

use serde::{Deserialize, Serialize};

/// How a session stands. Times are whole seconds; `None` (JSON `null`) is never, or nothing to say.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The wallet's name.
    pub wallet: String,
    /// Where it is mounted; bytes that are not UTF-8 are replaced.
    pub mountpoint: String,
    /// The process that serves it.
    pub pid: u32,
    /// Where the wallet is kept.
    pub store: String,
    /// The generation that the files show.
    pub generation: u64,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Until the wallet locks for want of an access. 0 while unsaved content holds that off.
    pub seconds_to_idle_lock: Option<u64>,
    /// Until the session ends whatever happens.
    pub seconds_to_end: Option<u64>,
    /// How true the files are.
    pub staleness: Staleness,
    /// Files with content that is not committed yet.
    pub unsaved: usize,
    /// Files with content whose commit failed; tried again at the next access.
    pub failed: usize,
    /// Why, and how many files each.
    pub failures: Vec<Failures>,
    /// Why the last one-time code that was asked for could not be made.
    pub totp_error: Option<String>,
    /// Scratch files, which live in this mount's memory only.
    pub scratch: usize,
    /// Protections that this machine did not allow, as sentences.
    pub not_enforced: Vec<String>,
}

/// Files whose content could not be stored for one reason.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// Why. It names no file.
    pub reason: String,
    /// How many.
    pub files: usize,
}

/// How true the files are.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Staleness {
    /// Since the store last confirmed what the files show.
    pub age: u64,
    /// Why they may be out of date: the store is away, or a listing was not authentic.
    pub reason: Option<String>,
}

impl Status {
    /// The status as JSON, for people as much as for programs.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers are JSON");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_what_the_manual_says() {
        let status = Status {
            wallet: "default".into(),
            mountpoint: "/home/a/wallet".into(),
            pid: 12,
            store: "SQLite file /d/default.sqlite".into(),
            generation: 7,
            read_only: false,
            seconds_to_idle_lock: Some(59),
            seconds_to_end: None,
            staleness: Staleness {
                age: 1,
                reason: None,
            },
            unsaved: 1,
            failed: 1,
            failures: vec![Failures {
                reason: "away".into(),
                files: 1,
            }],
            totp_error: Some("y".into()),
            scratch: 2,
            not_enforced: vec!["x".into()],
        };
        let expected = serde_json::json!({
            "wallet": "default",
            "mountpoint": "/home/a/wallet",
            "pid": 12,
            "store": "SQLite file /d/default.sqlite",
            "generation": 7,
            "read_only": false,
            "seconds_to_idle_lock": 59,
            "seconds_to_end": null,
            "staleness": {"age": 1, "reason": null},
            "unsaved": 1,
            "failed": 1,
            "failures": [{"reason": "away", "files": 1}],
            "totp_error": "y",
            "scratch": 2,
            "not_enforced": ["x"],
        });
        let text = status.to_json();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            expected
        );
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }
}
