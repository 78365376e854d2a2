//! From nothing to a stored secret, by the commands that `scripts/clean-room` plays on a clean Debian:
//! the same files, the same player, here with the program that is tested.

use crate::program::Machine;
use crate::support::dynamodb::Engine;
use std::fs;
use std::path::Path;

/// Plays a file of scripts/first-use; fewer commands than `limit` must do.
fn play(machine: &Machine, file: &str, limit: usize, variables: &[(&str, &str)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = machine.walletfs(["x"]).get_program().to_owned();
    let programs = Path::new(&program).parent().unwrap().to_str().unwrap();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    fs::create_dir(machine.path("home")).unwrap();
    let mut typist = assert_cmd::Command::new(root.join("scripts/typist.py"));
    typist
        .arg(root.join("scripts/first-use").join(file))
        .args([
            &limit.to_string(),
            "bash",
            "--norc",
            "--noprofile",
            "--noediting",
            "-i",
        ])
        .env_clear()
        .env("PATH", path)
        .env("HOME", machine.path("home"))
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .envs(variables.iter().copied())
        .current_dir(machine.path("home"));
    let output = typist.output().unwrap();
    let transcript = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{transcript}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{transcript}{said}");
    assert!(
        transcript.contains("# A secret is stored after "),
        "{transcript}"
    );
    assert!(!transcript.contains("Seven-Geese"), "{transcript}");
}

#[test]
fn fewer_than_three_commands_store_a_secret_in_a_file() {
    let machine = Machine::new();
    play(&machine, "local.txt", 3, &[]);
    assert!(
        machine
            .path("home/.local/share/walletfs/default.sqlite")
            .is_file()
    );
}

#[test]
fn fewer_than_five_commands_store_a_secret_in_dynamodb() {
    let engine = Engine::start();
    let machine = Machine::new();
    let endpoint = [("AWS_ENDPOINT_URL_DYNAMODB", engine.url())];
    play(&machine, "dynamodb.txt", 5, &endpoint);
    let credentials = machine.path("home/.aws/credentials");
    let credentials = fs::read_to_string(credentials).unwrap();
    assert!(
        credentials.starts_with("[secret-wallet]\n"),
        "{credentials}"
    );
}
