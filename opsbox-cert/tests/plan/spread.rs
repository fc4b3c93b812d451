//! How the load of a fleet is spread over the days.

use std::time::Duration;

use opsbox_cert::budget::{Limits, Subject};
use opsbox_cert::plan::{Held, Planner, Policy};

use crate::world::{DAY, HOUR, World, key, start};

#[test]
fn a_fleet_that_was_issued_on_one_day_is_spread_after_two_cycles() {
    for (lifetime, span) in [(DAY * 90, 60), (DAY * 45, 30), (HOUR * 160, 3)] {
        let mut world = World::new(Policy::default(), Limits::none(), lifetime);
        for n in 0..6000 {
            world.add_single(n);
        }
        world.run(start() + DAY * (span * 7));
        let mut load = vec![0_u32; usize::try_from(span * 7).unwrap()];
        for day in world.days() {
            if let Some(load) = load.get_mut(usize::try_from(day).unwrap()) {
                *load += 1;
            }
        }
        // Two cycles are 2 x span days at most.
        let late = &load[usize::try_from(span * 2 + 1).unwrap()..];
        let peak = f64::from(*late.iter().max().unwrap());
        let mean = f64::from(late.iter().sum::<u32>()) / late.len() as f64;
        assert!(
            peak / mean <= 1.5,
            "{lifetime:?}: {peak} to {mean}, {load:?}"
        );
        // And it costs few renewals: one in 60 days for each of 90, and a half more in the first two.
        let renewals = f64::from(late.iter().sum::<u32>()) / 6000.0;
        let needed = late.len() as f64 / span as f64;
        assert!(
            renewals < needed * 1.1,
            "{lifetime:?}: {renewals} for {needed}"
        );
    }
}

#[test]
fn a_flat_inflow_stays_flat() {
    let mut world = World::new(Policy::default(), Limits::none(), DAY * 90);
    for day in 0..60 {
        for n in 0..100 {
            world.add_single(day * 100 + n);
        }
        world.run(start() + DAY * (u32::try_from(day).unwrap() + 1));
    }
    world.run(start() + DAY * 400);
    let mut load = vec![0_u32; 400];
    for day in world.days() {
        load[usize::try_from(day).unwrap().min(399)] += 1;
    }
    let most = |days: std::ops::Range<usize>| *load[days].iter().max().unwrap();
    // 100 a day are renewed each 56 days: 107 a day. Those that are out of phase are renewed once more.
    assert!(most(60..120) <= 107 * 7 / 4, "{load:?}");
    assert!(most(120..399) <= 107 * 7 / 5, "{load:?}");
}

#[test]
fn nothing_is_renewed_later_than_the_share_that_is_left() {
    for lifetime in [
        DAY * 398,
        DAY * 90,
        DAY * 45,
        DAY * 6,
        HOUR * 160,
        HOUR * 2,
        DAY / 24 / 60,
    ] {
        let policy = Policy::default();
        let mut planner = Planner::new(policy, 3);
        let held = Held::new(start(), start() + lifetime);
        for n in 0..500 {
            let id = planner.add(&Subject::single(key(n), 1), 0, Some(&held), start());
            let due = planner.renewal_at(id).unwrap();
            let latest = opsbox_cert::renewal::due_at(start(), start() + lifetime);
            assert!(due <= latest + Duration::from_secs(1), "{lifetime:?}");
            let earliest = latest.duration_since(start()).unwrap() / 16 * 7;
            assert!(due >= start() + earliest, "{lifetime:?}: {due:?}");
        }
    }
}
