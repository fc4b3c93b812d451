//! What was used of a CA's limits, and whether one more order fits.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::gcra::{Bucket, Rate, duration_us, from_micros, micros};
use super::meter::Meter;
use super::rates::{Limits, RequestClass, Scope};
use super::subject::{KeyMap, Subject};
use crate::limits::{CLOCK_SLACK, DUPLICATE_SHARE, DUPLICATE_TIME, MAX_CA_PAUSE};

/// What an order escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Exemption {
    /// Nothing: the CA has issued nothing for the set yet.
    #[default]
    None,
    /// The limits of account and domain, where the CA says so: a certificate for the same set was there.
    Renewal,
    /// All limits, where the CA says so: with `replaces`, inside the ARI window.
    Ari,
}

/// An order as the limits see it.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    pub(crate) set: u64,
    pub(crate) identifiers: &'a [u64],
    pub(crate) domains: &'a [u64],
    pub(crate) exemption: Exemption,
    pub(crate) is_early: bool,
    pub(crate) is_forced: bool,
}

impl<'a> Charge<'a> {
    /// A new order for these names.
    pub fn new(subject: &'a Subject) -> Self {
        Self {
            set: subject.set(),
            identifiers: subject.identifiers(),
            domains: subject.domains(),
            exemption: Exemption::None,
            is_early: false,
            is_forced: false,
        }
    }

    /// The same with an exemption.
    #[must_use]
    pub fn exemption(mut self, exemption: Exemption) -> Self {
        self.exemption = exemption;
        self
    }

    /// The same for a certificate that was lost or revoked while it was new. It is no duplicate, once in a
    /// week.
    #[must_use]
    pub fn early(mut self, is_early: bool) -> Self {
        self.is_early = is_early;
        self
    }

    /// The same though it is a duplicate: the limits of the CA hold still.
    #[must_use]
    pub fn forced(mut self, is_forced: bool) -> Self {
        self.is_forced = is_forced;
        self
    }
}

/// How an order ended that was [taken](Ledger::take).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The certificate is there.
    Issued {
        /// From its first to its last second.
        lifetime: Duration,
    },
    /// The CA could not validate these of the names, by their keys; all of them if none is known.
    Invalid {
        /// The keys as [`Subject::identifiers`] has them.
        identifiers: Vec<u64>,
    },
    /// The CA refused before it validated anything.
    Refused,
    /// Nobody knows: a time limit, a connection that broke. It counts as if it were issued.
    Unknown,
}

/// An order that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    until: u64,
    scope: Scope,
    key: Option<u64>,
}

impl Denied {
    /// When it fits, if nothing else is ordered meanwhile.
    pub fn until(&self) -> SystemTime {
        from_micros(self.until)
    }

    /// The limit that takes longest.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Which domain, set or name that is, as in the [`Subject`].
    pub fn key(&self) -> Option<u64> {
        self.key
    }

    pub(crate) fn until_us(&self) -> u64 {
        self.until
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is not ordered before {} s after 1970, to keep the limit of {}; wait, or spread the names over more accounts or domains",
            self.until / 1_000_000,
            self.scope
        )
    }
}

impl std::error::Error for Denied {}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SetState {
    /// Its holds are the orders under way, and tell which of a domain's and a name's are theirs.
    pub(super) meter: Meter,
    /// Of certificates that were lost or revoked while they were new.
    pub(super) early: Bucket,
    /// Until when the same set is a duplicate, in seconds since 1970.
    pub(super) new_until: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NameState {
    pub(super) meter: Meter,
    pub(super) in_a_row: u32,
}

/// The account of what was used; see the [module](super). Every method is told the time.
///
/// Times before one that was told already are no error: what was used then counts until it has come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub(super) limits: Limits,
    pub(super) account: Bucket,
    pub(super) new_accounts: Bucket,
    pub(super) requests: [Bucket; 5],
    pub(super) paused_until: u64,
    pub(super) domains: KeyMap<Meter>,
    pub(super) sets: KeyMap<SetState>,
    pub(super) names: KeyMap<NameState>,
}

