//! What goes wrong at the CA, by chance that is the same at each run.

use std::time::{Duration, SystemTime};

use super::limits::{Moment, moment};

/// The kinds of faults, each with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A request is answered by 429 and `rateLimited`, though there is room.
    TooManyRequests,
    /// A request is answered by 503 and `rateLimited`, as by a CA that is busy.
    Unavailable,
    /// A request is answered by 500 and `serverInternal`.
    ServerInternal,
    /// A request is answered by 502 and a page in HTML, as by a proxy.
    Html,
    /// A good nonce is refused.
    BadNonce,
    /// The request is done and the connection closed without an answer.
    LostAnswer,
    /// The request is done and its answer cut in the middle of the body.
    CutBody,
    /// The answer stops in its middle for [`slow_for`](Faults::slow_for), in real time.
    Slow,
    /// A challenge fails that was answered well.
    RefusedChallenge,
    /// An order that was finalized is `processing` until it is looked at again.
    Processing,
    /// An answer of ARI has no window, or one that ends before it starts.
    MalformedAri,
    /// ARI knows nothing of the certificate: 404.
    AbsentAri,
    /// A `Retry-After` is left out: of errors, and of ARI.
    NoRetryAfter,
    /// The CA is down: [`outage`](Faults::outage). Its rate has no meaning.
    Outage,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::TooManyRequests,
        Self::Unavailable,
        Self::ServerInternal,
        Self::Html,
        Self::BadNonce,
        Self::LostAnswer,
        Self::CutBody,
        Self::Slow,
        Self::RefusedChallenge,
        Self::Processing,
        Self::MalformedAri,
        Self::AbsentAri,
        Self::NoRetryAfter,
        Self::Outage,
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// Which faults there are and how often, drawn from a seed.
///
/// The nth draw for a fault depends on the seed, the fault and n alone: another rate of one fault does not
/// change when another one strikes.
///
/// ```
/// use opsbox_cert::testing::ca::{Fault, Faults};
///
/// let faults = Faults::new(7).rate(Fault::BadNonce, 0.2);
/// let struck = (0..10_000).filter(|n| faults.strikes(Fault::BadNonce, *n)).count();
/// assert!((1_900..2_100).contains(&struck), "{struck}");
/// assert!((0..10_000).all(|n| !faults.strikes(Fault::Html, n)));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    seed: u64,
    rates: [f64; Fault::ALL.len()],
    retry_after: Duration,
    slow_for: Duration,
    outages: Vec<(Moment, Moment)>,
}

impl Faults {
    /// No fault yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rates: [0.0; Fault::ALL.len()],
            retry_after: Duration::from_secs(1),
            slow_for: Duration::from_millis(100),
            outages: Vec::new(),
        }
    }

    /// How often a fault strikes where it can: 0 for never, 1 for always. What is no number stands for 0.
    #[must_use]
    pub fn rate(mut self, fault: Fault, rate: f64) -> Self {
        if let Some(kept) = self.rates.get_mut(fault.index()) {
            *kept = if rate.is_nan() {
                0.0
            } else {
                rate.clamp(0.0, 1.0)
            };
        }
        self
    }

    /// What an injected 429 or 503 asks for: 1 second unless it is said here.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = time;
        self
    }

    /// How long a slow answer stops, in real time: 100 ms unless it is said here.
    #[must_use]
    pub fn slow_for(mut self, time: Duration) -> Self {
        self.slow_for = time;
        self
    }

    /// The CA is down from one moment of its clock until another: no connection is taken.
    #[must_use]
    pub fn outage(mut self, from: SystemTime, until: SystemTime) -> Self {
        self.outages.push((moment(from), moment(until)));
        self
    }

    /// Whether the nth chance of a fault is taken.
    pub fn strikes(&self, fault: Fault, n: u64) -> bool {
        let rate = self.rates.get(fault.index()).copied().unwrap_or(0.0);
        if rate <= 0.0 {
            return false;
        }
        // 53 bits are what an f64 holds.
        let drawn = draw(self.seed, fault.index() as u64, n) >> 11;
        #[allow(clippy::cast_precision_loss, reason = "it has 53 bits")]
        let share = drawn as f64 / (1_u64 << 53) as f64;
        share < rate
    }

    pub(crate) fn wait(&self) -> Duration {
        self.retry_after
    }

    #[cfg(feature = "test-ca")]
    pub(crate) fn slowness(&self) -> Duration {
        self.slow_for
    }

    pub(crate) fn is_down(&self, now: Moment) -> bool {
        let down = |(from, until): &(Moment, Moment)| (*from..*until).contains(&now);
        self.outages.iter().any(down)
    }
}

/// None, with a seed of 0.
impl Default for Faults {
    fn default() -> Self {
        Self::new(0)
    }
}

/// Counts the chances of each fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chances([u64; Fault::ALL.len()]);

impl Chances {
    pub(crate) fn strikes(&mut self, faults: &Faults, fault: Fault) -> bool {
        let n = &mut self.0[fault.index()];
        let strikes = faults.strikes(fault, *n);
        *n += 1;
        strikes
    }
}

/// A number that looks like chance, of three numbers: SplitMix64 (Steele, Lea and Flood, 2014) chained.
pub(crate) fn draw(seed: u64, stream: u64, n: u64) -> u64 {
    let mut out = seed;
    for part in [stream, n] {
        out = out.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        out = (out ^ (out >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        out = (out ^ (out >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out ^= out >> 31;
    }
    out
}
