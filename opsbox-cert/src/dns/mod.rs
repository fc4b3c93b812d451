//! TXT records for the challenges dns-01 and dns-persist-01, and how to see that they are there.
//!
//! | Provider | Writes to |
//! |---|---|
//! | [`Rfc2136`] | any server that takes dynamic updates with TSIG: BIND, Knot, PowerDNS |
//! | [`Hook`] | whatever a program of yours does, called as lego and certbot call theirs |
//! | [`MemoryZone`] | a zone in memory, with a server for it: for tests and demos |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsbox_cert::Result<()> {
//! use opsbox_cert::ChallengeType;
//! use opsbox_cert::challenge::{Answer, Dns01, Solver as _};
//! use opsbox_cert::dns::MemoryZone;
//!
//! let zone = MemoryZone::new("example.com")?;
//! let server = zone.serve("127.0.0.1:0").await?;
//! let solver = Dns01::new(zone.clone())
//!     .resolvers([server.address()])
//!     .authorities([server.address()]);
//!
//! let answer = Answer::new(ChallengeType::Dns01, "*.example.com".parse()?, "tok3n", "tok3n.thumb");
//! solver.present(&answer).await?;
//! solver.wait(&answer).await?; // until every authoritative server shows it
//! assert_eq!(zone.texts("_acme-challenge.example.com"), [answer.dns_value()]);
//! solver.cleanup(&answer).await?;
//! assert!(zone.texts("_acme-challenge.example.com").is_empty());
//! # Ok(())
//! # }
//! ```

mod hook;
mod lookup;
mod memory;
mod query;
mod rfc2136;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::hook::{Hook, HookStyle};
pub(crate) use self::lookup::{Lookup, Shown, system_resolvers};
pub use self::memory::{MemoryZone, ZoneServer};
pub use self::rfc2136::{Rfc2136, TsigAlgorithm};
use crate::error::{Error, ErrorKind, Result};

/// A TXT record to be written or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtRecord {
    name: String,
    value: String,
    domain: String,
    zone: Option<String>,
}

impl TxtRecord {
    /// The record `value` at `name`, for the challenge of `domain`.
    pub fn new(
        name: impl Into<String>,
        value: impl Into<String>,
        domain: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            domain: domain.into(),
            zone: None,
        }
    }

    /// The same with the zone that the name is in.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// The name without a dot at its end: `_acme-challenge.example.com`, or where its CNAME leads.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The name that the certificate is for, without `*.`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The zone that the name is in, if it could be found out.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

/// Writes TXT records where the DNS takes them from.
///
/// Other values at the same name have to stay: a wildcard and its base name are proved at the same time.
#[async_trait]
pub trait DnsProvider: fmt::Debug + Send + Sync {
    /// Adds the record. If it is there, nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if it can be tried again.
    async fn add(&self, record: &TxtRecord) -> Result<()>;

    /// Deletes this record alone. If it is not there, nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    async fn remove(&self, record: &TxtRecord) -> Result<()>;
}

#[async_trait]
impl<P: DnsProvider + ?Sized> DnsProvider for Arc<P> {
    async fn add(&self, record: &TxtRecord) -> Result<()> {
        (**self).add(record).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<()> {
        (**self).remove(record).await
    }
}

fn fault(
    kind: ErrorKind,
    attempt: &'static str,
    object: impl fmt::Display,
    reason: impl Into<String>,
) -> Error {
    Error::store(kind, attempt, object, reason)
}
