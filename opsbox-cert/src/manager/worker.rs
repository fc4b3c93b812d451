//! The work on one certificate: what the store has, whether it is due, and getting a new one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;

use crate::budget::Exemption;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Fingerprint;
use crate::install::{Candidate, Certificates, Policy, Refusal};
use crate::inventory::CertSpec;
use crate::issuer::Issuer;
use crate::limits::MAX_MANAGER_SLEEP;
use crate::observe::Event;
use crate::renewal;
use crate::store::{Name, Store, Stored, Triple, Version};

/// How long to leave a certificate to another instance, if it does not say so.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(30);

/// How long to wait for a store that cannot be read.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(60);

/// What all certificates share.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) certificates: Certificates,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuers: Vec<(String, Arc<dyn Issuer>)>,
    pub(super) time_limit: Duration,
    #[cfg(feature = "metrics")]
    pub(super) metrics: Option<crate::observe::Metrics>,
}

/// A certificate and where it stands.
pub(super) struct Managed {
    pub(super) spec: CertSpec,
    pub(super) name: Name,
    policy: Policy,
    /// What of the store was looked at last.
    pub(super) seen: Option<Version>,
    pub(super) held: Option<Held>,
    pub(super) failures: u32,
    /// When it may be tried again after failures.
    wait_until: Option<SystemTime>,
    /// The most that this is, unless the CA asks for more.
    pub(super) longest_wait: Duration,
}

/// What is known of the certificate in the store.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) fingerprint: Fingerprint,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    pub(super) issuer: String,
    pub(super) ari_id: Option<String>,
    pub(super) covers_all: bool,
    /// It has no other names.
    pub(super) is_same_set: bool,
    /// It was not put in service, since it was not valid yet.
    pub(super) is_early: bool,
}

impl Held {
    /// When it is renewed.
    pub(super) fn due_at(&self) -> SystemTime {
        renewal::due_at(self.from, self.until)
    }
}

impl Managed {
    /// Nothing is known yet.
    pub(super) fn new(spec: CertSpec) -> Result<Self> {
        let name = Name::certificate(spec.id())?;
        let required = spec.identifiers().iter().map(ToString::to_string);
        // The spec says what there should be: a CA with shorter lifetimes and names that were given up
        // are its decisions.
        let policy = Policy::new()
            .require(required)
            .allow_earlier_end(true)
            .allow_lost_names(true);
        Ok(Self {
            spec,
            name,
            policy,
            seen: None,
            held: None,
            failures: 0,
            wait_until: None,
            longest_wait: Duration::MAX,
        })
    }

    /// From when on it is renewed; `None` if there is none that covers its names.
    pub(super) fn due_at(&self) -> Option<SystemTime> {
        let held = self.held.as_ref().filter(|held| held.covers_all)?;
        Some(held.due_at())
    }

    /// What an order at this issuer escapes: a CA knows its own certificates only.
    pub(super) fn exemption(&self, issuer: Option<&str>, now: SystemTime) -> Exemption {
        let held = self.held.as_ref();
        held.filter(|held| held.is_same_set && issuer == Some(&held.issuer))
            .map_or(Exemption::None, |held| Exemption::after(held.from, now))
    }

    pub(super) fn id(&self) -> String {
        self.spec.id().to_owned()
    }

    /// Its names, and its id.
    pub(super) fn names(&self) -> Arc<[String]> {
        let names = self.spec.identifiers().iter().map(ToString::to_string);
        names.chain([self.id()]).collect()
    }
}

impl Worker {
    /// Loads a certificate, and says when to look again; `None` if it is to be renewed now.
    pub(super) async fn wait(&self, managed: &mut Managed) -> Option<SystemTime> {
        if let Err(error) = self.load(managed).await {
            // What cannot be stored is not ordered: it would be lost. No CA was asked, so this is no
            // failure to wait longer and longer after.
            self.tell(Event::SourceFailed { error });
            return Some(self.clock.now() + STORE_WAIT);
        }
        let due = managed.due_at().unwrap_or_else(|| self.clock.now());
        let due = managed.wait_until.map_or(due, |wait| wait.max(due));
        (due > self.clock.now()).then_some(due)
    }

    /// Takes what is in the store, if it is new.
    pub(super) async fn load(&self, managed: &mut Managed) -> Result<()> {
        let stored = self.store.load(&managed.name).await;
        self.take_in(managed, stored)
    }

