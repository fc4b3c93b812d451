//! Managers that are restarted, and killed, in the middle of failures: they do what they would have done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opsbox_cert::Clock as _;
use opsbox_cert::budget::Limits;
use opsbox_cert::testing::ca::{CaOptions, Faults};
use tokio::sync::Notify;

use crate::world::{DAY, HOUR, MINUTE, World, names, start};

/// All that was sent and when, but for the ids of certificates, which are made by chance.
fn sent(world: &World) -> Vec<(u64, String)> {
    let mut sent: Vec<(u64, String)> = world
        .log
        .lock()
        .unwrap()
        .iter()
        .map(|(at, what, whom)| match *what {
            "poll" => (*at, (*what).to_owned()),
            _ => (*at, format!("{what} {whom}")),
        })
        .collect();
    sent.sort();
    sent
}

/// Runs for two weeks, in which half of the names fail, and is restarted after so many passes.
async fn weeks(restart_after: usize) -> Vec<(u64, String)> {
    let world = World::new(CaOptions::new()).await;
    let names = names(6);
    world.broken.set(names.iter().take(3).cloned());
    let limits = Limits::none;
    let (mut manager, _) = world.manager(world.seen(|_| {}), limits(), &names);
    let (end, mut passes) = (start() + DAY * 14, 0);
    while world.clock.now() < end {
        let next = manager.pass().await;
        world.sleep_until(next, end);
        passes += 1;
        if passes % restart_after == 0 {
            (manager, _) = world.manager(world.seen(|_| {}), limits(), &names);
        }
    }
    let report = world.ca.report();
    assert_eq!(report.certificates(), 3, "{report}");
    sent(&world)
}

pub(crate) async fn a_restart_changes_no_moment_of_what_fails_or_is_asked() {
    let wanted = weeks(usize::MAX).await;
    let count = |what: &str| wanted.iter().filter(|it| it.1.starts_with(what)).count();
    // After a minute, ten, a hundred and a day, then each day; four questions a day for each that is there.
    assert!((3 * 15..3 * 19).contains(&count("order")), "{wanted:?}");
    assert!(
        (3 * 40..3 * 60).contains(&count("poll")),
        "{}",
        count("poll")
    );
    for restart_after in [1, 3] {
        assert_eq!(weeks(restart_after).await, wanted, "each {restart_after}");
    }
}

/// How often each name was ordered and tried within half a day, of which one kill is at the nth moment of all; and
/// whether there was such a moment.
async fn killed_at(nth: usize) -> (BTreeMap<String, (u64, usize)>, bool) {
    let world = World::new(CaOptions::new()).await;
    let names = names(4);
    world.broken.set(names.iter().take(2).cloned());
    let (count, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let told = kill.clone();
    let issuer = world.seen(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == nth {
            told.notify_one();
        }
    });
    let end = start() + HOUR * 12;
    let (mut manager, certificates) = world.manager(issuer, Limits::none(), &names);
    let killed = tokio::select! {
        biased;
        () = kill.notified() => true,
        () = world.run(&mut manager, end) => false,
    };
    let at = world.clock.now();
    // All its tasks die with it, wherever they are.
    drop((manager, certificates));
    let (mut manager, certificates) = world.manager(world.seen(|_| {}), Limits::none(), &names);
    world.run(&mut manager, end).await;
    if at >= end {
        manager.pass().await;
    }
    for name in &names[2..] {
        assert!(certificates.in_service(name).is_some(), "{nth}: {name}");
    }
    let tries = world.noted("order");
    let sets = world.ca.sets().into_iter().map(|set| {
        let tries = tries.iter().filter(|(_, name)| name == set.names()).count();
        (set.names().to_owned(), (set.orders(), tries))
    });
    let report = world.ca.report();
    assert_eq!(report.certificates(), 2, "{nth}: {report}");
    assert_eq!(report.accounts(), 1, "{nth}: {report}");
    (sets.collect(), killed)
}

