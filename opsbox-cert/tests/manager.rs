//! The manager on a clock of its own: what it orders, when, and what it never does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;
#[path = "common/gated.rs"]
mod gated;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::{CertRequest, Issuer, LocalCa, LocalCaOptions};
use opsbox_cert::manager::Manager;
use opsbox_cert::observe::Event;
use opsbox_cert::store::{Condition, MemoryStore, Name, Record, Store, Triple};
use opsbox_cert::{CertSpec, Clock as _, Error, ErrorKind, ManualClock, Result};
use proptest::prelude::*;
use rustls::crypto::CryptoProvider;

use gated::{Gate, Gated};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn spec(names: &[&str]) -> CertSpec {
    CertSpec::new(names.iter().map(|name| name.parse().unwrap())).unwrap()
}

/// A CA that counts, and refuses while it is told to.
#[derive(Debug, Clone)]
struct Ca {
    ca: Arc<LocalCa>,
    calls: Arc<AtomicUsize>,
    refuses: Arc<AtomicUsize>,
    replaced: Arc<Mutex<Vec<Option<String>>>>,
}

impl Ca {
    async fn new(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>, days: u32) -> Self {
        let options = LocalCaOptions::new()
            .leaf_validity(DAY * days)
            .clock(clock.clone());
        let ca = LocalCa::open_with("test", store.clone(), provider(), options).await;
        Self {
            ca: Arc::new(ca.unwrap()),
            calls: Arc::default(),
            refuses: Arc::default(),
            replaced: Arc::default(),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn refuse(&self, times: usize) {
        self.refuses.store(times, Ordering::Relaxed);
    }
}

#[async_trait]
impl Issuer for Ca {
    fn name(&self) -> &str {
        self.ca.name()
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let replaced = request.replaced().map(String::from);
        self.replaced.lock().unwrap().push(replaced);
        let left = self.refuses.load(Ordering::Relaxed);
        if left > 0 {
            self.refuses.store(left - 1, Ordering::Relaxed);
            return Err(refusal());
        }
        self.ca.issue(request).await
    }
}

/// Lets nobody read for a time.
#[derive(Debug)]
struct Away(AtomicUsize);

#[async_trait]
impl Gate for Away {
    async fn before(&self, operation: &'static str) -> Result<usize> {
        match self.0.load(Ordering::Relaxed) {
            1.. if operation == "load" => Err(refusal()),
            _ => Ok(0),
        }
    }
}

/// Some error that can be tried again.
fn refusal() -> Error {
    opsbox_cert::Bundle::parse("the CA", b"").unwrap_err()
}

/// A manager with what can be seen of it.
struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    ca: Ca,
    certificates: Certificates,
    events: Arc<Mutex<Vec<Event>>>,
    manager: Manager,
}

impl World {
    async fn new(specs: &[&[&str]], days: u32) -> Self {
        let clock = Arc::new(ManualClock::new(common::now()));
        let store = Arc::new(MemoryStore::new());
        let ca = Ca::new(&store, &clock, days).await;
        Self::with(store, clock, ca, specs)
    }

    fn with(store: Arc<MemoryStore>, clock: Arc<ManualClock>, ca: Ca, specs: &[&[&str]]) -> Self {
        let certificates = Certificates::with_clock(clock.clone());
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let manager = Manager::new(store.clone(), certificates.clone(), provider())
            .clock(clock.clone())
            .issuer("test", ca.clone());
        certificates
            .events()
            .hook(move |event| seen.lock().unwrap().push(event.clone()));
        let manager = specs.iter().fold(manager, |manager, names| {
            manager.certificate(spec(names)).unwrap()
        });
        Self {
            store,
            clock,
            ca,
            certificates,
            events,
            manager,
        }
    }

    fn ends(&self, id: &str) -> SystemTime {
        self.certificates.in_service(id).unwrap().not_after()
    }

    /// The labels of the events since the last call.
    fn events(&self) -> Vec<&'static str> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        events.iter().map(Event::label).collect()
    }

    /// One pass, and how far away the next one is.
    async fn pass(&mut self) -> Duration {
        let next = self.manager.pass().await;
        next.duration_since(self.clock.now()).unwrap_or_default()
    }
}

