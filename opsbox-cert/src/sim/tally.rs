//! What is counted while it runs.

use super::population::Member;
use super::store::Stored;
use crate::budget::Headroom;

/// Microseconds.
pub(super) const HOUR: u64 = 60 * 60 * 1_000_000;

/// For so long, in one piece, the CA has to be up in the backstop window for an expiry to be a fault; half of
/// the window if that is less.
const UP_TIME: u64 = 24 * HOUR;

/// A name that was repaired is tried again within a day, and then has as long as others.
const REPAIR_TIME: u64 = 24 * HOUR;

/// One certificate as the world has it, whatever the instances know.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Truth {
    pub(super) is_doomed: bool,
    /// It was until somebody repaired it.
    pub(super) was_doomed: bool,
    /// It had no certificate yet.
    pub(super) is_new: bool,
    pub(super) account: u8,
    /// Which of the lifetimes.
    pub(super) lifetime: u16,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) orders_by_hour: Vec<u32>,
    /// When each order was placed, and for which certificate; if that is written down.
    pub(super) orders: Vec<(u64, u32)>,
    pub(super) renewed: u64,
    pub(super) resumed: u64,
    pub(super) refused: u64,
    pub(super) outages: u64,
    pub(super) polls: u64,
    pub(super) wakes: u64,
    pub(super) idle_wakes: u64,
    pub(super) fenced: u64,
    pub(super) first_issued: u64,
    pub(super) last_first: Option<u64>,
    pub(super) expired_while_down: u64,
    pub(super) expired_doomed: u64,
    pub(super) expired: u64,
    pub(super) first_expired: Option<(u64, u32)>,
    /// In millionths of the lifetime, and seconds; negative after the end.
    pub(super) latest: Option<(i64, i64)>,
    /// In the hundredths of the lifetime that were left.
    pub(super) margins: Vec<u64>,
    /// The least that was left of each limit.
    pub(super) headroom: Vec<Headroom>,
    pub(super) repaired: Option<u64>,
    /// From when until when nothing could be issued: no CA, or no instance.
    pub(super) down: Vec<(u64, u64)>,
}

impl Tally {
    pub(super) fn placed(&mut self, since_start: u64) {
        let hour = usize::try_from(since_start / HOUR).unwrap_or(usize::MAX);
        if hour >= self.orders_by_hour.len() {
            self.orders_by_hour.resize(hour + 1, 0);
        }
        if let Some(count) = self.orders_by_hour.get_mut(hour) {
            *count += 1;
        }
    }

    /// What is left of the limits at the moment.
    pub(super) fn least_left(&mut self, headroom: &[Headroom]) {
        for now in headroom {
            let kept = self.headroom.iter_mut().find(|it| it.scope == now.scope);
            match kept {
                Some(kept) if kept.left <= now.left => {}
                Some(kept) => *kept = *now,
                None => self.headroom.push(*now),
            }
        }
    }

    /// A certificate is replaced.
    pub(super) fn replaced(&mut self, cert: u32, old: &Stored, truth: Truth, now: u64) {
        self.renewed += 1;
        let lifetime = i64::from(old.until - old.from).max(1);
        let left = i64::from(old.until) - i64::try_from(now / 1_000_000).unwrap_or(i64::MAX);
        let share = left.saturating_mul(1_000_000) / lifetime;
        let was_good = !truth.is_doomed && !truth.was_doomed;
        if was_good && self.latest.is_none_or(|(least, _)| share < least) {
            self.latest = Some((share, left));
        }
        if self.margins.is_empty() {
            self.margins.resize(101, 0);
        }
        let percent = usize::try_from(share / 10_000).unwrap_or(0).min(100);
        self.margins[percent] += 1;
        if left <= 0 {
            self.ended(cert, old, truth);
        }
    }