pub(crate) async fn a_kill_at_any_step_adds_no_order_and_no_try() {
    let (wanted, killed) = killed_at(usize::MAX).await;
    assert!(!killed);
    // The broken ones after a minute, ten and a hundred.
    let orders: Vec<u64> = wanted.values().map(|(orders, _)| *orders).collect();
    assert_eq!(orders, [4, 4, 1, 1], "{wanted:?}");
    let mut less = 0;
    let mut kills = 0;
    for nth in 0.. {
        let (found, killed) = killed_at(nth).await;
        if !killed {
            break;
        }
        kills += 1;
        for (name, (orders, tries)) in &found {
            let (most, _) = wanted[name];
            assert!(*orders <= most, "killed at {nth}: {found:?} of {wanted:?}");
            // What was to be placed and was not is placed after the kill.
            let most = usize::try_from(most).unwrap() + 1;
            assert!(*tries <= most, "killed at {nth}: {found:?}");
            less += usize::from(*orders < wanted[name].0);
        }
    }
    // Four moments of each good one, five of each try of the others.
    assert!(kills >= 40, "{kills}");
    // One that was told, and killed before its order was forgotten, waits once more.
    assert!(less <= kills / 4, "{less} of {kills}");
}

/// Both have it, one has seen it fail: the other one does not try it before it is to be tried again.
pub(crate) async fn an_instance_waits_for_what_another_has_seen_fail() {
    let world = World::new(CaOptions::new().ari(false)).await;
    let names = names(1);
    let (mut a, _) = world.manager(world.seen(|_| {}), Limits::none(), &names);
    let (mut b, _) = world.manager(world.seen(|_| {}), Limits::none(), &names);
    a.pass().await;
    b.pass().await;
    assert_eq!(world.ca.report().orders(), 1);
    world.clock.advance(DAY * 61);
    world.broken.set(names);
    a.pass().await;
    assert_eq!(world.ca.report().orders(), 2);
    let due = b.pass().await;
    assert_eq!(world.ca.report().orders(), 2, "b knows that it failed");
    assert_eq!(due, world.clock.now() + MINUTE);
    world.clock.advance(MINUTE);
    b.pass().await;
    assert_eq!(world.ca.report().orders(), 3);
    let due = a.pass().await;
    assert_eq!(due, world.clock.now() + MINUTE * 10);
    assert_eq!(
        world.ca.report().orders(),
        3,
        "a knows that it failed twice"
    );
}

/// How often a CA is asked that is down for a day, by a manager that is restarted after so many passes.
async fn asked(restart_after: usize) -> usize {
    let down = Faults::new(1).outage(start() + HOUR, start() + HOUR * 25);
    let world = World::new(CaOptions::new().faults(down)).await;
    world.issuer().account_url().await.unwrap();
    world.clock.advance(HOUR);
    let names = names(40);
    let (mut manager, mut certificates) = world.manager(world.seen(|_| {}), Limits::none(), &names);
    let (end, mut passes) = (start() + HOUR * 30, 0);
    while world.clock.now() < end {
        let next = manager.pass().await;
        world.sleep_until(next, end);
        passes += 1;
        if passes % restart_after == 0 {
            (manager, certificates) = world.manager(world.seen(|_| {}), Limits::none(), &names);
        }
    }
    manager.pass().await;
    let served = names
        .iter()
        .all(|name| certificates.in_service(name).is_some());
    assert!(served, "{}", world.ca.report());
    let before = world.noted("try").into_iter();
    before.filter(|(at, _)| *at < 25 * 60 * 60).count()
}

pub(crate) async fn a_ca_that_is_away_is_left_alone_after_a_restart() {
    let wanted = asked(usize::MAX).await;
    // All that may be at once, and then by one at a time, less and less often.
    assert!((40..120).contains(&wanted), "{wanted}");
    for restart_after in [1, 2] {
        assert_eq!(asked(restart_after).await, wanted, "each {restart_after}");
    }
}
