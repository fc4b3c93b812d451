//! What the planner promises, in simulated years: see the goals in each test.
//!
//! Small here; `.ci/deep` has the commands of the full size. Seeds that failed are named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and shows its figures"
)]

use std::time::Duration;

use fastrand::Rng;
use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::sim::{Event, Issued, Population, Report, Scenario, Simulation};
use opsbox_cert::testing::ca::{CaLimits, CaOptions, Fault, Faults, Rate as CaRate};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn variable(name: &str, small: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(small, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    Duration::from_secs(rng.u64(least.as_secs()..=most.as_secs()))
}

/// One of many schedules: who is there, what goes wrong, who dies when.
fn schedule(seed: u64) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    let lasts = DAY * rng.u32(40..120);
    let mut fleet = Population::new(rng.u32(5..80))
        .kinds(rng.u32(1..5), rng.u32(0..4), rng.u32(0..3))
        .per_domain(rng.u32(1..60))
        .doomed(if rng.bool() { 0.0 } else { 0.2 * rng.f64() })
        .issued(
            *rng.choice(&[Issued::Nothing, Issued::Spread, Issued::OneDay])
                .unwrap(),
        );
    for lifetime in [90 * DAY, 45 * DAY, 160 * HOUR] {
        fleet = fleet.lifetime(lifetime, rng.u32(0..3));
    }
    fleet = fleet.lifetime(64 * DAY, 1);

    // Limits that a small fleet meets, or those of Let's Encrypt, which doomed names meet.
    let (mut limits, mut ca_limits) = (Limits::lets_encrypt(), CaLimits::lets_encrypt());
    if rng.bool() {
        let (orders, certificates) = (rng.u32(2..30), rng.u32(3..20));
        limits = limits
            .account(Rate::new(orders, 3 * HOUR))
            .domain(Rate::new(certificates, 7 * DAY));
        ca_limits = ca_limits
            .orders_per_account(Some(CaRate::new(orders, 3 * HOUR)))
            .certificates_per_domain(Some(CaRate::new(certificates, 7 * DAY)));
    }
    let mut faults = Faults::new(seed).retry_after(between(rng, MINUTE / 60, HOUR / 2));
    for fault in [
        Fault::TooManyRequests,
        Fault::Unavailable,
        Fault::ServerInternal,
        Fault::Html,
        Fault::RefusedChallenge,
        Fault::Processing,
        Fault::MalformedAri,
        Fault::AbsentAri,
        Fault::NoRetryAfter,
    ] {
        // Refused names are not the CA's fault for a client, which waits a day after four of them.
        let most = match fault {
            Fault::RefusedChallenge => 0.02,
            _ => 0.1,
        };
        if rng.bool() {
            faults = faults.rate(fault, most * rng.f64());
        }
    }
    let ca = CaOptions::new()
        .limits(ca_limits)
        .faults(faults)
        .order_reuse(true)
        .ari(rng.u8(..) > 40)
        .ari_retry_after(between(rng, HOUR, 12 * HOUR));
    let instances = rng.usize(1..=8);
    let mut scenario = Scenario::new(fleet)
        .seed(seed)
        .lasts(lasts)
        .instances(instances)
        .accounts(rng.u8(1..=3))
        .limits(limits)
        .ca(ca)
        .asks_ari(rng.u8(..) > 60)
        // Requests and clocks differ by less than the margin of the ledgers, 20 s.
        .latency(MINUTE / 600, between(rng, MINUTE / 60, MINUTE / 6));
    let mut is_moved = false;
    for _ in 0..rng.u32(0..8) {
        let event = match rng.u8(0..8) {
            0 => Event::Outage {
                lasts: between(rng, MINUTE, 7 * DAY),
            },
            1 => Event::Revoke {
                issued_within: between(rng, HOUR, 90 * DAY),
            },
            // Once: who acts by a window that was moved on meanwhile has done nothing wrong.
            2 if !is_moved => Event::MoveWindows {
                issued_within: between(rng, HOUR, 90 * DAY),
                after: between(rng, MINUTE, DAY / 2),
                lasts: between(rng, MINUTE, DAY / 2),
            },
            3 => Event::Lifetime {
                from: 90 * DAY,
                to: 45 * DAY,
            },
            4 => Event::Repair,
            // The first is never lost for good, or nobody would be left.
            5 if instances > 1 => Event::Crash {
                instance: rng.usize(1..instances),
                down_for: None,
            },
            6 => Event::Clock {
                instance: rng.usize(..instances),
                seconds: rng.i64(-2..=2),
            },
            _ => Event::Crash {
                instance: rng.usize(..instances),
                down_for: Some(between(rng, MINUTE / 60, 2 * DAY)),
            },
        };
        is_moved |= matches!(event, Event::MoveWindows { .. });
        scenario = scenario.at(between(rng, Duration::ZERO, lasts), event);
    }
    scenario
}

