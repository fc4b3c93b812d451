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
//! # On demand
//!
//! With [`Manager::on_demand`] a name that nobody configured gets its certificate at its first handshake, if
//! an ask function allows it: see [`OnDemand`].
//!
//! # What fails
//!
//! A certificate in service stays in service until a better one is there. Failures of one certificate do
//! not hold up the others; it is tried again after the times of [`renewal::retry_after`](crate::renewal::retry_after).

mod on_demand;
mod worker;

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;

pub use self::on_demand::{Denial, OnDemand, OnDemandOptions};
use self::on_demand::{Inner, Reserved};
use self::worker::{Held, Managed, Worker};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::install::Certificates;
use crate::inventory::CertSpec;
use crate::issuer::Issuer;
use crate::limits::{ISSUE_TIME_LIMIT, MAX_MANAGER_SLEEP};
use crate::store::Store;

/// Keeps certificates renewed; see the [module](self).
pub struct Manager {
    worker: Worker,
    managed: Vec<Managed>,
    reserved: Reserved,
    on_demand: Option<Arc<Inner>>,
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
            reserved: Arc::new(RwLock::new(HashSet::new())),
            on_demand: None,
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
        if self.managed.iter().any(|it| it.spec.id() == spec.id()) {
            return refuse("another certificate has this id; give one of them another".into());
        }
        let managed = Managed::new(spec)?;
        let names = managed.spec.identifiers().iter().map(ToString::to_string);
        self.reserved
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(names.chain([managed.spec.id().to_owned()]));
        self.managed.push(managed);
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
        let on_demand = OnDemand::new(self.worker.clone(), options, self.reserved.clone())?;
        self.on_demand = Some(on_demand.inner());
        Ok((self, on_demand))
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
                match &self.on_demand {
                    Some(on_demand) => on_demand.sleep(wait).await,
                    None => tokio::time::sleep(wait).await,
                }
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
        let mut looks = Vec::with_capacity(self.managed.len());
        for managed in &mut self.managed {
            looks.push(self.worker.look(managed).await);
        }
        // What is tried again is overdue still.
        let held = self.managed.iter().filter_map(|it| it.held.as_ref());
        let mut due = held.map(Held::due_at).min();
        if let Some(on_demand) = &self.on_demand {
            for entry in on_demand.all() {
                if let Some(next) = on_demand.look(&entry).await {
                    looks.push(next.look_at);
                    due = due.into_iter().chain(next.due_at).min();
                }
            }
        }
        self.worker.tell_next(due);
        let next = looks.into_iter().min();
        next.unwrap_or_else(|| self.worker.clock.now() + MAX_MANAGER_SLEEP)
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
