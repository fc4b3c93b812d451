//! The moment of a renewal: inside the CA's window, or by the share of the lifetime.

use std::time::SystemTime;

use super::moment::{at, secs};
use super::policy::Policy;

/// Seconds before the end of a window in which no renewal begins, if they are no more than an eighth of it.
const LAST_MINUTE: u64 = 60;

/// When a CA wants a certificate to be renewed (RFC 9773, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    start: u32,
    end: u32,
}

impl Window {
    /// From `start` until `end`. A CA that wants a certificate replaced at once gives one that is over; one
    /// that ends before it starts is taken as the moment of its start.
    pub fn new(start: SystemTime, end: SystemTime) -> Self {
        let (start, end) = (secs(start), secs(end));
        Self {
            start,
            end: end.max(start),
        }
    }

    pub(super) fn from_secs(start: u32, end: u32) -> Option<Self> {
        (end > 0).then_some(Self { start, end })
    }

    pub(super) fn as_secs(self) -> (u32, u32) {
        (self.start, self.end)
    }

    /// Its start.
    pub fn start(self) -> SystemTime {
        at(self.start)
    }

    /// Its end.
    pub fn end(self) -> SystemTime {
        at(self.end)
    }

    /// Whether a time is inside.
    pub fn contains(self, time: SystemTime) -> bool {
        self.has(secs(time))
    }

    pub(super) fn has(self, now: u32) -> bool {
        self.start <= now && now < self.end
    }

    /// One moment inside, each as likely as the other, and always the same for the same seed and names.
    pub(super) fn instant(self, seed: u64, set: u64) -> u32 {
        let width = u64::from(self.end - self.start);
        // An order takes its time to the CA, and must not come there after the end.
        let width = width - (width / 8).min(LAST_MINUTE);
        if width == 0 {
            return self.start;
        }
        // The window is mixed in, or the renewals of one name would always be early, or always late.
        let mixed = mix(mix(seed ^ set) ^ u64::from(self.start) << 32 ^ u64::from(self.end));
        self.start + within(mixed, width)
    }
}

/// When certificates of one lifetime are due without ARI.
///
/// Without spread it is when the share of the policy is left. With spread, each name has a phase of its
/// own in the time between two renewals, and comes to it in two renewals at most: so a fleet that was issued on one
/// day is renewed on all days alike, and one that came day by day stays so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cycle {
    lifetime: u32,
    latest: u32,
    /// 0 without spread.
    period: u32,
}

impl Cycle {
    pub(super) fn new(policy: &Policy, lifetime: u32) -> Self {
        let latest = lifetime - policy.due_left(lifetime);
        let period = match policy.spread && latest >= 64 {
            // A CA dates certificates back, and an order takes its time: what was renewed in its phase has to find
            // the next one, and not the same again.
            true => period(latest - latest / 16),
            false => 0,
        };
        Self {
            lifetime,
            latest,
            period,
        }
    }

    pub(super) fn is_of(&self, lifetime: u32) -> bool {
        self.lifetime == lifetime
    }

    /// None is due before.
    pub(super) fn soonest(&self, from: u32) -> u32 {
        from.saturating_add(self.period / 32 * 15)
    }

    pub(super) fn due(&self, from: u32, seed: u64, set: u64) -> u32 {
        let (latest, period) = (self.latest, u64::from(self.period));
        if period == 0 {
            return from.saturating_add(latest);
        }
        let slack = u64::from(latest) - period;
        let phase = u64::from(within(mix(seed.rotate_left(32) ^ set), period));
        let earliest = u64::from(from) + slack;
        let in_period = (earliest + period - phase) % period;
        // The first moment in phase after the slack: within one period.
        let wait = slack + (period - in_period);
        let wait = match wait >= period / 32 * 15 {
            true => wait,
            // Too early, and the one after is too late: so half a period before that.
            false => wait + period / 2,
        };
        let wait = u32::try_from(wait).unwrap_or(latest).min(latest);
        from.saturating_add(wait)
    }
}

/// The same for lifetimes that differ a little, or each certificate would have another phase.
fn period(seconds: u32) -> u32 {
    let step = match seconds {
        0..36_000 => 1,
        36_000..864_000 => 600,
        _ => 3_600,
    };
    seconds - seconds % step
}

/// A number below `width`, each as likely as the other but for less than one in 2^32.
fn within(mixed: u64, width: u64) -> u32 {
    let scaled = (u128::from(mixed) * u128::from(width)) >> 64;
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014): each bit depends on each.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_due_before_the_soonest_or_after_the_latest(
            from in any::<u32>(), lifetime in any::<u32>(), seed in any::<u64>(), set in any::<u64>(), spread in any::<bool>(),
        ) {
            let cycle = Cycle::new(&Policy::default().spread(spread), lifetime);
            let due = cycle.due(from, seed, set);
            prop_assert!(cycle.soonest(from) <= due);
            prop_assert!(due <= from.saturating_add(cycle.latest));
        }
    }
}
