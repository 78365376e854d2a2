//! The real program, as a person with a device of their own runs it.
use assert_cmd::Command;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use walletfs::cli::config::{self, Config, StoreKind};
use walletfs::cli::paths::Places;
use walletfs::crypto::{KdfParams, SecretBytes};
use walletfs::session::private;
use walletfs::store::{SqliteStore, Store};
use walletfs::wallet::{Options, Seen, Wallet};

pub(crate) const MEMORABLE: &str = "Memorable 1!";
pub(crate) const DEVICE: &str = "Device 22!";
pub(crate) const WRONG_PASSWORD: &str = "walletfs: wrong memorable password, or this device's key is not this wallet's: try again; if \
     the device password was changed elsewhere, `walletfs init --rejoin`\n";

/// A machine's part of walletfs: a directory with the configuration in `c`. It stays on the disk
/// when the test fails, since something may still be mounted below it.
pub(crate) struct Machine {
    dir: PathBuf,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        let dir = tempfile::Builder::new()
            .prefix("walletfs-")
            .tempdir()
            .unwrap();
        Machine {
            dir: fs::canonicalize(dir.keep()).unwrap(),
        }
    }

    /// One on which the wallet `default` is made already, in a SQLite file.
    pub(crate) fn with_wallet() -> Machine {
        let machine = Machine::new();
        machine.init().assert().success();
        machine
    }

    /// As [`Machine::with_wallet`], but with keys that are derived as cheaply as the format allows,
    /// for tests that mount often.
    pub(crate) fn with_quick_wallet() -> Machine {
        let machine = Machine::new();
        let places = Places::new(Some(&machine.path("c")), &|_| None, 0).unwrap();
        for dir in [&places.config, &places.state, &places.data] {
            private::make_dir(dir).unwrap();
        }
        let secret = |text: &str| SecretBytes::new(text.into());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Arc::new(SqliteStore::open(places.data_file("default"), "default"));
        let key = runtime.block_on(async {
            store.create().await.unwrap();
            let seen = Seen::at(places.seen_file("default"));
            let (device, memorable) = (secret(DEVICE), secret(MEMORABLE));
            let (kdf, options) = (KdfParams::LEAST, Options::default());
            let made = Wallet::create(store, seen, &device, &memorable, kdf, options).await;
            made.unwrap().1
        });
        config::save_key(&places, "default", &key).unwrap();
        Config::new(StoreKind::Local)
            .save(&places, "default")
            .unwrap();
        machine
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// The program with no environment but what it needs, so that the tester's own wallets stay
    /// out of it.
    pub(crate) fn walletfs<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::cargo_bin("walletfs").unwrap();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("WALLETFS_CONFIG_DIR", self.path("c"))
            .timeout(Duration::from_secs(60))
            .args(args);
        command
    }

    /// As [`Machine::walletfs`], with both right passwords at hand.
    pub(crate) fn with_passwords<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.walletfs(args);
        command
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE));
        command
    }

    pub(crate) fn init(&self) -> Command {
        self.with_passwords(["init", "--store", "local"])
    }

    /// Mounts on `w` and gives its path.
    pub(crate) fn mount(&self, more: &[&str]) -> PathBuf {
        let dir = self.path("w");
        let mut command = self.with_passwords(["mount", "--timeout", "0", "--lifetime", "0"]);
        command
            .args(more)
            .arg(&dir)
            .assert()
            .success()
            .stdout("")
            .stderr("");
        dir
    }

    /// What the background process wrote to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("c/state/default.log")).unwrap_or_default()
    }

    /// The status of the mount on `dir`, as JSON.
    pub(crate) fn status(&self, dir: &Path) -> serde_json::Value {
        let mut command = self.walletfs(["status", "--json"]);
        let output = command.arg(dir).assert().success().get_output().clone();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The process behind the mount on `dir`.
    pub(crate) fn pid(&self, dir: &Path) -> u32 {
        self.status(dir)["pid"]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = &self.dir;
            eprintln!(
                "left behind: {}; the log says: {}",
                path.display(),
                self.log()
            );
            // Nothing may stay mounted, but nothing is deleted through a mount.
            for mount in mounted_below(path) {
                let _ = Command::new("umount").arg("-l").arg(mount).ok();
            }
        } else {
            assert_eq!(mounted_below(&self.dir), [""; 0], "left mounted");
            // Directories of mode 0500 are no obstacle to root; make them none to others.
            let _ = Command::new("chmod")
                .args(["-R", "u+w"])
                .arg(&self.dir)
                .ok();
            fs::remove_dir_all(&self.dir).unwrap();
        }
    }
}

/// The store does not answer while this lives: somebody else has the database for himself.
pub(crate) struct Stuck(rusqlite::Connection);

impl Stuck {
    pub(crate) fn new(machine: &Machine) -> Stuck {
        let store = rusqlite::Connection::open(machine.path("c/data/default.sqlite")).unwrap();
        store.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Stuck(store)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// A command for the shell that says this.
pub(crate) fn say(password: &str) -> String {
    format!("printf '%s\\n' '{password}'")
}

/// Paths mounted below `dir`, from the kernel's table (none of ours has a character that is
/// escaped there).
pub(crate) fn mounted_below(dir: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let paths = table.lines().filter_map(|line| line.split(' ').nth(4));
    paths
        .filter(|path| Path::new(path).starts_with(dir))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Waits until something holds, at most 15 s.
#[track_caller]
pub(crate) fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process runs; a zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit_once(')').unwrap().1.starts_with(" Z"),
        Err(_) => false,
    }
}

/// Sends a signal, as kill(1) names it.
pub(crate) fn signal(pid: u32, name: &str) {
    let signal = format!("-{name}");
    Command::new("kill")
        .args([&signal, &pid.to_string()])
        .assert()
        .success();
}

/// Whether this program has begun and sleeps, as it does for long only while it waits for a mount or
/// its process (or, as D, for another program that does).
pub(crate) fn sleeps(pid: u32, name: &str) -> bool {
    (0..5).all(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let state = status.lines().find_map(|l| l.strip_prefix("State:\t"));
        status.starts_with(&format!("Name:\t{name}\n"))
            && state.is_some_and(|state| state.starts_with(['S', 'D']))
    })
}
