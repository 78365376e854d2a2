//! When an attempt is repeated, and when a call gives up. Knows no operation.

use super::fault::{Fault, Retry};
use crate::store::StoreError;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Attempts for a fault that seldom goes away by waiting. A person who waits would rather be told.
const FEW: u32 = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Repeats a read.
pub(super) async fn read<T, F: Future<Output = Result<T, Fault>>>(
    until: Instant,
    attempt: impl FnMut() -> F,
) -> Result<T, Fault> {
    run(until, false, attempt).await.map(|(done, _)| done)
}

/// Repeats a write that carries a token, so that repeating does no harm. Once an attempt's outcome
/// is unknown it goes on until `until`, to find it out. The answer comes with whether an attempt
/// before it may have done the work; a fault's `unknown` tells it of any attempt.
pub(super) async fn write<T, F: Future<Output = Result<T, Fault>>>(
    until: Instant,
    attempt: impl FnMut() -> F,
) -> Result<(T, bool), Fault> {
    run(until, true, attempt).await
}

async fn run<T, F: Future<Output = Result<T, Fault>>>(
    until: Instant,
    find_out: bool,
    mut attempt: impl FnMut() -> F,
) -> Result<(T, bool), Fault> {
    let mut pauses = Pauses(FIRST_PAUSE);
    let mut attempts = 0;
    let mut unknown = false;
    let mut last = None;
    loop {
        let mut fault = match timeout_at(until, attempt()).await {
            Ok(Ok(done)) => return Ok((done, unknown)),
            Ok(Err(fault)) => fault,
            // The fault before says more than that the time is over.
            Err(_) => Fault {
                error: last.unwrap_or(StoreError::Deadline),
                retry: Retry::Never,
                unknown: true,
            },
        };
        attempts += 1;
        unknown |= fault.unknown;
        fault.unknown = unknown;
        let again = match fault.retry {
            Retry::Never => false,
            Retry::Few => attempts < FEW || (find_out && unknown),
            Retry::ToTheEnd => true,
        };
        let pause = pauses.next();
        if !again || Instant::now() + pause >= until {
            return Err(fault);
        }
        tracing::debug!(error = %fault.error, attempts, "trying the store again");
        last = Some(fault.error);
        sleep(pause).await;
    }
}

/// Exponential pauses with jitter: each between a half and the whole of a bound that doubles, so
/// that devices which collided once do not collide again.
struct Pauses(Duration);

impl Pauses {
    fn next(&mut self) -> Duration {
        let bound = self.0;
        self.0 = (bound * 2).min(LONGEST_PAUSE);
        // Without randomness the pause is the bound: longer, never wrong.
        let random = getrandom::u64().map_or(1.0, |bits| bits as f64 / u64::MAX as f64);
        bound.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn fault(retry: Retry, unknown: bool) -> Fault {
        Fault {
            error: StoreError::Busy("test".into()),
            retry,
            unknown,
        }
    }

    /// Attempts made, time taken, and the fault's `unknown`, for a call that always fails so.
    async fn fails(retry: Retry, unknown: bool, write_: bool) -> (u32, Duration, bool) {
        let begin = Instant::now();
        let attempts = Cell::new(0);
        let attempt = || async {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(fault(retry, unknown))
        };
        let until = begin + Duration::from_secs(10);
        let given = if write_ {
            write(until, attempt).await.map(|((), _)| ())
        } else {
            read(until, attempt).await
        };
        let given = given.expect_err("it always fails");
        (attempts.get(), begin.elapsed(), given.unknown)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_gives_up_as_the_fault_says() {
        let (attempts, took, _) = fails(Retry::Never, false, false).await;
        assert_eq!((attempts, took), (1, Duration::ZERO));

        let (attempts, took, _) = fails(Retry::Few, false, false).await;
        assert_eq!(attempts, FEW);
        assert!(took < Duration::from_millis(400), "{took:?}");

        let (attempts, took, _) = fails(Retry::ToTheEnd, false, false).await;
        assert!((9..30).contains(&attempts), "{attempts}");
        assert!(took > Duration::from_secs(8) && took <= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_write_of_unknown_outcome_goes_on_to_the_end() {
        assert_eq!(fails(Retry::Few, true, false).await.0, FEW);
        assert_eq!(fails(Retry::Few, false, true).await.0, FEW);
        let (attempts, _, unknown) = fails(Retry::Few, true, true).await;
        assert!(attempts > FEW && unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_remembered() {
        let first = Cell::new(true);
        let given = write(Instant::now() + Duration::from_secs(10), || async {
            Err::<(), _>(fault(Retry::Few, first.replace(false)))
        })
        .await;
        assert!(given.expect_err("it always fails").unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_ends_at_the_deadline_with_the_fault_before() {
        let until = Instant::now() + Duration::from_secs(10);
        let given = read(until, std::future::pending::<Result<(), Fault>>);
        let given = given.await.expect_err("it always fails");
        assert_eq!(given.error, StoreError::Deadline);
        assert!(Instant::now() <= until + Duration::from_millis(2));

        let until = Instant::now() + Duration::from_secs(10);
        let first = Cell::new(true);
        let given = read(until, || async {
            if first.replace(false) {
                return Err::<(), _>(fault(Retry::Few, false));
            }
            std::future::pending().await
        });
        let given = given.await.expect_err("it always fails");
        assert_eq!(given.error, StoreError::Busy("test".into()));
    }

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut pauses = Pauses(FIRST_PAUSE);
        let mut bound = FIRST_PAUSE;
        for _ in 0..10 {
            let pause = pauses.next();
            assert!(
                pause >= bound / 2 && pause <= bound,
                "{pause:?} of {bound:?}"
            );
            bound = (bound * 2).min(LONGEST_PAUSE);
        }
    }
}
