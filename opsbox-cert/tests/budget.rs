//! The ledger against a slow and obvious one, which counts what a CA counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "common/world.rs"]
mod world;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::budget::{
    Charge, Exemption, Ledger, Limits, Outcome, Rate, RequestClass, Scope, Subject,
    registered_domain,
};
use proptest::prelude::*;
use world::Tokens;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const ISSUED: Outcome = Outcome::Issued {
    lifetime: Duration::from_secs(90 * 24 * 60 * 60),
};

fn start() -> SystemTime {
    UNIX_EPOCH + DAY * 20_000
}

fn at(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

/// Limits so small that they are met.
fn small() -> Limits {
    Limits::none()
        .account(Rate::new(5, Duration::from_secs(500)))
        .domain(Rate::new(3, Duration::from_secs(900)))
        .exact_set(Rate::new(2, Duration::from_secs(1000)))
        .failures(Rate::new(2, Duration::from_secs(600)))
        .renewals_exempt(true)
        .ari_exempt(true)
        .refuse_duplicates(false)
}

proptest! {
    /// What is taken is there, and what is refused is not: at the moment that is said it is.
    #[test]
    fn a_bucket_is_a_bucket(
        steps in prop::collection::vec((0_u64..2_000_000, 1_u32..4), 1..200),
        count in 1_u32..20,
        burst in 1_u32..30,
        per in 1_u64..100,
    ) {
        let rate = Rate::new(count, Duration::from_secs(per)).with_burst(burst);
        let limits = Limits::none().requests(RequestClass::NewOrder, rate);
        let mut ledger = Ledger::new(limits);
        let mut oracle = Tokens::new(rate);
        let mut now = start();
        for (step, n) in steps {
            now += Duration::from_micros(step);
            let n = n.min(burst);
            match ledger.take_requests(RequestClass::NewOrder, n, now) {
                Ok(()) => prop_assert!(oracle.take(n, now), "overdrawn"),
                Err(denied) => {
                    prop_assert!(!oracle.has(n, now), "refused without a reason");
                    prop_assert!(denied.until() > now);
                    now = denied.until();
                    prop_assert!(!oracle.has(n, now - Duration::from_micros(1)), "too late");
                    ledger.take_requests(RequestClass::NewOrder, n, now).unwrap();
                    prop_assert!(oracle.take(n, now), "too early");
                }
            }
        }
    }

    /// Whatever is ordered, however long it takes and however it ends, a CA that counts sees no more than it
    /// allows; and the ledger refuses nothing for ever.
    #[test]
    fn no_limit_is_overdrawn(
        steps in prop::collection::vec(
            (0_u64..400, 0_usize..6, 0_u64..900, 0_u8..4, 0_u8..8), 1..150),
    ) {
        // Six sets over three domains.
        let subjects: Vec<Subject> = (0..6_u64)
            .map(|n| Subject::from_keys(n, opsbox_cert::budget::Kind::San, vec![n % 4, 9], vec![n % 3]))
            .collect();
        let mut ledger = Ledger::new(small());
        let mut ca = world::Counts::new(&small());
        let mut now = 0;
        // When it ends, which, how, by what exemption.
        let mut under_way: Vec<(u64, usize, Outcome, Exemption)> = Vec::new();
        for (step, which, takes, ends, exempt) in steps {
            now += step;
            under_way.sort_by_key(|it| it.0);
            while under_way.first().is_some_and(|it| it.0 <= now) {
                let (ended, which, outcome, exemption) = under_way.remove(0);
                let charge = Charge::new(&subjects[which]).exemption(exemption);
                ca.ended(&subjects[which], exemption, &outcome, at(ended));
                ledger.settle(&charge, &outcome, at(ended));
            }
            let exemption = match exempt {
                0 => Exemption::Renewal,
                1 => Exemption::Ari,
                _ => Exemption::None,
            };
            let charge = Charge::new(&subjects[which]).exemption(exemption);
            if let Err(denied) = ledger.take(&charge, at(now)) {
                prop_assert!(denied.until() > at(now));
                prop_assert!(denied.until() <= at(now) + DAY, "for ever: {denied:?}");
                continue;
            }
            ca.placed(&subjects[which], exemption, at(now));
            let outcome = match ends {
                0 => Outcome::Invalid { identifiers: Vec::new() },
                1 => Outcome::Invalid { identifiers: subjects[which].identifiers()[..1].to_vec() },
                2 => Outcome::Refused,
                _ => ISSUED,
            };
            under_way.push((now + takes, which, outcome, exemption));
            prop_assert!(ca.overdrawn().is_empty(), "{:?}", ca.overdrawn());
        }
        prop_assert!(ca.overdrawn().is_empty(), "{:?}", ca.overdrawn());
    }
}

#[test]
fn the_published_limits_are_the_published_ones() {
    let limits = Limits::lets_encrypt();
    let interval = |rate: Option<Rate>| rate.unwrap().interval().as_secs();
    assert_eq!(interval(limits.account_rate()), 36);
    assert_eq!(interval(limits.domain_rate()), 202 * 60 - 24);
    assert_eq!(interval(limits.exact_set_rate()), 33 * 3600 + 36 * 60);
    assert_eq!(interval(limits.failures_rate()), 720);
    assert_eq!(interval(limits.new_accounts_rate()), 1080);
}

#[test]
fn a_margin_costs_one_token_at_most_and_time_at_each() {
    let limits = Limits::none()
        .account(Rate::new(10, Duration::from_secs(1000)))
        .margin(Duration::from_secs(5));
    let mut ledger = Ledger::new(limits);
    let taken = (0..20).filter(|n| {
        ledger
            .take(&Charge::new(&Subject::single(*n, *n)), at(0))
            .is_ok()
    });
    assert_eq!(taken.count(), 9);
    let denied = ledger
        .take(&Charge::new(&Subject::single(99, 99)), at(0))
        .unwrap_err();
    assert_eq!((denied.scope(), denied.until()), (Scope::Account, at(5)));
    assert!(
        ledger
            .take(&Charge::new(&Subject::single(99, 99)), at(5))
            .is_ok()
    );
    let denied = ledger
        .take(&Charge::new(&Subject::single(98, 98)), at(5))
        .unwrap_err();
    assert_eq!(denied.until(), at(105));
}

#[test]
fn the_same_set_is_refused_while_it_is_new_unless_it_is_lost_once_or_forced() {
    let mut ledger = Ledger::new(Limits::none());
    let subject = Subject::single(1, 1);
    let charge = Charge::new(&subject);
    let order = |ledger: &mut Ledger, charge: &Charge<'_>, now| {
        ledger
            .take(charge, now)
            .map(|()| ledger.settle(charge, &ISSUED, now))
    };
    order(&mut ledger, &charge, at(0)).unwrap();
    for second in 1..10 {
        let denied = order(&mut ledger, &charge, at(second)).unwrap_err();
        assert_eq!(
            (denied.scope(), denied.until()),
            (Scope::Duplicate, at(0) + DAY * 7)
        );
        assert_eq!(denied.key(), Some(1));
    }
    order(&mut ledger, &charge.early(true), at(20)).unwrap();
    for second in 21..30 {
        let denied = order(&mut ledger, &charge.early(true), at(second)).unwrap_err();
        assert_eq!(
            (denied.scope(), denied.until()),
            (Scope::Duplicate, at(20) + DAY * 7)
        );
    }
    order(&mut ledger, &charge.forced(true), at(40)).unwrap();
    order(&mut ledger, &charge, at(40) + DAY * 7).unwrap();
    // One of 160 hours is renewed at half of its time.
    let hours = Duration::from_secs(3600);
    let short = Outcome::Issued {
        lifetime: hours * 160,
    };
    let other = Subject::single(2, 2);
    ledger.take(&Charge::new(&other), at(0)).unwrap();
    ledger.settle(&Charge::new(&other), &short, at(0));
    assert!(
        ledger
            .take(&Charge::new(&other), at(0) + hours * 31)
            .is_err()
    );
    assert!(
        ledger
            .take(&Charge::new(&other), at(0) + hours * 32)
            .is_ok()
    );
}

