//! How the CA looks whether a client controls a name.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer as _;

use crate::identifier::Identifier;
use crate::inventory::ChallengeType;

/// How long the CA waits for an answer: 10 seconds, as Let's Encrypt does.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer to http-01 that is read, in bytes.
const LONGEST: u64 = 16 * 1024;

/// One challenge that a client says it has answered.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub(super) kind: ChallengeType,
    pub(super) identifier: Identifier,
    pub(super) wildcard: bool,
    pub(super) token: String,
    pub(super) key_authorization: String,
}

impl Attempt {
    /// The challenge.
    pub fn kind(&self) -> ChallengeType {
        self.kind
    }

    /// The name or address, of a wildcard the name without `*.`.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Whether it is for a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The token of the challenge.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What http-01 answers with.
    pub fn key_authorization(&self) -> &str {
        &self.key_authorization
    }

    /// Its SHA-256, which tls-alpn-01 has in its certificate.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.key_authorization).into()
    }

    /// That in base64url, which dns-01 has in its TXT record.
    pub fn txt(&self) -> String {
        BASE64URL_NOPAD.encode(&self.digest())
    }
}

/// Why a challenge failed: the type of a problem, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    kind: FailedKind,
    detail: String,
}

/// The problems that a validation has (RFC 8555, section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailedKind {
    /// The server could not be reached.
    Connection,
    /// The name could not be resolved.
    Dns,
    /// The handshake failed.
    Tls,
    /// The answer is another one.
    Unauthorized,
}

impl Failed {
    /// Of this kind, with a text for a human.
    pub fn new(kind: FailedKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn problem(&self) -> crate::testing::ca::Refusal {
        let (kind, status) = match self.kind {
            FailedKind::Connection => ("connection", 400),
            FailedKind::Dns => ("dns", 400),
            FailedKind::Tls => ("tls", 400),
            FailedKind::Unauthorized => ("unauthorized", 403),
        };
        crate::testing::ca::Refusal::new(status, kind, self.detail.clone())
    }
}

/// Looks whether a client controls a name. One that takes longer than 30 seconds has failed.
#[async_trait]
pub trait Validator: fmt::Debug + Send + Sync {
    /// `Ok` if the challenge was answered well.
    async fn validate(&self, attempt: &Attempt) -> Result<(), Failed>;
}

type Lookup = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// Looks over the network, as a CA does, at ports and records that the test names: http-01 and tls-alpn-01 at
/// one address each for all names, dns-01 by a function that gives the TXT records of a name. Of TLS it speaks 1.3.
///
/// ```
/// # async fn example(provider: std::sync::Arc<rustls::crypto::CryptoProvider>) {
/// use opsbox_cert::testing::ca::NetworkValidator;
///
/// let validator = NetworkValidator::new(provider)
///     .http("127.0.0.1:5002".parse().unwrap())
///     .txt(|name| match name {
///         "_acme-challenge.example.com" => vec!["...".into()],
///         _ => vec![],
///     });
/// # let _ = validator;
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct NetworkValidator {
    provider: Arc<CryptoProvider>,
    http: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    txt: Option<Lookup>,
}

impl NetworkValidator {
    /// It knows no address yet; a challenge without one fails. The provider is for tls-alpn-01.
    pub fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            http: None,
            tls: None,
            txt: None,
        }
    }

    /// Where all names are asked by http-01.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = Some(address);
        self
    }

    /// Where all names are asked by tls-alpn-01.
    pub fn tls(mut self, address: SocketAddr) -> Self {
        self.tls = Some(address);
        self
    }

    /// The TXT records of a name, for dns-01.
    pub fn txt(mut self, lookup: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.txt = Some(Arc::new(lookup));
        self
    }

    async fn http01(&self, attempt: &Attempt) -> Result<(), Failed> {
        let unreachable = |error: &dyn fmt::Display| {
            Failed::new(FailedKind::Connection, format!("http-01: {error}"))
        };
        let address = self.http.ok_or_else(|| unreachable(&"no address is set"))?;
        let work = async {
            let mut stream = TcpStream::connect(address).await?;
            let host = match attempt.identifier() {
                Identifier::Ip(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
                other => other.to_string(),
            };
            let request = format!(
                "GET /.well-known/acme-challenge/{} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                attempt.token()
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(LONGEST).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, work)
            .await
            .map_err(|_| unreachable(&"it took too long"))?
            .map_err(|error| unreachable(&error))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or("");
        let refuse = |what: String| Err(Failed::new(FailedKind::Unauthorized, what));
        if status != "200" {
            return refuse(format!("http-01: status {status:?} in place of 200"));
        }
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let body = match chunked {
            // One chunk is enough for a key authorization.
            true => body.split("\r\n").nth(1).unwrap_or(""),
            false => body,
        };
        match body.trim_end() == attempt.key_authorization() {
            true => Ok(()),
            false => refuse("http-01: the body is not the key authorization".into()),
        }
    }

    async fn tls_alpn01(&self, attempt: &Attempt) -> Result<(), Failed> {
        let unreachable = |error: &dyn fmt::Display| {
            Failed::new(FailedKind::Connection, format!("tls-alpn-01: {error}"))
        };
        let broken = |error: &dyn fmt::Display| {
            Failed::new(FailedKind::Tls, format!("tls-alpn-01: {error}"))
        };
        let address = self.tls.ok_or_else(|| unreachable(&"no address is set"))?;
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| broken(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(self.provider.clone())))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        let name = match attempt.identifier() {
            Identifier::Dns(name) => name.as_str().to_owned(),
            Identifier::Ip(ip) => reverse(*ip),
        };
        let name = ServerName::try_from(name).map_err(|error| broken(&error))?;
        let work = async {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| unreachable(&error))?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            connector
                .connect(name, stream)
                .await
                .map_err(|error| broken(&error))
        };
        let stream = tokio::time::timeout(PATIENCE, work)
            .await
            .map_err(|_| unreachable(&"it took too long"))??;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(b"acme-tls/1") {
            return Err(broken(&"the server does not speak acme-tls/1"));
        }
        let shown = session.peer_certificates().and_then(<[_]>::first);
        match shown.is_some_and(|der| fits(der, attempt)) {
            true => Ok(()),
            false => Err(Failed::new(
                FailedKind::Unauthorized,
                "tls-alpn-01: the certificate is not that of the challenge",
            )),
        }
    }

    fn dns01(&self, attempt: &Attempt) -> Result<(), Failed> {
        let lookup = self.txt.as_ref().ok_or_else(|| {
            Failed::new(FailedKind::Dns, "dns-01: no lookup of TXT records is set")
        })?;
        let name = format!("_acme-challenge.{}", attempt.identifier());
        let found = lookup(&name);
        if found.contains(&attempt.txt()) {
            return Ok(());
        }
        let detail = format!(
            "dns-01: none of the {} TXT records of {name} fits",
            found.len()
        );
        Err(Failed::new(FailedKind::Unauthorized, detail))
    }
}

