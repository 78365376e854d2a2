//! The gate in front of every request: whether the session is still open. Pure logic over a clock;
//! it closes nothing itself, but once a deadline has passed it lets nobody through, also before
//! anybody has noticed. The clock counts sleep, so nothing is served after a resume.

use crate::fuse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Time since some fixed moment, sleep included: [`super::sys::boottime`], or a test's own.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Why the gate lets nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing was accessed for the idle timeout, and nothing is unsaved.
    Idle,
    /// The session has reached its lifetime, which nothing extends.
    Lifetime,
    /// [`Gate::close`] was called.
    Locked,
}

/// The deadlines of one session.
pub struct Gate {
    clock: Clock,
    opened: Duration,
    timeout: Option<Duration>,
    lifetime: Option<Duration>,
    /// Whether there is content that the idle lock would lose.
    unsaved: Box<dyn Fn() -> bool + Send + Sync>,
    /// The clock in nanoseconds at the last access.
    last: AtomicU64,
    locked: AtomicBool,
}

impl Gate {
    /// A gate that is open as of now. `None` is never. `unsaved` says whether content would be
    /// lost by a lock; it is asked only once the idle timeout has passed.
    pub fn new(
        clock: Clock,
        timeout: Option<Duration>,
        lifetime: Option<Duration>,
        unsaved: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Gate {
        let opened = clock();
        Gate {
            clock,
            opened,
            timeout,
            lifetime,
            unsaved: Box::new(unsaved),
            last: AtomicU64::new(nanos(opened)),
            locked: AtomicBool::new(false),
        }
    }

    /// Whether a request may pass. One that is an access puts off the idle lock.
    pub fn enter(&self, activity: bool) -> bool {
        let now = (self.clock)();
        if self.closed_at(now).is_some() {
            return false;
        }
        if activity {
            self.last.fetch_max(nanos(now), Ordering::Relaxed);
        }
        true
    }

    /// Why nobody passes any more, or `None` while the session is open.
    pub fn closed(&self) -> Option<Closed> {
        self.closed_at((self.clock)())
    }

    fn closed_at(&self, now: Duration) -> Option<Closed> {
        if self.locked.load(Ordering::SeqCst) {
            Some(Closed::Locked)
        } else if self.left_to_end(now).is_some_and(|left| left.is_zero()) {
            Some(Closed::Lifetime)
        } else if self.left_to_idle(now).is_some_and(|left| left.is_zero()) && !(self.unsaved)() {
            Some(Closed::Idle)
        } else {
            None
        }
    }

    /// Lets nobody through from here on.
    pub fn close(&self) {
        self.locked.store(true, Ordering::SeqCst);
    }

    /// Takes [`Gate::close`] back: the lock did not happen. The deadlines hold as before.
    pub fn reopen(&self) {
        self.locked.store(false, Ordering::SeqCst);
    }

    /// What remains until the idle lock, and until the end of the session; `None` is never.
    pub fn left(&self) -> (Option<Duration>, Option<Duration>) {
        let now = (self.clock)();
        (self.left_to_idle(now), self.left_to_end(now))
    }

    /// How long ago the session has reached its lifetime; zero before.
    pub fn since_end(&self) -> Duration {
        let age = (self.clock)().saturating_sub(self.opened);
        self.lifetime
            .map_or(Duration::ZERO, |lifetime| age.saturating_sub(lifetime))
    }

    fn left_to_end(&self, now: Duration) -> Option<Duration> {
        let age = now.saturating_sub(self.opened);
        Some(self.lifetime?.saturating_sub(age))
    }

    fn left_to_idle(&self, now: Duration) -> Option<Duration> {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        Some(self.timeout?.saturating_sub(now.saturating_sub(last)))
    }
}

impl fuse::Gate for Gate {
    fn enter(&self, activity: bool) -> bool {
        Gate::enter(self, activity)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("no machine runs for 584 years")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Rig {
        now: Arc<Mutex<Duration>>,
        unsaved: Arc<AtomicBool>,
        gate: Gate,
    }

    fn rig(timeout: u64, lifetime: u64) -> Rig {
        let now = Arc::new(Mutex::new(Duration::from_secs(1000)));
        let unsaved = Arc::new(AtomicBool::new(false));
        let clock = {
            let now = now.clone();
            Arc::new(move || *now.lock().unwrap())
        };
        let asked = unsaved.clone();
        let limit = |seconds| (seconds > 0).then(|| Duration::from_secs(seconds));
        let gate = Gate::new(clock, limit(timeout), limit(lifetime), move || {
            asked.load(Ordering::SeqCst)
        });
        Rig { now, unsaved, gate }
    }

    impl Rig {
        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn idleness_closes_and_activity_puts_it_off() {
        let rig = rig(60, 600);
        rig.pass(59);
        assert!(rig.gate.enter(true));
        rig.pass(59);
        assert!(rig.gate.enter(false), "passes, but is no access");
        assert_eq!(rig.gate.left().0, Some(Duration::from_secs(1)));
        rig.pass(1);
        assert_eq!(rig.gate.closed(), Some(Closed::Idle));
        assert!(!rig.gate.enter(true));
        assert!(!rig.gate.enter(true), "a refused request is no access");
    }

    #[test]
    fn the_lifetime_closes_whatever_happens() {
        let rig = rig(60, 600);
        rig.unsaved.store(true, Ordering::SeqCst);
        for _ in 0..599 {
            rig.pass(1);
            assert!(rig.gate.enter(true));
        }
        assert_eq!(rig.gate.left().1, Some(Duration::from_secs(1)));
        assert_eq!(rig.gate.since_end(), Duration::ZERO);
        rig.pass(1);
        assert!(!rig.gate.enter(true));
        assert_eq!(rig.gate.closed(), Some(Closed::Lifetime));
        rig.pass(2);
        assert_eq!(rig.gate.since_end(), Duration::from_secs(2));
    }

    #[test]
    fn unsaved_content_holds_off_the_idle_lock_only_while_it_is_there() {
        let rig = rig(60, 600);
        rig.unsaved.store(true, Ordering::SeqCst);
        rig.pass(100);
        assert!(rig.gate.enter(false));
        assert_eq!(rig.gate.closed(), None);
        rig.unsaved.store(false, Ordering::SeqCst);
        assert!(!rig.gate.enter(false));
        assert_eq!(rig.gate.closed(), Some(Closed::Idle));
    }

    #[test]
    fn none_is_never_and_the_longest_time_is_a_time() {
        for (never, left) in [(0, None), (u64::MAX, Some(Duration::from_secs(u64::MAX)))] {
            let rig = rig(never, never);
            assert_eq!(rig.gate.left(), (left, left));
            rig.pass(u64::from(u32::MAX));
            assert!(rig.gate.enter(true));
        }
    }

    #[test]
    fn a_long_sleep_ends_the_session_at_once() {
        let rig = rig(60, 600);
        rig.pass(8 * 3600);
        assert!(!rig.gate.enter(true));
        assert_eq!(rig.gate.closed(), Some(Closed::Lifetime));
    }

    #[test]
    fn closing_can_be_taken_back_but_a_deadline_cannot() {
        let rig = rig(60, 600);
        rig.gate.close();
        assert_eq!(rig.gate.closed(), Some(Closed::Locked));
        assert!(!rig.gate.enter(true));
        rig.gate.reopen();
        assert!(rig.gate.enter(true));
        rig.gate.close();
        rig.pass(600);
        rig.gate.reopen();
        assert!(!rig.gate.enter(true));
    }
}