#[test]
fn what_a_dead_instance_took_counts_after_two_hours() {
    let limits = Limits::none()
        .exact_set(Rate::new(1, DAY))
        .refuse_duplicates(false);
    let mut ledger = Ledger::new(limits);
    let subject = Subject::single(1, 1);
    ledger.take(&Charge::new(&subject), at(0)).unwrap();
    let denied = ledger.take(&Charge::new(&subject), at(60)).unwrap_err();
    assert!(denied.until() <= at(7201), "{denied:?}");
    // It may have been issued: so the day counts from then on.
    let denied = ledger.take(&Charge::new(&subject), at(7201)).unwrap_err();
    assert_eq!(denied.until(), at(7201) + DAY);
    assert!(ledger.take(&Charge::new(&subject), at(7201) + DAY).is_ok());
}

#[test]
fn a_name_that_fails_too_often_in_a_row_waits_for_somebody() {
    let limits = Limits::none().consecutive_failures(3);
    let mut ledger = Ledger::new(limits);
    let subject = Subject::single(1, 1);
    let charge = Charge::new(&subject);
    let failed = Outcome::Invalid {
        identifiers: vec![1],
    };
    for _ in 0..3 {
        ledger.take(&charge, at(0)).unwrap();
        ledger.settle(&charge, &failed, at(0));
    }
    let denied = ledger.take(&charge, at(0) + DAY * 365).unwrap_err();
    assert_eq!(denied.scope(), Scope::ConsecutiveFailures);
    ledger.unpause(1);
    ledger.take(&charge, at(0) + DAY * 365).unwrap();
}

