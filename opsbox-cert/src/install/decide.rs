//! Whether a certificate may take the place of the one in service: a pure function.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Candidate, names};
use crate::error::{Error, ErrorKind};
use crate::facts::{rfc3339, unix_seconds};
use crate::text::Escaped;

/// What a certificate has to be, beside valid, to be put in service.
///
/// ```
/// use opsbox_cert::install::Policy;
///
/// // The certificate has to be good for both names, and a shorter profile may follow a longer one.
/// let policy = Policy::new()
///     .require(["example.com", "www.example.com"])
///     .allow_earlier_end(true);
/// # drop(policy);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    required: Vec<String>,
    min_remaining: Duration,
    earlier_end: bool,
    lost_names: bool,
    expired_alone: bool,
}

impl Policy {
    /// Nothing is required, and nothing that is worse is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Host names and IP addresses that have to be covered, in their ASCII form.
    #[must_use]
    pub fn require<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.required.extend(names.into_iter().map(Into::into));
        self
    }

    /// How long it has to be valid still.
    #[must_use]
    pub fn min_remaining(mut self, time: Duration) -> Self {
        self.min_remaining = time;
        self
    }

    /// Whether it may end before the one in service does: for the change to a CA or a profile with
    /// shorter lifetimes, and after a revocation.
    #[must_use]
    pub fn allow_earlier_end(mut self, yes: bool) -> Self {
        self.earlier_end = yes;
        self
    }

    /// Whether names of the one in service may be missing. [Required](Self::require) ones never are.
    #[must_use]
    pub fn allow_lost_names(mut self, yes: bool) -> Self {
        self.lost_names = yes;
        self
    }

    /// Whether an expired one is taken where nothing is in service. Then clients whose clocks are right
    /// are served by a machine whose clock is ahead.
    #[must_use]
    pub fn allow_expired_alone(mut self, yes: bool) -> Self {
        self.expired_alone = yes;
        self
    }
}

/// Why a certificate was not put in service. What was in service still is.
///
/// `Display` says what to do about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read, its chain is not one, or its key is not its own
    /// ([`KeyMismatch`](ErrorKind::KeyMismatch)).
    Unusable(Error),
    /// It has ended.
    Expired {
        /// Its last second.
        not_after: SystemTime,
    },
    /// It has not begun, or the clock of this machine is behind.
    NotYetValid {
        /// Its first second.
        not_before: SystemTime,
    },
    /// It ends sooner than [`Policy::min_remaining`] allows.
    EndsSoon {
        /// Its last second.
        not_after: SystemTime,
    },
    /// It has no DNS name and no IP address, so no client would accept it.
    Nameless,
    /// Names of [`Policy::require`] are not covered.
    NotCovered {
        /// These.
        missing: Vec<String>,
    },
    /// It ends before the one in service does.
    EndsEarlier {
        /// Its last second.
        not_after: SystemTime,
        /// The last second of the one in service.
        in_service: SystemTime,
    },
    /// Names that the one in service covers are not covered.
    NamesLost {
        /// These.
        lost: Vec<String>,
    },
    /// It is self-signed, and the one in service was issued by a CA.
    SelfSigned,
    /// Its chain has no issuer, and that of the one in service has.
    ChainLost,
}

impl Refusal {
    /// All values of [`label`](Self::label).
    pub const LABELS: [&'static str; 11] = [
        "chain_lost",
        "ends_earlier",
        "ends_soon",
        "expired",
        "key_mismatch",
        "nameless",
        "names_lost",
        "not_covered",
        "not_yet_valid",
        "self_signed",
        "unusable",
    ];

