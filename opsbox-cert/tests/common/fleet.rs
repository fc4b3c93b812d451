//! Several managers over one store, and what each of them orders.

#![allow(clippy::unwrap_used, reason = "a helper that fails must fail the test")]
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::{CertRequest, Issuer, LocalCa, LocalCaOptions, Step};
use opsbox_cert::manager::Manager;
use opsbox_cert::observe::Event;
use opsbox_cert::store::{MemoryStore, Store, Triple};
use opsbox_cert::{CertSpec, Clock, Error, ErrorKind, ManualClock, Result};
use rustls::crypto::CryptoProvider;

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn spec(name: &str) -> CertSpec {
    CertSpec::new([name.parse().unwrap()]).unwrap()
}

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}.test")).collect()
}

/// Time that goes with tokio's, so that it stands still where that is paused and nothing waits.
#[derive(Debug)]
pub(crate) struct TokioClock(SystemTime, tokio::time::Instant);

impl TokioClock {
    pub(crate) fn new(now: SystemTime) -> Self {
        Self(now, tokio::time::Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.0 + self.1.elapsed()
    }

    fn monotonic(&self) -> Duration {
        self.1.elapsed()
    }
}

/// What is refused, as a CA refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    Nothing,
    /// It cannot validate the names.
    Names,
    /// It has no time.
    Orders,
}

/// The names, and what it replaces.
type Ordered = (String, Option<String>);

/// A CA that counts by itself, over one that issues.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    ca: Arc<LocalCa>,
    name: String,
    orders: Arc<Mutex<Vec<Ordered>>>,
    refuses: Arc<Mutex<Refuses>>,
}

impl Counted {
    pub(crate) fn orders(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    /// How often each was ordered.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (name, _) in &*self.orders.lock().unwrap() {
            *counts.entry(name.clone()).or_default() += 1;
        }
        counts
    }

    /// What the orders said that they replace.
    pub(crate) fn replaced(&self) -> Vec<Option<String>> {
        let orders = self.orders.lock().unwrap();
        orders
            .iter()
            .map(|(_, replaces)| replaces.clone())
            .collect()
    }

    pub(crate) fn refuse(&self, what: Refuses) {
        *self.refuses.lock().unwrap() = what;
    }

    /// Another account of the same CA, which counts for itself.
    pub(crate) fn beside(&self) -> Self {
        Self {
            orders: Arc::default(),
            refuses: Arc::new(Mutex::new(Refuses::Nothing)),
            ..self.clone()
        }
    }
}

#[async_trait]
impl Issuer for Counted {
    fn name(&self) -> &str {
        &self.name
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        let ordered = (request.to_string(), request.replaced().map(String::from));
        self.orders.lock().unwrap().push(ordered);
        let refuses = *self.refuses.lock().unwrap();
        let (step, reason) = match refuses {
            Refuses::Nothing => return self.ca.issue(request).await,
            Refuses::Names => (Step::Validate, "nobody answers at the name; repair it"),
            Refuses::Orders => (Step::Order, "it is closed; come again"),
        };
        let kind = ErrorKind::Refused;
        Err(Error::issuance(kind, step, &self.name, request, reason))
    }
}

/// A store, a clock, and the CAs and managers over them.
pub(crate) struct Fleet {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<dyn Clock>,
    ca: Arc<LocalCa>,
}

/// A manager, and what can be seen of it.
pub(crate) struct Instance {
    pub(crate) manager: Manager,
    pub(crate) certificates: Certificates,
    pub(crate) ca: Counted,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Fleet {
    pub(crate) async fn new(clock: Arc<dyn Clock>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let options = LocalCaOptions::new()
            .leaf_validity(DAY * 90)
            .clock(clock.clone());
        let ca = LocalCa::open_with("test", store.clone(), provider(), options).await;
        let ca = Arc::new(ca.unwrap());
        Self { store, clock, ca }
    }

    /// A CA of this name.
    pub(crate) fn ca(&self, name: &str) -> Counted {
        Counted {
            ca: self.ca.clone(),
            name: name.into(),
            orders: Arc::default(),
            refuses: Arc::new(Mutex::new(Refuses::Nothing)),
        }
    }

    /// One with a CA whose orders are counted for it alone.
    pub(crate) fn instance(&self, names: &[String]) -> Instance {
        self.instance_over(self.store.clone(), names, |manager| manager)
    }

    pub(crate) fn instance_over(
        &self,
        store: Arc<dyn Store>,
        names: &[String],
        with: impl FnOnce(Manager) -> Manager,
    ) -> Instance {
        let ca = self.ca(self.ca.name());
        let certificates = Certificates::with_clock(self.clock.clone());
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        certificates
            .events()
            .hook(move |event| seen.lock().unwrap().push(event.clone()));
        let manager = Manager::new(store, certificates.clone(), provider())
            .clock(self.clock.clone())
            .issuer("test", ca.clone());
        let manager = names.iter().fold(with(manager), |manager, name| {
            manager.certificate(spec(name)).unwrap()
        });
        Instance {
            manager,
            certificates,
            ca,
            events,
        }
    }
}

impl Instance {
    /// The events of this kind since the last call, which forgets the others too.
    pub(crate) fn told(&self, label: &str) -> Vec<Event> {
        let mut events = std::mem::take(&mut *self.events.lock().unwrap());
        events.retain(|event| event.label() == label);
        events
    }

    /// Does what is due now and in the next minute; when there is more to do.
    pub(crate) async fn settle(&mut self, clock: &ManualClock) -> SystemTime {
        loop {
            let next = self.manager.pass().await;
            let wait = next.duration_since(clock.now()).unwrap_or_default();
            if wait > Duration::from_secs(60) {
                return next;
            }
            clock.advance(wait.max(Duration::from_millis(1)));
        }
    }

    pub(crate) fn serves_all(&self, names: &[String]) -> bool {
        names
            .iter()
            .all(|name| self.certificates.in_service(name).is_some())
    }
}
