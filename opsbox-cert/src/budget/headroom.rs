//! How much of a CA's limits is left.

use std::time::SystemTime;

use super::gcra::micros;
use super::ledger::Ledger;
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
        let now = micros(now);
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
        let domains = self.domains.values();
        let sets = self.sets.values().map(|set| &set.meter);
        let names = self.names.values().map(|name| &name.meter);
        let least = [
            (
                Scope::Domain,
                limits.domain,
                domains
                    .map(|meter| (meter.bucket, meter.held))
                    .collect::<Vec<_>>(),
            ),
            (
                Scope::ExactSet,
                limits.exact_set,
                sets.map(|meter| (meter.bucket, meter.held)).collect(),
            ),
            (
                Scope::Failures,
                limits.failures,
                names.map(|meter| (meter.bucket, meter.held)).collect(),
            ),
        ];
        for (scope, rate, meters) in least {
            let Some(rate) = rate else {
                continue;
            };
            let left = meters
                .iter()
                .map(|(bucket, held)| bucket.tokens(rate, now).saturating_sub(*held));
            let left = left.min().unwrap_or_else(|| rate.burst());
            out.push(Headroom {
                scope,
                left,
                most: rate.burst(),
            });
        }
        out
    }
}
