//! `conf replica on`: with a DynamoDB engine that cannot be reached the wallet is mounted from the
//! copy on this device, and is the engine's again when that answers.

use crate::program::{MEMORABLE, Machine, mode, say, wait_for};
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Fate, HttpCount};
use std::fs;
use std::io;
use std::path::Path;

/// A wallet in DynamoDB, with a proxy before it.
struct Scene {
    machine: Machine,
    proxy: HttpCount,
    _engine: Engine,
}

impl Scene {
    async fn new() -> Scene {
        let engine = Engine::start();
        let scene = Scene {
            machine: Machine::new(),
            proxy: HttpCount::before(engine.url()).await,
            _engine: engine,
        };
        let place = [
            "init",
            "--store",
            "dynamodb",
            "--table",
            "replica",
            "--region",
            "eu-central-1",
        ];
        let url = scene.proxy.url().to_owned();
        scene
            .walletfs(&[&place[..], &["--endpoint-url", &url]].concat())
            .assert()
            .success();
        scene
    }

    fn walletfs(&self, args: &[&str]) -> assert_cmd::Command {
        let mut command = self.machine.with_passwords(args);
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
            .env("AWS_SECRET_ACCESS_KEY", "none");
        command
    }

    /// Mounts on `w`; what it says.
    fn mount(&self) -> (std::path::PathBuf, String) {
        let dir = self.machine.path("w");
        let mut command = self.walletfs(&["mount", "--timeout", "0", "--lifetime", "0"]);
        let done = command
            .args(["--cache-ttl", "0"])
            .arg(&dir)
            .assert()
            .success();
        let said = String::from_utf8(done.get_output().stderr.clone()).unwrap();
        (dir, said)
    }

    fn unmount(&self, dir: &Path) {
        self.walletfs(&["unmount"]).arg(dir).assert().success();
    }

    fn replica(&self) -> std::path::PathBuf {
        self.machine.path("c/state/default.replica")
    }

    /// The engine does not answer any more.
    fn cut(&self) {
        self.proxy.plan(|_| Fate::CutBefore);
    }
}

fn errno(done: io::Result<impl Sized>) -> Option<i32> {
    done.err().and_then(|error| error.raw_os_error())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_read_without_its_store_and_written_again_with_it() {
    let scene = Scene::new().await;
    scene
        .walletfs(&["conf", "replica", "on"])
        .assert()
        .success();
    let (dir, said) = scene.mount();
    assert_eq!(said, "");
    fs::create_dir_all(dir.join("energy/gas")).unwrap();
    fs::write(dir.join("energy/gas/pwd"), "xy67Gh!8").unwrap();
    scene.unmount(&dir);
    assert_eq!(mode(&scene.replica()), 0o600);
    let copy = fs::read(scene.replica()).unwrap();
    for text in ["xy67Gh!8", "energy", "gas"] {
        assert!(
            !copy.windows(text.len()).any(|w| w == text.as_bytes()),
            "{text}"
        );
    }

    scene.cut();
    let (dir, said) = scene.mount();
    assert!(
        said.contains("mounted from this device's replica, which is "),
        "{said}"
    );
    assert!(
        said.contains("nothing can be changed until the store answers"),
        "{said}"
    );
    assert_eq!(fs::read(dir.join("energy/gas/pwd")).unwrap(), b"xy67Gh!8");
    let status = scene.machine.status(&dir);
    let reason = status["staleness"]["reason"].as_str().unwrap();
    assert!(
        reason.ends_with("the files are those of this device's replica"),
        "{reason}"
    );
    assert!(status["staleness"]["age"].is_u64());
    assert!(
        scene
            .machine
            .log()
            .contains("reading from this device's replica")
    );
    let refused = fs::write(dir.join("energy/gas/pwd"), "new");
    assert_eq!(errno(refused), Some(libc::ENETUNREACH));
    let refused = fs::create_dir(dir.join("energy/new"));
    assert_eq!(errno(refused), Some(libc::ENETUNREACH));
    assert_eq!(fs::read(dir.join("energy/gas/pwd")).unwrap(), b"xy67Gh!8");

    // A mount would make it again.
    let off = scene.walletfs(&["conf", "replica", "off"]).assert().code(1);
    let said = String::from_utf8_lossy(&off.get_output().stderr).into_owned();
    assert!(said.contains("`walletfs lock` first"), "{said}");
    assert!(scene.replica().exists());

    scene.proxy.heal();
    wait_for("the store is written to again", || {
        fs::write(dir.join("energy/gas/pwd"), "new").is_ok()
    });
    assert_eq!(
        scene.machine.status(&dir)["staleness"]["reason"],
        serde_json::Value::Null
    );
    scene.unmount(&dir);

    // The copy has followed, too.
    scene.cut();
    let (dir, _) = scene.mount();
    assert_eq!(fs::read(dir.join("energy/gas/pwd")).unwrap(), b"new");
    scene.unmount(&dir);

    // A wrong password opens it no more than the store.
    let mut wrong = scene.walletfs(&["mount"]);
    wrong
        .env(
            "WALLETFS_MEMORABLE_PASSWORD_COMMAND",
            say(&format!("{MEMORABLE}x")),
        )
        .arg(&dir)
        .assert()
        .code(10);

    scene
        .walletfs(&["conf", "replica", "off"])
        .assert()
        .success();
    assert!(!scene.replica().exists());
    scene.walletfs(&["mount"]).arg(&dir).assert().code(13);
}

#[test]
fn a_local_wallet_has_none() {
    let machine = Machine::with_quick_wallet();
    let mut command = machine.walletfs(["conf", "replica", "on"]);
    let refused = command.assert().code(2).get_output().stderr.clone();
    assert_eq!(
        String::from_utf8_lossy(&refused),
        "walletfs: a replica is for a wallet in DynamoDB; this one is on this device already, and needs none: leave it off\n"
    );
}
