//! What is asked of certificates at one of several instances, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/gated.rs"]
mod gated;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::manager::Manager;
use opsbox_cert::{ManualClock, Result};

use fleet::{DAY, Fleet, HOUR, Refuses, names, spec};
use gated::{Gate, Gated};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_was_asked_is_done_though_another_instance_comes_in_between() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let all = names(20);
    let with = |manager: Manager| {
        let limits = Limits::none().account(Rate::new(20, DAY));
        manager.share_work().limits("test", limits)
    };
    let mut a = fleet.instance_over(fleet.store.clone(), &all, with);
    a.settle(&clock).await;
    assert_eq!(a.ca.orders(), 20);
    // The limit holds all of them up, and meanwhile another instance takes its part.
    let handle = a.manager.handle();
    for (n, name) in all.iter().enumerate() {
        match n % 2 {
            0 => handle.renew(name).unwrap(),
            _ => handle.revoked(name).unwrap(),
        }
    }
    a.manager.pass().await;
    let before = a.ca.orders();
    let mut b = fleet.instance_over(fleet.store.clone(), &all, with);
    for _ in 0..40 {
        clock.advance(MINUTE * 50);
        b.manager.pass().await;
        a.manager.pass().await;
    }
    assert!(before < 30, "{before}: the limit holds");
    assert_eq!((a.ca.orders(), b.ca.orders()), (40, 0));
    assert!(a.ca.counts().values().all(|count| *count == 2));
}

#[tokio::test]
async fn what_is_unpaused_and_renewed_is_both() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let all = names(1);
    let with = |manager: Manager| manager.limits("test", Limits::none().consecutive_failures(2));
    let mut instance = fleet.instance_over(fleet.store.clone(), &all, with);
    instance.ca.refuse(Refuses::Names);
    instance.manager.pass().await;
    clock.advance(HOUR);
    instance.manager.pass().await;
    assert_eq!(instance.ca.orders(), 2);
    // By a new process, before it has looked.
    let mut again = fleet.instance_over(fleet.store.clone(), &all, with);
    let handle = again.manager.handle();
    handle.unpause(&all[0]).unwrap();
    handle.renew(&all[0]).unwrap();
    clock.advance(DAY);
    again.manager.pass().await;
    again.manager.pass().await;
    assert_eq!(again.ca.orders(), 1);
    assert!(again.serves_all(&all));
}

#[tokio::test]
async fn what_is_unpaused_at_another_instance_is_tried_again() {
    let clock = Arc::new(ManualClock::new(common::now()));
    let fleet = Fleet::new(clock.clone()).await;
    let all = names(1);
    let with = |manager: Manager| manager.limits("test", Limits::none().consecutive_failures(2));
    let mut a = fleet.instance_over(fleet.store.clone(), &all, with);
    a.ca.refuse(Refuses::Names);
    a.manager.pass().await;
    clock.advance(HOUR);
    a.manager.pass().await;
    a.manager.pass().await;
    assert_eq!((a.ca.orders(), a.told("limited").len()), (2, 1));
    // The other one frees the name, fails once, and is gone.
    let mut b = fleet.instance_over(fleet.store.clone(), &all, with);
    b.ca.refuse(Refuses::Names);
    b.manager.handle().unpause(&all[0]).unwrap();
    b.manager.pass().await;
    assert_eq!(b.ca.orders(), 1);
    drop(b);
    a.ca.refuse(Refuses::Nothing);
    clock.advance(DAY);
    for _ in 0..2 {
        a.manager.pass().await;
    }
    assert!(a.serves_all(&all));
}

/// Each read takes a minute.
#[derive(Debug)]
struct Slow;

#[async_trait]
impl Gate for Slow {
    async fn before(&self, operation: &'static str) -> Result<usize> {
        if operation == "load" {
            tokio::time::sleep(MINUTE).await;
        }
        Ok(0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_while_it_is_read_does_not_come_back() {
    let clock = Arc::new(fleet::TokioClock::new(common::now()));
    let fleet = Fleet::new(clock).await;
    let all = names(4);
    fleet.instance(&all).manager.pass().await;
    let store = Arc::new(Gated {
        store: fleet.store.clone(),
        gate: Slow,
    });
    let instance = fleet.instance_over(store, &all, |manager| manager);
    let (certificates, handle) = (instance.certificates.clone(), instance.manager.handle());
    let ca = instance.ca.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(instance.manager.run(async {
        stopped.await.unwrap();
    }));
    // In the middle of the first round.
    tokio::time::sleep(MINUTE / 2).await;
    handle.remove(&all[0]).unwrap();
    handle.remove(&all[1]).unwrap();
    handle.set(spec(&all[1])).unwrap();
    tokio::time::sleep(MINUTE * 9).await;
    assert!(certificates.in_service(&all[0]).is_none());
    assert!(certificates.in_service(&all[1]).is_some());
    assert_eq!(certificates.len(), 3);
    assert_eq!(ca.orders(), 0, "all of them are there");
    stop.send(()).unwrap();
    running.await.unwrap();
}
