//! Programs that tests run: with an environment of their own, to their end or side by side with the
//! test, and what they say.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// For commands that programs of the system are found in, and nothing of the tester's own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command with the environment that tests have: no more than a search path, and no end of the
/// program that lasts for ever.
pub(crate) fn tool(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "60"])
        .arg(program)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// A Python script, with `name(f)`: `"ok"`, or the name of the error number that the call fails
/// with.
pub(crate) fn python(script: &str) -> Command {
    const PRELUDE: &str = "\
import errno, fcntl, mmap, os, signal, stat, sys, time
def name(f):
    try: f(); return 'ok'
    except OSError as e: return errno.errorcode[e.errno]
def put(path, content):
    with open(path, 'wb') as f: f.write(content)
def get(path):
    with open(path, 'rb') as f: return f.read()
";
    let mut command = tool("python3");
    command.arg("-c").arg(format!("{PRELUDE}{script}"));
    command
}

/// What a program said and how it ended.
pub(crate) struct Said {
    pub(super) output: Output,
    what: String,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let what = format!("{command:?}");
    let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    Said { output, what }
}

impl Said {
    /// Standard output of a program that succeeded and said nothing else.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        let (what, errors) = (self.what.clone(), self.errors());
        let output = self.success_with_notices();
        assert_eq!(errors, "", "{what}");
        output
    }

    /// Standard output of a program that succeeded.
    #[track_caller]
    pub(crate) fn success_with_notices(self) -> String {
        let (output, errors, status) = (self.output(), self.errors(), self.output.status);
        let what = self.what;
        assert!(status.success(), "{what}: {status}\n{output}{errors}");
        output
    }

    /// Exit code and standard error of a program that failed.
    #[track_caller]
    pub(crate) fn failure(self) -> (i32, String) {
        assert!(!self.output.status.success(), "{}", self.what);
        (self.output.status.code().unwrap(), self.errors())
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// A program that runs while the test goes on: it says a line when it is ready, and goes on when it
/// is told to.
pub(crate) struct Companion {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Companion {
    /// Starts a Python script, which says lines by `print` and waits by `input()`.
    pub(crate) fn python(script: &str, dir: PathBuf) -> Companion {
        let mut command = python(script);
        let command = command.current_dir(dir).env("PYTHONUNBUFFERED", "1");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Companion { child, said }
    }

    /// The next line that it says.
    #[track_caller]
    pub(crate) fn says(&mut self) -> String {
        let line = self.said.next().expect("it says a line before it ends");
        line.unwrap()
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(b"\n").unwrap();
    }

    /// Waits for its end, which is the signal with this number.
    #[track_caller]
    pub(crate) fn killed_by(mut self) -> i32 {
        let status = self.child.wait().unwrap();
        // timeout(1) ends as its command did, or by its number and 128.
        let code = status.code().map(|code| code - 128);
        status.signal().or(code).unwrap()
    }

    /// Waits for its end, which is a success.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}
