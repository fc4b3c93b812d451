//! dns-01: a TXT record at `_acme-challenge`.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Answer, Solver};
use crate::dns::{DnsProvider, Lookup, TxtRecord, system_resolvers};
use crate::error::{Error, ErrorKind, Result};
use crate::inventory::ChallengeType;
use crate::limits::{DNS_PROPAGATION_POLL, DNS_PROPAGATION_TIME_LIMIT};

/// Answers dns-01 by a [`DnsProvider`]: the way to wildcards, and for hosts that no CA can reach.
///
/// CNAME records of `_acme-challenge` are followed, so the record can be in another zone. Before the CA is
/// told, every authoritative server that answers has to show the record. See [`dns`](crate::dns) for an
/// example.
#[derive(Debug)]
pub struct Dns01<P> {
    provider: P,
    lookup: Lookup,
    time_limit: Duration,
    check: bool,
}

impl<P: DnsProvider> Dns01<P> {
    /// Writes by this provider, and asks the resolvers of the system.
    pub fn new(provider: P) -> Self {
        let lookup = Lookup {
            resolvers: system_resolvers(),
            authorities: Vec::new(),
        };
        Self {
            provider,
            lookup,
            time_limit: DNS_PROPAGATION_TIME_LIMIT,
            check: true,
        }
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

    /// Tells the CA at once: for a host that cannot ask the authoritative servers.
    #[must_use]
    pub fn without_check(mut self) -> Self {
        self.check = false;
        self
    }

    async fn record(&self, answer: &Answer) -> Result<TxtRecord> {
        let base = answer.identifier().base();
        let name = format!("_acme-challenge.{base}");
        let (target, zone) = self.lookup.target(&name).await?;
        Ok(TxtRecord::new(target, answer.dns_value(), base).in_zone(zone))
    }
}

#[async_trait]
impl<P: DnsProvider> Solver for Dns01<P> {
    fn kind(&self) -> ChallengeType {
        ChallengeType::Dns01
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        let record = self.record(answer).await?;
        self.provider.add(&record).await
    }

    async fn wait(&self, answer: &Answer) -> Result<()> {
        if !self.check {
            return Ok(());
        }
        let record = self.record(answer).await?;
        let zone = record.zone().unwrap_or_default();
        let deadline = Instant::now() + self.time_limit;
        loop {
            let shown = self.lookup.shown(record.name(), zone).await?;
            let missing = shown.missing(|text| text == record.value());
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() + DNS_PROPAGATION_POLL > deadline {
                let reason = format!(
                    "not every authoritative server shows it after {} s ({}); check what the provider wrote, and how long the zone takes to be transferred",
                    self.time_limit.as_secs(),
                    missing.join("; ")
                );
                let attempt = "wait for the TXT record";
                return Err(Error::store(
                    ErrorKind::Unavailable,
                    attempt,
                    record.name(),
                    reason,
                ));
            }
            tokio::time::sleep(DNS_PROPAGATION_POLL).await;
        }
    }

    async fn cleanup(&self, answer: &Answer) -> Result<()> {
        let record = self.record(answer).await?;
        self.provider.remove(&record).await
    }
}
