//! Every attack against the real program: what it says, how it ends, and what its mount shows. Its
//! memory is bounded by the system (setrlimit(2), `RLIMIT_DATA`): a store cannot make it ask for more.

use crate::attacks::{Attack, How};
use crate::operations::{Cell, Op};
use crate::places::{Place, Table};
use crate::scene::{DEVICE, Items, MEMORABLE, Scene, Truth};
use crate::support::http_count::HttpCount;
use crate::wire;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use walletfs::cli::config::{Config, StoreKind, save_key};
use walletfs::cli::paths::Places;
use walletfs::session::private;
use walletfs::store::Store;
use walletfs::wallet::Seen;

/// Bytes of memory that the program may have.
const MEMORY: &str = "--data=536870912";

/// What is done with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It mounts what was attacked, and everything is read.
    Mount,
    /// The attack comes while it is mounted: everything is read, and something written.
    Mounted,
    Check,
}

impl Use {
    pub(crate) const ALL: [Use; 3] = [Use::Mount, Use::Mounted, Use::Check];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Use::Mount => "mount",
            Use::Mounted => "in a mount",
            Use::Check => "check",
        }
    }

    /// Whether an attack must be told here, and not merely do no harm.
    fn must_tell(self, attack: &Attack) -> bool {
        attack.tells.contains(match self {
            Use::Mount => &Op::Mount,
            Use::Mounted => &Op::List,
            Use::Check => &Op::Check,
        })
    }
}

/// A device of its own.
struct Machine {
    dir: tempfile::TempDir,
    wallet: String,
}

/// What was seen.
#[derive(Default)]
struct Look {
    wrong: Vec<String>,
    /// Exit codes and what was said with them.
    exits: Vec<(i32, String)>,
    /// Errors of files, as tools say them.
    errors: Vec<String>,
}

impl Machine {
    fn new(scene: &Scene, wallet: &str, config: Config) -> Machine {
        let dir = tempfile::Builder::new().prefix("attacked-").tempdir();
        let machine = Machine {
            dir: dir.unwrap(),
            wallet: wallet.into(),
        };
        let places = Places::new(Some(&machine.path("c")), &|_| None, 0).unwrap();
        for dir in [&places.config, &places.state, &places.data] {
            private::make_dir(dir).unwrap();
        }
        save_key(&places, wallet, &scene.key()).unwrap();
        config.save(&places, wallet).unwrap();
        let seen = Seen::at(places.seen_file(wallet));
        seen.check_and_raise(&scene.seen).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("c/data").join(format!("{}.sqlite", self.wallet))
    }

