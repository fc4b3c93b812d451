//! What the planner is told while it plans.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opsbox_cert::budget::{Ledger, Limits, Rate, Subject};
use opsbox_cert::plan::{Action, Band, CertId, End, Held, Planner, Policy, Shards};

use crate::world::{DAY, HOUR, World, key, start};

#[test]
fn shards_are_even_and_of_one_owner() {
    let shards = Shards::new(["a", "b", "c", "d"]);
    let mut counts = BTreeMap::new();
    for n in 0..4000 {
        *counts.entry(shards.owner(key(n)).unwrap()).or_insert(0) += 1;
    }
    assert!(
        counts.values().all(|n| (900..1100).contains(n)),
        "{counts:?}"
    );
    assert_eq!(Shards::new([""; 0]).owner(1), None);
}

#[test]
fn what_is_not_mine_is_left_and_taken_over_later() {
    let mut world = World::new(Policy::default(), Limits::none(), DAY * 90);
    let id = world.add_single(1);
    world.planner.set_mine(id, false, world.now);
    world.run(start() + DAY);
    assert_eq!(world.log.len(), 0);
    world.planner.set_mine(id, true, world.now);
    world.run(world.now + HOUR);
    assert_eq!(world.log.len(), 1);
}

#[test]
fn what_is_removed_is_done_with_even_while_it_is_ordered() {
    let mut world = World::new(Policy::default(), Limits::none(), DAY * 90);
    let (first, second) = (world.add_single(1), world.add_single(2));
    let order = world.planner.next(&mut world.ledgers, world.now);
    let Some(Action::Order(order)) = order else {
        panic!()
    };
    let (ordered, other) = match order.cert() == first {
        true => (first, second),
        false => (second, first),
    };
    world.planner.remove(ordered);
    world.planner.remove(other);
    assert_eq!(
        (world.planner.ids().count(), world.planner.ordered()),
        (0, 1)
    );
    let third = world.add_single(3);
    let held = Held::new(world.now, world.now + DAY);
    world
        .planner
        .finish(&order, &End::Issued(held), &mut world.ledgers, world.now);
    assert_eq!((world.planner.len(), world.planner.ordered()), (1, 0));
    assert!(world.planner.status(ordered, world.now).is_none());
    assert_eq!(
        world.planner.status(third, world.now).unwrap().band,
        Band::Urgent
    );
    // A second time is nothing.
    world
        .planner
        .finish(&order, &End::Issued(held), &mut world.ledgers, world.now);
    assert_eq!((world.planner.len(), world.planner.ordered()), (1, 0));
}

/// The manager tells what the store has each minute, and most often that is nothing new.
#[test]
fn a_reload_that_changes_nothing_takes_no_place_in_the_queue() {
    let mut ledgers = [Ledger::new(Limits::none().account(Rate::new(1, DAY * 100)))];
    let mut planner = Planner::new(Policy::default(), 7);
    let ids: Vec<CertId> = (0..100)
        .map(|n| planner.add(&Subject::single(key(n), key(n)), 0, None, start()))
        .collect();
    let mut now = start();
    while planner.next(&mut ledgers, now).is_some() {}
    let before = planner.bytes();
    for _ in 0..1_000 {
        now += Duration::from_secs(60);
        for id in &ids {
            planner.set_held(*id, None, now);
        }
        while planner.next(&mut ledgers, now).is_some() {}
    }
    assert!(
        planner.bytes() <= before + 4_096,
        "{before} became {}",
        planner.bytes()
    );
}

#[test]
fn another_policy_holds_for_what_is_planned_already() {
    let alone = Policy::default().spread(false);
    let mut planner = Planner::new(alone.clone(), 3);
    let held = Held::new(start(), start() + DAY * 90);
    let ids: Vec<CertId> = (0..200)
        .map(|n| planner.add(&Subject::single(key(n), 1), 0, Some(&held), start()))
        .collect();
    let dues = |planner: &Planner| -> std::collections::BTreeSet<SystemTime> {
        ids.iter()
            .map(|id| planner.renewal_at(*id).unwrap())
            .collect()
    };
    assert_eq!(dues(&planner).len(), 1);
    planner.set_policy(Policy::default(), start());
    let spread = dues(&planner);
    assert!(spread.len() > 150, "{}", spread.len());
    assert_eq!(planner.wake_at(start()), spread.first().copied());
    planner.set_policy(alone, start());
    assert_eq!(planner.wake_at(start()), dues(&planner).first().copied());
    assert_eq!(dues(&planner).len(), 1);
}
