//! Who is simulated: how many certificates, of which kinds and lifetimes.

use std::time::Duration;

use super::chance::{Chance, mix};
use crate::budget::{Kind, Subject};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What of a fleet is there when the simulation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Issued {
    /// Nothing: all certificates are to be had for the first time.
    Nothing,
    /// All, of every age up to the one at which they are renewed: as if it had been so for long.
    #[default]
    Spread,
    /// All, issued during the day before: the worst case for the load.
    OneDay,
}

/// The certificates of a simulated fleet.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::sim::{Issued, Population};
///
/// let hours = |n: u64| Duration::from_secs(n * 60 * 60);
/// let fleet = Population::new(10_000)
///     .kinds(6, 3, 1)
///     .lifetime(hours(45 * 24), 9)
///     .lifetime(hours(160), 1)
///     .per_domain(20)
///     .doomed(0.01)
///     .issued(Issued::OneDay);
/// assert_eq!(fleet.len(), 10_000);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Population {
    pub(super) count: u32,
    pub(super) kinds: [u32; 3],
    pub(super) lifetimes: Vec<(Duration, u32)>,
    pub(super) per_domain: u32,
    pub(super) doomed: f64,
    pub(super) issued: Issued,
}

impl Population {
    /// So many certificates: of one name each, valid for 90 days, each under a registered domain of its own,
    /// none doomed, of all ages.
    pub fn new(count: u32) -> Self {
        Self {
            count,
            kinds: [1, 0, 0],
            lifetimes: Vec::new(),
            per_domain: 1,
            doomed: 0.0,
            issued: Issued::default(),
        }
    }

    /// The parts of those with one name, with several, and with a wildcard. Several are two to five; one
    /// in four of these is of two registered domains.
    pub fn kinds(mut self, single: u32, several: u32, wildcard: u32) -> Self {
        self.kinds = [single, several, wildcard];
        self
    }

    /// A lifetime that this part of the certificates has.
    pub fn lifetime(mut self, lifetime: Duration, part: u32) -> Self {
        self.lifetimes.push((lifetime, part));
        self
    }

    /// How many certificates share a registered domain, at least one.
    pub fn per_domain(mut self, certificates: u32) -> Self {
        self.per_domain = certificates.max(1);
        self
    }

    /// The share, from 0 to 1, of certificates of which one name can never be validated.
    pub fn doomed(mut self, share: f64) -> Self {
        self.doomed = share;
        self
    }

    /// What is there when the simulation begins.
    pub fn issued(mut self, issued: Issued) -> Self {
        self.issued = issued;
        self
    }

    /// How many certificates there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lifetimes with their parts; 90 days if none was said.
    pub(super) fn all_lifetimes(&self) -> Vec<(Duration, u32)> {
        match self.lifetimes.is_empty() {
            true => vec![(90 * DAY, 1)],
            false => self.lifetimes.clone(),
        }
    }

    /// What there is to know of one certificate, always the same for the same seed.
    pub(super) fn member(&self, seed: u64, accounts: u8, index: u32) -> Member {
        let mut chance = Chance::new(mix(seed) ^ u64::from(index));
        let kind = match chance.part(self.kinds.into_iter()) {
            1 => Kind::San,
            2 => Kind::Wildcard,
            _ => Kind::Single,
        };
        let lifetimes = self.lifetimes.iter().map(|(_, part)| *part);
        let lifetime = chance.part(lifetimes);
        let names = match kind {
            Kind::San => 2 + chance.below(4),
            _ => 1,
        };
        let names = u32::try_from(names).unwrap_or(1);
        let two_domains = kind == Kind::San && chance.below(4) == 0;
        let accounts = u32::from(accounts.max(1));
        let domains = self.count.div_ceil(self.per_domain);
        let domain = index / self.per_domain;
        Member {
            index,
            kind,
            names,
            account: u8::try_from(domain % accounts).unwrap_or(0),
            domain,
            other_domain: match two_domains {
                // The next one of the same account, if there is one.
                true => match domain + accounts {
                    next if next < domains => next,
                    _ => domain % accounts,
                },
                false => domain,
            },
            lifetime: u16::try_from(lifetime).unwrap_or(0),
            is_doomed: chance.share() < self.doomed,
        }
    }
}

/// One certificate of the fleet as it should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) index: u32,
    pub(super) kind: Kind,
    pub(super) names: u32,
    /// All of a registered domain are of one.
    pub(super) account: u8,
    domain: u32,
    /// Of the last name.
    other_domain: u32,
    /// Which of the lifetimes.
    pub(super) lifetime: u16,
    pub(super) is_doomed: bool,
}

impl Member {
    /// Its names as the CA is told them, in the order of their authorizations.
    pub(super) fn names(&self) -> Vec<String> {
        let wildcard = match self.kind {
            Kind::Wildcard => "*.",
            _ => "",
        };
        let last = self.names.saturating_sub(1);
        let name = |n| {
            let domain = match n == last {
                true => self.other_domain,
                false => self.domain,
            };
            format!("{wildcard}n{n}w{}.d{domain}.example", self.index)
        };
        (0..self.names).map(name).collect()
    }

    /// The key of one of its names.
    pub(super) fn key(&self, name: u32) -> u64 {
        mix(u64::from(self.index) << 8 | u64::from(name))
    }

    /// The same as the ledger counts them.
    pub(super) fn subject(&self) -> Subject {
        // The domains have keys of another range.
        let domain = |number: u32| mix(1 << 48 | u64::from(number));
        let first = self.key(0);
        match self.kind {
            Kind::Single => Subject::single(first, domain(self.domain)),
            Kind::Wildcard => {
                Subject::from_keys(!first, self.kind, vec![first], vec![domain(self.domain)])
            }
            Kind::San => Subject::from_keys(
                mix(first),
                self.kind,
                (0..self.names).map(|name| self.key(name)).collect(),
                vec![domain(self.domain), domain(self.other_domain)],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_of_all_kinds_in_their_parts_and_stay_what_they_are() {
        let fleet = Population::new(10_000)
            .kinds(6, 3, 1)
            .lifetime(DAY, 1)
            .lifetime(2 * DAY, 3)
            .doomed(0.1);
        let members: Vec<Member> = (0..10_000).map(|index| fleet.member(7, 1, index)).collect();
        let count = |is: fn(&Member) -> bool| members.iter().filter(|it| is(it)).count();
        let near = |count: usize, wanted: usize| {
            assert!(
                count.abs_diff(wanted) < 300,
                "{count} are not about {wanted}"
            );
        };
        near(count(|it| it.kind == Kind::Single), 6_000);
        near(count(|it| it.kind == Kind::San), 3_000);
        near(count(|it| it.kind == Kind::Wildcard), 1_000);
        near(count(|it| it.lifetime == 1), 7_500);
        near(count(|it| it.is_doomed), 1_000);
        for (index, member) in (0..).zip(&members) {
            let again = fleet.member(7, 1, index);
            assert_eq!(
                (again.names(), again.subject()),
                (member.names(), member.subject())
            );
            assert!(member.names().is_sorted());
            assert_eq!(member.subject().identifiers().len(), member.names().len());
        }
    }
}
