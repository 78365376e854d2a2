//! The operations of the matrix, and what must become of each under a fault.

use crate::mounts::{Companion, Mount, names};
use serde_json::Value;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Mount,
    WarmRead,
    ColdRead,
    Stat,
    List,
    OpenToWrite,
    Create,
    WriteClose,
    Rename,
    Unlink,
    Mkdir,
    Rmdir,
    Unmount,
}

use Operation::*;

impl Operation {
    pub(crate) const ALL: [Operation; 13] = [
        Mount,
        WarmRead,
        ColdRead,
        Stat,
        List,
        OpenToWrite,
        Create,
        WriteClose,
        Rename,
        Unlink,
        Mkdir,
        Rmdir,
        Unmount,
    ];

    /// Those that are tried at the same time in one mount, since none of them commits.
    pub(crate) const TOGETHER: [Operation; 5] = [WarmRead, Stat, List, OpenToWrite, Create];

    /// Those that are tried in a mount each: commits wait for one another.
    pub(crate) const ALONE: [Operation; 6] = [WriteClose, Rename, Unlink, Mkdir, Rmdir, Unmount];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mount => "mount",
            WarmRead => "warm read",
            ColdRead => "cold read",
            Stat => "stat",
            List => "list",
            OpenToWrite => "open to write",
            Create => "create",
            WriteClose => "write + close",
            Rename => "rename",
            Unlink => "unlink",
            Mkdir => "mkdir",
            Rmdir => "rmdir",
            Unmount => "unmount",
        }
    }
}

/// Where everything is: words that stand nowhere else, so that a log which names a secret is found
/// out.
pub(crate) const DOMAIN: &str = "heronbank";
pub(crate) const OLD: &str = "quagga";
pub(crate) const NEW: &str = "okapi";

/// What the wallet holds before.
pub(crate) fn files() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("heronbank/savings/token", OLD.as_bytes()),
        ("heronbank/savings/second", OLD.as_bytes()),
        ("heronbank/current/token", OLD.as_bytes()),
        ("heronbank/vacant/", b""),
    ]
}

/// How a call may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It does what it should.
    Works,
    /// It fails with this errno.
    Fails(i32),
    /// It fails with one of these: the fault looks like two.
    FailsAs([i32; 2]),
}

impl Expect {
    fn is(self, result: Result<(), i32>) -> bool {
        match (self, result) {
            (Expect::Works, Ok(())) => true,
            (Expect::Fails(expected), Err(errno)) => errno == expected,
            (Expect::FailsAs(expected), Err(errno)) => expected.contains(&errno),
            _ => false,
        }
    }
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) operation: Operation,
    /// The errno, if it failed.
    pub(crate) result: Result<(), i32>,
    pub(crate) took: Duration,
}

/// Where a call of the filesystem ends at the latest, whatever the store does: the look of the lookup
/// that comes before it and its own call of the store have 10 s each, and this machine some.
pub(crate) const BOUND: Duration = Duration::from_secs(25);

impl Outcome {
    /// What the table shows, if it is as expected.
    pub(crate) fn judge(&self, expect: Expect) -> Result<String, String> {
        let seconds = self.took.as_secs_f64();
        let shown = match self.result {
            Ok(()) => "works".to_owned(),
            // What was written is not stored, so the mount stays.
            Err(_) if self.operation == Unmount => "exit 13".to_owned(),
            Err(errno) => errno_name(errno),
        };
        let shown = format!("{shown} {seconds:.1} s");
        if !expect.is(self.result) {
            return Err(format!("{shown}, expected {expect:?}"));
        }
        if self.took > BOUND {
            return Err(format!("{shown}: too long"));
        }
        Ok(shown)
    }
}

