//! What `mount` and `exec` have in common: everything that is known before the password is, and the
//! session that it opens. In the background it runs in a second process of the same program (see
//! [`crate::session::daemon`]).

use super::args::{self, Global};
use super::config::{self, Config, LogLevel};
use super::exit::{Exit, Failure, note};
use super::paths::Places;
use super::{device, progress, store, threads};
use crate::crypto::SecretBytes;
use crate::session::audit::Audit;
use crate::session::calls::Calls;
use crate::session::daemon::{self, Outcome};
use crate::session::events::Leash;
use crate::session::harden::Hardening;
use crate::session::live::{self, Ended, Session};
use crate::session::log::Level;
use crate::session::mountpoint::Claim;
use crate::session::private;
use crate::told;
use crate::wallet::{Options, Seen, State, Told, Wallet};
use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds without an access until the lock, unless configured.
pub(super) const TIMEOUT: u64 = 60;
/// Seconds until the session ends, unless configured.
pub(super) const LIFETIME: u64 = 600;

/// Everything that is known before the password is.
pub(super) struct Setup<'a> {
    global: &'a Global,
    args: args::Session,
    pub(super) places: Places,
    config: Config,
}

/// What is particular to a mount.
pub(super) struct Particular<'a> {
    pub(super) dir: &'a Path,
    pub(super) no_exec: bool,
    pub(super) leash: Option<Leash>,
}

impl<'a> Setup<'a> {
    pub(super) fn load(global: &'a Global, args: args::Session) -> Result<Self, Failure> {
        let places = global.places()?;
        let config = Config::load(&places, &global.wallet)?;
        Ok(Setup {
            global,
            args,
            places,
            config,
        })
    }

    /// Finds out before the password is asked for whether a session could begin.
    pub(super) fn check(&self) -> Result<(), Failure> {
        config::load_key(&self.places, &self.global.wallet)?;
        if let Some(audit) = self.audit()? {
            private::append(&audit)?;
        }
        Ok(())
    }

    pub(super) fn level(&self) -> Level {
        let configured = self.config.log_level.unwrap_or(LogLevel::Info).into();
        match self.global.verbose {
            0 => configured,
            1 => configured.max(Level::DEBUG),
            _ => Level::TRACE,
        }
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.places.log_file(&self.global.wallet)
    }

