//! Waiting for what ends a session: its own deadlines, its mount's end, whoever asks for the lock,
//! and what [`super::events`] brings.

use super::control::{LockRequest, Reply};
use super::events::{self, Event, Events};
use super::gate::Closed;
use super::lock::Held;
use super::report::failures;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest time between two looks at the deadlines: timers stand still while the machine sleeps,
/// and the deadlines do not.
const TICK: Duration = Duration::from_secs(1);

/// What ends a session.
pub(super) enum End {
    Idle,
    Lifetime,
    Signal,
    /// The machine is about to sleep, which this holds off for a moment.
    Suspend(events::Held),
    /// The screen was locked.
    Screen,
    /// The login session has ended.
    Logout,
    /// The command that the session is for has ended, or who runs it has.
    CommandEnded,
    /// The mount has gone: somebody unmounted it, or the kernel ended it.
    Gone,
    /// Nobody waits for the mount any more.
    Unwanted,
    Asked(LockRequest),
    /// Something that nothing holds off, while a request waited for content to be stored.
    Overruled(Box<End>, LockRequest),
}

impl End {
    /// For the log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            End::Idle => "idle for too long",
            End::Lifetime => "the session has reached its lifetime",
            End::Signal => "told by a signal",
            End::Suspend(_) => "the machine is about to sleep",
            End::Screen => "the screen is locked",
            End::Logout => "logged out",
            End::CommandEnded => "its command has ended",
            End::Gone => "it was unmounted",
            End::Unwanted => "nobody waits for it",
            End::Asked(_) => "asked to",
            End::Overruled(end, _) => end.reason(),
        }
    }

    /// Whoever asked for the lock, and what holds off a suspend.
    pub(super) fn into_parts(self) -> (Option<LockRequest>, events::Held) {
        match self {
            End::Asked(request) => (Some(request), None),
            End::Overruled(end, request) => (Some(request), end.into_parts().1),
            End::Suspend(inhibitor) => (None, inhibitor),
            _ => (None, None),
        }
    }
}

impl Held {
    /// Waits for what ends the session.
    pub(super) async fn wait(
        &self,
        events: &mut Events,
        mut locks: mpsc::Receiver<LockRequest>,
    ) -> End {
        let gone = self.watch.gone();
        tokio::pin!(gone);
        let mut screen_locked = false;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Event::End(end) => return end,
                    Event::Screen => screen_locked = true,
                },
                gone = &mut gone => {
                    if let Err(error) = gone {
                        tracing::error!("the table of mounts cannot be watched: {error}");
                    }
                    return End::Gone;
                }
                () = tokio::time::sleep(self.until_next_look()) => {}
                Some(mut request) = locks.recv() => {
                    let followed = self.overruled(events, self.try_lock(request.discard)).await;
                    match followed {
                        Ok(true) => return End::Asked(request),
                        Ok(false) => {
                            let files = super::lock::lacking(&self.fs.unsaved());
                            let failures = failures(&self.fs);
                            request.answer(&Reply::Unsaved { files, failures }).await;
                        }
                        Err(end) => return End::Overruled(Box::new(end), request),
                    }
                }
            }
            match self.gate.closed() {
                Some(Closed::Idle) => return End::Idle,
                Some(Closed::Lifetime) => return End::Lifetime,
                Some(Closed::Locked) | None if self.mount.ended() => return End::Gone,
                Some(Closed::Locked) | None => {}
            }
            // Content that cannot be stored holds a locked screen off until it can be.
            if screen_locked {
                match self.overruled(events, self.try_lock(false)).await {
                    Ok(true) => return End::Screen,
                    Ok(false) => {}
                    Err(end) => return end,
                }
            }
        }
    }

    /// Does this, unless something comes that nothing holds off.
    async fn overruled<T>(
        &self,
        events: &mut Events,
        act: impl Future<Output = T>,
    ) -> Result<T, End> {
        tokio::select! {
            done = act => Ok(done),
            end = events.urgent() => Err(end),
            () = self.lifetime_over() => Err(End::Lifetime),
        }
    }

    /// The time to the next deadline, but never long: see [`TICK`].
    fn until_next_look(&self) -> Duration {
        let (idle, end) = self.gate.left();
        let deadlines = [idle, end].into_iter().flatten();
        // One that has passed and is held off is looked at again later.
        let next = deadlines.filter(|left| !left.is_zero()).min();
        next.map_or(TICK, |left| left.min(TICK))
    }

    /// Returns once the session has reached its lifetime.
    async fn lifetime_over(&self) {
        while self.gate.left().1.is_none_or(|left| !left.is_zero()) {
            tokio::time::sleep(self.until_next_look()).await;
        }
    }

    /// Whether the wallet can be locked with nothing lost, or is to be locked all the same: then
    /// the gate is closed. Otherwise content is left that cannot be stored, and the session goes on.
    async fn try_lock(&self, discard: bool) -> bool {
        if discard {
            return true;
        }
        // First with the gate open, so that a store that is away does not stop readers for as long
        // as it takes to find out; then once more for what came in between.
        let mut files = self.settle().await;
        if files == 0 {
            self.gate.close();
            files = self.settle().await;
        }
        if files == 0 {
            return true;
        }
        self.gate.reopen();
        false
    }

    /// How long ago the reason for this end came up.
    pub(super) fn since(&self, end: &End) -> Duration {
        match end {
            End::Lifetime => self.gate.since_end(),
            End::Overruled(end, _) => self.since(end),
            _ => Duration::ZERO,
        }
    }
}
