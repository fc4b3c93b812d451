//! What a CA is like.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::faults::Faults;
use super::limits::CaLimits;
use super::names::last_two_labels;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Gives the registered domain of a DNS name: `example.co.uk` of `www.example.co.uk`.
pub type RegisteredDomain = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A profile that certificates are ordered under (draft-ietf-acme-profiles).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) lifetime: Duration,
    pub(crate) addresses: bool,
}

/// How a CA issues: its limits, profiles, faults and times.
///
/// ```
/// use std::time::Duration;
/// use opsbox_cert::testing::ca::{CaOptions, Fault, Faults};
///
/// let options = CaOptions::new()
///     .profile("tiny", "an hour", Duration::from_secs(3600))
///     .faults(Faults::new(1).rate(Fault::ServerInternal, 0.05));
/// # let _ = options;
/// ```
#[derive(Clone)]
#[must_use]
pub struct CaOptions {
    pub(crate) limits: CaLimits,
    pub(crate) faults: Faults,
    pub(crate) seed: u64,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) registered_domain: RegisteredDomain,
    pub(crate) order_life: Duration,
    pub(crate) authorization_life: Duration,
    pub(crate) authorization_reuse: Duration,
    pub(crate) order_reuse: bool,
    pub(crate) duplicate_within: Duration,
    pub(crate) ari: bool,
    pub(crate) ari_retry_after: Duration,
    pub(crate) ari_width: f64,
}

impl Default for CaOptions {
    fn default() -> Self {
        let profile = |name: &str, description: &str, lifetime, addresses| Profile {
            name: name.into(),
            description: description.into(),
            lifetime,
            addresses,
        };
        Self {
            limits: CaLimits::lets_encrypt(),
            faults: Faults::default(),
            seed: 0,
            profiles: vec![
                profile("classic", "90 days", 90 * DAY, false),
                profile("tlsserver", "45 days", 45 * DAY, false),
                profile("shortlived", "160 hours", 160 * HOUR, true),
            ],
            registered_domain: Arc::new(last_two_labels),
            order_life: 7 * DAY,
            authorization_life: 7 * DAY,
            authorization_reuse: Duration::ZERO,
            order_reuse: false,
            duplicate_within: 7 * DAY,
            ari: true,
            ari_retry_after: 6 * HOUR,
            ari_width: 0.02,
        }
    }
}

impl CaOptions {
    /// As Let's Encrypt is: its [limits](CaLimits::lets_encrypt), and its profiles `classic` (90 days, and
    /// taken where an order names none), `tlsserver` (45 days) and `shortlived` (160 hours, for IP addresses
    /// too).
    pub fn new() -> Self {
        Self::default()
    }

    /// How much it takes.
    pub fn limits(mut self, limits: CaLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What goes wrong at it.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// What its tokens, nonces and serial numbers are made of. They are no secrets.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// One more profile, for names and addresses, or another lifetime of one that is there.
    pub fn profile(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        lifetime: Duration,
    ) -> Self {
        let profile = Profile {
            name: name.into(),
            description: description.into(),
            lifetime: lifetime.max(Duration::from_secs(1)),
            addresses: true,
        };
        match self.profiles.iter_mut().find(|p| p.name == profile.name) {
            Some(kept) => {
                *kept = Profile {
                    addresses: kept.addresses,
                    ..profile
                }
            }
            None => self.profiles.push(profile),
        }
        self
    }

    /// How the registered domain of a name is found, that [`Limit::CertificatesPerDomain`] goes by.
    ///
    /// [`Limit::CertificatesPerDomain`]: super::Limit::CertificatesPerDomain
    pub fn registered_domain(
        mut self,
        of: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        self.registered_domain = Arc::new(of);
        self
    }

    /// How long an order is open: 7 days unless it is said here. After that it is not found any more.
    pub fn order_life(mut self, time: Duration) -> Self {
        self.order_life = time;
        self
    }

    /// For how long a valid authorization serves further orders of the account; not at all unless it is said
    /// here, so that each order proves its names.
    pub fn authorization_reuse(mut self, time: Duration) -> Self {
        self.authorization_reuse = time;
        self
    }

    /// Whether an order for names for which the account has an open one is answered by that one, as Let's
    /// Encrypt does. It is not unless it is said here: then an order that is placed twice is seen as a
    /// duplicate.
    pub fn order_reuse(mut self, reuse: bool) -> Self {
        self.order_reuse = reuse;
        self
    }

    /// How long after a certificate another order of the account for the same set is a duplicate: 7 days
    /// unless it is said here, and at most a fifth of the certificate's life: one of 160 hours may be renewed after 37.
    ///
    /// It is none if it replaces a certificate inside of its window, or if the last certificate was revoked
    /// or [moved](super::CaModel::set_window) to an earlier window. An order is a duplicate at any time while
    /// another one for the same set is open.
    pub fn duplicate_within(mut self, time: Duration) -> Self {
        self.duplicate_within = time;
        self
    }

    /// Whether there is ARI (RFC 9773); there is unless it is said here.
    pub fn ari(mut self, offered: bool) -> Self {
        self.ari = offered;
        self
    }

    /// When ARI is to be asked again: in 6 hours unless it is said here.
    pub fn ari_retry_after(mut self, time: Duration) -> Self {
        self.ari_retry_after = time;
        self
    }

    /// The width of a window of ARI as a share of the lifetime: 0.02 unless it is said here, half of it on
    /// each side of the moment with a third of the lifetime left, or a half under ten days.
    pub fn ari_width(mut self, share: f64) -> Self {
        self.ari_width = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 0.5)
        };
        self
    }
}

impl fmt::Debug for CaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaOptions")
            .field("limits", &self.limits)
            .field("faults", &self.faults)
            .field("profiles", &self.profiles)
            .finish_non_exhaustive()
    }
}