#[tokio::test]
async fn certificates_are_issued_once_and_renewed_when_a_third_is_left() {
    let mut world = World::new(&[&["a.test", "b.test"], &["10.0.0.7"]], 90).await;
    let wait = world.pass().await;
    assert_eq!(
        world.events(),
        ["issued", "installed", "issued", "installed"]
    );
    assert!(wait > DAY * 59 && wait <= DAY * 60, "{wait:?}");
    assert!(
        world
            .certificates
            .in_service("a.test")
            .unwrap()
            .covers("b.test")
    );

    for _ in 0..3 {
        world.clock.advance(wait / 4);
        world.pass().await;
    }
    assert_eq!((world.ca.calls(), world.events().len()), (2, 0));
    let before = world.ends("a.test");
    world.clock.advance(wait / 4 + MINUTE);
    world.pass().await;
    assert_eq!(
        world.events(),
        ["issued", "installed", "issued", "installed"]
    );
    assert!(world.ends("a.test") > before);
}

#[tokio::test]
async fn short_lived_ones_are_renewed_at_half_of_their_time() {
    let mut world = World::new(&[&["a.test"]], 6).await;
    let wait = world.pass().await;
    assert!(wait > DAY * 29 / 10 && wait <= DAY * 3, "{wait:?}");
}

#[tokio::test]
async fn a_restart_and_a_second_instance_take_what_is_stored() {
    let mut first = World::new(&[&["a.test"]], 90).await;
    first.pass().await;
    let (store, clock, ca) = (first.store.clone(), first.clock.clone(), first.ca.clone());
    let mut second = World::with(store, clock, ca, &[&["a.test"]]);
    let wait = second.pass().await;
    assert_eq!(second.events(), ["installed"]);
    assert_eq!(first.ca.calls(), 1);

    first.clock.advance(wait + MINUTE);
    second.pass().await;
    first.pass().await;
    assert_eq!(first.events(), ["issued", "installed", "installed"]);
    assert_eq!(first.ca.calls(), 2);
    assert_eq!(first.ends("a.test"), second.ends("a.test"));
}

#[tokio::test]
async fn names_that_are_added_are_ordered_at_once() {
    let mut old = World::new(&[&["a.test"]], 90).await;
    old.pass().await;
    let (store, clock, ca) = (old.store.clone(), old.clock.clone(), old.ca.clone());
    let mut new = World::with(store, clock, ca, &[&["a.test", "b.test"]]);
    new.pass().await;
    assert_eq!(new.events(), ["refused", "issued", "installed"]);
    assert!(
        new.certificates
            .in_service("a.test")
            .unwrap()
            .covers("b.test")
    );
    // And those that are given up, not before their time.
    let (store, clock, ca) = (old.store.clone(), old.clock.clone(), old.ca.clone());
    let mut less = World::with(store, clock, ca, &[&["a.test"]]);
    less.pass().await;
    assert_eq!(less.events(), ["installed"]);
}

