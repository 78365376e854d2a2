//! Throw-away wallets of the real program, mounted in directories of their own, and the programs
//! that play on them.
//!
//! Nothing outlives a test: a mount ends with its [`Mount`], also when the test fails, and a process
//! that hangs is ended after [`PATIENCE`], upon which every call on its mount fails. Only processes
//! of this module's own making are ended, by their ids. Of a test that fails the directory stays,
//! since nothing may be deleted through a mount.
//!
//! Shared by the test programs that mount. Each of them uses a part of it.
#![allow(dead_code)]

#[path = "programs.rs"]
mod programs;

pub(crate) use programs::*;

use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const DEVICE: &str = "Device 22!";
pub(crate) const MEMORABLE: &str = "Memorable 1!";

/// An AWS key that is nobody's.
pub(crate) const ACCESS_KEY: &str = "AKIAWALLETFSTEST";

/// Longer than any program or mount of these tests takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program. The run as another user names a copy, since that user may not reach the original.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("WALLETFS_TEST_PROGRAM")
        .map_or(env!("CARGO_BIN_EXE_walletfs").into(), PathBuf::from)
}

/// A command for the shell that says this.
pub(crate) fn say(password: &str) -> String {
    format!("printf '%s\\n' '{password}'")
}

/// A wallet of its own, with its configuration, in a directory of its own. Or one device of several
/// that share a wallet.
pub(crate) struct Wallet {
    dir: tempfile::TempDir,
    /// Instead of AWS keys in the environment, where the program reads them from.
    credentials: Option<PathBuf>,
}

impl Wallet {
    /// A new, empty wallet in a SQLite file. Made by `init` once for all tests, and copied: deriving
    /// its keys takes a while.
    pub(crate) fn new() -> Wallet {
        const FILES: [&str; 4] = [
            "default.json",
            "default.key",
            "state/default.seen",
            "data/default.sqlite",
        ];
        static MADE: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let wallet = Wallet::empty();
            wallet.init(&["--store", "local"]);
            FILES.map(|file| fs::read(wallet.config().join(file)).unwrap())
        });
        let wallet = Wallet::empty();
        for dir in ["state", "data"] {
            private(&wallet.config().join(dir), 0o700, |dir| fs::create_dir(dir));
        }
        for (file, content) in FILES.iter().zip(made) {
            let file = wallet.config().join(file);
            private(&file, 0o600, |file| fs::write(file, content));
        }
        let store = wallet.config().join("data/default.sqlite");
        wallet.configure("path", store.to_str());
        wallet
    }

    /// A new, empty wallet in a table of a DynamoDB engine.
    pub(crate) fn in_table(endpoint: &str, table: &str) -> Wallet {
        let wallet = Wallet::empty();
        let mut options = vec!["--store", "dynamodb", "--table", table];
        options.extend(["--endpoint-url", endpoint]);
        wallet.init(&options);
        wallet
    }

    /// A device that has joined a wallet which is there already: this configuration, this device
    /// key, and nothing seen yet. Its AWS key is in a file.
    pub(crate) fn joined(config: &Value, key: &[u8]) -> Wallet {
        let mut wallet = Wallet::empty();
        wallet.credentials = Some(wallet.path().join("credentials"));
        wallet.renew(ACCESS_KEY);
        for (file, content) in [
            ("default.json", config.to_string().as_bytes()),
            ("default.key", key),
        ] {
            let file = wallet.config().join(file);
            private(&file, 0o600, |file| fs::write(file, content));
        }
        wallet
    }

    /// Changes the AWS key that the program reads from a file, as somebody does who renews it.
    pub(crate) fn renew(&self, key: &str) {
        let file = self.credentials.as_ref().expect("it has joined");
        let text =
            format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = not a secret\n");
        fs::write(file, text).unwrap();
    }

    fn empty() -> Wallet {
        let dir = tempfile::Builder::new().prefix("walletfs-").tempdir();
        let wallet = Wallet {
            dir: dir.unwrap(),
            credentials: None,
        };
        private(&wallet.config(), 0o700, |dir| fs::create_dir(dir));
        wallet
    }

    fn init(&self, options: &[&str]) {
        let mut command = self.walletfs("init");
        // It may have notices of what an engine does not have.
        run(command.args(options)).success_with_notices();
    }

    /// A directory that every test may use, outside of any mount.
    pub(crate) fn path(&self) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap()
    }

    fn config(&self) -> PathBuf {
        self.path().join("config")
    }

    /// Changes a key of the configuration.
    pub(crate) fn configure(&self, key: &str, value: impl Into<Value>) {
        let file = self.config().join("default.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config[key] = value.into();
        fs::write(file, config.to_string()).unwrap();
    }

    /// The program with both passwords at hand, and no wallet of the tester's own in reach.
    pub(crate) fn walletfs(&self, command: &str) -> Command {
        let mut walletfs = tool(program());
        walletfs
            .arg("--config-dir")
            .arg(self.config())
            .arg(command)
            .env("HOME", self.path())
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        match &self.credentials {
            Some(file) => walletfs.env("AWS_SHARED_CREDENTIALS_FILE", file),
            None => walletfs
                .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", "not a secret"),
        };
        // A DynamoDB that the tester names may be AWS's.
        if std::env::var_os("WALLETFS_TEST_DYNAMODB_URL").is_some() {
            walletfs.envs(std::env::vars_os().filter(|(key, _)| {
                let key = key.to_string_lossy();
                key.starts_with("AWS_")
            }));
        }
        walletfs
    }

    /// Mounts on the directory `name`, in the background.
    pub(crate) fn mount(&self, name: &str, options: &[&str]) -> Mount<'_> {
        let mount = self.try_mount(name, options);
        mount.unwrap_or_else(|(code, said)| panic!("mount ended with {code}: {said}"))
    }

    /// As [`Wallet::mount`]; the exit code and what was said, if it fails.
    pub(crate) fn try_mount(
        &self,
        name: &str,
        options: &[&str],
    ) -> Result<Mount<'_>, (i32, String)> {
        let dir = self.path().join(name);
        let mut command = self.walletfs("mount");
        // Nothing that a test forgets stays for ever.
        command.args(["--timeout", "0", "--lifetime", "600"]);
        let said = run(command.args(options).arg(&dir));
        if !said.output.status.success() {
            return Err(said.failure());
        }
        let said = said.success();
        assert_eq!(said, "", "a mount to the background says nothing");
        Ok(Mount::of(self, dir))
    }

    /// Mounts with a domain `d` and a secret `a` in it, made if they are missing.
    pub(crate) fn mount_secret(&self) -> Mount<'_> {
        self.mount_secret_with(&[])
    }

    /// As [`Wallet::mount_secret`], with options of `mount`.
    pub(crate) fn mount_secret_with(&self, options: &[&str]) -> Mount<'_> {
        let mount = self.mount("w", options);
        fs::create_dir_all(mount.path("d/a")).unwrap();
        mount
    }

    /// What its mounts have written to the log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.config().join("state/default.log")).unwrap_or_default()
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        if thread::panicking() {
            self.dir.disable_cleanup(true);
            let path = self.path();
            eprintln!("left behind: {}; the log: {}", path.display(), self.log());
        } else {
            // Each `Mount` has seen to that.
            assert_eq!(
                mounts_below(&self.path()),
                [""; 0],
                "nothing is mounted any more"
            );
        }
    }
}

