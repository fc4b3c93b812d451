//! Names and sets of names as small numbers, so that a million of them are cheap.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::options::RegisteredDomain;
use super::refusal::Refusal;
use crate::identifier::Identifier;
use crate::limits::MAX_IDENTIFIERS;

/// The registered domain where no public suffix list is at hand: the last two labels. It is right for `.com`
/// and wrong for `.co.uk`.
pub fn last_two_labels(name: &str) -> String {
    let mut dots = name.rmatch_indices('.');
    match dots.nth(1) {
        Some((at, _)) => name.get(at + 1..).unwrap_or(name).to_owned(),
        None => name.to_owned(),
    }
}

/// What the limit of certificates goes by: addresses count alone, IPv6 ones by their network.
fn registered(identifier: &Identifier, of: &RegisteredDomain) -> String {
    match identifier {
        Identifier::Dns(_) => of(&identifier.base()),
        Identifier::Ip(IpAddr::V4(v4)) => v4.to_string(),
        Identifier::Ip(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Texts with a number each.
#[derive(Debug, Clone, Default)]
struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", |text| &**text)
    }
}

/// One exact set.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// As the identifiers are sorted, with a comma between.
    pub(crate) key: Arc<str>,
    /// The name to prove of each identifier, in the same order.
    pub(crate) names: Box<[u32]>,
    pub(crate) domains: Box<[u32]>,
    pub(crate) has_addresses: bool,
    pub(crate) orders: u32,
    pub(crate) certificates: u32,
    pub(crate) duplicates: u32,
    /// The last certificate, whoever ordered it.
    pub(crate) last: Option<u64>,
    /// When that was issued; 0 for never.
    pub(crate) last_issued: u64,
}

impl Set {
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = &str> {
        self.key.split(',')
    }
}

#[derive(Clone)]
pub(crate) struct Names {
    registered_domain: RegisteredDomain,
    names: Texts,
    domains: Texts,
    sets: Vec<Set>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Names {
    pub(crate) fn new(registered_domain: RegisteredDomain) -> Self {
        Self {
            registered_domain,
            names: Texts::default(),
            domains: Texts::default(),
            sets: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The number of a set; the names may come in any order, and more than once.
    pub(crate) fn set<T: AsRef<str>>(&mut self, names: &[T]) -> Result<u32, Refusal> {
        let mut identifiers: Vec<(String, Identifier)> = Vec::with_capacity(names.len());
        for name in names {
            let identifier: Identifier = name.as_ref().parse().map_err(|error| {
                let error: crate::Error = error;
                Refusal::malformed(error.to_string())
            })?;
            identifiers.push((identifier.to_string(), identifier));
        }
        identifiers.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        identifiers.dedup_by(|a, b| a.0 == b.0);
        if identifiers.is_empty() {
            let detail = "the order did not specify any identifiers";
            return Err(Refusal::malformed(detail));
        }
        if identifiers.len() > MAX_IDENTIFIERS {
            let detail = format!("an order has at most {MAX_IDENTIFIERS} identifiers");
            return Err(Refusal::malformed(detail));
        }
        let texts: Vec<&str> = identifiers.iter().map(|(text, _)| text.as_str()).collect();
        let key = texts.join(",");
        if let Some(number) = self.numbers.get(&*key) {
            return Ok(*number);
        }
        let mut domains: Vec<u32> = identifiers
            .iter()
            .map(|(_, identifier)| {
                let domain = registered(identifier, &self.registered_domain);
                self.domains.number(&domain)
            })
            .collect();
        domains.sort_unstable();
        domains.dedup();
        let names = identifiers
            .iter()
            .map(|(_, identifier)| self.names.number(&identifier.base()))
            .collect();
        let is_address =
            |(_, identifier): &(String, Identifier)| matches!(identifier, Identifier::Ip(_));
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let key: Arc<str> = key.into();
        self.sets.push(Set {
            key: key.clone(),
            names,
            domains: domains.into(),
            has_addresses: identifiers.iter().any(is_address),
            orders: 0,
            certificates: 0,
            duplicates: 0,
            last: None,
            last_issued: 0,
        });
        self.numbers.insert(key, number);
        Ok(number)
    }

    pub(crate) fn get(&self, set: u32) -> Option<&Set> {
        self.sets.get(set as usize)
    }

    pub(crate) fn get_mut(&mut self, set: u32) -> Option<&mut Set> {
        self.sets.get_mut(set as usize)
    }

    pub(crate) fn all(&self) -> &[Set] {
        &self.sets
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.text(number)
    }

    pub(crate) fn domain(&self, number: u32) -> &str {
        self.domains.text(number)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("sets", &self.sets.len())
            .finish_non_exhaustive()
    }
}