#[test]
fn what_the_ca_says_counts_and_nonsense_does_not_last() {
    let mut ledger = Ledger::new(Limits::lets_encrypt());
    let subject = Subject::new(&["a.example.com".parse().unwrap()]);
    ledger.block(Scope::Domain, Some(subject.domains()[0]), at(500), at(0));
    let denied = ledger.check(&Charge::new(&subject), at(0)).unwrap_err();
    // And the margin.
    assert_eq!((denied.scope(), denied.until()), (Scope::Domain, at(520)));
    let renewal = Charge::new(&subject).exemption(Exemption::Renewal);
    ledger.check(&renewal, at(0)).unwrap();
    ledger.block(Scope::Pause, None, at(0) + DAY * 4000, at(0));
    let denied = ledger.check(&renewal, at(0)).unwrap_err();
    assert_eq!(
        (denied.scope(), denied.until()),
        (Scope::Pause, at(0) + DAY * 8)
    );
}

#[test]
fn what_has_come_back_takes_no_place() {
    let mut ledger = Ledger::new(Limits::lets_encrypt());
    let empty = ledger.clone();
    for n in 0..50 {
        let subject = Subject::single(n, n);
        ledger.take(&Charge::new(&subject), at(n * 40)).unwrap();
        ledger.settle(&Charge::new(&subject), &ISSUED, at(n * 40));
    }
    ledger.prune(at(0) + DAY * 9);
    assert!(format!("{ledger:?}").len() < 2_000, "{ledger:?}");
    assert_eq!(
        ledger.headroom(at(0) + DAY * 9),
        empty.headroom(at(0) + DAY * 9)
    );
}

#[test]
fn registered_domains_are_those_of_the_public_suffix_list() {
    let domain = |name: &str| registered_domain(&name.parse().unwrap());
    for (name, wanted) in [
        ("example.com", Some("example.com")),
        ("*.a.b.example.com", Some("example.com")),
        ("www.city.kawasaki.jp", Some("city.kawasaki.jp")),
        ("a.b.github.io", Some("b.github.io")),
        ("github.io", None),
        ("com", None),
        ("192.0.2.7", Some("192.0.2.7")),
        ("2001:db8:1:2:3::4", Some("2001:db8:1:2::/64")),
    ] {
        assert_eq!(domain(name).as_deref(), wanted, "{name}");
    }
}