    fn audit(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(path) = self.args.audit.as_ref().or(self.config.audit.as_ref()) else {
            return Ok(None);
        };
        let whole = std::path::absolute(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{}: {}", path.display(), told::system(&error)),
            )
        });
        Ok(Some(whole?))
    }

    /// Has a second process mount on `dir`, and waits until it has. Gives the pipe that holds it, if
    /// `leash` says that it ends when that closes.
    pub(super) fn start(
        &self,
        dir: &Path,
        no_exec: bool,
        leash: bool,
        password: SecretBytes,
    ) -> Result<PipeWriter, Failure> {
        let args = self.background_args(dir, no_exec, leash)?;
        match daemon::start(args, password, progress::loading()) {
            Ok((Outcome::Ready { notice }, pipe)) => {
                if let Some(notice) = notice {
                    note(&notice);
                }
                Ok(pipe)
            }
            Ok((Outcome::Failed { code, message }, _)) => {
                let exit = Exit::from_code(code).unwrap_or(Exit::Failed);
                Err(Failure::new(exit, message))
            }
            Err(error) => Err(Failure::new(
                Exit::Failed,
                format!(
                    "the background process did not say that it mounted: {}; {} may say more",
                    told::system(&error),
                    self.log_file().display()
                ),
            )),
        }
    }

    /// The arguments of the second process, whose directory is another: paths are absolute.
    fn background_args(
        &self,
        dir: &Path,
        no_exec: bool,
        leash: bool,
    ) -> Result<Vec<OsString>, Failure> {
        let mut args: Vec<OsString> = Vec::new();
        args.extend(["--wallet".into(), self.global.wallet.clone().into()]);
        if self.global.config_dir.is_some() {
            args.extend(["--config-dir".into(), self.places.config.clone().into()]);
        }
        args.extend((0..self.global.verbose).map(|_| "-v".into()));
        args.extend(["mount", "--foreground", "--background"].map(OsString::from));
        for (given, flag) in [
            (self.args.read_only, "--read-only"),
            (no_exec, "--no-exec"),
            (leash, "--leash"),
        ] {
            args.extend(given.then(|| flag.into()));
        }
        let mut option = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                args.extend([name.into(), value]);
            }
        };
        let number = |number: &dyn ToString| number.to_string().into();
        option("--timeout", self.args.timeout.map(|s| number(&s)));
        option("--lifetime", self.args.lifetime.map(|s| number(&s)));
        option("--cache-ttl", self.args.cache_ttl.map(|s| number(&s)));
        option("--audit", self.audit()?.map(OsString::from));
        args.extend(["--".into(), dir.into()]);
        Ok(args)
    }

    /// Unlocks, mounts, says `ready`, and returns when the session is locked.
    pub(super) fn serve(
        &self,
        particular: Particular<'_>,
        hardening: Hardening,
        password: SecretBytes,
        loading: Told,
        ready: impl FnOnce(Option<String>) -> io::Result<()>,
    ) -> Result<Ended, Failure> {
        let runtime = threads::runtime()?;
        let ended = runtime.block_on(self.session(particular, hardening, password, loading, ready));
        // Some thread may be held up by the kernel or the network; the process leaves all the same.
        runtime.shutdown_background();
        ended
    }

    async fn session(
        &self,
        particular: Particular<'_>,
        hardening: Hardening,
        password: SecretBytes,
        loading: Told,
        ready: impl FnOnce(Option<String>) -> io::Result<()>,
    ) -> Result<Ended, Failure> {
        let name = &self.global.wallet;
        private::make_dir(&self.places.state)?;
        let audit = match self.audit()? {
            Some(path) => Some(Audit::new(&path, hardening.late())?),
            None => None,
        };
        let calls = Calls::new().map_err(|error| threads::none(&error))?;
        let unlocking = async {
            let store = store::open(&self.config, &self.places, name).await?;
            let seen = self.places.seen_file(name);
            private::open(&seen)?;
            let seen = Seen::at(seen);
            let key = device::key(&self.places, name, &*store).await?;
            let o = self.options(loading)?;
            let unlocked = Wallet::unlock_readable(store.clone(), seen, &key, &password, o).await;
            drop((key, password));
            match unlocked {
                Ok(wallet) => Ok((wallet, store.describe())),
                Err(error) => Err(device::explain(error.into(), &self.places, name, &*store).await),
            }
        };
        let (wallet, place) = calls.around(unlocking).await?;
        let notice = replica_notice(&wallet.state());
        let (given, configured) = (&self.args, &self.config);
        let session = Session {
            wallet,
            name: name.clone(),
            config: self.places.config_file(name),
            runtime_dir: self.runtime_dir().to_owned(),
            store: place,
            claim: Claim::new(particular.dir)?,
            read_only: given.read_only,
            no_exec: particular.no_exec,
            audit,
            leash: particular.leash,
            timeout: limit(given.timeout.or(configured.timeout).unwrap_or(TIMEOUT)),
            lifetime: limit(given.lifetime.or(configured.lifetime).unwrap_or(LIFETIME)),
            hardening,
            calls,
        };
        Ok(live::run(session, || ready(notice)).await?)
    }

    fn options(&self, progress: Told) -> Result<Options, Failure> {
        let defaults = Options::default();
        let cache_ttl = self.args.cache_ttl.or(self.config.cache_ttl);
        Ok(Options {
            cache_ttl: cache_ttl.map_or(defaults.cache_ttl, |seconds| seconds.duration()),
            read_only: self.args.read_only,
            history: self.config.history(),
            trash: self.config.trash(),
            progress,
            replica: store::replica(&self.config, &self.places, &self.global.wallet)?,
            ..defaults
        })
    }

    /// Where mounts are made known.
    pub(super) fn runtime_dir(&self) -> &Path {
        &self.places.runtime[0]
    }
}

/// What a person is told who sees the replica in place of the store.
fn replica_notice(state: &State) -> Option<String> {
    let why = state.stale.as_deref().filter(|_| state.replica)?;
    Some(format!(
        "{why}; mounted from this device's replica, which is {} old: nothing can be changed until \
         the store answers",
        roughly(state.age)
    ))
}

/// A length of time as people say it.
fn roughly(time: Duration) -> String {
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let seconds = time.as_secs();
    match units.into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} seconds"),
    }
}

/// 0 is never.
fn limit(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_roughly() {
        for (seconds, told) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(roughly(Duration::from_secs(seconds)), told);
        }
    }
}