/// No limit overdrawn, nothing expired that could be renewed, no duplicate, whatever goes wrong.
#[test]
fn no_schedule_overdraws_a_limit_or_lets_a_certificate_expire() {
    let first = variable("OPSBOX_FIRST_SEED", 0);
    let mut wrong = Vec::new();
    let (mut orders, mut renewed, mut resumed) = (0, 0, 0);
    for seed in first..first + variable("OPSBOX_SEEDS", 40) {
        let report = Simulation::new(schedule(seed)).unwrap().run();
        let found = (report.overdrawn(), report.expired(), report.duplicates());
        if found != (0, 0, 0) {
            wrong.push(format!(
                "seed {seed}: (overdrawn, expired, duplicates) = {found:?}, {:?}",
                report.overdrawn_by()
            ));
        }
        orders += report.orders();
        renewed += report.renewed();
        resumed += report.resumed();
    }
    println!("{orders} orders, {renewed} renewals, {resumed} orders resumed");
    assert!(
        orders > 0 && renewed > 0 && resumed > 0,
        "the schedules do nothing"
    );
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Clocks that are set back by up to half a day: what such an instance uses is used for all. One that is set ahead by hours
/// believes that all limits are whole again, which nobody can know better here; so they are set back only.
#[test]
fn clocks_that_are_hours_behind_overdraw_nothing() {
    let first = variable("OPSBOX_FIRST_SEED", 0);
    let mut orders = 0;
    for seed in first..first + variable("OPSBOX_SEEDS", 20) {
        let mut scenario = schedule(seed);
        let mut rng = Rng::with_seed(seed ^ 0x0063_6c6f_636b);
        let length = scenario.length();
        for _ in 0..rng.u32(1..4) {
            let longest = *rng.choice(&[600, 3_600, 43_200]).unwrap();
            let seconds = -rng.i64(60..=longest);
            let back = Event::Clock {
                instance: 0,
                seconds,
            };
            scenario = scenario.at(between(&mut rng, Duration::ZERO, length), back);
        }
        let report = Simulation::new(scenario).unwrap().run();
        let found = (report.overdrawn(), report.expired(), report.duplicates());
        let by = report.overdrawn_by();
        assert_eq!(
            found,
            (0, 0, 0),
            "seed {seed}: overdrawn, expired, duplicates: {by:?}"
        );
        orders += report.orders();
    }
    assert!(orders > 0);
}

/// Nothing but whether it was as it should be, for a fleet that nobody disturbs.
fn run(scenario: Scenario) -> Report {
    let report = Simulation::new(scenario).unwrap().run();
    println!("{report}\n");
    let found = (report.overdrawn(), report.expired(), report.duplicates());
    assert_eq!(found, (0, 0, 0), "overdrawn, expired, duplicates: {report}");
    report
}

/// A fleet that was issued on one day is renewed on all days alike after two cycles.
#[test]
fn a_fleet_of_one_day_is_spread_after_two_cycles() {
    let fleet = u32::try_from(variable("OPSBOX_FLEET", 5_000)).unwrap();
    for lifetime in [90 * DAY, 45 * DAY] {
        let people = Population::new(fleet)
            .lifetime(lifetime, 1)
            .per_domain(10)
            .issued(Issued::OneDay);
        let lasts = 5 * lifetime;
        let report = run(Scenario::new(people).lasts(lasts).asks_ari(false));
        let after = report.peak_to_mean(2 * lifetime, lasts).unwrap();
        println!("peak to mean after two cycles: {after:.3}");
        assert!(after <= 1.5, "{after}");
        // And it was not before.
        let before = report.peak_to_mean(Duration::ZERO, lifetime).unwrap();
        assert!(before > 1.5, "{before}");
    }
}

/// 160 hours, of which the CA's window is 3.2: each is renewed inside.
#[test]
fn shortlived_certificates_are_renewed_inside_their_windows() {
    let fleet = u32::try_from(variable("OPSBOX_FLEET", 200).min(20_000)).unwrap();
    for issued in [Issued::Spread, Issued::OneDay] {
        let people = Population::new(fleet)
            .lifetime(160 * HOUR, 1)
            .issued(issued);
        let report = run(Scenario::new(people).lasts(30 * DAY));
        assert!(report.renewed() >= 7 * u64::from(fleet));
        assert_eq!(report.in_ari_window(), report.orders(), "{report}");
    }
}

/// The published bound: 300 orders at once, then one each 36 s; of a domain 50, then one each 202 minutes.
#[test]
fn new_names_are_had_as_fast_as_the_limits_allow() {
    let fleet = u32::try_from(variable("OPSBOX_ONBOARD", 2_000)).unwrap();
    let people = Population::new(fleet).issued(Issued::Nothing);
    let report = run(Scenario::new(people).lasts(10 * DAY).asks_ari(false));
    assert_eq!(report.first_issued(), u64::from(fleet));
    let bound = f64::from(fleet - 300) * 36.0;
    let took = report.onboarded_after().unwrap().as_secs_f64();
    println!(
        "{took} s for {fleet} names, the bound is {bound} s: {:.4}",
        took / bound
    );
    assert!((0.999..1.05).contains(&(took / bound)), "{took} of {bound}");

    let one_domain = Population::new(100).per_domain(100).issued(Issued::Nothing);
    let report = run(Scenario::new(one_domain).lasts(10 * DAY).asks_ari(false));
    let bound = 50.0 * 12_096.0;
    let took = report.onboarded_after().unwrap().as_secs_f64();
    println!(
        "{took} s for 100 names of one domain, the bound is {bound} s: {:.4}",
        took / bound
    );
    assert!((0.999..1.05).contains(&(took / bound)), "{took} of {bound}");
}

/// All instances end at once, and start again from the store: what comes after is what would have come.
#[test]
fn a_restart_at_any_point_gives_the_same_future() {
    for seed in 0..variable("OPSBOX_RESTARTS", 12) {
        let mut rng = Rng::with_seed(seed);
        let people = Population::new(60)
            .kinds(3, 2, 1)
            .lifetime(90 * DAY, 1)
            .lifetime(160 * HOUR, 1)
            .per_domain(8)
            .issued(
                *rng.choice(&[Issued::Nothing, Issued::Spread, Issued::OneDay])
                    .unwrap(),
            );
        let scenario = Scenario::new(people)
            .seed(seed)
            .lasts(60 * DAY)
            .instances(rng.usize(1..4))
            .asks_ari(rng.bool())
            // Chance is drawn in the order of the events, so all steps take the same time.
            .latency(HOUR / 3600, HOUR / 3600)
            .record_orders(true);
        let mut kept = Simulation::new(scenario).unwrap();
        for _ in 0..5 {
            kept.run_until(kept.elapsed() + between(&mut rng, HOUR, 10 * DAY));
            while !kept.is_idle() {
                kept.run_until(kept.elapsed() + MINUTE / 60);
            }
            let mut restarted = kept.clone();
            restarted.restart();
            let at = kept.elapsed();
            let future = |simulation: &Simulation| {
                let mut simulation = simulation.clone();
                simulation.run_until(60 * DAY);
                let orders = simulation.orders().filter(|(after, _)| *after > at);
                let mut orders: Vec<_> = orders
                    .map(|(after, cert)| (after.as_secs(), cert))
                    .collect();
                orders.sort_unstable();
                orders
            };
            assert_eq!(
                future(&restarted),
                future(&kept),
                "seed {seed} after {at:?}"
            );
        }
    }
}

/// A year: from 90 to 45 days in the middle, a week without the CA, all revoked, an instance lost.
#[test]
fn a_fleet_outlives_a_year_of_incidents() {
    let fleet = u32::try_from(variable("OPSBOX_FLEET", 500).min(20_000)).unwrap();
    let people = Population::new(fleet)
        .kinds(7, 2, 1)
        .lifetime(90 * DAY, 4)
        .lifetime(45 * DAY, 1)
        .per_domain(20)
        .doomed(0.02);
    let scenario = Scenario::new(people)
        .instances(3)
        .ca(CaOptions::new().order_reuse(true))
        .at(50 * DAY, Event::Outage { lasts: 7 * DAY })
        .at(
            100 * DAY,
            Event::Crash {
                instance: 2,
                down_for: None,
            },
        )
        .at(
            120 * DAY,
            Event::Lifetime {
                from: 90 * DAY,
                to: 45 * DAY,
            },
        )
        .at(
            200 * DAY,
            Event::Revoke {
                issued_within: 45 * DAY,
            },
        )
        .at(
            250 * DAY,
            Event::Crash {
                instance: 0,
                down_for: Some(DAY),
            },
        )
        .at(
            300 * DAY,
            Event::MoveWindows {
                issued_within: 45 * DAY,
                after: HOUR,
                lasts: DAY,
            },
        );
    let report = run(scenario.clone());
    assert!(report.renewed() >= 7 * u64::from(fleet), "{report}");
    assert_eq!(
        report,
        run(scenario),
        "the same scenario gives the same report"
    );
}

#[test]
fn scenarios_that_make_no_sense_are_refused_with_a_reason() {
    let of = |people: Population| Scenario::new(people).lasts(10 * DAY);
    let ten = || Population::new(10);
    for (scenario, reason) in [
        (of(Population::new(0)), "no certificates"),
        (of(ten().doomed(1.5)), "0 to 1"),
        (of(ten().doomed(f64::NAN)), "0 to 1"),
        (of(ten().kinds(0, 0, 0)), "no kind"),
        (of(ten().lifetime(90 * DAY, 0)), "no lifetime"),
        (of(ten().lifetime(MINUTE, 1)), "60 s"),
        (of(ten()).instances(0), "0 instances"),
        (of(ten()).instances(65), "65 instances"),
        (of(ten()).accounts(0), "no account"),
        (of(ten()).latency(HOUR, MINUTE), "swap"),
        (of(ten()).lasts(Duration::ZERO), "a second"),
        (of(ten()).lasts(30_000 * DAY), "fifty years"),
        (of(ten()).starts(std::time::UNIX_EPOCH), "after 1990"),
        (of(ten()).at(11 * DAY, Event::Repair), "day 11"),
        (
            of(ten()).at(
                DAY,
                Event::Crash {
                    instance: 1,
                    down_for: None,
                },
            ),
            "instance 1",
        ),
    ] {
        let error = Simulation::new(scenario).unwrap_err().to_string();
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    }
}

#[test]
fn the_plot_is_a_whole_picture_of_all_days() {
    let people = Population::new(300)
        .lifetime(45 * DAY, 1)
        .issued(Issued::OneDay);
    let scenario = Scenario::new(people)
        .lasts(60 * DAY)
        .asks_ari(false)
        .at(20 * DAY, Event::Outage { lasts: 2 * DAY });
    let report = run(scenario);
    assert_eq!(report.orders_by_day().len(), 60);
    assert_eq!(report.orders_by_day().iter().sum::<u64>(), report.orders());
    let svg = report.svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("outage of the CA"));
    let bars = svg.matches("V").count() / 2;
    let busy = report
        .orders_by_day()
        .iter()
        .filter(|count| **count > 0)
        .count();
    assert_eq!(bars, busy);
}