    /// Takes what was found in the store, if it is new, or valid now as it was not before.
    pub(super) fn take_in(
        &self,
        managed: &mut Managed,
        stored: Result<Option<Stored>>,
    ) -> Result<()> {
        let stored = match stored {
            Ok(stored) => stored,
            // Saving over it is what repairs it.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // It may be readable again as it is, when the key of the store is back.
                (managed.seen, managed.held) = (None, None);
                self.tell(Event::SourceFailed { error });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(stored) = stored else {
            (managed.seen, managed.held) = (None, None);
            return Ok(());
        };
        let now = self.clock.now();
        let waits = |held: &Held| held.is_early && held.from <= now;
        let has_waited = managed.held.as_ref().is_some_and(waits);
        if managed.seen.as_ref() == Some(&stored.version) && !has_waited {
            return Ok(());
        }
        managed.seen = Some(stored.version.clone());
        match Triple::from_record(&managed.name, &stored.record, &self.provider) {
            Ok(triple) => {
                if self.install(managed, &triple) {
                    (managed.failures, managed.wait_until) = (0, None);
                }
            }
            Err(error) => {
                managed.held = None;
                self.tell(Event::SourceFailed { error });
            }
        }
        Ok(())
    }

    pub(super) fn issued(
        &self,
        managed: &mut Managed,
        triple: &Triple,
        began: Duration,
    ) -> SystemTime {
        if let Ok(facts) = triple.facts() {
            self.tell(Event::Issued {
                id: managed.spec.id().into(),
                issuer: triple.metadata().issuer().to_owned(),
                not_after: facts.not_after(),
                took: self.since(began),
            });
        }
        if !self.install(managed, triple) {
            return self.try_later(managed, None);
        }
        (managed.failures, managed.wait_until) = (0, None);
        match &managed.held {
            // Where clocks differ by more than the lifetime, waiting keeps the CA's limits.
            Some(held) => {
                let due = held.due_at();
                match due > self.clock.now() {
                    true => due,
                    false => self.try_later(managed, None),
                }
            }
            None => self.try_later(managed, None),
        }
    }

    /// Puts a certificate in service; `false` if it is refused.
    fn install(&self, managed: &mut Managed, triple: &Triple) -> bool {
        let candidate = match Candidate::from_triple(triple) {
            Ok(candidate) => candidate,
            Err(error) => {
                managed.held = None;
                self.tell(Event::SourceFailed { error });
                return false;
            }
        };
        let (from, until) = (candidate.not_before(), candidate.not_after());
        let identifiers = managed.spec.identifiers();
        let wanted: BTreeSet<String> = identifiers.iter().map(ToString::to_string).collect();
        let held = Held {
            fingerprint: candidate.fingerprint(),
            from,
            until,
            issuer: triple.metadata().issuer().to_owned(),
            ari_id: triple.metadata().ari_id().map(Into::into),
            covers_all: wanted.iter().all(|name| candidate.covers(name)),
            is_same_set: candidate.names().collect::<BTreeSet<_>>() == wanted,
            is_early: false,
        };
        // What is refused is told by the certificates.
        let installed = self
            .certificates
            .install(managed.spec.id(), candidate, &managed.policy);
        let is_early = matches!(installed, Err(Refusal::NotYetValid { .. }));
        managed.held = Some(Held { is_early, ..held });
        installed.is_ok()
    }

    pub(super) fn failed(
        &self,
        managed: &mut Managed,
        error: Error,
        began: Duration,
    ) -> SystemTime {
        if error.kind() == ErrorKind::Busy {
            // Another instance is at it: its certificate will be in the store.
            let wait = error
                .retry_after()
                .unwrap_or(BUSY_WAIT)
                .min(MAX_MANAGER_SLEEP);
            let at = self.clock.now() + wait;
            managed.wait_until = Some(at);
            return at;
        }
        let at = self.try_later(managed, error.retry_after());
        self.tell(Event::IssuanceFailed {
            id: managed.spec.id().into(),
            error,
            failures: managed.failures,
            retry_at: at,
            took: self.since(began),
        });
        at
    }

    fn try_later(&self, managed: &mut Managed, asked: Option<Duration>) -> SystemTime {
        managed.failures = managed.failures.saturating_add(1);
        let longest = managed.longest_wait.max(asked.unwrap_or_default());
        let wait = renewal::retry_after(managed.failures, asked).min(longest);
        let at = self.clock.now() + wait;
        managed.wait_until = Some(at);
        at
    }

    fn since(&self, began: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(began)
    }

    /// Whether somebody reads what the metrics are told.
    pub(super) fn has_metrics(&self) -> bool {
        #[cfg(feature = "metrics")]
        return self.metrics.is_some();
        #[cfg(not(feature = "metrics"))]
        false
    }

    /// Says to the metrics when the next renewal is due.
    pub(super) fn tell_next(&self, due: Option<SystemTime>) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            metrics.set_next_renewal(due);
        }
        #[cfg(not(feature = "metrics"))]
        let _unused = due;
    }

    pub(super) fn tell(&self, event: Event) {
        self.certificates.events().tell(event);
    }
}
