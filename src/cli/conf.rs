//! `conf`: reads and sets what this device is told about the wallet. What is set is checked as a
//! whole before the file is replaced; keys that this version does not know stay as they are.

use super::args::{self, Global};
use super::config::{Config, StoreKind, TABLE};
use super::exit::{Exit, Failure, print};
use super::paths::Places;
use super::session::{LIFETIME, TIMEOUT};
use crate::store::{Limits, remove_replica};
use crate::wallet::{Options, history, trash};
use serde_json::{Map, Value, json};
use std::ffi::OsStr;

/// A setting.
pub(super) struct Key {
    pub(super) name: &'static str,
    takes: Takes,
}

/// What a setting takes.
#[derive(Clone, Copy)]
enum Takes {
    /// One of these words.
    Word(&'static [&'static str]),
    Text,
    /// A path, made absolute.
    Path,
    /// A whole number: what of.
    Whole(&'static str),
    /// A number of seconds with decimals.
    Seconds,
}

/// The settings.
pub(super) const KEYS: [Key; 15] = [
    key("store", Takes::Word(&["local", "dynamodb"])),
    key("path", Takes::Path),
    key("table", Takes::Text),
    key("profile", Takes::Text),
    key("region", Takes::Text),
    key("endpoint-url", Takes::Text),
    key("commit-limit", Takes::Whole("changes, from 2 to 100")),
    key("timeout", Takes::Whole("seconds; 0 is never")),
    key("lifetime", Takes::Whole("seconds; 0 is never")),
    key("cache-ttl", Takes::Seconds),
    key("history", Takes::Whole("values, from 0 to 100; 0 is none")),
    key("trash", Takes::Whole("days, from 0 to 3650; 0 is none")),
    key("replica", Takes::Word(&["off", "on"])),
    key("audit", Takes::Path),
    key(
        "log-level",
        Takes::Word(&["error", "warn", "info", "debug", "trace"]),
    ),
];

const fn key(name: &'static str, takes: Takes) -> Key {
    Key { name, takes }
}

/// Runs the command.
pub(super) fn run(global: &Global, args: &args::Conf) -> Result<(), Failure> {
    let places = global.places()?;
    let config = Config::load(&places, &global.wallet)?;
    let Some(name) = &args.key else {
        let all = effective(&config, &places, &global.wallet)?;
        return print(&match args.json {
            true => pretty(&Value::Object(all)),
            false => table(&all, &as_map(&config)?),
        });
    };
    if args.unset || args.value.is_some() {
        let changed = change(&config, name, args.value.as_deref())?;
        if config.has_replica()
            && !changed.has_replica()
            && let Some(live) = global.mounts()?.first()
        {
            let message = format!(
                "the wallet is mounted on {}, which would make the replica again: `walletfs lock` \
                 first",
                live.record.mountpoint
            );
            return Err(Failure::new(Exit::Failed, message));
        }
        changed.save(&places, &global.wallet)?;
        if !changed.has_replica() {
            remove_replica(&places.replica_file(&global.wallet))?;
        }
        return Ok(());
    }
    let all = effective(&config, &places, &global.wallet)?;
    let value = all.get(name).ok_or_else(|| unknown(name))?;
    print(&match args.json {
        true => pretty(value),
        false => format!("{}\n", shown(value)),
    })
}

/// The configuration with another value of a key, or without one.
fn change(config: &Config, name: &str, value: Option<&OsStr>) -> Result<Config, Failure> {
    let key = KEYS.iter().find(|key| key.name == name);
    let key = key.ok_or_else(|| unknown(name))?;
    let refused = || {
        let message = format!("{name} takes {}", key.takes.told());
        Failure::new(Exit::Usage, message)
    };
    let mut map = as_map(config)?;
    match value {
        Some(value) => {
            let value = key.takes.parse(value).ok_or_else(refused)?;
            if name == "replica" && value == "on" && config.store == StoreKind::Local {
                let message = "a replica is for a wallet in DynamoDB; this one is on this device \
                     already, and needs none: leave it off";
                return Err(Failure::new(Exit::Usage, message));
            }
            map.insert(name.to_owned(), value);
        }
        None if name == "store" => {
            let message = "store has no default: set it to local or dynamodb";
            return Err(Failure::new(Exit::Usage, message));
        }
        None => drop(map.remove(name)),
    }
    let changed: Config = serde_json::from_value(Value::Object(map)).map_err(|_| refused())?;
    changed.check().map_err(|_| refused())?;
    Ok(changed)
}

impl Takes {
    fn parse(self, text: &OsStr) -> Option<Value> {
        if let Takes::Path = self {
            let path = std::path::absolute(text).ok()?;
            return path.to_str().map(Value::from);
        }
        let text = text.to_str()?;
        match self {
            Takes::Word(_) | Takes::Text => (!text.is_empty()).then(|| Value::from(text)),
            Takes::Path => None,
            Takes::Whole(_) => text.parse::<u64>().ok().map(Value::from),
            Takes::Seconds => text
                .parse::<f64>()
                .ok()
                .filter(|s| s.is_finite())
                .map(number),
        }
    }

