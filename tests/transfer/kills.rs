//! An import that is killed after each of its commits in turn: what was done is whole, and the next
//! run does the rest.

use crate::program::Machine;
use crate::tools::dynamodb::{Engine, access_key};
use crate::tools::http_count::{Fate, HttpCount};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Secrets, in commits of one each.
const SECRETS: usize = 4;

fn with_keys(command: &mut assert_cmd::Command) {
    let (id, secret) = access_key();
    command
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", "eu-central-1");
}

fn run(machine: &Machine, args: &[&str]) -> String {
    let mut command = machine.with_passwords(args);
    with_keys(&mut command);
    let output = command.assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_is_finished_by_the_next() {
    let engine = Engine::start();
    let proxy = HttpCount::before(engine.url()).await;
    let scratch = tempfile::tempdir().unwrap();
    let table: String = (0..SECRETS).map(|n| format!("d,a{n},p{n}\n")).collect();
    let file = scratch.path().join("table.csv");
    std::fs::write(&file, format!("domain,access,pwd\n{table}")).unwrap();
    let file = file.to_str().unwrap();
    for killed_at in 0..SECRETS {
        let machine = Machine::new();
        let wallet = format!("w{killed_at}");
        let of = |command: &'static str| vec![command, "--wallet", wallet.as_str()];
        let mut init = of("init");
        init.extend([
            "--store",
            "dynamodb",
            "--table",
            "wallets",
            "--commit-limit",
            "2",
        ]);
        init.extend(["--endpoint-url", proxy.url()]);
        tokio::task::block_in_place(|| run(&machine, &init));
        // The commit is made, and the program never hears of it.
        proxy.take();
        proxy.plan(move |request| {
            match request.operation == "TransactWriteItems" && request.number == killed_at {
                true => Fate::HangAfter,
                false => Fate::Forward,
            }
        });
        let mut import = of("import");
        import.extend(["--from", "csv", file]);
        let mut like = machine.with_passwords(&import);
        with_keys(&mut like);
        let mut command = Command::new(like.get_program());
        command.args(like.get_args()).env_clear();
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while proxy.counts().get("TransactWriteItems").copied() != Some(killed_at + 1) {
            assert!(
                Instant::now() < end,
                "it does not come to commit {killed_at}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The engine answers within this time; the program waits for its answer longer.
        tokio::time::sleep(Duration::from_millis(300)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        proxy.heal();

        let second = tokio::task::block_in_place(|| run(&machine, &import));
        let (done, left) = (killed_at + 1, SECRETS - killed_at - 1);
        let found = match done {
            SECRETS => "Found 4 secrets: 0 new, 4 there already, the same.\n".to_owned(),
            _ => format!("Found 4 secrets: {left} new, {done} there already, the same.\n"),
        };
        assert!(second.starts_with(&found), "{second}");
        let third = tokio::task::block_in_place(|| run(&machine, &import));
        assert!(third.ends_with("Nothing to import.\n"), "{third}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_midway_is_told_with_what_is_done() {
    let engine = Engine::start();
    let proxy = HttpCount::before(engine.url()).await;
    let machine = Machine::new();
    let mut init = vec![
        "init",
        "--store",
        "dynamodb",
        "--table",
        "wallets",
        "--commit-limit",
        "2",
    ];
    init.extend(["--endpoint-url", proxy.url()]);
    tokio::task::block_in_place(|| run(&machine, &init));
    let file = machine.file("table.csv", "domain,access,pwd\nd,a,p\nd,b,p\nd,c,p\n");
    proxy.take();
    proxy.plan(|request| {
        let commit = request.operation == "TransactWriteItems";
        match commit && request.number >= 2 {
            true => Fate::Answer(crate::tools::http_count::Answer::error(
                "AccessDeniedException",
                "no",
            )),
            false => Fate::Forward,
        }
    });
    let said = tokio::task::block_in_place(|| {
        let mut import = machine.with_passwords(["import", "--from", "csv", &file]);
        with_keys(&mut import);
        let output = import.assert().code(14).get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    });
    let told = "2 of 3 secrets are imported, each whole; run the same command again";
    assert!(said.contains(told), "{said}");
}
