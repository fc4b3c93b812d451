//! Keeps certificates renewed: a loop that looks at each, one after the other, and sleeps until the next
//! is due.
//!
//! ```text
//!            ┌────────────── load ◀── Store ◀── other instances
//!            ▼
//!  CertSpec ─▶ due? ──no──▶ sleep until the next is due
//!            │ yes
//!            ▼
//!       Issuer ──▶ Store ──▶ Certificates, which rustls asks      each step an observe::Event
//! ```
//!
//! ```
//! # #[cfg(feature = "local-ca")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsbox_cert::Result<()> {
//! use std::sync::Arc;
//! use opsbox_cert::{CertSpec, install::Certificates, issuer::LocalCa, manager::Manager};
//! use opsbox_cert::store::MemoryStore;
//!
//! # let provider = Arc::new(rustls::crypto::ring::default_provider());
//! let store = Arc::new(MemoryStore::new());
//! let ca = LocalCa::open("internal", store.clone(), provider.clone()).await?;
//! let certificates = Certificates::new();
//!
//! let mut manager = Manager::new(store, certificates.clone(), provider)
//!     .issuer("internal", ca)
//!     .certificate(CertSpec::new(["db.internal".parse()?])?)?;
//! certificates.events().hook(|event| eprintln!("{event}"));
//! let next = manager.pass().await;
//! assert!(certificates.in_service("db.internal").is_some());
//!
//! // In a service: tokio::spawn(manager.run(shutdown));
//! # drop(next);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "local-ca"))]
//! # fn main() {}
//! ```
//!
//! # Several instances
//!
//! Instances that share a store share certificates: each looks into the store before it orders, and takes
//! what another has put there. What keeps two of them from ordering at once is the issuer's lock.
//!
//! # What fails
//!
//! A certificate in service stays in service until a better one is there. Failures of one certificate do
//! not hold up the others; it is tried again after the times of [`renewal::retry_after`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Reason, Result};
use crate::install::{Candidate, Certificates, Policy};
use crate::inventory::CertSpec;
use crate::issuer::{Issuer, IssuerChain};
use crate::limits::{ISSUE_TIME_LIMIT, MAX_MANAGER_SLEEP};
use crate::observe::Event;
use crate::renewal;
use crate::store::{Name, Store, Triple, Version};

/// How long to leave a certificate to another instance, if it does not say so.
const BUSY_WAIT: Duration = Duration::from_secs(30);

/// How long to wait for a store that cannot be read.
const STORE_WAIT: Duration = Duration::from_secs(60);

/// Keeps certificates renewed; see the [module](self).
pub struct Manager {
    worker: Worker,
    managed: Vec<Managed>,
}

/// What all certificates share.
struct Worker {
    store: Arc<dyn Store>,
    certificates: Certificates,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    issuers: Vec<(String, Arc<dyn Issuer>)>,
    time_limit: Duration,
    #[cfg(feature = "metrics")]
    metrics: Option<crate::observe::Metrics>,
}

/// A certificate and where it stands.
struct Managed {
    spec: CertSpec,
    name: Name,
    policy: Policy,
    /// What of the store was looked at last.
    seen: Option<Version>,
    held: Option<Held>,
    failures: u32,
    /// When it may be tried again after failures.
    wait_until: Option<SystemTime>,
}

/// What is known of the certificate in the store.
#[derive(Clone)]
struct Held {
    from: SystemTime,
    until: SystemTime,
    issuer: String,
    ari_id: Option<String>,
    covers_all: bool,
}

