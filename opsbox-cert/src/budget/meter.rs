//! A bucket beside what is held back of it for the orders that are under way.

use super::gcra::{Bucket, Rate, duration_us};
use crate::limits::RESERVATION_TIME;

/// Orders that were taken within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// When they lapse, in seconds since 1970.
    pub(super) until: u32,
    pub(super) count: u32,
}

impl Hold {
    fn until_us(self) -> u64 {
        u64::from(self.until) * 1_000_000
    }

    /// When a hold lapses that is taken now.
    pub(super) fn lapse(now: u64) -> u32 {
        let until = now.saturating_add(duration_us(RESERVATION_TIME)) / 1_000_000 + 1;
        u32::try_from(until).unwrap_or(u32::MAX)
    }
}

/// A bucket, and what is held back of it.
///
/// A hold that lapses counts as used in that moment: it may have been until then. Each has a moment of its own,
/// as counted with an older one it would have come back before it was used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Meter {
    pub(super) bucket: Bucket,
    /// In the order in which they lapse: at most one a second of [`RESERVATION_TIME`].
    pub(super) holds: Vec<Hold>,
}

impl Meter {
    /// Nothing is held back of the bucket.
    pub(super) fn of(bucket: Bucket) -> Self {
        Self {
            bucket,
            holds: Vec::new(),
        }
    }

    /// How many are held.
    pub(super) fn held(&self) -> u32 {
        let counts = self.holds.iter().map(|hold| hold.count);
        counts.fold(0, u32::saturating_add)
    }

    /// The bucket and what is held once all that has lapsed counts. Without a rate nothing does.
    fn at(&self, rate: Option<Rate>, now: u64) -> (Bucket, &[Hold]) {
        let mut bucket = self.bucket;
        let mut holds = self.holds.as_slice();
        while let Some((first, rest)) = holds.split_first()
            && first.until_us() <= now
        {
            if let Some(rate) = rate {
                bucket.spend(rate, first.count, first.until_us());
            }
            holds = rest;
        }
        (bucket, holds)
    }

    /// Counts what has lapsed.
    pub(super) fn settle_old(&mut self, rate: Option<Rate>, now: u64) {
        let (bucket, holds) = self.at(rate, now);
        let lapsed = self.holds.len() - holds.len();
        if lapsed > 0 {
            self.bucket = bucket;
            self.holds.drain(..lapsed);
            self.give_back_memory();
        }
    }

    /// When one more fits, beside what is held.
    pub(super) fn ready_at(&self, rate: Rate, margin: u64, now: u64) -> u64 {
        self.room(rate, margin, now, 0).1
    }

    /// How many fit now, of `most`, and when one more does.
    pub(super) fn room(&self, rate: Rate, margin: u64, now: u64, most: u32) -> (u32, u64) {
        let (bucket, holds) = self.at(Some(rate), now);
        let held = holds.iter().map(|hold| hold.count);
        let held = held.fold(0, u32::saturating_add);
        let fit = (1..=rate.burst().saturating_sub(held).min(most))
            .take_while(|n| bucket.ready_at(rate, held + n, margin) <= now)
            .count();
        let fit = u32::try_from(fit).unwrap_or(u32::MAX);
        let next = match (held.saturating_add(fit) >= rate.burst(), holds.first()) {
            // Never more at once than there can be; what is held is given back or counts by then.
            (true, Some(first)) => first.until_us(),
            // All of them fit.
            (true, None) => now,
            (false, _) => bucket.ready_at(rate, held + fit + 1, margin),
        };
        (fit, next)
    }

    pub(super) fn hold(&mut self, rate: Option<Rate>, now: u64) {
        self.settle_old(rate, now);
        let until = Hold::lapse(now);
        match self.holds.binary_search_by_key(&until, |hold| hold.until) {
            Ok(at) => {
                if let Some(hold) = self.holds.get_mut(at) {
                    hold.count = hold.count.saturating_add(1);
                }
            }
            Err(at) => {
                if self.holds.capacity() == 0 {
                    // Most sets and names have one at a time.
                    self.holds.reserve_exact(1);
                }
                self.holds.insert(at, Hold { until, count: 1 });
            }
        }
    }

    /// Gives back one of those that lapse at `until`; `false` if none is held.
    pub(super) fn release(&mut self, until: Option<u32>, rate: Option<Rate>, now: u64) -> bool {
        self.settle_old(rate, now);
        let Some(until) = until else {
            return false;
        };
        let Ok(at) = self.holds.binary_search_by_key(&until, |hold| hold.until) else {
            return false;
        };
        if let Some(hold) = self.holds.get_mut(at) {
            hold.count -= 1;
            if hold.count == 0 {
                self.holds.remove(at);
                self.give_back_memory();
            }
        }
        true
    }

    /// When the oldest lapses of what is held.
    pub(super) fn oldest(&self, now: u64) -> Option<u32> {
        let (_, holds) = self.at(None, now);
        holds.first().map(|hold| hold.until)
    }

    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.holds.is_empty() && self.bucket.is_full(now)
    }

    fn give_back_memory(&mut self) {
        if self.holds.is_empty() {
            self.holds = Vec::new();
        }
    }
}
