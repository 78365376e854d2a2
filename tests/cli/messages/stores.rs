//! What a store, or the way to it, does.

use super::shows;
use crate::program::{Machine, Stuck};
use crate::support::http_count::{Answer, Fate, HttpCount};
use assert_cmd::Command;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

fn mount(machine: &Machine) -> Command {
    machine.with_passwords(["mount", "w"])
}

/// Stores one secret.
fn store_one(machine: &Machine) {
    let dir = machine.mount(&[]);
    fs::create_dir_all(dir.join("energy/gas")).unwrap();
    fs::write(dir.join("energy/gas/pwd"), "xy67Gh!8").unwrap();
    machine.walletfs(["unmount"]).arg(dir).assert().success();
}

fn sql(machine: &Machine, statement: &str) {
    let store = rusqlite::Connection::open(machine.path("c/data/default.sqlite")).unwrap();
    store.execute_batch(statement).unwrap();
}

#[test]
fn a_wallet_in_a_file() {
    let machine = Machine::with_quick_wallet();
    store_one(&machine);
    let file = machine.path("c/data/default.sqlite");
    let whole = fs::read(&file).unwrap();

    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    shows("file-open-to-others", &machine, &mut mount(&machine));
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&file).unwrap();
    shows("file-missing", &machine, &mut mount(&machine));
    let place = |content: &[u8]| {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };
    place(&[7; 4096]);
    shows("file-foreign", &machine, &mut mount(&machine));
    let mut damaged = whole.clone();
    damaged[100..].fill(0xaa);
    place(&damaged);
    shows("file-damaged", &machine, &mut mount(&machine));
    place(&whole);
    let stuck = Stuck::new(&machine);
    shows("file-locked", &machine, &mut mount(&machine));
    drop(stuck);
    let args = ["conf", "path", "/sys/wallet.sqlite"];
    machine.walletfs(args).assert().success();
    shows("file-missing-elsewhere", &machine, &mut mount(&machine));
    let machine = Machine::new();
    let args = ["init", "--store", "local", "--path", "/sys/wallet.sqlite"];
    shows(
        "file-not-permitted",
        &machine,
        &mut machine.with_passwords(args),
    );
}

#[test]
fn a_full_disk() {
    let machine = Machine::with_quick_wallet();
    let data = machine.path("c/data");
    let program = machine.walletfs([""; 0]).get_program().to_owned();
    // A disk of a few pages, in a namespace of its own.
    let script = r#"
        mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"
        (umask 077; head -c 48k /dev/zero >"$1/other")
        exec "$2" init --store local --wallet second"#;
    let mut command = machine.with_passwords([""; 0]);
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&data)
        .arg(program)
        .env_clear();
    for (name, value) in command.get_envs() {
        unshare.env(name, value.unwrap());
    }
    shows("disk-full", &machine, &mut unshare);
    command.arg("status").assert().success();
}

#[test]
fn a_wallet_that_is_not_what_it_was() {
    let machine = Machine::with_quick_wallet();
    let file = machine.path("c/data/default.sqlite");
    let old = fs::read(&file).unwrap();
    store_one(&machine);
    let new = fs::read(&file).unwrap();
    fs::write(&file, old).unwrap();
    shows("rolled-back", &machine, &mut mount(&machine));
    let mut command = machine.with_passwords(["mount", "--accept-rollback", "w"]);
    shows("rolled-back-not-asked", &machine, &mut command);
    fs::write(&file, &new).unwrap();
    sql(&machine, "DELETE FROM items WHERE id <> 'head'");
    shows("secret-missing", &machine, &mut mount(&machine));
    fs::write(&file, &new).unwrap();
    sql(&machine, "DELETE FROM items WHERE id = 'head'");
    shows("head-missing", &machine, &mut mount(&machine));
    sql(&machine, "DELETE FROM items");
    shows("wallet-vanished", &machine, &mut mount(&machine));
    fs::write(&file, &new).unwrap();
    sql(&machine, "UPDATE items SET meta = x'00' WHERE id = 'head'");
    shows("head-damaged", &machine, &mut mount(&machine));
    fs::write(&file, &new).unwrap();
    let other = Machine::with_quick_wallet();
    let theirs = other.path("c/data/default.sqlite");
    let to = ["migrate", "--yes", "--store", "local", "--path"];
    let mut command = machine.with_passwords(to);
    fs::copy(theirs, machine.path("other.sqlite")).unwrap();
    shows(
        "migrate-onto-another",
        &machine,
        command.arg(machine.path("other.sqlite")),
    );
}

