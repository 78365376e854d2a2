//! The mounts that workloads measure, each in a process of its own, ended when dropped.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Our program, as it was built with this benchmark.
const WALLETFS: &str = env!("CARGO_BIN_EXE_walletfs");

const PASSWORD: &str = "Benchmark#1";

/// A mounted filesystem.
pub(crate) struct Mounted {
    dir: PathBuf,
    server: Option<Child>,
    _temp: TempDir,
}

/// Owner and group of a directory.
pub(crate) fn owner_of(dir: &Path) -> std::io::Result<(u32, u32)> {
    let metadata = fs::metadata(dir)?;
    Ok((metadata.uid(), metadata.gid()))
}

impl Mounted {
    /// The floor, served by this very program.
    pub(crate) fn floor() -> Result<Mounted, Box<dyn Error>> {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("mount");
        fs::create_dir(&dir)?;
        let mut server = Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg(&dir)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = server.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        if line != "ready\n" {
            return Err("the floor did not start".into());
        }
        Ok(Mounted {
            dir,
            server: Some(server),
            _temp: temp,
        })
    }

    /// A new wallet in a SQLite file, mounted by the real program with its usual settings.
    pub(crate) fn walletfs() -> Result<Mounted, Box<dyn Error>> {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("mount");
        let config = temp.path().join("config");
        let run = |arguments: &[&str]| -> Result<(), Box<dyn Error>> {
            let status = Command::new(WALLETFS)
                .arg("--config-dir")
                .arg(&config)
                .args(arguments)
                .args([
                    "--memorable-password-command",
                    &format!("echo '{PASSWORD}'"),
                ])
                .stdout(Stdio::null())
                .status()?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("walletfs {arguments:?} failed").into())
            }
        };
        let device = format!("echo '{PASSWORD}'");
        run(&[
            "init",
            "--store",
            "local",
            "--device-password-command",
            &device,
        ])?;
        let mount = dir
            .to_str()
            .ok_or("a temporary directory that is not UTF-8")?;
        run(&["mount", mount, "--timeout", "0", "--lifetime", "0"])?;
        Ok(Mounted {
            dir,
            server: None,
            _temp: temp,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let umount = Command::new("umount").arg(&self.dir).status();
        if !umount.is_ok_and(|status| status.success()) {
            let _ = Command::new("fusermount3")
                .arg("-u")
                .arg(&self.dir)
                .status();
        }
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
