//! The buckets that enforce the limits.
//!
//! On purpose this knows nothing of the planner's ledger: each is the other's oracle.

use std::collections::HashMap;
use std::net::IpAddr;

use super::hash::NumberMap;
use super::limits::{CaLimits, Limit, Moment, Rate, RequestClass};

/// One bucket: the moment at which it is full again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket(Moment);

impl Bucket {
    /// How the bucket is after one more token is taken, or how long it takes until there is one.
    fn after(&mut self, rate: &Rate, now: Moment) -> Result<Self, u64> {
        let step = rate.step();
        let room = step.saturating_mul(u64::from(rate.capacity()));
        let latest = now.saturating_add(room);
        // Of a clock that was set back: no bucket is emptier than empty, and it fills from now on.
        self.0 = self.0.min(latest);
        let next = self.0.max(now).saturating_add(step);
        match next.checked_sub(latest) {
            None | Some(0) => Ok(Self(next)),
            Some(wait) => Err(wait),
        }
    }

    /// How long until there is a token; none is taken.
    pub(crate) fn check(&mut self, rate: &Rate, now: Moment) -> Result<(), u64> {
        self.after(rate, now).map(drop)
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(crate) fn take(&mut self, rate: &Rate, now: Moment) -> Result<(), u64> {
        *self = self.after(rate, now)?;
        Ok(())
    }
}

/// How one identifier of an account fails.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Failing {
    recent: Bucket,
    in_a_row: Bucket,
    paused: bool,
}

/// All buckets, and whom they are of. Keys are the model's small numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Buckets {
    orders: Vec<Bucket>,
    domains: Vec<Bucket>,
    sets: Vec<Bucket>,
    failing: NumberMap<(u32, u32), Failing>,
    accounts: HashMap<IpAddr, Bucket>,
    /// By the first 48 bits.
    networks: HashMap<u128, Bucket>,
    requests: NumberMap<IpAddr, [Bucket; 5]>,
}

/// A limit that has no room, and the nanoseconds until it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: Limit,
    pub(crate) wait: u64,
    /// The number of the name or domain that it is about.
    pub(crate) about: Option<u32>,
}

fn at(buckets: &mut Vec<Bucket>, index: u32) -> &mut Bucket {
    let index = index as usize;
    if index >= buckets.len() {
        buckets.resize(index + 1, Bucket::default());
    }
    &mut buckets[index]
}

/// What an order is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    /// The same set was issued lately.
    Renewal,
    /// It replaces a certificate inside of its window.
    AriRenewal,
}

/// Who orders what, in the model's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) account: u32,
    pub(crate) set: u32,
    /// The names of its authorizations.
    pub(crate) names: &'a [u32],
    pub(crate) domains: &'a [u32],
}

impl Buckets {
    /// A request from an address.
    pub(crate) fn request(
        &mut self,
        limits: &CaLimits,
        from: IpAddr,
        class: RequestClass,
        now: Moment,
    ) -> Result<(), Full> {
        let limit = Limit::Requests(class);
        let Some(rate) = limits.rate(limit) else {
            return Ok(());
        };
        let buckets = self.requests.entry(from).or_default();
        buckets[class.index()]
            .take(&rate, now)
            .map_err(|wait| Full {
                limit,
                wait,
                about: None,
            })
    }

    /// A new account from an address: both of its limits have room, or neither is touched.
    pub(crate) fn account(
        &mut self,
        limits: &CaLimits,
        from: IpAddr,
        now: Moment,
    ) -> Result<(), Full> {
        let network = match from {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(u128::from(v6) >> 80),
        };
        let full = |limit| {
            move |wait| Full {
                limit,
                wait,
                about: None,
            }
        };
        let own = limits.accounts_per_address;
        if let Some(rate) = own {
            let bucket = self.accounts.entry(from).or_default();
            bucket
                .check(&rate, now)
                .map_err(full(Limit::AccountsPerAddress))?;
        }
        if let Some((network, rate)) = network.zip(limits.accounts_per_network) {
            let bucket = self.networks.entry(network).or_default();
            bucket
                .take(&rate, now)
                .map_err(full(Limit::AccountsPerNetwork))?;
        }
        if let Some(rate) = own {
            let bucket = self.accounts.entry(from).or_default();
            bucket
                .take(&rate, now)
                .map_err(full(Limit::AccountsPerAddress))?;
        }
        Ok(())
    }

