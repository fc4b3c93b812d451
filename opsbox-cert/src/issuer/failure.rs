//! Why a certificate was not issued.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Problem;
use crate::error::{Error, ErrorKind, Reason};
use crate::text::Escaped;

/// The steps of getting a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Making the request: names, keys.
    Request,
    /// Reading the directory of the CA.
    Directory,
    /// Opening, changing or closing the account.
    Account,
    /// Placing the order or finding it again.
    Order,
    /// Reading what the CA wants to be proved.
    Authorize,
    /// Publishing the answer to a challenge.
    Present,
    /// Proving control of a name or an address.
    Validate,
    /// Handing in the signing request.
    Finalize,
    /// Fetching the chain.
    Download,
    /// Asking when to renew a certificate (ARI).
    RenewalInfo,
    /// Revoking a certificate.
    Revoke,
    /// Signing by the CA of this program.
    Sign,
    /// Trying one issuer after the other.
    Chain,
}

impl Step {
    fn verb(self) -> &'static str {
        match self {
            Self::Request => "make the request for",
            Self::Directory => "read the directory for",
            Self::Account => "use the account for",
            Self::Order => "order",
            Self::Authorize => "read the authorizations for",
            Self::Present => "publish the answer for",
            Self::Validate => "prove control of",
            Self::Finalize => "finalize the order for",
            Self::Download => "download",
            Self::RenewalInfo => "ask for the renewal of",
            Self::Revoke => "revoke",
            Self::Sign => "sign",
            Self::Chain => "get",
        }
    }
}

/// The body of an [`Error`] about issuance.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) step: Step,
    /// The certificate or the account.
    pub(crate) object: String,
    pub(crate) issuer: String,
    pub(crate) identifier: Option<String>,
    pub(crate) problem: Option<Problem>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: String,
    pub(crate) source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, step: Step, reason: impl Into<String>) -> Self {
        Self {
            kind,
            step,
            object: String::new(),
            issuer: String::new(),
            identifier: None,
            problem: None,
            status: None,
            retry_after: None,
            reason: reason.into(),
            source: None,
        }
    }

    /// At which issuer, for which certificate.
    pub(crate) fn of(mut self, issuer: impl fmt::Display, object: impl fmt::Display) -> Self {
        self.issuer = issuer.to_string();
        self.object = object.to_string();
        self
    }

    #[cfg(feature = "acme")]
    pub(crate) fn identifier(mut self, identifier: impl fmt::Display) -> Self {
        self.identifier = Some(identifier.to_string());
        self
    }

    pub(crate) fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    #[cfg_attr(
        not(feature = "local-ca"),
        allow(dead_code, reason = "not every issuer has causes")
    )]
    pub(crate) fn caused_by(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Busy
        )
    }

    /// `prove control of a.example at https://ca.example/directory`
    pub(crate) fn attempt(&self) -> String {
        let object = self.identifier.as_deref().unwrap_or(&self.object);
        let mut out = format!("{} {}", self.step.verb(), Escaped(object));
        if !self.issuer.is_empty() {
            out.push_str(&format!(" at {}", Escaped(&self.issuer)));
        }
        out
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if let Some(problem) = &self.problem {
            write!(f, "; the CA says: {problem}")?;
        }
        if let Some(status) = self.status {
            write!(f, " [status {status}]")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, " [try again in {} s]", wait.as_secs())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// Errors of issuers, for those who write one.
impl Error {
    /// An error that reads `cannot {step} {object} at {issuer}: {reason}`.
    ///
    /// Of the reason say what was wrong and what to do.
    /// [`Unavailable`](ErrorKind::Unavailable), [`RateLimited`](ErrorKind::RateLimited) and
    /// [`Busy`](ErrorKind::Busy) are the kinds that can be tried again.
    ///
    /// ```
    /// use opsbox_cert::{Error, ErrorKind, issuer::Step};
    ///
    /// let reason = "the CA is closed for today; try again tomorrow";
    /// let error = Error::issuance(ErrorKind::Unavailable, Step::Order, "my-ca", "a.example", reason);
    /// assert!(error.to_string().starts_with("cannot order a.example at my-ca: the CA is closed"));
    /// ```
    pub fn issuance(
        kind: ErrorKind,
        step: Step,
        issuer: impl fmt::Display,
        object: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Failure::new(kind, step, reason).of(issuer, object).into()
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Reason::Issue(Box::new(failure)).into()
    }
}
