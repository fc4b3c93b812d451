//! What rustls asks at each handshake.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Candidate, Certificates, names};
use crate::inventory::ACME_TLS_ALPN;

impl Certificates {
    /// The certificate to serve for a host name or an IP address to a client that offers these
    /// signature schemes.
    ///
    /// One that the client can verify goes before one that it cannot, an exact name before a wildcard,
    /// ECDSA and Ed25519 before RSA, a later end before an earlier one. An unknown name, and none, gets
    /// the [default](Self::set_default).
    pub fn select(&self, name: Option<&str>, offered: &[SignatureScheme]) -> Option<Candidate> {
        let mut best = Best {
            offered,
            held: None,
        };
        if let Some(name) = name {
            // rustls gives the name in lower case and without the last dot.
            if name.bytes().any(|b| b.is_ascii_uppercase()) || name.ends_with('.') {
                self.consider(&names::key(name), &mut best);
            } else {
                self.consider(name, &mut best);
            }
        }
        if best.held.is_none() {
            let default = self.shared.default.load();
            if let Some(slot) = default.as_ref() {
                best.offer(slot.current(), false);
            }
        }
        best.held.map(|(candidate, _)| candidate)
    }

    fn consider(&self, name: &str, best: &mut Best<'_>) {
        // That is how wildcards are kept, and no name of a host.
        if name.starts_with('.') {
            return;
        }
        let index = &self.shared.index;
        index.each(name, |slot| best.offer(slot.current(), true));
        if let Some(wildcard) = names::wildcard_of(name) {
            index.each(wildcard, |slot| best.offer(slot.current(), false));
        }
    }

    /// Whether one that has not ended is in service for this host name or IP address.
    #[cfg(feature = "manager")]
    pub(crate) fn covers_at(&self, name: &str, now: SystemTime) -> bool {
        if name.starts_with('.') {
            return false;
        }
        let mut covers = false;
        let mut each = |slot: &Arc<super::index::Slot>| {
            covers |= slot.current().not_after() >= now;
        };
        self.shared.index.each(name, &mut each);
        if let Some(wildcard) = names::wildcard_of(name) {
            self.shared.index.each(wildcard, &mut each);
        }
        covers
    }

    /// A resolver for connections to this address of the machine: a client that connects to an IP
    /// address sends no name (RFC 6066, section 3), so the certificate is that of the address.
    pub fn for_address(&self, address: IpAddr) -> Arc<dyn ResolvesServerCert> {
        Arc::new(AtAddress {
            certificates: self.clone(),
            address: address.to_canonical().to_string(),
        })
    }

    fn answer(&self, hello: &ClientHello<'_>, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let found = self.select(name, hello.signature_schemes())?;
        Some(found.certified_key())
    }

    fn challenge(&self, hello: &ClientHello<'_>) -> Option<&Arc<dyn ResolvesServerCert>> {
        let challenges = self.shared.challenges.get()?;
        let asked = hello.alpn()?.any(|protocol| protocol == ACME_TLS_ALPN);
        asked.then_some(challenges)
    }
}

/// The best of the certificates looked at.
struct Best<'a> {
    offered: &'a [SignatureScheme],
    held: Option<(Candidate, bool)>,
}

impl Best<'_> {
    fn offer(&mut self, candidate: Candidate, exact: bool) {
        let better = match &self.held {
            None => true,
            // Keys are asked only where there is a choice: the answer costs an allocation.
            Some((held, held_exact)) => self.rank(&candidate, exact) > self.rank(held, *held_exact),
        };
        if better {
            self.held = Some((candidate, exact));
        }
    }

    fn rank(&self, candidate: &Candidate, exact: bool) -> (bool, bool, bool, SystemTime) {
        let fits = candidate.can_sign(self.offered);
        (fits, exact, !candidate.is_rsa(), candidate.not_after())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.challenge(&hello) {
            Some(challenges) => challenges.resolve(hello),
            None => self.answer(&hello, hello.server_name()),
        }
    }
}

#[derive(Debug)]
struct AtAddress {
    certificates: Certificates,
    address: String,
}

impl ResolvesServerCert for AtAddress {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.certificates.challenge(&hello) {
            Some(challenges) => challenges.resolve(hello),
            None => {
                let name = hello.server_name().unwrap_or(&self.address);
                self.certificates.answer(&hello, Some(name))
            }
        }
    }
}
