//! Whose turn it is, and how long the others wait.

use std::time::{Duration, SystemTime};

use opsbox_cert::budget::{Exemption, Kind, Ledger, Limits, Rate, Scope, Subject};
use opsbox_cert::limits::RENEWAL_TIME;
use opsbox_cert::plan::{Action, End, Failure, Held, Planner, Policy, Reason, Window};

use crate::world::{DAY, HOUR, World, key, start};

#[test]
fn who_is_first() {
    let mut world = World::new(Policy::default().spread(false), Limits::none(), DAY * 90);
    let held = |left: u32| {
        let until = start() + DAY * left;
        Some(Held::new(until - DAY * 90, until))
    };
    let kinds = [Kind::Single, Kind::San, Kind::Wildcard];
    let subject = |n: u64, kind| Subject::from_keys(n, kind, vec![n], vec![n]);
    for (n, kind) in (0..).zip(kinds) {
        world.add(subject(10 + n, kind), held(29));
        world.add(subject(20 + n, kind), held(20));
        world.add(subject(30 + n, kind), held(14));
        world.add(subject(40 + n, kind), held(6));
    }
    let revoked = world.add(subject(1, Kind::Single), held(89));
    world.planner.set_revoked(revoked, world.now);
    let asked = world.add(subject(2, Kind::Wildcard), held(80));
    let over = Window::new(start() - HOUR, start() - HOUR / 2);
    world.planner.set_window(asked, Some(over), None, world.now);
    world.add(subject(50, Kind::Single), None);
    world.run(start());
    let order: Vec<u64> = world.log.iter().map(|it| it.1).collect();
    assert_eq!(
        order,
        [2, 1, 42, 41, 40, 32, 31, 50, 30, 22, 21, 20, 12, 11, 10]
    );
}

#[test]
fn doomed_names_take_no_more_than_their_share() {
    // One order a minute, 60 doomed names that are expired, and 60 good ones that have time.
    let limits = Limits::none().account(Rate::new(1, Duration::from_secs(60)));
    let mut world = World::new(Policy::default(), limits, DAY * 90);
    for n in 0..60 {
        let id = world.add_single(n);
        world.doomed.push(world.planner.set_of(id).unwrap());
    }
    world.run(start() + HOUR * 3);
    for n in 60..120 {
        world.add_single(n);
    }
    let before = world.log.len();
    world.run(world.now + HOUR);
    let good = |it: &&(SystemTime, u64, Reason)| !world.doomed.contains(&it.1);
    let (good, all) = (
        world.log[before..].iter().filter(good).count(),
        world.log.len() - before,
    );
    assert!(all >= 59, "{all}");
    assert!(good * 4 >= all * 3, "{good} of {all}");
}

#[test]
fn a_doomed_name_is_tried_after_1_10_and_100_minutes_and_a_day() {
    let mut world = World::new(Policy::default(), Limits::lets_encrypt(), DAY * 90);
    let id = world.add_single(1);
    world.doomed.push(world.planner.set_of(id).unwrap());
    world.takes = Duration::ZERO;
    world.run(start() + DAY * 3);
    let waits: Vec<_> = world
        .log
        .windows(2)
        .map(|two| two[1].0.duration_since(two[0].0).unwrap().as_secs() / 60)
        .collect();
    assert_eq!(waits, [1, 10, 100, 1440, 1440]);
    assert_eq!(world.ca.overdrawn(), [""; 0]);
    // It is repaired: somebody forces it.
    world.doomed.clear();
    world.planner.force(id, world.now);
    world.run(world.now + Duration::from_secs(60));
    assert_eq!(world.log.last().unwrap().2, Reason::Forced);
    assert_eq!(world.held.len(), 1);
}

/// A name that failed by itself until it waits for as long as any: a CA that is busy when it is tried again, or down, is no
/// more failure of it.
#[test]
fn a_busy_ca_makes_no_name_that_failed_wait_for_a_day_more() {
    let longest = [(90 * DAY, DAY), (160 * HOUR, 10 * HOUR)];
    for (lifetime, longest) in longest {
        let mut planner = Planner::new(Policy::default(), 7);
        let mut now = start();
        let held = Held::new(now - lifetime / 4 * 3, now + lifetime / 4);
        let id = planner.add(&Subject::single(1, 1), 0, Some(&held), now);
        let mut after = |failure: Failure| {
            let Some(Action::Order(order)) = planner.next(&mut [], now) else {
                panic!("it is due");
            };
            planner.finish(&order, &End::Failed(failure), &mut [], now);
            let due = planner.status(id, now).unwrap().due_at;
            let waits = due.duration_since(now).unwrap();
            // The pause of the CA itself is over too.
            now = due + HOUR;
            waits
        };
        for _ in 0..3 {
            after(Failure::validation(Vec::new()));
        }
        let busy = || Failure::refused().retry_after(Some(Duration::from_secs(25)));
        let long = || Failure::refused().retry_after(Some(DAY / 2));
        assert_eq!(after(Failure::validation(Vec::new())), longest);
        assert_eq!(after(busy()), 100 * DAY / (24 * 60));
        assert_eq!(after(Failure::outage()), 100 * DAY / (24 * 60));
        // It is not forgotten that it failed, and the CA is obeyed.
        assert_eq!(after(Failure::validation(Vec::new())), longest);
        assert_eq!(after(long()), DAY / 2);
    }
}

