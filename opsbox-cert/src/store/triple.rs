//! A private key, its chain and what is known of them, as one record.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::lease::since_epoch;
use super::{Name, Record};
use crate::bundle::Bundle;
use crate::chain::ChainOrder;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::CertFacts;

const KEY: &str = "tls.key";
const CHAIN: &str = "tls.crt";
const METADATA: &str = "metadata.json";

/// What is kept beside a key and its chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Who issued it, as the program calls the issuer: `letsencrypt`, a directory URL.
    #[serde(default)]
    issuer: String,
    /// Seconds since 1970.
    #[serde(default)]
    issued_at: u64,
    /// RFC 9773, section 4.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ari_id: Option<String>,
    /// Whatever else the program wants to find again.
    // Pairs: a map of one note would be half a kilobyte in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<(String, String)>,
}

impl Metadata {
    /// Issued by `issuer` at `issued_at`, which is kept in whole seconds.
    pub fn new(issuer: impl Into<String>, issued_at: SystemTime) -> Self {
        Self {
            issuer: issuer.into(),
            issued_at: since_epoch(issued_at) / 1_000,
            ..Self::default()
        }
    }

    /// The same with a note of the program's own. Nothing secret belongs there.
    #[must_use]
    pub fn note(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.notes.retain(|(noted, _)| *noted != key);
        self.notes.push((key, value.into()));
        self
    }

