//! The live table of a secret-wallet, which the Python program itself filled, on a DynamoDB engine.

use crate::program::Machine;
use crate::python_tool::{Tool, configuration};
use crate::support::*;
use crate::tools::dynamodb::{Engine, access_key};
use crate::tools::http_count::{Answer, Fate, HttpCount};
use serde_json::json;
use std::fs;

/// A home with the program's configuration and AWS credentials, and its table filled.
fn filled(engine: &Engine) -> Tool {
    let mut configuration = configuration();
    configuration
        .as_object_mut()
        .unwrap()
        .remove("storage_type");
    configuration["table_name"] = "access_secrets_fx".into();
    let tool = Tool::new(&configuration);
    let (id, secret) = access_key();
    fs::create_dir(tool.home().join(".aws")).unwrap();
    let profile = format!(
        "[secret-wallet]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
         region = eu-central-1\n"
    );
    fs::write(tool.home().join(".aws/credentials"), profile).unwrap();
    let file = fixture("save-encrypted.json");
    let said = tool.run(
        &["load", "-f", file.to_str().unwrap()],
        &[("AWS_ENDPOINT_URL", engine.url())],
    );
    assert_eq!(said.matches("inserting secret").count(), 28, "{said}");
    tool
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_its_live_table_is_read() {
    let engine = Engine::start();
    let tool = filled(&engine);
    let proxy = HttpCount::before(engine.url()).await;
    // Pages of five rows.
    proxy.plan(|request| {
        assert_eq!(request.operation, "Scan");
        let mut body = request.json();
        assert_eq!(body["ConsistentRead"], true);
        assert_eq!(body["TableName"], "access_secrets_fx");
        body["Limit"] = json!(5);
        Fate::Rewrite(body.to_string().into_bytes())
    });
    let machine = Machine::with_wallet();
    let import = |more: &[&str]| {
        let mut import = machine.with_passwords(["import", "--from", "secret-wallet"]);
        import.env("HOME", tool.home());
        import.args(["--endpoint-url", proxy.url()]).args(more);
        import.args(["--source-password-command", THEIR_MEMORABLE]);
        import
    };
    tokio::task::block_in_place(|| {
        import(&[]).assert().success();
        assert_eq!(machine.holds(), truth());
    });
    assert_eq!(proxy.take()["Scan"], 6);

    // What the options name goes before what the configuration names.
    proxy.heal();
    let said = tokio::task::block_in_place(|| {
        let other = import(&["--table", "no_such_table"]).assert().code(11);
        String::from_utf8(other.get_output().stderr.clone()).unwrap()
    });
    assert!(said.contains("--table"), "{said}");

    // A page that fails fails the import, before anything is written.
    proxy.plan(|request| match request.number {
        0 => {
            let mut body = request.json();
            body["Limit"] = json!(5);
            Fate::Rewrite(body.to_string().into_bytes())
        }
        _ => Fate::Answer(Answer::error("AccessDeniedException", "no")),
    });
    proxy.take();
    let before = machine.sqlite();
    tokio::task::block_in_place(|| {
        import(&["--overwrite"]).assert().code(14).stdout("");
        assert!(machine.sqlite() == before);
    });
}
