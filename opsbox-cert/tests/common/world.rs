//! What a CA counts, slowly and obviously: nothing of it is shared with what it tests.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::time::SystemTime;

use opsbox_cert::budget::{Exemption, Limits, Outcome, Rate, Subject};

/// A token bucket as it is written on paper: a level that rises with time.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    rate: Rate,
    /// In the microseconds that the tokens take to come back, which are no fractions.
    level_us: u128,
    at: Option<SystemTime>,
}

impl Tokens {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            level_us: rate.interval().as_micros() * u128::from(rate.burst()),
            at: None,
        }
    }

    fn level_at(&self, now: SystemTime) -> u128 {
        let passed = self
            .at
            .and_then(|at| now.duration_since(at).ok())
            .unwrap_or_default();
        let full = self.rate.interval().as_micros() * u128::from(self.rate.burst());
        (self.level_us + passed.as_micros()).min(full)
    }

    pub(crate) fn has(&self, n: u32, now: SystemTime) -> bool {
        self.level_at(now) >= self.rate.interval().as_micros() * u128::from(n)
    }

    /// Takes them; `false` if they were not there.
    pub(crate) fn take(&mut self, n: u32, now: SystemTime) -> bool {
        let has = self.has(n, now);
        let cost = self.rate.interval().as_micros() * u128::from(n);
        self.level_us = self.level_at(now).saturating_sub(cost);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        has
    }
}

/// What a CA counts of orders.
#[derive(Debug)]
pub(crate) struct Counts {
    limits: Limits,
    account: Option<Tokens>,
    domains: HashMap<u64, Tokens>,
    sets: HashMap<u64, Tokens>,
    names: HashMap<u64, Tokens>,
    overdrawn: Vec<String>,
    pub(crate) orders: usize,
    pub(crate) issued: HashMap<u64, Vec<SystemTime>>,
}

impl Counts {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            account: limits.account_rate().map(Tokens::new),
            domains: HashMap::new(),
            sets: HashMap::new(),
            names: HashMap::new(),
            overdrawn: Vec::new(),
            orders: 0,
            issued: HashMap::new(),
        }
    }

    /// An order is placed.
    pub(crate) fn placed(&mut self, subject: &Subject, exemption: Exemption, now: SystemTime) {
        self.orders += 1;
        if exemption == Exemption::None
            && let Some(account) = &mut self.account
            && !account.take(1, now)
        {
            self.overdrawn.push(format!("the account at {now:?}"));
        }
        // A CA looks at the failures before it takes an order.
        if let Some(rate) = self.limits.failures_rate() {
            for name in subject.identifiers() {
                let tokens = self.names.entry(*name).or_insert_with(|| Tokens::new(rate));
                if !tokens.has(1, now) {
                    self.overdrawn
                        .push(format!("the failures of {name} at {now:?}"));
                }
            }
        }
    }

    /// And has ended.
    pub(crate) fn ended(
        &mut self,
        subject: &Subject,
        exemption: Exemption,
        outcome: &Outcome,
        now: SystemTime,
    ) {
        match outcome {
            Outcome::Issued { .. } => {
                self.issued.entry(subject.set()).or_default().push(now);
                if exemption == Exemption::None
                    && let Some(rate) = self.limits.domain_rate()
                {
                    for domain in subject.domains() {
                        let tokens = self
                            .domains
                            .entry(*domain)
                            .or_insert_with(|| Tokens::new(rate));
                        if !tokens.take(1, now) {
                            self.overdrawn
                                .push(format!("the domain {domain} at {now:?}"));
                        }
                    }
                }
                if exemption != Exemption::Ari
                    && let Some(rate) = self.limits.exact_set_rate()
                {
                    let set = subject.set();
                    let tokens = self.sets.entry(set).or_insert_with(|| Tokens::new(rate));
                    if !tokens.take(1, now) {
                        self.overdrawn.push(format!("the set {set} at {now:?}"));
                    }
                }
            }
            Outcome::Invalid { identifiers } => {
                let Some(rate) = self.limits.failures_rate() else {
                    return;
                };
                for name in subject.identifiers() {
                    if !(identifiers.is_empty() || identifiers.contains(name)) {
                        continue;
                    }
                    let tokens = self.names.entry(*name).or_insert_with(|| Tokens::new(rate));
                    if !tokens.take(1, now) {
                        self.overdrawn
                            .push(format!("the failures of {name} at {now:?}"));
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn overdrawn(&self) -> &[String] {
        &self.overdrawn
    }
}
