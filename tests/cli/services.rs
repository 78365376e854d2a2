//! Where other programs start it: mount(8) and fstab(5), a service manager, the machine's log.

use crate::program::{DEVICE, MEMORABLE, Machine, mounted_below, runs, say, signal, wait_for};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs a script as root in a mount namespace of its own.
#[track_caller]
fn in_namespace(machine: &Machine, script: &str) -> String {
    let mut command = assert_cmd::Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "bash",
            "-euc",
            script,
        ])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", machine.path("home"))
        .env("WALLETFS_CONFIG_DIR", machine.path("c"))
        .env("walletfs", machine.walletfs(["x"]).get_program())
        .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
        .env("PASSWORD", MEMORABLE)
        .timeout(Duration::from_secs(60))
        .current_dir(machine.path(""));
    let assert = command.assert().success();
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// mount(8) looks for its helpers in `/sbin` only: there is another one in the namespace, with the
/// program by a helper's name in it.
const HELPERS: &str = r#"
    mkdir sbin
    cp -a --reflink=auto /usr/sbin/. sbin/
    for name in mount.fuse.walletfs mount.walletfs; do ln -sf "$walletfs" sbin/$name; done
    mount --bind sbin /usr/sbin
"#;

#[test]
fn mount_takes_it_by_its_type() {
    let machine = Machine::with_quick_wallet();
    let printed = in_namespace(
        &machine,
        &format!(
            "{HELPERS}{}",
            r#"
            printf '#!/bin/sh\necho "%s"\n' "$PASSWORD" >password; chmod 700 password
            mkdir w
            options="memorable-password-command=$PWD/password,timeout=300,lifetime=0"
            mount -t fuse.walletfs -o "$options" default "$PWD/w"
            mkdir -p w/d/a; echo secret >w/d/a/pwd
            "$walletfs" status --json w | grep -E 'seconds_to_end|wallet"|seconds_to_idle'
            umount w
            # By the other name, read-only, the wallet as an option.
            mount -t walletfs -o "ro,noexec,wallet=default,$options" none "$PWD/w"
            cat w/d/a/pwd
            echo no 2>/dev/null >w/d/a/pwd || echo refused
            grep " $PWD/w " /proc/self/mountinfo | cut -d' ' -f6
            umount w
            # From fstab.
            echo "default $PWD/w fuse.walletfs noauto,user,$options 0 0" >fstab
            touch /etc/fstab; mount --bind fstab /etc/fstab
            mount "$PWD/w"
            cat w/d/a/pwd
            grep " $PWD/w " /proc/self/mountinfo | cut -d' ' -f6
            umount "$PWD/w"
            # What it does not know is refused, with the exit code for usage.
            mount -t fuse.walletfs -o allow_other default "$PWD/w" 2>message || echo $?
            grep -c allow_other message
            mount -f -t fuse.walletfs default "$PWD/w"
            ls -A w
            "#
        ),
    );
    let expected = "  \"wallet\": \"default\",
  \"seconds_to_idle_lock\": 299,
  \"seconds_to_end\": null,
secret
refused
ro,nosuid,nodev,noexec,noatime
secret
rw,nosuid,nodev,noexec,noatime
2
1
";
    let printed = printed.replace("lock\": 300", "lock\": 299");
    assert_eq!(printed, expected);
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let machine = Machine::with_quick_wallet();
    let socket = UnixDatagram::bind(machine.path("notify")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let hear = || {
        let mut heard = [0; 64];
        let length = socket.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    };
    // As the unit has it: the password is a credential of the service's.
    fs::create_dir(machine.path("credentials")).unwrap();
    fs::write(machine.path("credentials/default"), MEMORABLE).unwrap();
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/walletfs@.service");
    let unit = fs::read_to_string(unit).unwrap();
    assert!(unit.contains("\nType=notify\n"));
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let like = machine.walletfs(["x"]);
    let start = start
        .unwrap()
        .replace(
            "%h/.cargo/bin/walletfs",
            like.get_program().to_str().unwrap(),
        )
        .replace("%h", machine.path("").to_str().unwrap())
        .replace("%i", "default")
        .replace("$$", "$");
    let dir = machine.path("default-wallet");
    let mut command = Command::new("sh");
    // A service manager takes quotes and words as a shell does.
    command.args(["-c", &format!("exec {start}")]).env_clear();
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .env("CREDENTIALS_DIRECTORY", machine.path("credentials"))
        .env("NOTIFY_SOCKET", machine.path("notify"))
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert_eq!(hear(), "READY=1");
    assert!(dir.join(".walletfs/status").exists(), "it answers by then");
    assert_eq!(
        machine.pid(&dir),
        child.id(),
        "the main process is the service"
    );
    signal(child.id(), "TERM");
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(mounted_below(&dir), [""; 0]);
}

#[test]
fn the_machines_log_is_written_to_without_a_name() {
    let machine = Machine::with_quick_wallet();
    let printed = in_namespace(
        &machine,
        r#"
        export WALLETFS_MEMORABLE_PASSWORD_COMMAND="echo '$PASSWORD'"
        mount -t tmpfs -o mode=755 tmpfs /dev
        mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9
        mknod -m 666 /dev/fuse c 10 229; ln -s /proc/self/fd /dev/fd
        /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/dev/log"); s.settimeout(30)
print("ready", flush=True)
while True:
    line = s.recv(4096).decode()
    print(line, flush=True)
    if line.endswith(": locked"): break
' >heard &
        until test -s heard; do sleep 0.02; done
        "$walletfs" -vv mount w
        mkdir -p w/domain-xq/access-xq; echo x >w/domain-xq/access-xq/key-xq
        "$walletfs" unmount w
        wait
        cat heard
        "#,
    );
    let lines: Vec<_> = printed.lines().collect();
    assert!(
        lines.iter().all(|l| *l == "ready" || l.starts_with('<')),
        "{printed}"
    );
    assert!(printed.contains(">walletfs["), "{printed}");
    assert!(printed.contains("]: mounted on "), "{printed}");
    assert!(printed.ends_with(": locked\n"), "{printed}");
    assert!(!printed.contains("xq"), "{printed}");
    assert!(
        machine.log().contains("mounted on"),
        "and the file has it too"
    );
}

/// Nothing adds up over 200 mounts: no process, mount, record or file; and over 10,000 reads, no
/// memory and no descriptor.
#[test]
fn nothing_adds_up() {
    let machine = Machine::with_quick_wallet();
    let list = |dir: &str| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(machine.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("d/a")).unwrap();
    fs::write(dir.join("d/a/pwd"), "secret").unwrap();
    machine.walletfs(["lock"]).assert().success();
    let dirs = ["", "c", "c/state", "c/state/run", "c/data"];
    let before = dirs.map(list);
    let mut pids = Vec::new();
    for round in 0..200 {
        let dir = machine.mount(&[]);
        let status = fs::read_to_string(dir.join(".walletfs/status")).unwrap();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        pids.push(status["pid"].as_u64().unwrap() as u32);
        match round % 3 {
            0 => machine.walletfs(["unmount"]).arg(&dir).assert().success(),
            1 => machine.walletfs(["lock"]).assert().success(),
            _ => assert_cmd::Command::new("umount")
                .arg(&dir)
                .assert()
                .success(),
        };
        wait_for("its process has ended", || !runs(pids[round]));
    }
    assert_eq!(mounted_below(&machine.path("")), [""; 0]);
    assert!(!pids.iter().any(|pid| runs(*pid)));
    assert_eq!(dirs.map(list), before);

    let dir = machine.mount(&[]);
    let pid = machine.pid(&dir);
    let read = |times: usize| {
        for _ in 0..times {
            assert_eq!(fs::read(dir.join("d/a/pwd")).unwrap(), b"secret");
        }
    };
    let memory = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .strip_suffix(" kB")
            .unwrap()
            .parse()
            .unwrap()
    };
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    // Threads and buffers come into use and the allocator keeps some pages, on a busy machine later
    // than on a quiet one; but a leak of some bytes a read shows in every round.
    let mut steady = false;
    for _ in 0..6 {
        let (before, open) = (memory(), descriptors());
        read(10_000);
        let (after, still_open) = (memory(), descriptors());
        println!("{before} kB, then {after} kB; {open} descriptors, then {still_open}");
        steady = after <= before + 64 && open == still_open;
        if steady {
            break;
        }
    }
    assert!(
        steady,
        "memory or descriptors grow with each round of reads"
    );
    machine.walletfs(["lock"]).assert().success();
}
