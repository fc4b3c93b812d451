//! Which certificates there should be.

use std::fmt;

use crate::error::{Error, Reason, Result};
use crate::identifier::Identifier;
use crate::limits::MAX_IDENTIFIERS;

/// A challenge by which a CA sees that a name is the applicant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ChallengeType {
    /// A file under `/.well-known/acme-challenge/` on port 80 (RFC 8555, section 8.3). Not for wildcards.
    #[default]
    #[cfg_attr(feature = "store", serde(rename = "http-01"))]
    Http01,
    /// A TXT record at `_acme-challenge` (RFC 8555, section 8.4). Not for addresses (RFC 8738, section 7).
    #[cfg_attr(feature = "store", serde(rename = "dns-01"))]
    Dns01,
    /// A certificate in a handshake on port 443 (RFC 8737). Not for wildcards.
    #[cfg_attr(feature = "store", serde(rename = "tls-alpn-01"))]
    TlsAlpn01,
    /// A TXT record at `_validation-persist` that names the CA and the account, and stays
    /// (draft-ietf-acme-dns-persist). Not for addresses.
    #[cfg_attr(feature = "store", serde(rename = "dns-persist-01"))]
    DnsPersist01,
}

impl ChallengeType {
    #[cfg(feature = "config")]
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("http-01", Self::Http01),
        ("dns-01", Self::Dns01),
        ("tls-alpn-01", Self::TlsAlpn01),
        ("dns-persist-01", Self::DnsPersist01),
    ];

    /// As ACME calls it: `http-01`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::DnsPersist01 => "dns-persist-01",
        }
    }

    /// Whether it can prove control of this identifier.
    pub fn fits(self, identifier: &Identifier) -> bool {
        match self {
            Self::Http01 | Self::TlsAlpn01 => !identifier.is_wildcard(),
            Self::Dns01 | Self::DnsPersist01 => matches!(identifier, Identifier::Dns(_)),
        }
    }
}

impl fmt::Display for ChallengeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The ALPN protocol of a validation by TLS-ALPN-01, which a CA offers alone in its handshake, and no one
/// else does (RFC 8737, section 4).
#[cfg(any(feature = "acme", feature = "install"))]
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// Where the certificates are trusted, and the limits are strict.
#[cfg(any(feature = "acme", feature = "config"))]
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// For trying things out: the certificates are trusted by no one, and the limits are wide.
#[cfg(any(feature = "acme", feature = "config"))]
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The kind of private key that a certificate is to have. A new key is made for each certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "store", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on P-256: small, fast, and known to every client of the last ten years.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
}

/// A certificate that there should be: its names, who may issue it, and how the names are shown to be
/// ours.
///
/// ```
/// use opsbox_cert::{CertSpec, ChallengeType};
///
/// let spec = CertSpec::new(["example.com".parse()?, "*.example.com".parse()?])?
///     .challenge(ChallengeType::Dns01)?
///     .issuers(["letsencrypt", "internal"]);
/// assert_eq!(spec.id(), "example.com");
/// assert_eq!(spec.identifiers().len(), 2);
///
/// let error = spec.challenge(ChallengeType::Http01).unwrap_err();
/// assert!(error.to_string().contains("`*.example.com`"), "{error}");
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertSpec {
    id: String,
    identifiers: Vec<Identifier>,
    issuers: Vec<String>,
    challenge: Option<ChallengeType>,
    dns: Option<String>,
    profile: Option<String>,
    key: KeyAlgorithm,
}

impl CertSpec {
    /// For these identifiers, of which the first is the id.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there are none, more than
    /// [`MAX_IDENTIFIERS`], or one twice.
    pub fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Result<Self> {
        let identifiers: Vec<_> = identifiers.into_iter().collect();
        let Some(first) = identifiers.first() else {
            return Err(invalid(
                "a certificate",
                "it has no names; give one at least".into(),
            ));
        };
        let id = first.to_string();
        if identifiers.len() > MAX_IDENTIFIERS {
            let why = format!(
                "it has {} names, and a CA takes {MAX_IDENTIFIERS} at most; split it",
                identifiers.len()
            );
            return Err(invalid(&id, why));
        }
        let twice = (1..).zip(&identifiers).find(|(after, name)| {
            let later = identifiers.get(*after..).unwrap_or_default();
            later.contains(name)
        });
        if let Some((_, name)) = twice {
            return Err(invalid(
                &id,
                format!("it has the name `{name}` twice; remove one"),
            ));
        }
        Ok(Self {
            id,
            identifiers,
            issuers: Vec::new(),
            challenge: None,
            dns: None,
            profile: None,
            key: KeyAlgorithm::default(),
        })
    }

    /// Another id, by which it is stored.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The challenge. Without one it is `dns-01` where a wildcard wants it, else `http-01`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a CA would not validate one of the identifiers by it.
    pub fn challenge(mut self, challenge: ChallengeType) -> Result<Self> {
        let bad = self.identifiers.iter().find(|it| !challenge.fits(it));
        if let Some(identifier) = bad {
            let other = match matches!(identifier, Identifier::Ip(_)) {
                true => "http-01 or tls-alpn-01",
                false => "dns-01",
            };
            let why = format!(
                "`{identifier}` is not validated by {}; choose {other}",
                challenge.as_str()
            );
            return Err(invalid(&self.id, why));
        }
        self.challenge = Some(challenge);
        Ok(self)
    }

    /// Who may issue it, by name, tried in this order; none means all there are.
    #[must_use]
    pub fn issuers<S: Into<String>>(mut self, issuers: impl IntoIterator<Item = S>) -> Self {
        self.issuers = issuers.into_iter().map(Into::into).collect();
        self
    }

    /// Who sets its DNS records, by name.
    #[must_use]
    pub fn dns(mut self, provider: impl Into<String>) -> Self {
        self.dns = Some(provider.into());
        self
    }

    /// The kind of its key.
    #[must_use]
    pub fn key(mut self, key: KeyAlgorithm) -> Self {
        self.key = key;
        self
    }

    /// The CA's profile of certificates to order (draft-aaron-acme-profiles).
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// What to ask an issuer for.
    ///
    /// # Errors
    ///
    /// Those of [`CertRequest::new`](crate::issuer::CertRequest::new).
    #[cfg(feature = "store")]
    pub fn request(&self) -> Result<crate::issuer::CertRequest> {
        let names = self.identifiers.iter().map(ToString::to_string);
        let request = crate::issuer::CertRequest::new(names)?.key(self.key);
        let request = match &self.profile {
            Some(profile) => request.profile(profile),
            None => request,
        };
        Ok(match self.challenge {
            Some(challenge) => request.challenge(challenge),
            None => request,
        })
    }

    /// By what it is stored and named in messages.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is for, in the order given.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// The names of the issuers; empty for all.
    pub fn issuer_names(&self) -> &[String] {
        &self.issuers
    }

    /// The name of the DNS provider.
    pub fn dns_provider(&self) -> Option<&str> {
        self.dns.as_deref()
    }

    /// The profile to order.
    pub fn profile_name(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The kind of its key.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.key
    }

    /// The challenge that was chosen, or the one that fits.
    pub fn challenge_type(&self) -> ChallengeType {
        self.challenge.unwrap_or_else(|| {
            match self.identifiers.iter().any(Identifier::is_wildcard) {
                true => ChallengeType::Dns01,
                false => ChallengeType::default(),
            }
        })
    }
}

fn invalid(id: &str, why: String) -> Error {
    Reason::Spec {
        id: crate::text::Escaped(id).to_string(),
        why,
    }
    .into()
}
