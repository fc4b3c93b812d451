//! Several instances over one store, a store that is slow, and a fleet that changes while it runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/gated.rs"]
mod gated;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::budget::{Limits, Rate, Scope};
use opsbox_cert::limits::{MANAGER_READS, MEMBER_TIME, STORE_READS};
use opsbox_cert::observe::Event;
use opsbox_cert::store::{Folder, MemoryStore, Store};
use opsbox_cert::{Clock, ManualClock, Result};

use fleet::{DAY, Fleet, HOUR, Instance, Refuses, TokioClock, names, spec};
use gated::{Gate, Gated};

const MINUTE: Duration = Duration::from_secs(60);

/// Lets a time go by before each read, and counts how many there are at once.
#[derive(Debug, Default)]
struct Slow {
    seconds: AtomicU64,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Gate for Slow {
    async fn before(&self, operation: &'static str) -> Result<usize> {
        let seconds = self.seconds.load(Ordering::SeqCst);
        if operation == "load" && seconds > 0 {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(0)
    }
}

/// When the instances last said that they are there.
async fn seen(store: &MemoryStore) -> Vec<SystemTime> {
    let names = store
        .list(&Folder::new("instances").unwrap())
        .await
        .unwrap();
    let mut seen = Vec::new();
    for name in names {
        let record = store.load(&name).await.unwrap().unwrap().record;
        let text = String::from_utf8(record.part("seen").unwrap().to_vec()).unwrap();
        seen.push(UNIX_EPOCH + Duration::from_secs(text.parse().unwrap()));
    }
    seen
}

/// Three hundred names over a store that takes twenty seconds for each read: it is alive for the others all the
/// time, reads many at once, and does what it is told meanwhile.
#[tokio::test(start_paused = true)]
async fn a_slow_store_holds_up_neither_the_heartbeat_nor_changes() {
    let fleet = Fleet::new(Arc::new(TokioClock::new(common::now()))).await;
    let all = names(300);
    fleet.instance(&all).manager.pass().await;
    let slow = Arc::new(Gated {
        store: fleet.store.clone(),
        gate: Slow::default(),
    });
    slow.gate.seconds.store(20, Ordering::SeqCst);
    let instance = fleet.instance_over(slow.clone(), &all, |manager| manager.share_work());
    let (certificates, ca) = (instance.certificates.clone(), instance.ca.clone());
    let handle = instance.manager.handle();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let began = fleet.clock.now();
    let running = tokio::spawn(instance.manager.run(async {
        stopped.await.unwrap();
    }));
    let (mut all_at, mut set_at, mut new_at) = (None, None, None);
    // Three rounds of ten minutes.
    for _ in 0..180 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let (now, seen) = (fleet.clock.now(), seen(&fleet.store).await);
        let age = seen.iter().map(|at| now.duration_since(*at).unwrap()).min();
        assert!(age.unwrap() < MEMBER_TIME, "{age:?}");
        if all_at.is_none() && certificates.len() == 300 {
            all_at = Some(now);
        }
        // In the middle of the second round.
        if set_at.is_none() && now >= began + MINUTE * 10 + Duration::from_secs(40) {
            assert!(slow.gate.at_once.load(Ordering::SeqCst) > 16, "it reads");
            handle.set(spec("new.test")).unwrap();
            handle.remove("n7.test").unwrap();
            set_at = Some(now);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(certificates.in_service("n7.test").is_none());
        }
        if new_at.is_none() && certificates.in_service("new.test").is_some() {
            new_at = Some(now);
        }
    }
    // One after the other, that is 6,000 s for the first round.
    let first = all_at.unwrap().duration_since(began).unwrap();
    assert!(
        first <= Duration::from_secs(20 * (256 / 16 + 2)),
        "{first:?}"
    );
    let new = new_at.unwrap().duration_since(set_at.unwrap()).unwrap();
    assert!(new <= MINUTE * 2, "{new:?}");
    assert_eq!(ca.counts(), BTreeMap::from([("new.test".to_owned(), 1)]));
    let most = slow.gate.most.load(Ordering::SeqCst);
    assert!(most <= MANAGER_READS * STORE_READS + STORE_READS, "{most}");
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(seen(&fleet.store).await.is_empty(), "it has said goodbye");
}

/// Two instances that have both heard of each other, over names that are all issued.
struct Two {
    clock: Arc<ManualClock>,
    all: Vec<String>,
    a: Instance,
    b: Instance,
    due: SystemTime,
}

impl Two {
    async fn new(count: usize) -> Self {
        Self::over(count, |store| store).await
    }