impl Manager {
    /// Manages nothing yet.
    pub fn new(
        store: Arc<dyn Store>,
        certificates: Certificates,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            worker: Worker {
                store,
                certificates,
                provider,
                clock: Arc::new(SystemClock),
                issuers: Vec::new(),
                time_limit: ISSUE_TIME_LIMIT,
                #[cfg(feature = "metrics")]
                metrics: None,
            },
            managed: Vec::new(),
        }
    }

    /// The same with one more issuer. Certificates that name none are asked of all, in this order.
    #[must_use]
    pub fn issuer(mut self, name: impl Into<String>, issuer: impl Issuer + 'static) -> Self {
        self.worker.issuers.push((name.into(), Arc::new(issuer)));
        self
    }

    /// The same with one more certificate.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if its id cannot be the name of a record, another certificate has
    /// it, or it names an issuer that is not there yet.
    pub fn certificate(mut self, spec: CertSpec) -> Result<Self> {
        let refuse = |why: String| {
            Err(Error::from(Reason::Spec {
                id: spec.id().to_owned(),
                why,
            }))
        };
        let unknown = |name: &&String| !self.worker.issuers.iter().any(|(known, _)| known == *name);
        if let Some(name) = spec.issuer_names().iter().find(unknown) {
            return refuse(format!(
                "no issuer is named `{name}`; add it before the certificate"
            ));
        }
        if self.worker.issuers.is_empty() {
            return refuse("there is no issuer; add one before the certificate".into());
        }
        if self.managed.iter().any(|it| it.spec.id() == spec.id()) {
            return refuse("another certificate has this id; give one of them another".into());
        }
        let name = Name::certificate(spec.id())?;
        let required = spec.identifiers().iter().map(ToString::to_string);
        // The spec says what there should be: a CA with shorter lifetimes and names that were given up
        // are its decisions.
        let policy = Policy::new()
            .require(required)
            .allow_earlier_end(true)
            .allow_lost_names(true);
        self.managed.push(Managed {
            spec,
            name,
            policy,
            seen: None,
            held: None,
            failures: 0,
            wait_until: None,
        });
        Ok(self)
    }

    /// The same with another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.worker.clock = clock;
        self
    }

    /// The same with metrics that are told when the next renewal is due.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(mut self, metrics: crate::observe::Metrics) -> Self {
        self.worker.metrics = Some(metrics);
        self
    }

    /// How long one issuance may take: [`ISSUE_TIME_LIMIT`] unless it is said here. What was begun is
    /// gone on with later.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.worker.time_limit = limit;
        self
    }

    /// Looks at each certificate and renews those that are due, until `shutdown` is ready.
    ///
    /// An issuance that is under way then is left, to be gone on with at the next start.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let work = async {
            loop {
                let next = self.pass().await;
                let wait = next
                    .duration_since(self.worker.clock.now())
                    .unwrap_or_default();
                // Clocks are set and machines sleep: what is far away is looked at again in between.
                let wait = wait.clamp(Duration::from_secs(1), MAX_MANAGER_SLEEP);
                tokio::time::sleep(wait).await;
            }
        };
        let (mut work, mut shutdown) = (pin!(work), pin!(shutdown));
        poll_fn(|context| {
            if shutdown.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let work: Poll<()> = work.as_mut().poll(context);
            work
        })
        .await;
    }

    /// Looks at each certificate once; says when the next one is due or tried again.
    pub async fn pass(&mut self) -> SystemTime {
        let mut next = self.worker.clock.now() + MAX_MANAGER_SLEEP;
        for (at, managed) in self.managed.iter_mut().enumerate() {
            let due = self.worker.look(managed).await;
            next = if at == 0 { due } else { next.min(due) };
        }
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.worker.metrics {
            // What is tried again is overdue still.
            let held = self.managed.iter().filter_map(|it| it.held.as_ref());
            let due = held.map(|held| renewal::due_at(held.from, held.until));
            metrics.set_next_renewal(due.min());
        }
        next
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.managed.iter().map(|it| it.spec.id());
        f.debug_struct("Manager")
            .field("store", &self.worker.store)
            .field("certificates", &ids.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Loads a certificate, renews it if it is due, and says when to look again.
    async fn look(&self, managed: &mut Managed) -> SystemTime {
        let began = self.clock.monotonic();
        if let Err(error) = self.load(managed).await {
            // What cannot be stored is not ordered: it would be lost. No CA was asked, so this is no
            // failure to wait longer and longer after.
            self.tell(Event::SourceFailed { error });
            return self.clock.now() + STORE_WAIT;
        }
        let due = match &managed.held {
            Some(held) if held.covers_all => renewal::due_at(held.from, held.until),
            _ => self.clock.now(),
        };
        let due = managed.wait_until.map_or(due, |wait| wait.max(due));
        if due > self.clock.now() {
            return due;
        }
        match self.issue(managed).await {
            Ok(triple) => self.issued(managed, &triple, began),
            Err(error) => self.failed(managed, error, began),
        }
    }

    /// Takes what is in the store, if it is new.
    async fn load(&self, managed: &mut Managed) -> Result<()> {
        let stored = match self.store.load(&managed.name).await {
            Ok(stored) => stored,
            // Saving over it is what repairs it.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                managed.held = None;
                self.tell(Event::SourceFailed { error });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(stored) = stored else {
            (managed.seen, managed.held) = (None, None);
            return Ok(());
        };
        if managed.seen.as_ref() == Some(&stored.version) {
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

    async fn issue(&self, managed: &Managed) -> Result<Triple> {
        let names = managed.spec.issuer_names();
        let chosen = self
            .issuers
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(name));
        // In the order of the spec, if it has one.
        let mut chosen: Vec<_> = chosen.collect();
        chosen.sort_by_key(|(name, _)| names.iter().position(|it| it == name));
        let mut chosen = chosen.into_iter().map(|(_, issuer)| issuer.clone());
        let Some(first) = chosen.next() else {
            return Err(Error::from(Reason::Spec {
                id: managed.id(),
                why: "there is no issuer for it; add one".into(),
            }));
        };
        let mut request = managed.spec.request()?;
        // A CA knows its own certificates only.
        let own = managed
            .held
            .as_ref()
            .filter(|held| held.issuer == first.name());
        if let Some(ari_id) = own.and_then(|held| held.ari_id.clone()) {
            request = request.replaces(ari_id);
        }
        let issuer = chosen.fold(IssuerChain::new(first), IssuerChain::then);
        let issue = issuer.issue_into(&request, &self.store, &managed.name);
        match tokio::time::timeout(self.time_limit, issue).await {
            Ok(issued) => issued,
            Err(_) => Err(Error::from(Reason::TooSlow {
                id: managed.id(),
                limit: self.time_limit,
            })),
        }
    }

    fn issued(&self, managed: &mut Managed, triple: &Triple, began: Duration) -> SystemTime {
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
                let due = renewal::due_at(held.from, held.until);
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
        let identifiers = managed.spec.identifiers().iter();
        managed.held = Some(Held {
            from,
            until,
            issuer: triple.metadata().issuer().to_owned(),
            ari_id: triple.metadata().ari_id().map(Into::into),
            covers_all: identifiers.fold(true, |all, it| all & candidate.covers(&it.to_string())),
        });
        // What is refused is told by the certificates.
        let installed = self
            .certificates
            .install(managed.spec.id(), candidate, &managed.policy);
        installed.is_ok()
    }

    fn failed(&self, managed: &mut Managed, error: Error, began: Duration) -> SystemTime {
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
        let at = self.clock.now() + renewal::retry_after(managed.failures, asked);
        managed.wait_until = Some(at);
        at
    }

    fn since(&self, began: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(began)
    }

    fn tell(&self, event: Event) {
        self.certificates.events().tell(event);
    }
}

impl Managed {
    fn id(&self) -> String {
        self.spec.id().to_owned()
    }
}
