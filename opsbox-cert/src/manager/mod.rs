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
//! certificate, and takes what another has put there. The limits of the first CA of a certificate are counted
//! in the store, for all of them; where it fails and another CA issues, that one's are not.
//! With [`Manager::share_work`] each plans its part of the certificates, and takes over those of an instance that is
//! gone.
//!
//! # Limits of the CA
//!
//! Those of Let's Encrypt are known; of others they are given by [`Manager::limits`]. What does not fit waits, and the most
//! urgent goes first. A CA that has ARI (RFC 9773) is asked when each certificate is to be renewed.
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

mod claim;
mod handle;
mod members;
mod on_demand;
mod outcome;
mod progress;
mod schedule;
mod task;
mod worker;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use tokio::sync::mpsc;

use self::handle::Command;
pub use self::handle::ManagerHandle;
pub use self::on_demand::{Denial, OnDemand, OnDemandOptions};
use self::on_demand::{Inner, Reserved};
use self::schedule::{Schedule, Setup};
use self::worker::{Managed, Worker};
use crate::budget::Limits;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::install::Certificates;
use crate::inventory::CertSpec;
use crate::issuer::Issuer;
use crate::limits::{ISSUE_TIME_LIMIT, MAX_MANAGER_SLEEP, MEMBER_TIME};
use crate::observe::Event;
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
    on_demand: Option<Arc<Inner>>,
    tell: mpsc::UnboundedSender<Command>,
    told: mpsc::UnboundedReceiver<Command>,
}

/// When the first certificate is renewed, of those that are given and those on demand.
#[derive(Default)]
struct Due(Mutex<[Option<SystemTime>; 2]>);

impl Due {
    fn tell(&self, worker: &Worker, place: usize, due: Option<SystemTime>) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = both.get_mut(place) {
            *one = due;
        }
        worker.tell_next(both.iter().flatten().min().copied());
    }
}

/// The least that it sleeps: no moment of the planner is finer.
const LEAST_SLEEP: Duration = Duration::from_millis(5);

