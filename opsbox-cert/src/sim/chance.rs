//! Numbers that look like chance and are the same for the same seed.

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// One of the numbers below; 0 below 0.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(most)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }

    /// From 0 to just below 1.
    pub(super) fn share(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "it has 53 bits")]
        let drawn = (self.next() >> 11) as f64;
        drawn / (1_u64 << 53) as f64
    }

    /// Which of some parts of a whole; the first if there are none.
    pub(super) fn part(&mut self, parts: impl Iterator<Item = u32> + Clone) -> usize {
        let mut drawn = self.below(parts.clone().map(u64::from).sum());
        for (index, part) in parts.enumerate() {
            match drawn.checked_sub(u64::from(part)) {
                Some(left) => drawn = left,
                None => return index,
            }
        }
        0
    }
}

/// Its finalizer: each bit depends on each.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
