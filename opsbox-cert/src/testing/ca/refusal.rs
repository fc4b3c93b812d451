//! Why the CA does not do what it is asked for, as a problem document.

use std::fmt;
use std::time::Duration;

use super::faults::Fault;
use super::limits::Limit;

/// A problem document (RFC 8555, section 6.7) with what goes around it, before it is put on a wire.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::testing::ca::{CaLimits, CaModel, CaOptions, Limit, Rate};
///
/// let limits = CaLimits::unlimited()
///     .accounts_per_address(Some(Rate::new(1, Duration::from_secs(60))));
/// let mut ca = CaModel::new(CaOptions::new().limits(limits));
/// let from = "192.0.2.1".parse().unwrap();
/// ca.open_account(from, UNIX_EPOCH)?;
///
/// let refusal = ca.open_account(from, UNIX_EPOCH).unwrap_err();
/// assert_eq!((refusal.status(), refusal.kind()), (429, "rateLimited"));
/// assert_eq!(refusal.retry_after(), Some(Duration::from_secs(60)));
/// assert_eq!(refusal.limit(), Some(Limit::AccountsPerAddress));
/// # Ok::<(), opsbox_cert::testing::ca::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    kind: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    limit: Option<Limit>,
    fault: Option<Fault>,
}

impl Refusal {
    pub(crate) fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            retry_after: None,
            limit: None,
            fault: None,
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "malformed", detail)
    }

    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    pub(crate) fn of_limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn of_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The type without `urn:ietf:params:acme:error:`, as `rateLimited`.
    pub fn kind(&self) -> &str {
        self.kind
    }

    /// What it says for a human.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When to ask again, if the CA says it.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The limit that had no room, if that was the reason.
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The fault that was injected, if that was the reason.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.detail)
    }
}

impl std::error::Error for Refusal {}
