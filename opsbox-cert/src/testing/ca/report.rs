//! What happened, as the CA saw it.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::Fault;
use super::limits::{Limit, RequestClass};

/// Counts since the CA was started.
///
/// `Display` is one line a count, for a test that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaReport {
    pub(crate) accounts: u64,
    pub(crate) orders: u64,
    pub(crate) renewals: u64,
    pub(crate) ari_renewals: u64,
    pub(crate) duplicate_orders: u64,
    pub(crate) failed_authorizations: u64,
    pub(crate) certificates: u64,
    pub(crate) revoked: u64,
    pub(crate) refused: BTreeMap<Limit, u64>,
    pub(crate) over: BTreeMap<Limit, u64>,
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) requests: BTreeMap<RequestClass, u64>,
}

impl CaReport {
    /// Accounts that were opened.
    pub fn accounts(&self) -> u64 {
        self.accounts
    }

    /// Orders that were placed. A refused one is none.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Orders that counted as renewals since their set was issued lately, those with an ARI exemption left
    /// out.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// Orders that replaced a certificate inside of its window.
    pub fn ari_renewals(&self) -> u64 {
        self.ari_renewals
    }

    /// Orders that no one needed: see [`CaOptions::duplicate_within`](super::CaOptions::duplicate_within).
    pub fn duplicate_orders(&self) -> u64 {
        self.duplicate_orders
    }

    /// Authorizations that failed.
    pub fn failed_authorizations(&self) -> u64 {
        self.failed_authorizations
    }

    /// Certificates that were issued.
    pub fn certificates(&self) -> u64 {
        self.certificates
    }

    /// Certificates that were revoked.
    pub fn revoked(&self) -> u64 {
        self.revoked
    }

    /// How often a limit had no room, by limit. Injected refusals are [`faults`](Self::faults).
    pub fn limit_refusals(&self) -> &BTreeMap<Limit, u64> {
        &self.refused
    }

    /// Certificates that were issued though their limit had no room any more, since it is looked at when the
    /// order is placed and spent when it is finalized.
    pub fn issued_over_limit(&self) -> &BTreeMap<Limit, u64> {
        &self.over
    }

    /// How often a client asked for more than a limit gives: refusals, and certificates over the limit.
    pub fn overdrawn(&self) -> u64 {
        self.refused.values().chain(self.over.values()).sum()
    }

    /// Faults that struck.
    pub fn faults(&self) -> &BTreeMap<Fault, u64> {
        &self.faults
    }

    /// How often this fault struck.
    pub fn fault(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }

    /// Requests by class, refused ones too.
    pub fn requests(&self) -> &BTreeMap<RequestClass, u64> {
        &self.requests
    }
}

pub(crate) fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

impl fmt::Display for CaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = [
            ("accounts", self.accounts),
            ("orders", self.orders),
            ("renewals", self.renewals),
            ("ARI renewals", self.ari_renewals),
            ("duplicate orders", self.duplicate_orders),
            ("failed authorizations", self.failed_authorizations),
            ("certificates", self.certificates),
            ("revoked", self.revoked),
            ("limits overdrawn", self.overdrawn()),
        ];
        for (what, count) in single {
            writeln!(f, "{what}: {count}")?;
        }
        for (limit, count) in &self.refused {
            writeln!(f, "refused by {limit:?}: {count}")?;
        }
        for (limit, count) in &self.over {
            writeln!(f, "issued over {limit:?}: {count}")?;
        }
        for (fault, count) in &self.faults {
            writeln!(f, "fault {fault:?}: {count}")?;
        }
        for (class, count) in &self.requests {
            writeln!(f, "requests {class:?}: {count}")?;
        }
        Ok(())
    }
}

/// What happened to one exact set of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetReport {
    pub(crate) names: String,
    pub(crate) orders: u64,
    pub(crate) certificates: u64,
    pub(crate) duplicate_orders: u64,
}

impl SetReport {
    /// The names in their order, with a comma between.
    pub fn names(&self) -> &str {
        &self.names
    }

    /// Orders that were placed for it.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Certificates that were issued for it.
    pub fn certificates(&self) -> u64 {
        self.certificates
    }

    /// Orders for it that no one needed.
    pub fn duplicate_orders(&self) -> u64 {
        self.duplicate_orders
    }
}