    /// Over what a test puts around the store.
    async fn over(count: usize, around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let clock = Arc::new(ManualClock::new(common::now()));
        let fleet = Fleet::new(clock.clone()).await;
        let all = names(count);
        let shared = |manager: opsbox_cert::manager::Manager| manager.share_work();
        let store = around(fleet.store.clone());
        let mut a = fleet.instance_over(store.clone(), &all, shared);
        let b = fleet.instance_over(store, &all, shared);
        let due = a.settle(&clock).await;
        assert_eq!(a.ca.orders(), count, "one alone has all");
        let mut two = Self {
            clock,
            all,
            a,
            b,
            due,
        };
        two.meet().await;
        assert_eq!(two.orders(), (count, 0), "nothing is due");
        two
    }

    /// Both say that they are there, and see it of each other.
    async fn meet(&mut self) {
        for _ in 0..2 {
            self.a.manager.pass().await;
            self.b.manager.pass().await;
            self.clock.advance(MINUTE);
        }
        self.a.manager.pass().await;
        self.b.manager.pass().await;
    }

    fn orders(&self) -> (usize, usize) {
        (self.a.ca.orders(), self.b.ca.orders())
    }

    /// So long before the certificates are due; both have seen each other.
    async fn before_due(&mut self, left: Duration) {
        let at = self.due - left - MINUTE * 2;
        let wait = at.duration_since(self.clock.now()).unwrap();
        self.clock.advance(wait);
        self.meet().await;
    }
}

#[tokio::test]
async fn instances_share_the_work_and_take_over_from_one_that_is_gone() {
    let mut two = Two::new(60).await;
    two.before_due(MINUTE / 2).await;
    assert_eq!(two.orders(), (60, 0), "it is not due yet");
    two.clock.advance(MINUTE / 2);
    // Each orders its part and no more, whoever is first.
    two.a.manager.pass().await;
    let part = two.a.ca.orders() - 60;
    assert!((1..60).contains(&part), "{part} of 60");
    assert_eq!(two.b.ca.orders(), 0);
    two.b.manager.pass().await;
    assert_eq!(two.orders(), (60 + part, 60 - part));
    let mut counts = two.a.ca.counts();
    for (name, count) in two.b.ca.counts() {
        *counts.entry(name).or_default() += count;
    }
    assert!(counts.values().all(|count| *count == 2), "{counts:?}");
    // Both serve what the other has got.
    two.a.manager.pass().await;
    for name in &two.all {
        let (a, b) = (&two.a.certificates, &two.b.certificates);
        assert_eq!(a.in_service(name), b.in_service(name));
    }

    // One is gone: its part waits until it is taken for gone, and no longer.
    two.due = two.clock.now() + (two.due.duration_since(common::now()).unwrap());
    two.before_due(MINUTE / 2).await;
    two.clock.advance(MINUTE / 2);
    two.a.manager.pass().await;
    assert_eq!(two.a.ca.orders(), 60 + part * 2);
    let mut waited = MINUTE / 2;
    while two.a.ca.orders() < 120 + part {
        assert!(waited < MEMBER_TIME + MINUTE, "nobody takes them over");
        two.clock.advance(MINUTE);
        waited += MINUTE;
        two.a.manager.pass().await;
        let is_gone = waited >= MEMBER_TIME;
        assert!(is_gone || two.a.ca.orders() == 60 + part * 2, "{waited:?}");
    }
    assert_eq!(two.orders(), (120 + part, 60 - part));
}

#[tokio::test]
async fn whoever_is_told_renews_also_what_another_instance_has() {
    let mut two = Two::new(40).await;
    let handle = two.b.manager.handle();
    for (n, name) in two.all.iter().enumerate() {
        match n % 2 {
            0 => handle.renew(name).unwrap(),
            _ => handle.revoked(name).unwrap(),
        }
    }
    two.b.manager.pass().await;
    assert_eq!(two.orders(), (40, 40));
    assert!(two.b.ca.counts().values().all(|count| *count == 1));
    // The other one finds them in the store, and orders none.
    two.a.manager.pass().await;
    assert_eq!(two.orders(), (40, 40));
    for name in &two.all {
        let (a, b) = (&two.a.certificates, &two.b.certificates);
        assert_eq!(a.in_service(name), b.in_service(name));
    }
    // What was taken over is given back: at the next time each has its part again.
    two.due = two.clock.now() + two.due.duration_since(common::now()).unwrap() - MINUTE * 10;
    two.before_due(MINUTE).await;
    for _ in 0..15 {
        two.clock.advance(MINUTE);
        two.b.manager.pass().await;
        two.a.manager.pass().await;
    }
    let (a, b) = two.orders();
    assert_eq!((a - 40) + (b - 40), 40);
    assert!((1..40).contains(&(b - 40)), "{b}");
}

/// Gives others their turn before each operation, and counts how often a lock was another's.
#[derive(Debug, Default)]
struct Turns(AtomicUsize);

#[async_trait]
impl Gate for Turns {
    async fn before(&self, _operation: &'static str) -> Result<usize> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok(0)
    }

