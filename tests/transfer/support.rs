//! Machines with wallets, and what these hold.

use crate::program::Machine;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// The memorable and the device password of the fixture.
pub(crate) const THEIR_MEMORABLE: &str = "echo 'Memorable#1'";
pub(crate) const THEIR_DEVICE: &str = "echo 'Device#Pass1'";

/// The wallet that the Python program wrote.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/secret-wallet")
        .join(name)
}

impl Machine {
    /// Writes a file for an import, and gives its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Imports the fixture's `save -d`.
    pub(crate) fn with_fixture() -> Machine {
        let machine = Machine::with_wallet();
        let file = fixture("save-decrypted.json");
        let imported = machine.ok(&["import", "--from", "secret-wallet", file.to_str().unwrap()]);
        assert!(
            imported.contains("Imported 28 secrets in 1 commit"),
            "{imported}"
        );
        machine
    }

    /// Runs a command that succeeds and says nothing on standard error; gives what it said.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.said(args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}: {out}");
        out
    }

    /// Runs a command: its exit code, and what it said on both.
    pub(crate) fn said(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.with_passwords(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// All that the wallet holds, without the times.
    pub(crate) fn holds(&self) -> Value {
        let file = self.path("holds.json");
        self.ok(&[
            "export",
            "--format",
            "json",
            "--plaintext",
            file.to_str().unwrap(),
        ]);
        let mut all: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        fs::remove_file(file).unwrap();
        for secret in all["secrets"].as_array_mut().unwrap() {
            secret.as_object_mut().unwrap().remove("modified");
        }
        all["secrets"].take()
    }

    /// The wallet as it is stored.
    pub(crate) fn sqlite(&self) -> Vec<u8> {
        fs::read(self.path("c/data/default.sqlite")).unwrap()
    }
}

/// What the fixture holds, in the form of [`Machine::holds`]: an empty user or password is absent.
pub(crate) fn truth() -> Value {
    let saved = fs::read(fixture("save-decrypted.json")).unwrap();
    let saved: Vec<Map<String, Value>> = serde_json::from_slice(&saved).unwrap();
    assert_eq!(saved.len(), 28);
    let mut secrets: Vec<Value> = saved
        .into_iter()
        .map(|mut secret| {
            secret.remove("timestamp").unwrap();
            secret.retain(|key, value| !(matches!(&**key, "uid" | "pwd") && *value == ""));
            Value::Object(secret)
        })
        .collect();
    secrets.sort_by_key(|secret| {
        let name = |key: &str| secret[key].as_str().unwrap().to_owned();
        (name("domain"), name("access"))
    });
    secrets.into()
}
