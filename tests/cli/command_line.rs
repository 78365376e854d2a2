//! The command line itself.

use crate::program::Machine;
use std::fs;
use std::io::Read;
use std::process::Stdio;

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let machine = Machine::new();
    for args in [
        &[][..],
        &["unlock"],
        &["mount"],
        &["mount", "--timeout", "-1", "d"],
        &["mount", "--background", "d"],
        &["init", "--store", "cloud"],
        &["init", "--commit-limit", "1"],
        &["--wallet", "a/b", "status"],
        &["--wallet", "w.backup-1", "status"],
        &["status", "--memorable-password", "x"],
    ] {
        machine.walletfs(args).assert().code(2).stdout("");
    }
}

#[test]
fn help_names_every_command_and_exit_code() {
    let machine = Machine::new();
    let help = machine.walletfs(["--help"]).assert().success();
    let help = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    for command in ["init", "mount", "unmount", "lock", "status"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    let flowed = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in [
        "0 done",
        "1 failed",
        "2 usage",
        "10 wrong password or device",
        "11 no such wallet",
        "12 mount point unusable",
        "13 store unreachable",
        "14 denied by the store",
        "15 integrity fault",
        "16 rolled back",
        "17 conflict",
    ] {
        assert!(flowed.contains(code), "{code} is not in {flowed}");
    }
    assert!(!help.contains("--background"));
}

#[test]
fn a_closed_pipe_is_success() {
    let machine = Machine::new();
    for args in [&["status"][..], &["--help"]] {
        // `walletfs status | true`, with the reader gone before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let like = machine.walletfs(args);
        let mut command = std::process::Command::new(like.get_program());
        command.args(like.get_args()).env_clear();
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        let mut child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_wallet_that_is_not_set_up_is_exit_code_11() {
    let machine = Machine::new();
    let assert = machine.with_passwords(["mount", "w"]).assert().code(11);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(
        said.contains("default.json is missing); run `walletfs init`"),
        "{said}"
    );
    assert!(!machine.path("w").exists());
}

#[test]
fn without_a_home_the_way_out_is_told() {
    let machine = Machine::new();
    let mut command = machine.walletfs(["status"]);
    command.env_remove("HOME").env_remove("WALLETFS_CONFIG_DIR");
    let assert = command.assert().code(2);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("--config-dir"), "{said}");
}

#[test]
fn defaults_follow_the_base_directories() {
    let machine = Machine::new();
    fs::create_dir(machine.path("home")).unwrap();
    let mut command = machine.init();
    command.env_remove("WALLETFS_CONFIG_DIR").assert().success();
    for file in [
        "home/.config/walletfs/default.json",
        "home/.config/walletfs/default.key",
        "home/.local/state/walletfs/default.seen",
        "home/.local/share/walletfs/default.sqlite",
    ] {
        assert!(machine.path(file).is_file(), "{file}");
    }
}
