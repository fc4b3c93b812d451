//! What a plan takes of memory, and what it forecasts.

use std::time::Duration;

use opsbox_cert::budget::{Ledger, Limits, Scope, Subject};
use opsbox_cert::plan::{Held, Planner, Policy};

use crate::world::{DAY, World, key, start};

/// What is said of the memory, with 100,000.
#[test]
fn a_certificate_takes_37_bytes() {
    let count = 100_000;
    let mut planner = Planner::with_capacity(Policy::default(), 7, count);
    let held = Held::new(start(), start() + DAY * 90);
    for n in 0..count as u64 {
        planner.add(
            &Subject::single(key(n), key(n / 4)),
            0,
            Some(&held),
            start(),
        );
    }
    assert!(
        planner.bytes() <= count * opsbox_cert::limits::PLANNER_BYTES,
        "{}",
        planner.bytes() / count
    );
}

/// The published bound: what a bucket gives, by hand.
#[test]
fn the_forecast_is_within_five_percent_of_the_published_bound() {
    use opsbox_cert::plan::forecast;
    let ledger = Ledger::new(Limits::lets_encrypt());
    let own: Vec<Subject> = (0..10_000)
        .map(|n| Subject::single(key(n), key(n)))
        .collect();
    let said = forecast(&own, &ledger, start());
    // 300 at once, then one each 36 s.
    let bound = f64::from(9_700 * 36);
    let took = said.done_at.duration_since(start()).unwrap().as_secs_f64();
    assert!(
        (bound * 0.95..bound * 1.05).contains(&took),
        "{took} for {bound}"
    );
    assert_eq!(said.limited_by, Some(Scope::Account));
    assert!(said.ordered_at.iter().all(Option::is_some));

    // 200 of one domain: 50 at once, and one each 202 minutes, whatever the others need.
    let mixed: Vec<Subject> = (0..1_000)
        .map(|n| Subject::single(key(n), if n < 200 { 1 } else { key(n) }))
        .collect();
    let said = forecast(&mixed, &ledger, start());
    let bound = 150.0 * 12_096.0;
    let took = said.done_at.duration_since(start()).unwrap().as_secs_f64();
    assert!(
        (bound * 0.95..bound * 1.05).contains(&took),
        "{took} for {bound}"
    );
    assert_eq!(said.limited_by, Some(Scope::Domain));

    let few = forecast(&own[..100], &ledger, start());
    assert_eq!((few.done_at, few.limited_by), (start(), None));

    // And the planner does it in that time, with orders that take theirs.
    let mut world = World::new(Policy::default(), Limits::lets_encrypt(), DAY * 90);
    for subject in &own[..2000] {
        world.add(subject.clone(), None);
    }
    let said = forecast(&own[..2000], &ledger, start());
    world.run(said.done_at + Duration::from_secs(600));
    assert_eq!(world.held.len(), 2000);
    assert_eq!(world.ca.overdrawn(), [""; 0]);
}
