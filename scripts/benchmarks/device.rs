//! Wallets of the real program in directories of their own: made by `walletfs init` and
//! `walletfs import`, copied for each workload that changes them.

use crate::Trouble;
use crate::engine::Engine;
use crate::mounts::Mounted;
use crate::tree::Shape;
use crate::usage::{Ended, Program};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use walletfs::crypto::{DeviceKey, SecretBytes};
use walletfs::store::{SqliteStore, Store};
use walletfs::wallet::{Options, Seen, Wallet};

/// Our program, as it was built with this benchmark.
pub(crate) const WALLETFS: &str = env!("CARGO_BIN_EXE_walletfs");

/// Both passwords of every wallet here: they keep nothing secret.
pub(crate) const PASSWORD: &str = "Benchmark#1";

/// A device that has a wallet: its configuration, its key, and, if it is a local one, its items.
pub(crate) struct Device {
    dir: TempDir,
}

impl Device {
    /// A new wallet without secrets, in a SQLite file.
    pub(crate) fn new() -> Result<Device, Trouble> {
        let device = Device { dir: temp()? };
        fs::write(device.password_file(), format!("{PASSWORD}\n"))?;
        let device_password = format!("cat '{}'", device.password_file().display());
        let mut init = device.walletfs("init")?;
        init.args(["--store", "local", "--memorable-password-fd", "0"]);
        init.args(["--device-password-command", &device_password]);
        init.run()?;
        device.configure(&json!({
            "store": "local",
            "path": device.config().join("data/default.sqlite"),
        }))?;
        Ok(device)
    }

    /// A copy of it and of its wallet, which then go ways of their own.
    pub(crate) fn copy(&self) -> Result<Device, Trouble> {
        let copy = Device { dir: temp()? };
        let mut cp = Command::new("cp");
        cp.arg("-a").arg(self.dir.path().join("."));
        if !cp.arg(copy.dir.path()).status()?.success() {
            return Err("cp failed".into());
        }
        if copy.settings()?["store"] == "local" {
            copy.configure(&json!({ "path": copy.config().join("data/default.sqlite") }))?;
        }
        Ok(copy)
    }

    /// A device whose wallet is in a table of this engine, with the same items.
    pub(crate) fn in_table(&self, engine: &Engine) -> Result<Device, Trouble> {
        let copy = self.copy()?;
        let table = engine.table();
        engine.fill(&table, self.store())?;
        fs::remove_file(copy.config().join("data/default.sqlite"))?;
        copy.configure(&json!({
            "store": "dynamodb",
            "path": null,
            "table": table,
            "endpoint-url": engine.url(),
            "region": "us-east-1",
        }))?;
        Ok(copy)
    }

    /// From now on it reaches its table by this endpoint.
    pub(crate) fn through(&self, url: &str) -> Result<(), Trouble> {
        self.configure(&json!({ "endpoint-url": url }))
    }

    /// Imports `count` secrets of this shape.
    pub(crate) fn import(&self, shape: Shape, count: usize) -> Result<Ended, Trouble> {
        let file = self.dir.path().join("secrets.csv");
        fs::write(&file, shape.csv(count))?;
        let mut import = self.walletfs("import")?;
        import.args(["--memorable-password-fd", "0", "--from", "csv"]);
        import.arg(&file);
        let ended = import.run()?;
        fs::remove_file(&file)?;
        Ok(ended)
    }

    /// Mounts it, with the settings that it has unless `options` say otherwise. Nothing stays
    /// mounted for longer than an hour, whatever becomes of the benchmark.
    pub(crate) fn mount(&self, options: &[&str]) -> Result<Mounted, Trouble> {
        Ok(self.timed_mount(options)?.0)
    }

    /// The same, and what the command took until the mount was ready.
    pub(crate) fn timed_mount(&self, options: &[&str]) -> Result<(Mounted, Ended), Trouble> {
        let temp = temp()?;
        let dir = temp.path().join("mount");
        let mut mount = self.walletfs("mount")?;
        mount.args(["--memorable-password-fd", "0"]);
        mount.args(["--timeout", "0", "--lifetime", "3600"]);
        mount.args(options).arg(&dir);
        let ended = mount.run()?;
        Ok((Mounted::ours(temp, dir)?, ended))
    }

    /// The program, with the password on its standard input and no wallet of anybody else in reach.
    pub(crate) fn walletfs(&self, command: &str) -> Result<Program, Trouble> {
        let mut walletfs = Program::new(WALLETFS)?;
        walletfs
            .arg("--config-dir")
            .arg(self.config())
            .arg(command)
            .env_clear()
            .env("PATH", crate::PATH)
            .env("HOME", self.dir.path())
            .envs(crate::engine::KEYS)
            .stdin(File::open(self.password_file())?);
        Ok(walletfs)
    }

    /// The wallet, opened by the library within this process.
    pub(crate) async fn unlock(
        &self,
        store: Arc<dyn Store>,
        options: Options,
    ) -> Result<Arc<Wallet>, Trouble> {
        let seen = Seen::at(self.config().join("state/default.seen"));
        let memorable = SecretBytes::new(PASSWORD.as_bytes().to_vec());
        Ok(Wallet::unlock(store, seen, &self.key()?, &memorable, options).await?)
    }

    pub(crate) fn key(&self) -> Result<DeviceKey, Trouble> {
        let key = fs::read(self.config().join("default.key"))?;
        let key: [u8; 32] = key.try_into().map_err(|_| "a device key of another size")?;
        Ok(DeviceKey::from_bytes(key))
    }

    /// The items of a local wallet.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.sqlite(), "default"))
    }

    pub(crate) fn sqlite(&self) -> PathBuf {
        self.config().join("data/default.sqlite")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The value of a key of the configuration.
    pub(crate) fn setting(&self, key: &str) -> Result<String, Trouble> {
        let settings = self.settings()?;
        Ok(settings[key].as_str().ok_or("no such setting")?.to_owned())
    }

    fn password_file(&self) -> PathBuf {
        self.dir.path().join("password")
    }

    fn settings(&self) -> Result<Value, Trouble> {
        let text = fs::read(self.config().join("default.json"))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Changes keys of the configuration; `null` takes one out.
    fn configure(&self, changes: &Value) -> Result<(), Trouble> {
        let mut settings = self.settings()?;
        for (key, value) in changes.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        if let Some(settings) = settings.as_object_mut() {
            settings.retain(|_, value| !value.is_null());
        }
        fs::write(self.config().join("default.json"), settings.to_string())?;
        Ok(())
    }
}

/// A directory of our own, on the disk.
pub(crate) fn temp() -> Result<TempDir, Trouble> {
    let dir = tempfile::Builder::new().prefix("walletfs-bench-").tempdir();
    Ok(dir?)
}

/// Bytes of a file.
pub(crate) fn size(path: &Path) -> Result<u64, Trouble> {
    Ok(fs::metadata(path)?.len())
}