#[test]
fn an_outage_is_probed_by_one_at_a_time_and_over_when_it_is_over() {
    let mut world = World::new(Policy::default(), Limits::none(), DAY * 90);
    for n in 0..500 {
        world.add_single(n);
    }
    world.away = Some((start(), start() + DAY * 7));
    world.run(start() + DAY * 7);
    assert!(world.log.len() < 600, "{}", world.log.len());
    assert!(world.log.len() > 300, "{}", world.log.len());
    world.run(start() + DAY * 7 + HOUR * 3);
    assert_eq!(world.held.len(), 500);
}

/// The CA counts the names of a certificate that it has forgotten as new, and so does the plan: a day before it, so that
/// no clock is late.
#[test]
fn a_name_that_fails_for_months_is_counted_as_new_again() {
    let limits = Limits::none()
        .account(Rate::new(1, DAY))
        .domain(Rate::new(1, DAY))
        .renewals_exempt(true)
        .ari_exempt(true);
    let mut world = World::new(Policy::default(), limits, DAY * 45);
    let mut ids = Vec::new();
    for n in 0..12 {
        let from = start() - DAY * u32::try_from(n).unwrap();
        let subject = Subject::single(key(n), key(0));
        ids.push((
            from,
            world.add(subject, Some(Held::new(from, from + DAY * 45))),
        ));
        world.doomed.push(key(n));
    }
    for day in 0..300_u32 {
        world.run(start() + DAY * day);
        for (from, id) in &ids {
            let is_known = world.now < *from + RENEWAL_TIME;
            let exemption = world.planner.status(*id, world.now).unwrap().exemption;
            assert_eq!(exemption == Exemption::Renewal, is_known, "on day {day}");
        }
    }
    assert_eq!(world.ca.overdrawn(), &[""; 0]);
    // One a day before 30 days are left, and as many as the limit lets through after that.
    let late = world.days().into_iter().filter(|day| *day >= 130).count();
    assert!((160..=170).contains(&late), "{late}");

    // It does not need to be looked at in between: what it waits for is known from the beginning.
    let mut planner = Planner::new(Policy::default(), 7);
    let mut ledgers = [Ledger::new(world.ledgers[0].limits().clone())];
    let id = planner.add(
        &Subject::single(1, 1),
        0,
        Some(&Held::new(start(), start() + DAY * 45)),
        start(),
    );
    let other = planner.add(&Subject::single(2, 2), 0, None, start() + RENEWAL_TIME);
    let Some(Action::Order(order)) = planner.next(&mut ledgers, start() + RENEWAL_TIME) else {
        panic!("one of both is due");
    };
    assert!([id, other].contains(&order.cert()));
    assert_eq!(order.exemption(), Exemption::None);
    assert_eq!(planner.next(&mut ledgers, start() + RENEWAL_TIME), None);
}

#[test]
fn thousands_of_one_domain_wait_for_it_and_others_do_not() {
    let mut world = World::new(Policy::default(), Limits::lets_encrypt(), DAY * 90);
    for n in 0..3000 {
        world.add(Subject::single(key(n), 5), None);
    }
    for n in 3000..3100 {
        world.add_single(n);
    }
    world.run(start() + HOUR * 12);
    assert_eq!(world.ca.overdrawn(), [""; 0]);
    let others = (3000..3100)
        .filter(|n| world.held.contains_key(&key(*n)))
        .count();
    assert_eq!(others, 100);
    // 50 at once, less one for the margin, and one each 202 minutes.
    let domain = world.held.len() - others;
    assert!((51..=53).contains(&domain), "{domain}");
}

#[test]
fn the_scope_of_what_is_denied_is_said() {
    let mut ledger = Ledger::new(Limits::none().account(Rate::new(1, HOUR)));
    let subject = Subject::single(1, 1);
    ledger
        .take(&opsbox_cert::budget::Charge::new(&subject), start())
        .unwrap();
    let other = Subject::single(2, 2);
    let denied = ledger
        .take(&opsbox_cert::budget::Charge::new(&other), start())
        .unwrap_err();
    assert_eq!(denied.scope(), Scope::Account);
    assert!(
        denied.to_string().contains("new orders of the account"),
        "{denied}"
    );
}
