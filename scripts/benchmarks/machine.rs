//! What everything was measured on, and with.

use crate::bench::is_there;
use crate::mounts::Peer;
use std::fs;
use std::process::Command;

/// Programs of Debian's that walletfs is measured beside.
const PACKAGES: [&str; 5] = ["gocryptfs", "securefs", "cryfs", "pass", "gopass"];

/// A line each: the machine, its load, versions.
pub(crate) fn lines() -> Vec<String> {
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        first(text.unwrap_or_default())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = of_file("/proc/meminfo", "MemTotal:").replace(" kB", "");
    let memory = memory.trim().parse::<u64>().unwrap_or(0) >> 10;
    let mut lines = vec![
        format!(
            "{cores} processors ({}), {memory} MiB, {}",
            of_file("/proc/cpuinfo", "model name").trim_matches([':', ' ', '\t']),
            said("uname", &["-sr"])
        ),
        format!("wallets, and the peers' directories, on {}", disk()),
        format!(
            "walletfs {} ({}), release build by {}",
            env!("CARGO_PKG_VERSION"),
            said("git", &["describe", "--always", "--dirty"]),
            said("rustc", &["--version"])
        ),
    ];
    for package in PACKAGES {
        let version = said("dpkg-query", &["-W", "-f=${Version}", package]);
        lines.push(match (is_there(package), version.is_empty()) {
            (true, false) => format!("{package} {version} (Debian)"),
            (true, true) => format!("{package} (not Debian's)"),
            (false, _) => format!("{package}: NOT MEASURED, it cannot be had here"),
        });
    }
    lines.push("secret-wallet-codimoc 0.6.3 (PyPI), and dynoxide as the DynamoDB engine, both as scripts/tools has them".into());
    lines
}

/// How busy the machine is: the mean of the last minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// The filesystem of temporary files.
fn disk() -> String {
    let dir = std::env::temp_dir();
    let findmnt = Command::new("findmnt")
        .args(["-n", "-o", "FSTYPE,OPTIONS", "-T"])
        .arg(dir)
        .output();
    let text = findmnt.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What follows `name` on its first line of a file.
fn of_file(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// The peers that cannot be had here.
pub(crate) fn missing() -> Vec<&'static str> {
    let peers = Peer::ALL.map(Peer::name).into_iter();
    peers
        .chain(["pass", "gopass"])
        .filter(|name| !is_there(name))
        .collect()
}
