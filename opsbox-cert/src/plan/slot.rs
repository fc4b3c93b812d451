//! What the planner knows of one certificate, in 36 bytes.

use super::Held;
use super::moment::{NEVER, span};
use super::policy::Policy;
use super::priority::{Band, band};
use super::window::{Cycle, Window};
use crate::budget::{Exemption, Kind};
use crate::limits::RENEWAL_TIME;

/// What is there has the same set of names, of the same CA.
pub(super) const RENEWAL: u16 = 1;
/// What is there covers the names.
pub(super) const COVERED: u16 = 1 << 1;
pub(super) const REVOKED: u16 = 1 << 2;
pub(super) const LOST: u16 = 1 << 3;
pub(super) const FORCED: u16 = 1 << 4;
/// Its CA gave a window that was over already.
pub(super) const AT_ONCE: u16 = 1 << 5;
/// Another instance plans it.
pub(super) const ELSEWHERE: u16 = 1 << 6;
/// Its CA has ARI.
pub(super) const POLLED: u16 = 1 << 7;
/// It waits since it failed, or for something else: the table knows more.
const WAITS: u16 = 1 << 8;
/// `domain` is the place of its names in the table.
const MANY: u16 = 1 << 9;
/// Its times are kept in units of [`LONG_UNIT`] bits.
const LONG: u16 = 1 << 10;
/// Where the state begins, of three bits, and the kind after it, of two.
const STATE: u32 = 11;
const KIND: u32 = 14;

/// A lifetime of 2^24 s (194 days) and more is kept in units of 256 s, and so is its window: cut so that it begins no
/// earlier and ends no later.
const LONG_UNIT: u32 = 8;

/// No window is known. No window begins so late.
const NO_WINDOW: [u8; 3] = [u8::MAX; 3];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// There is no certificate.
    Free,
    /// Its time has not come.
    Idle,
    /// It waits for its turn.
    Ready,
    /// It waits for a registered domain.
    Parked,
    /// It is ordered.
    Ordered,
    /// It was removed while it was ordered.
    Gone,
}

/// Words of 64 bits are kept in halves, and numbers of 24 bits in bytes, or it would be 40 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    set: [u32; 2],
    domain: [u32; 2],
    /// 0 if there is none.
    pub(super) until: u32,
    pub(super) poll_at: u32,
    lifetime: [u8; 3],
    pub(super) generation: u8,
    /// How long after its first second the window begins.
    window: [u8; 3],
    pub(super) issuer: u8,
    /// How long the window lasts: see [`Width`].
    width: Width,
    bits: u16,
}

const _: () = assert!(
    size_of::<Slot>() == 36,
    "nothing is lost between its fields"
);

/// A number up to 2^27 in 16 bits, cut to its first 12 bits: 4 of exponent, 12 of mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Width(u16);

impl Width {
    const MANTISSA: u32 = 12;

    fn new(width: u32) -> Self {
        let bits = u32::BITS - width.leading_zeros();
        let exponent = bits.saturating_sub(Self::MANTISSA);
        match u16::try_from(exponent << Self::MANTISSA | width >> exponent) {
            Ok(cut) if exponent < 16 => Self(cut),
            _ => Self(u16::MAX),
        }
    }

    fn get(self) -> u32 {
        let width = u32::from(self.0);
        (width & 0xfff) << (width >> Self::MANTISSA)
    }
}