    /// Who issued it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When it was issued.
    pub fn issued_at(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(self.issued_at))
            .unwrap_or(UNIX_EPOCH)
    }

    /// The id for ACME renewal information, which [`Triple::new`] reads from the certificate.
    pub fn ari_id(&self) -> Option<&str> {
        self.ari_id.as_deref()
    }

    /// A note.
    pub fn noted(&self, key: &str) -> Option<&str> {
        let found = self.notes.iter().find(|(noted, _)| noted == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// A private key, its certificate chain and metadata. The key is known to be that of the first
/// certificate, and the chain to be in order.
///
/// As a [`Record`] it has the parts `tls.key`, `tls.crt` (PEM) and `metadata.json`. `Debug` does not
/// show the key, and its bytes are wiped when it is dropped.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use opsbox_cert::store::{Metadata, Name, Triple};
///
/// # let provider = rustls::crypto::ring::default_provider();
/// # let key = rcgen::KeyPair::generate()?;
/// # let chain = rcgen::CertificateParams::new(vec!["example.com".into()])?.self_signed(&key)?.pem();
/// # let key = key.serialize_pem();
/// // `provider` is the rustls::crypto::CryptoProvider that the program uses.
/// let metadata = Metadata::new("letsencrypt", UNIX_EPOCH);
/// let triple = Triple::new(key.as_bytes(), chain.as_bytes(), metadata, &provider)?;
/// let record = triple.to_record()?;
///
/// let name = Name::certificate("example.com")?;
/// let read = Triple::from_record(&name, &record, &provider)?;
/// assert_eq!(read.metadata().issuer(), "letsencrypt");
/// let served: std::sync::Arc<rustls::sign::CertifiedKey> = read.certified_key();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Triple {
    /// As it was given: the form of a key is part of it.
    key: Zeroizing<Box<[u8]>>,
    certified: Arc<CertifiedKey>,
    metadata: Metadata,
}

impl Triple {
    /// Checks and joins a key and a chain in PEM.
    ///
    /// # Errors
    ///
    /// [`KeyMismatch`](ErrorKind::KeyMismatch) if the key is another's,
    /// [`Unsupported`](ErrorKind::Unsupported) if the provider cannot read a key of its kind,
    /// [`Invalid`](ErrorKind::Invalid) if the chain is incomplete or in the wrong order or the key no
    /// key, and whatever [`Bundle::parse`] says of the chain.
    pub fn new(
        key: &[u8],
        chain: &[u8],
        metadata: Metadata,
        provider: &CryptoProvider,
    ) -> Result<Self> {
        let bundle = Bundle::parse("the chain", chain)?;
        if let Some(problem) = bundle.problems().first() {
            return Err(problem.clone());
        }
        match bundle.chain_order() {
            ChainOrder::Single | ChainOrder::Ordered => {}
            order => {
                let reason = match order {
                    ChainOrder::Misordered { .. } => {
                        "its certificates are in the wrong order; put the one of the server first and then each issuer"
                    }
                    _ => {
                        "its certificates are not one chain; leave out those that do not belong, and add what is missing"
                    }
                };
                return Err(fault(ErrorKind::Invalid, "use", &"the chain", reason));
            }
        }
        let ari_id = bundle.certificates().first().and_then(CertFacts::ari_id);
        let metadata = Metadata { ari_id, ..metadata };
        Self::join(
            &"the key and the chain",
            "use",
            key,
            chain,
            metadata,
            provider,
        )
    }

    /// Reads a triple out of a record.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if a part is missing or damaged, [`Sealed`](ErrorKind::Sealed) if the
    /// key is encrypted, [`KeyMismatch`](ErrorKind::KeyMismatch) and
    /// [`Unsupported`](ErrorKind::Unsupported) as [`Triple::new`].
    pub fn from_record(name: &Name, record: &Record, provider: &CryptoProvider) -> Result<Self> {
        let part = |part: &str| {
            record.part(part).ok_or_else(|| {
                if record.part(&format!("{part}.sealed")).is_some() {
                    let reason = "its key is encrypted; open the store with `Encrypted` and the key that it was encrypted with";
                    return fault(ErrorKind::Sealed, "read", name, reason);
                }
                let reason = format!("its part {part} is missing; restore it from a backup, or delete the record to get a new one");
                fault(ErrorKind::Corrupt, "read", name, reason)
            })
        };
        let (key, chain) = (part(KEY)?, part(CHAIN)?);
        let metadata = match record.part(METADATA) {
            None => Metadata::default(),
            Some(json) => serde_json::from_slice(json).map_err(|error| {
                let reason =
                    "its metadata is damaged; delete that part, or the record to get a new one";
                fault(ErrorKind::Corrupt, "read", name, reason).caused_by(error)
            })?,
        };
        Self::join(name, "read", key, chain, metadata, provider)
    }

    /// The record to save.
    ///
    /// # Errors
    ///
    /// [`Limit`](ErrorKind::Limit) if key and chain are larger than a record may be.
    pub fn to_record(&self) -> Result<Record> {
        let mut chain = String::new();
        for certificate in &self.certified.cert {
            chain.push_str(&pem(certificate));
        }
        let metadata = serde_json::to_vec(&self.metadata).map_err(|error| {
            fault(
                ErrorKind::Invalid,
                "encode",
                &"the metadata",
                "it is no JSON; see the cause",
            )
            .caused_by(error)
        })?;
        Record::new()
            .with(KEY, self.key.to_vec())?
            .with(CHAIN, chain)?
            .with(METADATA, metadata)
    }

    /// What the metadata says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The certificates, that of the server first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// What the certificate of the server says.
    ///
    /// # Errors
    ///
    /// As [`CertFacts::from_der`].
    pub fn facts(&self) -> Result<CertFacts> {
        CertFacts::from_der(
            self.certified
                .cert
                .first()
                .map_or(&[], |leaf| leaf.as_ref()),
        )
    }

    /// The key and the chain as rustls serves them, without parsing them again.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    fn join(
        object: &dyn fmt::Display,
        attempt: &'static str,
        key: &[u8],
        chain: &[u8],
        metadata: Metadata,
        provider: &CryptoProvider,
    ) -> Result<Self> {
        let corrupt = |reason: &str| {
            fault(
                if attempt == "read" {
                    ErrorKind::Corrupt
                } else {
                    ErrorKind::Invalid
                },
                attempt,
                object,
                reason,
            )
        };
        // Copied, since the decoder leaves room behind each.
        let mut chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .map(|der| der.map(|der| der.to_vec().into()))
            .collect::<Result<_, _>>()
            .map_err(|_| corrupt("the PEM of its chain is damaged; get the chain again"))?;
        chain.shrink_to_fit();
        if chain.is_empty() {
            return Err(corrupt("its chain has no certificate; get the chain again"));
        }
        // The causes are not kept: an error about a key says nothing of its bytes.
        let parsed = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| corrupt("its key is no private key in PEM; give one in PKCS#8, PKCS#1 or SEC1 without a password"))?;
        let signing = provider.key_provider.load_private_key(parsed).map_err(|_| {
            fault(ErrorKind::Unsupported, attempt, object, "its key is damaged, or of a kind that the crypto provider does not know; use ECDSA P-256 or P-384, RSA or Ed25519")
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                let reason = "the private key is not that of the certificate; give the two that belong together";
                return Err(fault(ErrorKind::KeyMismatch, attempt, object, reason));
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                let reason = "the crypto provider cannot tell whether the key is that of the certificate; use another provider or another kind of key";
                return Err(fault(ErrorKind::Unsupported, attempt, object, reason));
            }
            Err(_) => {
                return Err(corrupt(
                    "its first certificate is damaged; get the chain again",
                ));
            }
        }
        Ok(Self {
            key: Zeroizing::new(key.into()),
            certified: Arc::new(certified),
            metadata,
        })
    }
}

impl fmt::Debug for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triple")
            .field("certificates", &self.certified.cert.len())
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

fn fault(
    kind: ErrorKind,
    attempt: &'static str,
    object: &dyn fmt::Display,
    reason: impl Into<String>,
) -> Error {
    Error::store(kind, attempt, object, reason)
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let base64 = data_encoding::BASE64.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE) {
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        out.push_str(rest);
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}
