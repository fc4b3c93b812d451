//! Which certificates there should be.

use crate::error::{Error, Reason, Result};
use crate::identifier::Identifier;
use crate::limits::MAX_IDENTIFIERS;

/// A challenge by which a CA sees that a name is the applicant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ChallengeType {
    /// A file over HTTP on port 80 (RFC 8555, section 8.3).
    #[default]
    Http01,
    /// A TXT record (RFC 8555, section 8.4): the only one of these for wildcards.
    Dns01,
    /// A certificate of its own over TLS on port 443 (RFC 8737).
    TlsAlpn01,
    /// A TXT record that stays (draft-ietf-acme-dns-persist).
    DnsPersist01,
}

impl ChallengeType {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("http-01", Self::Http01),
        ("dns-01", Self::Dns01),
        ("tls-alpn-01", Self::TlsAlpn01),
        ("dns-persist-01", Self::DnsPersist01),
    ];

    /// The name of the protocol: `http-01`.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, it)| *it == self);
        found.map_or("", |(name, _)| name)
    }

    /// Whether a CA validates such an identifier by it: a wildcard only by DNS, an IP address never by
    /// DNS (RFC 8738, section 7).
    pub fn validates(self, identifier: &Identifier) -> bool {
        let dns = matches!(self, Self::Dns01 | Self::DnsPersist01);
        match dns {
            true => !matches!(identifier, Identifier::Ip(_)),
            false => !identifier.is_wildcard(),
        }
    }
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
        let bad = self.identifiers.iter().find(|it| !challenge.validates(it));
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
        let request = crate::issuer::CertRequest::new(names)?;
        Ok(match &self.profile {
            Some(profile) => request.profile(profile),
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
