//! What is simulated, from a file and from options.

use std::{collections::BTreeMap, path::Path};

use opsbox_cert::{
    plan::Policy,
    sim::{Issued, Population, Scenario},
    testing::ca::{CaOptions, Fault, Faults},
};
use serde::Deserialize;

use crate::event::{event, time};

/// What is not said is as the help has it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    pub(crate) certificates: Option<u32>,
    pub(crate) lifetimes: Option<BTreeMap<String, u32>>,
    pub(crate) kinds: Option<Kinds>,
    pub(crate) per_domain: Option<u32>,
    pub(crate) doomed: Option<f64>,
    pub(crate) issued: Option<String>,
    #[serde(rename = "for")]
    pub(crate) length: Option<String>,
    pub(crate) instances: Option<usize>,
    pub(crate) accounts: Option<u8>,
    pub(crate) ari: Option<bool>,
    pub(crate) policy: Option<String>,
    pub(crate) faults: Option<f64>,
    pub(crate) events: Option<Vec<String>>,
    pub(crate) seed: Option<u64>,
}

/// Parts of a whole.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kinds {
    pub(crate) single: u32,
    pub(crate) several: u32,
    pub(crate) wildcard: u32,
}

impl Settings {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        toml::from_str(&text).map_err(|error| failed(&error.to_string().trim_end()))
    }

    /// These, and where they say nothing those.
    pub(crate) fn over(self, file: Self) -> Self {
        Self {
            certificates: self.certificates.or(file.certificates),
            lifetimes: self.lifetimes.or(file.lifetimes),
            kinds: self.kinds.or(file.kinds),
            per_domain: self.per_domain.or(file.per_domain),
            doomed: self.doomed.or(file.doomed),
            issued: self.issued.or(file.issued),
            length: self.length.or(file.length),
            instances: self.instances.or(file.instances),
            accounts: self.accounts.or(file.accounts),
            ari: self.ari.or(file.ari),
            policy: self.policy.or(file.policy),
            faults: self.faults.or(file.faults),
            events: self.events.or(file.events),
            seed: self.seed.or(file.seed),
        }
    }

    pub(crate) fn scenario(&self) -> Result<Scenario, String> {
        let mut people = Population::new(self.certificates.unwrap_or(1_000));
        for (lifetime, part) in self.lifetimes.iter().flatten() {
            people = people.lifetime(time(lifetime)?, *part);
        }
        if let Some(kinds) = self.kinds {
            people = people.kinds(kinds.single, kinds.several, kinds.wildcard);
        }
        let issued = match self.issued.as_deref() {
            None | Some("spread") => Issued::Spread,
            Some("one-day") => Issued::OneDay,
            Some("nothing") => Issued::Nothing,
            Some(other) => {
                return Err(format!(
                    "issued {other:?} is none of spread, one-day, nothing"
                ));
            }
        };
        people = people
            .per_domain(self.per_domain.unwrap_or(1))
            .doomed(self.doomed.unwrap_or(0.0))
            .issued(issued);
        let policy = match self.policy.as_deref() {
            None | Some("share") => Policy::default(),
            Some("classic") => Policy::classic(),
            Some(other) => return Err(format!("policy {other:?} is none of share, classic")),
        };
        let (seed, share) = (self.seed.unwrap_or(0), self.faults.unwrap_or(0.0));
        if !(0.0..=1.0).contains(&share) {
            return Err(format!(
                "the share of faults is {share}; it goes from 0 to 1"
            ));
        }
        let faults = [
            Fault::ServerInternal,
            Fault::Html,
            Fault::Unavailable,
            Fault::RefusedChallenge,
        ];
        let faults = faults
            .into_iter()
            .fold(Faults::new(seed), |faults, fault| faults.rate(fault, share));
        let mut scenario = Scenario::new(people)
            .seed(seed)
            .lasts(time(self.length.as_deref().unwrap_or("365d"))?)
            .instances(self.instances.unwrap_or(1))
            .accounts(self.accounts.unwrap_or(1))
            .asks_ari(self.ari.unwrap_or(true))
            .policy(policy)
            .ca(CaOptions::new().order_reuse(true).faults(faults));
        for text in self.events.iter().flatten() {
            let (after, event) = event(text)?;
            scenario = scenario.at(after, event);
        }
        Ok(scenario)
    }
}