    fn held(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn all_that_are_told_order_one_certificate() {
    let mut gated = None;
    let mut two = Two::over(20, |store| {
        let gate = Turns::default();
        gated.insert(Arc::new(Gated { store, gate })).clone()
    })
    .await;
    for handle in [two.a.manager.handle(), two.b.manager.handle()] {
        two.all.iter().for_each(|name| handle.renew(name).unwrap());
    }
    for _ in 0..8 {
        tokio::join!(two.a.manager.pass(), two.b.manager.pass());
        two.clock.advance(Duration::from_secs(31));
    }
    let (a, b) = two.orders();
    assert_eq!(a + b, 40, "{a} and {b}");
    let held = gated.unwrap().gate.0.load(Ordering::SeqCst);
    assert!(held > 0, "both were at work at the same certificate");
}

#[tokio::test]
async fn names_that_come_while_it_runs_are_shared_too() {
    let mut two = Two::new(2).await;
    let more: Vec<String> = (0..60).map(|n| format!("more{n}.test")).collect();
    for handle in [two.a.manager.handle(), two.b.manager.handle()] {
        more.iter().for_each(|name| handle.set(spec(name)).unwrap());
    }
    two.a.manager.pass().await;
    let part = two.a.ca.orders() - 2;
    assert!((1..60).contains(&part), "{part} of 60");
    two.b.manager.pass().await;
    assert_eq!(two.orders(), (2 + part, 60 - part));
    two.a.manager.pass().await;
    assert!(two.a.serves_all(&more) && two.b.serves_all(&more));
}

#[tokio::test]
async fn a_fleet_that_grows_is_spread_and_one_that_shrinks_is_not() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let all = names(150);
    let mut instance = fleet.instance(&all[..50]);
    let handle = instance.manager.handle();
    let wait = async |instance: &mut Instance| {
        let next = instance.settle(&clock).await;
        next.duration_since(common::now()).unwrap()
    };
    let alone = wait(&mut instance).await;
    assert!(alone > DAY * 59, "{alone:?}");
    all[50..]
        .iter()
        .for_each(|name| handle.set(spec(name)).unwrap());
    let spread = wait(&mut instance).await;
    assert!(spread < DAY * 50, "{spread:?}");
    all[50..]
        .iter()
        .for_each(|name| handle.remove(name).unwrap());
    let again = wait(&mut instance).await;
    assert!(again >= alone && again < alone + MINUTE, "{again:?}");
    assert_eq!(instance.ca.orders(), 150);
}

#[tokio::test]
async fn what_is_asked_of_a_certificate_that_was_just_added_is_done() {
    let fleet = Fleet::new(Arc::new(ManualClock::new(common::now()))).await;
    let all = names(1);
    fleet.instance(&all).manager.pass().await;
    let mut instance = fleet.instance(&[]);
    let handle = instance.manager.handle();
    handle.set(spec(&all[0])).unwrap();
    handle.renew(&all[0]).unwrap();
    // Nor does it get lost when the certificate is given anew before it is done.
    handle.set(spec(&all[0])).unwrap();
    instance.manager.pass().await;
    assert_eq!(instance.ca.orders(), 1);
    instance.manager.pass().await;
    assert_eq!(instance.ca.orders(), 1, "once");
    handle.renew(&all[0]).unwrap();
    instance.manager.pass().await;
    assert_eq!(instance.ca.orders(), 2, "and again at once");
}

#[tokio::test]
async fn a_paused_name_is_told_of_and_tried_again_when_it_is_unpaused() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let all = names(1);
    let limits = || Limits::none().consecutive_failures(2);
    let with = |manager: opsbox_cert::manager::Manager| manager.limits("test", limits());
    let mut instance = fleet.instance_over(fleet.store.clone(), &all, with);
    instance.ca.refuse(Refuses::Names);
    let paused = |instance: &Instance| {
        let told = instance.told("limited");
        told.into_iter()
            .map(|event| match event {
                Event::Limited {
                    id, limit, until, ..
                } => (id.to_string(), limit, until),
                _ => unreachable!(),
            })
            .collect::<Vec<_>>()
    };
    let is_paused = [(all[0].clone(), Scope::ConsecutiveFailures, None)];
    instance.manager.pass().await;
    assert_eq!(paused(&instance), []);
    clock.advance(HOUR);
    instance.manager.pass().await;
    assert_eq!(instance.ca.orders(), 2);
    assert_eq!(paused(&instance), is_paused);
    // For ever, and told once; to a new process anew.
    for _ in 0..30 {
        clock.advance(DAY);
        instance.manager.pass().await;
    }
    assert_eq!((instance.ca.orders(), paused(&instance)), (2, vec![]));
    let mut again = fleet.instance_over(fleet.store.clone(), &all, with);
    again.manager.pass().await;
    assert_eq!((again.ca.orders(), paused(&again)), (0, is_paused.into()));