    /// The reason as one word of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unusable(error) if error.kind() == ErrorKind::KeyMismatch => "key_mismatch",
            Self::Unusable(_) => "unusable",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::EndsSoon { .. } => "ends_soon",
            Self::Nameless => "nameless",
            Self::NotCovered { .. } => "not_covered",
            Self::EndsEarlier { .. } => "ends_earlier",
            Self::NamesLost { .. } => "names_lost",
            Self::SelfSigned => "self_signed",
            Self::ChainLost => "chain_lost",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => error.fmt(f),
            Self::Expired { not_after } => write!(
                f,
                "it expired at {}; renew it, and see that the clock of this machine is right",
                time(*not_after)
            ),
            Self::NotYetValid { not_before } => write!(
                f,
                "it is not valid before {}; see that the clock of this machine is right",
                time(*not_before)
            ),
            Self::EndsSoon { not_after } => write!(
                f,
                "it ends at {}, sooner than the policy allows; renew it, or ask for less",
                time(*not_after)
            ),
            Self::Nameless => f.write_str(
                "it has no DNS name and no IP address as a subjectAltName, so no client accepts it; issue one that has",
            ),
            Self::NotCovered { missing } => write!(
                f,
                "it does not cover {}; issue one for all names",
                list(missing)
            ),
            Self::EndsEarlier { not_after, in_service } => write!(
                f,
                "it ends at {}, before the one in service ({}); give a newer one, or allow an earlier end",
                time(*not_after),
                time(*in_service)
            ),
            Self::NamesLost { lost } => write!(
                f,
                "it does not cover {}, which the one in service does; issue one for all names, or allow lost names",
                list(lost)
            ),
            Self::SelfSigned => f.write_str(
                "it is self-signed and the one in service was issued by a CA; give one of that CA, or remove the one in service first",
            ),
            Self::ChainLost => f.write_str(
                "its chain has no issuer and that of the one in service has; add the intermediate certificates",
            ),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unusable(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Unusable(error)
    }
}

/// Decides whether `candidate` may be served in place of `in_service` at `now`.
///
/// One in service that has itself expired is worse than any valid one, so it is compared with nothing.
///
/// # Errors
///
/// The first [`Refusal`] that holds, in the order in which they are listed.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::install::{Candidate, Policy, Refusal, may_replace};
///
/// # let provider = rustls::crypto::ring::default_provider();
/// # let key = rcgen::KeyPair::generate()?;
/// # let chain = rcgen::CertificateParams::new(vec!["example.com".into()])?.self_signed(&key)?.pem();
/// # let key = key.serialize_pem();
/// let candidate = Candidate::from_pem(chain.as_bytes(), key.as_bytes(), &provider)?;
/// let late = candidate.not_after() + Duration::from_secs(1);
/// let refused = may_replace(&candidate, None, &Policy::new(), late).unwrap_err();
/// assert!(matches!(refused, Refusal::Expired { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn may_replace(
    candidate: &Candidate,
    in_service: Option<&Candidate>,
    policy: &Policy,
    now: SystemTime,
) -> Result<(), Refusal> {
    let (not_before, not_after) = (candidate.not_before(), candidate.not_after());
    // Both ends are whole seconds and included (RFC 5280, section 4.1.2.5).
    let ended = |not_after: SystemTime| unix_seconds(now) > unix_seconds(not_after);
    if ended(not_after) && !(policy.expired_alone && in_service.is_none()) {
        return Err(Refusal::Expired { not_after });
    }
    if now < not_before {
        return Err(Refusal::NotYetValid { not_before });
    }
    let remaining = not_after.duration_since(now).unwrap_or_default();
    if !ended(not_after) && remaining < policy.min_remaining {
        return Err(Refusal::EndsSoon { not_after });
    }
    if candidate.name_keys().is_empty() {
        return Err(Refusal::Nameless);
    }
    let missing: Vec<String> = policy
        .required
        .iter()
        .filter(|name| !candidate.covers(name))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::NotCovered { missing });
    }
    match in_service {
        Some(in_service) if !ended(in_service.not_after()) => {
            not_worse(candidate, in_service, policy)
        }
        _ => Ok(()),
    }
}

fn not_worse(
    candidate: &Candidate,
    in_service: &Candidate,
    policy: &Policy,
) -> Result<(), Refusal> {
    if !policy.earlier_end && candidate.not_after() < in_service.not_after() {
        return Err(Refusal::EndsEarlier {
            not_after: candidate.not_after(),
            in_service: in_service.not_after(),
        });
    }
    if !policy.lost_names && candidate.name_keys() != in_service.name_keys() {
        let lost: Vec<String> = in_service
            .name_keys()
            .iter()
            .filter(|name| !names::covers(candidate.name_keys(), name))
            .map(|name| names::shown(name))
            .collect();
        if !lost.is_empty() {
            return Err(Refusal::NamesLost { lost });
        }
    }
    if candidate.is_self_issued() && !in_service.is_self_issued() {
        return Err(Refusal::SelfSigned);
    }
    if !candidate.is_self_issued() && !candidate.has_issuers() && in_service.has_issuers() {
        return Err(Refusal::ChainLost);
    }
    Ok(())
}

fn time(time: SystemTime) -> String {
    rfc3339(unix_seconds(time))
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut out = names
        .iter()
        .take(SHOWN)
        .map(|name| Escaped(name).to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
        out.push_str(&format!(" and {more} more"));
    }
    out
}