    fn walletfs(&self, arguments: &[&str]) -> Output {
        let say = |password: &str| format!("printf '%s\\n' '{password}'");
        let output = Command::new("timeout")
            .args(["--kill-after=5", "100", "prlimit", MEMORY])
            .arg(env!("CARGO_BIN_EXE_walletfs"))
            .args(arguments)
            .args(["--wallet", &self.wallet, "--config-dir"])
            .arg(self.path("c"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
            .env("AWS_ACCESS_KEY_ID", "AKIAWALLETFSTEST")
            .env("AWS_SECRET_ACCESS_KEY", "not a secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .output();
        output.unwrap()
    }

    /// Runs a command, and notes its end unless it succeeded.
    fn run(&self, look: &mut Look, arguments: &[&str]) -> bool {
        let output = self.walletfs(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        match output.status.code() {
            Some(0) => return true,
            Some(code) if code < 100 => look.exits.push((code, said)),
            _ => look.wrong.push(format!("{:?}: {said}", output.status)),
        }
        false
    }

    fn mount(&self, look: &mut Look) -> bool {
        let w = self.path("w");
        let arguments = [
            "mount",
            "--timeout",
            "0",
            "--lifetime",
            "300",
            "--cache-ttl",
            "0",
        ];
        self.run(look, &[&arguments[..], &[w.to_str().unwrap()]].concat())
    }

    fn unmount(&self) {
        let w = self.path("w");
        let output = self.walletfs(&["unmount", "--discard", w.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }

    /// Reads every file, and gives nothing that is not true.
    fn read(&self, look: &mut Look, truth: &Truth) {
        let domain = self.path("w/d");
        let Some(names) = tool(look, "ls", &[&domain], b"") else {
            return;
        };
        let names: Vec<&str> = names.lines().collect();
        for name in &names {
            let file = domain.join(name).join("pwd");
            let Some(value) = tool(look, "cat", &[&file], b"") else {
                continue;
            };
            let of = truth.get(&format!("d/{name}"));
            if !of.is_some_and(|values| values.contains(&value)) {
                look.wrong.push(format!("d/{name} shows {value:?}"));
            }
        }
        if names.len() < truth.len() && !self.log().contains("integrity fault") {
            look.wrong
                .push("less than the truth, and nobody is told".into());
        }
    }

    /// Writes to the third secret, and waits until that is stored.
    fn write(&self, look: &mut Look, truth: &mut Truth) {
        let mut to = std::ffi::OsString::from("of=");
        to.push(self.path("w/d/third/pwd"));
        let arguments = [
            Path::new(&to),
            "conv=fsync".as_ref(),
            "status=none".as_ref(),
        ];
        let written = tool(look, "dd", &arguments, b"written");
        let values = truth.get_mut("d/third").unwrap();
        values.insert("written".into());
        if written.is_some() {
            values.retain(|value| value == "written");
        }
    }

    fn log(&self) -> String {
        let log = self.path("c/state").join(format!("{}.log", self.wallet));
        fs::read_to_string(log).unwrap_or_default()
    }
}

/// Runs a tool on files, and gives what it says.
fn tool(look: &mut Look, name: &str, arguments: &[&Path], input: &[u8]) -> Option<String> {
    use std::io::Write;
    let mut child = Command::new("timeout")
        .args(["--kill-after=5", "60", name])
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    look.errors.push(said);
    None
}

/// Plays one attack on the program.
pub(crate) async fn play(
    scene: Arc<Scene>,
    table: Arc<Table>,
    number: usize,
    attack: Attack,
    how: Use,
) -> Cell {
    let wallet = format!("mount-{number}");
    let lies = Arc::new(AtomicBool::new(false));
    let stored = !matches!(attack.how, How::Answers(_));
    let (machine, place, proxy) = match &attack.how {
        How::Answers(lie) => {
            let place = Place::Table {
                table: table.clone(),
                wallet: wallet.clone(),
            };
            let (now, lie) = (scene.now.clone(), lie(&scene));
            let proxy = wire::before(table.url(), &wallet, now, lie, lies.clone()).await;
            let config = Config {
                table: Some(table.options.table.clone()),
                region: Some("eu-central-1".into()),
                endpoint_url: Some(proxy.url().into()),
                ..Config::new(StoreKind::Dynamodb)
            };
            (Machine::new(&scene, &wallet, config), place, Some(proxy))
        }
        _ => {
            let machine = Machine::new(&scene, &wallet, Config::new(StoreKind::Local));
            let place = Place::Sqlite {
                file: machine.store(),
                wallet: wallet.clone(),
            };
            let empty = walletfs::store::SqliteStore::open(machine.store(), &wallet);
            empty.create().await.unwrap();
            (machine, place, None)
        }
    };
    place.write(&Items::new(), &scene.now).await;
    let mut truth = scene.truth();
    if attack.name == "two secrets of one name" {
        scene.both_names(&mut truth);
    }

    let began = Instant::now();
    // Where it may take its time: the proxy runs beside it.
    let mounted = tokio::task::spawn_blocking(move || {
        let mut look = Look::default();
        let open = how == Use::Mounted && machine.mount(&mut look);
        (machine, look, open)
    });
    let (machine, mut look, mut open) = mounted.await.unwrap();
    assert!(open || how != Use::Mounted, "it mounts: {:?}", look.exits);
    match &attack.how {
        How::Stored(change) => {
            let mut items = scene.now.clone();
            change(&scene, &mut items);
            place.write(&scene.now, &items).await;
        }
        How::Odd(oddity) => place.spoil(&scene.now[&scene.target], *oddity).await,
        How::Answers(_) => lies.store(true, Ordering::SeqCst),
    }
    let writes = stored || attack.tells.is_empty();
    let done = tokio::task::spawn_blocking(move || {
        match how {
            Use::Mount => {
                open = machine.mount(&mut look);
                if open {
                    machine.read(&mut look, &truth);
                }
            }
            Use::Mounted => {
                machine.read(&mut look, &truth);
                if writes {
                    machine.write(&mut look, &mut truth);
                    machine.read(&mut look, &truth);
                }
            }
            Use::Check => {
                machine.run(&mut look, &["check"]);
            }
        }
        if open {
            machine.unmount();
        }
        let log = machine.log();
        (look, log)
    });
    let (look, log) = done.await.unwrap();
    drop::<Option<HttpCount>>(proxy);
    Cell {
        outcome: outcome(&attack, how, &look, &log),
        wrong_values: look.wrong.len(),
        longest: began.elapsed(),
    }
}

fn outcome(attack: &Attack, how: Use, look: &Look, log: &str) -> Result<String, String> {
    if !look.wrong.is_empty() {
        return Err(look.wrong.join("; "));
    }
    let named = |text: &str| attack.says.iter().any(|said| text.contains(said));
    for (code, said) in &look.exits {
        let expected = u8::try_from(*code).is_ok_and(|code| attack.codes.contains(&code));
        if !expected || !named(said) {
            return Err(format!("exit {code}: {said}"));
        }
    }
    for error in &look.errors {
        let of_the_store = ["Input/output error", "Device or resource busy"];
        if !of_the_store.iter().any(|errno| error.contains(errno)) || !named(log) {
            return Err(format!("{error} (the log: {log})"));
        }
    }
    match (look.exits.first(), look.errors.first()) {
        (Some((code, _)), _) => Ok(format!("exit {code}")),
        (None, Some(error)) if error.contains("busy") => Ok("EBUSY".into()),
        (None, Some(_)) => Ok("EIO".into()),
        (None, None) if named(log) => Ok("told in the log".into()),
        (None, None) if how.must_tell(attack) => Err("nobody is told".into()),
        (None, None) => Ok("true".into()),
    }
}