proptest! {
    /// What is kept is what there was, and nothing that somebody writes there is trusted to be a ledger.
    #[test]
    fn a_ledger_outlives_the_process(
        steps in prop::collection::vec((0_u64..6, 0_u64..3, 0_u64..4000, 0_u8..5), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut ledger = Ledger::new(Limits::lets_encrypt());
        for (set, domain, second, ends) in steps {
            let subject = Subject::single(set, domain);
            let charge = Charge::new(&subject).early(ends == 3);
            if ledger.take(&charge, at(second)).is_ok() {
                match ends {
                    0 => ledger.settle(&charge, &Outcome::Invalid { identifiers: vec![set] }, at(second)),
                    1 => ledger.settle(&charge, &Outcome::Refused, at(second)),
                    2 => {}
                    _ => ledger.settle(&charge, &ISSUED, at(second)),
                }
            }
        }
        let bytes = ledger.to_bytes();
        let again = Ledger::from_bytes(Limits::lets_encrypt(), &bytes);
        prop_assert_eq!(again.as_ref(), Some(&ledger));
        prop_assert_eq!(again.unwrap().to_bytes(), bytes.clone());
        let cut = cut.index(bytes.len());
        prop_assert!(Ledger::from_bytes(Limits::lets_encrypt(), &bytes[..cut]).is_none());
    }

    #[test]
    fn bytes_of_others_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let with_magic = [b"OBL1".as_slice(), &bytes].concat();
        for bytes in [bytes, with_magic] {
            if let Some(ledger) = Ledger::from_bytes(Limits::lets_encrypt(), &bytes) {
                let _answer = ledger.check(&Charge::new(&Subject::single(1, 1)), start());
            }
        }
    }
}

#[test]
fn a_ledger_of_too_many_sets_forgets_the_oldest_that_are_only_new() {
    a_full_ledger(Limits::none());
    // With a bucket for each set, which are all in use.
    a_full_ledger(Limits::lets_encrypt());
}

/// Each of a domain of its own: the domains alone would be too many.
#[test]
fn a_ledger_of_too_many_domains_fits_and_keeps_what_is_used_most() {
    let limits = Limits::lets_encrypt();
    let mut ledger = Ledger::new(limits.clone());
    let order = |ledger: &mut Ledger, n: u64, domain: u64, exemption, now| {
        let subject = Subject::single(n, domain);
        let charge = Charge::new(&subject).exemption(exemption);
        ledger.settle(&charge, &ISSUED, at(now));
    };
    for n in 0..49 {
        order(&mut ledger, n, 1, Exemption::None, 0);
    }
    for n in 100..50_000 {
        order(&mut ledger, n, n, Exemption::Renewal, 0);
    }
    let held = Subject::single(7_000_000, 7_000_000);
    ledger.take(&Charge::new(&held), at(0)).unwrap();
    let bytes = ledger.to_bytes();
    let most = opsbox_cert::limits::MAX_LEDGER_BYTES;
    assert!((most - 50..=most).contains(&bytes.len()), "{}", bytes.len());
    let kept = Ledger::from_bytes(limits, &bytes).unwrap();
    let next = Subject::single(60_000, 1);
    let denied = kept.check(&Charge::new(&next), at(0)).unwrap_err();
    assert_eq!(denied.scope(), Scope::Domain);
    let mut settled = kept.clone();
    settled.settle(&Charge::new(&held), &Outcome::Refused, at(1));
    assert!(
        settled.to_bytes().len() < bytes.len(),
        "what was under way is known"
    );
}

fn a_full_ledger(limits: Limits) {
    let mut ledger = Ledger::new(limits.clone());
    let subject = |n: u64| Subject::single(n, 1);
    for n in 0..50_000 {
        let subject = subject(n);
        let charge = Charge::new(&subject).exemption(Exemption::Renewal);
        ledger.settle(&charge, &ISSUED, at(n));
    }
    ledger.prune(at(50_000));
    let bytes = ledger.to_bytes();
    assert!(
        bytes.len() <= opsbox_cert::limits::MAX_LEDGER_BYTES,
        "{}",
        bytes.len()
    );
    assert!(bytes.len() > 400_000, "{}", bytes.len());
    let kept = Ledger::from_bytes(limits, &bytes).unwrap();
    let check = |n: u64| {
        let subject = subject(n);
        let charge = Charge::new(&subject).exemption(Exemption::Renewal);
        kept.check(&charge, at(50_000))
    };
    assert_eq!(check(0), Ok(()));
    check(49_999).unwrap_err();
}

