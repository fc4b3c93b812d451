//! Several issuers, tried in order.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{CertRequest, Failure, Issuer, Permits, Step, Unlimited};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Triple;

/// Asks the first issuer, and the next one if it refuses.
///
/// ```
/// # #[cfg(feature = "local-ca")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use std::sync::Arc;
/// use opsbox_cert::issuer::{CertRequest, Issuer as _, IssuerChain, LocalCa};
/// use opsbox_cert::store::MemoryStore;
///
/// # let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let store = Arc::new(MemoryStore::new());
/// let first = LocalCa::open("first", store.clone(), provider.clone()).await?;
/// let second = LocalCa::open("second", store, provider).await?;
/// let chain = IssuerChain::new(first).then(second);
/// assert!(chain.issue(&CertRequest::new(["a.internal"])?).await.is_ok());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "local-ca"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct IssuerChain {
    issuers: Vec<Arc<dyn Issuer>>,
    name: String,
}

impl IssuerChain {
    /// A chain of one.
    pub fn new(issuer: impl Issuer + 'static) -> Self {
        let name = issuer.name().to_owned();
        Self {
            issuers: vec![Arc::new(issuer)],
            name,
        }
    }

    /// The same with one more issuer at its end.
    #[must_use]
    pub fn then(mut self, issuer: impl Issuer + 'static) -> Self {
        self.name.push_str(", then ");
        self.name.push_str(issuer.name());
        self.issuers.push(Arc::new(issuer));
        self
    }
}

impl fmt::Debug for IssuerChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuerChain").field(&self.name).finish()
    }
}

/// Why each issuer of a chain refused, in their order: the [`source`](std::error::Error::source) of the
/// error of an [`IssuerChain`].
#[derive(Debug, Clone)]
pub struct Refusals(Vec<Error>);

impl Refusals {
    /// The errors.
    pub fn errors(&self) -> &[Error] {
        &self.0
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; then: ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {}

#[async_trait]
impl Issuer for IssuerChain {
    fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    ///
    /// The only one's, or one that lists each refusal. Its kind is
    /// [`Unavailable`](ErrorKind::Unavailable) if any of them can be tried again, and its wait is the
    /// shortest. [`Busy`](ErrorKind::Busy) ends the search: another instance is at it. So do errors of
    /// the store, which the next issuer would meet too.
    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.issue_within(request, &Unlimited).await
    }

    /// The permits are those of the first issuer: what the next ones are asked for counts at other CAs.
    async fn issue_within(&self, request: &CertRequest, permits: &dyn Permits) -> Result<Triple> {
        let mut refusals = Vec::new();
        for (place, issuer) in self.issuers.iter().enumerate() {
            let permits = if place == 0 { permits } else { &Unlimited };
            match issuer.issue_within(request, permits).await {
                Ok(triple) => return Ok(triple),
                Err(error) if error.kind() == ErrorKind::Busy || error.step().is_none() => {
                    return Err(error);
                }
                Err(error) => refusals.push(error),
            }
        }
        Err(refused(&self.name, request, refusals))
    }

    async fn confirm(&self, request: &CertRequest) -> Result<()> {
        for issuer in &self.issuers {
            issuer.confirm(request).await?;
        }
        Ok(())
    }
}

/// The error of several issuers of this name together, or of the only one.
pub(crate) fn refused(name: &str, request: &CertRequest, refusals: Vec<Error>) -> Error {
    if let [only] = refusals.as_slice() {
        return only.clone();
    }
    let kind = if refusals.iter().any(Error::is_retryable) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Refused
    };
    let wait = refusals.iter().filter_map(Error::retry_after).min();
    let refusals = Refusals(refusals);
    Failure::new(kind, Step::Chain, refusals.to_string())
        .of(name, request)
        .retry_after(wait)
        .caused_by(refusals)
        .into()
}
