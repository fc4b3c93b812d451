//! The order of the certificates in a bundle.
//!
//! A TLS server sends the leaf first, and then certificates that each certify one before (RFC 8446,
//! section 4.4.2). Whether A certifies B is judged by names and key identifiers: the subject of A is
//! the issuer of B, and the key identifiers agree where both have one. Signatures are not verified,
//! so an order found here is the only plausible one, not a proven one.

#![warn(clippy::indexing_slicing)]

use std::collections::{HashMap, HashSet};

use crate::facts::{CertFacts, Fingerprint};
use crate::limits::MAX_ISSUERS_PER_NAME;

/// How the certificates of one bundle belong together. Indices are into the list that was given.
///
/// ```
/// use opsbox_cert::{Bundle, ChainOrder};
///
/// let chain = include_bytes!("../tests/data/chain.pem");
/// let bundle = Bundle::parse("chain.pem", chain)?;
/// assert_eq!(bundle.chain_order(), &ChainOrder::Ordered);
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "state", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ChainOrder {
    /// No certificate at all.
    Empty,
    /// One certificate.
    Single,
    /// The leaf is first and every other certificate certifies one before it.
    Ordered,
    /// It is one chain, in the wrong order or with repetitions.
    Misordered {
        /// The right order, each certificate once.
        order: Vec<usize>,
    },
    /// It is more than one chain, or a link between is missing.
    Unrelated {
        /// The first certificate that has no part in the chain of the leaf.
        index: usize,
    },
}

impl ChainOrder {
    /// Finds the order of `certificates`, in time linear in their number.
    pub fn of(certificates: &[CertFacts]) -> Self {
        match certificates {
            [] => return Self::Empty,
            [_] => return Self::Single,
            _ => {}
        }
        let graph = Graph::new(certificates);
        let order = graph.chain_from(graph.leaf());
        if order.iter().copied().eq(0..certificates.len()) {
            return Self::Ordered;
        }
        let reached: HashSet<usize> = order.iter().copied().collect();
        match graph.distinct.iter().find(|index| !reached.contains(index)) {
            Some(&index) => Self::Unrelated { index },
            None if graph.is_ordered() => Self::Ordered,
            None => Self::Misordered { order },
        }
    }
}

struct Graph<'a> {
    certificates: &'a [CertFacts],
    /// Indices of the certificates without repetitions.
    distinct: Vec<usize>,
    by_subject: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(certificates: &'a [CertFacts]) -> Self {
        let mut seen: HashSet<Fingerprint> = HashSet::new();
        let mut distinct = Vec::new();
        let mut by_subject: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, facts) in certificates.iter().enumerate() {
            if seen.insert(facts.fingerprint()) {
                distinct.push(index);
                let same_name = by_subject.entry(facts.subject()).or_default();
                if same_name.len() < MAX_ISSUERS_PER_NAME {
                    same_name.push(index);
                }
            }
        }
        Self {
            certificates,
            distinct,
            by_subject,
        }
    }

    /// The certificates, other than itself, that may have issued the one at `index`.
    fn issuers(&self, index: usize) -> impl Iterator<Item = usize> {
        let facts = self.certificates.get(index);
        facts
            .and_then(|facts| self.by_subject.get(facts.issuer()))
            .into_iter()
            .flatten()
            .copied()
            .filter(move |&issuer| {
                issuer != index
                    && facts
                        .zip(self.certificates.get(issuer))
                        .is_some_and(|(facts, issuer)| key_ids_agree(facts, issuer))
            })
    }

    /// The first certificate that certifies no other one. In a circle there is none; then the first.
    fn leaf(&self) -> usize {
        let issuers: HashSet<usize> = self
            .distinct
            .iter()
            .flat_map(|&index| self.issuers(index))
            .collect();
        let leaf = self.distinct.iter().find(|index| !issuers.contains(index));
        leaf.copied().unwrap_or(0)
    }

    /// The leaf, its issuers, theirs, and so on: breadth first, so cross-signed twins are neighbours.
    fn chain_from(&self, leaf: usize) -> Vec<usize> {
        let mut order = vec![leaf];
        let mut seen = HashSet::from([leaf]);
        let mut next = 0;
        while let Some(&index) = order.get(next) {
            order.extend(self.issuers(index).filter(|&issuer| seen.insert(issuer)));
            next += 1;
        }
        order
    }

    /// Without repetitions, and every certificate after the first certifies one before it.
    fn is_ordered(&self) -> bool {
        let mut certified: HashSet<usize> = HashSet::new();
        self.distinct.len() == self.certificates.len()
            && self.distinct.iter().all(|&index| {
                let fits = index == 0 || certified.contains(&index);
                certified.extend(self.issuers(index));
                fits
            })
    }
}

fn key_ids_agree(facts: &CertFacts, issuer: &CertFacts) -> bool {
    match (facts.authority_key_id(), issuer.subject_key_id()) {
        (Some(authority), Some(subject)) => authority == subject,
        _ => true,
    }
}
