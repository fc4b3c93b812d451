//! A certificate with its key, ready to be served.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::issuers::{Interner, Issuers};
use super::names;
use crate::error::Result;
use crate::facts::{CertFacts, Fingerprint};
use crate::store::{Metadata, Triple};

/// A certificate with its chain and key: one that may be put in service, or one that is.
///
/// The key is known to be that of the certificate. Clones share all of it, and `Debug` shows no key.
///
/// ```
/// use opsbox_cert::install::Candidate;
///
/// # let provider = rustls::crypto::ring::default_provider();
/// # let key = rcgen::KeyPair::generate()?;
/// # let chain = rcgen::CertificateParams::new(vec!["*.example.com".into()])?.self_signed(&key)?.pem();
/// # let key = key.serialize_pem();
/// let candidate = Candidate::from_pem(chain.as_bytes(), key.as_bytes(), &provider)?;
/// assert!(candidate.covers("www.example.com") && !candidate.covers("example.com"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Candidate(pub(super) Arc<Inner>);

pub(super) struct Inner {
    leaf: CertificateDer<'static>,
    issuers: Issuers,
    key: Arc<dyn SigningKey>,
    /// Sorted keys of [`names`].
    names: Box<[Arc<str>]>,
    facts: Brief,
}

/// What a decision needs to know beside the names.
#[derive(Clone, Copy)]
struct Brief {
    not_before: SystemTime,
    not_after: SystemTime,
    self_issued: bool,
    fingerprint: Fingerprint,
}

impl Candidate {
    /// Joins a chain and a key, both in PEM.
    ///
    /// # Errors
    ///
    /// As [`Triple::new`].
    pub fn from_pem(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Self> {
        Self::from_triple(&Triple::new(key, chain, Metadata::default(), provider)?)
    }

    /// Takes what a store has.
    ///
    /// # Errors
    ///
    /// As [`CertFacts::from_der`].
    pub fn from_triple(triple: &Triple) -> Result<Self> {
        let facts = triple.facts()?;
        let certified = triple.certified_key();
        let mut chain = triple.chain().iter().cloned();
        let leaf = chain.next().unwrap_or_else(|| Vec::new().into());
        let mut names: Vec<_> = facts.names().map(|name| names::key(&name)).collect();
        names.sort();
        names.dedup();
        Ok(Self(Arc::new(Inner {
            leaf,
            issuers: chain.collect(),
            key: certified.key.clone(),
            names: names.into(),
            facts: Brief {
                not_before: facts.not_before(),
                not_after: facts.not_after(),
                self_issued: facts.is_self_issued(),
                fingerprint: facts.fingerprint(),
            },
        })))
    }

    /// The DNS names and IP addresses that it is for, in lower case and sorted.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.names.iter().map(|name| names::shown(name))
    }

    /// Whether a client accepts it for this host name or IP address.
    pub fn covers(&self, name: &str) -> bool {
        names::covers(&self.0.names, &names::key(name))
    }

    /// From when on it is valid.
    pub fn not_before(&self) -> SystemTime {
        self.0.facts.not_before
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> SystemTime {
        self.0.facts.not_after
    }

    /// Which share of its lifetime is left: 1 at its begin, 0 from its end on.
    pub fn remaining_ratio(&self, now: SystemTime) -> f64 {
        let lifetime = self
            .not_after()
            .duration_since(self.not_before())
            .unwrap_or_default();
        let left = self.not_after().duration_since(now).unwrap_or_default();
        if lifetime.is_zero() {
            return 0.0;
        }
        (left.as_secs_f64() / lifetime.as_secs_f64()).min(1.0)
    }

    /// SHA-256 of the certificate of the server.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.facts.fingerprint
    }

    /// Whether subject and issuer are the same, as in a placeholder that a program made itself.
    pub fn is_self_issued(&self) -> bool {
        self.0.facts.self_issued
    }

    /// The chain, the certificate of the server first.
    pub fn chain(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        std::iter::once(&self.0.leaf).chain(self.0.issuers.iter())
    }

    /// What the certificate of the server says.
    ///
    /// # Errors
    ///
    /// None in practice, since it was read before.
    pub fn facts(&self) -> Result<CertFacts> {
        CertFacts::from_der(&self.0.leaf)
    }

    /// As rustls wants it: a copy of the chain, and the key itself. Some hundred nanoseconds.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        let chain = self.chain().cloned().collect();
        Arc::new(CertifiedKey::new(chain, self.0.key.clone()))
    }

    pub(super) fn has_issuers(&self) -> bool {
        !self.0.issuers.is_empty()
    }

    pub(super) fn name_keys(&self) -> &[Arc<str>] {
        &self.0.names
    }

    pub(super) fn is_rsa(&self) -> bool {
        self.0.key.algorithm() == rustls::SignatureAlgorithm::RSA
    }

    pub(super) fn can_sign(&self, offered: &[SignatureScheme]) -> bool {
        self.0.key.choose_scheme(offered).is_some()
    }

    /// The same with its issuers and names shared with what is there, and no spare room.
    pub(super) fn shared(self, interner: &Interner, name: impl Fn(&Arc<str>) -> Arc<str>) -> Self {
        let inner = &self.0;
        Self(Arc::new(Inner {
            leaf: inner.leaf.clone(),
            issuers: interner.share(inner.issuers.clone()),
            key: inner.key.clone(),
            names: inner.names.iter().map(name).collect(),
            facts: inner.facts,
        }))
    }
}

impl PartialEq for Candidate {
    /// Equal chains: a key is known to be that of its certificate.
    fn eq(&self, other: &Self) -> bool {
        self.0.leaf == other.0.leaf && self.0.issuers == other.0.issuers
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("names", &self.names().collect::<Vec<_>>())
            .field("not_after", &self.not_after())
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}
