//! How long to wait after a failure.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use crate::limits::{MAX_RETRY_WAIT, MIN_RETRY_WAIT};

/// Waits that double up to a cap, each spread over its upper half, so that the controllers of a
/// fleet do not come back at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// `seed` decides the spread; `None` takes one at random.
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self {
            failures: 0,
            random: seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()),
        }
    }

    /// The wait after one more failure; the server's own wish (`Retry-After`) is kept, up to the
    /// cap.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = MIN_RETRY_WAIT.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let most = doubled.min(MAX_RETRY_WAIT);
        let wait = most.mul_f64(0.5 + 0.5 * self.fraction());
        asked.map_or(wait, |asked| asked.min(MAX_RETRY_WAIT).max(wait))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// A number from 0 to 1 (splitmix64): good enough to spread waits.
    pub(super) fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(high) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_are_spread() {
        let mut backoff = Backoff::new(Some(7));
        for failure in 0..40_u32 {
            let most = MAX_RETRY_WAIT.min(MIN_RETRY_WAIT * (1 << failure.min(10)));
            let wait = backoff.next(None);
            assert!(wait >= most / 2 && wait <= most, "{failure}: {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= MIN_RETRY_WAIT);
        let mut other = Backoff::new(Some(8));
        other.failures = 1;
        assert_ne!(other.next(None), backoff.next(None));
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_ever() {
        let mut backoff = Backoff::new(Some(1));
        let asked = Duration::from_secs(10);
        assert_eq!(backoff.next(Some(asked)), asked);
        let too_long = Duration::from_secs(86_400);
        assert_eq!(backoff.next(Some(too_long)), MAX_RETRY_WAIT);
    }
}
