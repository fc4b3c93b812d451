//! An order as the limits see it: what it is charged as, how it ended, and why it was denied.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::gcra::from_micros;
use super::rates::Scope;
use super::subject::Subject;
use crate::limits::RENEWAL_TIME;

/// What an order escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Exemption {
    /// Nothing: the CA has issued nothing for the set [lately](RENEWAL_TIME).
    #[default]
    None,
    /// The limits of account and domain, where the CA says so: it has issued a certificate for the same set
    /// [lately](RENEWAL_TIME).
    Renewal,
    /// All limits, where the CA says so: with `replaces`, inside the ARI window.
    Ari,
}

impl Exemption {
    /// What an order escapes without `replaces` if the CA issued the last certificate for the same set then. One that
    /// could not be renewed for [months](RENEWAL_TIME) is forgotten, and counts as new.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use opsbox_cert::budget::Exemption;
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let issued = UNIX_EPOCH + 20_000 * day;
    /// assert_eq!(Exemption::after(issued, issued + 60 * day), Exemption::Renewal);
    /// assert_eq!(Exemption::after(issued, issued + 120 * day), Exemption::None);
    /// ```
    pub fn after(issued: SystemTime, now: SystemTime) -> Self {
        match now.duration_since(issued) {
            Ok(age) if age >= RENEWAL_TIME => Self::None,
            _ => Self::Renewal,
        }
    }
}

/// An order as the limits see it.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    pub(crate) set: u64,
    pub(crate) identifiers: &'a [u64],
    pub(crate) domains: &'a [u64],
    pub(crate) exemption: Exemption,
    pub(crate) is_early: bool,
    pub(crate) is_forced: bool,
}

impl<'a> Charge<'a> {
    /// A new order for these names.
    pub fn new(subject: &'a Subject) -> Self {
        Self {
            set: subject.set(),
            identifiers: subject.identifiers(),
            domains: subject.domains(),
            exemption: Exemption::None,
            is_early: false,
            is_forced: false,
        }
    }

    /// The same with an exemption.
    #[must_use]
    pub fn exemption(mut self, exemption: Exemption) -> Self {
        self.exemption = exemption;
        self
    }

    /// The same for a certificate that was lost or revoked while it was new. It is no duplicate, once in a
    /// week.
    #[must_use]
    pub fn early(mut self, is_early: bool) -> Self {
        self.is_early = is_early;
        self
    }

    /// The same though it is a duplicate: the limits of the CA hold still.
    #[must_use]
    pub fn forced(mut self, is_forced: bool) -> Self {
        self.is_forced = is_forced;
        self
    }
}

/// How an order ended that was [taken](super::Ledger::take).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The certificate is there, and was issued just now.
    Issued {
        /// From its first to its last second.
        lifetime: Duration,
    },
    /// The certificate is there, and may have been issued long ago: of an order that was gone on with after an
    /// outage, for instance. It is new from its first second on, not from when it was fetched.
    IssuedAt {
        /// Its first second.
        from: SystemTime,
        /// From its first to its last second.
        lifetime: Duration,
    },
    /// The CA could not validate these of the names, by their keys; all of them if none is known.
    Invalid {
        /// The keys as [`Subject::identifiers`] has them.
        identifiers: Vec<u64>,
    },
    /// The CA refused before it validated anything.
    Refused,
    /// Nobody knows: a time limit, a connection that broke. It counts as if it were issued.
    Unknown,
}

impl Outcome {
    pub(super) fn is_issued(&self) -> bool {
        matches!(self, Self::Issued { .. } | Self::IssuedAt { .. })
    }
}

/// An order that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub(super) until: u64,
    pub(super) scope: Scope,
    pub(super) key: Option<u64>,
}

impl Denied {
    /// When it fits, if nothing else is ordered meanwhile.
    pub fn until(&self) -> SystemTime {
        from_micros(self.until)
    }

    /// The limit that takes longest.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Which domain, set or name that is, as in the [`Subject`].
    pub fn key(&self) -> Option<u64> {
        self.key
    }

    pub(crate) fn until_us(&self) -> u64 {
        self.until
    }

    /// The same by a clock that is behind.
    pub(super) fn earlier(mut self, behind: u64) -> Self {
        if self.until < u64::MAX {
            self.until = self.until.saturating_sub(behind);
        }
        self
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it is not ordered before {} s after 1970, to keep the limit of {}; wait, or spread the names over more accounts or domains",
            self.until / 1_000_000,
            self.scope
        )
    }
}

impl std::error::Error for Denied {}