impl fmt::Debug for NetworkValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkValidator")
            .field("http", &self.http)
            .field("tls", &self.tls)
            .field("txt", &self.txt.is_some())
            .finish()
    }
}

#[async_trait]
impl Validator for NetworkValidator {
    async fn validate(&self, attempt: &Attempt) -> Result<(), Failed> {
        match attempt.kind() {
            ChallengeType::Http01 => self.http01(attempt).await,
            ChallengeType::TlsAlpn01 => self.tls_alpn01(attempt).await,
            ChallengeType::Dns01 => self.dns01(attempt),
            other => Err(Failed::new(
                FailedKind::Unauthorized,
                format!("{other} is not validated here"),
            )),
        }
    }
}

/// RFC 8737, section 3: the one name, and the digest in a critical extension.
fn fits(der: &CertificateDer<'_>, attempt: &Attempt) -> bool {
    let Ok((_, certificate)) = x509_parser::certificate::X509Certificate::from_der(der) else {
        return false;
    };
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| &*names.value.general_names);
    let named = match (names, attempt.identifier()) {
        (Some([x509_parser::extensions::GeneralName::DNSName(name)]), Identifier::Dns(wanted)) => {
            name.eq_ignore_ascii_case(wanted.as_str())
        }
        (Some([x509_parser::extensions::GeneralName::IPAddress(octets)]), Identifier::Ip(ip)) => {
            match ip {
                std::net::IpAddr::V4(v4) => v4.octets() == *octets,
                std::net::IpAddr::V6(v6) => v6.octets() == *octets,
            }
        }
        _ => false,
    };
    let Ok(acme_identifier) = Oid::from(&[1, 3, 6, 1, 5, 5, 7, 1, 31]) else {
        return false;
    };
    // An octet string of 32 bytes.
    let wanted = [&[4, 32], &attempt.digest()[..]].concat();
    named
        && certificate.extensions().iter().any(|extension| {
            extension.oid == acme_identifier && extension.critical && extension.value == wanted
        })
}

/// The name that an address goes by in a handshake (RFC 8738, section 6).
fn reverse(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        std::net::IpAddr::V6(v6) => {
            let digits = v6.octets().into_iter().rev();
            let digits = digits.flat_map(|byte| [byte & 15, byte >> 4]);
            digits
                .map(|digit| format!("{digit:x}."))
                .collect::<String>()
                + "ip6.arpa"
        }
    }
}

/// The certificates of tls-alpn-01 sign themselves.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    /// By the bare key: webpki refuses the extension of the challenge, which it does not know.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(certificate)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
