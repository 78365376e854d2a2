//! The commands that change a wallet's keys, ended by SIGKILL while the store does each of their
//! commits in turn, before and after: the wallet opens with the old or with the new password, is
//! sound, and the command completes when it is run again.

use super::bench::Bench;
use super::harness::*;
use super::support::http_count::{Fate, HttpCount, Request};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

const SECRETS: usize = 3;

fn bench() -> Bench {
    let files: Vec<_> = (0..SECRETS)
        .map(|n| (format!("d/{n}/pwd"), format!("value {n}").into_bytes()))
        .collect();
    Bench::with(&files)
}

/// Runs `command` until it has asked for its commit number `at`, which hangs before or after it was
/// made, and kills it there. False if it ended before.
fn killed(proxy: &HttpCount, mut command: Command, at: usize, fate: Fate) -> bool {
    let (asked, reached) = channel();
    proxy.take();
    proxy.plan(move |request: &Request| {
        if request.operation == "TransactWriteItems" && request.number == at {
            asked.send(()).unwrap();
            return fate.clone();
        }
        Fate::Forward
    });
    let mut child = command.spawn().unwrap();
    let reached = loop {
        if reached.recv_timeout(Duration::from_millis(50)).is_ok() {
            // The engine answers at once, and the answer goes nowhere.
            std::thread::sleep(Duration::from_millis(200));
            child.kill().unwrap();
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
    };
    let status = child.wait().unwrap();
    assert!(reached || status.success(), "{status}");
    proxy.heal();
    reached
}

/// Kills the command at each of its commits, and gives how many it makes.
fn at_each_commit(
    command: impl Fn(&Wallet) -> Command,
    sound: impl Fn(&Bench),
    again: impl Fn(&Bench),
) -> usize {
    for at in 0.. {
        for fate in [Fate::Hang, Fate::HangAfter] {
            let bench = bench();
            let reached = killed(&bench.proxy, command(&bench.wallet), at, fate);
            sound(&bench);
            if !reached {
                return at;
            }
            again(&bench);
            sound(&bench);
        }
    }
    unreachable!("it comes to an end")
}

/// Everything opens with one of these passwords, and reads.
fn sound(bench: &Bench, passwords: &[&str]) {
    let said = passwords.iter().find_map(|password| {
        let mut check = bench.wallet.walletfs("check");
        check.env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(password));
        let output = check.output().unwrap();
        match output.status.code() {
            Some(0) => Some(String::from_utf8(output.stdout).unwrap()),
            Some(10) => None,
            _ => panic!("{output:?}"),
        }
    });
    assert_eq!(said.as_deref(), Some("3 secrets open.\n"));
}

const NEW: &str = "Memorable New 1!";

fn quiet(mut command: Command) -> Command {
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    command
}

#[test]
fn a_rekey_goes_on() {
    let rekey = |wallet: &Wallet| quiet(wallet.walletfs("rekey"));
    let commits = at_each_commit(
        rekey,
        |bench| {
            sound(bench, &[MEMORABLE]);
            let mount = bench.wallet.mount("w", &[]);
            for n in 0..SECRETS {
                assert_eq!(mount.read(&format!("d/{n}/pwd")), format!("value {n}"));
            }
        },
        |bench| assert!(rekey(&bench.wallet).status().unwrap().success()),
    );
    // The backup: entered, copied, marked as whole. The new key, the secrets, the old key's end.
    assert_eq!(commits, 6);
}

#[test]
fn a_new_memorable_password_is_there_or_not() {
    let passwd = |wallet: &Wallet, old: &str| {
        let mut passwd = wallet.walletfs("passwd");
        passwd
            .arg("--memorable")
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(old))
            .env("WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND", say(NEW));
        quiet(passwd)
    };
    let commits = at_each_commit(
        |wallet| passwd(wallet, MEMORABLE),
        |bench| sound(bench, &[MEMORABLE, NEW]),
        |bench| {
            let done = |old| passwd(&bench.wallet, old).status().unwrap().code();
            assert!(done(MEMORABLE) == Some(0) || done(NEW) == Some(0));
            sound(bench, &[NEW]);
        },
    );
    assert_eq!(commits, 4);
}

/// The device's key is kept before the commit, so that the device opens the wallet after it.
#[test]
fn a_new_device_password_is_there_or_not() {
    let passwd = |wallet: &Wallet, old: &str| {
        let mut passwd = wallet.walletfs("passwd");
        passwd
            .arg("--device")
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(old))
            .env("WALLETFS_NEW_DEVICE_PASSWORD_COMMAND", say(NEW));
        quiet(passwd)
    };
    let commits = at_each_commit(
        |wallet| passwd(wallet, DEVICE),
        |bench| sound(bench, &[MEMORABLE]),
        |bench| {
            let done = |old| passwd(&bench.wallet, old).status().unwrap().code();
            assert!(done(DEVICE) == Some(0) || done(NEW) == Some(0));
        },
    );
    assert_eq!(commits, 4);
}
