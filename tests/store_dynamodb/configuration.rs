//! Where region, credentials and endpoint come from. The environment of a process cannot be
//! changed safely while it runs, so the store is opened in a child process: this program again.

use crate::support::dynamodb::Engine;
use crate::support::http_count::{Answer, Fate, HttpCount};
use std::sync::{Arc, Mutex};
use tokio::process::Command;
use walletfs::store::{DynamoOptions, DynamoStore, Id, Store, StoreError};

/// Set for a child: what it shall do.
const CHILD: &str = "WALLETFS_TEST_CHILD";

/// What the child sends: an option of the store each, where it is set.
const PROFILE: &str = "WALLETFS_TEST_PROFILE";
const REGION: &str = "WALLETFS_TEST_REGION";
const ENDPOINT: &str = "WALLETFS_TEST_ENDPOINT";

/// The child's part; without a parent there is nothing to do.
#[tokio::test]
async fn child() {
    let Ok(duty) = std::env::var(CHILD) else {
        return;
    };
    let variable = |name| std::env::var(name).ok();
    let options = DynamoOptions {
        table: "walletfs".into(),
        wallet: "default".into(),
        profile: variable(PROFILE),
        region: variable(REGION),
        endpoint_url: variable(ENDPOINT),
        commit_limit: None,
    };
    let store = DynamoStore::connect(options).await;
    println!("first: {}", outcome(&store).await);
    if duty == "renew" {
        let file = variable("AWS_SHARED_CREDENTIALS_FILE").expect("the parent names it");
        std::fs::write(file, keys("default", "AKIARENEWED")).unwrap();
        println!("second: {}", outcome(&store).await);
    }
}

async fn outcome(store: &DynamoStore) -> String {
    match store.get(Id::Head).await {
        Ok(_) => "an answer".into(),
        // The table is not there, which only the service knows.
        Err(StoreError::Missing(_)) => "an answer".into(),
        Err(error) => error.to_string(),
    }
}

/// A section of the credentials file.
fn keys(profile: &str, id: &str) -> String {
    format!("[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = nobody's\n")
}

/// The `Credential` of each signature: `KEY/DATE/REGION/dynamodb/aws4_request`.
type Signatures = Arc<Mutex<Vec<String>>>;

struct Parent {
    _engine: Engine,
    proxy: HttpCount,
    signatures: Signatures,
    home: tempfile::TempDir,
}

