//! A CA in virtual time, a store, and managers over them, of which all that they send is seen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::budget::Limits;
use opsbox_cert::challenge::Http01;
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::{
    AcmeIssuer, CertRequest, Issuer, OrderStage, Permits, RenewalInfo, Unlimited,
};
use opsbox_cert::manager::Manager;
use opsbox_cert::plan::Policy;
use opsbox_cert::store::{MemoryStore, Store, Triple};
use opsbox_cert::testing::ca::{
    Attempt, CaLimits, CaOptions, Failed, FailedKind, Faults, TestCa, Validator,
};
use opsbox_cert::{CertSpec, Clock as _, Error, ManualClock, Result};

use crate::pebble::provider;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The moments in the life of an order at which a test may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    NewOrder,
    Placed,
    Resumed,
    Finalize,
    /// Before it is kept why it is over, and after that.
    Over,
    OverKept,
    /// The call is over.
    Ended,
}

type Hook = Arc<dyn Fn(Moment) + Send + Sync>;

/// An issuer whose moments a test sees, and what was asked of it and when.
#[derive(Clone)]
pub(crate) struct Seen {
    issuer: AcmeIssuer,
    clock: Arc<ManualClock>,
    hook: Hook,
    pub(crate) log: Log,
}

/// Seconds since the start, what, and of which certificate.
pub(crate) type Log = Arc<Mutex<Vec<(u64, &'static str, String)>>>;

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.issuer.fmt(f)
    }
}

impl Seen {
    fn note(&self, what: &'static str, whom: &str) {
        let since = self.clock.now().duration_since(start()).unwrap();
        let entry = (since.as_secs(), what, whom.to_owned());
        self.log.lock().unwrap().push(entry);
    }
}

#[async_trait]
impl Issuer for Seen {
    fn name(&self) -> &str {
        self.issuer.name()
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.issue_within(request, &Unlimited).await
    }

    async fn issue_within(&self, request: &CertRequest, permits: &dyn Permits) -> Result<Triple> {
        let names = request.to_string();
        self.note("try", &names);
        let seen = SeenPermits {
            seen: self,
            permits,
            names: &names,
        };
        let done = self.issuer.issue_within(request, &seen).await;
        (self.hook)(Moment::Ended);
        // Whoever stops the work at this moment does it here.
        tokio::task::yield_now().await;
        done
    }

    async fn confirm(&self, request: &CertRequest) -> Result<()> {
        self.issuer.confirm(request).await
    }

    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>> {
        self.note("poll", ari_id);
        self.issuer.renewal_info(ari_id).await
    }
}

#[derive(Debug)]
struct SeenPermits<'a> {
    seen: &'a Seen,
    permits: &'a dyn Permits,
    names: &'a str,
}

#[async_trait]
impl Permits for SeenPermits<'_> {
    async fn new_account(&self) -> Result<()> {
        self.permits.new_account().await
    }

    async fn new_order(&self, before: Option<Error>) -> Result<()> {
        self.permits.new_order(before).await?;
        self.seen.note("order", self.names);
        (self.seen.hook)(Moment::NewOrder);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn finalize(&self) -> Result<()> {
        self.permits.finalize().await?;
        (self.seen.hook)(Moment::Finalize);
        tokio::task::yield_now().await;
        Ok(())
    }

    fn reached(&self, stage: OrderStage) {
        self.permits.reached(stage);
        match stage {
            OrderStage::Placed => (self.seen.hook)(Moment::Placed),
            OrderStage::Resumed => (self.seen.hook)(Moment::Resumed),
            _ => {}
        }
    }

    async fn over(&self, why: Option<&Error>) {
        (self.seen.hook)(Moment::Over);
        tokio::task::yield_now().await;
        self.permits.over(why).await;
        (self.seen.hook)(Moment::OverKept);
        tokio::task::yield_now().await;
    }
}

/// Finds nothing at the names that are broken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken(Arc<Mutex<BTreeSet<String>>>);

impl Broken {
    pub(crate) fn set(&self, names: impl IntoIterator<Item = String>) {
        *self.0.lock().unwrap() = names.into_iter().collect();
    }
}

#[async_trait]
impl Validator for Broken {
    async fn validate(&self, attempt: &Attempt) -> std::result::Result<(), Failed> {
        match self
            .0
            .lock()
            .unwrap()
            .contains(&attempt.identifier().to_string())
        {
            true => Err(Failed::new(FailedKind::Connection, "nobody answers there")),
            false => Ok(()),
        }
    }
}

pub(crate) struct World {
    pub(crate) ca: Arc<TestCa>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broken: Broken,
    pub(crate) log: Log,
}

impl World {
    pub(crate) async fn new(options: CaOptions) -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let broken = Broken::default();
        // No bucket of requests fills while the clock stands still.
        let limits = CaLimits::lets_encrypt().without_request_limits();
        let ca = TestCa::builder(provider())
            .options(options.limits(limits))
            .clock(clock.clone())
            .validator(broken.clone())
            .start()
            .await
            .unwrap();
        let store = Arc::new(MemoryStore::with_clock(clock.clone()));
        Self {
            ca: Arc::new(ca),
            clock,
            store,
            broken,
            log: Log::default(),
        }
    }

    pub(crate) fn issuer(&self) -> AcmeIssuer {
        AcmeIssuer::builder(self.ca.directory_url(), self.store.clone(), provider())
            .root_pem(self.ca.tls_root_pem())
            .agree_to_terms()
            .solver(Http01::new(self.store.clone()))
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    pub(crate) fn seen(&self, hook: impl Fn(Moment) + Send + Sync + 'static) -> Seen {
        Seen {
            issuer: self.issuer(),
            clock: self.clock.clone(),
            hook: Arc::new(hook),
            log: self.log.clone(),
        }
    }

    /// A manager of these names, as a program makes it when it starts.
    pub(crate) fn manager(
        &self,
        issuer: Seen,
        limits: Limits,
        names: &[String],
    ) -> (Manager, Certificates) {
        let certificates = Certificates::with_clock(self.clock.clone());
        let manager = Manager::new(self.store.clone(), certificates.clone(), provider())
            .clock(self.clock.clone())
            .issuer("ca", issuer)
            .policy(Policy::default().spread(false))
            .seed(7)
            .limits("ca", limits);
        let manager = names.iter().fold(manager, |manager, name| {
            let spec = CertSpec::new([name.parse().unwrap()]).unwrap();
            manager.certificate(spec).unwrap()
        });
        (manager, certificates)
    }

    /// Sets the clock to the moment that a pass has asked for, or to the end.
    pub(crate) fn sleep_until(&self, next: SystemTime, end: SystemTime) {
        let now = self.clock.now();
        let wait = next.min(end).duration_since(now).unwrap_or_default();
        self.clock.advance(wait.max(Duration::from_millis(1)));
    }

    /// Passes until then, at the moments that the manager asks for.
    pub(crate) async fn run(&self, manager: &mut Manager, until: SystemTime) {
        while self.clock.now() < until {
            let next = manager.pass().await;
            self.sleep_until(next, until);
        }
    }

    pub(crate) fn noted(&self, what: &str) -> Vec<(u64, String)> {
        let log = self.log.lock().unwrap();
        let noted = log.iter().filter(|(_, it, _)| *it == what);
        noted.map(|(at, _, whom)| (*at, whom.clone())).collect()
    }

    pub(crate) fn no_faults(&self) {
        self.ca.set_faults(Faults::default());
    }
}

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("www.n{n}.example")).collect()
}