#[tokio::test]
async fn failures_wait_longer_each_time_and_leave_what_is_in_service() {
    let mut world = World::new(&[&["a.test"], &["b.test"]], 90).await;
    world.pass().await;
    world.events();
    let ends = world.ends("a.test");
    world.clock.advance(DAY * 61);
    world.ca.refuse(usize::MAX);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let wait = world.pass().await;
        assert_eq!(world.events(), ["issuance_failed", "issuance_failed"]);
        // Nothing is asked of the CA before.
        let calls = world.ca.calls();
        world.clock.advance(wait - Duration::from_secs(1));
        world.pass().await;
        assert_eq!((world.ca.calls(), world.events().len()), (calls, 0));
        world.clock.advance(Duration::from_secs(1));
        waits.push(wait.as_secs() / 60);
    }
    assert_eq!(waits, [1, 10, 100, 1440, 1440]);
    assert_eq!(world.ends("a.test"), ends);

    world.ca.refuse(0);
    world.pass().await;
    assert_eq!(
        world.events(),
        ["issued", "installed", "issued", "installed"]
    );
    world.clock.advance(DAY * 61);
    world.ca.refuse(1);
    let wait = world.pass().await;
    // One does not hold up the other: which is first is not said.
    let (failed, others): (Vec<_>, Vec<_>) = world
        .events()
        .into_iter()
        .partition(|event| *event == "issuance_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(others, ["issued", "installed"]);
    assert_eq!(wait, MINUTE, "failures are counted anew");
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn metrics_count_what_was_issued_and_know_the_next_renewal() {
    let mut world = World::new(&[&["a.test"]], 90).await;
    let metrics = opsbox_cert::observe::Metrics::new(&world.certificates);
    world.manager = world.manager.metrics(metrics.clone());
    world.ca.refuse(1);
    world.pass().await;
    assert!(!metrics.encode().contains("next_renewal"));
    world.clock.advance(MINUTE);
    let next = world.manager.pass().await;
    let text = metrics.encode();
    let due = next.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    for line in [
        "tls_certificate_issuances_total{outcome=\"issued\",kind=\"\"} 1".into(),
        "tls_certificate_issuances_total{outcome=\"failed\",kind=\"empty\"} 1".into(),
        "tls_certificate_issuance_duration_seconds_count{outcome=\"issued\"} 1".into(),
        format!(
            "tls_certificate_next_renewal_timestamp_seconds {}",
            due.as_secs()
        ),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // While it cannot be renewed, the time stays: an alert on it has to fire.
    world.clock.advance(DAY * 61);
    world.ca.refuse(usize::MAX);
    world.pass().await;
    let same = format!(
        "tls_certificate_next_renewal_timestamp_seconds {}",
        due.as_secs()
    );
    assert!(metrics.encode().contains(&same));
}

#[tokio::test]
async fn a_renewal_names_what_it_replaces_to_the_ca_that_issued_it() {
    let mut world = World::new(&[&["a.test"]], 90).await;
    world.pass().await;
    let old = world.certificates.in_service("a.test").unwrap();
    world.clock.advance(DAY * 61);
    world.pass().await;
    let ari_id = old.facts().unwrap().ari_id();
    assert!(ari_id.is_some());
    assert_eq!(*world.ca.replaced.lock().unwrap(), [None, ari_id]);
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_more_than_its_absence() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let store = Arc::new(MemoryStore::new());
    let ca = Ca::new(&store, &clock, 90).await;
    let away = Arc::new(Gated {
        store,
        gate: Away(AtomicUsize::new(1)),
    });
    let certificates = Certificates::with_clock(clock.clone());
    let mut manager = Manager::new(away.clone(), certificates.clone(), provider())
        .clock(clock.clone())
        .issuer("test", ca.clone())
        .certificate(spec(&["a.test"]))
        .unwrap();
    for _ in 0..6 {
        let next = manager.pass().await;
        assert_eq!(next.duration_since(clock.now()).unwrap(), MINUTE);
        clock.advance(MINUTE);
    }
    assert_eq!(ca.calls(), 0, "what cannot be stored is not ordered");
    away.gate.0.store(0, Ordering::Relaxed);
    manager.pass().await;
    assert!(certificates.in_service("a.test").is_some());
}

#[tokio::test]
async fn what_is_damaged_in_the_store_is_ordered_anew() {
    let mut world = World::new(&[&["a.test"]], 90).await;
    let name = Name::certificate("a.test").unwrap();
    let record = Record::new().with("tls.key", "no key").unwrap();
    world
        .store
        .save(&name, &record, &Condition::Any, None)
        .await
        .unwrap();
    world.pass().await;
    assert_eq!(world.events(), ["source_failed", "issued", "installed"]);
}

#[tokio::test]
async fn a_clock_that_is_far_off_does_not_order_again_and_again() {
    let mut world = World::new(&[&["a.test"]], 90).await;
    // The CA's clock goes right, ours is a hundred days ahead.
    let ahead = Arc::new(ManualClock::new(common::now() + DAY * 100));
    let (store, ca) = (world.store.clone(), world.ca.clone());
    let mut off = World::with(store, ahead, ca, &[&["a.test"]]);
    let mut days = Duration::ZERO;
    while days < DAY * 10 {
        let wait = off.pass().await.max(MINUTE);
        off.clock.advance(wait);
        days += wait;
    }
    assert!(
        off.ca.calls() <= 14,
        "{} orders in ten days",
        off.ca.calls()
    );
    assert!(off.events().contains(&"refused"));
    // Behind: the certificate is not yet valid for us.
    let behind = Arc::new(ManualClock::new(common::now() - DAY * 100));
    let (store, ca) = (world.store.clone(), world.ca.clone());
    let mut off = World::with(store, behind, ca, &[&["c.test"]]);
    off.pass().await;
    assert!(off.events().contains(&"refused"));
    world.pass().await;
}

#[tokio::test]
async fn what_is_not_valid_yet_is_put_in_service_when_it_is() {
    let mut world = World::new(&[&["a.test"]], 90).await;
    world.pass().await;
    let orders = world.ca.calls();
    // Of another instance, whose clock is two hours ahead of this one's, and then one of its own.
    for names in ["a.test", "b.test"] {
        let behind = Arc::new(ManualClock::new(common::now() - DAY / 12));
        let (store, ca) = (world.store.clone(), world.ca.clone());
        let mut late = World::with(store, behind, ca, &[&[names]]);
        let mut waited = Duration::ZERO;
        while late.certificates.in_service(names).is_none() {
            let wait = late.pass().await;
            assert!(wait > Duration::ZERO && waited < DAY / 12, "{waited:?}");
            late.clock.advance(wait);
            waited += wait;
            late.pass().await;
        }
        let valid = late.certificates.in_service(names).unwrap().not_before();
        assert_eq!(late.clock.now(), valid, "at its first second");
        let told = late.events();
        assert_eq!(told.iter().filter(|it| **it == "refused").count(), 1);
        assert_eq!(told.last(), Some(&"installed"));
        assert!(!told.contains(&"issuance_failed"), "{told:?}");
    }
    assert_eq!(world.ca.calls(), orders + 1, "one is ordered, and once");
}

#[tokio::test]
async fn mistakes_are_told_before_it_runs() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::new(common::now()));
    let manager = || Manager::new(store.clone(), Certificates::new(), provider());
    let none = manager().certificate(spec(&["a.test"])).unwrap_err();
    assert_eq!(
        none.to_string(),
        "cannot order `a.test`: there is no issuer; add one before the certificate"
    );
    let ca = Ca::new(&store, &clock, 90).await;
    let unknown = spec(&["a.test"]).issuers(["public"]);
    let error = manager()
        .issuer("test", ca.clone())
        .certificate(unknown)
        .unwrap_err();
    assert!(
        error.to_string().contains("no issuer is named `public`"),
        "{error}"
    );
    let twice = manager()
        .issuer("test", ca)
        .certificate(spec(&["a.test"]))
        .unwrap()
        .certificate(spec(&["a.test", "b.test"]));
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let world = World::new(&[&["a.test"]], 90).await;
    let certificates = world.certificates.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(world.manager.run(async {
        stopped.await.unwrap();
    }));
    let is_there = || certificates.in_service("a.test").is_some();
    common::until("it is issued", is_there).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), running)
        .await
        .unwrap()
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the CA refuses, there is no more than one order an attempt's wait, and once it works
    /// again before the end, no certificate has ended.
    #[test]
    fn no_certificate_ends_while_the_ca_comes_back_in_time(
        days in 1_u32..200,
        outages in prop::collection::vec((0_usize..4, 1_u32..100), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(&[&["a.test"]], days).await;
            world.pass().await;
            for (failures, percent) in outages {
                // Some of the time until the next moment, then that moment.
                world.ca.refuse(failures);
                let calls = world.ca.calls();
                for _ in 0..=failures {
                    let next = world.pass().await;
                    world.clock.advance(next * percent / 100);
                    let wait = world.pass().await;
                    world.clock.advance(wait);
                    // Three failures take less than two hours, and half a day at least is left.
                    prop_assert!(world.ends("a.test") > world.clock.now());
                }
                world.pass().await;
                prop_assert!(world.ca.calls() <= calls + failures + 2);
            }
            Ok(())
        })?;
    }
}
