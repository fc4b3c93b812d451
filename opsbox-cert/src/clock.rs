//! The time as an argument: whatever waits or compares times takes a clock.

use std::fmt::Debug;
use std::sync::OnceLock;
#[cfg(any(test, feature = "test-util"))]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// The time of day, which other machines and people share. It can be wrong, and it can jump.
    fn now(&self) -> SystemTime;

    /// The time since some moment in the past, the same for the life of the process. It never goes
    /// back.
    fn monotonic(&self) -> Duration;
}

/// The clock of the operating system.
///
/// ```
/// use opsbox_cert::{Clock, SystemClock};
///
/// let earlier = SystemClock.monotonic();
/// assert!(SystemClock.monotonic() >= earlier);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[allow(
    clippy::exhaustive_structs,
    reason = "it is named as a value, and will have no fields"
)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the time of day is read"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that stands still until it is moved: for tests, of your own code too.
///
/// ```
/// # #[cfg(feature = "test-util")] {
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::{Clock, ManualClock};
///
/// let clock = ManualClock::new(UNIX_EPOCH);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(60));
/// assert_eq!(clock.monotonic(), Duration::from_secs(60));
/// # }
/// ```
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug)]
pub struct ManualClock(Mutex<(SystemTime, Duration)>);

#[cfg(any(test, feature = "test-util"))]
impl ManualClock {
    /// A clock that shows `now`, and a monotonic time of zero.
    pub fn new(now: SystemTime) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Lets `time` pass.
    pub fn advance(&self, time: Duration) {
        let mut state = self.state();
        state.0 = state.0.checked_add(time).unwrap_or(state.0);
        state.1 = state.1.saturating_add(time);
    }

    /// Sets the time of day, as an operator or NTP does: the monotonic time is not touched.
    pub fn set(&self, now: SystemTime) {
        self.state().0 = now;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (SystemTime, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.state().0
    }

    fn monotonic(&self) -> Duration {
        self.state().1
    }
}
