//! Password managers that are no filesystem: pass, gopass, and the Python program secret-wallet, each
//! with the same secrets as everybody else.

use crate::Trouble;
use crate::bench::ORDINARY;
use crate::device::temp;
use crate::engine::{self, Engine};
use crate::support::server::tool;
use crate::tree::{CONTENT, Shape};
use crate::usage::Program;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A password store, as pass and gopass share it. Its key has no passphrase: as if the agent knew
/// it, which is the fastest that they can be.
pub(crate) struct PasswordStore {
    dir: TempDir,
}

impl PasswordStore {
    pub(crate) fn new() -> Result<PasswordStore, Trouble> {
        let store = PasswordStore { dir: temp()? };
        fs::create_dir(store.home())?;
        set_mode(&store.home(), 0o700)?;
        let mut key = store.gpg();
        key.args([
            "--passphrase",
            "",
            "--quick-generate-key",
            "bench",
            "rsa3072",
        ]);
        succeed(key.args(["encr,sign", "never"]))?;
        fs::create_dir(store.secrets())?;
        fs::write(store.secrets().join(".gpg-id"), "bench\n")?;
        Shape::Hundreds.make(ORDINARY, &store.secrets())?;
        let mut files = Vec::new();
        below(&store.secrets(), &mut files)?;
        // One process for a hundred files: as `pass insert` would leave them, but sooner.
        for some in files.chunks(100) {
            let mut encrypt = store.gpg();
            encrypt.args(["--recipient", "bench", "--encrypt-files"]);
            succeed(encrypt.args(some))?;
        }
        files.iter().try_for_each(fs::remove_file)?;
        Ok(store)
    }

    /// `pass show` or `gopass show` of the one secret.
    pub(crate) fn show(&self, program: &str) -> Result<Program, Trouble> {
        let mut show = Program::new(program)?;
        show.args(["show", crate::tree::SECRET]);
        show.env_clear().envs(self.environment());
        Ok(show)
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--trust-model", "always"]);
        gpg.env_clear().envs(self.environment());
        gpg
    }

    fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("PATH", crate::PATH.into()),
            ("HOME", self.dir.path().into()),
            ("GNUPGHOME", self.home()),
            ("PASSWORD_STORE_DIR", self.secrets()),
        ]
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("gnupg")
    }

    fn secrets(&self) -> PathBuf {
        self.dir.path().join("store")
    }
}

impl Drop for PasswordStore {
    fn drop(&mut self) {
        let mut agent = Command::new("gpgconf");
        agent.args(["--kill", "gpg-agent"]);
        let _ = agent.env_clear().envs(self.environment()).status();
    }
}

/// The Python program, with a home of its own and a table of the engine.
pub(crate) struct SecretWallet<'a> {
    home: TempDir,
    engine: &'a Engine,
}

/// Runs a command of it as its user would, but that the password is not typed.
const DRIVER: &str = "\
import sys
import secretwallet.utils.password_manager as pm
pm.get_memorable_password = lambda tested=False: ('Memorable#1', False)
from secretwallet.constants import parameters, CONFIG_FILE
parameters.configure(CONFIG_FILE)
from secretwallet.main.myparser import Parser
Parser()
";

/// Makes its table, which its configuration does else.
const TABLE: &str = "\
from secretwallet.constants import parameters, CONFIG_FILE
parameters.configure(CONFIG_FILE)
from secretwallet.utils.dbutils import create_table
create_table(parameters.get_table_name(), silent=True)
";

impl<'a> SecretWallet<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Result<SecretWallet<'a>, Trouble> {
        let home = temp()?;
        let private = home.path().join(".secretwallet");
        fs::create_dir(&private)?;
        let configuration = json!({
            "key": "-g_zSEciv5lzKgPFqMzaENSonNqFb-C6ek16QsAgnC0=",
            "profile": "secret-wallet",
            "table_name": engine.table(),
            "session_timeout": 30,
            "session_lifetime": 120,
        });
        fs::write(private.join("secretwallet.json"), configuration.to_string())?;
        fs::create_dir(home.path().join(".aws"))?;
        let [(_, id), (_, secret), _] = engine::KEYS;
        let profile = format!(
            "[secret-wallet]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             region = us-east-1\n"
        );
        fs::write(home.path().join(".aws/credentials"), profile)?;
        let wallet = SecretWallet { home, engine };
        wallet.python(TABLE)?.run()?;
        Ok(wallet)
    }

    /// Loads so many secrets from a file in clear, as `load -d` does: the one that is read, and new
    /// ones.
    pub(crate) fn load(&self, count: usize, from: usize) -> Result<Program, Trouble> {
        let secret = |domain: &str, access: &str, uid: &str, pwd: &str| {
            json!({
                "domain": domain, "access": access, "uid": uid, "pwd": pwd, "info": {},
                "timestamp": "2026-01-01T08:27:03.600000",
            })
        };
        let pwd = String::from_utf8_lossy(CONTENT);
        let mut secrets = vec![secret("energy", "smart energy", "joe@mail.example", &pwd)];
        for n in from..from + count - 1 {
            let e = Shape::Hundreds.entry(n);
            secrets.push(secret(&e.domain, &e.access, &e.uid, &e.pwd));
        }
        let file = self.home.path().join("secrets.json");
        fs::write(&file, Value::from(secrets).to_string())?;
        let mut load = self.python(DRIVER)?;
        load.args(["load", "-d", "-f"]).arg(file);
        Ok(load)
    }

    /// `get` of the one secret.
    pub(crate) fn get(&self) -> Result<Program, Trouble> {
        let mut get = self.python(DRIVER)?;
        get.args(["get", "-d", "energy", "-a", "smart energy"]);
        Ok(get)
    }

    fn python(&self, script: &str) -> Result<Program, Trouble> {
        let mut python = Program::new(tool("secret-wallet").join("secret-wallet/bin/python"))?;
        python.args(["-c", script]).env_clear();
        python.env("HOME", self.home.path());
        python.env("AWS_ENDPOINT_URL_DYNAMODB", self.engine.url());
        Ok(python)
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// The files below a directory, but those that begin with a dot.
fn below(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below(&entry.path(), files)?;
        } else if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<(), Trouble> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    match command.status()?.success() {
        true => Ok(()),
        false => {
            let name = command.get_program().to_string_lossy();
            Err(format!("{name} failed").into())
        }
    }
}
