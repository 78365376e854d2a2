//! `mount`: unlocks the wallet and mounts it. Without `--foreground` the work is done by a second
//! process; this one asks for the password, waits for its word and leaves.

use super::accept;
use super::args::{Global, Mount};
use super::exit::{Exit, Failure, note};
use super::password::{Source, Which};
use super::progress;
use super::session::{Particular, Setup};
use crate::session::daemon::{self, Outcome};
use crate::session::events::Leash;
use crate::session::harden::Hardening;
use crate::session::live::Ended;
use crate::session::{log, mountpoint, notify, private, sys};
use crate::told;
use crate::wallet::Told;
use std::fs;
use std::io;
use std::sync::Arc;

/// Runs the command.
pub(super) fn run(global: &Global, args: Mount) -> Result<(), Failure> {
    // Before anything is opened.
    if args.background {
        return background(global, args);
    }
    let password = args.session.memorable.clone().source()?;
    let hardening = Hardening::apply();
    let setup = Setup::load(global, args.session)?;
    // Found out before the password is asked for.
    let dir = mountpoint::prepare(&args.dir)?;
    setup.check()?;
    let password = password.existing()?;
    if args.accept_rollback {
        accept::rollback(global, &password)?;
    }
    if !args.foreground {
        // Nothing holds the second process: it goes on by itself.
        let pipe = setup.start(&dir, args.no_exec, false, password)?;
        drop(pipe);
        return Ok(());
    }
    log::to_stderr(setup.level());
    let particular = Particular {
        dir: &dir,
        no_exec: args.no_exec,
        leash: None,
    };
    let ready = |notice: Option<String>| {
        if let Some(notice) = notice {
            note(&notice);
        }
        notify::ready();
        Ok(())
    };
    let loading = Arc::new(progress::loading());
    let ended = setup.serve(particular, hardening, password, loading, ready)?;
    match ended.lost {
        0 => Ok(()),
        files => Err(Failure::new(
            Exit::Failed,
            format!("locked; unsaved content of {files} files could not be stored and is lost"),
        )),
    }
}

/// The second process.
fn background(global: &Global, args: Mount) -> Result<(), Failure> {
    let (input, herald) = daemon::enter().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot go to the background: {}", told::system(&error)),
        )
    })?;
    let made_for_a_command = args.leash.then(|| args.dir.clone());
    let loading = Arc::new(herald.loading());
    let mut herald = Some(herald);
    let ended = begin(global, args, input, loading, |notice| match herald.take() {
        Some(herald) => herald.tell(Outcome::Ready { notice }),
        None => Ok(()),
    });
    if let Some(dir) = made_for_a_command {
        // Whoever made it may have ended.
        let _ = fs::remove_dir(dir);
    }
    let Err(failure) = ended else { return Ok(()) };
    tracing::error!("{failure}");
    if let Some(herald) = herald {
        let (exit, message) = failure.to_parts();
        let code = exit.code();
        // Nobody waits any more if this fails.
        let _ = herald.tell(Outcome::Failed { code, message });
    }
    Err(failure)
}

fn begin(
    global: &Global,
    args: Mount,
    input: fs::File,
    loading: Told,
    ready: impl FnOnce(Option<String>) -> io::Result<()>,
) -> Result<Ended, Failure> {
    sys::set_umask(0o077);
    let hardening = Hardening::apply();
    let setup = Setup::load(global, args.session)?;
    private::make_dir(&setup.places.state)?;
    log::to_file(&setup.log_file(), setup.level())?;
    let leash = match args.leash {
        true => Some(Leash::new(input.try_clone().map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("standard input: {}", told::system(&error)),
            )
        })?)),
        false => None,
    };
    let password = Source::descriptor(Which::Memorable, input).existing()?;
    let particular = Particular {
        dir: &args.dir,
        no_exec: args.no_exec,
        leash,
    };
    setup.serve(particular, hardening, password, loading, ready)
}
