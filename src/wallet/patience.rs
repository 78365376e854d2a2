//! [`Patience`]: how long, and how often, to try again when other devices commit at the same time.

use super::WalletError;
use crate::crypto::Random;
use crate::store::DEADLINE;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Bounds of a pause: each is drawn anew between nothing and twice the one before, so that devices
/// which met once do not meet again ("full jitter").
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// The time that an operation may spend on trying again.
pub(super) struct Patience {
    until: Instant,
    most: Duration,
}

impl Patience {
    /// Lasts [`DEADLINE`] from now.
    pub(super) fn new() -> Self {
        Patience {
            until: Instant::now() + DEADLINE,
            most: FIRST,
        }
    }

    /// Pauses before another try, or says [`WalletError::Contended`] when the time is over.
    pub(super) async fn pause(&mut self, random: &dyn Random) -> Result<(), WalletError> {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        let pause = self.most.mul_f64(share);
        if Instant::now() + pause >= self.until {
            return Err(WalletError::Contended);
        }
        self.most = (2 * self.most).min(LONGEST);
        sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    #[tokio::test(start_paused = true)]
    async fn it_ends_within_the_deadline_after_a_handful_of_tries() {
        let began = Instant::now();
        let mut patience = Patience::new();
        let mut tries = 0;
        while patience.pause(&OsRandom).await.is_ok() {
            tries += 1;
        }
        assert!(began.elapsed() < DEADLINE);
        // Pauses of half a second on average once they are long.
        assert!((10..200).contains(&tries), "{tries}");
    }
}