    // It is tried at once, fails, and once more before it is paused again.
    again.ca.refuse(Refuses::Names);
    let handle = again.manager.handle();
    handle.unpause(&all[0]).unwrap();
    again.manager.pass().await;
    assert_eq!((again.ca.orders(), paused(&again)), (1, vec![]));
    clock.advance(HOUR);
    again.manager.pass().await;
    assert_eq!((again.ca.orders(), paused(&again).len()), (2, 1));
    // Repaired.
    again.ca.refuse(Refuses::Nothing);
    clock.advance(DAY);
    again.manager.pass().await;
    assert_eq!(again.ca.orders(), 2);
    handle.unpause(&all[0]).unwrap();
    again.manager.pass().await;
    assert!(again.serves_all(&all));
    instance.manager.pass().await;
    assert!(instance.serves_all(&all), "and the other instance has it");
    assert_eq!(instance.ca.orders(), 2);
}

/// Asked in this order.
fn of_both(name: &str) -> opsbox_cert::CertSpec {
    spec(name).issuers(["first", "test"])
}

#[tokio::test]
async fn a_ca_that_is_asked_after_another_is_not_overdrawn() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let (all, first) = (names(10), fleet.ca("first"));
    first.refuse(Refuses::Orders);
    let limits = || Limits::none().account(Rate::new(3, DAY * 3));
    let make = || {
        fleet.instance_over(fleet.store.clone(), &[], |manager| {
            let manager = manager
                .issuer("first", first.clone())
                .limits("test", limits());
            all.iter().fold(manager, |manager, name| {
                manager.certificate(of_both(name)).unwrap()
            })
        })
    };
    let (mut a, mut b) = (make(), make());
    for day in 0..9 {
        // As often as it is tried, by two instances at once.
        for _ in 0..12 {
            tokio::join!(a.manager.pass(), b.manager.pass());
            clock.advance(HOUR * 2);
        }
        let orders = a.ca.orders() + b.ca.orders();
        let there = 3 + day + 1;
        assert!(orders <= there, "{orders} on day {day}");
        assert!(orders + 1 >= there.min(10), "{orders} on day {day}");
    }
    for _ in 0..3 {
        clock.advance(DAY);
        tokio::join!(a.manager.pass(), b.manager.pass());
    }
    assert_eq!(a.ca.orders() + b.ca.orders(), 10, "each is ordered once");
    let told = a.told("limited").into_iter().chain(b.told("limited"));
    let of_second = |event: &Event| matches!(event, Event::Limited { issuer, limit: Scope::Account, .. } if issuer == "test");
    assert!(told.filter(of_second).count() > 0);
}

#[tokio::test]
async fn what_one_ca_could_not_validate_counts_though_the_next_one_issues() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let first = fleet.ca("first");
    first.refuse(Refuses::Names);
    let mut instance = fleet.instance_over(fleet.store.clone(), &[], |manager| {
        let limits = Limits::none().consecutive_failures(2);
        let manager = manager
            .issuer("first", first.clone())
            .limits("first", limits);
        manager.certificate(of_both("a.test")).unwrap()
    });
    let handle = instance.manager.handle();
    instance.manager.pass().await;
    assert_eq!((first.orders(), instance.ca.orders()), (1, 1));
    handle.renew("a.test").unwrap();
    instance.manager.pass().await;
    assert_eq!((first.orders(), instance.ca.orders()), (2, 2));
    // The one that issued it knows it, the other one does not.
    let replaced = instance.ca.replaced();
    assert!(
        replaced[0].is_none() && replaced[1].is_some(),
        "{replaced:?}"
    );
    assert_eq!(first.replaced(), [None, None]);
    // Once more would be one too many for the first.
    handle.renew("a.test").unwrap();
    clock.advance(DAY);
    instance.manager.pass().await;
    assert_eq!(first.orders(), 2);
    handle.unpause("a.test").unwrap();
    instance.manager.pass().await;
    assert_eq!((first.orders(), instance.ca.orders()), (3, 3));
}