/// A device whose wallet is in DynamoDB at this address.
fn in_dynamodb(url: &str) -> Machine {
    let machine = Machine::with_quick_wallet();
    let config =
        format!(r#"{{"store": "dynamodb", "region": "eu-central-1", "endpoint-url": "{url}"}}"#);
    fs::write(machine.path("c/default.json"), config).unwrap();
    machine
}

fn with_key(machine: &Machine) -> Command {
    let mut command = mount(machine);
    command
        .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
        .env("AWS_SECRET_ACCESS_KEY", "none");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_in_dynamodb() {
    let proxy = HttpCount::before("http://127.0.0.1:1").await;
    let machine = tokio::task::block_in_place(|| in_dynamodb(proxy.url()));
    let action = "User: arn:aws:iam::123456789012:user/joe is not authorized to perform: \
                  dynamodb:GetItem on resource: table/walletfs";
    let html = Answer {
        status: 403,
        headers: vec!["content-type: text/html".into()],
        body: "<html>no</html>".into(),
    };
    for (case, answer) in [
        ("denied", Answer::error("AccessDeniedException", action)),
        (
            "credentials-expired",
            Answer::error("ExpiredTokenException", "The token is expired"),
        ),
        (
            "credentials-wrong",
            Answer::error("UnrecognizedClientException", "The token is invalid"),
        ),
        (
            "region-wrong",
            Answer::error(
                "InvalidSignatureException",
                "Credential should be scoped to a valid region",
            ),
        ),
        (
            "clock-wrong",
            Answer::error("InvalidSignatureException", "Signature expired")
                .with_header("date: Sat, 24 Nov 2001 18:56:15 GMT"),
        ),
        (
            "no-table",
            Answer::error("ResourceNotFoundException", "Requested resource not found"),
        ),
        (
            "table-foreign",
            Answer::error(
                "ValidationException",
                "The provided key element does not match",
            ),
        ),
        (
            "service-fails",
            Answer::error("InternalServerError", "Internal").with_status(500),
        ),
        (
            "throttled",
            Answer::error("ThrottlingException", "Rate exceeded"),
        ),
        ("proxy-between", html),
    ] {
        proxy.plan(move |_| Fate::Answer(answer.clone()));
        let mut command = with_key(&machine);
        if case == "clock-wrong" {
            // By how much depends on the day.
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let minutes: String = said.chars().filter(char::is_ascii_digit).collect();
            assert!(minutes.parse::<u64>().unwrap() > 1 << 20, "{said}");
            continue;
        }
        tokio::task::block_in_place(|| shows(case, &machine, &mut command));
    }
    proxy.plan(|_| Fate::CutBefore);
    shows("connection-cut", &machine, &mut with_key(&machine));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer() {
    let proxy = HttpCount::before("http://127.0.0.1:1").await;
    let machine = tokio::task::block_in_place(|| in_dynamodb(proxy.url()));
    proxy.plan(|_| Fate::Hang);
    shows("no-answer", &machine, &mut with_key(&machine));
}

#[test]
fn no_way_to_dynamodb() {
    let machine = in_dynamodb("http://127.0.0.1:1");
    shows("engine-gone", &machine, &mut with_key(&machine));
    let mut command = mount(&machine);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    shows("no-credentials", &machine, &mut command);
    let mut command = mount(&machine);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_PROFILE", "nowhere");
    shows("profile-unknown", &machine, &mut command);
    fs::write(machine.path("c/default.json"), r#"{"store": "dynamodb"}"#).unwrap();
    let mut command = with_key(&machine);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    shows("no-region", &machine, &mut command);
    let config = r#"{"store": "dynamodb", "region": "eu-central-1", "endpoint-url": "nowhere"}"#;
    fs::write(machine.path("c/default.json"), config).unwrap();
    shows("endpoint-no-url", &machine, &mut with_key(&machine));
}