    /// A new order. The orders of the account are spent now; certificates and failures only looked at, which
    /// are spent when there are any. Of several limits without room the one that lasts longest is told.
    pub(crate) fn order(
        &mut self,
        limits: &CaLimits,
        asked: Asked<'_>,
        standing: Standing,
        now: Moment,
    ) -> Result<(), Full> {
        if standing == Standing::AriRenewal {
            return Ok(());
        }
        let mut longest: Option<Full> = None;
        let mut look = |room: Result<(), u64>, limit, about| {
            if let Err(wait) = room
                && longest.is_none_or(|full| full.wait < wait)
            {
                longest = Some(Full { limit, wait, about });
            }
        };
        if let Some(rate) = limits.failed_authorizations {
            for name in asked.names {
                if let Some(failing) = self.failing.get_mut(&(asked.account, *name)) {
                    let room = failing.recent.check(&rate, now);
                    look(room, Limit::FailedAuthorizations, Some(*name));
                }
            }
        }
        if let Some(rate) = limits.certificates_per_set {
            let room = at(&mut self.sets, asked.set).check(&rate, now);
            look(room, Limit::CertificatesPerSet, None);
        }
        if standing == Standing::Renewal {
            return longest.map_or(Ok(()), Err);
        }
        if let Some(rate) = limits.certificates_per_domain {
            for domain in asked.domains {
                let room = at(&mut self.domains, *domain).check(&rate, now);
                look(room, Limit::CertificatesPerDomain, Some(*domain));
            }
        }
        let Some(rate) = limits.orders_per_account else {
            return longest.map_or(Ok(()), Err);
        };
        let own = at(&mut self.orders, asked.account);
        look(own.check(&rate, now), Limit::OrdersPerAccount, None);
        match longest {
            Some(full) => Err(full),
            None => own.take(&rate, now).map_err(|wait| Full {
                limit: Limit::OrdersPerAccount,
                wait,
                about: None,
            }),
        }
    }

    /// Counts a certificate that was issued, and tells which limits had no room for it any more: other orders
    /// were let in while this one was open.
    pub(crate) fn issued(
        &mut self,
        limits: &CaLimits,
        asked: Asked<'_>,
        standing: Standing,
        same_set: bool,
        now: Moment,
    ) -> Vec<Limit> {
        let mut over = Vec::new();
        // A renewal inside its window takes what is there, and is never held against the client.
        let counts = standing != Standing::AriRenewal;
        if let Some(rate) = limits.certificates_per_set
            && at(&mut self.sets, asked.set).take(&rate, now).is_err()
            && counts
        {
            over.push(Limit::CertificatesPerSet);
        }
        if let Some(rate) = limits.certificates_per_domain
            && !same_set
        {
            for domain in asked.domains {
                if at(&mut self.domains, *domain).take(&rate, now).is_err() && counts {
                    over.push(Limit::CertificatesPerDomain);
                }
            }
        }
        over
    }

    /// Counts a failed authorization; true if it is the one that pauses the identifier.
    pub(crate) fn failed(
        &mut self,
        limits: &CaLimits,
        account: u32,
        name: u32,
        now: Moment,
    ) -> bool {
        let failing = self.failing.entry((account, name)).or_default();
        if let Some(rate) = limits.failed_authorizations {
            // At the limit the bucket stays empty: as much as can be held against the client is.
            failing.recent.take(&rate, now).ok();
        }
        let Some(rate) = limits.paused else {
            return false;
        };
        failing.in_a_row.take(&rate, now).ok();
        let pauses = failing.in_a_row.check(&rate, now).is_err() && !failing.paused;
        failing.paused |= pauses;
        pauses
    }

    /// A valid authorization ends the row of failures.
    pub(crate) fn succeeded(&mut self, account: u32, name: u32) {
        if let Some(failing) = self.failing.get_mut(&(account, name)) {
            failing.in_a_row = Bucket::default();
        }
    }

    /// The first of these names that is paused.
    pub(crate) fn paused(&self, account: u32, names: &[u32]) -> Option<u32> {
        if self.failing.is_empty() {
            return None;
        }
        let paused = |name: &u32| {
            let failing = self.failing.get(&(account, *name));
            failing.is_some_and(|failing| failing.paused)
        };
        names.iter().copied().find(paused)
    }

    /// What a human does on the CA's web site; tells how many names were paused.
    pub(crate) fn unpause(&mut self, account: u32) -> usize {
        let mut count = 0;
        for ((of, _), failing) in &mut self.failing {
            if *of == account && failing.paused {
                *failing = Failing::default();
                count += 1;
            }
        }
        count
    }
}