/// Names that fail for months: after 120 days the CA does not know them any more, and counts each try as an order for a
/// new set. Here there are two in 12 hours.
#[test]
fn what_was_issued_long_ago_is_counted_as_new() {
    let two = (Rate::new(2, 12 * HOUR), CaRate::new(2, 12 * HOUR));
    let people = Population::new(40)
        .lifetime(90 * DAY, 1)
        .doomed(1.0)
        .issued(Issued::Spread);
    let limits = Limits::lets_encrypt().account(two.0);
    let ca = CaOptions::new().limits(CaLimits::lets_encrypt().orders_per_account(Some(two.1)));
    for asks in [false, true] {
        let scenario = Scenario::new(people.clone())
            .limits(limits.clone())
            .ca(ca.clone())
            .asks_ari(asks)
            .instances(2)
            .lasts(200 * DAY);
        let report = run(scenario);
        assert!(report.orders() > 1_000, "{report}");
    }
}

/// A fleet of 45 days for a year. `.ci/deep` has a million certificates, to be simulated in 60 CPU seconds and a GB: it says
/// the memory, and the harness the time.
#[test]
fn a_fleet_for_a_year() {
    let fleet = u32::try_from(variable("OPSBOX_YEAR_FLEET", 5_000)).unwrap();
    let people = Population::new(fleet).lifetime(45 * DAY, 1).per_domain(10);
    let report = run(Scenario::new(people).asks_ari(false));
    assert!(report.renewed() >= 12 * u64::from(fleet), "{report}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{}", peak.unwrap_or("the memory is not known here"));
}
