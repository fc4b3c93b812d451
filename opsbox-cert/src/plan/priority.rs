//! Whose turn it is.

use super::policy::Policy;

/// How urgent a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Band {
    /// It is revoked, or its CA wants it replaced at once, or somebody forces it.
    Immediate = 0,
    /// It ends soon, or has ended.
    Critical = 1,
    /// It should have been renewed, or there is none yet.
    Urgent = 2,
    /// It is late.
    Soon = 3,
    /// It is time.
    Normal = 4,
}

impl Band {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 5] = [
        Self::Immediate,
        Self::Critical,
        Self::Urgent,
        Self::Soon,
        Self::Normal,
    ];

    /// As one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Critical => "critical",
            Self::Urgent => "urgent",
            Self::Soon => "soon",
            Self::Normal => "normal",
        }
    }
}

/// The band by what is left, and when the next one begins.
pub(super) fn band(policy: &Policy, from: u32, until: u32, now: u32) -> (Band, u32) {
    let lifetime = until.saturating_sub(from);
    let [critical, urgent, soon] = policy.bands.map(|left| until - left.of(lifetime));
    if now >= critical {
        (Band::Critical, u32::MAX)
    } else if now >= urgent {
        (Band::Urgent, critical)
    } else if now >= soon {
        (Band::Soon, urgent.min(critical))
    } else {
        (Band::Normal, soon.min(urgent).min(critical))
    }
}

/// Smaller is sooner: by band, then weight, then how long it is due, then by the names.
pub(super) fn rank(band: Band, weight: u8, due: u32, set: u64) -> u64 {
    const NAME_BITS: u32 = 21;
    let band = (band as u64) << 61;
    let weight = u64::from(u8::MAX - weight) << 53;
    band | weight | u64::from(due) << NAME_BITS | set >> (64 - NAME_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_go_by_share_and_come_in_order() {
        let policy = Policy::default();
        let at = |now| band(&policy, 0, 1200, now);
        assert_eq!(at(0), (Band::Normal, 900));
        assert_eq!(at(900), (Band::Soon, 1000));
        assert_eq!(at(1000), (Band::Urgent, 1100));
        assert_eq!(at(1100), (Band::Critical, u32::MAX));
        assert_eq!(at(5000).0, Band::Critical);
        assert_eq!(band(&policy, 10, 10, 10).0, Band::Critical);
    }

    #[test]
    fn classic_bands_go_by_days() {
        let (policy, day) = (Policy::classic(), 24 * 60 * 60);
        let at = |left: u32| band(&policy, 0, 90 * day, (90 - left) * day).0;
        assert_eq!(
            [16, 15, 7, 3].map(at),
            [Band::Normal, Band::Soon, Band::Urgent, Band::Critical]
        );
        let at_once = [Band::Soon, Band::Urgent, Band::Critical].map(|it| policy.most_at_once(it));
        assert_eq!(at_once, [2, 3, 4]);
        assert_eq!(policy.due_left(90 * day), 30 * day);
        assert_eq!(policy.due_left(30 * day), 7 * day);
    }

    #[test]
    fn the_rank_is_of_band_then_weight_then_time() {
        let rank = |band, weight, due| rank(band, weight, due, u64::MAX);
        assert!(rank(Band::Critical, 1, u32::MAX) < rank(Band::Urgent, 255, 0));
        assert!(rank(Band::Normal, 3, u32::MAX) < rank(Band::Normal, 2, 0));
        assert!(rank(Band::Normal, 2, 5) < rank(Band::Normal, 2, 6));
    }
}
