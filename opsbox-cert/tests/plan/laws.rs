//! What holds for any certificates: no limit is overdrawn, nothing is lost, and the future is the same after a restart.

use std::time::Duration;

use opsbox_cert::budget::{Kind, Limits, Rate, Subject};
use opsbox_cert::plan::{Held, Planner, Policy};
use proptest::prelude::*;

use crate::counts::Counts;
use crate::world::{DAY, HOUR, World, key, start};

/// Its number, its kind, its domains, the half days that what there is has left, and whether it is doomed.
type Cert = (u64, Kind, Vec<u64>, Option<u32>, bool);

#[derive(Debug, Clone)]
struct Case {
    certs: Vec<Cert>,
    account: u32,
    takes: u64,
    outage: Option<(u32, u32)>,
}

fn case() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![Just(Kind::Single), Just(Kind::San), Just(Kind::Wildcard)];
    let cert = (
        0..400_u64,
        kind,
        prop::collection::vec(0..12_u64, 1..4),
        prop::option::of(0..90_u32),
        prop::bool::weighted(0.2),
    );
    let certs = prop::collection::vec(cert, 1..40).prop_map(|mut certs| {
        certs.sort_by_key(|it| it.0);
        certs.dedup_by_key(|it| it.0);
        certs
    });
    let outage = prop::option::of((0..20_u32, 1..100_u32));
    (certs, 1..20_u32, 0..2000_u64, outage).prop_map(|(certs, account, takes, outage)| Case {
        certs,
        account,
        takes,
        outage,
    })
}

fn small(case: &Case) -> Limits {
    Limits::none()
        .account(Rate::new(
            case.account,
            Duration::from_secs(u64::from(case.account) * 200),
        ))
        .domain(Rate::new(4, HOUR * 4))
        .exact_set(Rate::new(2, DAY))
        .failures(Rate::new(2, HOUR))
        .renewals_exempt(true)
        .ari_exempt(true)
}

