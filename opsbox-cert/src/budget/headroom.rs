//! How much of a CA's limits is left.

use std::time::SystemTime;

use super::gcra::{Rate, micros};
use super::ledger::Ledger;
use super::meter::Meter;
use super::rates::Scope;

/// How much of one limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Headroom {
    /// The limit.
    pub scope: Scope,
    /// What is left now: of limits that each domain, set and name has of its own, the least of all.
    pub left: u32,
    /// What there is at most.
    pub most: u32,
}

impl Ledger {
    /// How much of each limit of orders is left, for a metric. It looks at each domain, set and name that
    /// used some lately.
    pub fn headroom(&self, now: SystemTime) -> Vec<Headroom> {
        let now = self.own(micros(now));
        let limits = &self.limits;
        let mut out = Vec::new();
        if let Some(rate) = limits.account {
            let left = match self.paused_until > now {
                true => 0,
                false => self.account.tokens(rate, now),
            };
            let scope = Scope::Account;
            out.push(Headroom {
                scope,
                left,
                most: rate.burst(),
            });
        }
        let left = |meter: &Meter, rate: Rate| {
            let tokens = meter.bucket.tokens(rate, now);
            tokens.saturating_sub(meter.held())
        };
        let mut push = |scope, rate: Rate, least: Option<u32>| {
            let most = rate.burst();
            // Of a ledger that was lost, those that it does not know have the least.
            let unknown = self.unknown(rate).tokens(rate, now);
            let left = least.unwrap_or(most).min(unknown);
            out.push(Headroom { scope, left, most });
        };
        if let Some(rate) = limits.domain {
            let least = self.domains.values().map(|meter| left(meter, rate)).min();
            push(Scope::Domain, rate, least);
        }
        if let Some(rate) = limits.exact_set {
            let sets = self.sets.values().map(|set| &set.meter);
            push(
                Scope::ExactSet,
                rate,
                sets.map(|meter| left(meter, rate)).min(),
            );
        }
        if let Some(rate) = limits.failures {
            let names = self.names.values().map(|name| &name.meter);
            push(
                Scope::Failures,
                rate,
                names.map(|meter| left(meter, rate)).min(),
            );
        }
        out
    }
}
