//! Keeps certificates renewed: a loop around the [planner](crate::plan), which does what is due, some at once, and
//! sleeps until the next moment.
//!
//! ```text
//!              ┌────────────── load ◀── Store ◀── other instances
//!              ▼
//!  CertSpec ─▶ Planner ──nothing──▶ sleep until the next moment
//!              │ due, and within the limits of the CA
//!              ▼
//!       lock ──▶ Issuer ──▶ Store ──▶ Certificates, which rustls asks      each step an observe::Event
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
//! Instances that share a store share certificates: each looks into the store before it orders, under the lock of the
//! certificate, and takes what another has put there. The limits of each CA are counted in the store, for all of them.
//! With [`Manager::share_work`] each plans its part of the certificates, and takes over those of an instance that is
//! gone. Each says every minute that it is there, whatever else it does; one that could not for three minutes is taken
//! for gone.
//!
//! # What the store is asked
//!
//! All certificates are loaded at the start, before any is ordered, and again every ten minutes: some hundred at a
//! time, beside the loop, which goes on with orders and changes meanwhile. One that the store could not give is asked
//! for again after a minute, and not ordered before.
//!
//! # Limits of the CA
//!
//! Those of Let's Encrypt are known; of others they are given by [`Manager::limits`]. What does not fit waits, and the most
//! urgent goes first. Where several CAs are asked in turn, each is asked within its own limits: one that has no room is
//! left out, but the first, which is waited for. An [`IssuerChain`](crate::issuer::IssuerChain) that is given as
//! one issuer is one to the limits. A CA that has ARI (RFC 9773) is asked when each certificate is to be renewed.
//!
//! What is counted is what is sent: an order when it is placed, with those [on demand](OnDemand), and an account when
//! it is opened. An order whose certificate could not be fetched is gone on with, and costs nothing more, until the CA
//! says that it is invalid or gone.
//!
//! # Restarts
//!
//! How often a certificate failed and until when it waits, its window and when the CA wants to be asked again, and how
//! often a CA could not be reached are in the store, too: who is restarted, or killed in the middle of an
//! order, tries no more often than one that goes on, and an instance does not try what another has just seen fail.
//!
//! # On demand
//!
//! With [`Manager::on_demand`] a name that nobody configured gets its certificate at its first handshake, if
//! an ask function allows it: see [`OnDemand`].
//!
//! # What fails
//!
//! A certificate in service stays in service until a better one is there. Failures of one certificate do
//! not hold up the others; it is tried again after the times of [`renewal::retry_after`](crate::renewal::retry_after), and a
//! sixteenth of the lifetime of what is there if that is less. A CA that cannot be reached is asked for one certificate
//! at a time.

mod ari;
mod claim;
mod handle;
mod issue;
mod members;
mod on_demand;
mod outcome;
mod progress;
mod reload;
mod reserved;
mod run;
mod schedule;
mod task;
mod told;
mod wishes;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use tokio::sync::mpsc;

use self::handle::Command;
pub use self::handle::ManagerHandle;
use self::on_demand::Inner;
pub use self::on_demand::{Denial, OnDemand, OnDemandOptions};
use self::reserved::{Ids, Reserved};
use self::schedule::{Schedule, Setup};
use self::worker::{Managed, Worker};
use crate::budget::Limits;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::install::Certificates;
use crate::inventory::CertSpec;
use crate::issuer::Issuer;
use crate::limits::{ISSUE_TIME_LIMIT, MEMBER_TIME, MIN_MEMBER_TIME};
use crate::plan::Policy;
use crate::store::Store;

/// Keeps certificates renewed; see the [module](self).
pub struct Manager {
    worker: Worker,
    managed: Vec<Managed>,
    setup: Setup,
    /// Once it has begun.
    schedule: Option<Schedule>,
    reserved: Reserved,
    ids: Ids,
    on_demand: Option<Arc<Inner>>,
    tell: mpsc::UnboundedSender<Command>,
    told: mpsc::UnboundedReceiver<Command>,
}

