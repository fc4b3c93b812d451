//! The manager over its planner: several at once, changes while it runs, several instances, the limits and the
//! windows of a CA.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::{CertRequest, Issuer, LocalCa, LocalCaOptions, RenewalInfo, Step};
use opsbox_cert::manager::Manager;
use opsbox_cert::plan::{Band, Policy};
use opsbox_cert::store::{MemoryStore, Store, Triple};
use opsbox_cert::{CertSpec, Clock as _, Error, ErrorKind, ManualClock, Result};
use rustls::crypto::CryptoProvider;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn spec(name: &str) -> CertSpec {
    CertSpec::new([name.parse().unwrap()]).unwrap()
}

/// When, the names, and what it replaces.
type Ordered = (SystemTime, String, Option<String>);

/// A CA whose every answer is up to the test.
#[derive(Debug, Clone)]
struct Ca {
    ca: Arc<LocalCa>,
    clock: Arc<ManualClock>,
    /// How long an issuance takes.
    takes: Duration,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    orders: Arc<Mutex<Vec<Ordered>>>,
    windows: Arc<Mutex<HashMap<String, Answer>>>,
    polls: Arc<AtomicUsize>,
    away: Arc<AtomicUsize>,
}

/// What it says of a certificate, by its ARI id or for all of them.
#[derive(Debug, Clone)]
enum Answer {
    Share(u32, u32),
    Between(SystemTime, SystemTime),
    Malformed,
    Over,
}

impl Ca {
    async fn new(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>, lifetime: Duration) -> Self {
        let options = LocalCaOptions::new()
            .leaf_validity(lifetime)
            .clock(clock.clone());
        let ca = LocalCa::open_with("test", store.clone(), provider(), options)
            .await
            .unwrap();
        Self {
            ca: Arc::new(ca),
            clock: clock.clone(),
            takes: Duration::ZERO,
            at_once: Arc::default(),
            most_at_once: Arc::default(),
            orders: Arc::default(),
            windows: Arc::default(),
            polls: Arc::default(),
            away: Arc::default(),
        }
    }

    fn orders(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    fn answer(&self, answer: Answer) {
        self.windows.lock().unwrap().insert("all".into(), answer);
    }
}

#[async_trait]
impl Issuer for Ca {
    fn name(&self) -> &str {
        self.ca.name()
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let replaced = request.replaced().map(String::from);
        self.orders
            .lock()
            .unwrap()
            .push((self.clock.now(), request.to_string(), replaced));
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) > 0 {
            let reason = "nobody answers";
            return Err(Error::issuance(
                ErrorKind::Unavailable,
                Step::Order,
                "ca",
                request,
                reason,
            ));
        }
        self.ca.issue(request).await
    }

    async fn renewal_info(&self, ari_id: &str) -> Result<Option<RenewalInfo>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        let answers = self.windows.lock().unwrap();
        let Some(answer) = answers.get(ari_id).or_else(|| answers.get("all")) else {
            return Ok(None);
        };
        // As a CA does, by what it issued: all of these tests issue for one name at a time.
        let issued = self.orders.lock().unwrap().last().unwrap().0;
        match answer {
            Answer::Share(from, to) => {
                let (from, to) = (issued + HOUR * *from, issued + HOUR * *to);
                Ok(Some(RenewalInfo::new(from, to).with_retry_after(HOUR * 6)))
            }
            Answer::Between(from, to) => Ok(Some(RenewalInfo::new(*from, *to))),
            Answer::Over => {
                let now = self.clock.now();
                Ok(Some(RenewalInfo::new(now - HOUR, now - HOUR / 2)))
            }
            Answer::Malformed => {
                let reason = "the answer is no window";
                let object = ari_id.to_owned();
                Err(Error::issuance(
                    ErrorKind::Protocol,
                    Step::RenewalInfo,
                    "ca",
                    object,
                    reason,
                ))
            }
        }
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    ca: Ca,
}

impl World {
    async fn new(lifetime: Duration) -> Self {
        let clock = Arc::new(ManualClock::new(common::now()));
        let store = Arc::new(MemoryStore::new());
        let ca = Ca::new(&store, &clock, lifetime).await;
        Self { store, clock, ca }
    }

    fn manager(&self, names: &[&str]) -> (Manager, Certificates) {
        let certificates = Certificates::with_clock(self.clock.clone());
        let manager = Manager::new(self.store.clone(), certificates.clone(), provider())
            .clock(self.clock.clone())
            .issuer("test", self.ca.clone());
        let manager = names.iter().fold(manager, |manager, name| {
            manager.certificate(spec(name)).unwrap()
        });
        (manager, certificates)
    }

    /// Passes until then, at the moments that the manager asks for.
    async fn run(&self, manager: &mut Manager, until: SystemTime) {
        loop {
            let next = manager.pass().await;
            if next > until {
                break;
            }
            let wait = next.duration_since(self.clock.now()).unwrap_or_default();
            self.clock.advance(wait.max(Duration::from_millis(1)));
        }
        let left = until.duration_since(self.clock.now()).unwrap_or_default();
        self.clock.advance(left);
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}.test")).collect()
}

