//! What other processes can see of a session.

use crate::program::{DEVICE, MEMORABLE, Machine};
use std::fs;
use std::os::unix::fs::MetadataExt;

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn no_password_in_arguments_environment_or_log() {
    let machine = Machine::with_wallet();
    fs::write(machine.path("password"), MEMORABLE).unwrap();
    let dir = machine.path("w");
    let file = machine.path("password");
    let mut command = machine.walletfs(["-vv", "mount"]);
    command.env(
        "WALLETFS_MEMORABLE_PASSWORD_COMMAND",
        format!("cat {}", file.display()),
    );
    command.arg(&dir).assert().success();
    fs::create_dir_all(dir.join("energy/gas")).unwrap();
    fs::write(dir.join("energy/gas/pwd"), "xy67Gh!8").unwrap();
    let proc = |pid: u32, file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
    let pid = machine.pid(&dir);
    let arguments = proc(pid, "cmdline");
    assert!(
        contains(&arguments, "--background"),
        "it is the second process"
    );
    for seen in [&arguments, &proc(pid, "environ")] {
        assert!(!contains(seen, MEMORABLE) && !contains(seen, DEVICE));
    }
    assert_eq!(proc(pid, "comm"), b"walletfs\n");
    machine.walletfs(["lock"]).assert().success();
    let log = machine.log();
    assert!(log.contains("mounted on"));
    for secret in [MEMORABLE, DEVICE, "xy67Gh!8"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn names_of_secrets_are_not_logged_by_default() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    let secret = dir.join("domain-xq/access-xq");
    fs::create_dir_all(&secret).unwrap();
    fs::write(secret.join("key-xq"), "17").unwrap();
    let _ = fs::read(secret.join("none-xq"));
    let _ = fs::create_dir(secret.join("directory-xq"));
    machine.walletfs(["lock"]).assert().success();
    assert!(!machine.log().contains("xq"), "{}", machine.log());
}

#[test]
fn the_background_process_keeps_nothing_of_the_shell() {
    let machine = Machine::with_wallet();
    let like = machine.with_passwords(["mount", "w"]);
    // The shell leaves descriptor 7 open to everything it starts.
    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", "exec 7>left-open; \"$0\" \"$@\""])
        .arg(like.get_program())
        .args(like.get_args())
        .env_clear()
        .current_dir(machine.path(""));
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command.assert().success();
    let pid = machine.pid(&machine.path("w"));
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    assert_eq!(link("cwd"), std::path::Path::new("/"));
    let mut pipes = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_string_lossy();
        assert!(!target.contains("left-open"));
        pipes += usize::from(target.starts_with("pipe:"));
    }
    assert_eq!(pipes, 0, "both pipes to the first process are closed");
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream), std::path::Path::new("/dev/null"));
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(3)
        .unwrap();
    assert_eq!(session, pid.to_string(), "a session of its own");
    machine.walletfs(["lock"]).assert().success();
}

#[test]
fn memory_is_not_dumped_and_not_traceable() {
    let machine = Machine::with_wallet();
    let dir = machine.mount(&[]);
    let pid = machine.pid(&dir);
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let fields: Vec<_> = core.split_whitespace().collect();
    assert_eq!(fields[4..6], ["0", "0"]);
    // The files of a process that may not be dumped belong to root (proc(5)); as root both do, so
    // this test tells only for others: see the unprivileged one.
    assert_eq!(fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid(), 0);
    machine.walletfs(["lock"]).assert().success();
}
