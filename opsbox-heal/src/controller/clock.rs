//! What time it is, without jumps.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::Timestamp;

/// The clock of the machine, or another one in a test.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> SystemTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

#[allow(
    clippy::disallowed_methods,
    reason = "everything else is given the time; here it begins"
)]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// From when on a difference between the clock and the time that has passed is a jump. Below it,
/// the clock is only being slewed.
const JUMP: i64 = 30;

/// Time as it has passed, which is set to the clock when that was set.
pub(super) struct Steady {
    start: Instant,
    base: Timestamp,
}

impl Steady {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self {
            start: Instant::now(),
            base: clock.now().into(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.base.saturating_add(self.start.elapsed())
    }

    /// By how many seconds the clock has been set since the last call; from then on `now` is as
    /// the clock says.
    pub(super) fn jump(&mut self, clock: &dyn Clock) -> Option<i64> {
        let told: Timestamp = clock.now().into();
        let by = told.unix_seconds() - self.now().unix_seconds();
        if by.abs() < JUMP {
            return None;
        }
        *self = Self {
            start: Instant::now(),
            base: told,
        };
        Some(by)
    }

    /// The moment that was so long ago.
    pub(super) fn ago(&self, duration: Duration) -> Timestamp {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix_seconds(self.now().unix_seconds().saturating_sub(seconds))
    }
}
