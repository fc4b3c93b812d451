//! When a certificate is renewed: by the window of its CA, and what it is asked.

use std::time::Duration;

use opsbox_cert::budget::{Exemption, Ledger, Limits, Rate, Subject};
use opsbox_cert::plan::{Action, End, Held, Planner, Policy, Reason, Window};

use crate::world::{DAY, HOUR, key, start};

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