#[tokio::test]
async fn as_many_are_ordered_at_once_as_the_policy_says() {
    let mut world = World::new(DAY * 90).await;
    world.ca.takes = Duration::from_millis(20);
    let names = names(40);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (manager, certificates) = world.manager(&names);
    let mut manager = manager.policy(Policy::default().at_once(Band::Urgent, 7));
    manager.pass().await;
    assert_eq!(world.ca.orders(), 40);
    assert_eq!(world.ca.most_at_once.load(Ordering::SeqCst), 7);
    assert!(
        names
            .iter()
            .all(|name| certificates.in_service(name).is_some())
    );
}

#[tokio::test]
async fn the_limits_of_a_ca_hold_for_all_instances() {
    let world = World::new(DAY * 90).await;
    let limits = || {
        Limits::none()
            .account(Rate::new(5, HOUR * 5))
            .domain(Rate::new(1000, DAY))
            .renewals_exempt(true)
    };
    let (mine, yours) = (names(12), names(24));
    let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
    let yours: Vec<&str> = yours[12..].iter().map(String::as_str).collect();
    let (a, _) = world.manager(&mine);
    let (b, _) = world.manager(&yours);
    let (mut a, mut b) = (a.limits("test", limits()), b.limits("test", limits()));
    #[cfg(feature = "metrics")]
    let metrics = {
        let metrics = opsbox_cert::observe::Metrics::new(&Certificates::new());
        b = b.metrics(metrics.clone());
        metrics
    };
    for hour in 0..=20_u32 {
        // At the same moment, then one after the other.
        tokio::join!(a.pass(), b.pass());
        let allowed = 5 + usize::try_from(hour).unwrap();
        assert_eq!(world.ca.orders(), allowed.min(24), "{hour}");
        if hour == 10 {
            // One dies and comes back.
            (a, _) = world.manager(&mine);
            a = a.limits("test", limits());
        }
        world.clock.advance(HOUR);
    }
    #[cfg(feature = "metrics")]
    {
        let line = r#"tls_certificate_ca_limit_left{issuer="test",limit="account"} 1"#;
        let text = metrics.encode();
        assert!(text.contains(line), "{text}");
    }
    // Renewals escape the limit of the account.
    let before = world.ca.orders();
    world.clock.advance(DAY * 61);
    tokio::join!(a.pass(), b.pass());
    assert_eq!(world.ca.orders(), before + 24);
}

#[tokio::test]
async fn two_instances_at_once_order_each_certificate_once() {
    let mut world = World::new(DAY * 90).await;
    world.ca.takes = Duration::from_millis(5);
    let names = names(30);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut a, first) = world.manager(&names);
    let (mut b, second) = world.manager(&names);
    for _ in 0..8 {
        tokio::join!(a.pass(), b.pass());
        world.clock.advance(Duration::from_secs(31));
    }
    assert_eq!(world.ca.orders(), 30);
    for name in names {
        assert!(first.in_service(name).is_some() && second.in_service(name).is_some());
    }
}

#[tokio::test]
async fn a_renewal_is_inside_the_window_of_the_ca_at_160_hours() {
    let world = World::new(HOUR * 160).await;
    world.ca.answer(Answer::Share(78, 81));
    let (mut manager, certificates) = world.manager(&["a.test"]);
    world.run(&mut manager, common::now() + DAY * 40).await;
    let orders = world.ca.orders.lock().unwrap().clone();
    assert!(orders.len() >= 12, "{}", orders.len());
    for two in orders.windows(2) {
        let wait = two[1].0.duration_since(two[0].0).unwrap();
        assert!(wait >= HOUR * 78 && wait < HOUR * 81, "{wait:?}");
        assert!(two[1].2.is_some(), "it says what it replaces");
    }
    // Four times a day for each, and once more for each new one.
    let polls = world.ca.polls.load(Ordering::SeqCst);
    assert!((100..=200).contains(&polls), "{polls}");
    assert!(certificates.in_service("a.test").is_some());
}

#[tokio::test]
async fn answers_that_are_none_cost_nothing_but_the_window() {
    let world = World::new(DAY * 90).await;
    world.ca.answer(Answer::Malformed);
    let (mut manager, _) = world.manager(&["a.test"]);
    world.run(&mut manager, common::now() + DAY * 100).await;
    let orders = world.ca.orders.lock().unwrap().clone();
    assert_eq!(orders.len(), 2);
    let wait = orders[1].0.duration_since(orders[0].0).unwrap();
    assert!(wait > DAY * 59 && wait <= DAY * 60, "{wait:?}");
    let polls = world.ca.polls.load(Ordering::SeqCst);
    assert!((300..500).contains(&polls), "{polls}");

    // A CA without ARI is asked once a day whether it has it now, and not for each certificate.
    let world = World::new(DAY * 90).await;
    let names = names(50);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut manager, certificates) = world.manager(&names);
    for day in 1..=50 {
        world.run(&mut manager, common::now() + DAY * day).await;
        let polls = world.ca.polls.load(Ordering::SeqCst);
        let day = usize::try_from(day).unwrap();
        // As many as are asked about at once, before the first answer is there.
        assert!(
            (day..=16 * (day + 1)).contains(&polls),
            "{polls} in {day} days"
        );
    }
    assert_eq!(world.ca.orders(), 50);
    // Now it has: what it says of these counts.
    let (from, to) = (common::now() + DAY * 52, common::now() + DAY * 53);
    for name in names {
        let ari_id = certificates
            .in_service(name)
            .unwrap()
            .facts()
            .unwrap()
            .ari_id();
        let mut windows = world.ca.windows.lock().unwrap();
        windows.insert(ari_id.unwrap(), Answer::Between(from, to));
    }
    world.ca.answer(Answer::Malformed);
    for day in 51..=54 {
        world.run(&mut manager, common::now() + DAY * day).await;
    }
    assert_eq!(world.ca.orders(), 100);
    for (at, ..) in &world.ca.orders.lock().unwrap()[50..] {
        assert!(*at >= from && *at < to, "{at:?}");
    }
}

