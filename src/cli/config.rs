//! The configuration of a wallet on this device: one JSON file. It holds no secret, but whoever
//! changes it decides where secrets go, so it is refused when others may write or read it.

use super::exit::{Exit, Failure};
use super::paths::Places;
use crate::crypto::DeviceKey;
use crate::session::log::Level;
use crate::session::private;
use crate::told;
use crate::wallet::{history, trash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a wallet is kept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// In one SQLite file.
    Local,
    /// In a table of Amazon DynamoDB.
    Dynamodb,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreKind::Local => "local",
            StoreKind::Dynamodb => "dynamodb",
        })
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may be wrong.
    Warn,
    /// What happens to the session.
    Info,
    /// What it does.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Level {
        match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// The table of a wallet in DynamoDB, unless another is named.
pub const TABLE: &str = "walletfs";

/// Largest configuration that is read.
const CONFIG_BYTES: usize = 64 << 10;
/// A device key is 32 bytes, and so is its file.
pub(super) const KEY_BYTES: usize = 32;

/// What the file says. A key that is not there has its default; one that is not known is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Config {
    /// Where the wallet is kept.
    pub store: StoreKind,
    /// The file of a local store, absolute. Default: `<wallet>.sqlite` in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The table of a DynamoDB store. Default: `walletfs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The profile of AWS credentials. Default: the AWS credential chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The AWS region. Default: the environment's or the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another DynamoDB engine than AWS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Changes in one commit, for engines that take fewer than 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_limit: Option<usize>,
    /// Seconds without an access until the lock; 0 is never. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Seconds until the session ends; 0 is never. Default: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u64>,
    /// Seconds that the files are shown without asking the store. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ttl: Option<Seconds>,
    /// Values that each field had before, and that are kept; 0 is none. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<usize>,
    /// Days for which secrets that were removed are kept; 0 is none. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trash: Option<u32>,
    /// Whether a copy of the sealed items is kept on this device, for a wallet in DynamoDB.
    /// Default: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<Switch>,
    /// Where opens of secrets are written down, absolute. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<PathBuf>,
    /// How much is logged. Default: info.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// The salt of this device's key, in hex: tells a device password that was changed elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_salt: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A length of time in seconds with decimals, at most a day.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(Duration);

impl Seconds {
    /// The length of time.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if (0.0..=86_400.0).contains(&seconds) {
            Ok(Seconds(Duration::from_secs_f64(seconds)))
        } else {
            Err("not a number of seconds between 0 and 86400")
        }
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> f64 {
        seconds.0.as_secs_f64()
    }
}

impl std::str::FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Seconds::try_from(text.parse::<f64>().unwrap_or(f64::NAN))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(f)
    }
}

impl Config {
    /// A configuration with every default.
    pub fn new(store: StoreKind) -> Config {
        Config {
            store,
            path: None,
            table: None,
            profile: None,
            region: None,
            endpoint_url: None,
            commit_limit: None,
            timeout: None,
            lifetime: None,
            cache_ttl: None,
            history: None,
            trash: None,
            replica: None,
            audit: None,
            device_salt: None,
            log_level: None,
            unknown: Map::new(),
        }
    }

    /// The file of a local store.
    pub fn local_file(&self, places: &Places, wallet: &str) -> PathBuf {
        match &self.path {
            Some(path) => path.clone(),
            None => places.data_file(wallet),
        }
    }

    /// Names the file of a local store in full, so that another environment finds the same.
    pub(super) fn fix_file(&mut self, places: &Places, wallet: &str) -> Result<(), Failure> {
        if self.store == StoreKind::Local {
            let path = self.local_file(places, wallet);
            let whole = std::path::absolute(&path).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("{}: {}", path.display(), told::system(&error)),
                )
            });
            self.path = Some(whole?);
        }
        Ok(())
    }

    /// The configuration of a wallet on this device.
    pub fn load(places: &Places, wallet: &str) -> Result<Config, Failure> {
        let path = places.config_file(wallet);
        let text = match private::check_dir(&places.config)? {
            true => private::read(&path, CONFIG_BYTES)?,
            false => None,
        };
        let Some(text) = text else {
            return Err(Failure::new(
                Exit::NoWallet,
                format!(
                    "the wallet `{wallet}` is not set up on this device ({} is missing); run \
                     `walletfs init`",
                    path.display()
                ),
            ));
        };
        Config::parse(&text).map_err(|why| wrong(&path, &why))
    }

    /// What the text of the file says.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Config, String> {
        let config: Config = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// The text of the file; `None` if a path is not UTF-8.
    pub fn text(&self) -> Option<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).ok()?; // its only trouble with such a value
        text.push(b'\n');
        Some(text)
    }

    /// What is wrong with the values taken together.
    pub fn check(&self) -> Result<(), String> {
        if let Some(limit) = self.commit_limit {
            check_commit_limit(limit)?;
        }
        if self.history.is_some_and(|values| values > history::MOST) {
            return Err(format!("`history` is at most {}", history::MOST));
        }
        if self.trash.is_some_and(|days| days > trash::MOST_DAYS) {
            return Err(format!("`trash` is at most {}", trash::MOST_DAYS));
        }
        for (key, path) in [("path", &self.path), ("audit", &self.audit)] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                return Err(format!("`{key}` must be absolute"));
            }
        }
        Ok(())
    }

    /// Values that each field had before, and that are kept.
    pub fn history(&self) -> usize {
        self.history.unwrap_or(history::KEPT)
    }

    /// How long secrets that were removed are kept.
    pub fn trash(&self) -> Duration {
        trash::days(self.trash.unwrap_or(trash::KEPT_DAYS))
    }

    /// Whether a copy of the sealed items is kept on this device. A local wallet is on it already.
    pub fn has_replica(&self) -> bool {
        self.store == StoreKind::Dynamodb && self.replica == Some(Switch::On)
    }

    /// Writes the configuration of a wallet on this device, whole or not at all.
    pub fn save(&self, places: &Places, wallet: &str) -> Result<(), Failure> {
        let text = self.text().ok_or_else(|| {
            Failure::new(Exit::Usage, "the store's path is not UTF-8; choose another")
        })?;
        private::make_dir(&places.config)?;
        Ok(private::write(&places.config_file(wallet), &text)?)
    }
}

