//! Who issues certificates: a CA that speaks ACME, a CA of this program, or one after the other.
//!
//! ```
//! # #[cfg(feature = "local-ca")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsbox_cert::Result<()> {
//! use std::sync::Arc;
//! use opsbox_cert::issuer::{CertRequest, Issuer as _, LocalCa};
//! use opsbox_cert::store::{MemoryStore, Name};
//!
//! # let provider = Arc::new(rustls::crypto::ring::default_provider());
//! // `provider` is the rustls::crypto::CryptoProvider that the program uses.
//! let store = Arc::new(MemoryStore::new());
//! let ca = LocalCa::open("internal", store.clone(), provider).await?;
//!
//! let request = CertRequest::new(["db.internal", "10.0.0.7"])?;
//! let name = Name::certificate("db.internal")?;
//! let triple = ca.issue_into(&request, &*store, &name).await?;
//! assert_eq!(triple.metadata().issuer(), "local-ca:internal");
//! println!("clients have to trust this:\n{}", ca.root_pem());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "local-ca"))]
//! # fn main() {}
//! ```

#[cfg(feature = "acme")]
mod acme;
mod ari;
mod chain;
mod failure;
#[cfg(feature = "local-ca")]
mod local_ca;
mod permits;
mod problem;
mod request;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

#[cfg(feature = "acme")]
pub use self::acme::{AcmeBuilder, AcmeIssuer, RevocationReason};
#[cfg(feature = "acme")]
pub(crate) use self::acme::{NEXT_LOOK, Opened, Reply, Shared, own};
pub use self::ari::RenewalInfo;
#[cfg(feature = "manager")]
pub(crate) use self::chain::refused;
pub use self::chain::{IssuerChain, Refusals};
pub(crate) use self::failure::Failure;
pub use self::failure::Step;
#[cfg(feature = "local-ca")]
pub use self::local_ca::{LocalCa, LocalCaOptions};
pub use self::permits::{OrderStage, Permits, Unlimited};
pub use self::problem::{Problem, Subproblem};
pub use self::request::CertRequest;
use crate::error::Result;
use crate::store::{Condition, Name, Store, Triple};

/// Issues certificates.
#[async_trait]
pub trait Issuer: fmt::Debug + Send + Sync {
    /// How it is called in messages, metadata and metrics: a directory URL, `local-ca:internal`.
    fn name(&self) -> &str;

    /// Gets a certificate with a new key.
    ///
    /// An issuer that keeps its progress gives the same certificate again, until it is told by
    /// [`confirm`](Self::confirm) that the certificate is kept: so none is lost if the process dies in
    /// between. [`issue_into`](Self::issue_into) does all three steps.
    ///
    /// # Errors
    ///
    /// Say which [`Step`] failed, on which identifier, and what the CA said.
    /// [`is_retryable`](crate::Error::is_retryable) tells whether the same request can succeed later.
    async fn issue(&self, request: &CertRequest) -> Result<Triple>;

    /// [`issue`](Self::issue), where `permits` is asked before anything is sent that the CA counts, and told of the
    /// order that is kept.
    ///
    /// An issuer that keeps no order is one to which each call is a new order: that is what is done unless the issuer
    /// knows better.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue), and those of `permits`.
    async fn issue_within(&self, request: &CertRequest, permits: &dyn Permits) -> Result<Triple> {
        permits.new_order(None).await?;
        self.issue(request).await
    }

    /// Says that the certificate of this request is kept, so that the next request is a new one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    async fn confirm(&self, request: &CertRequest) -> Result<()> {
        let _ = request;
        Ok(())
    }

    /// When a certificate that it issued is to be renewed, by its
    /// [ARI id](crate::store::Metadata::ari_id); `None` if it does not say so of any.
    ///
    /// # Errors
    ///
    /// Those of the way to it, and [`Protocol`](crate::ErrorKind::Protocol) for an answer that is none.
    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>> {
        let _ = ari_id;
        Ok(None)
    }

    /// Gets a certificate, saves it as `name`, and confirms it.
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue), and those of the store.
    async fn issue_into(
        &self,
        request: &CertRequest,
        store: &dyn Store,
        name: &Name,
    ) -> Result<Triple> {
        let triple = self.issue(request).await?;
        store
            .save(name, &triple.to_record()?, &Condition::Any, None)
            .await?;
        self.confirm(request).await?;
        Ok(triple)
    }
}

#[async_trait]
impl<I: Issuer + ?Sized> Issuer for Arc<I> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        (**self).issue(request).await
    }

    async fn issue_within(&self, request: &CertRequest, permits: &dyn Permits) -> Result<Triple> {
        (**self).issue_within(request, permits).await
    }

    async fn confirm(&self, request: &CertRequest) -> Result<()> {
        (**self).confirm(request).await
    }

    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>> {
        (**self).renewal_info(ari_id).await
    }
}
