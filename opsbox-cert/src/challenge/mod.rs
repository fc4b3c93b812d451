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
#[cfg(feature = "dns")]
mod dns_persist01;
mod http01;
#[cfg(feature = "dns")]
mod persist;
mod tls_alpn01;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

pub use self::answers::sweep;
#[cfg(feature = "dns")]
pub use self::dns_persist01::DnsPersist01;
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
    persistent: Option<Persistent>,
}

/// By which records of dns-persist-01 a CA may issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Persistent {
    /// The CA goes by each of these names; any one will do.
    issuers: Vec<String>,
    account: String,
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
            persistent: None,
        }
    }

    /// What answers dns-persist-01: that the CA, which goes by any of these names, may issue for an account.
    /// It has no token.
    pub fn for_account<S: Into<String>>(
        identifier: Identifier,
        issuer_names: impl IntoIterator<Item = S>,
        account_uri: impl Into<String>,
    ) -> Self {
        Self {
            kind: ChallengeType::DnsPersist01,
            identifier,
            token: String::new(),
            key_authorization: String::new(),
            persistent: Some(Persistent {
                issuers: issuer_names.into_iter().map(Into::into).collect(),
                account: account_uri.into(),
            }),
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

    /// The names of the CA, of dns-persist-01.
    pub fn issuer_names(&self) -> &[String] {
        let persistent = self.persistent.as_ref();
        persistent.map_or(&[], |it| it.issuers.as_slice())
    }

    /// How the CA calls the account, of dns-persist-01.
    pub fn account_uri(&self) -> Option<&str> {
        self.persistent.as_ref().map(|it| it.account.as_str())
    }

    #[cfg(feature = "dns")]
    fn persistent(&self) -> Option<&Persistent> {
        self.persistent.as_ref()
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

/// The `accounturi` since draft-ietf-acme-dns-persist-02, section 4.1: it tells neither the account nor
/// that two names have the same one. `None` if the name is longer than a DNS name is.
pub(crate) fn hashed_account(
    prefix: &str,
    domain: &str,
    thumbprint: &str,
    account: &str,
) -> Option<String> {
    let length = u8::try_from(domain.len()).ok()?;
    let hash = Sha256::new()
        .chain_update([length])
        .chain_update(domain)
        .chain_update(thumbprint)
        .chain_update(account)
        .finalize();
    Some(format!("{prefix}sha-256/{}", BASE64URL_NOPAD.encode(&hash)))
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

#[cfg(test)]
mod tests {
    use super::hashed_account;

    /// The example of draft-ietf-acme-dns-persist-02, section 10.2.
    #[test]
    fn accounts_are_hashed_as_the_draft_does() {
        let prefix = "https://ca.example/account-hash/";
        let account = "https://ca.example/acct/123";
        let thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(
            hashed_account(prefix, "example.com", thumbprint, account).unwrap(),
            "https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"
        );
        assert_eq!(
            hashed_account(prefix, &"a".repeat(256), thumbprint, account),
            None
        );
    }
}
