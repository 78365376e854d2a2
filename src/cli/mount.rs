//! `mount`: unlocks the wallet and mounts it. Without `--foreground` the work is done by a second
//! process of the same program (see [`crate::session::daemon`]); this one asks for the password,
//! waits for its word and leaves.

use super::args::{Global, Mount};
use super::config::{self, Config, LogLevel};
use super::exit::{Exit, Failure};
use super::password::{Source, Which};
use super::paths::Places;
use super::store;
use crate::crypto::SecretBytes;
use crate::session::daemon::{self, Outcome};
use crate::session::harden::Hardening;
use crate::session::live::{self, Ended, Session};
use crate::session::log::{self, Level};
use crate::session::mountpoint::{self, Claim};
use crate::session::{private, sys};
use crate::wallet::{Options, Seen, Wallet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds without an access until the lock, unless configured.
const TIMEOUT: u64 = 60;
/// Seconds until the session ends, unless configured.
const LIFETIME: u64 = 600;

/// Runs the command.
pub(super) fn run(global: &Global, args: Mount) -> Result<(), Failure> {
    // Before anything is opened.
    if args.background {
        return background(global, args);
    }
    let password = args.memorable.clone().source()?;
    let hardening = Hardening::apply();
    let setup = Setup::load(global, args)?;
    // Found out before the password is asked for.
    let dir = mountpoint::prepare(&setup.args.dir)?;
    config::load_key(&setup.places, &global.wallet)?;
    if setup.args.foreground {
        log::to_stderr(setup.level());
        let ended = setup.serve(hardening, password.existing()?, || Ok(()))?;
        return match ended.lost {
            0 => Ok(()),
            files => Err(Failure::new(
                Exit::Failed,
                format!("locked; unsaved content of {files} files could not be stored and is lost"),
            )),
        };
    }
    let outcome = daemon::start(setup.background_args(&dir), password.existing()?);
    match outcome {
        Ok(Outcome::Ready) => Ok(()),
        Ok(Outcome::Failed { code, message }) => {
            let exit = Exit::from_code(code).unwrap_or(Exit::Failed);
            Err(Failure::new(exit, message))
        }
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!(
                "the background process did not say that it mounted: {error}; {} may say more",
                setup.places.log_file(&global.wallet).display()
            ),
        )),
    }
}

/// The second process.
fn background(global: &Global, args: Mount) -> Result<(), Failure> {
    let (input, herald) = daemon::enter().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot go to the background: {error}"),
        )
    })?;
    let mut herald = Some(herald);
    let ended = begin(global, args, input, || match herald.take() {
        Some(herald) => herald.tell(&Outcome::Ready),
        None => Ok(()),
    });
    let Err(failure) = ended else { return Ok(()) };
    tracing::error!("{failure}");
    if let Some(herald) = herald {
        let (exit, message) = failure.to_parts();
        let code = exit.code();
        // Nobody waits any more if this fails.
        let _ = herald.tell(&Outcome::Failed { code, message });
    }
    Err(failure)
}

fn begin(
    global: &Global,
    args: Mount,
    input: std::fs::File,
    ready: impl FnOnce() -> io::Result<()>,
) -> Result<Ended, Failure> {
    sys::set_umask(0o077);
    let hardening = Hardening::apply();
    let setup = Setup::load(global, args)?;
    private::make_dir(&setup.places.state)?;
    log::to_file(&setup.places.log_file(&global.wallet), setup.level())?;
    let password = Source::descriptor(Which::Memorable, input).existing()?;
    setup.serve(hardening, password, ready)
}

/// Everything that is known before the password is.
struct Setup<'a> {
    global: &'a Global,
    args: Mount,
    places: Places,
    config: Config,
}

impl<'a> Setup<'a> {
    fn load(global: &'a Global, args: Mount) -> Result<Self, Failure> {
        let places = global.places()?;
        let config = Config::load(&places, &global.wallet)?;
        Ok(Setup {
            global,
            args,
            places,
            config,
        })
    }

    fn level(&self) -> Level {
        let configured = self.config.log_level.unwrap_or(LogLevel::Info).into();
        match self.global.verbose {
            0 => configured,
            1 => configured.max(Level::DEBUG),
            _ => Level::TRACE,
        }
    }

    /// The arguments of the second process, whose directory is another: paths are absolute.
    fn background_args(&self, dir: &Path) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        args.extend(["--wallet".into(), self.global.wallet.clone().into()]);
        if self.global.config_dir.is_some() {
            args.extend(["--config-dir".into(), self.places.config.clone().into()]);
        }
        args.extend((0..self.global.verbose).map(|_| "-v".into()));
        args.extend(["mount", "--foreground", "--background"].map(OsString::from));
        args.extend(self.args.read_only.then(|| "--read-only".into()));
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                args.extend([name.into(), value.into()]);
            }
        };
        option("--timeout", self.args.timeout.map(|s| s.to_string()));
        option("--lifetime", self.args.lifetime.map(|s| s.to_string()));
        option("--cache-ttl", self.args.cache_ttl.map(|s| s.to_string()));
        args.extend(["--".into(), dir.into()]);
        args
    }

    /// Unlocks, mounts, says `ready`, and returns when the session is locked.
    fn serve(
        &self,
        hardening: Hardening,
        password: SecretBytes,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> Result<Ended, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?;
        let ended = runtime.block_on(self.session(hardening, password, ready));
        // Some thread may be held up by the kernel or the network; the process leaves all the same.
        runtime.shutdown_background();
        ended
    }

    async fn session(
        &self,
        hardening: Hardening,
        password: SecretBytes,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> Result<Ended, Failure> {
        let name = &self.global.wallet;
        let key = config::load_key(&self.places, name)?;
        private::make_dir(&self.places.state)?;
        let store = store::open(&self.config, &self.places, name).await;
        let place = store.describe();
        let seen = Seen::at(self.places.seen_file(name));
        let wallet = Wallet::unlock(store, seen, &key, &password, self.options()).await?;
        drop((key, password));
        let session = Session {
            wallet,
            name: name.clone(),
            config: self.places.config_file(name),
            runtime_dir: self.runtime_dir(),
            store: place,
            claim: Claim::new(&self.args.dir)?,
            read_only: self.args.read_only,
            timeout: limit(self.args.timeout.or(self.config.timeout).unwrap_or(TIMEOUT)),
            lifetime: limit(
                self.args
                    .lifetime
                    .or(self.config.lifetime)
                    .unwrap_or(LIFETIME),
            ),
            hardening,
        };
        Ok(live::run(session, ready).await?)
    }

    fn options(&self) -> Options {
        let defaults = Options::default();
        let cache_ttl = self.args.cache_ttl.or(self.config.cache_ttl);
        Options {
            cache_ttl: cache_ttl.map_or(defaults.cache_ttl, |seconds| seconds.duration()),
            read_only: self.args.read_only,
            ..defaults
        }
    }

    fn runtime_dir(&self) -> PathBuf {
        self.places.runtime[0].clone()
    }
}

/// 0 is never.
fn limit(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
