//! The filesystem's logic over the memory store, against the model of `tests/support/model`.
//!
//! `WALLETFS_TEST_CASES=100` plays a hundred times as many cases, each time other ones. A case that
//! fails is shrunk and printed as a test; it is then kept at the end of this file.
//!
//! That the model finds faults is tried by putting them in. Each of these changes of the code makes
//! `a_filesystem_is_like_the_model` fail, and was seen to:
//!
//! - A rename that forgets the replaced file: in `src/fs/rename.rs`, `rename_file`, take out the loop
//!   that calls `cut_off` for what was replaced. An open handle of it is then stored over the new file.
//! - A truncate that keeps the tail: in `src/fs/buffer.rs`, `resize`, return at once if `len` is less
//!   than the length there is.
//! - A listing that repeats an entry: in `src/fs/listing.rs`, `readdir`, hand out `next` counted from
//!   `offset` instead of `offset + 1`. Any page after the first then begins with the last entry again.

use super::harness::*;
use super::model::step::Step::{self, *};
use super::model::{Case, How, Outcome, Subject, cases, play, times};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Runtime;
use walletfs::fs::{DirEntry, Fh, FsResult, Ino, Kind, OpenHow, SetAttr};

/// A device, and the runtime that its calls run on.
struct Logic {
    device: Device,
    runtime: Arc<Runtime>,
}

struct Open {
    fh: Fh,
    ino: Ino,
    how: How,
}

fn outcome<T>(result: FsResult<T>) -> Outcome<T> {
    result.map_err(|e| format!("{:?}", e.errno))
}

impl Logic {
    fn run<T>(&self, call: impl Future<Output = FsResult<T>>) -> Outcome<T> {
        outcome(self.runtime.block_on(call))
    }

    fn ino(&self, path: &[&str]) -> Outcome<Ino> {
        let mut ino = Ino::ROOT;
        for name in path {
            let found = self.run(self.device.fs.lookup(ino, name.as_bytes(), SHELL))?;
            ino = found.attr.ino;
        }
        Ok(ino)
    }

    fn parent<'a>(&self, path: &[&'a str]) -> Outcome<(Ino, &'a [u8])> {
        let (name, dir) = path.split_last().expect("the root has no name");
        Ok((self.ino(dir)?, name.as_bytes()))
    }

    fn page(&self, fh: Fh, offset: &mut u64, page: usize, names: &mut Vec<String>) -> bool {
        let (before, mut room) = (*offset, page);
        let mut add = |entry: &DirEntry<'_>| {
            if room == 0 {
                return false;
            }
            room -= 1;
            *offset = entry.next;
            names.push(entry.name.to_owned());
            true
        };
        self.run(self.device.fs.readdir(fh, before, false, &mut add))
            .unwrap();
        *offset > before
    }

    fn walk(&mut self, path: &[&str], tree: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for name in self.list(path, 100, None).unwrap() {
            let mut below = path.to_vec();
            below.push(&name);
            let shown = below.join("/");
            let attr = self.run(self.device.fs.getattr(self.ino(&below).unwrap(), SHELL));
            if attr.unwrap().attr.kind == Kind::Directory {
                tree.insert(shown, None);
                self.walk(&below, tree);
            } else {
                let open = self.open(&below, How::Read).unwrap();
                tree.insert(shown, Some(self.read(&open, 0, 1000).unwrap()));
                self.close(open).unwrap();
            }
        }
    }
}

impl Subject for Logic {
    type Open = Open;
    const RAW: bool = true;
    const SYNCS: bool = false;

    fn mkdir(&mut self, path: &[&str]) -> Outcome<()> {
        let (dir, name) = self.parent(path)?;
        self.run(self.device.fs.mkdir(dir, name)).map(drop)
    }

    fn rmdir(&mut self, path: &[&str]) -> Outcome<()> {
        let (dir, name) = self.parent(path)?;
        self.run(self.device.fs.rmdir(dir, name))
    }

    fn unlink(&mut self, path: &[&str]) -> Outcome<()> {
        let (dir, name) = self.parent(path)?;
        self.run(self.device.fs.unlink(dir, name))
    }

    fn rename(&mut self, from: &[&str], to: &[&str], no_replace: bool) -> Outcome<()> {
        let ((dir, name), (to_dir, to_name)) = (self.parent(from)?, self.parent(to)?);
        let fs = &self.device.fs;
        self.run(fs.rename(dir, name, to_dir, to_name, no_replace))
    }

    fn truncate_path(&mut self, path: &[&str], len: u64) -> Outcome<()> {
        let set = SetAttr {
            size: Some(len),
            ..SetAttr::default()
        };
        let ino = self.ino(path)?;
        self.run(self.device.fs.setattr(ino, set, None, SHELL))
            .map(drop)
    }

