//! Where walletfs keeps what is its own on this machine (XDG Base Directory Specification 0.8).

use super::exit::{Exit, Failure};
use crate::told;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directories of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Configuration and device keys.
    pub config: PathBuf,
    /// What this device has seen, and the logs.
    pub state: PathBuf,
    /// Wallets kept in a file, unless another place is named.
    pub data: PathBuf,
    /// Where the mounts of this user are known: made in the first, looked for in all.
    pub runtime: Vec<PathBuf>,
}

/// Reads an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

impl Places {
    /// The directories for this user. With `config_dir`, state and data lie below it, so that it
    /// alone makes a second device on one machine. Nothing is made or looked at, but that the
    /// runtime directory named by the environment is `euid`'s: after `su` it may be another user's.
    pub fn new(config_dir: Option<&Path>, env: Env, euid: u32) -> Result<Places, Failure> {
        let (config, state, data) = match config_dir {
            Some(dir) => {
                let dir = std::path::absolute(dir).map_err(|error| {
                    Failure::new(
                        Exit::Usage,
                        format!("{}: {}", dir.display(), told::system(&error)),
                    )
                })?;
                (dir.clone(), dir.join("state"), dir.join("data"))
            }
            None => (
                base("XDG_CONFIG_HOME", ".config", env)?,
                base("XDG_STATE_HOME", ".local/state", env)?,
                base("XDG_DATA_HOME", ".local/share", env)?,
            ),
        };
        let session = absolute("XDG_RUNTIME_DIR", env).filter(|dir| {
            std::fs::metadata(dir).is_ok_and(|found| found.is_dir() && found.uid() == euid)
        });
        let runtime = session.map(|dir| dir.join("walletfs"));
        Ok(Places {
            runtime: runtime.into_iter().chain([state.join("run")]).collect(),
            config,
            state,
            data,
        })
    }

    /// The configuration of a wallet.
    pub fn config_file(&self, wallet: &str) -> PathBuf {
        self.config.join(format!("{wallet}.json"))
    }

    /// The wallets that have a configuration here, in no order.
    pub fn wallets(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.config).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// A device key that is kept until the store has taken it, during a change of the device
    /// password.
    pub fn next_key_file(&self, wallet: &str) -> PathBuf {
        self.config.join(format!("{wallet}.key.next"))
    }

    /// This device's key for a wallet.
    pub fn key_file(&self, wallet: &str) -> PathBuf {
        self.config.join(format!("{wallet}.key"))
    }

    /// The newest head of a wallet that this device has seen.
    pub fn seen_file(&self, wallet: &str) -> PathBuf {
        self.state.join(format!("{wallet}.seen"))
    }

    /// The copy of a wallet's sealed items, where one is kept.
    pub fn replica_file(&self, wallet: &str) -> PathBuf {
        self.state.join(format!("{wallet}.replica"))
    }

    /// What a wallet's background process says.
    pub fn log_file(&self, wallet: &str) -> PathBuf {
        self.state.join(format!("{wallet}.log"))
    }

    /// A wallet kept in a file, unless another place is named.
    pub fn data_file(&self, wallet: &str) -> PathBuf {
        self.data.join(format!("{wallet}.sqlite"))
    }
}

/// "All paths set in these environment variables must be absolute. If [...] a relative path [...]
/// consider the path invalid and ignore it."
fn absolute(variable: &str, env: Env) -> Option<PathBuf> {
    env(variable).map(PathBuf::from).filter(|p| p.is_absolute())
}

fn base(variable: &str, below_home: &str, env: Env) -> Result<PathBuf, Failure> {
    let base = match absolute(variable, env) {
        Some(base) => base,
        None => home(env)?.join(below_home),
    };
    Ok(base.join("walletfs"))
}

/// The person's home directory.
pub fn home(env: Env) -> Result<PathBuf, Failure> {
    absolute("HOME", env).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "HOME is not set, so there is no place for the configuration: set it, or give \
             --config-dir",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(config_dir: Option<&Path>, variables: &[(&str, &str)]) -> Result<Places, Failure> {
        let env = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let euid = crate::session::sys::euid();
        Places::new(config_dir, &env, euid)
    }

    #[test]
    fn defaults_lie_below_home() {
        let places = places(None, &[("HOME", "/h")]).unwrap();
        assert_eq!(
            places.config_file("w"),
            Path::new("/h/.config/walletfs/w.json")
        );
        assert_eq!(places.key_file("w"), Path::new("/h/.config/walletfs/w.key"));
        assert_eq!(
            places.seen_file("w"),
            Path::new("/h/.local/state/walletfs/w.seen")
        );
        assert_eq!(
            places.log_file("w"),
            Path::new("/h/.local/state/walletfs/w.log")
        );
        assert_eq!(
            places.data_file("w"),
            Path::new("/h/.local/share/walletfs/w.sqlite")
        );
        assert_eq!(places.runtime, [Path::new("/h/.local/state/walletfs/run")]);
    }

    #[test]
    fn variables_are_followed_when_absolute() {
        let set = [
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_DATA_HOME", ""),
        ];
        let places = places(None, &set).unwrap();
        assert_eq!(places.config, Path::new("/c/walletfs"));
        assert_eq!(places.state, Path::new("/h/.local/state/walletfs"));
        assert_eq!(places.data, Path::new("/h/.local/share/walletfs"));
    }

    #[test]
    fn one_option_makes_another_device() {
        let places = places(Some(Path::new("/c")), &[]).unwrap();
        assert_eq!(places.config, Path::new("/c"));
        assert_eq!(places.state, Path::new("/c/state"));
        assert_eq!(places.data, Path::new("/c/data"));
        assert_eq!(places.runtime, [Path::new("/c/state/run")]);
    }

    #[test]
    fn the_runtime_directory_must_be_there_and_ours() {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().to_str().unwrap();
        let found = places(None, &[("HOME", "/h"), ("XDG_RUNTIME_DIR", ours)]).unwrap();
        assert_eq!(found.runtime[0], dir.path().join("walletfs"));
        assert_eq!(found.runtime.len(), 2);
        let gone = dir.path().join("gone");
        let gone = [("HOME", "/h"), ("XDG_RUNTIME_DIR", gone.to_str().unwrap())];
        assert_eq!(places(None, &gone).unwrap().runtime.len(), 1);
        let env = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| OsString::from(ours));
        let stranger = Places::new(Some(Path::new("/c")), &env, 12345).unwrap();
        assert_eq!(stranger.runtime.len(), 1);
    }

    #[test]
    fn without_a_home_the_way_out_is_told() {
        for home in [&[][..], &[("HOME", "")], &[("HOME", "relative")]] {
            let failure = places(None, home).unwrap_err();
            assert!(failure.to_string().contains("--config-dir"));
        }
    }
}
