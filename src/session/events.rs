//! What ends a session from outside, whatever it is doing: signals, the machine's sleep, a logout,
//! the end of the command that the session is for. A lock of the screen comes by the same way.

use super::logind::{self, Inhibitor};
use super::sys;
use super::wait::End;
use std::fs::File;
use std::future;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// A descriptor that stays open for as long as somebody wants the session: its other end is held by
/// the process that runs the command, and closes whatever ends that.
pub struct Leash(File);

impl Leash {
    /// One that this descriptor, a pipe's, holds.
    pub fn new(pipe: File) -> Leash {
        Leash(pipe)
    }
}

/// Everything that comes from outside.
pub(super) struct Events {
    signals: [Signal; 3],
    leash: Option<AsyncFd<File>>,
    logind: Option<mpsc::Receiver<logind::Event>>,
}

/// What has come.
pub(super) enum Event {
    /// Nothing holds this off.
    End(End),
    /// The screen is locked.
    Screen,
}

impl Events {
    pub(super) fn new(leash: Option<Leash>) -> io::Result<Events> {
        Ok(Events {
            signals: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            ],
            leash: leash
                .map(|Leash(pipe)| sys::watch(pipe, Interest::READABLE))
                .transpose()?,
            logind: None,
        })
    }

    /// Hears what logind says, too.
    pub(super) fn hear(&mut self, logind: mpsc::Receiver<logind::Event>) {
        self.logind = Some(logind);
    }

    /// Waits for what comes next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Event {
        let Events {
            signals,
            leash,
            logind,
        } = self;
        tokio::select! {
            () = next_signal(signals) => Event::End(End::Signal),
            () = let_go(leash.as_ref()) => Event::End(End::CommandEnded),
            event = next_of(logind) => match event {
                logind::Event::Suspend(inhibitor) => Event::End(End::Suspend(inhibitor)),
                logind::Event::Logout => Event::End(End::Logout),
                logind::Event::Screen => Event::Screen,
            },
        }
    }

    /// Waits for what ends the session whatever it is doing.
    pub(super) async fn urgent(&mut self) -> End {
        loop {
            if let Event::End(end) = self.next().await {
                return end;
            }
        }
    }

    /// Waits for a signal.
    pub(super) async fn signal(&mut self) {
        next_signal(&mut self.signals).await;
    }
}

async fn next_signal([terminate, interrupt, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        Some(()) = terminate.recv() => {}
        Some(()) = interrupt.recv() => {}
        Some(()) = hangup.recv() => {}
        // Only once the runtime shuts down.
        else => future::pending().await,
    }
}

/// Returns when the other end is closed; nothing is ever written there.
async fn let_go(leash: Option<&AsyncFd<File>>) {
    match leash {
        Some(leash) => {
            // An error is an end, too.
            let _ = leash.ready(Interest::READABLE).await;
        }
        None => future::pending().await,
    }
}

async fn next_of(logind: &mut Option<mpsc::Receiver<logind::Event>>) -> logind::Event {
    if let Some(events) = logind {
        if let Some(event) = events.recv().await {
            return event;
        }
        // Nobody says anything any more.
        *logind = None;
    }
    future::pending().await
}

/// Holds a suspend off until it is dropped; nothing if logind gave none.
pub(super) type Held = Option<Inhibitor>;
