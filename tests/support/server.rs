//! A server program that lives as long as the test that started it, on a free port of loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the program behind it in the background, says its process id, and ends it when its input
/// ends: that is when the test ends, in whatever way. The keyboard's interrupt reaches the shell
/// too and must not keep it from that.
const KEEPER: &str =
    r#"trap : INT TERM HUP; "$@" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill $!"#;

/// A running server; dropping it ends the program.
pub(crate) struct Server {
    keeper: Child,
    input: Option<ChildStdin>,
    port: u16,
}

impl Server {
    /// Starts `program`, which must be told by its arguments to listen on port 0 of 127.0.0.1, and
    /// waits until it listens.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Server {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let input = keeper.stdin.take();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("sh says the process id");
        let pid: u32 = line.trim().parse().expect("sh says the process id");
        let begin = Instant::now();
        let port = loop {
            if let Some(port) = listening_port(pid) {
                break port;
            }
            assert!(
                Path::new(&format!("/proc/{pid}")).exists(),
                "{} ended at once",
                program.display()
            );
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "{} does not listen",
                program.display()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        Server {
            keeper,
            input,
            port,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        self.keeper.wait().expect("the keeper is our child");
    }
}

/// The port on which a process listens (proc(5): `/proc/PID/fd`, `/proc/net/tcp`). Asking the
/// kernel is the only way without a race: a port that was found free may be taken a moment later.
fn listening_port(pid: u32) -> Option<u16> {
    const LISTEN: &str = "0A";
    let sockets: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .collect();
    fs::read_to_string("/proc/net/tcp")
        .ok()?
        .lines()
        .skip(1)
        .find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let socket = PathBuf::from(format!("socket:[{}]", columns.get(9)?));
            let (_, port) = columns.get(1)?.split_once(':')?;
            (columns.get(3) == Some(&LISTEN) && sockets.contains(&socket))
                .then(|| u16::from_str_radix(port, 16).ok())
                .flatten()
        })
}

/// Installs a tool (see `scripts/tools`) unless it is there, and gives the directory of all tools.
/// A tool that cannot be had fails the test: nothing is skipped in silence.
pub(crate) fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(root.join("scripts/tools"))
        .arg(name)
        .stdin(Stdio::null())
        .status()
        .expect("scripts/tools runs");
    assert!(status.success(), "scripts/tools {name} failed");
    root.join("target/tools")
}