/// How long it sleeps where something became due while it looked.
const OVERDUE: Duration = Duration::from_secs(1);

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
            reserved: Arc::new(RwLock::new(HashSet::new())),
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
        self.setup.member_time = time.max(Duration::from_secs(3));
        self
    }

    /// What adds and removes certificates while the manager runs. Call it after the issuers are given.
    pub fn handle(&self) -> ManagerHandle {
        let issuers = self.worker.issuers.iter().map(|(name, _)| name.clone());
        ManagerHandle::new(self.tell.clone(), issuers.collect())
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

    /// Renews certificates when they are due, until `shutdown` is ready.
    ///
    /// An issuance that is under way then is left, to be gone on with at the next start.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let due = Due::default();
        let (on_demand, worker) = (self.on_demand.clone(), self.worker.clone());
        {
            let mut given = pin!(self.keep(&due));
            let mut demanded = pin!(keep_on_demand(&worker, on_demand.as_deref(), &due));
            let mut shutdown = pin!(shutdown);
            poll_fn(|context| {
                if shutdown.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let (Poll::Pending, Poll::Pending) = (
                    given.as_mut().poll(context),
                    demanded.as_mut().poll(context),
                ) else {
                    return Poll::Ready(());
                };
                Poll::Pending
            })
            .await;
        }
        if let Some(schedule) = self.schedule {
            schedule.stop().await;
        }
    }

    /// The loop around the planner.
    async fn keep(&mut self, due: &Due) {
        let mut look_at = Duration::ZERO;
        let clock = self.worker.clock.clone();
        loop {
            while let Ok(command) = self.told.try_recv() {
                self.obey(command);
                look_at = Duration::ZERO;
            }
            self.begin();
            let Self {
                schedule: Some(schedule),
                told,
                setup,
                ..
            } = &mut *self
            else {
                tokio::time::sleep(MAX_MANAGER_SLEEP).await;
                continue;
            };
            // Clocks are set, machines sleep, and other instances store certificates.
            if look_at <= clock.monotonic() {
                schedule.reload().await;
                look_at = clock.monotonic() + MAX_MANAGER_SLEEP;
                due.tell(&schedule.worker, 0, schedule.due_at());
                schedule.tell_headroom();
            }
            schedule.meet().await;
            schedule.start_due();
            let now = clock.now();
            let wake = schedule.wake_at(now);
            // What became due in between is not far away.
            let wake = wake.map(|at| at.duration_since(now).unwrap_or(OVERDUE));
            let wait = wake.unwrap_or(MAX_MANAGER_SLEEP);
            let wait = wait.min(look_at.saturating_sub(clock.monotonic()));
            let wait = match setup.shares_work {
                true => wait.min(members::write_every(setup.member_time)),
                false => wait,
            };
            let command = tokio::select! {
                Some(ended) = schedule.ended(), if schedule.is_working() => {
                    schedule.finish(ended);
                    due.tell(&schedule.worker, 0, schedule.due_at());
                    schedule.tell_headroom();
                    None
                }
                command = told.recv() => command,
                () = tokio::time::sleep(wait.max(LEAST_SLEEP)) => None,
            };
            if let Some(command) = command {
                self.obey(command);
                look_at = Duration::ZERO;
            }
        }
    }

    /// The schedule, made of what was given until now.
    fn begin(&mut self) -> Option<&mut Schedule> {
        if self.schedule.is_none() {
            let managed = std::mem::take(&mut self.managed);
            match Schedule::new(self.worker.clone(), managed, &self.setup) {
                Ok(schedule) => self.schedule = Some(schedule),
                Err(error) => self.worker.tell(Event::SourceFailed { error }),
            }
        }
        self.schedule.as_mut()
    }

    fn obey(&mut self, command: Command) {
        let Some(schedule) = self.begin() else {
            return;
        };
        match command {
            Command::Set(managed) => schedule.add(*managed),
            Command::Remove(id) => {
                if schedule.forget(&id) {
                    schedule.worker.certificates.remove(&id);
                }
            }
            Command::Renew(id) => schedule.renew(&id),
            Command::Revoked(id) => schedule.revoked(&id),
        }
        let names = schedule.names().cloned().collect();
        *self
            .reserved
            .write()
            .unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Looks into the store once, does all that is due, and says when the next moment is.
    pub async fn pass(&mut self) -> SystemTime {
        while let Ok(command) = self.told.try_recv() {
            self.obey(command);
        }
        let clock = self.worker.clock.clone();
        let (mut looks, mut due) = (Vec::new(), None);
        if let Some(schedule) = self.begin() {
            schedule.reload().await;
            schedule.meet().await;
            loop {
                schedule.start_due();
                let Some(ended) = schedule.ended().await else {
                    break;
                };
                schedule.finish(ended);
            }
            looks.extend(schedule.wake_at(schedule.worker.clock.now()));
            due = schedule.due_at();
            schedule.tell_headroom();
        }
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
        next.unwrap_or_else(|| clock.now() + MAX_MANAGER_SLEEP)
    }
}

/// The loop that renews what was issued on demand.
async fn keep_on_demand(worker: &Worker, on_demand: Option<&Inner>, due: &Due) {
    let Some(on_demand) = on_demand else {
        return std::future::pending().await;
    };
    loop {
        let (mut looks, mut first) = (Vec::new(), None);
        for entry in on_demand.all() {
            if let Some(next) = on_demand.look(&entry).await {
                looks.push(next.look_at);
                first = first.into_iter().chain(next.due_at).min();
            }
        }
        due.tell(worker, 1, first);
        let next = looks.into_iter().min();
        let wait = next.map_or(MAX_MANAGER_SLEEP, |next| {
            next.duration_since(worker.clock.now()).unwrap_or_default()
        });
        // Clocks are set and machines sleep: what is far away is looked at again in between.
        on_demand
            .sleep(wait.clamp(Duration::from_secs(1), MAX_MANAGER_SLEEP))
            .await;
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
