//! What was used of a CA's limits, and whether one more order fits.

use std::time::{Duration, SystemTime};

use super::gcra::{Bucket, Rate, duration_us, micros};
use super::meter::Meter;
use super::order::{Charge, Denied, Exemption, Outcome};
use super::rates::{Limits, Scope};
use super::subject::KeyMap;
use crate::limits::{DUPLICATE_SHARE, DUPLICATE_TIME, LEAST_TIME, MAX_CLOCK_SKEW};

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

impl SetState {
    pub(super) fn of(meter: Meter) -> Self {
        Self {
            meter,
            ..Self::default()
        }
    }
}

/// The second until which a set is new whose certificate is of this time.
pub(super) fn new_until(from: u64, lifetime: Duration) -> u32 {
    let new_for = (lifetime / DUPLICATE_SHARE).min(DUPLICATE_TIME);
    let until = from.saturating_add(duration_us(new_for)) / 1_000_000;
    u32::try_from(until).unwrap_or(u32::MAX)
}

impl NameState {
    fn of(meter: Meter) -> Self {
        Self { meter, in_a_row: 0 }
    }
}

/// The account of what was used; see the [module](super). Every method is told the time.
///
/// Times before one that was told already are no error: what was used then counts until it has come back. A ledger
/// that several instances share goes by the clock that is ahead of the others': each sees it as if that were its own, so
/// that a clock that is hours off neither holds up the others nor gives back what they have used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub(super) limits: Limits,
    /// The latest time that it was told, in microseconds since 1970 by its own clock.
    pub(super) told: u64,
    /// By how many microseconds the clock of who asks is behind its own; not kept.
    pub(super) behind: u64,
    /// When it was lost: all that it knows nothing of was used up then. 0 if it never was.
    pub(super) lost_at: u64,
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
            told: 0,
            behind: 0,
            lost_at: 0,
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

    /// Somebody with a clock of his own looks at it, which is at least so far behind; tells by how much it is. One that
    /// was told a time [far ahead](MAX_CLOCK_SKEW) is taken for lost, by its own clock: it may be the other one that is
    /// wrong.
    #[cfg_attr(
        not(any(feature = "store", feature = "sim")),
        allow(dead_code, reason = "only shared ledgers are met")
    )]
    pub(crate) fn meet(&mut self, behind: u64, now: SystemTime) -> u64 {
        let now = micros(now);
        let is_far = |time: u64| time.saturating_sub(now) > duration_us(MAX_CLOCK_SKEW);
        // Once for each time that it happens, and not by a clock that cannot be right.
        if is_far(self.told) && !is_far(self.lost_at) && now >= duration_us(LEAST_TIME) {
            let told = self.told;
            *self = Self::new(self.limits.clone());
            self.use_up_us(told);
        }
        self.behind = behind.max(self.told.saturating_sub(now));
        self.behind
    }

    /// A time by the ledger's own clock.
    pub(super) fn own(&self, now: u64) -> u64 {
        now.saturating_add(self.behind)
    }

    /// The same of a change.
    pub(super) fn tell(&mut self, now: u64) -> u64 {
        let now = self.own(now);
        self.told = self.told.max(now);
        now
    }

    /// What there is of something that is not known.
    pub(super) fn unknown(&self, rate: Rate) -> Bucket {
        match self.lost_at {
            0 => Bucket::default(),
            at => Bucket::used_up(rate, at),
        }
    }

    fn unknown_meter(&self, rate: Option<Rate>) -> Meter {
        Meter::of(rate.map_or_else(Bucket::default, |rate| self.unknown(rate)))
    }

    pub(super) fn margin(&self, rate: Rate) -> u64 {
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
        let checked = self.check_own(charge, self.own(now));
        checked.map_err(|denied| denied.earlier(self.behind))
    }

    fn check_own(&self, charge: &Charge<'_>, now: u64) -> Result<(), Denied> {
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
                if let (Some(rate), 1..) = (limits.failures, self.lost_at) {
                    let ready = self.unknown(rate).ready_at(rate, 1, self.margin(rate));
                    need(ready, Scope::Failures, Some(*key));
                }
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
            && let Some(rate) = limits.exact_set
        {
            let ready = match set {
                Some(set) => set.meter.ready_at(rate, self.margin(rate), now),
                None => self.unknown(rate).ready_at(rate, 1, self.margin(rate)),
            };
            need(ready, Scope::ExactSet, Some(charge.set));
        }
        if self.counts_all(charge) {
            if let Some(rate) = limits.domain {
                for key in charge.domains {
                    let ready = match self.domains.get(key) {
                        Some(meter) => meter.ready_at(rate, self.margin(rate), now),
                        None => self.unknown(rate).ready_at(rate, 1, self.margin(rate)),
                    };
                    need(ready, Scope::Domain, Some(*key));
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
        let now = self.tell(now);
        let [new_domain, new_name, new_set] = self.new_meters();
        if self.counts_all(charge)
            && let Some(rate) = self.limits.account
        {
            self.account.spend(rate, 1, now);
        }
        if let Some(rate) = self.limits.domain {
            for key in charge.domains {
                let meter = self.domains.entry(*key);
                let meter = meter.or_insert_with(|| new_domain.clone());
                meter.hold(Some(rate), now);
            }
        }
        if let Some(rate) = self.limits.failures {
            for key in charge.identifiers {
                let name = self.names.entry(*key);
                let name = name.or_insert_with(|| NameState::of(new_name.clone()));
                name.meter.hold(Some(rate), now);
            }
        }
        let set = self.sets.entry(charge.set);
        let set = set.or_insert_with(|| SetState::of(new_set.clone()));
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
        let now = self.tell(now);
        let [new_domain, new_name, new_set] = self.new_meters();
        let is_used = outcome.is_issued() || *outcome == Outcome::Unknown;
        let (counts_all, counts_set) = (self.counts_all(charge), self.counts_set(charge));
        let set = self.sets.get(&charge.set);
        let taken = set.and_then(|set| set.meter.oldest(now));
        if let Some(rate) = self.limits.domain {
            for key in charge.domains {
                let meter = self.domains.entry(*key);
                let meter = meter.or_insert_with(|| new_domain.clone());
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
            let name = self.names.entry(*key);
            name.or_insert_with(|| NameState::of(new_name.clone()));
            self.name_ended(*key, taken, outcome, has_failed, now);
        }
        let new = match outcome {
            Outcome::Issued { lifetime } => Some(new_until(now, *lifetime)),
            Outcome::IssuedAt { from, lifetime } => {
                Some(new_until(self.own(micros(*from)).min(now), *lifetime))
            }
            _ => None,
        };
        let set = self.sets.entry(charge.set);
        let set = set.or_insert_with(|| SetState::of(new_set.clone()));
        set.meter.release(taken, self.limits.exact_set, now);
        if let Some(rate) = self.limits.exact_set {
            match (is_used, counts_set) {
                (true, true) => set.meter.bucket.spend(rate, 1, now),
                (true, false) => set.meter.bucket.spend_what_is_there(rate, 1, now),
                (false, _) => {}
            }
        }
        set.new_until = new.unwrap_or(set.new_until);
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
        let Some(name) = self.names.get_mut(&key) else {
            return;
        };
        if let Some(rate) = self.limits.failures {
            name.meter.release(taken, Some(rate), now);
            if has_failed || *outcome == Outcome::Unknown {
                name.meter.bucket.spend(rate, 1, now);
            }
        }
        if has_failed {
            name.in_a_row = name.in_a_row.saturating_add(1);
        } else if outcome.is_issued() {
            name.in_a_row = 0;
        }
        if name.in_a_row == 0 && name.meter.is_idle(now) {
            self.names.remove(&key);
        }
    }

    /// How many certificates of a domain fit now, and when one more does.
    pub(crate) fn domain_room_us(&self, key: u64, now: u64) -> (u32, u64) {
        let Some(rate) = self.limits.domain else {
            return (u32::MAX, now);
        };
        let unknown;
        let meter = match (self.domains.get(&key), self.lost_at) {
            (Some(meter), _) => meter,
            (None, 0) => return (u32::MAX, now),
            (None, _) => {
                unknown = self.unknown_meter(Some(rate));
                &unknown
            }
        };
        let (fit, next) = meter.room(rate, self.margin(rate), self.own(now), u32::MAX);
        (fit, next.saturating_sub(self.behind))
    }

    /// Those of a domain, a name and a set of which nothing is known.
    pub(super) fn new_meters(&self) -> [Meter; 3] {
        let limits = &self.limits;
        [limits.domain, limits.failures, limits.exact_set].map(|rate| self.unknown_meter(rate))
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
