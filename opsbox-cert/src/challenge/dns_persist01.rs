//! dns-persist-01: a TXT record at `_validation-persist` that stays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Answer, Persistent, Solver};
use crate::clock::{Clock, SystemClock};
use crate::dns::{DnsProvider, Lookup, Shown, TxtRecord, system_resolvers};
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::ChallengeType;
use crate::limits::{DNS_PROPAGATION_POLL, DNS_PROPAGATION_TIME_LIMIT};

/// Answers dns-persist-01 (draft-ietf-acme-dns-persist): one record for each name says which account at
/// which CA may have certificates for it, now and at each renewal.
///
/// Without a [`provider`](Self::provider) nothing is written, and no access to the DNS is needed: the
/// record is looked for, and the error of an order without one says which has to be published. With a
/// provider it is added where it is missing, in place of one of the same account that does not do any more.
/// It is not taken away, also after a failure: who publishes it means to leave it there. Records of other CAs
/// and accounts at the same name are let alone.
///
/// The CA says under which names it goes and what the account is called. What it says is taken only if the
/// account is one at the host of the directory: otherwise one CA could have published what lets a stranger's
/// account at another CA have certificates for the name.
///
/// ```
/// use opsbox_cert::challenge::DnsPersist01;
/// use opsbox_cert::dns::{Rfc2136, TsigAlgorithm};
///
/// // The operator publishes.
/// let checked = DnsPersist01::new();
///
/// // The program publishes, for wildcards and all names below too.
/// let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYzE=";
/// let server = "192.0.2.53:53".parse()?;
/// let provider = Rfc2136::new(server, "acme-key", TsigAlgorithm::HmacSha256, secret)?;
/// let written = DnsPersist01::new().provider(provider).with_wildcards();
/// # drop((checked, written));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Limits
///
/// Tested against Pebble, which has the draft's version 01 and the account as it is; the hashed account of
/// version 02 is made where the directory has an `accountHashPrefix`, and tested by the example of the draft.
/// Hooks in the style of certbot cannot write the record: they know one name only, unless they heed
/// `OPSBOX_NAME`.
#[derive(Debug)]
pub struct DnsPersist01 {
    provider: Option<Box<dyn DnsProvider>>,
    lookup: Lookup,
    time_limit: Duration,
    wildcards: bool,
    keep_for: Option<Duration>,
    clock: Arc<dyn Clock>,
}

/// What is known of the record of an answer.
struct Place<'a> {
    wanted: &'a Persistent,
    wildcard: bool,
    record: TxtRecord,
    shown: Shown,
}

impl DnsPersist01 {
    /// Looks for the records, by the resolvers of the system.
    pub fn new() -> Self {
        Self {
            provider: None,
            lookup: Lookup {
                resolvers: system_resolvers(),
                authorities: Vec::new(),
            },
            time_limit: DNS_PROPAGATION_TIME_LIMIT,
            wildcards: false,
            keep_for: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Writes records that are missing by this provider.
    #[must_use]
    pub fn provider(mut self, provider: impl DnsProvider + 'static) -> Self {
        self.provider = Some(Box::new(provider));
        self
    }

    /// Writes every record so that it counts for the wildcard and for all names below too
    /// (`policy=wildcard`), and not only those that a wildcard is ordered for. Whoever has the account key
    /// then has all of them.
    #[must_use]
    pub fn with_wildcards(mut self) -> Self {
        self.wildcards = true;
        self
    }

    /// Writes records that end so long after they are written (`persistUntil`). The first order after that
    /// writes a new one in its place.
    #[must_use]
    pub fn keep_for(mut self, time: Duration) -> Self {
        self.keep_for = Some(time);
        self
    }

    /// Asks these resolvers, in place of those of the system.
    #[must_use]
    pub fn resolvers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.lookup.resolvers = servers.into_iter().collect();
        self
    }

    /// Looks for the record at these servers, in place of those that the zone names.
    #[must_use]
    pub fn authorities(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.lookup.authorities = servers.into_iter().collect();
        self
    }

    /// How long the servers may take to show it, in place of [`DNS_PROPAGATION_TIME_LIMIT`].
    #[must_use]
    pub fn propagation_limit(mut self, time: Duration) -> Self {
        self.time_limit = time;
        self
    }

    /// The clock by which records end.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What there is, and what there should be.
    async fn place<'a>(&self, answer: &'a Answer) -> Result<Place<'a>> {
        let Some(wanted) = answer.persistent() else {
            let reason = "it is the answer to another challenge; give it to the solver of that one";
            let object = format!("a {} answer", answer.kind());
            return Err(Error::store(ErrorKind::Invalid, "solve", object, reason));
        };
        let base = answer.identifier().base();
        let wildcard = answer.identifier().is_wildcard();
        let name = format!("_validation-persist.{base}");
        let (target, zone) = self.lookup.target(&name).await?;
        let shown = self.lookup.shown(&target, &zone).await?;
        let until = self
            .keep_for
            .and_then(|time| self.clock.now().checked_add(time));
        let text = wanted.text(wildcard || self.wildcards, until);
        Ok(Place {
            wanted,
            wildcard,
            record: TxtRecord::new(target, text, base).in_zone(zone),
            shown,
        })
    }
}

impl Default for DnsPersist01 {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Solver for DnsPersist01 {
    fn kind(&self) -> ChallengeType {
        ChallengeType::DnsPersist01
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        let now = self.clock.now();
        let place = self.place(answer).await?;
        let is_met = |text: &str| place.wanted.is_met_by(text, place.wildcard, now);
        if place.shown.texts().any(is_met) {
            return Ok(());
        }
        let Some(provider) = &self.provider else {
            let reason = format!(
                "no authoritative server shows a record by which the CA may issue; publish the TXT record \"{}\" at this name, or give the solver a provider",
                place.record.value()
            );
            let attempt = "find the TXT record";
            let name = place.record.name();
            return Err(Error::store(ErrorKind::Invalid, attempt, name, reason));
        };
        provider.add(&place.record).await?;
        // Those of this account that do not do any more, or not for a wildcard: some CAs judge by the first
        // record that has their name.
        let mut replaced: Vec<&str> = place.shown.texts().collect();
        replaced.retain(|text| place.wanted.is_about(text) && *text != place.record.value());
        replaced.sort_unstable();
        replaced.dedup();
        for text in replaced {
            let old = TxtRecord::new(place.record.name(), text, place.record.domain());
            let zone = place.record.zone().unwrap_or_default();
            provider.remove(&old.in_zone(zone)).await?;
        }
        Ok(())
    }

    async fn wait(&self, answer: &Answer) -> Result<()> {
        let deadline = Instant::now() + self.time_limit;
        loop {
            let now = self.clock.now();
            let place = self.place(answer).await?;
            let is_met = |text: &str| place.wanted.is_met_by(text, place.wildcard, now);
            let missing = place.shown.missing(is_met);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() + DNS_PROPAGATION_POLL > deadline {
                let reason = format!(
                    "not every authoritative server shows it after {} s ({}); check what was published, and how long the zone takes to be transferred",
                    self.time_limit.as_secs(),
                    missing.join("; ")
                );
                let attempt = "wait for the TXT record";
                let name = place.record.name();
                return Err(Error::store(ErrorKind::Unavailable, attempt, name, reason));
            }
            tokio::time::sleep(DNS_PROPAGATION_POLL).await;
        }
    }

    /// Does nothing: the record stays.
    async fn cleanup(&self, _: &Answer) -> Result<()> {
        Ok(())
    }
}