    fn open(&mut self, path: &[&str], how: How) -> Outcome<Open> {
        let (dir, name) = self.parent(path)?;
        let open = OpenHow {
            write: how.writes(),
            append: how == How::Append,
            truncate: how == How::Truncate,
            exclusive: how == How::Exclusive,
        };
        let fs = &self.device.fs;
        // As the kernel does it: a lookup, then open or create.
        match self.run(fs.lookup(dir, name, SHELL)) {
            Ok(_) if how == How::Exclusive => Err("EEXIST".into()),
            Ok(found) => {
                let ino = found.attr.ino;
                let fh = self.run(fs.open(ino, open, SHELL))?.fh;
                Ok(Open { fh, ino, how })
            }
            Err(errno) if errno == "ENOENT" && how.creates() => {
                let created = self.run(fs.create(dir, name, 0o600, open, SHELL))?;
                let (ino, fh) = (created.0.attr.ino, created.1.fh);
                Ok(Open { fh, ino, how })
            }
            Err(errno) => Err(errno),
        }
    }

    fn write(&mut self, open: &Open, offset: u64, data: &[u8]) -> Outcome<()> {
        outcome(self.device.write(open.fh, offset, data)).map(drop)
    }

    fn truncate(&mut self, open: &Open, len: u64) -> Outcome<()> {
        let set = SetAttr {
            size: Some(len),
            ..SetAttr::default()
        };
        if !open.how.writes() {
            // The kernel's own answer to ftruncate(2) of a reader.
            return Err("EINVAL".into());
        }
        let fs = &self.device.fs;
        self.run(fs.setattr(open.ino, set, Some(open.fh), SHELL))
            .map(drop)
    }

    fn read(&mut self, open: &Open, offset: u64, len: usize) -> Outcome<Vec<u8>> {
        let slice = outcome(self.device.fs.read(open.fh, offset, len, false))?;
        Ok(slice.bytes().to_vec())
    }

    fn size(&mut self, open: &Open) -> Outcome<u64> {
        Ok(self.read(open, 0, 1 << 20)?.len() as u64)
    }

    fn fsync(&mut self, open: &Open) -> Outcome<()> {
        self.run(self.device.fs.fsync(open.fh))
    }

    fn close(&mut self, open: Open) -> Outcome<()> {
        self.run(self.device.close(open.fh))
    }

    fn list(
        &mut self,
        path: &[&str],
        page: usize,
        unlink: Option<&[&str]>,
    ) -> Outcome<Vec<String>> {
        let ino = self.ino(path)?;
        let fh = outcome(self.device.fs.opendir(ino))?;
        let (mut offset, mut names) = (0, Vec::new());
        let mut more = self.page(fh, &mut offset, page, &mut names);
        if let Some(unlink) = unlink {
            self.unlink(unlink)?;
        }
        while more {
            more = self.page(fh, &mut offset, page, &mut names);
        }
        self.device.fs.releasedir(fh);
        assert_eq!(names[..2], [".", ".."]);
        Ok(names.split_off(2))
    }

    fn tree(&mut self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        self.walk(&[], &mut tree);
        tree
    }

    fn learn(&mut self) {
        self.device.age();
    }

    fn remount(&mut self) {
        let left = self.runtime.block_on(self.device.fs.store_unsaved());
        assert_eq!(left, 0, "everything is stored at the end");
        self.device = self.runtime.block_on(self.device.second());
    }
}

fn run(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = Arc::new(runtime.unwrap());
    let device = runtime.block_on(Device::new());
    let second = runtime.block_on(device.second());
    let [mut mount, mut other] = [device, second].map(|device| Logic {
        device,
        runtime: runtime.clone(),
    });
    play(case, &mut mount, &mut other);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: times(220),
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    })]

    /// At least 10,000 steps.
    /// Proves semantics 3.2, 3.5, 5.1, 5.5, 5.6, 5.7, 5.9, 8.3, 8.5.
    #[test]
    fn a_filesystem_is_like_the_model(case in cases(120)) {
        run(&case);
    }
}

/// Plays a case that once failed.
fn keep(steps: &[Step]) {
    run(&Case(steps.to_vec()));
}

/// A write into a file whose secret another device has removed was refused with EFBIG.
#[test]
fn a_write_after_the_secret_is_gone() {
    keep(&[
        MakeDomain(0),
        MakeSecret(0, 0),
        Open(0, 11, How::Create),
        OtherRemoveSecret(0),
        Write(0, 0, 1),
        Close(0),
    ]);
}
