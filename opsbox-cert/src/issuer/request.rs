//! What a certificate is wanted for.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Failure, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_IDENTIFIERS;
use crate::text::Escaped;

/// A DNS name or an IP address that a certificate is to be good for.
///
/// DNS names are kept in lower case, without a dot at the end; `*` may be the whole first label. A name of
/// another script is given in its ASCII form (`xn--...`).
///
/// ```
/// use opsbox_cert::issuer::Identifier;
///
/// let name: Identifier = "*.Example.COM.".parse()?;
/// assert_eq!(name.to_string(), "*.example.com");
/// assert!(name.is_wildcard());
/// assert!(matches!("2001:db8::1".parse()?, Identifier::Ip(_)));
/// assert!("a..example".parse::<Identifier>().is_err());
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Identifier {
    /// A DNS name as it is parsed from text.
    Dns(DnsName),
    /// An IP address (RFC 8738).
    Ip(IpAddr),
}

/// A DNS name that was checked: the content of [`Identifier::Dns`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Box<str>);

impl DnsName {
    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Identifier {
    /// Whether it stands for all names one label below another.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.0.starts_with("*."))
    }

    /// The name whose control is to be proved: a wildcard's without `*.`.
    pub fn base(&self) -> String {
        let text = self.to_string();
        match text.strip_prefix("*.") {
            Some(base) => base.to_owned(),
            None => text,
        }
    }
}

impl FromStr for Identifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        const LONGEST: usize = 253;
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        // A last label of digits alone would be a mistyped address.
        let numeric = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let good = lower.len() <= LONGEST && !numeric && name.split('.').all(is_label);
        if good {
            return Ok(Self::Dns(DnsName(lower.into())));
        }
        let reason = if text.is_ascii() {
            "it is neither a DNS name of letters, digits and dashes in labels of 1 to 63 characters, `*` alone as the first if at all, nor an IP address; correct it"
        } else {
            "it is not ASCII; give an international name in its ASCII form (xn--...)"
        };
        let shown: String = text.chars().take(LONGEST).collect();
        Err(Failure::new(ErrorKind::Invalid, Step::Request, reason)
            .of("", &shown)
            .identifier(shown)
            .into())
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(&name.0),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

/// The kind of private key that a certificate is to have. A new key is made for each certificate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on P-256: small, fast, and known to every client of the last ten years.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
}

#[cfg(any(feature = "acme", feature = "local-ca"))]
impl KeyAlgorithm {
    pub(crate) fn generate(self) -> Result<rcgen::KeyPair> {
        let algorithm = match self {
            Self::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        };
        rcgen::KeyPair::generate_for(algorithm).map_err(|_| {
            let reason = "no key could be generated; see whether the system gives random numbers";
            Failure::new(ErrorKind::Unavailable, Step::Request, reason)
                .of("", "a certificate")
                .into()
        })
    }
}

/// What to ask an issuer for.
///
/// ```
/// use opsbox_cert::issuer::{CertRequest, KeyAlgorithm};
///
/// let request = CertRequest::new(["example.com", "*.example.com"])?
///     .key(KeyAlgorithm::EcdsaP384)
///     .profile("tlsserver");
/// assert_eq!(request.to_string(), "example.com, *.example.com");
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertRequest {
    identifiers: Vec<Identifier>,
    key: KeyAlgorithm,
    profile: Option<String>,
    replaces: Option<String>,
}

impl CertRequest {
    /// A certificate for these names and addresses. One that is given twice counts once.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if one of them is no name or there is none,
    /// [`Limit`](ErrorKind::Limit) if there are more than [`MAX_IDENTIFIERS`].
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut identifiers: Vec<Identifier> = Vec::new();
        for name in names {
            let identifier = name.as_ref().parse()?;
            if identifiers.contains(&identifier) {
                continue;
            }
            if identifiers.len() == MAX_IDENTIFIERS {
                let reason = format!(
                    "it has more than {MAX_IDENTIFIERS} names; split it into several certificates"
                );
                return Err(Failure::new(ErrorKind::Limit, Step::Request, reason)
                    .of("", "a certificate")
                    .into());
            }
            identifiers.push(identifier);
        }
        if identifiers.is_empty() {
            let reason = "it has no name; give at least one DNS name or IP address";
            return Err(Failure::new(ErrorKind::Invalid, Step::Request, reason)
                .of("", "a certificate")
                .into());
        }
        Ok(Self {
            identifiers,
            key: KeyAlgorithm::default(),
            profile: None,
            replaces: None,
        })
    }

    /// The same with this kind of key.
    #[must_use]
    pub fn key(mut self, key: KeyAlgorithm) -> Self {
        self.key = key;
        self
    }

    /// The same under a profile of the CA (draft-ietf-acme-profiles). An issuer without profiles ignores it.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// The same as the successor of a certificate, by its ARI id (RFC 9773, section 5), so that the limits
    /// of the CA for renewals apply. See [`Metadata::ari_id`](crate::store::Metadata::ari_id).
    #[must_use]
    pub fn replaces(mut self, ari_id: impl Into<String>) -> Self {
        self.replaces = Some(ari_id.into());
        self
    }

    /// The names and addresses, in the order given.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// The kind of key.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.key
    }

    /// The profile.
    pub fn profile_name(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The ARI id of the certificate to replace.
    pub fn replaced(&self) -> Option<&str> {
        self.replaces.as_deref()
    }

    #[cfg(any(feature = "acme", feature = "local-ca"))]
    pub(crate) fn names(&self) -> Vec<String> {
        self.identifiers.iter().map(Identifier::to_string).collect()
    }
}

/// The names, the first three of many.
impl fmt::Display for CertRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (at, identifier) in self.identifiers.iter().take(SHOWN).enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", Escaped(&identifier.to_string()))?;
        }
        match self.identifiers.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused_and_said() {
        for text in [
            "",
            ".",
            "*",
            "*.",
            "a.*.b",
            "**.a",
            "-a.b",
            "a-.b",
            "a b",
            "1.2.3.4.5",
            "a.256",
            "a_b.c",
            "ü.de",
            "a..b",
        ] {
            let error = text.parse::<Identifier>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert_eq!(error.identifier(), Some(text));
        }
        assert!("a".repeat(64).parse::<Identifier>().is_err());
        assert!(["a"; 130].join(".").parse::<Identifier>().is_err());
        assert_eq!("[::1]".parse::<Identifier>().unwrap().to_string(), "::1");
    }

    #[test]
    fn names_are_counted_once_and_limited() {
        let request = CertRequest::new(["a.b", "A.b.", "10.0.0.1"]).unwrap();
        assert_eq!(request.identifiers().len(), 2);
        assert_eq!(
            CertRequest::new([""; 0]).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let many = (0..=MAX_IDENTIFIERS).map(|n| format!("a{n}.b"));
        assert_eq!(CertRequest::new(many).unwrap_err().kind(), ErrorKind::Limit);
    }
}
