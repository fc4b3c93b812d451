//! What an issuer asks before it sends what its CA counts, and tells of the order that it keeps.

use std::fmt;

use async_trait::async_trait;

use crate::error::{Error, Result};

/// Where the order of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderStage {
    /// It was placed, or may have been, and is kept: the next call goes on with it.
    Placed,
    /// It was placed by an earlier call, and is not finalized yet.
    Resumed,
    /// It was finalized by an earlier call: the CA has issued the certificate, or does so.
    Finalized,
}

/// Counts what a CA counts: asked by [`Issuer::issue_within`](super::Issuer::issue_within) before each step that
/// costs something. An error is the answer of that call then, and nothing is sent.
///
/// ```
/// # #[cfg(feature = "local-ca")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use opsbox_cert::issuer::{CertRequest, Issuer as _, LocalCa, Permits};
/// use opsbox_cert::store::MemoryStore;
/// use opsbox_cert::{Error, Result};
///
/// #[derive(Debug, Default)]
/// struct Counts(AtomicU32);
///
/// #[async_trait::async_trait]
/// impl Permits for Counts {
///     async fn new_order(&self, _before: Option<Error>) -> Result<()> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// # let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let ca = LocalCa::open("internal", Arc::new(MemoryStore::new()), provider).await?;
/// let counts = Counts::default();
/// ca.issue_within(&CertRequest::new(["db.internal"])?, &counts).await?;
/// assert_eq!(counts.0.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "local-ca"))]
/// # fn main() {}
/// ```
#[async_trait]
pub trait Permits: fmt::Debug + Send + Sync {
    /// An account is about to be opened.
    ///
    /// # Errors
    ///
    /// Why it must not be.
    async fn new_account(&self) -> Result<()> {
        Ok(())
    }

    /// An order is about to be placed. `before` is why an order cannot be gone on with that an earlier call was cut
    /// off from, if there was one.
    ///
    /// # Errors
    ///
    /// Why it must not be; `before` itself, if that order is the failure to be told.
    async fn new_order(&self, before: Option<Error>) -> Result<()> {
        drop(before);
        Ok(())
    }

    /// An order is about to be finalized, after which the certificate counts.
    ///
    /// # Errors
    ///
    /// Why it must not be. The order is kept.
    async fn finalize(&self) -> Result<()> {
        Ok(())
    }

    /// The order is over without a certificate: for this reason, or since the request wants another one. It is forgotten
    /// once this has returned.
    async fn over(&self, why: Option<&Error>) {
        let _ = why;
    }

    /// The order stands there now.
    fn reached(&self, stage: OrderStage) {
        let _ = stage;
    }
}

/// Permits everything, and counts nothing.
#[derive(Debug, Clone, Copy, Default)]
#[allow(
    clippy::exhaustive_structs,
    reason = "it is made by its name, and there is nothing that it could have"
)]
pub struct Unlimited;

impl Permits for Unlimited {}