#[tokio::test]
async fn a_window_that_is_over_is_obeyed_at_once_and_not_again_and_again() {
    let world = World::new(DAY * 90).await;
    world.ca.answer(Answer::Share(1400, 1440));
    let (mut manager, _) = world.manager(&["a.test"]);
    world.run(&mut manager, common::now() + DAY * 20).await;
    assert_eq!(world.ca.orders(), 1);
    world.ca.answer(Answer::Over);
    world.run(&mut manager, common::now() + DAY * 27).await;
    // One, and one more that is early. Without a rule it would be one a minute.
    assert!(
        (2..=3).contains(&world.ca.orders()),
        "{}",
        world.ca.orders()
    );
}

#[tokio::test]
async fn certificates_come_and_go_while_it_runs() {
    let world = World::new(DAY * 90).await;
    let (manager, certificates) = world.manager(&["a.test"]);
    let handle = manager.handle();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(manager.run(async {
        stopped.await.unwrap();
    }));
    let serves = |name: &'static str| {
        let certificates = certificates.clone();
        move || certificates.in_service(name).is_some()
    };
    common::until("a is issued", serves("a.test")).await;
    handle.set(spec("b.test")).unwrap();
    common::until("b is issued", serves("b.test")).await;
    handle.remove("a.test").unwrap();
    common::until("a is gone", || !serves("a.test")()).await;
    let more = CertSpec::new(["b.test".parse().unwrap(), "c.test".parse().unwrap()]).unwrap();
    handle.set(more).unwrap();
    let covers = || {
        let b = certificates.in_service("b.test");
        b.is_some_and(|it| it.covers("c.test"))
    };
    common::until("b has one more name", covers).await;
    let before = world.ca.orders();
    handle.renew("b.test").unwrap();
    common::until("it is renewed", || world.ca.orders() > before).await;
    handle.revoked("b.test").unwrap();
    common::until("it is replaced", || world.ca.orders() > before + 1).await;
    let none = handle.renew("a.test").unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Invalid);
    assert!(
        none.to_string().contains("no certificate of this id"),
        "{none}"
    );
    for ask in [handle.revoked("nobody.test"), handle.unpause("nobody.test")] {
        assert_eq!(ask.unwrap_err().kind(), ErrorKind::Invalid);
    }

    let unknown = handle.set(spec("d.test").issuers(["other"])).unwrap_err();
    assert!(
        unknown.to_string().contains("no issuer is named `other`"),
        "{unknown}"
    );
    stop.send(()).unwrap();
    running.await.unwrap();
    let late = handle.renew("b.test").unwrap_err();
    assert!(late.to_string().contains("has stopped"), "{late}");
}

#[tokio::test]
async fn what_is_under_way_when_it_stops_leaves_no_lock() {
    let mut world = World::new(DAY * 90).await;
    world.ca.takes = Duration::from_secs(3600);
    let (manager, _) = world.manager(&["a.test"]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(manager.run(async {
        stopped.await.unwrap();
    }));
    common::until("it is ordered", || world.ca.orders() > 0).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    world.ca.takes = Duration::ZERO;
    let (mut again, certificates) = world.manager(&["a.test"]);
    again.pass().await;
    assert!(certificates.in_service("a.test").is_some());
    let owner = opsbox_cert::store::Owner::random("test").unwrap();
    let name = opsbox_cert::store::Name::certificate("a.test").unwrap();
    let lock = world
        .store
        .acquire(&name, &owner, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(lock.lease().is_some());
}

#[tokio::test]
async fn a_ca_that_is_away_is_asked_by_one_at_a_time() {
    let world = World::new(DAY * 90).await;
    let names = names(50);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut manager, certificates) = world.manager(&names);
    world.ca.away.store(1, Ordering::SeqCst);
    world.run(&mut manager, common::now() + DAY).await;
    let asked = world.ca.orders();
    assert!((20..120).contains(&asked), "{asked}");
    world.ca.away.store(0, Ordering::SeqCst);
    world
        .run(&mut manager, common::now() + DAY + HOUR * 3)
        .await;
    assert!(
        names
            .iter()
            .all(|name| certificates.in_service(name).is_some())
    );
}
