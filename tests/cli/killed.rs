//! `restore` and `migrate` killed by SIGKILL after each commit in turn, in the middle of the call:
//! the wallet opens, and the command run again does the rest.

use crate::program::{DEVICE, MEMORABLE, Machine, say};
use crate::support::dynamodb::Engine;
use crate::support::http_count::{Fate, HttpCount};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use walletfs::crypto::{DeviceKey, SecretBytes};
use walletfs::store::{DynamoOptions, Id, SqliteStore, Store};
use walletfs::wallet::{
    Edit, Expected, Field, FieldChange, FieldEdit, Options, Seen, Wallet, WalletError,
};

/// A store in DynamoDB, a proxy before it, and a machine that uses it.
struct Scene {
    machine: Machine,
    engine: Engine,
    proxy: HttpCount,
}

impl Scene {
    async fn new() -> Scene {
        let engine = Engine::start();
        Scene {
            machine: Machine::new(),
            proxy: HttpCount::before(engine.url()).await,
            engine,
        }
    }

    /// The program, with everything that it needs.
    fn walletfs(&self, args: &[&str]) -> Command {
        let like = self.machine.with_passwords(args);
        let mut command = Command::new(like.get_program());
        command.args(args).env_clear();
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        command
            .env("WALLETFS_MEMORABLE_PASSWORD_COMMAND", say(MEMORABLE))
            .env("WALLETFS_DEVICE_PASSWORD_COMMAND", say(DEVICE))
            .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    #[track_caller]
    fn done(&self, args: &[&str]) {
        let output = self.walletfs(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
    }

    /// Runs the command and kills it when its `n`th commit has been made and not been answered.
    /// False if it ended before.
    fn killed_after(&self, args: &[&str], n: usize) -> bool {
        let (commits, hung) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&hung);
        self.proxy.plan(move |request| {
            let commit = request.operation == "TransactWriteItems";
            if commit && commits.fetch_add(1, Ordering::Relaxed) >= n {
                flag.store(true, Ordering::Release);
                return Fate::HangAfter;
            }
            Fate::Forward
        });
        let mut child = self.walletfs(args).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        let killed = loop {
            if hung.load(Ordering::Acquire) {
                // The engine is asked by the proxy only now, perhaps.
                std::thread::sleep(Duration::from_millis(100));
                child.kill().unwrap();
                break true;
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break false;
            }
            assert!(Instant::now() < end, "neither killed nor ended");
            std::thread::sleep(Duration::from_millis(5));
        };
        child.wait().unwrap();
        self.proxy.heal();
        killed
    }

    /// Opens the wallet as another device does.
    async fn open(&self, store: Arc<dyn Store>) -> Arc<Wallet> {
        let key = std::fs::read(self.machine.path("c/default.key")).unwrap();
        let key = DeviceKey::from_bytes(key.try_into().unwrap());
        let password = SecretBytes::new(MEMORABLE.into());
        let (seen, o) = (Seen::in_memory(), Options::default());
        let wallet = Wallet::unlock(store, seen, &key, &password, o)
            .await
            .unwrap();
        assert_eq!(wallet.state().fault, None);
        wallet
    }

    async fn dynamodb(&self, table: &str) -> Arc<dyn Store> {
        let options = DynamoOptions {
            table: table.into(),
            ..self.engine.options("default")
        };
        Arc::new(self.engine.connect(options).await)
    }

    fn sqlite(&self) -> Arc<dyn Store> {
        let file = self.machine.path("c/data/default.sqlite");
        Arc::new(SqliteStore::open(file, "default"))
    }
}

/// Makes the secret if it is not there, and writes its `pwd`.
async fn write(wallet: &Wallet, access: &str, pwd: &str) -> Result<(), WalletError> {
    let found = wallet.view().find("bank", access);
    let secret = match found {
        Some(secret) => secret,
        None => {
            let create = Edit::Create {
                domain: "bank".into(),
                access: access.into(),
            };
            wallet.apply(create).await?.created.unwrap()
        }
    };
    let edit = FieldEdit {
        secret,
        field: Field::Pwd,
        expect: Expected::Any,
        change: FieldChange::Put {
            value: Arc::new(SecretBytes::new(pwd.into())),
            mtime_ns: 5,
            mode: 0o600,
        },
    };
    wallet.apply(Edit::Fields(vec![edit])).await.map(drop)
}

async fn contents(wallet: &Wallet) -> Vec<String> {
    let secrets: Vec<(Id, String)> = {
        let view = wallet.view();
        view.all().map(|s| (s.id, s.shown.to_string())).collect()
    };
    let mut contents = Vec::new();
    for (id, name) in secrets {
        let body = wallet.body(id).await.unwrap();
        let value = wallet.value(&body, &Field::Pwd).unwrap();
        contents.push(format!(
            "{name}={}",
            String::from_utf8_lossy(value.expose())
        ));
    }
    contents.sort();
    contents
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore() {
    let scene = Scene::new().await;
    let table = scene.engine.options("default").table;
    scene.done(&[
        "init",
        "--store",
        "dynamodb",
        "--table",
        &table,
        "--commit-limit",
        "2",
        "--endpoint-url",
        scene.proxy.url(),
    ]);
    let wallet = scene.open(scene.dynamodb(&table).await).await;
    for access in ["current", "savings"] {
        write(&wallet, access, "old").await.unwrap();
    }
    let file = scene.machine.path("b");
    let file = file.to_str().unwrap();
    scene.done(&["backup", "--to", file]);
    let args = ["restore", "--yes", file];
    let mut kills = 0;
    loop {
        wallet.require_current().await.unwrap();
        for access in ["current", "new"] {
            write(&wallet, access, "new").await.unwrap();
        }
        if !scene.killed_after(&args, kills) {
            break;
        }
        let now = scene.open(scene.dynamodb(&table).await).await;
        let now = contents(&now).await;
        assert!(now.contains(&"savings=old".to_owned()), "{now:?}");
        scene.done(&args);
        wallet.require_current().await.unwrap();
        assert_eq!(contents(&wallet).await, ["current=old", "savings=old"]);
        kills += 1;
    }
    // A backup of 4 items in 2 commits with 2 for the index, 1 change, 1 removal; more where the name
    // of this second is taken.
    assert!(kills >= 6, "{kills}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate() {
    let scene = Scene::new().await;
    scene.done(&["init", "--store", "local"]);
    let wallet = scene.open(scene.sqlite()).await;
    for access in ["current", "savings", "third"] {
        write(&wallet, access, "old").await.unwrap();
    }
    let expected = contents(&wallet).await;
    let config = scene.machine.path("c/default.json");
    let local = std::fs::read(&config).unwrap();
    let mut kills = 0;
    loop {
        std::fs::write(&config, &local).unwrap();
        let table = scene.engine.options("default").table;
        let args = [
            "migrate",
            "--store",
            "dynamodb",
            "--table",
            &table,
            "--commit-limit",
            "2",
            "--endpoint-url",
            scene.proxy.url(),
        ];
        if !scene.killed_after(&args, kills) {
            break;
        }
        // Not switched, and the source is as it was.
        assert!(std::fs::read(&config).unwrap() == local);
        let source = scene.open(scene.sqlite()).await;
        assert_eq!(contents(&source).await, expected);
        scene.done(&args);
        assert!(std::fs::read(&config).unwrap() != local);
        let there = scene.open(scene.dynamodb(&table).await).await;
        assert_eq!(contents(&there).await, expected);
        kills += 1;
    }
    // 3 secrets in 2 commits, and the head.
    assert_eq!(kills, 3);
}
