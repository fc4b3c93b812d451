//! What is simulated: a fleet, those who keep it, its CA, and what happens to them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::population::{Member, Population};
use crate::budget::Limits;
use crate::plan::Policy;
use crate::testing::ca::CaOptions;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Most instances that can be simulated over one store.
const MAX_INSTANCES: usize = 64;

/// What happens at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The CA is down for this long.
    Outage {
        /// How long.
        lasts: Duration,
    },
    /// The CA revokes what it issued during the time before; those who ask by ARI are told.
    Revoke {
        /// What was issued no longer ago than this.
        issued_within: Duration,
    },
    /// The CA moves the ARI windows of what it issued during the time before.
    MoveWindows {
        /// What was issued no longer ago than this.
        issued_within: Duration,
        /// The new window begins so long after now.
        after: Duration,
        /// And lasts so long.
        lasts: Duration,
    },
    /// The CA issues with another lifetime from now on.
    Lifetime {
        /// The lifetime so far.
        from: Duration,
        /// The lifetime from now on.
        to: Duration,
    },
    /// An instance dies, with all that it has in memory. The others notice when its lease is over.
    Crash {
        /// Which one, counted from 0.
        instance: usize,
        /// When it starts again from what is stored; never if it is `None`.
        down_for: Option<Duration>,
    },
    /// The clock of an instance is set.
    Clock {
        /// Which one, counted from 0.
        instance: usize,
        /// By so many seconds, back if it is negative.
        seconds: i64,
    },
    /// Somebody repairs all names that could not be validated.
    Repair,
}

impl Event {
    /// The longest time in it.
    fn longest(&self) -> Duration {
        match self {
            Self::Outage { lasts } => *lasts,
            Self::MoveWindows { after, lasts, .. } => after.saturating_add(*lasts),
            Self::Lifetime { to, .. } => *to,
            Self::Crash { down_for, .. } => down_for.unwrap_or_default(),
            Self::Clock { seconds, .. } => Duration::from_secs(seconds.unsigned_abs()),
            Self::Revoke { .. } | Self::Repair => Duration::ZERO,
        }
    }
}

/// A scenario that cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidScenario(pub(super) String);

impl fmt::Display for InvalidScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidScenario {}

/// All that a [`Simulation`](super::Simulation) depends on: of equal scenarios, all figures are equal.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::sim::{Event, Population, Scenario};
///
/// let day = Duration::from_secs(24 * 60 * 60);
/// let scenario = Scenario::new(Population::new(100).lifetime(45 * day, 1))
///     .seed(7)
///     .lasts(90 * day)
///     .instances(3)
///     .at(20 * day, Event::Outage { lasts: 7 * day })
///     .at(40 * day, Event::Crash { instance: 1, down_for: None });
/// scenario.check()?;
/// # Ok::<(), opsbox_cert::sim::InvalidScenario>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Scenario {
    pub(super) population: Population,
    pub(super) seed: u64,
    pub(super) start: SystemTime,
    pub(super) lasts: Duration,
    pub(super) instances: usize,
    pub(super) accounts: u8,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) ca: CaOptions,
    pub(super) asks_ari: bool,
    pub(super) latency: (Duration, Duration),
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) records: bool,
}

impl Scenario {
    /// This fleet for a year, kept by one instance with one account, the CA as Let's Encrypt, asked by ARI.
    pub fn new(population: Population) -> Self {
        Self {
            population,
            seed: 0,
            start: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            lasts: 365 * DAY,
            instances: 1,
            accounts: 1,
            policy: Policy::default(),
            limits: Limits::lets_encrypt(),
            ca: CaOptions::new(),
            asks_ari: true,
            latency: (Duration::from_millis(200), Duration::from_millis(2_000)),
            events: Vec::new(),
            records: false,
        }
    }

    /// The seed of all chance.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When it begins: January 15, 2027 unless it is said here.
    pub fn starts(mut self, start: SystemTime) -> Self {
        self.start = start;
        self
    }

    /// For how long.
    pub fn lasts(mut self, time: Duration) -> Self {
        self.lasts = time;
        self
    }

    /// How many instances share the work over one store.
    pub fn instances(mut self, instances: usize) -> Self {
        self.instances = instances;
        self
    }