fn world(case: &Case, order: &[usize]) -> World {
    let mut world = World::new(Policy::default(), small(case), DAY * 45);
    world.takes = Duration::from_secs(case.takes);
    world.away = case
        .outage
        .map(|(from, hours)| (start() + HOUR * from, start() + HOUR * (from + hours)));
    for at in order {
        let (n, kind, domains, left, is_doomed) = &case.certs[*at];
        let held = left.map(|left| {
            let until = start() + DAY * left / 2;
            Held::new(until - DAY * 45, until)
        });
        let domains = domains.iter().map(|n| key(*n)).collect();
        world.add(
            Subject::from_keys(key(*n), *kind, vec![key(*n), key(n % 7)], domains),
            held,
        );
        if *is_doomed {
            world.doomed.push(key(*n));
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_permutation_of_the_input_changes_no_decision(case in case(), seed in any::<u64>()) {
        let order: Vec<usize> = (0..case.certs.len()).collect();
        let mut mixed = order.clone();
        mixed.sort_by_key(|n| key(*n as u64 ^ seed));
        let (mut a, mut b) = (world(&case, &order), world(&case, &mixed));
        a.run(start() + DAY * 60);
        b.run(start() + DAY * 60);
        prop_assert_eq!(a.log, b.log);
    }

    #[test]
    fn a_plan_never_exceeds_the_ledger(case in case()) {
        let order: Vec<usize> = (0..case.certs.len()).collect();
        let mut world = world(&case, &order);
        world.run(start() + DAY * 120);
        prop_assert_eq!(world.ca.overdrawn(), &[""; 0]);
    }

    /// With more time there is the same first, and then more: and each that can be had is had.
    #[test]
    fn more_time_never_loses_an_action(case in case(), hours in 1..2000_u32) {
        let order: Vec<usize> = (0..case.certs.len()).collect();
        let (mut short, mut long) = (world(&case, &order), world(&case, &order));
        short.run(start() + HOUR * hours);
        // Looked at again and again, with nothing to do.
        let mut at = start();
        while at < start() + HOUR * hours {
            at += HOUR * 7;
            long.run(at.min(start() + HOUR * hours));
        }
        prop_assert_eq!(&short.log, &long.log);
        long.run(start() + DAY * 160);
        prop_assert_eq!(&short.log[..], &long.log[..short.log.len()]);
        for set in long.ids.keys() {
            if long.doomed.contains(set) {
                continue;
            }
            let held = long.held.get(set);
            prop_assert!(held.is_some(), "{set} was never issued");
            let status = long.planner.status(long.ids[set], long.now).unwrap();
            prop_assert!(status.due_at + DAY > long.now, "{status:?}");
        }
    }

    /// At a moment when nothing is under way, a planner that is made anew of what is stored decides the same.
    #[test]
    fn a_restart_gives_the_same_future(case in case(), hours in 1..1500_u32) {
        let order: Vec<usize> = (0..case.certs.len()).collect();
        let mut world = world(&case, &order);
        world.takes = Duration::ZERO;
        world.run(start() + HOUR * hours);
        prop_assume!(world.planner.ordered() == 0);
        let mut again = Planner::new(Policy::default(), 7);
        again.resume(&world.planner.progress());
        for (set, subject) in world.subjects.iter().rev() {
            let id = again.add(subject, 0, world.held.get(set), world.now);
            let state = world.planner.state(world.ids[set]).unwrap();
            again.restore(id, &state, world.now);
        }
        let mut other = World::new(Policy::default(), small(&case), DAY * 45);
        other.ids = again.ids().map(|id| (again.set_of(id).unwrap(), id)).collect();
        other.planner = again;
        other.ledgers = [world.ledgers[0].clone()];
        other.now = world.now;
        other.takes = Duration::ZERO;
        (other.subjects, other.held) = (world.subjects.clone(), world.held.clone());
        (other.doomed, other.away) = (world.doomed.clone(), world.away);
        world.log.clear();
        world.run(world.now + DAY * 60);
        other.run(other.now + DAY * 60);
        prop_assert_eq!(world.log, other.log);
    }

    /// A clock that jumps loses no certificate and no order, and by what is placed and ends between two jumps no limit is
    /// overdrawn.
    #[test]
    fn a_clock_that_jumps_loses_nothing(case in case(), jumps in prop::collection::vec((1..90_u32, -200..200_i64), 1..8)) {
        let order: Vec<usize> = (0..case.certs.len()).collect();
        let mut world = world(&case, &order);
        world.away = None;
        for (days, hours) in jumps {
            world.run(world.now + DAY * days);
            prop_assert_eq!(world.ca.overdrawn(), [""; 0]);
            let hop = HOUR * u32::try_from(hours.abs()).unwrap();
            world.now = if hours < 0 { world.now - hop } else { world.now + hop };
            // What the CA knows of the time before is of another clock.
            world.ca = Counts::new(&small(&case));
            world.jumps += 1;
        }
        let quiet = world.now;
        world.run(world.now + DAY * 60);
        prop_assert_eq!(world.ca.overdrawn(), [""; 0]);
        prop_assert_eq!(world.planner.ids().count(), case.certs.len());
        prop_assert_eq!(world.planner.ordered(), world.under_way.len(), "no order is forgotten");
        for (set, id) in &world.ids {
            let status = world.planner.status(*id, world.now).unwrap();
            if world.doomed.contains(set) {
                // It goes on to be tried, once a day and when the limits let it.
                let tries = world.log.iter().filter(|it| it.1 == *set && it.0 > quiet + DAY * 10);
                prop_assert!(tries.count() >= 20, "{status:?}");
                continue;
            }
            prop_assert!(status.due_at + DAY * 2 > world.now, "{status:?}");
            let held = world.planner.state(*id).is_some() && world.held.contains_key(set);
            prop_assert!(held, "{status:?}");
            // In 60 days without a jump, 45 days of life are renewed once at least.
            let last = world.log.iter().rfind(|it| it.1 == *set).unwrap();
            prop_assert!(last.0 + DAY * 45 > world.now, "{last:?}");
        }
    }
}