fn split(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

fn join([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// At most the largest number of 24 bits.
fn cut(number: u32) -> [u8; 3] {
    let [a, b, c, d] = number.to_le_bytes();
    match d {
        0 => [a, b, c],
        _ => [u8::MAX; 3],
    }
}

fn number([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

impl Slot {
    pub(super) fn new(set: u64, domain: u64, kind: Kind, issuer: u8) -> Self {
        let mut slot = Self {
            set: split(set),
            domain: split(domain),
            until: 0,
            poll_at: NEVER,
            lifetime: [0; 3],
            generation: 0,
            window: NO_WINDOW,
            issuer,
            width: Width::default(),
            bits: (kind as u16) << KIND,
        };
        slot.set_state(State::Idle);
        slot
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.bits & flag != 0
    }

    pub(super) fn set_flag(&mut self, flag: u16, is_set: bool) {
        match is_set {
            true => self.bits |= flag,
            false => self.bits &= !flag,
        }
    }

    /// Those of some flags that are set.
    pub(super) fn flags(&self, of: u16) -> u16 {
        self.bits & of
    }

    pub(super) fn state(&self) -> State {
        match self.bits >> STATE & 0b111 {
            0 => State::Free,
            1 => State::Idle,
            2 => State::Ready,
            3 => State::Parked,
            4 => State::Ordered,
            _ => State::Gone,
        }
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.bits = self.bits & !(0b111 << STATE) | (state as u16) << STATE;
    }

    pub(super) fn is_there(&self) -> bool {
        !matches!(self.state(), State::Free | State::Gone)
    }

    /// Whether this instance has something to do for it one day.
    pub(super) fn is_planned(&self) -> bool {
        let is_still = matches!(self.state(), State::Free | State::Ordered | State::Gone);
        !is_still && !self.has(ELSEWHERE)
    }

    pub(super) fn set(&self) -> u64 {
        join(self.set)
    }

    /// The registered domain, where it has one name of one.
    pub(super) fn domain(&self) -> u64 {
        join(self.domain)
    }

    /// The place of its names in the table, where it has more.
    pub(super) fn many(&self) -> Option<u64> {
        self.has(MANY).then(|| join(self.domain))
    }

    pub(super) fn set_many(&mut self, is_set: bool) {
        self.set_flag(MANY, is_set);
    }

    pub(super) fn waits(&self) -> bool {
        self.has(WAITS)
    }

    pub(super) fn set_waits(&mut self, is_set: bool) {
        self.set_flag(WAITS, is_set);
    }

    pub(super) fn kind(&self) -> Kind {
        match self.bits >> KIND {
            0 => Kind::Single,
            1 => Kind::San,
            _ => Kind::Wildcard,
        }
    }

    fn unit(&self) -> u32 {
        if self.has(LONG) { LONG_UNIT } else { 0 }
    }

    pub(super) fn lifetime(&self) -> u32 {
        number(self.lifetime) << self.unit()
    }

    /// Its first second.
    pub(super) fn from(&self) -> u32 {
        self.until - self.lifetime()
    }

    pub(super) fn window(&self) -> Option<Window> {
        if self.window == NO_WINDOW {
            return None;
        }
        let start = u64::from(self.from()) + (u64::from(number(self.window)) << self.unit());
        let end = start + (u64::from(self.width.get()) << self.unit());
        let cut = |time| u32::try_from(time).unwrap_or(NEVER - 1).min(NEVER - 1);
        Window::from_secs(cut(start), cut(end).max(1))
    }

    /// It is kept as it is where the lifetime is less than 194 days, but for the end: that is cut to a 2,000th part of
    /// the window, to be earlier. What is before the first second of the certificate is cut off.
    pub(super) fn set_window(&mut self, window: Option<Window>) {
        let Some((start, end)) = window.map(Window::as_secs).filter(|_| self.until > 0) else {
            (self.window, self.width) = (NO_WINDOW, Width::default());
            return;
        };
        let (unit, from) = (self.unit(), self.from());
        let after = start.saturating_sub(from).div_ceil(1 << unit);
        let after = after.min(number(NO_WINDOW) - 1);
        let start = u64::from(from) + (u64::from(after) << unit);
        let width = u64::from(end).saturating_sub(start) >> unit;
        self.window = cut(after);
        self.width = Width::new(u32::try_from(width).unwrap_or(u32::MAX));
    }

    /// Whether what is there is this.
    pub(super) fn holds(&self, held: Option<&Held>) -> bool {
        let mut other = self.clone();
        other.set_held(held);
        (other.until, other.lifetime, other.has(LONG))
            == (self.until, self.lifetime, self.has(LONG))
    }

    pub(super) fn set_held(&mut self, held: Option<&Held>) {
        let (from, until) = held.map_or((0, 0), |held| (held.from, held.until));
        let lifetime = until.saturating_sub(from);
        self.until = until;
        self.set_flag(LONG, lifetime >= 1 << 24);
        self.lifetime = cut(lifetime >> self.unit());
        self.set_flag(RENEWAL, held.is_some_and(|held| held.same_set));
        self.set_flag(COVERED, held.is_some_and(|held| held.covers));
        self.set_flag(POLLED, held.is_some_and(|held| held.ari));
        self.set_window(None);
        self.set_flag(REVOKED | LOST | FORCED | AT_ONCE, false);
    }

    /// Whether what is there covers the names.
    pub(super) fn is_covered(&self) -> bool {
        self.until > 0 && self.has(COVERED)
    }

    /// Whether it is ordered though it may be new.
    pub(super) fn is_early(&self) -> bool {
        self.until == 0 || self.has(REVOKED | LOST | AT_ONCE)
    }

    /// When it is due, without regard to failures.
    pub(super) fn due(&self, policy: &Policy, seed: u64) -> u32 {
        self.due_by(policy, seed, &mut Cycle::default(), NEVER)
    }

    /// The same where it is before `bound`, or else any time that is not: most of a page are not the first. Of
    /// certificates with equal lifetimes the cycle is found once.
    pub(super) fn due_by(&self, policy: &Policy, seed: u64, cycle: &mut Cycle, bound: u32) -> u32 {
        if self.has(REVOKED | LOST | FORCED) || !self.is_covered() {
            return 0;
        }
        match self.window() {
            // A window that begins when all is nearly over is an error. There has to be time for retries.
            Some(window) => {
                let [_, urgent, _] = policy.bands;
                let last = self.until - urgent.of(self.lifetime());
                let soonest = window.as_secs().0.min(last);
                if soonest >= bound {
                    return soonest;
                }
                window.instant(seed, self.set()).min(last)
            }
            None => {
                let lifetime = self.lifetime();
                if !cycle.is_of(lifetime) {
                    *cycle = Cycle::new(policy, lifetime);
                }
                let from = self.from();
                let soonest = cycle.soonest(from);
                if soonest >= bound {
                    return soonest;
                }
                cycle.due(from, seed, self.set())
            }
        }
    }

    /// How urgent it is, and when that changes.
    pub(super) fn band(&self, policy: &Policy, now: u32) -> (Band, u32) {
        if self.has(REVOKED | AT_ONCE | FORCED) {
            return (Band::Immediate, NEVER);
        }
        if self.until == 0 {
            return (Band::Urgent, NEVER);
        }
        let (band, changes) = band(policy, self.from(), self.until, now);
        if !self.is_covered() {
            // A name is without a certificate, whatever is left of that of the others.
            return (band.min(Band::Urgent), changes);
        }
        (band, changes)
    }

    /// What it escapes now, and when that changes.
    pub(super) fn exemption(&self, now: u32) -> (Exemption, u32) {
        if self.until == 0 || !self.has(RENEWAL) {
            return (Exemption::None, NEVER);
        }
        let window = match self.window() {
            Some(window) if window.has(now) => return (Exemption::Ari, window.as_secs().1),
            Some(window) if now < window.as_secs().0 => window.as_secs().0,
            _ => NEVER,
        };
        // The CA forgets what it issued.
        let forgotten = self.from().saturating_add(span(RENEWAL_TIME));
        match now < forgotten {
            true => (Exemption::Renewal, window.min(forgotten)),
            false => (Exemption::None, window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn slot(from: u32, until: u32) -> Slot {
        let at = |time: u32| UNIX_EPOCH + Duration::from_secs(time.into());
        let mut slot = Slot::new(1, 2, Kind::San, 3);
        slot.set_held(Some(&Held::new(at(from), at(until))));
        slot
    }

    proptest! {
        /// Against what was given: nothing begins earlier or ends later, and what is a little long is exact.
        #[test]
        fn times_are_what_they_were(
            from in 0..u32::MAX / 2,
            lifetime in prop_oneof![0..1_u32 << 24, 1_u32 << 24..u32::MAX / 2],
            start in -10_000_000..200_000_000_i64,
            width in prop_oneof![0..4_096_u32, 0..200_000_000_u32],
        ) {
            let mut slot = slot(from, from + lifetime);
            prop_assume!(slot.until > 1);
            prop_assert_eq!(slot.until, from + lifetime);
            let unit = if lifetime < 1 << 24 { 1 } else { 256 };
            prop_assert!(slot.lifetime() <= lifetime && lifetime - slot.lifetime() < unit);
            prop_assert!(slot.window().is_none());

            let start = u32::try_from((i64::from(from) + start).clamp(1, i64::from(NEVER - 1))).unwrap();
            let end = start.saturating_add(width).min(NEVER - 1);
            slot.set_window(Window::from_secs(start, end));
            let (kept_start, kept_end) = slot.window().unwrap().as_secs();
            // Of what can be: not before it was issued, and not long after it has ended.
            let first = start.max(slot.from());
            if u64::from(first - slot.from()) < u64::from(unit) * 0xff_ff00 {
                prop_assert!(kept_start >= first && kept_start - first < unit, "{kept_start} of {first}");
            }
            prop_assert!(kept_end >= kept_start);
            let end = end.max(kept_start);
            prop_assert!(kept_end <= end, "{kept_end} of {end}");
            let lost = end - kept_end;
            if end - kept_start < 130_000_000 {
                prop_assert!(lost < 2 * unit + (end - kept_start) / 2_000, "{lost} of {width}");
            }
            // What was kept is kept as it is.
            let before = slot.clone();
            slot.set_window(slot.window());
            prop_assert_eq!(&slot, &before);
        }
    }

    #[test]
    fn windows_of_lets_encrypt_are_kept_to_the_second() {
        for (lifetime, width) in [(7_776_000, 155_520), (3_888_000, 77_760), (576_000, 11_520)] {
            let mut slot = slot(1_800_000_000, 1_800_000_000 + lifetime);
            let window = Window::from_secs(
                1_800_000_000 + lifetime / 2,
                1_800_000_000 + lifetime / 2 + width,
            );
            slot.set_window(window);
            assert_eq!(slot.window(), window);
        }
    }

    #[test]
    fn bits_do_not_get_in_each_others_way() {
        let states = [
            State::Free,
            State::Idle,
            State::Ready,
            State::Parked,
            State::Ordered,
            State::Gone,
        ];
        for kind in [Kind::Single, Kind::San, Kind::Wildcard] {
            let mut slot = Slot::new(u64::MAX - 7, 1 << 63 | 5, kind, 255);
            for state in states {
                for flag in 0..11 {
                    slot.set_flag(1 << flag, true);
                    slot.set_state(state);
                    assert_eq!(
                        (slot.kind(), slot.state(), slot.flags(0x7ff)),
                        (kind, state, 1 << flag)
                    );
                    slot.set_flag(1 << flag, false);
                }
            }
            assert_eq!(
                (slot.set(), slot.domain(), slot.issuer),
                (u64::MAX - 7, 1 << 63 | 5, 255)
            );
        }
    }
}
