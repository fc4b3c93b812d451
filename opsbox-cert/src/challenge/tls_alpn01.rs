//! tls-alpn-01: a certificate in a handshake on port 443.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, SanType};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::{Answer, Solver, answers};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::Identifier;
use crate::inventory::{ACME_TLS_ALPN, ChallengeType, KeyAlgorithm};
use crate::store::{Condition, Name, Store};

/// Answers to tls-alpn-01 in a store, and the certificates that show them.
///
/// The certificate is made when the CA asks for it, so no key of it is kept anywhere. A server looks at the
/// client hello (`rustls::server::Acceptor`, `tokio_rustls::LazyConfigAcceptor`); if the only protocol in it
/// is [`ACME_TLS_ALPN`], it goes on with [`server_config`](Self::server_config).
#[derive(Debug, Clone)]
pub struct TlsAlpn01 {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    provider: Arc<CryptoProvider>,
}

impl TlsAlpn01 {
    /// Keeps the answers in this store.
    pub fn new(store: Arc<dyn Store>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            provider,
        }
    }

    /// The same with a clock that answers expire by.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The certificate to show for this server name; `None` if no challenge is under way for it.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn certified_key(&self, server_name: &str) -> Result<Option<Arc<CertifiedKey>>> {
        let server_name = server_name.to_ascii_lowercase();
        let Ok(name) = record_name(&server_name) else {
            return Ok(None);
        };
        let kept = answers::load(&*self.store, &*self.clock, &name).await?;
        let Some(kept) = kept.filter(|kept| kept.kind == ChallengeType::TlsAlpn01) else {
            return Ok(None);
        };
        let identifier: Identifier = kept.identifier.parse()?;
        let answer = Answer::new(kept.kind, identifier, "", kept.key_authorization);
        self.make(&answer).map(Some)
    }

    /// A whole configuration for that handshake; `None` as above.
    ///
    /// # Errors
    ///
    /// As [`certified_key`](Self::certified_key).
    pub async fn server_config(
        &self,
        server_name: &str,
    ) -> Result<Option<Arc<rustls::ServerConfig>>> {
        let Some(key) = self.certified_key(server_name).await? else {
            return Ok(None);
        };
        let single = rustls::sign::SingleCertAndKey::from(key);
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("the crypto provider has no cipher suite").caused_by(error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(single));
        config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
        Ok(Some(Arc::new(config)))
    }

    /// RFC 8737, section 3.
    fn make(&self, answer: &Answer) -> Result<Arc<CertifiedKey>> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![match answer.identifier() {
            Identifier::Ip(ip) => SanType::IpAddress(*ip),
            Identifier::Dns(name) => SanType::DnsName(
                name.as_str()
                    .try_into()
                    .map_err(|_| failed("the name cannot be encoded"))?,
            ),
        }];
        let digest = CustomExtension::new_acme_identifier(&answer.digest());
        params.custom_extensions = vec![digest];
        let key = KeyAlgorithm::EcdsaP256.generate()?;
        let certificate = params
            .self_signed(&key)
            .map_err(|error| failed("it cannot be encoded").caused_by(error))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = self
            .provider
            .key_provider
            .load_private_key(der)
            .map_err(|_| failed("the crypto provider cannot use a key of ECDSA P-256"))?;
        let chain = vec![certificate.der().clone()];
        Ok(Arc::new(CertifiedKey::new(chain, signing)))
    }
}

#[async_trait]
impl Solver for TlsAlpn01 {
    fn kind(&self) -> ChallengeType {
        ChallengeType::TlsAlpn01
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        let name = record_name(&server_name(answer.identifier()))?;
        answers::save(&*self.store, &*self.clock, &name, answer).await
    }

    async fn cleanup(&self, answer: &Answer) -> Result<()> {
        let name = record_name(&server_name(answer.identifier()))?;
        self.store.delete(&name, &Condition::Any, None).await?;
        Ok(())
    }
}

fn failed(reason: &str) -> Error {
    let reason = format!("{reason}; use http-01 for this name");
    let object = "the certificate of a challenge";
    Error::store(ErrorKind::Unsupported, "make", object, reason)
}

/// Apart from the tokens of http-01, which never have a `=`.
fn record_name(server_name: &str) -> Result<Name> {
    Name::challenge(&format!("={server_name}"))
}

/// What the CA asks for in its handshake: for an address its reverse name (RFC 8738, section 6).
fn server_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns(name) => name.as_str().to_owned(),
        Identifier::Ip(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Identifier::Ip(IpAddr::V6(ip)) => {
            let mut out = String::with_capacity(72);
            for byte in ip.octets().iter().rev() {
                out.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
            }
            out + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_reverse_name() {
        let name = |text: &str| server_name(&text.parse().unwrap());
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        // The example of RFC 8738.
        assert_eq!(
            name("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
