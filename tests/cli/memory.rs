//! What is in the memory of a mount's process, read by root, from whom nothing is hidden; and that
//! the user's other programs cannot read it.

use crate::program::{DEVICE, Machine};
use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What is looked for: read, written, typed.
const READ: &str = "value-of-a-file-that-was-read-7f3a";
const PAST: &str = "value-that-a-file-had-before-5e08";
const WRITTEN: &str = "value-of-a-file-that-was-written-91c2";
/// "the-seed-of-one-time-codes" in Base32.
const SEED: &str = "ORUGKLLTMVSWILLPMYWW63TFFV2GS3LFFVRW6ZDFOM";
const LONG_MEMORABLE: &str = "Memorable-password-of-this-test-1!";

/// The one place where a value may stay, which the documentation names: each thread of the FUSE
/// library receives requests in a buffer of this many bytes at least, and what was written stands
/// after the two headers of a write (fuse.h: 40 bytes each) until another request comes over it.
const REQUEST_BUFFER: u64 = 16 << 20;
const HEADERS: usize = 80;

/// Where these bytes stand in the memory of a process: a description of each place, and whether it
/// is in a request buffer.
fn find(pid: u32, needle: &str) -> Vec<(String, bool)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    let mut writable = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, modes) = (fields.next().unwrap(), fields.next().unwrap());
        let name = fields.nth(3).unwrap_or("anonymous");
        if !modes.starts_with('r') || ["[vvar]", "[vsyscall]"].contains(&name) {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|n| u64::from_str_radix(n, 16).unwrap());
        let mut content = vec![0; (to - from) as usize];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // Some of the kernel's own pages cannot be read.
        if memory.read_exact(&mut content).is_err() {
            continue;
        }
        writable += u64::from(modes.starts_with("rw")) * (to - from);
        for at in places(&content, needle.as_bytes()) {
            found.push((
                format!("at {at:x} of {line}"),
                in_request_buffer(&content, at),
            ));
        }
    }
    assert!(writable > 1 << 20, "the heap was read");
    found
}

/// Where the needle stands in the content.
fn places(content: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut rest = content;
    // By the first byte: looking at each place in turn takes long in a build that is not optimised.
    while rest.skip_until(needle[0]).unwrap() > 0 {
        if rest.starts_with(&needle[1..]) {
            places.push(content.len() - rest.len() - 1);
        }
    }
    places
}

/// Whether that is where a request buffer keeps what was written: the allocation begins where the
/// headers do, and malloc keeps its size before it.
fn in_request_buffer(content: &[u8], at: usize) -> bool {
    let size = at.checked_sub(HEADERS + 8).map(|at| &content[at..at + 8]);
    let size = size.map(|size| u64::from_ne_bytes(size.try_into().unwrap()));
    size.is_some_and(|size| (REQUEST_BUFFER..2 * REQUEST_BUFFER).contains(&size))
}

