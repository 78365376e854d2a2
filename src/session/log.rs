//! Where the log goes: standard error in the foreground; in the background a file of the wallet's,
//! and the machine's log, where other people may read, so never what is asked for beyond `info`.
//! Other crates speak at level error only, since fuser's log names files at debug and the AWS
//! SDK's shows requests.

use super::private::{self, PrivateError};
use super::syslog::{self, Syslog};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// How much is logged.
pub type Level = tracing::Level;

/// A log file that is larger than this when a session begins makes room for a new one.
const FILE_BYTES: u64 = 1 << 20;

fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("walletfs", level)
}

/// Logs to standard error from here on.
pub fn to_stderr(level: Level) {
    let layer = fmt::layer().with_writer(io::stderr).with_target(false);
    begin(layer.with_filter(filter(level)));
}

/// Logs to the end of this file from here on (mode 0600, made if it is missing). One that has
/// grown large is kept as `FILE.old`.
pub fn to_file(path: &Path, level: Level) -> Result<(), PrivateError> {
    let failed = |source| PrivateError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(file) = private::open(path)?
        && file.metadata().map_err(failed)?.len() > FILE_BYTES
    {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        fs::rename(path, old).map_err(failed)?;
    }
    let file = private::append(path)?;
    let file = fmt::layer()
        .with_writer(Mutex::new(file))
        .with_target(false)
        .with_filter(filter(level));
    let machine = fmt::layer()
        .with_writer(Syslog::new(syslog::SOCKET))
        .without_time()
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .with_filter(filter(level.min(Level::INFO)));
    // As a list: `and_then` would give the file no more than the machine's log.
    begin(vec![file.boxed(), machine.boxed()]);
    // Nobody sees standard error in the background. A panic's message may quote what it tripped
    // over, so only its place is told.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => tracing::error!("a fault in walletfs at {place}: please report it"),
        None => tracing::error!("a fault in walletfs: please report it"),
    }));
    Ok(())
}

fn begin(layer: impl Layer<Registry> + Send + Sync) {
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .expect("a process begins one log");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_crates_are_heard_at_error_only() {
        let filter = filter(Level::TRACE);
        assert!(filter.would_enable("walletfs::session", &Level::TRACE));
        for other in ["fuser::session", "aws_config::profile", "hyper"] {
            assert!(filter.would_enable(other, &Level::ERROR));
            assert!(!filter.would_enable(other, &Level::WARN), "{other}");
        }
    }
}
