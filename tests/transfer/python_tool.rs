//! The Python program itself loads what is exported for it, so that a person can go back.

use crate::program::Machine;
use crate::support::*;
use crate::tools::server::tool;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Runs a command of it as its user would, but that the password is not typed.
const DRIVER: &str = "\
import sys
password = sys.argv[1]
import secretwallet.utils.password_manager as pm
pm.get_memorable_password = lambda tested=False: (password, False)
from secretwallet.constants import parameters, CONFIG_FILE
parameters.configure(CONFIG_FILE)
from secretwallet.utils.dbutils import create_table
create_table(parameters.get_table_name(), silent=True)
from secretwallet.main.myparser import Parser
sys.argv = ['secretwallet'] + sys.argv[2:]
Parser()
";

/// The program, with a home of its own.
pub(crate) struct Tool {
    home: tempfile::TempDir,
}

impl Tool {
    /// With the fixture's configuration, or another.
    pub(crate) fn new(configuration: &Value) -> Tool {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".secretwallet")).unwrap();
        let file = home.path().join(".secretwallet/secretwallet.json");
        fs::write(file, configuration.to_string()).unwrap();
        Tool { home }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    pub(crate) fn run(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let python = tool("secret-wallet").join("secret-wallet/bin/python");
        let mut command = Command::new(python);
        command.args(["-c", DRIVER, "Memorable#1"]).args(args);
        command.env_clear().env("HOME", self.home.path());
        let output = command.envs(env.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let trouble = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{trouble}");
        said
    }
}

pub(crate) fn configuration() -> Value {
    serde_json::from_slice(&fs::read(fixture("secretwallet.json")).unwrap()).unwrap()
}

fn sorted(file: &std::path::Path) -> Vec<Value> {
    let mut secrets: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    secrets.sort_by_key(|secret| secret.to_string());
    secrets
}

#[test]
fn it_loads_both_forms() {
    let machine = Machine::with_fixture();
    let config = fixture("secretwallet.json");
    let (sealed, plain) = (machine.path("sealed.json"), machine.path("plain.json"));
    let mut export = machine.with_passwords(["export", "--format", "secret-wallet"]);
    export.arg(&sealed).arg("--source-config").arg(&config);
    export
        .args(["--source-password-command", THEIR_MEMORABLE])
        .assert()
        .success();
    let args = [
        "export",
        "--format",
        "secret-wallet-decrypted",
        "--plaintext",
    ];
    machine.with_passwords(args).arg(&plain).assert().success();

    let truth = sorted(&fixture("save-decrypted.json"));
    for (file, load) in [
        (&sealed, &["load", "-f"][..]),
        (&plain, &["load", "-d", "-f"]),
    ] {
        let tool = Tool::new(&configuration());
        let said = tool.run(&[load, &[file.to_str().unwrap()]].concat(), &[]);
        assert_eq!(said.matches("inserting secret").count(), 28, "{said}");
        let saved = tool.home().join("saved.json");
        tool.run(&["save", "-d", "-f", saved.to_str().unwrap()], &[]);
        assert_eq!(sorted(&saved), truth);
    }
}
