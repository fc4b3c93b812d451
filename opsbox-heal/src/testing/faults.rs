//! What goes wrong, decided by a seed or by a script.

use std::{collections::BTreeMap, time::Duration};

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is refused: nothing was done.
    Refused,
    /// The answer is this code, and nothing was done: 500, 503, 429 (with `Retry-After`), 409, 403.
    Status(u16),
    /// The request is done, but its answer breaks off in the middle. A watch breaks after its first
    /// chunk.
    Cut,
    /// The request is done, but its answer is lost: the connection breaks before it begins.
    LostAnswer,
    /// The answer comes this much later.
    Slow(Duration),
    /// A list is answered from a cache that has not seen the last so many changes.
    Stale(u64),
    /// 410: of a list and a watch as an answer.
    Gone,
    /// 410 as an event in a watch; of another request as an answer.
    GoneEvent,
    /// A watch says nothing for ever, without an end.
    Hang,
}

/// How often things go wrong, in thousandths of all requests (or of all events, where it says so).
///
/// ```
/// use opsbox_heal::testing::FaultRates;
///
/// let calm = FaultRates { refused: 10, ..FaultRates::none() };
/// assert_eq!(calm.cut, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests write it with the rest taken from none()"
)]
pub struct FaultRates {
    /// [`Fault::Refused`].
    pub refused: u32,
    /// [`Fault::Status`] with 500 or 503.
    pub server_error: u32,
    /// [`Fault::Status`] with 429.
    pub busy: u32,
    /// [`Fault::Status`] with 409, of writes.
    pub conflict: u32,
    /// [`Fault::Cut`].
    pub cut: u32,
    /// [`Fault::LostAnswer`], of writes.
    pub lost_answer: u32,
    /// [`Fault::Slow`], up to ten seconds.
    pub slow: u32,
    /// [`Fault::Stale`], of lists.
    pub stale: u32,
    /// [`Fault::Gone`] or [`Fault::GoneEvent`], of lists and watches.
    pub gone: u32,
    /// [`Fault::Hang`], of watches.
    pub hang: u32,
    /// Events of a watch that come twice, in thousandths of the events.
    pub duplicate: u32,
    /// Events of a watch that come after the next one, in thousandths of the events.
    pub reorder: u32,
    /// Watches that break after an event, in thousandths of the events.
    pub break_watch: u32,
}

impl Fault {
    /// A word for its kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Status(409) => "conflict",
            Self::Status(429) => "busy",
            Self::Status(_) => "server_error",
            Self::Cut => "cut",
            Self::LostAnswer => "lost_answer",
            Self::Slow(_) => "slow",
            Self::Stale(_) => "stale",
            Self::Gone => "gone",
            Self::GoneEvent => "gone_event",
            Self::Hang => "hang",
        }
    }
}

impl FaultRates {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            refused: 0,
            server_error: 0,
            busy: 0,
            conflict: 0,
            cut: 0,
            lost_answer: 0,
            slow: 0,
            stale: 0,
            gone: 0,
            hang: 0,
            duplicate: 0,
            reorder: 0,
            break_watch: 0,
        }
    }

    /// Everything goes wrong now and then: each kind in so many of a thousand.
    pub fn all(thousandths: u32) -> Self {
        Self {
            refused: thousandths,
            server_error: thousandths,
            busy: thousandths,
            conflict: thousandths,
            cut: thousandths,
            lost_answer: thousandths,
            slow: thousandths,
            stale: thousandths,
            gone: thousandths,
            hang: thousandths,
            duplicate: thousandths,
            reorder: thousandths,
            break_watch: thousandths,
        }
    }
}

/// A source of faults: the same seed makes the same faults for the same requests.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
    pub(super) rates: FaultRates,
    /// How many faults there were of each kind.
    pub(super) injected: BTreeMap<&'static str, u64>,
}

impl Dice {
    pub(super) fn new(seed: u64, rates: FaultRates) -> Self {
        Self {
            state: seed,
            rates,
            injected: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.injected.entry(kind).or_default() += 1;
    }

    /// A number below `below` (splitmix64).
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    pub(super) fn happens(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.roll(1_000) < u64::from(thousandths)
    }

    /// The fault of a request, if it has one.
    pub(super) fn fault(&mut self, verb: &str) -> Option<Fault> {
        let rates = self.rates;
        let (is_list, is_watch) = (verb == "list", verb == "watch");
        let is_write = !is_list && !is_watch && verb != "get";
        if self.happens(rates.refused) {
            return Some(Fault::Refused);
        }
        if self.happens(rates.server_error) {
            let code = if self.roll(2) == 0 { 500 } else { 503 };
            return Some(Fault::Status(code));
        }
        if self.happens(rates.busy) {
            return Some(Fault::Status(429));
        }
        if is_write && self.happens(rates.conflict) {
            return Some(Fault::Status(409));
        }
        if is_write && self.happens(rates.lost_answer) {
            return Some(Fault::LostAnswer);
        }
        if self.happens(rates.cut) {
            return Some(Fault::Cut);
        }
        if is_list && self.happens(rates.stale) {
            return Some(Fault::Stale(1 + self.roll(10)));
        }
        if (is_list || is_watch) && self.happens(rates.gone) {
            let as_event = is_watch && self.roll(2) == 0;
            return Some(if as_event {
                Fault::GoneEvent
            } else {
                Fault::Gone
            });
        }
        if is_watch && self.happens(rates.hang) {
            return Some(Fault::Hang);
        }
        if self.happens(rates.slow) {
            return Some(Fault::Slow(Duration::from_millis(self.roll(10_000))));
        }
        None
    }
}
