//! Two real mounts of one wallet against the model of `tests/support/model`: fewer steps than the
//! logic by itself takes (`tests/fs/modelled.rs`), through the kernel and its caches.
//!
//! `WALLETFS_TEST_CASES=100` plays a hundred times as many cases.

use super::harness::*;
use super::model::{Case, How, Outcome, Subject, cases, play, times};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

/// Short, so that what one mount stores is soon seen by the other.
const TTL: [&str; 2] = ["--cache-ttl", "0.05"];

/// A mount. `Option`, so that it can end before it is mounted again.
struct Mounted<'a> {
    mount: Option<Mount<'a>>,
    wallet: &'a Wallet,
    name: &'static str,
}

struct Open {
    file: File,
    appends: bool,
}

fn outcome<T>(result: io::Result<T>) -> Outcome<T> {
    result.map_err(|e| {
        let known = [
            (libc::EBADF, "EBADF"),
            (libc::EEXIST, "EEXIST"),
            (libc::EFBIG, "EFBIG"),
            (libc::EINVAL, "EINVAL"),
            (libc::ENOENT, "ENOENT"),
            (libc::ENOTEMPTY, "ENOTEMPTY"),
            (libc::ESTALE, "ESTALE"),
        ];
        let found = known
            .iter()
            .find(|(number, _)| e.raw_os_error() == Some(*number));
        found.map_or(e.to_string(), |(_, name)| (*name).to_owned())
    })
}

impl<'a> Mounted<'a> {
    fn on(wallet: &'a Wallet, name: &'static str) -> Mounted<'a> {
        let mount = Some(wallet.mount(name, &TTL));
        Mounted {
            mount,
            wallet,
            name,
        }
    }

    fn path(&self, path: &[&str]) -> PathBuf {
        self.wallet.path().join(self.name).join(path.join("/"))
    }
}

impl Subject for Mounted<'_> {
    type Open = Open;
    const RAW: bool = false;
    const SYNCS: bool = true;

    fn mkdir(&mut self, path: &[&str]) -> Outcome<()> {
        outcome(fs::create_dir(self.path(path)))
    }

    fn rmdir(&mut self, path: &[&str]) -> Outcome<()> {
        outcome(fs::remove_dir(self.path(path)))
    }

    fn unlink(&mut self, path: &[&str]) -> Outcome<()> {
        outcome(fs::remove_file(self.path(path)))
    }

    fn rename(&mut self, from: &[&str], to: &[&str], _no_replace: bool) -> Outcome<()> {
        outcome(fs::rename(self.path(from), self.path(to)))
    }

    fn truncate_path(&mut self, path: &[&str], len: u64) -> Outcome<()> {
        // truncate(2) without a descriptor, which the standard library has no name for.
        let mut truncate = tool("python3");
        let script = "import os, sys; os.truncate(sys.argv[1], int(sys.argv[2]))";
        truncate.args(["-c", script]).arg(self.path(path));
        run(truncate.arg(len.to_string())).success();
        Ok(())
    }

    fn open(&mut self, path: &[&str], how: How) -> Outcome<Open> {
        let mut options = OpenOptions::new();
        match how {
            How::Read => options.read(true),
            How::Write => options.read(true).write(true),
            How::Truncate => options.read(true).write(true).create(true).truncate(true),
            How::Create => options.read(true).write(true).create(true).truncate(false),
            How::Append => options.read(true).append(true).create(true),
            How::Exclusive => options.read(true).write(true).create_new(true),
        };
        let file = outcome(options.open(self.path(path)))?;
        Ok(Open {
            file,
            appends: how == How::Append,
        })
    }

    fn write(&mut self, open: &Open, offset: u64, data: &[u8]) -> Outcome<()> {
        outcome(match open.appends {
            true => (&open.file).write_all(data),
            false => open.file.write_all_at(data, offset),
        })
    }

    fn truncate(&mut self, open: &Open, len: u64) -> Outcome<()> {
        outcome(open.file.set_len(len))
    }

    fn read(&mut self, open: &Open, offset: u64, len: usize) -> Outcome<Vec<u8>> {
        let mut content = vec![0; len];
        let read = outcome(open.file.read_at(&mut content, offset))?;
        content.truncate(read);
        Ok(content)
    }

    fn size(&mut self, open: &Open) -> Outcome<u64> {
        outcome(open.file.metadata().map(|there| there.len()))
    }

    fn fsync(&mut self, open: &Open) -> Outcome<()> {
        outcome(open.file.sync_all())
    }

    fn close(&mut self, open: Open) -> Outcome<()> {
        outcome(open.file.sync_all())
    }

    fn list(
        &mut self,
        path: &[&str],
        _page: usize,
        unlink: Option<&[&str]>,
    ) -> Outcome<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = outcome(entry)?.file_name();
            Ok(name.into_string().expect("names are UTF-8"))
        };
        let mut entries = outcome(fs::read_dir(self.path(path)))?;
        let mut names: Vec<_> = entries
            .next()
            .map(name)
            .into_iter()
            .collect::<Outcome<_>>()?;
        if let Some(unlink) = unlink {
            self.unlink(unlink)?;
        }
        for entry in entries {
            names.push(name(entry)?);
        }
        Ok(names)
    }

    fn tree(&mut self) -> BTreeMap<String, Option<Vec<u8>>> {
        let root = self.path(&[]);
        let mut tree = BTreeMap::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let shown = path.strip_prefix(&root).unwrap().to_str().unwrap();
                if path.is_dir() {
                    tree.insert(shown.to_owned(), None);
                    dirs.push(path);
                } else {
                    tree.insert(shown.to_owned(), Some(fs::read(&path).unwrap()));
                }
            }
        }
        tree
    }

    fn learn(&mut self) {
        sleep(Duration::from_millis(60));
    }

    fn remount(&mut self) {
        self.mount.take().expect("it is mounted").unmount();
        self.mount = Some(self.wallet.mount(self.name, &TTL));
    }
}

fn play_mounted(case: &Case) {
    let wallet = Wallet::new();
    let mut mount = Mounted::on(&wallet, "w");
    let mut other = Mounted::on(&wallet, "other");
    play(case, &mut mount, &mut other);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: times(4),
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..ProptestConfig::default()
    })]

    /// What a mount and another one show, after each step.
    #[test]
    fn a_mount_is_like_the_model(case in cases(80)) {
        play_mounted(&case);
    }
}