impl Ledger {
    /// Nothing is used yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            account: Bucket::default(),
            new_accounts: Bucket::default(),
            requests: Default::default(),
            paused_until: 0,
            domains: KeyMap::default(),
            sets: KeyMap::default(),
            names: KeyMap::default(),
        }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn margin(&self, rate: Rate) -> u64 {
        duration_us(self.limits.margin).min(rate.interval_us())
    }

    /// Whether an order fits now; nothing is taken.
    ///
    /// # Errors
    ///
    /// Until when not, and by which limit.
    pub fn check(&self, charge: &Charge<'_>, now: SystemTime) -> Result<(), Denied> {
        self.check_us(charge, micros(now))
    }

    pub(crate) fn check_us(&self, charge: &Charge<'_>, now: u64) -> Result<(), Denied> {
        let mut worst = Denied {
            until: now,
            scope: Scope::Pause,
            key: None,
        };
        let mut need = |until: u64, scope: Scope, key: Option<u64>| {
            if until > worst.until {
                worst = Denied { until, scope, key };
            }
        };
        need(self.paused_until, Scope::Pause, None);
        let limits = &self.limits;
        let set = self.sets.get(&charge.set);
        if let Some(set) = set
            && limits.duplicates
            && !charge.is_forced
        {
            let new_until = u64::from(set.new_until) * 1_000_000;
            let until = match charge.is_early {
                true => set.early.ready_at(early_rate(), 1, 0).min(new_until),
                false => new_until,
            };
            need(until, Scope::Duplicate, Some(charge.set));
        }
        for key in charge.identifiers {
            let Some(name) = self.names.get(key) else {
                continue;
            };
            if limits
                .consecutive_failures
                .is_some_and(|most| name.in_a_row >= most)
            {
                need(u64::MAX, Scope::ConsecutiveFailures, Some(*key));
            }
            if let Some(rate) = limits.failures {
                let ready = name.meter.ready_at(rate, self.margin(rate), now);
                need(ready, Scope::Failures, Some(*key));
            }
        }
        if self.counts_set(charge)
            && let (Some(rate), Some(set)) = (limits.exact_set, set)
        {
            let ready = set.meter.ready_at(rate, self.margin(rate), now);
            need(ready, Scope::ExactSet, Some(charge.set));
        }
        if self.counts_all(charge) {
            if let Some(rate) = limits.domain {
                for key in charge.domains {
                    if let Some(meter) = self.domains.get(key) {
                        let ready = meter.ready_at(rate, self.margin(rate), now);
                        need(ready, Scope::Domain, Some(*key));
                    }
                }
            }
            if let Some(rate) = limits.account {
                let ready = self.account.ready_at(rate, 1, self.margin(rate));
                need(ready, Scope::Account, None);
            }
        }
        match worst.until > now {
            true => Err(worst),
            false => Ok(()),
        }
    }

    /// Takes an order, if it fits. It has to be [settled](Self::settle) once it has ended; if it is
    /// not within [`RESERVATION_TIME`](crate::limits::RESERVATION_TIME), it counts as issued in that moment.
    ///
    /// # Errors
    ///
    /// Until when it does not fit, and by which limit. Then nothing is taken.
    pub fn take(&mut self, charge: &Charge<'_>, now: SystemTime) -> Result<(), Denied> {
        self.take_us(charge, micros(now))
    }

    pub(crate) fn take_us(&mut self, charge: &Charge<'_>, now: u64) -> Result<(), Denied> {
        self.check_us(charge, now)?;
        if self.counts_all(charge)
            && let Some(rate) = self.limits.account
        {
            self.account.spend(rate, 1, now);
        }
        if let Some(rate) = self.limits.domain {
            for key in charge.domains {
                self.domains.entry(*key).or_default().hold(Some(rate), now);
            }
        }
        if let Some(rate) = self.limits.failures {
            for key in charge.identifiers {
                self.names
                    .entry(*key)
                    .or_default()
                    .meter
                    .hold(Some(rate), now);
            }
        }
        let set = self.sets.entry(charge.set).or_default();
        set.meter.hold(self.limits.exact_set, now);
        let is_new = u64::from(set.new_until) * 1_000_000 > now;
        if is_new && charge.is_early && !charge.is_forced {
            set.early.spend(early_rate(), 1, now);
        }
        Ok(())
    }

    /// Says how an order ended that was taken, as soon as it has: of several for the same set, the oldest.
    ///
    /// One that ends after [`RESERVATION_TIME`](crate::limits::RESERVATION_TIME) was counted then, and may have been
    /// issued later, when that has come back already: so it counts once more if it is issued. What is granted
    /// after it fits still, but what was granted between those two moments may be one too many.
    pub fn settle(&mut self, charge: &Charge<'_>, outcome: &Outcome, now: SystemTime) {
        self.settle_us(charge, outcome, micros(now));
    }

    pub(crate) fn settle_us(&mut self, charge: &Charge<'_>, outcome: &Outcome, now: u64) {
        let is_used = matches!(outcome, Outcome::Issued { .. } | Outcome::Unknown);
        let (counts_all, counts_set) = (self.counts_all(charge), self.counts_set(charge));
        let set = self.sets.get(&charge.set);
        let taken = set.and_then(|set| set.meter.oldest(now));
        if let Some(rate) = self.limits.domain {
            for key in charge.domains {
                let meter = self.domains.entry(*key).or_default();
                meter.release(taken, Some(rate), now);
                match (is_used, counts_all) {
                    (true, true) => meter.bucket.spend(rate, 1, now),
                    // The CA may count what it does not refuse.
                    (true, false) => meter.bucket.spend_what_is_there(rate, 1, now),
                    (false, _) => {}
                }
                if meter.is_idle(now) {
                    self.domains.remove(key);
                }
            }
        }
        for key in charge.identifiers {
            let has_failed = match outcome {
                Outcome::Invalid { identifiers } => {
                    identifiers.is_empty() || identifiers.contains(key)
                }
                _ => false,
            };
            self.name_ended(*key, taken, outcome, has_failed, now);
        }
        let set = self.sets.entry(charge.set).or_default();
        set.meter.release(taken, self.limits.exact_set, now);
        if let Some(rate) = self.limits.exact_set {
            match (is_used, counts_set) {
                (true, true) => set.meter.bucket.spend(rate, 1, now),
                (true, false) => set.meter.bucket.spend_what_is_there(rate, 1, now),
                (false, _) => {}
            }
        }
        if let Outcome::Issued { lifetime } = outcome {
            let new_for = (*lifetime / DUPLICATE_SHARE).min(DUPLICATE_TIME);
            let until = now.saturating_add(duration_us(new_for)) / 1_000_000;
            set.new_until = u32::try_from(until).unwrap_or(u32::MAX);
        }
        if set.meter.is_idle(now)
            && set.early.is_full(now)
            && u64::from(set.new_until) * 1_000_000 <= now
        {
            self.sets.remove(&charge.set);
        }
    }

    fn name_ended(
        &mut self,
        key: u64,
        taken: Option<u32>,
        outcome: &Outcome,
        has_failed: bool,
        now: u64,
    ) {
        let name = self.names.entry(key).or_default();
        if let Some(rate) = self.limits.failures {
            name.meter.release(taken, Some(rate), now);
            if has_failed || *outcome == Outcome::Unknown {
                name.meter.bucket.spend(rate, 1, now);
            }
        }
        if has_failed {
            name.in_a_row = name.in_a_row.saturating_add(1);
        } else if matches!(outcome, Outcome::Issued { .. }) {
            name.in_a_row = 0;
        }
        if name.in_a_row == 0 && name.meter.is_idle(now) {
            self.names.remove(&key);
        }
    }

    /// Takes `n` requests of a kind.
    ///
    /// # Errors
    ///
    /// Until when they do not fit. Then nothing is taken.
    pub fn take_requests(
        &mut self,
        class: RequestClass,
        n: u32,
        now: SystemTime,
    ) -> Result<(), Denied> {
        let now = micros(now);
        let Some(rate) = self.limits.request_rate(class) else {
            return self.not_paused(now);
        };
        self.not_paused(now)?;
        let Some(bucket) = self.requests.get_mut(class.index()) else {
            return Ok(());
        };
        let until = bucket.ready_at(rate, n, 0);
        if until > now {
            let scope = Scope::Requests(class);
            return Err(Denied {
                until,
                scope,
                key: None,
            });
        }
        bucket.spend(rate, n, now);
        Ok(())
    }

    /// Takes a new account.
    ///
    /// # Errors
    ///
    /// Until when it does not fit.
    pub fn take_account(&mut self, now: SystemTime) -> Result<(), Denied> {
        let now = micros(now);
        self.not_paused(now)?;
        let Some(rate) = self.limits.new_accounts else {
            return Ok(());
        };
        let until = self.new_accounts.ready_at(rate, 1, self.margin(rate));
        if until > now {
            let scope = Scope::NewAccounts;
            return Err(Denied {
                until,
                scope,
                key: None,
            });
        }
        self.new_accounts.spend(rate, 1, now);
        Ok(())
    }

    fn not_paused(&self, now: u64) -> Result<(), Denied> {
        match self.paused_until > now {
            true => Err(Denied {
                until: self.paused_until,
                scope: Scope::Pause,
                key: None,
            }),
            false => Ok(()),
        }
    }

    /// Nothing of this limit before `until`, as the CA says; `key` is the domain, the set or the name as in the
    /// [`Subject`]. More than [`MAX_CA_PAUSE`] from now is an error of the CA, and taken for that.
    pub fn block(&mut self, scope: Scope, key: Option<u64>, until: SystemTime, now: SystemTime) {
        let longest = micros(now).saturating_add(duration_us(MAX_CA_PAUSE));
        let until = micros(until).min(longest);
        let limits = &self.limits;
        match (scope, key) {
            (Scope::Account, _) => match limits.account {
                Some(rate) => self.account.block(rate, until),
                None => self.paused_until = self.paused_until.max(until),
            },
            (Scope::NewAccounts, _) => {
                if let Some(rate) = limits.new_accounts {
                    self.new_accounts.block(rate, until);
                }
            }
            (Scope::Requests(class), _) => {
                let bucket = self.requests.get_mut(class.index());
                if let (Some(rate), Some(bucket)) = (limits.request_rate(class), bucket) {
                    bucket.block(rate, until);
                }
            }
            (Scope::Domain, Some(key)) => {
                if let Some(rate) = limits.domain {
                    self.domains
                        .entry(key)
                        .or_default()
                        .bucket
                        .block(rate, until);
                }
            }
            (Scope::ExactSet, Some(key)) => {
                if let Some(rate) = limits.exact_set {
                    let set = self.sets.entry(key).or_default();
                    set.meter.bucket.block(rate, until);
                }
            }
            (Scope::Failures, Some(key)) => {
                if let Some(rate) = limits.failures {
                    let name = self.names.entry(key).or_default();
                    name.meter.bucket.block(rate, until);
                }
            }
            _ => self.paused_until = self.paused_until.max(until),
        }
    }

    /// Lets a name be validated again that failed too often in a row: somebody has repaired it, and has
    /// said so to the CA.
    pub fn unpause(&mut self, identifier: u64) {
        if let Some(name) = self.names.get_mut(&identifier) {
            name.in_a_row = 0;
        }
    }

    /// Forgets what had come back [some time ago](CLOCK_SLACK), so that an instance whose clock is ahead takes nothing
    /// from the others: buckets that are full need no place.
    pub fn prune(&mut self, now: SystemTime) {
        let now = micros(now);
        let before = now.saturating_sub(duration_us(CLOCK_SLACK));
        let limits = &self.limits;
        self.domains.retain(|_, meter| {
            meter.settle_old(limits.domain, now);
            !meter.is_idle(before)
        });
        self.sets.retain(|_, set| {
            set.meter.settle_old(limits.exact_set, now);
            set.meter.bucket.empty_if_full(before);
            set.early.empty_if_full(before);
            let is_new = u64::from(set.new_until) * 1_000_000 > before;
            is_new || !set.meter.is_idle(before) || !set.early.is_full(before)
        });
        self.names.retain(|_, name| {
            name.meter.settle_old(limits.failures, now);
            name.in_a_row > 0 || !name.meter.is_idle(before)
        });
    }

    /// How many certificates of a domain fit now, and when one more does.
    pub(crate) fn domain_room_us(&self, key: u64, now: u64) -> (u32, u64) {
        let (Some(rate), Some(meter)) = (self.limits.domain, self.domains.get(&key)) else {
            return (u32::MAX, now);
        };
        meter.room(rate, self.margin(rate), now, u32::MAX)
    }

    fn counts_all(&self, charge: &Charge<'_>) -> bool {
        match charge.exemption {
            Exemption::None => true,
            Exemption::Renewal => !self.limits.renewals_exempt,
            Exemption::Ari => !(self.limits.ari_exempt || self.limits.renewals_exempt),
        }
    }

    fn counts_set(&self, charge: &Charge<'_>) -> bool {
        charge.exemption != Exemption::Ari || !self.limits.ari_exempt
    }
}

/// One that is lost or revoked while it is new, in the time of duplicates.
fn early_rate() -> Rate {
    Rate::new(1, DUPLICATE_TIME)
}