#[test]
fn a_certificate_is_new_from_its_first_second_on_and_not_from_when_it_was_fetched() {
    // Issued before an outage of five days, and fetched after it: 160 hours are nearly over by then.
    let mut ledger = Ledger::new(Limits::lets_encrypt());
    let subject = Subject::single(1, 1);
    let charge = Charge::new(&subject).exemption(Exemption::Renewal);
    let hours = |n: u64| Duration::from_secs(n * 3600);
    ledger.take(&charge, at(0)).unwrap();
    let fetched = at(0) + hours(132);
    let outcome = Outcome::IssuedAt {
        from: at(0),
        lifetime: hours(160),
    };
    ledger.settle(&charge, &outcome, fetched);
    ledger.check(&charge, fetched).unwrap();
    // One that is fetched at once is new for a fifth of its time.
    ledger.take(&charge, fetched).unwrap();
    let outcome = Outcome::IssuedAt {
        from: fetched,
        lifetime: hours(160),
    };
    ledger.settle(&charge, &outcome, fetched);
    let denied = ledger.check(&charge, fetched).unwrap_err();
    assert_eq!(denied.scope(), Scope::Duplicate);
    assert_eq!(denied.until(), fetched + hours(32));
}

#[test]
fn a_name_that_the_ca_paused_holds_up_no_other() {
    let mut ledger = Ledger::new(Limits::lets_encrypt());
    let text = "Your account is temporarily prevented from requesting certificates for a.example \
        and possibly others. Please visit: https://ca.example/unpause";
    let (scope, name) = opsbox_cert::budget::limit_in(text);
    let [paused, other] =
        ["a.example", "b.example"].map(|name| Subject::new(&[name.parse().unwrap()]));
    assert_eq!(name, Some("a.example"));
    let headroom = ledger.headroom(at(0));
    ledger.block(scope, Some(paused.identifiers()[0]), at(3600), at(0));
    let denied = ledger.check(&Charge::new(&paused), at(0)).unwrap_err();
    assert_eq!(denied.until(), at(3620));
    ledger.check(&Charge::new(&other), at(0)).unwrap();
    assert_eq!(ledger.headroom(at(0))[0], headroom[0], "the account's");
    // Nobody tells of the end of a pause: it is tried again.
    ledger.check(&Charge::new(&paused), at(3620)).unwrap();
}

#[test]
fn of_a_ledger_that_was_lost_all_comes_back_with_time() {
    let mut ledger = Ledger::new(small());
    ledger.use_up(at(0));
    let kept = Ledger::from_bytes(small(), &ledger.to_bytes());
    assert_eq!(kept.as_ref(), Some(&ledger));
    let subject = Subject::single(1, 1);
    let renewal = Charge::new(&subject).exemption(Exemption::Renewal);
    let ari = Charge::new(&subject).exemption(Exemption::Ari);
    // One of the set in 500 s, of the failures and of the domain in 300 s, of the account in 100 s.
    let until = |charge| {
        ledger
            .check(charge, at(0))
            .map_err(|denied| (denied.scope(), denied.until()))
    };
    assert_eq!(until(&renewal), Err((Scope::ExactSet, at(500))));
    assert_eq!(until(&ari), Err((Scope::Failures, at(300))));
    let mut now = 0;
    let mut granted = Vec::new();
    while now < 5_000 {
        for n in 0..5 {
            let subject = Subject::single(n, n);
            if ledger.take(&Charge::new(&subject), at(now)).is_ok() {
                ledger.settle(&Charge::new(&subject), &ISSUED, at(now));
                granted.push(now);
            }
        }
        now += 10;
    }
    assert_eq!(granted.iter().filter(|at| **at < 500).count(), 0);
    assert!(granted.len() >= 40, "{}", granted.len());
    ledger.prune(at(20_000_000));
    assert_eq!(
        ledger.headroom(at(20_000_000)),
        Ledger::new(small()).headroom(at(0))
    );
}

#[test]
fn a_clock_that_is_hours_ahead_takes_nothing_from_the_others() {
    let limits = Limits::none().domain(Rate::new(2, Duration::from_secs(7 * 3600)));
    let mut ledger = Ledger::new(limits);
    for n in 0..2 {
        let subject = Subject::single(n, 1);
        ledger.take(&Charge::new(&subject), at(0)).unwrap();
        ledger.settle(&Charge::new(&subject), &ISSUED, at(0));
    }
    // By its clock, all has come back.
    ledger.prune(at(12 * 3600));
    let next = Subject::single(2, 1);
    ledger.check(&Charge::new(&next), at(60)).unwrap_err();
    assert_eq!(ledger.check(&Charge::new(&next), at(12 * 3600)), Ok(()));
}
