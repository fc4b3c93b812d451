//! The planner in a world of its own, where time is a number.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "common/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::budget::{Exemption, Kind, Ledger, Limits, Outcome, Rate, Scope, Subject};
use opsbox_cert::limits::RENEWAL_TIME;
use opsbox_cert::plan::{
    Action, Band, CertId, End, Failure, Held, Order, Planner, Policy, Reason, Shards, Window,
};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> SystemTime {
    UNIX_EPOCH + DAY * 20_000
}

/// A CA and a planner: certificates by their set, and what happened, in order.
struct World {
    planner: Planner,
    ledgers: [Ledger; 1],
    now: SystemTime,
    lifetime: Duration,
    /// How long an order takes.
    takes: Duration,
    ids: BTreeMap<u64, CertId>,
    subjects: BTreeMap<u64, Subject>,
    held: BTreeMap<u64, Held>,
    /// Sets that cannot be validated.
    doomed: Vec<u64>,
    away: Option<(SystemTime, SystemTime)>,
    /// With what the CA took each for.
    /// With the jump of the clock after which it was placed.
    under_way: Vec<(SystemTime, Order, u64, Exemption, u32)>,
    jumps: u32,
    log: Vec<(SystemTime, u64, Reason)>,
    ca: world::Counts,
}

impl World {
    fn new(policy: Policy, limits: Limits, lifetime: Duration) -> Self {
        Self {
            planner: Planner::new(policy, 7),
            ca: world::Counts::new(&limits),
            ledgers: [Ledger::new(limits)],
            now: start(),
            lifetime,
            takes: Duration::from_secs(5),
            ids: BTreeMap::new(),
            subjects: BTreeMap::new(),
            held: BTreeMap::new(),
            doomed: Vec::new(),
            away: None,
            under_way: Vec::new(),
            jumps: 0,
            log: Vec::new(),
        }
    }

    fn add(&mut self, subject: Subject, held: Option<Held>) -> CertId {
        let id = self.planner.add(&subject, 0, held.as_ref(), self.now);
        self.ids.insert(subject.set(), id);
        if let Some(held) = held {
            self.held.insert(subject.set(), held);
        }
        self.subjects.insert(subject.set(), subject);
        id
    }

    fn add_single(&mut self, n: u64) -> CertId {
        self.add(Subject::single(key(n), key(n / 3)), None)
    }

    /// What the planner says until `until`, each order ending as the world is.
    fn run(&mut self, until: SystemTime) {
        loop {
            while let Some(action) = self.planner.next(&mut self.ledgers, self.now) {
                let Action::Order(order) = action else {
                    panic!("nobody has ARI here")
                };
                let set = self.planner.set_of(order.cert()).unwrap();
                let standing = self.standing(set);
                self.ca.placed(&self.subjects[&set], standing, self.now);
                self.log.push((self.now, set, order.reason()));
                let ends = self.now + self.takes;
                self.under_way
                    .push((ends, order, set, standing, self.jumps));
            }
            let ends = self.under_way.iter().map(|it| it.0).min();
            let wakes = self.planner.wake_at(self.now);
            let next = ends.into_iter().chain(wakes).min();
            match next {
                Some(next) if next <= until => self.now = next.max(self.now),
                _ => break,
            }
            self.end();
        }
        self.now = until;
        self.end();
    }

    /// What the CA takes an order for: it looks back 120 days.
    fn standing(&self, set: u64) -> Exemption {
        let last = self.held.get(&set).map(Held::outcome);
        let is_renewal = last.is_some_and(|last| match last {
            Outcome::IssuedAt { from, .. } => from + DAY * 120 > self.now,
            _ => false,
        });
        match is_renewal {
            true => Exemption::Renewal,
            false => Exemption::None,
        }
    }

    fn end(&mut self) {
        let now = self.now;
        let (ended, left) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|it| it.0 <= now);
        self.under_way = left;
        for (_, order, set, standing, jumps) in ended {
            let subject = &self.subjects[&set];
            let is_away = self.away.is_some_and(|(from, to)| from <= now && now < to);
            let (end, outcome) = if is_away {
                (End::Failed(Failure::outage()), Outcome::Refused)
            } else if self.doomed.contains(&set) {
                let identifiers = subject.identifiers().to_vec();
                let failure = Failure::validation(identifiers.clone());
                (End::Failed(failure), Outcome::Invalid { identifiers })
            } else {
                let held = Held::new(now - HOUR, now - HOUR + self.lifetime);
                self.held.insert(set, held);
                let lifetime = self.lifetime;
                (End::Issued(held), Outcome::Issued { lifetime })
            };
            // One that was under way while the clock jumped is of the clock before.
            if jumps == self.jumps {
                self.ca.ended(subject, standing, &outcome, now);
            }
            self.planner.finish(&order, &end, &mut self.ledgers, now);
        }
    }

    fn days(&self) -> Vec<u64> {
        let day = |at: &SystemTime| at.duration_since(start()).unwrap().as_secs() / DAY.as_secs();
        self.log.iter().map(|(at, ..)| day(at)).collect()
    }
}

