//! What the planner is to do, as data.

use std::time::Duration;

use crate::budget::{Kind, Rate};
use crate::limits::{MAX_ARI_WAIT, MIN_ARI_WAIT};
use crate::plan::priority::Band;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a certificate's lifetime is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Left {
    /// One part of so many: `Share(3)` is a third.
    Share(u32),
    /// A time, whatever the lifetime is.
    Time(Duration),
}

impl Left {
    /// In seconds.
    pub(super) fn of(self, lifetime: u32) -> u32 {
        match self {
            Self::Share(parts) => lifetime / parts.max(1),
            Self::Time(time) => u32::try_from(time.as_secs())
                .unwrap_or(u32::MAX)
                .min(lifetime),
        }
    }
}

/// When to renew, whom first, and how much at once.
///
/// The default goes by shares of the lifetime, which is right for any: 90 days, 45 days, 160 hours.
///
/// ```
/// use opsbox_cert::plan::{Band, Policy};
///
/// let policy = Policy::default().at_once(Band::Normal, 8);
/// assert_eq!(policy.most_at_once(Band::Normal), 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) due: Left,
    pub(super) short_due: Left,
    pub(super) short_below: Duration,
    /// From which on a certificate is critical, urgent, and due soon.
    pub(super) bands: [Left; 3],
    pub(super) weights: [u8; 3],
    pub(super) at_once: [u32; 5],
    pub(super) retry_share: u32,
    pub(super) spread: bool,
    pub(super) poll_every: Duration,
    pub(super) poll_rate: Rate,
    pub(super) polls_at_once: u32,
}

impl Default for Policy {
    /// A third of the lifetime left, or a half of one under 10 days; bands at a quarter, a sixth and a
    /// twelfth; weights 3, 2 and 1; 16 to 32 at once.
    fn default() -> Self {
        Self {
            due: Left::Share(3),
            short_due: Left::Share(2),
            short_below: crate::renewal::SHORT_LIVED,
            bands: [Left::Share(12), Left::Share(6), Left::Share(4)],
            weights: [1, 2, 3],
            at_once: [32, 32, 24, 16, 16],
            retry_share: 4,
            spread: true,
            poll_every: 6 * HOUR,
            poll_rate: Rate::new(20, Duration::from_secs(1)),
            polls_at_once: 16,
        }
    }
}

impl Policy {
    /// By days, which is right for certificates of 90 days and for no others: renewed 30 days before the end, or 7
    /// days where the lifetime is 30 days at most; from 15, 7 and 3 days before the end on 2, 3 and 4 at once.
    pub fn classic() -> Self {
        Self {
            due: Left::Time(30 * DAY),
            short_due: Left::Time(7 * DAY),
            short_below: 30 * DAY + Duration::from_secs(1),
            bands: [3, 7, 15].map(|days| Left::Time(days * DAY)),
            at_once: [4, 4, 3, 2, 2],
            spread: false,
            ..Self::default()
        }
    }

    /// When a certificate is due, if its CA says nothing by ARI: `long` before its end, or `short` if its
    /// lifetime is less than `below`.
    #[must_use]
    pub fn due(mut self, long: Left, short: Left, below: Duration) -> Self {
        (self.due, self.short_due, self.short_below) = (long, short, below);
        self
    }

    /// From which on a certificate is critical, urgent, and due soon.
    #[must_use]
    pub fn bands(mut self, critical: Left, urgent: Left, soon: Left) -> Self {
        self.bands = [critical, urgent, soon];
        self
    }

    /// The weight of a kind of certificates: in one band, the heavier are first.
    #[must_use]
    pub fn weight(mut self, kind: Kind, weight: u8) -> Self {
        if let Some(slot) = self.weights.get_mut(kind as usize) {
            *slot = weight;
        }
        self
    }

    /// How many are ordered at once when one of this band wants to be; at least one.
    #[must_use]
    pub fn at_once(mut self, band: Band, most: u32) -> Self {
        if let Some(slot) = self.at_once.get_mut(band as usize) {
            *slot = most.max(1);
        }
        self
    }

    /// Whether renewals are spread over the whole time between two, so that certificates that were issued on
    /// one day are not renewed on one. It costs one renewal of half the time, once.
    #[must_use]
    pub fn spread(mut self, spread: bool) -> Self {
        self.spread = spread;
        self
    }

    /// One in so many of what is ordered at once may be certificates that failed before; at least one.
    #[must_use]
    pub fn retry_share(mut self, parts: u32) -> Self {
        self.retry_share = parts.max(1);
        self
    }

    /// How often the CA is asked for the ARI window of a certificate, if it does not say itself; between a
    /// minute and half a day (RFC 9773, section 4.3.2).
    #[must_use]
    pub fn poll_every(mut self, every: Duration) -> Self {
        self.poll_every = every.clamp(MIN_ARI_WAIT, MAX_ARI_WAIT);
        self
    }

    /// How many ARI windows each CA is asked for at most: in a time, and at once.
    #[must_use]
    pub fn polls(mut self, rate: Rate, at_once: u32) -> Self {
        (self.poll_rate, self.polls_at_once) = (rate, at_once.max(1));
        self
    }

    /// How many are ordered at once when one of this band wants to be.
    pub fn most_at_once(&self, band: Band) -> u32 {
        self.at_once.get(band as usize).copied().unwrap_or(1)
    }

    pub(super) fn weight_of(&self, kind: Kind) -> u8 {
        self.weights.get(kind as usize).copied().unwrap_or(1)
    }

    /// What is left when it is due, in seconds.
    pub(super) fn due_left(&self, lifetime: u32) -> u32 {
        match u64::from(lifetime) < self.short_below.as_secs() {
            true => self.short_due.of(lifetime),
            false => self.due.of(lifetime),
        }
    }
}