impl Manager {
    /// Manages nothing yet.
    pub fn new(
        store: Arc<dyn Store>,
        certificates: Certificates,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            tell,
            told,
            setup: Setup {
                policy: None,
                seed: 0,
                limits: HashMap::new(),
                shares_work: false,
                member_time: MEMBER_TIME,
                books: None,
            },
            schedule: None,
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
            reserved: Reserved::default(),
            ids: Ids::default(),
            on_demand: None,
        }
    }

    /// The same with one more issuer. Certificates that name none are asked of all, in this order.
    #[must_use]
    pub fn issuer(mut self, name: impl Into<String>, issuer: impl Issuer + 'static) -> Self {
        self.worker.issuers.push((name.into(), Arc::new(issuer)));
        self.setup.books = None;
        self
    }

    /// The same with one more certificate.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if its id cannot be the name of a record, another certificate has
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
        if self.ids.lock().contains(spec.id()) {
            return refuse("another certificate has this id; give one of them another".into());
        }
        let id = spec.id().to_owned();
        let managed = Managed::new(spec)?;
        self.ids.lock().insert(id);
        self.reserved.change(&[], &managed.names());
        self.managed.push(managed);
        Ok(self)
    }

    /// The same with another policy of who is first, when, and how many at once. Without one it is the default,
    /// which spreads the renewals if there are [`SPREAD_FROM`](crate::limits::SPREAD_FROM) certificates or more.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.setup.policy = Some(policy);
        self
    }

    /// The same with another seed of the moments that are chosen. All instances have to have the same one.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// The same with the limits of the issuer of this name, in place of those that are known of it: those of
    /// Let's Encrypt. They are counted in the store, for all instances.
    #[must_use]
    pub fn limits(mut self, issuer: impl Into<String>, limits: Limits) -> Self {
        self.setup.limits.insert(issuer.into(), limits);
        self.setup.books = None;
        self
    }

    /// The same as one of several instances, each of which renews a part of the certificates. They see each
    /// other in the store, and need the same certificates.
    #[must_use]
    pub fn share_work(mut self) -> Self {
        self.setup.shares_work = true;
        self
    }

    /// After which time of silence another instance is taken for gone, and its part is shared out, in place of
    /// [`MEMBER_TIME`]; three seconds at least. All instances need the same one, and it has to be
    /// more than their clocks differ by.
    #[must_use]
    pub fn member_time(mut self, time: Duration) -> Self {
        self.setup.member_time = time.max(MIN_MEMBER_TIME);
        self
    }

    /// What adds and removes certificates while the manager runs. Call it after the issuers are given.
    pub fn handle(&self) -> ManagerHandle {
        let issuers = self.worker.issuers.iter().map(|(name, _)| name.clone());
        ManagerHandle::new(self.tell.clone(), issuers.collect(), self.ids.clone())
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

    /// Gets certificates on demand too, with what was set so far: call it last. What the options say of
    /// limits is for the [`OnDemand`] that is given back, and the manager renews what it got.
    ///
    /// The names of the certificates of this manager are not asked about.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no issuer, or it is called twice.
    pub fn on_demand(mut self, options: OnDemandOptions) -> Result<(Self, OnDemand)> {
        let refuse = |why: &str| {
            Err(Error::from(Reason::Spec {
                id: "on demand".into(),
                why: why.into(),
            }))
        };
        if self.worker.issuers.is_empty() {
            return refuse("there is no issuer; add one before");
        }
        if self.on_demand.is_some() {
            return refuse("it is done already; let one ask function decide");
        }
        let books = claim::books(&self.worker.store, &self.worker.issuers, &self.setup.limits)?;
        self.setup.books = Some(books.clone());
        let reserved = self.reserved.clone();
        let on_demand = OnDemand::new(self.worker.clone(), options, reserved, books)?;
        self.on_demand = Some(on_demand.inner());
        Ok((self, on_demand))
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.managed.iter().map(|it| it.spec.id());
        let planned = self.schedule.iter().flat_map(Schedule::ids);
        let ids = ids.chain(planned);
        f.debug_struct("Manager")
            .field("store", &self.worker.store)
            .field("certificates", &ids.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
