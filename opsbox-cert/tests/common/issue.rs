//! A CA of the tests, and certificates of it that begin and end as a test wants.

#![allow(dead_code, reason = "every test binary uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opsbox_cert::install::Candidate;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

/// Made for the tests by `openssl genpkey -algorithm RSA`, since rcgen makes none.
const RSA_KEY: &str = include_str!("rsa.key");

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
}

/// PEM of a chain and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate::from_pem(self.chain.as_bytes(), self.key.as_bytes(), &provider()).unwrap()
    }
}

pub(crate) struct Order<'a> {
    pub(crate) names: &'a [&'a str],
    pub(crate) begin: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) rsa: bool,
}

impl<'a> Order<'a> {
    /// Valid from an hour before `now` on.
    pub(crate) fn new(names: &'a [&'a str], now: SystemTime, days: u32) -> Self {
        Self {
            names,
            begin: now - Duration::from_secs(3_600),
            end: now + DAY * days,
            rsa: false,
        }
    }

    fn params(&self) -> (CertificateParams, KeyPair) {
        let names: Vec<String> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        // Whole seconds, as certificates have them.
        params.not_before = self.begin.into();
        params.not_after = self.end.into();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            self.names.first().map_or("none", |name| name),
        );
        let key = if self.rsa {
            KeyPair::from_pem(RSA_KEY).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        (params, key)
    }

    pub(crate) fn self_signed(&self) -> Pair {
        let (params, key) = self.params();
        Pair {
            chain: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "Test CA");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The certificate alone, without its issuer.
    pub(crate) fn leaf(&self, order: &Order<'_>) -> Pair {
        let (params, key) = order.params();
        Pair {
            chain: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn issue(&self, order: &Order<'_>) -> Pair {
        let pair = self.leaf(order);
        Pair {
            chain: pair.chain + &self.pem,
            key: pair.key,
        }
    }
}