    /// How many accounts at the CA the certificates are spread over. All of a registered domain are of one: the
    /// CA counts them over all accounts, and the ledger of one account knows nothing of the others.
    pub fn accounts(mut self, accounts: u8) -> Self {
        self.accounts = accounts;
        self
    }

    /// The policy of the planner.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The limits as the instances believe them to be.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The CA, with its limits and faults. Profiles are added for the lifetimes of the population.
    pub fn ca(mut self, options: CaOptions) -> Self {
        self.ca = options;
        self
    }

    /// Whether the instances ask the CA by ARI when a certificate is to be renewed.
    pub fn asks_ari(mut self, asks: bool) -> Self {
        self.asks_ari = asks;
        self
    }

    /// How long each of the four steps of an order takes, from the least to the most.
    pub fn latency(mut self, least: Duration, most: Duration) -> Self {
        self.latency = (least, most);
        self
    }

    /// Something that happens so long after the beginning.
    pub fn at(mut self, after: Duration, event: Event) -> Self {
        self.events.push((after, event));
        self
    }

    /// Whether each order is written down: see [`Simulation::orders`](super::Simulation::orders).
    pub fn record_orders(mut self, records: bool) -> Self {
        self.records = records;
        self
    }

    pub(super) fn member(&self, index: u32) -> Member {
        self.population.member(self.seed, self.accounts, index)
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        self.lasts
    }

    /// Whether it can be simulated.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write instead.
    pub fn check(&self) -> Result<(), InvalidScenario> {
        let wrong = |text: String| Err(InvalidScenario(text));
        let people = &self.population;
        if people.count == 0 {
            return wrong("there are no certificates; say how many".to_owned());
        }
        if !(0.0..=1.0).contains(&people.doomed) {
            let doomed = people.doomed;
            return wrong(format!("the doomed share is {doomed}; it goes from 0 to 1"));
        }
        if people.kinds == [0; 3] {
            return wrong("no kind of certificates has a part; give one at least 1".to_owned());
        }
        let lifetimes = people.all_lifetimes();
        if lifetimes.iter().all(|(_, part)| *part == 0) {
            return wrong("no lifetime has a part; give one at least 1".to_owned());
        }
        let (hour, decade) = (DAY / 24, 3_650 * DAY);
        if let Some((lifetime, _)) = lifetimes.iter().find(|(it, _)| *it < hour || *it > decade) {
            let seconds = lifetime.as_secs();
            return wrong(format!(
                "a lifetime is {seconds} s; it goes from an hour to ten years"
            ));
        }
        if self.instances == 0 || self.instances > MAX_INSTANCES {
            let n = self.instances;
            return wrong(format!(
                "there are {n} instances; 1 to {MAX_INSTANCES} can be simulated"
            ));
        }
        if self.accounts == 0 {
            return wrong("there is no account; give at least 1".to_owned());
        }
        if self.latency.0 > self.latency.1 {
            return wrong("the least latency is more than the most; swap them".to_owned());
        }
        if self.lasts < Duration::from_secs(1) || self.lasts > 5 * decade {
            return wrong("the time to simulate goes from a second to fifty years".to_owned());
        }
        // Times have 32 bits of seconds, and certificates go on beyond the end.
        let last = Duration::from_secs(u32::MAX.into());
        let since = self.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since < 2 * decade || since + self.lasts + decade > last {
            return wrong("it has to start after 1990, and end before 2096".to_owned());
        }
        for (after, event) in &self.events {
            let days = after.as_secs() / DAY.as_secs();
            if *after > self.lasts {
                return wrong(format!(
                    "an event comes on day {days}, after the end of the simulation"
                ));
            }
            if event.longest() > 5 * decade {
                return wrong(format!(
                    "an event of day {days} goes on for more than fifty years"
                ));
            }
            if let Event::Crash { instance, .. } | Event::Clock { instance, .. } = event
                && *instance >= self.instances
            {
                let n = self.instances;
                return wrong(format!(
                    "on day {days} something happens to instance {instance}; they are counted from 0, and there are {n}"
                ));
            }
        }
        Ok(())
    }
}
