//! Token buckets in one `u64` each: the generic cell rate algorithm.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How fast tokens come back, and how many there are at most.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::budget::Rate;
///
/// // 300 orders in 3 hours: one each 36 s.
/// let rate = Rate::new(300, Duration::from_secs(3 * 60 * 60));
/// assert_eq!(rate.interval(), Duration::from_secs(36));
/// assert_eq!(rate.burst(), 300);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    interval: u64,
    burst: u32,
}

impl Rate {
    /// So many in this time, all of which may be used at once. At least one, and at most one each
    /// microsecond.
    pub fn new(count: u32, per: Duration) -> Self {
        let count = count.max(1);
        Self {
            interval: (duration_us(per) / u64::from(count)).max(1),
            burst: count,
        }
    }

    /// The same with another number that may be used at once; at least one.
    #[must_use]
    pub fn with_burst(mut self, burst: u32) -> Self {
        self.burst = burst.max(1);
        self
    }

    /// How long one token takes to come back.
    pub fn interval(self) -> Duration {
        Duration::from_micros(self.interval)
    }

    /// How many tokens there are at most.
    pub fn burst(self) -> u32 {
        self.burst
    }

    pub(super) fn interval_us(self) -> u64 {
        self.interval
    }

    fn tolerance(self) -> u64 {
        self.interval.saturating_mul(u64::from(self.burst))
    }
}

/// A bucket: the moment at which it is full, in microseconds since 1970.
///
/// All tokens are there if that moment is not in the future. A token that is taken moves it by one
/// interval, and no more than `burst` intervals fit between now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct Bucket(u64);

impl Bucket {
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    /// One of which all was used then.
    pub(crate) fn used_up(rate: Rate, at: u64) -> Self {
        Self(at.saturating_add(rate.tolerance()))
    }

    /// When `n` tokens are there. More than there ever are, are there when it is full.
    pub(crate) fn ready_at(self, rate: Rate, n: u32, margin: u64) -> u64 {
        let n = u64::from(n.min(rate.burst));
        let tolerance = rate
            .tolerance()
            .saturating_sub(n.saturating_mul(rate.interval));
        // A margin that no bucket could ever meet would be for ever.
        self.0.saturating_sub(tolerance.saturating_sub(margin))
    }

    /// Takes `n` tokens, there or not: the bucket may be in debt after it.
    pub(crate) fn spend(&mut self, rate: Rate, n: u32, now: u64) {
        let cost = rate.interval.saturating_mul(u64::from(n));
        self.0 = self.0.max(now).saturating_add(cost);
    }

    /// Takes what is there of `n` tokens.
    pub(crate) fn spend_what_is_there(&mut self, rate: Rate, n: u32, now: u64) {
        let before = self.0.max(now);
        self.spend(rate, n, now);
        let most = now.saturating_add(rate.tolerance());
        self.0 = self.0.min(most).max(before);
    }

    /// How many tokens are there.
    pub(crate) fn tokens(self, rate: Rate, now: u64) -> u32 {
        let used = self.0.saturating_sub(now);
        let left = rate.tolerance().saturating_sub(used) / rate.interval;
        u32::try_from(left).unwrap_or(u32::MAX).min(rate.burst)
    }

    /// None is there before `until`.
    pub(crate) fn block(&mut self, rate: Rate, until: u64) {
        let at_least = until.saturating_add(rate.tolerance() - rate.interval);
        self.0 = self.0.max(at_least);
    }

    pub(crate) fn is_full(self, now: u64) -> bool {
        self.0 <= now
    }

    /// Makes one that is full like one that was never taken from, which takes the least room.
    pub(crate) fn empty_if_full(&mut self, now: u64) {
        if self.is_full(now) {
            *self = Self::default();
        }
    }
}

pub(crate) fn micros(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, duration_us)
}

pub(crate) fn from_micros(us: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_micros(us))
        .unwrap_or(UNIX_EPOCH)
}

pub(crate) fn duration_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
