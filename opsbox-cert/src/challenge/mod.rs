//! How control of a name is proved to a CA (RFC 8555, section 8).
//!
//! The answers of [`Http01`] and [`TlsAlpn01`] are kept in the store, so that whichever instance the CA
//! reaches behind a balancer can give them.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsbox_cert::Result<()> {
//! use std::sync::Arc;
//! use opsbox_cert::ChallengeType;
//! use opsbox_cert::challenge::{Answer, Http01, Solver as _};
//! use opsbox_cert::store::MemoryStore;
//!
//! let store = Arc::new(MemoryStore::new());
//! let here = Http01::new(store.clone());
//! let answer = Answer::new(ChallengeType::Http01, "example.com".parse()?, "tok3n", "tok3n.thumb");
//! here.present(&answer).await?;
//!
//! // Another instance is asked by the CA.
//! let there = Http01::new(store);
//! let body = there.respond("example.com", "/.well-known/acme-challenge/tok3n").await?;
//! assert_eq!(body.as_deref(), Some("tok3n.thumb"));
//!
//! here.cleanup(&answer).await?;
//! assert_eq!(there.respond("example.com", "/.well-known/acme-challenge/tok3n").await?, None);
//! # Ok(())
//! # }
//! ```

mod answers;
#[cfg(feature = "dns")]
mod dns01;
mod http01;
mod tls_alpn01;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

pub use self::answers::sweep;
#[cfg(feature = "dns")]
pub use self::dns01::Dns01;
pub use self::http01::Http01;
pub use self::tls_alpn01::TlsAlpn01;
use crate::error::Result;
use crate::identifier::Identifier;
use crate::inventory::ChallengeType;

/// What is to be published so that the CA finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    kind: ChallengeType,
    identifier: Identifier,
    token: String,
    key_authorization: String,
}

impl Answer {
    /// The answer to the challenge `token` of this kind.
    pub fn new(
        kind: ChallengeType,
        identifier: Identifier,
        token: impl Into<String>,
        key_authorization: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            identifier,
            token: token.into(),
            key_authorization: key_authorization.into(),
        }
    }

    /// The kind of challenge.
    pub fn kind(&self) -> ChallengeType {
        self.kind
    }

    /// What control is to be proved of.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The token, which the CA chose.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Token and thumbprint of the account key: the body for http-01.
    pub fn key_authorization(&self) -> &str {
        &self.key_authorization
    }

    /// The SHA-256 of the key authorization: what the certificate of tls-alpn-01 holds.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.key_authorization).into()
    }

    /// The text of the TXT record of dns-01.
    pub fn dns_value(&self) -> String {
        BASE64URL_NOPAD.encode(&self.digest())
    }
}

/// Publishes answers to challenges.
///
/// An order asks it once for each identifier, and again after a restart. `cleanup` is called for every
/// answer that may have been published, also after a failure, and after a kill by whoever goes on with the
/// order: so both have to do no harm when they are repeated.
#[async_trait]
pub trait Solver: fmt::Debug + Send + Sync {
    /// The kind of challenge that it solves.
    fn kind(&self) -> ChallengeType;

    /// Whether it can do so for this identifier. By default for each that the challenge fits.
    fn can_solve(&self, identifier: &Identifier) -> bool {
        self.kind().fits(identifier)
    }

    /// Publishes an answer. When it returns, the CA can find it, or [`wait`](Self::wait) waits for that.
    ///
    /// # Errors
    ///
    /// Those of the solver.
    async fn present(&self, answer: &Answer) -> Result<()>;

    /// Waits until the CA can find the answer. It is called after all answers of an order were presented.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if it cannot be seen in time.
    async fn wait(&self, answer: &Answer) -> Result<()> {
        let _ = answer;
        Ok(())
    }

    /// Takes an answer away; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// Those of the solver.
    async fn cleanup(&self, answer: &Answer) -> Result<()>;
}

#[async_trait]
impl<S: Solver + ?Sized> Solver for Arc<S> {
    fn kind(&self) -> ChallengeType {
        (**self).kind()
    }

    fn can_solve(&self, identifier: &Identifier) -> bool {
        (**self).can_solve(identifier)
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        (**self).present(answer).await
    }

    async fn wait(&self, answer: &Answer) -> Result<()> {
        (**self).wait(answer).await
    }

    async fn cleanup(&self, answer: &Answer) -> Result<()> {
        (**self).cleanup(answer).await
    }
}
