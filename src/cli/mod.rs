//! The command line: one file a command. Ask, call, print, exit code.

mod accept;
pub mod args;
mod aws_credentials;
mod check;
pub mod completions;
mod conf;
pub mod config;
mod copy;
mod device;
mod exec;
pub mod exit;
mod export;
mod failure;
mod generate;
mod helper;
mod import;
mod init;
pub mod keeping;
mod lock;
mod mount;
mod opened;
mod passwd;
pub mod password;
pub mod paths;
mod policy;
mod progress;
mod prompt;
mod questions;
mod recovery;
mod rekey;
mod session;
mod setup;
mod status;
mod store;
mod strength;
mod threads;
mod unlocked;
mod unmount;

use crate::session::registry::{self, Live};
use crate::session::sys;
use args::{Cli, Command, Global};
use clap::Parser;
use exit::{Exit, Failure};
use paths::Places;
use std::process::ExitCode;

/// Runs the command that the arguments name and gives the exit code.
pub fn main() -> ExitCode {
    let parsed = match helper::arguments(std::env::args_os()) {
        // Called by mount(8).
        Some(arguments) => arguments.map(Cli::try_parse_from),
        None => Ok(Cli::try_parse()),
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(helper::Declined::Nothing) => return ExitCode::from(Exit::Done.code()),
        Err(helper::Declined::Usage(message)) => {
            exit::note(&message);
            return ExitCode::from(Exit::Usage.code());
        }
    };
    let cli = match cli {
        Ok(cli) => cli,
        Err(usage) => {
            // Help on a closed pipe is no failure.
            let _ = usage.print();
            return ExitCode::from(match usage.use_stderr() {
                true => Exit::Usage.code(),
                false => Exit::Done.code(),
            });
        }
    };
    let global = cli.global;
    let done = match cli.command {
        Command::Init(args) => init::run(&global, args),
        Command::Mount(args) => mount::run(&global, args),
        Command::Unmount(args) => unmount::run(&global, &args),
        Command::Lock => lock::run(&global),
        Command::Status(args) => status::run(&global, &args),
        Command::Exec(args) => exec::run(&global, args),
        Command::Passwd(args) => passwd::run(&global, args),
        Command::Rekey(args) => rekey::run(&global, args),
        Command::RecoveryKey(args) => recovery::run(&global, args),
        Command::Check(args) => check::run(&global, args),
        Command::Conf(args) => conf::run(&global, &args),
        Command::Backup(args) => keeping::backup::run(&global, args),
        Command::Restore(args) => keeping::restore::run(&global, args),
        Command::Migrate(args) => keeping::migrate::run(&global, args),
        Command::Import(args) => import::run(&global, *args),
        Command::Export(args) => export::run(&global, args),
        Command::Copy(args) => copy::run(args),
        Command::Generate(args) => generate::run(&args),
        Command::Estimate => strength::run(),
        Command::Completions(args) => completions::run(&args),
        Command::Complete(args) => completions::answer(args),
    };
    match done {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::from(Exit::Done.code()),
        Err(Failure::OfCommand(code)) => ExitCode::from(code),
        Err(Failure::Interrupted) => sys::die_of_interrupt(),
        Err(Failure::Said { exit, message }) => {
            exit::note(&message);
            ExitCode::from(exit.code())
        }
    }
}

/// Does this for each mount at the same time, since one may take long to answer. Results in the
/// order of the mounts.
fn side_by_side<T: Send>(mounts: Vec<Live>, act: impl Fn(Live) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let act = &act;
        let mounts = mounts.into_iter();
        let acts: Vec<_> = mounts.map(|live| scope.spawn(move || act(live))).collect();
        let done = acts.into_iter().map(|thread| thread.join());
        done.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl Global {
    /// The directories of this user, or of `--config-dir`.
    fn places(&self) -> Result<Places, Failure> {
        let env = |name: &str| std::env::var_os(name);
        Places::new(self.config_dir.as_deref(), &env, sys::euid())
    }

    /// Every mount of this wallet whose process lives. Another configuration's wallet of the same
    /// name is another wallet.
    fn mounts(&self) -> Result<Vec<Live>, Failure> {
        let places = self.places()?;
        let config = places.config_file(&self.wallet).display().to_string();
        let mut mounts = Vec::new();
        for dir in &places.runtime {
            mounts.extend(registry::list(dir)?);
        }
        mounts.retain(|live| live.record.wallet == self.wallet && live.record.config == config);
        Ok(mounts)
    }
}