/// A wallet's mount, and the process behind it. Both end with this, at the latest.
pub(crate) struct Mount<'a> {
    wallet: &'a Wallet,
    dir: PathBuf,
    pid: u32,
    mounted: bool,
    /// Closed by the drop, upon which nobody waits for the process to hang any more.
    _watched: Sender<()>,
}

impl<'a> Mount<'a> {
    fn of(wallet: &'a Wallet, dir: PathBuf) -> Mount<'a> {
        let status = fs::read(dir.join(".walletfs/status")).unwrap();
        let status: Value = serde_json::from_slice(&status).unwrap();
        let pid = status["pid"].as_u64().unwrap().try_into().unwrap();
        let (watched, end) = channel();
        thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!("a mount lasts too long: ending its process {pid}");
                kill(pid);
            }
        });
        Mount {
            wallet,
            dir,
            pid,
            mounted: true,
            _watched: watched,
        }
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in the mount.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// What `/.walletfs/status` says.
    pub(crate) fn status(&self) -> Value {
        let status = fs::read(self.path(".walletfs/status")).unwrap();
        serde_json::from_slice(&status).unwrap()
    }

    /// The wallet's generation, as this mount knows it.
    pub(crate) fn generation(&self) -> u64 {
        self.status()["generation"].as_u64().unwrap()
    }

    /// What happens in `act`, and the number of commits that it takes. The kernel sends the release
    /// of a file after `close` has returned, so the last one is waited for.
    #[track_caller]
    pub(crate) fn commits<T>(&self, act: impl FnOnce() -> T) -> (T, u64) {
        let before = self.generation();
        let result = act();
        (result, self.settled() - before)
    }

    /// Waits until everything that was closed is stored, and gives the generation.
    #[track_caller]
    pub(crate) fn settled(&self) -> u64 {
        let mut status = Value::Null;
        wait_for("everything is stored", || {
            status = self.status();
            status["unsaved"] == json!(0)
        });
        assert_eq!(
            status["failed"],
            json!(0),
            "content that could not be stored"
        );
        status["generation"].as_u64().unwrap()
    }

    /// The process behind it.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the process at once, as SIGKILL does. The dead mount stays, for the next mount on the
    /// directory to clear.
    pub(crate) fn kill(mut self) {
        self.mounted = false;
        kill(self.pid);
        // Its last thread closes `/dev/fuse`, upon which the kernel answers by itself.
        wait_for("the mount is dead", || {
            fs::read_dir(&self.dir).is_err_and(|e| e.raw_os_error() == Some(libc::ENOTCONN))
        });
    }

    /// Asks for the unmount; the exit code and what was said, if it is refused.
    pub(crate) fn try_unmount(&mut self) -> Result<(), (i32, String)> {
        let said = run(self.wallet.walletfs("unmount").arg(&self.dir));
        if !said.output.status.success() {
            return Err(said.failure());
        }
        self.mounted = false;
        Ok(())
    }

    /// Runs a shell's script in the directory `d/a` of the mount, and gives what it says.
    #[track_caller]
    pub(crate) fn run(&self, shell: &str, script: &str) -> String {
        let mut command = tool(shell);
        let command = command.arg("-c").arg(script).current_dir(self.path("d/a"));
        run(command).success()
    }

    /// As [`Mount::run`], by bash.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.run("bash", script)
    }

    /// Runs a Python script in the directory `d/a` of the mount, and gives what it says.
    #[track_caller]
    pub(crate) fn python(&self, script: &str) -> String {
        run(python(script).current_dir(self.path("d/a"))).success()
    }

    /// Unmounts, once everything that was closed is stored.
    pub(crate) fn unmount(mut self) {
        self.settled();
        self.mounted = false;
        let mut command = self.wallet.walletfs("unmount");
        run(command.arg(&self.dir)).success();
    }

    /// Unmounts, mounts again on the same directory: what is there now was stored.
    pub(crate) fn again(self) -> Mount<'a> {
        let (wallet, dir) = (self.wallet, self.dir.clone());
        self.unmount();
        wallet.mount(dir.file_name().unwrap().to_str().unwrap(), &[])
    }

    /// Content of a file.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        let content = fs::read(self.path(path));
        let content = content.unwrap_or_else(|e| panic!("{path}: {e}"));
        String::from_utf8_lossy(&content).into_owned()
    }

    /// Writes a file whole, and waits until it is stored.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self.settled();
    }

    /// Names in a directory, sorted.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        names(&self.path(path))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if !self.mounted {
            return;
        }
        let mut unmount = self.wallet.walletfs("unmount");
        let said = run(unmount.arg("--discard").arg(&self.dir));
        if thread::panicking() {
            // Whatever became of that: the process ends, and nothing stays mounted.
            kill(self.pid);
            let lazily = ["--unmount", "--lazy", "--quiet"];
            for (program, options) in [("fusermount3", &lazily[..]), ("umount", &["-l"])] {
                let mut command = tool(program);
                let _ = command.args(options).arg(&self.dir).output();
            }
        } else {
            said.success();
        }
    }
}

/// Ends a process of these tests.
pub(crate) fn kill(pid: u32) {
    // It may have ended by itself.
    let _ = tool("kill").args(["-KILL", &pid.to_string()]).output();
}

/// Makes a file or directory that only its owner may enter.
fn private(path: &Path, mode: u32, make: impl FnOnce(&Path) -> io::Result<()>) {
    make(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// Paths below `dir` that something is mounted on. (None of ours has a character that the kernel's
/// table escapes.)
fn mounts_below(dir: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let paths = table.lines().filter_map(|line| line.split(' ').nth(4));
    paths
        .filter(|path| Path::new(path).starts_with(dir))
        .map(str::to_owned)
        .collect()
}

/// Waits until something holds, at most 20 s.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The error number of a call that fails.
#[track_caller]
pub(crate) fn errno<T>(result: io::Result<T>) -> i32 {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(e) => e.raw_os_error().unwrap_or_else(|| panic!("{e}")),
    }
}

/// Whether the tests run as root.
pub(crate) fn root() -> bool {
    walletfs::session::sys::euid() == 0
}
