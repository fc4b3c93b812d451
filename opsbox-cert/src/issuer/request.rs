//! What a certificate is wanted for.

#![warn(clippy::indexing_slicing)]

use std::fmt;

use super::{Failure, Step};
use crate::error::{ErrorKind, Result};
use crate::identifier::Identifier;
use crate::inventory::{ChallengeType, KeyAlgorithm};
use crate::limits::MAX_IDENTIFIERS;
use crate::text::Escaped;

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
/// use opsbox_cert::KeyAlgorithm;
/// use opsbox_cert::issuer::CertRequest;
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
    challenge: Option<ChallengeType>,
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
            challenge: None,
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

    /// The same with its names proved by this challenge alone. Without it, by the first for which there is a
    /// solver.
    #[must_use]
    pub fn challenge(mut self, challenge: ChallengeType) -> Self {
        self.challenge = Some(challenge);
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

    /// The challenge.
    pub fn challenge_type(&self) -> Option<ChallengeType> {
        self.challenge
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