fn wrong(path: &Path, why: &dyn fmt::Display) -> Failure {
    let message = format!(
        "{} is not a configuration that walletfs understands: {why}; correct the file, or move it \
         away and run `walletfs init`",
        path.display()
    );
    Failure::new(Exit::Usage, message)
}

/// A commit holds the head and at least one secret; no engine takes more than 100.
pub fn check_commit_limit(limit: usize) -> Result<usize, String> {
    match limit {
        2..=100 => Ok(limit),
        _ => Err("the commit limit must be between 2 and 100".into()),
    }
}

/// This device's key for a wallet.
pub fn load_key(places: &Places, wallet: &str) -> Result<DeviceKey, Failure> {
    let path = places.key_file(wallet);
    let Some(bytes) = private::read(&path, KEY_BYTES)? else {
        let message = format!(
            "this device's key {} is missing; move {} away and run `walletfs init`, which makes it \
             from the device password",
            path.display(),
            places.config_file(wallet).display()
        );
        return Err(Failure::new(Exit::NoWallet, message));
    };
    if bytes.len() != KEY_BYTES {
        let message = format!(
            "{} is not a device key (32 bytes); move it and {} away and run `walletfs init`",
            path.display(),
            places.config_file(wallet).display()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&bytes);
    Ok(DeviceKey::from_bytes(*key))
}

/// Writes this device's key for a wallet, whole or not at all.
pub fn save_key(places: &Places, wallet: &str, key: &DeviceKey) -> Result<(), Failure> {
    private::make_dir(&places.config)?;
    Ok(private::write(&places.key_file(wallet), key.expose())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path) -> Places {
        Places::new(Some(&dir.join("c")), &|_| None, 0).unwrap()
    }

    #[test]
    fn unknown_keys_are_kept_and_defaults_stay_unsaid() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        private::make_dir(&places.config).unwrap();
        let text = r#"{"store":"dynamodb","table":"t","colour":{"a":[1]},"cache-ttl":0.5,
            "ratio":0.1134567892123456789}"#;
        private::write(&places.config_file("w"), text.as_bytes()).unwrap();
        let config = Config::load(&places, "w").unwrap();
        assert_eq!(config.store, StoreKind::Dynamodb);
        assert_eq!(
            config.cache_ttl.unwrap().duration(),
            Duration::from_millis(500)
        );
        config.save(&places, "w").unwrap();
        assert_eq!(Config::load(&places, "w").unwrap(), config);
        let saved = private::read(&places.config_file("w"), 999)
            .unwrap()
            .unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&saved).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        private::make_dir(&places.config).unwrap();
        for (text, told) in [
            ("{}", "store"),
            (r#"{"store":"cloud"}"#, "cloud"),
            (r#"{"store":"local","timeout":-1}"#, "u64"),
            (r#"{"store":"local","commit-limit":1}"#, "commit limit"),
            (r#"{"store":"local","commit-limit":101}"#, "commit limit"),
            (r#"{"store":"local","cache-ttl":-0.1}"#, "seconds"),
            (r#"{"store":"local","history":101}"#, "`history` is"),
            (r#"{"store":"local","trash":3651}"#, "`trash` is"),
            (r#"{"store":"local","path":"x.sqlite"}"#, "absolute"),
            (r#"{"store":"local","audit":"x.log"}"#, "`audit` must be"),
            (r#"{"store":"local","log-level":"loud"}"#, "loud"),
            ("not json", "line 1"),
        ] {
            private::write(&places.config_file("w"), text.as_bytes()).unwrap();
            let failure = Config::load(&places, "w").unwrap_err();
            assert_eq!(failure.to_parts().0, Exit::Usage, "{text}");
            assert!(failure.to_string().contains(told), "{failure}");
        }
    }

    #[test]
    fn a_wallet_that_is_not_set_up_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        for _ in 0..2 {
            let failure = Config::load(&places, "w").unwrap_err();
            assert_eq!(failure.to_parts().0, Exit::NoWallet);
            assert!(failure.to_string().contains("walletfs init"));
            private::make_dir(&places.config).unwrap();
        }
    }

    #[test]
    fn a_key_is_32_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        assert_eq!(
            load_key(&places, "w").err().unwrap().to_parts().0,
            Exit::NoWallet
        );
        save_key(&places, "w", &DeviceKey::from_bytes([7; 32])).unwrap();
        assert_eq!(load_key(&places, "w").unwrap().expose(), &[7; 32]);
        for wrong in [31, 33] {
            private::write(&places.key_file("w"), &vec![7; wrong]).unwrap();
            assert!(load_key(&places, "w").is_err(), "{wrong} bytes");
        }
    }

    #[test]
    fn seconds_have_bounds() {
        for (text, good) in [
            ("0", true),
            ("0.25", true),
            ("86400", true),
            ("86401", false),
        ] {
            assert_eq!(text.parse::<Seconds>().is_ok(), good, "{text}");
        }
        for text in ["-1", "nan", "inf", "", "1s"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }
}