/// A script as an unprivileged user that says where it is and goes on when told to.
struct Script {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Script {
    /// Runs it in a directory of the user's own, with the program's path as `$walletfs`.
    fn run(machine: &Machine, script: &str) -> Script {
        assert_eq!(
            fs::metadata("/proc/self").unwrap().uid(),
            0,
            "only root can read the memory of others: run these tests as root (scripts/test does)"
        );
        fs::set_permissions(machine.path(""), fs::Permissions::from_mode(0o711)).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
        command.arg(
            "mknod -m 666 fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
            mkdir own; chown nobody own; cd own
            exec setpriv --reuid nobody --regid nogroup --clear-groups \
                --inh-caps=-all bash -eu ../script",
        );
        // Nothing that is looked for is in the environment, which programs hand on.
        for (name, text) in [
            ("script", script),
            ("memorable", LONG_MEMORABLE),
            ("device", DEVICE),
        ] {
            fs::write(machine.path(name), text).unwrap();
        }
        let program = machine.walletfs(["x"]).get_program().to_owned();
        let mut child = command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", machine.path("own"))
            .env("walletfs", program)
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", "cat ../memorable")
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", "cat ../device")
            .current_dir(machine.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Script {
            tell: child.stdin.take().unwrap(),
            hear: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it has ended: {line:?}");
        line.trim_end().to_owned()
    }

    fn go_on(&mut self) {
        writeln!(self.tell).unwrap();
    }

    #[track_caller]
    fn end(mut self) {
        drop(self.tell);
        let mut rest = String::new();
        self.hear.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }
}

/// Nothing but request buffers.
#[track_caller]
fn only_in_request_buffers(pid: u32, needle: &str, when: &str) {
    let elsewhere: Vec<_> = find(pid, needle)
        .into_iter()
        .filter(|(_, buffer)| !buffer)
        .collect();
    assert!(elsewhere.is_empty(), "{needle} {when}: {elsewhere:?}");
}

#[test]
fn no_value_and_no_password_stays_in_memory() {
    let machine = Machine::new();
    let script = r#"
        mkdir bin
        # Lets the root look when everything is wiped, just before the mount goes.
        printf '%s\n' '#!/bin/sh' \
            'case $1 in -u) : >"$HOME/wiped"; while test ! -e "$HOME/go"; do sleep 0.02; done;; esac' \
            'exec /usr/bin/fusermount3 "$@"' >bin/fusermount3
        chmod +x bin/fusermount3
        "$walletfs" init --store local >/dev/null
        "$walletfs" mount --timeout 0 w
        mkdir -p w/d/a; printf '%s' "READ" >w/d/a/read
        printf '%s' "OTPAUTH" >w/d/a/otpauth
        printf '%s' "PAST" >w/d/a/old; printf new >w/d/a/old
        "$walletfs" unmount w
        PATH=$PWD/bin:$PATH "$walletfs" mount --timeout 0 w
        test "$(cat w/d/a/read)" = "READ"
        # As JSON, and by a code that is made of it.
        cat w/.walletfs/json/d/a.json w/.walletfs/totp/d/a >/dev/null
        # What it held before.
        test "$(cat w/.walletfs/history/d/a/old/*)" = "PAST"
        "$walletfs" status --json w | sed -n 's/^  "pid": \([0-9]*\),$/\1/p'
        read -r line
        /usr/bin/python3 -c 'import os
f = os.open("w/d/a/written", os.O_CREAT | os.O_WRONLY); os.write(f, b"WRITTEN")
print("written", flush=True); input(); os.close(f)'
        cat w/d/a/written >/dev/null
        echo closed
        read -r line
        "$walletfs" unmount w &
        while test ! -e wiped; do sleep 0.02; done
        echo wiped
        read -r line
        : >go
        wait $!
        "#;
    let script = script.replace("READ", READ).replace("WRITTEN", WRITTEN);
    let script = script.replace("PAST", PAST);
    let script = script.replace("OTPAUTH", &format!("otpauth://totp/x?secret={SEED}"));
    let mut script = Script::run(&machine, &script);
    let pid = script.line().parse().unwrap();
    let seed = "the-seed-of-one-time-codes";
    for secret in [READ, PAST, SEED, seed, LONG_MEMORABLE, DEVICE] {
        let found = find(pid, secret);
        assert!(
            found.is_empty(),
            "{secret}, after a read and its close: {found:?}"
        );
    }
    script.go_on();
    assert_eq!(script.line(), "written");
    // That it can be seen at all.
    let found = find(pid, WRITTEN);
    assert!(
        found.iter().any(|(_, buffer)| !buffer),
        "unsaved content: {found:?}"
    );
    script.go_on();
    assert_eq!(script.line(), "closed");
    only_in_request_buffers(pid, WRITTEN, "after its close");
    script.go_on();
    assert_eq!(script.line(), "wiped");
    only_in_request_buffers(pid, WRITTEN, "after the lock");
    for secret in [READ, PAST, SEED, seed, LONG_MEMORABLE, DEVICE] {
        let found = find(pid, secret);
        assert!(found.is_empty(), "{secret}, after the lock: {found:?}");
    }
    script.go_on();
    script.end();
}

#[test]
fn a_program_of_the_same_user_cannot_attach() {
    let machine = Machine::new();
    let script = r#"
        "$walletfs" init --store local >/dev/null
        "$walletfs" mount --timeout 0 w
        pid=$("$walletfs" status --json w | sed -n 's/^  "pid": \([0-9]*\),$/\1/p')
        cat >attach.py <<'END'
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17
def attach(pid):
    done = libc.ptrace(ATTACH, pid, 0, 0)
    error = os.strerror(ctypes.get_errno())
    if done == 0:
        os.waitpid(pid, 0)
        libc.ptrace(DETACH, pid, 0, 0)
    return 'attached' if done == 0 else error
child = os.fork()
if child == 0:
    time.sleep(60)
# What the test would see if nothing forbade it.
print(attach(child))
os.kill(child, 9)
print(attach(int(sys.argv[1])))
END
        /usr/bin/python3 attach.py "$pid"
        cat "/proc/$pid/mem" 2>&1 | sed 's/.*: //'
        "$walletfs" unmount w
        "#;
    let mut script = Script::run(&machine, script);
    assert_eq!(script.line(), "attached");
    assert_eq!(script.line(), "Operation not permitted");
    assert_eq!(script.line(), "Permission denied");
    script.end();
}
