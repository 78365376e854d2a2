//! The same as a user without privileges, through fusermount3. When the tests run as root, as the
//! user `nobody` in a mount namespace whose `/dev/fuse` everybody may open (it is mode 0600 on some
//! machines). When they do not, `/dev/fuse` must be open to the user who runs them.

use crate::program::{DEVICE, MEMORABLE, Machine, say};
use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Runs the script with the program's path as `$walletfs`, in a directory of the user's own, and
/// gives what it printed.
#[track_caller]
fn run(script: &str) -> String {
    let machine = Machine::new();
    let like = machine.with_passwords(["x"]);
    let mut command;
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        fs::set_permissions(machine.path(""), fs::Permissions::from_mode(0o711)).unwrap();
        command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
        command.arg(
            "mknod -m 666 fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
            mkdir own; chown nobody own; cd own
            exec setpriv --reuid nobody --regid nogroup --clear-groups \
                --inh-caps=-all bash -euc \"$script\"",
        );
    } else {
        command = Command::new("bash");
        command.args(["-euc", "mkdir own; cd own; eval \"$script\""]);
    }
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", machine.path("own"))
        .env("walletfs", like.get_program())
        .env("script", script)
        .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
        .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
        .current_dir(machine.path(""));
    let assert = command.assert().success();
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// Makes a wallet, mounts it on `w` and puts a secret in.
const BEGIN: &str = r#"
    mounted() { if grep -q " $PWD/w .* fuse.walletfs " /proc/self/mountinfo; then echo mounted; fi; }
    running() { grep -qs "^State:.[^Z]" /proc/$1/status; }
    "$walletfs" init --store local >/dev/null
    "$walletfs" mount --timeout 0 w
    pid=$("$walletfs" status --json w | sed -n 's/^  "pid": \([0-9]*\),$/\1/p')
    mkdir -p w/d/a
    echo secret >w/d/a/pwd
"#;

#[test]
fn a_wallet_is_mounted_read_and_unmounted() {
    let printed = run(&format!(
        "{BEGIN}{}",
        r#"
        cat w/d/a/pwd
        stat -c '%a %u' w | sed "s/ $(id -u)$/ me/"
        mounted
        "$walletfs" unmount w
        ls w
        stat -c '%a' w
        # A script that runs on after the lock does not write to the disk in clear.
        if echo secret 2>/dev/null >w/d; then echo written; fi
        "$walletfs" mount w
        cat w/d/a/pwd
        "$walletfs" lock
        if running $pid; then echo "still there"; fi
        "#
    ));
    assert_eq!(printed, "secret\n700 me\nmounted\n500\nsecret\n");
}

#[test]
fn a_file_held_open_does_not_keep_the_wallet_open() {
    let printed = run(&format!(
        "{BEGIN}{}",
        r#"
        exec 5<w/d/a/pwd
        "$walletfs" unmount w
        if cat <&5 2>/dev/null; then echo readable; fi
        mounted
        if running $pid; then echo "still there"; fi
        echo done
        "#
    ));
    assert_eq!(printed, "done\n");
}

#[test]
fn a_dead_mount_is_cleared() {
    let printed = run(&format!(
        "{BEGIN}{}",
        r#"
        kill -KILL $pid
        while ls w 2>/dev/null; do sleep 0.02; done
        "$walletfs" mount w
        cat w/d/a/pwd
        "$walletfs" unmount w
        mounted
        "#
    ));
    assert_eq!(printed, "secret\n");
}

#[test]
fn the_process_is_not_traceable_and_says_what_is_not_enforced() {
    let printed = run(&format!(
        "{BEGIN}{}",
        r#"
        for file in environ mem maps fd; do
            if cat /proc/$pid/$file 2>/dev/null || ls /proc/$pid/$file/ 2>/dev/null; then
                echo "$file can be read"
            fi
        done
        case "$(ulimit -Hl)" in
            unlimited) ;;
            *) grep -q 'limit for locked memory' w/.walletfs/status ;;
        esac
        grep -c "root is not kept" w/.walletfs/status || true
        # Keys and open values are locked all the same.
        test "$(sed -n 's/^VmLck:\s*\([0-9]*\) kB$/\1/p' /proc/$pid/status)" -gt 0
        "$walletfs" lock
        "#
    ));
    assert_eq!(printed, "0\n");
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let printed = run(r#"
        "$walletfs" init --store local >/dev/null
        "$walletfs" mount /sys/kernel 2>&1 | sed 's/^[^ ]* [^ ]* //' || echo ${PIPESTATUS[0]}
        "#);
    assert!(printed.contains("is not empty"), "{printed}");
}

/// As where there is no /etc/mtab, without which fusermount3 finds nothing to unmount: the wallet is
/// locked, its mount stays, and that is told. Later it is cleared.
#[test]
fn a_mount_that_cannot_be_unmounted_is_told_of() {
    let printed = run(&format!(
        "{}{BEGIN}{}",
        r#"
        mkdir bin
        helper=$(command -v fusermount3)
        printf '#!/bin/sh\ncase "$*" in -u*) exit 1;; esac\nexec %s "$@"\n' "$helper" >bin/fusermount3
        chmod 755 bin/fusermount3
        PATH=$PWD/bin:$PATH
        "#,
        r#"
        for command in "unmount w" lock; do
            code=0
            "$walletfs" $command 2>said || code=$?
            echo "$code: $(sed "s|$PWD/||g" said)"
            mounted
            cat w/d/a/pwd 2>&1 | sed 's/.*: //'
            mv bin/fusermount3 bin/fusermount3.off
            "$walletfs" unmount w
            mounted
            mv bin/fusermount3.off bin/fusermount3
            "$walletfs" mount --timeout 0 w
            cat w/d/a/pwd
        done
        mv bin/fusermount3 bin/fusermount3.off
        "$walletfs" unmount w
        "#
    ));
    let told = "12: walletfs: w is locked and its keys are wiped, but it stays mounted, dead: \
                fusermount3 refuses: see why by `fusermount3 -u -z w`\n\
                mounted\nTransport endpoint is not connected\nsecret\n";
    assert_eq!(printed, told.repeat(2));
}