impl Parent {
    async fn new() -> Parent {
        let engine = Engine::start();
        let proxy = HttpCount::before(engine.url()).await;
        let signatures = Signatures::default();
        let kept = Arc::clone(&signatures);
        proxy.plan(move |request| {
            let credential = request
                .header("authorization")
                .and_then(|line| line.split("Credential=").nth(1))
                .and_then(|rest| rest.split(',').next())
                .unwrap_or_default()
                .to_owned();
            let expired = credential.starts_with("AKIAEXPIRED");
            kept.lock().unwrap().push(credential);
            match expired {
                true => Fate::Answer(Answer::error("ExpiredTokenException", "too old")),
                false => Fate::Forward,
            }
        });
        Parent {
            _engine: engine,
            proxy,
            signatures,
            home: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// Runs the child in an environment of only these variables, and gives what it says.
    async fn run(&self, duty: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "configuration::child", "--nocapture"])
            .env_clear()
            .env(CHILD, duty)
            .env("HOME", self.home.path())
            .env("AWS_CONFIG_FILE", self.path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("credentials"))
            // The last link of the default chain asks the network, which answers in its own time.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .output()
            .await
            .expect("the child runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(word, _)| word.ends_with("first") || word.ends_with("second"))
            .map(|(_, said)| said.to_owned())
            .collect()
    }

    /// Key and region of each signature so far.
    fn signed(&self) -> Vec<(String, String)> {
        let signatures = std::mem::take(&mut *self.signatures.lock().unwrap());
        let parts = |credential: &String| {
            let parts: Vec<&str> = credential.split('/').collect();
            (parts[0].to_owned(), parts[2].to_owned())
        };
        signatures.iter().map(parts).collect()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

fn one(key: &str, region: &str) -> Vec<(String, String)> {
    vec![(key.into(), region.into())]
}

#[tokio::test]
async fn keys_region_and_endpoint_come_from_the_environment() {
    let parent = Parent::new().await;
    for endpoint in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"] {
        let said = parent
            .run(
                "get",
                &[
                    ("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"),
                    ("AWS_SECRET_ACCESS_KEY", "nobody's"),
                    ("AWS_REGION", "ap-south-1"),
                    (endpoint, parent.proxy.url()),
                ],
            )
            .await;
        assert_eq!(said, ["an answer"]);
        assert_eq!(parent.signed(), one("AKIAENVIRONMENT", "ap-south-1"));
    }
}

#[tokio::test]
async fn a_profile_gives_keys_and_region() {
    let parent = Parent::new().await;
    let both = keys("default", "AKIADEFAULT") + &keys("secret-wallet", "AKIAPROFILE");
    parent.write("credentials", &both);
    let config = "[default]\nregion = eu-west-1\n[profile secret-wallet]\nregion = eu-west-3\n";
    parent.write("config", config);
    let url = parent.proxy.url();

    let said = parent.run("get", &[(ENDPOINT, url)]).await;
    assert_eq!(said, ["an answer"]);
    assert_eq!(parent.signed(), one("AKIADEFAULT", "eu-west-1"));

    for name in [PROFILE, "AWS_PROFILE"] {
        let said = parent
            .run("get", &[(ENDPOINT, url), (name, "secret-wallet")])
            .await;
        assert_eq!(said, ["an answer"]);
        assert_eq!(parent.signed(), one("AKIAPROFILE", "eu-west-3"));
    }

    // What is said to the store itself wins.
    let said = parent
        .run(
            "get",
            &[
                (ENDPOINT, url),
                ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1"),
                (REGION, "us-west-2"),
                ("AWS_REGION", "eu-north-1"),
            ],
        )
        .await;
    assert_eq!(said, ["an answer"]);
    assert_eq!(parent.signed(), one("AKIADEFAULT", "us-west-2"));
}

/// An endpoint of one's own takes any region; AWS needs one, and is not asked without.
#[tokio::test]
async fn a_region_is_needed_on_aws_only() {
    let parent = Parent::new().await;
    parent.write("credentials", &keys("default", "AKIADEFAULT"));
    for name in [ENDPOINT, "AWS_ENDPOINT_URL_DYNAMODB"] {
        let said = parent.run("get", &[(name, parent.proxy.url())]).await;
        assert_eq!(said, ["an answer"]);
    }
    let said = parent.run("get", &[]).await;
    assert!(said[0].contains("no AWS region is set"), "{said:?}");
}

#[tokio::test]
async fn missing_credentials_are_named_and_nothing_is_asked() {
    let parent = Parent::new().await;
    let said = parent.run("get", &[(ENDPOINT, parent.proxy.url())]).await;
    assert!(
        said[0].contains("no AWS credentials were found"),
        "{said:?}"
    );
    assert_eq!(parent.signed(), []);

    let profile = (PROFILE, "no-such-profile");
    let said = parent
        .run("get", &[(ENDPOINT, parent.proxy.url()), profile])
        .await;
    assert!(said[0].contains("refuses access"), "{said:?}");
}

/// The last link of the default chain asks the EC2 metadata service. Elsewhere nobody answers
/// there, and that must not be told as a store that does not answer.
#[tokio::test]
async fn a_metadata_service_that_is_none_is_not_waited_for() {
    let parent = Parent::new().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", silent.local_addr().unwrap());
    let said = parent
        .run(
            "get",
            &[
                (ENDPOINT, parent.proxy.url()),
                ("AWS_EC2_METADATA_DISABLED", "false"),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
            ],
        )
        .await;
    assert!(
        said[0].contains("no AWS credentials were found"),
        "{said:?}"
    );
}

/// Credentials expire while a wallet is mounted, and are renewed: the next access uses the new ones.
#[tokio::test]
async fn renewed_credentials_are_used_at_the_next_access() {
    let parent = Parent::new().await;
    parent.write("credentials", &keys("default", "AKIAEXPIRED"));
    let said = parent.run("renew", &[(ENDPOINT, parent.proxy.url())]).await;
    assert!(said[0].contains("renew them"), "{said:?}");
    assert_eq!(said[1], "an answer");
    let keys: Vec<String> = parent.signed().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["AKIAEXPIRED", "AKIARENEWED"]);
}