    /// A certificate ended before another one was there.
    pub(super) fn ended(&mut self, cert: u32, old: &Stored, truth: Truth) {
        if truth.is_doomed {
            self.expired_doomed += 1;
        } else if !self.could_be_issued(old, truth) {
            self.expired_while_down += 1;
        } else {
            self.expired += 1;
            let first = (u64::from(old.until) * 1_000_000, cert);
            self.first_expired.get_or_insert(first);
        }
    }

    /// Whether there was a stretch of 24 hours between the backstop and the end of a certificate in which
    /// it could be issued.
    fn could_be_issued(&self, old: &Stored, truth: Truth) -> bool {
        let lifetime = u64::from(old.until - old.from) * 1_000_000;
        let end = end(old);
        let short = u64::try_from(crate::renewal::SHORT_LIVED.as_micros()).unwrap_or(0);
        let backstop = match lifetime < short {
            true => end - lifetime / 2,
            false => end - lifetime / 3,
        };
        let up_time = UP_TIME.min((end - backstop) / 2);
        let repaired = self.repaired.filter(|_| truth.was_doomed);
        let mut since = backstop.max(repaired.map_or(0, |it| it.saturating_add(REPAIR_TIME)));
        for (from, until) in &self.down {
            if *until <= since || *from >= end {
                continue;
            }
            if from.saturating_sub(since) >= up_time {
                return true;
            }
            since = since.max(*until);
        }
        end.saturating_sub(since) >= up_time
    }

    /// Nothing can be issued from one moment until another.
    pub(super) fn is_down(&mut self, from: u64, until: u64) {
        self.down.push((from, until));
        self.down.sort_unstable();
    }
}

fn end(stored: &Stored) -> u64 {
    u64::from(stored.until) * 1_000_000
}

impl From<&Member> for Truth {
    fn from(member: &Member) -> Self {
        Self {
            is_doomed: member.is_doomed,
            was_doomed: false,
            is_new: true,
            account: member.account,
            lifetime: member.lifetime,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * HOUR;

    /// A certificate of 90 days from day 0: its backstop is day 60.
    fn counts(down: &[(u64, u64)], truth: Truth, repaired: Option<u64>) -> (u64, u64, u64) {
        let mut tally = Tally {
            repaired: repaired.map(|day| day * DAY),
            ..Tally::default()
        };
        for (from, until) in down {
            tally.is_down(from * DAY, until * DAY);
        }
        let old = Stored {
            from: 0,
            until: 90 * 86_400,
            certificate: None,
        };
        tally.ended(0, &old, truth);
        (
            tally.expired,
            tally.expired_while_down,
            tally.expired_doomed,
        )
    }

    #[test]
    fn an_expiry_is_a_fault_if_there_was_a_day_to_avoid_it() {
        let good = Truth::default();
        assert_eq!(counts(&[], good, None), (1, 0, 0));
        assert_eq!(counts(&[(55, 95)], good, None), (0, 1, 0));
        assert_eq!(counts(&[(60, 70), (71, 95)], good, None), (1, 0, 0));
        // Two outages at once, and one that begins before the other ends.
        assert_eq!(
            counts(&[(50, 80), (60, 70), (75, 90)], good, None),
            (0, 1, 0)
        );
        assert_eq!(counts(&[(61, 90)], good, None), (1, 0, 0));
        assert_eq!(counts(&[(50, 89)], good, None), (1, 0, 0));
        let doomed = Truth {
            is_doomed: true,
            ..good
        };
        assert_eq!(counts(&[], doomed, None), (0, 0, 1));
        // Repaired on day 80, tried on day 81 at the latest.
        let repaired = Truth {
            was_doomed: true,
            ..good
        };
        assert_eq!(counts(&[], repaired, Some(80)), (1, 0, 0));
        assert_eq!(counts(&[], repaired, Some(89)), (0, 1, 0));
        assert_eq!(counts(&[(81, 95)], repaired, Some(80)), (0, 1, 0));
    }
}