/// Spread over all bits, as the keys of names are.
fn key(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ 0x55aa
}

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
fn a_window_is_met_whatever_the_lifetime_is() {
    for (lifetime, width) in [(HOUR * 160, HOUR * 3), (DAY * 90, HOUR * 43)] {
        let mut planner = Planner::new(Policy::default(), 1);
        let mut ledgers = [Ledger::new(Limits::lets_encrypt())];
        let held = Held::new(start(), start() + lifetime);
        let open = start() + lifetime / 2;
        let window = Window::new(open, open + width);
        for n in 0..300 {
            let id = planner.add(&Subject::single(key(n), 1), 0, Some(&held), start());
            planner.set_window(id, Some(window), None, start());
        }
        let (mut now, mut met) = (start(), Vec::new());
        while let Some(next) = planner.wake_at(now).filter(|next| *next < open + width) {
            now = next;
            while let Some(Action::Order(order)) = planner.next(&mut ledgers, now) {
                assert!(window.contains(now), "{now:?}");
                assert!(order.replaces());
                assert_eq!(
                    (order.exemption(), order.reason()),
                    (Exemption::Ari, Reason::Window)
                );
                let held = Held::new(now, now + lifetime);
                planner.finish(&order, &End::Issued(held), &mut ledgers, now);
                met.push(now.duration_since(open).unwrap().as_secs());
            }
        }
        assert_eq!(met.len(), 300);
        // Over the whole of it.
        let quarter = width.as_secs() / 4;
        for part in 0..4 {
            let inside = met.iter().filter(|at| **at / quarter == part).count();
            assert!((40..110).contains(&inside), "{inside} in {part}");
        }
    }
}

#[test]
fn a_window_that_is_over_for_each_new_certificate_burns_two_a_week() {
    let mut planner = Planner::new(Policy::default(), 1);
    let mut ledgers = [Ledger::new(Limits::lets_encrypt())];
    let held = Held::new(start() - DAY * 40, start() + DAY * 50);
    let id = planner.add(&Subject::single(1, 1), 0, Some(&held), start());
    let (mut now, mut orders) = (start(), 0);
    while now < start() + DAY * 7 {
        let over = Window::new(now - HOUR, now - HOUR / 2);
        planner.set_window(id, Some(over), None, now);
        while let Some(Action::Order(order)) = planner.next(&mut ledgers, now) {
            orders += 1;
            let held = Held::new(now, now + DAY * 90);
            planner.finish(&order, &End::Issued(held), &mut ledgers, now);
            planner.set_window(id, Some(over), None, now);
        }
        now += Duration::from_secs(600);
    }
    assert_eq!(orders, 2);
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
            world.ca = world::Counts::new(&small(&case));
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

/// Issued before an outage of days, fetched after it: then it is nearly over, and no duplicate.
#[test]
fn what_was_fetched_late_is_renewed_in_time() {
    let mut ledgers = [Ledger::new(Limits::lets_encrypt())];
    let mut planner = Planner::new(Policy::default(), 7);
    planner.add(&Subject::single(1, 1), 0, None, start());
    let Some(Action::Order(order)) = planner.next(&mut ledgers, start()) else {
        panic!("it is missing")
    };
    let later = start() + HOUR * 132;
    let held = Held::new(start(), start() + HOUR * 160);
    planner.finish(&order, &End::Issued(held), &mut ledgers, later);
    let Some(Action::Order(order)) = planner.next(&mut ledgers, later) else {
        panic!("28 hours are left")
    };
    assert_eq!(order.reason(), Reason::Share);
}

#[test]
fn a_ca_that_answers_slowly_holds_up_the_windows_of_no_other() {
    let policy = Policy::default().polls(Rate::new(10, Duration::from_secs(1)), 4);
    let mut planner = Planner::new(policy, 1);
    let held = Held::new(start(), start() + DAY * 90).ari(true);
    for n in 0..20 {
        for issuer in [0, 1] {
            let subject = Subject::single(key(n * 2 + u64::from(issuer)), 1);
            planner.add(&subject, issuer, Some(&held), start());
        }
    }
    let mut ledgers = [Ledger::new(Limits::none()), Ledger::new(Limits::none())];
    let (mut now, mut asked, mut first) = (start(), [0, 0], Vec::new());
    // The first does not answer for a while, the other does at once.
    for _ in 0..10 {
        while let Some(action) = planner.next(&mut ledgers, now) {
            let Action::Poll(poll) = action else {
                panic!("nothing is due")
            };
            asked[usize::from(poll.issuer())] += 1;
            match poll.issuer() {
                0 => first.push(poll),
                _ => planner.polled(&poll, None, None, now),
            }
        }
        now += Duration::from_secs(1);
    }
    assert_eq!(asked, [4, 20]);
    // It is told who answered: the places of the first are free again.
    for poll in first {
        planner.no_ari(&poll, now);
    }
    let mut more = 0;
    while let Some(Action::Poll(poll)) = planner.next(&mut ledgers, now) {
        assert_eq!(poll.issuer(), 0);
        more += 1;
    }
    assert_eq!(more, 4);
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
