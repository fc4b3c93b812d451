//! What a ledger is told beside orders: requests, new accounts, what the CA says, and that time has passed.

use std::time::SystemTime;

use super::gcra::{Bucket, duration_us, micros};
use super::ledger::Ledger;
use super::order::Denied;
use super::rates::{RequestClass, Scope};
use crate::limits::{CLOCK_SLACK, MAX_CA_PAUSE, MAX_CLOCK_SKEW};

impl Ledger {
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
        let (now, behind) = (self.own(micros(now)), self.behind);
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
            let denied = Denied {
                until,
                scope,
                key: None,
            };
            return Err(denied.earlier(behind));
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
        let now = self.own(micros(now));
        self.not_paused(now)?;
        let Some(rate) = self.limits.new_accounts else {
            return Ok(());
        };
        let until = self.new_accounts.ready_at(rate, 1, self.margin(rate));
        if until > now {
            let scope = Scope::NewAccounts;
            let denied = Denied {
                until,
                scope,
                key: None,
            };
            return Err(denied.earlier(self.behind));
        }
        self.told = self.told.max(now);
        self.new_accounts.spend(rate, 1, now);
        Ok(())
    }

    fn not_paused(&self, now: u64) -> Result<(), Denied> {
        match self.paused_until > now {
            true => {
                let denied = Denied {
                    until: self.paused_until,
                    scope: Scope::Pause,
                    key: None,
                };
                Err(denied.earlier(self.behind))
            }
            false => Ok(()),
        }
    }

    /// Nothing of this limit before `until`, as the CA says; `key` is the domain, the set or the name as in the
    /// [`Subject`](super::Subject). More than [`MAX_CA_PAUSE`] from now is an error of the CA, and taken for that.
    pub fn block(&mut self, scope: Scope, key: Option<u64>, until: SystemTime, now: SystemTime) {
        let longest = self
            .tell(micros(now))
            .saturating_add(duration_us(MAX_CA_PAUSE));
        let until = self.own(micros(until)).min(longest);
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
            // The account that paused a name may be told to go on with it at any time, which nobody here hears of.
            (Scope::Failures | Scope::ConsecutiveFailures, Some(key)) => {
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
        let now = self.own(micros(now));
        let before = now.saturating_sub(duration_us(CLOCK_SLACK));
        let limits = &self.limits;
        let rates = [limits.domain, limits.exact_set, limits.failures];
        // Of one whose time is far ahead it says that this was seen.
        let is_far = self.behind > duration_us(MAX_CLOCK_SKEW);
        if !is_far
            && rates
                .iter()
                .flatten()
                .all(|rate| Bucket::used_up(*rate, self.lost_at).is_full(before))
        {
            self.lost_at = 0;
        }
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
}