    fn told(self) -> String {
        match self {
            Takes::Word(words) => format!("one of {}", words.join(", ")),
            Takes::Text => "a text".into(),
            Takes::Path => "a path in UTF-8".into(),
            Takes::Whole(of) => format!("a whole number of {of}"),
            Takes::Seconds => "a number of seconds from 0 to 86400, decimals allowed".into(),
        }
    }
}

/// A number as JSON writes it: whole where it is.
fn number(seconds: f64) -> Value {
    match seconds.fract() == 0.0 && (0.0..1e15).contains(&seconds) {
        true => Value::from(seconds as u64),
        false => Value::from(seconds),
    }
}

/// What holds: each key in order with its value or its default, `null` where there is neither, and
/// then the keys that this version does not know.
fn effective(
    config: &Config,
    places: &Places,
    wallet: &str,
) -> Result<Map<String, Value>, Failure> {
    let mut set = as_map(config)?;
    // Not a setting: what the device's key was made with.
    set.remove("device-salt");
    let local = config.store == StoreKind::Local;
    let mut all = Map::new();
    for Key { name, .. } in &KEYS {
        let default = match *name {
            "path" if local => json!(config.local_file(places, wallet).to_str()),
            "table" if !local => json!(TABLE),
            "commit-limit" => json!(Limits::default().changes),
            "timeout" => json!(TIMEOUT),
            "lifetime" => json!(LIFETIME),
            "cache-ttl" => number(Options::default().cache_ttl.as_secs_f64()),
            "history" => json!(history::KEPT),
            "trash" => json!(trash::KEPT_DAYS),
            "replica" => json!("off"),
            "log-level" => json!("info"),
            _ => Value::Null,
        };
        let value = set.remove(*name).unwrap_or(default);
        let value = match value.as_f64() {
            Some(seconds) if *name == "cache-ttl" => number(seconds),
            _ => value,
        };
        all.insert((*name).to_owned(), value);
    }
    all.extend(set);
    Ok(all)
}

fn as_map(config: &Config) -> Result<Map<String, Value>, Failure> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Failure::new(
            Exit::Usage,
            "the store's path is not UTF-8; choose another",
        )),
    }
}

/// A line for each key that has a value.
fn table(all: &Map<String, Value>, set: &Map<String, Value>) -> String {
    let with_value = all.iter().filter(|(_, value)| !value.is_null());
    let line = |(name, value): (&String, &Value)| {
        let default = match set.contains_key(name) {
            true => "",
            false => " (default)",
        };
        format!("{name:<13} {}{default}\n", shown(value))
    };
    with_value.map(line).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value is JSON") + "\n"
}

fn unknown(name: &str) -> Failure {
    let names = KEYS.map(|key| key.name).join(", ");
    let message = format!(
        "there is no setting `{}`: there are {names}",
        name.escape_debug()
    );
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = r#"{"store":"local","path":"/w","timeout":30,"colour":"red"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn set(name: &str, value: &str) -> Result<Config, String> {
        change(&config(), name, Some(OsStr::new(value))).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_key_is_one_of_the_configuration() {
        for key in &KEYS {
            let value = match key.takes {
                Takes::Word(words) => words[0],
                Takes::Text => "text",
                Takes::Path => "/path",
                Takes::Whole(_) => "7",
                Takes::Seconds => "0.5",
            };
            let changed = set(key.name, value).unwrap();
            assert_eq!(changed.unknown, config().unknown, "{}", key.name);
            let shown = shown(&as_map(&changed).unwrap()[key.name]);
            assert_eq!(shown, value, "{}", key.name);
        }
        // And the configuration has no other.
        let full = KEYS.iter().fold(config(), |config, key| {
            let value = match key.takes {
                Takes::Word(words) => words[0],
                Takes::Text | Takes::Path => "/x",
                Takes::Whole(_) | Takes::Seconds => "7",
            };
            change(&config, key.name, Some(OsStr::new(value))).unwrap()
        });
        let names: Vec<_> = as_map(&full).unwrap().into_iter().map(|(k, _)| k).collect();
        assert_eq!(names.len(), KEYS.len() + 1, "{names:?}");
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_is_right() {
        for (name, value, told) in [
            ("timeout", "-1", "whole number of seconds"),
            ("timeout", "1.5", "whole number of seconds"),
            ("lifetime", "", "whole number of seconds"),
            ("cache-ttl", "86401", "from 0 to 86400"),
            ("cache-ttl", "nan", "from 0 to 86400"),
            ("commit-limit", "1", "from 2 to 100"),
            ("log-level", "loud", "one of error"),
            ("store", "cloud", "one of local"),
            ("history", "101", "values, from 0 to 100"),
            ("trash", "3651", "days, from 0 to 3650"),
            ("replica", "on", "for a wallet in DynamoDB"),
            ("replica", "maybe", "one of off, on"),
            ("table", "", "a text"),
            ("colour", "blue", "there is no setting `colour`"),
            ("no such\n", "x", "there is no setting `no such\\n`"),
        ] {
            let refusal = set(name, value).unwrap_err();
            assert!(refusal.contains(told), "{name}={value}: {refusal}");
        }
        assert!(change(&config(), "store", None).is_err());
    }

    #[test]
    fn unset_is_the_default_again() {
        let changed = change(&config(), "timeout", None).unwrap();
        assert_eq!(changed.timeout, None);
    }
}
