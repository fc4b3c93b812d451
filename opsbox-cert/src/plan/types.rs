//! What the planner is told and what it answers, as data.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::moment::{at, secs};
use super::priority::Band;
use super::window::Window;
use crate::budget::{Charge, Exemption, Outcome, Subject};

/// A certificate that the planner was told of. After it is [removed](super::Planner::remove) nothing is known by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertId {
    pub(super) index: u32,
    pub(super) generation: u8,
}

impl CertId {
    /// A small number, under which the caller can keep what it knows: it is used again after the
    /// certificate is removed.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// The certificate that there is.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::plan::Held;
///
/// let from = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let held = Held::new(from, from + Duration::from_secs(90 * 24 * 60 * 60)).ari(true);
/// assert!(held.is_same_set());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub(super) from: u32,
    pub(super) until: u32,
    pub(super) same_set: bool,
    pub(super) covers: bool,
    pub(super) ari: bool,
}

impl Held {
    /// From its first to its last second, with exactly the names that there should be, from the CA that will
    /// renew it.
    pub fn new(not_before: SystemTime, not_after: SystemTime) -> Self {
        let from = secs(not_before);
        Self {
            from,
            // 0 is for none.
            until: secs(not_after).max(from).max(1),
            same_set: true,
            covers: true,
            ari: false,
        }
    }

    /// Whether it has exactly the names that there should be, and comes from the CA that will renew it: only
    /// then is its successor a renewal for the limits, for [some months](crate::limits::RENEWAL_TIME).
    #[must_use]
    pub fn same_set(mut self, is_same: bool) -> Self {
        self.same_set = is_same;
        self
    }

    /// Whether it has all the names that there should be. If not, a new one is due at once.
    #[must_use]
    pub fn covers(mut self, covers: bool) -> Self {
        self.covers = covers;
        self
    }

    /// Whether its CA is to be asked when it is to be renewed (ARI).
    #[must_use]
    pub fn ari(mut self, ari: bool) -> Self {
        self.ari = ari;
        self
    }

    /// Whether it has exactly the names that there should be.
    pub fn is_same_set(&self) -> bool {
        self.same_set
    }

    /// What it is for a ledger, as the end of the order that it came from.
    pub fn outcome(&self) -> Outcome {
        Outcome::IssuedAt {
            from: at(self.from),
            lifetime: self.lifetime(),
        }
    }

    /// From its first to its last second.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.until.saturating_sub(self.from)))
    }
}

/// Why a certificate is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There is none.
    Missing,
    /// There is one without some of the names.
    Names,
    /// There was one that is lost.
    Lost,
    /// It is revoked.
    Revoked,
    /// Somebody wants a new one.
    Forced,
    /// The moment inside the window of its CA has come.
    Window,
    /// So much of its lifetime is over.
    Share,
}

impl Reason {
    /// As one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Names => "names",
            Self::Lost => "lost",
            Self::Revoked => "revoked",
            Self::Forced => "forced",
            Self::Window => "window",
            Self::Share => "share",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no certificate",
            Self::Names => "the certificate lacks a name",
            Self::Lost => "the certificate is lost",
            Self::Revoked => "the certificate is revoked",
            Self::Forced => "a new certificate was asked for",
            Self::Window => "its CA wants it to be renewed now",
            Self::Share => "its time is nearly over",
        })
    }
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Order a certificate, then say how it [ended](super::Planner::finish).
    Order(Order),
    /// Ask the CA for the window of a certificate, then say what it [answered](super::Planner::polled).
    Poll(Poll),
}

/// A certificate whose window is to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    pub(super) cert: CertId,
    pub(super) issuer: u8,
    pub(super) until: u32,
}

impl Poll {
    /// The certificate.
    pub fn cert(&self) -> CertId {
        self.cert
    }

    /// The place of the issuer.
    pub fn issuer(&self) -> u8 {
        self.issuer
    }
}

/// A certificate to be ordered, for which the limits have room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub(super) cert: CertId,
    pub(super) issuer: u8,
    pub(super) reason: Reason,
    pub(super) band: Band,
    pub(super) exemption: Exemption,
    pub(super) again: bool,
    pub(super) replaces: bool,
    pub(super) is_early: bool,
    pub(super) is_forced: bool,
    pub(super) due: u32,
}

impl Order {
    /// The certificate.
    pub fn cert(&self) -> CertId {
        self.cert
    }

    /// The place of the issuer.
    pub fn issuer(&self) -> u8 {
        self.issuer
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How urgent it is.
    pub fn band(&self) -> Band {
        self.band
    }

    /// What it escapes.
    pub fn exemption(&self) -> Exemption {
        self.exemption
    }

    /// Whether the order may name the certificate that it replaces: not outside its window, if the window
    /// is known.
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// The order as the limits see it, by the names of the certificate.
    pub fn charge<'a>(&self, subject: &'a Subject) -> Charge<'a> {
        Charge::new(subject)
            .exemption(self.exemption)
            .early(self.is_early)
            .forced(self.is_forced)
    }

    /// From when on it was due.
    pub fn due_at(&self) -> SystemTime {
        at(self.due)
    }
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// When it is due; the time may have passed.
    pub due_at: SystemTime,
    /// Why it is.
    pub reason: Reason,
    /// How urgent it is.
    pub band: Band,
    /// What it would escape.
    pub exemption: Exemption,
    /// How often it failed in a row.
    pub failures: u32,
    /// Whether it is ordered at the moment.
    pub is_ordered: bool,
    /// The window of its CA.
    pub window: Option<Window>,
}

/// What of a certificate has to outlive a restart, besides the certificate itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct CertState {
    pub(super) failures: u8,
    pub(super) retry_at: u32,
    pub(super) window: Option<(u32, u32)>,
    pub(super) poll_at: u32,
    pub(super) flags: u16,
}

/// What of all certificates together has to outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress(pub(super) Vec<(u32, u32, u64)>);