pub(crate) fn errno_name(errno: i32) -> String {
    let known = [
        (libc::EACCES, "EACCES"),
        (libc::EBUSY, "EBUSY"),
        (libc::EIO, "EIO"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
    ];
    let found = known.iter().find(|(number, _)| *number == errno);
    found.map_or(format!("errno {errno}"), |(_, name)| (*name).to_owned())
}

/// A writer that has written before the fault and closes in it.
pub(crate) struct Writer(Companion);

impl Writer {
    pub(crate) fn begin(mount: &Mount<'_>) -> Writer {
        let script = format!(
            "
f = open('token', 'wb', 0); f.write(b'{NEW}'); print('written'); input()
begin = time.time()
try: f.close(); print(0, time.time() - begin)
except OSError as e: print(e.errno, time.time() - begin)"
        );
        let dir = mount.path(DOMAIN).join("savings");
        let mut writer = Companion::python(&script, dir);
        assert_eq!(writer.says(), "written");
        Writer(writer)
    }

    pub(crate) fn close(mut self) -> (Result<(), i32>, Duration) {
        self.0.go_on();
        let said = self.0.says();
        self.0.end();
        let (errno, took) = said.split_once(' ').unwrap();
        let result = match errno.parse().unwrap() {
            0 => Ok(()),
            errno => Err(errno),
        };
        (result, Duration::from_secs_f64(took.parse().unwrap()))
    }
}

/// Does what is no more than one call, and gives what it opened, which is still open. A wrong value is a
/// failure of its own kind: errno 0.
pub(crate) fn call(operation: Operation, mount: &Mount<'_>) -> (Outcome, Option<fs::File>) {
    let path = |path: &str| mount.path(DOMAIN).join(path);
    let right = |right: bool| match right {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(0)),
    };
    let mut open = None;
    let mut keep = |file| open = Some(file);
    let begin = Instant::now();
    let result = match operation {
        WarmRead => {
            fs::read(path("savings/token")).and_then(|value| right(value == OLD.as_bytes()))
        }
        Stat => fs::metadata(path("savings/token"))
            .and_then(|there| right(there.len() == OLD.len() as u64)),
        List => fs::read_dir(path("")).and_then(|entries| {
            let names: Result<Vec<_>, _> = entries.map(|e| e.map(|e| e.file_name())).collect();
            right(names?.len() == 3)
        }),
        OpenToWrite => fs::File::options()
            .write(true)
            .open(path("savings/token"))
            .map(&mut keep),
        Create => fs::File::options()
            .write(true)
            .create_new(true)
            .open(path("savings/new"))
            .map(&mut keep),
        Rename => fs::rename(path("savings/second"), path("current/renamed")),
        Unlink => fs::remove_file(path("savings/second")),
        Mkdir => fs::create_dir(path("fresh")),
        Rmdir => fs::remove_dir(path("vacant")),
        Mount | ColdRead | WriteClose | Unmount => unreachable!("more than one call"),
    };
    let outcome = Outcome {
        operation,
        result: result.map_err(|e| e.raw_os_error().unwrap_or(-1)),
        took: begin.elapsed(),
    };
    (outcome, open)
}

/// Whether the store shows what an operation does, as opposed to what was there before. Anything
/// else is a wrong value.
pub(crate) fn applied(operation: Operation, contents: &Value) -> Result<bool, String> {
    let secret = |access: &str| &contents[DOMAIN][access];
    let value = |access: &str, key: &str| secret(access)["info"][key].as_str();
    let either = |old: bool, new: bool| match (old, new) {
        (true, false) => Ok(false),
        (false, true) => Ok(true),
        _ => Err(format!("wrong: {contents}")),
    };
    match operation {
        WriteClose | Unmount => either(
            value("savings", "token") == Some(OLD),
            value("savings", "token") == Some(NEW),
        ),
        Create => either(
            value("savings", "new").is_none(),
            value("savings", "new") == Some(""),
        ),
        Rename => either(
            value("savings", "second") == Some(OLD) && value("current", "renamed").is_none(),
            value("savings", "second").is_none() && value("current", "renamed") == Some(OLD),
        ),
        Unlink => either(
            value("savings", "second") == Some(OLD),
            value("savings", "second").is_none(),
        ),
        Mkdir => either(secret("fresh").is_null(), !secret("fresh").is_null()),
        Rmdir => either(!secret("vacant").is_null(), secret("vacant").is_null()),
        Mount | WarmRead | ColdRead | Stat | List | OpenToWrite => Ok(false),
    }
}

/// Names in the domain and its secrets, to be compared with what another client finds.
pub(crate) fn shown(mount: &Mount<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for access in names(&mount.path(DOMAIN)) {
        let dir = mount.path(DOMAIN).join(&access);
        all.extend(names(&dir).iter().map(|key| format!("{access}/{key}")));
        all.push(access);
    }
    all.sort();
    all
}

/// As [`shown`], of what another client found.
pub(crate) fn found(contents: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (access, secret) in contents[DOMAIN].as_object().into_iter().flatten() {
        let keys = secret["info"].as_object().into_iter().flatten();
        all.extend(keys.map(|(key, _)| format!("{access}/{key}")));
        all.push(access.clone());
    }
    all.sort();
    all
}
