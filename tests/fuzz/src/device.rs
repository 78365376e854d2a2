//! What lies on the device, and what comes over its sockets: all of it JSON. The audit log is not
//! among it: it is written for other programs, and nothing here reads it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use walletfs::cli::config::Config;
use walletfs::fuzzing;
use walletfs::session::control::{Reply, Request};
use walletfs::session::registry::Record;
use walletfs::wallet::import::secret_wallet::Configuration;

/// A configuration: what is understood is written so that it is understood alike, and what is not
/// known is kept.
pub fn config(bytes: &[u8]) {
    let Ok(config) = Config::parse(bytes) else {
        return;
    };
    let text = config.text().expect("what was read from UTF-8 is UTF-8");
    let again = Config::parse(&text).expect("what this version writes it reads");
    assert!(again == config, "another configuration than was read");
    let kept: Map<String, Value> = serde_json::from_slice(&text).expect("it was just parsed");
    let read: Map<String, Value> = serde_json::from_slice(bytes).expect("it was just parsed");
    for (key, value) in &read {
        match config.unknown.get(key) {
            Some(unknown) => assert!(unknown == value && kept.get(key) == Some(value)),
            None => assert!(value.is_null() || kept.contains_key(key)),
        }
    }
}

/// Lines of the control socket, the records of mounts, and the record of the newest head seen.
pub fn records(bytes: &[u8]) {
    returns::<Request>(bytes);
    returns::<Reply>(bytes);
    returns::<Record>(bytes);
    let _ = Configuration::read(bytes);
    if let Some(seen) = fuzzing::seen(bytes) {
        assert!(fuzzing::seen(&seen).is_some_and(|again| again == seen));
    }
}

/// What is understood is written so that it is understood alike.
fn returns<T: DeserializeOwned + PartialEq + Serialize>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let text = serde_json::to_vec(&read).expect("what was JSON is JSON");
        let again: T = serde_json::from_slice(&text).expect("it was just written");
        assert!(again == read, "another content than was read");
    }
}
