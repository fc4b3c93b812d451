//! The model of a CA for tests: its limits against what Let's Encrypt publishes and against a slow twin, its
//! windows, exemptions, faults and counts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::testing::ca::{
    AccountId, AuthorizationState, CaLimits, CaModel, CaOptions, CertificateId, Fault, Faults,
    Limit, OrderId, OrderState, OrderTerms, Rate, Refusal, RenewalInfo, RequestClass,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct Ca {
    model: CaModel,
    account: AccountId,
    now: SystemTime,
}

impl Ca {
    fn new(options: CaOptions) -> Self {
        let mut model = CaModel::new(options);
        let account = model.open_account(address("192.0.2.1"), start()).unwrap();
        Self {
            model,
            account,
            now: start(),
        }
    }

    fn lets_encrypt() -> Self {
        Self::new(CaOptions::new())
    }

    fn order(&mut self, names: &[&str]) -> Result<OrderId, Refusal> {
        self.order_as(names, OrderTerms::new())
    }

    fn order_as(&mut self, names: &[&str], terms: OrderTerms<'_>) -> Result<OrderId, Refusal> {
        let set = self.model.set(names)?;
        self.model.order(self.account, set, terms, self.now)
    }

    fn prove(&mut self, order: OrderId, proved: bool) {
        for authorization in self.model.authorizations(order).unwrap() {
            if self.model.authorization(authorization).unwrap() == AuthorizationState::Pending {
                self.model
                    .authorize(authorization, proved, self.now)
                    .unwrap();
            }
        }
    }

    fn issue_as(
        &mut self,
        names: &[&str],
        terms: OrderTerms<'_>,
    ) -> Result<CertificateId, Refusal> {
        let order = self.order_as(names, terms)?;
        self.prove(order, true);
        match self.model.finalize(order, self.now)? {
            OrderState::Valid(certificate) => Ok(certificate),
            other => panic!("{other:?}"),
        }
    }

    fn issue(&mut self, names: &[&str]) -> Result<CertificateId, Refusal> {
        self.issue_as(names, OrderTerms::new())
    }

    fn window(&mut self, certificate: CertificateId) -> (SystemTime, SystemTime) {
        match self.model.renewal_info(certificate, self.now).unwrap() {
            RenewalInfo::Window { start, end, .. } => (start, end),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&self, limit: Limit) -> u64 {
        let refused = self.model.report().limit_refusals();
        refused.get(&limit).copied().unwrap_or(0)
    }
}

/// A refusal by this limit that asks for this wait.
#[track_caller]
fn assert_limited<T: std::fmt::Debug>(
    answer: Result<T, Refusal>,
    limit: Limit,
    wait: Duration,
) -> Refusal {
    let refusal = answer.unwrap_err();
    assert_eq!((refusal.status(), refusal.kind()), (429, "rateLimited"));
    assert_eq!(refusal.limit(), Some(limit), "{refusal}");
    assert_eq!(refusal.retry_after(), Some(wait), "{refusal}");
    refusal
}

#[test]
fn an_account_has_300_orders_in_3_hours() {
    let mut ca = Ca::lets_encrypt();
    for n in 0..300 {
        ca.order(&[&format!("a{n}.example")]).unwrap();
    }
    let wait = Duration::from_secs(36);
    let refusal = assert_limited(ca.order(&["x.example"]), Limit::OrdersPerAccount, wait);
    assert_eq!(
        refusal.detail(),
        "too many new orders (300) from this account in the last 3h0m0s, retry after 2027-01-15 08:00:36 UTC: see https://letsencrypt.org/docs/rate-limits/#new-orders-per-account"
    );
    // A moment too early is refused, and asks for the rest, in whole seconds.
    ca.now += wait - Duration::from_nanos(1);
    assert_limited(ca.order(&["x.example"]), Limit::OrdersPerAccount, SECOND);
    ca.now += Duration::from_nanos(1);
    ca.order(&["x.example"]).unwrap();
    assert_limited(ca.order(&["y.example"]), Limit::OrdersPerAccount, wait);
    // Another account has its own.
    let other = ca.model.open_account(address("192.0.2.2"), ca.now).unwrap();
    ca.account = other;
    ca.order(&["y.example"]).unwrap();
    assert_eq!(ca.refused(Limit::OrdersPerAccount), 3);
    assert_eq!(ca.model.report().overdrawn(), 3);
}

#[test]
fn a_registered_domain_has_50_certificates_in_7_days_for_all_accounts() {
    let mut ca = Ca::lets_encrypt();
    for n in 0..50 {
        if n == 25 {
            ca.account = ca.model.open_account(address("192.0.2.2"), ca.now).unwrap();
        }
        ca.issue(
            &[&format!("a{n}.shop.example"), "other.test"].map(|name| match name {
                "other.test" if n > 0 => "shop.example",
                name => name,
            }),
        )
        .unwrap();
    }
    let wait = Duration::from_secs(12_096);
    let limit = Limit::CertificatesPerDomain;
    let refusal = assert_limited(ca.order(&["b.shop.example"]), limit, wait);
    assert!(refusal.detail().contains("\"shop.example\""), "{refusal}");
    // A set that was issued lately is no new one.
    ca.issue(&["a7.shop.example", "shop.example"]).unwrap();
    assert_eq!(ca.model.report().renewals(), 1);
    // `other.test` has room, and does not help the other name.
    ca.issue(&["b.other.test"]).unwrap();
    assert_limited(ca.order(&["c.other.test", "c.shop.example"]), limit, wait);
    ca.now += wait;
    ca.issue(&["b.shop.example"]).unwrap();
}

#[test]
fn the_limit_of_a_domain_is_spent_by_certificates_and_not_by_orders() {
    let mut ca = Ca::lets_encrypt();
    let orders: Vec<OrderId> = (0..60)
        .map(|n| ca.order(&[&format!("a{n}.shop.example")]).unwrap())
        .collect();
    for order in orders {
        ca.prove(order, true);
        ca.model.finalize(order, ca.now).unwrap();
    }
    assert!(ca.order(&["b.shop.example"]).is_err());
    let over = ca.model.report().issued_over_limit();
    assert_eq!(over.get(&Limit::CertificatesPerDomain), Some(&10));
    assert_eq!(ca.model.report().overdrawn(), 11);
}

#[test]
fn the_registered_domain_can_be_told_by_a_public_suffix_list() {
    let limits = CaLimits::unlimited().certificates_per_domain(Some(Rate::new(1, DAY)));
    let two = |options: CaOptions| {
        let mut ca = Ca::new(options);
        ca.issue(&["a.co.uk"]).unwrap();
        ca.issue(&["b.co.uk"])
    };
    assert!(two(CaOptions::new().limits(limits.clone())).is_err());
    let three_labels = |name: &str| {
        let labels: Vec<&str> = name.rsplit('.').take(3).collect();
        labels.join(".")
    };
    assert!(
        two(CaOptions::new()
            .limits(limits)
            .registered_domain(three_labels))
        .is_ok()
    );
}

#[test]
fn addresses_count_alone_and_by_their_network() {
    let limits = CaLimits::unlimited().certificates_per_domain(Some(Rate::new(1, DAY)));
    let mut ca = Ca::new(CaOptions::new().limits(limits));
    let terms = OrderTerms::new().profile("shortlived");
    ca.issue_as(&["192.0.2.1"], terms).unwrap();
    ca.issue_as(&["192.0.2.2"], terms).unwrap();
    ca.issue_as(&["2001:db8::1"], terms).unwrap();
    ca.issue_as(&["2001:db8:0:1::1"], terms).unwrap();
    let refusal = ca.issue_as(&["2001:db8::2"], terms).unwrap_err();
    assert!(refusal.detail().contains("\"2001:db8::/64\""), "{refusal}");
    let refusal = ca.order(&["192.0.2.9"]).unwrap_err();
    assert_eq!(
        refusal.kind(),
        "rejectedIdentifier",
        "classic has no addresses"
    );
}

#[test]
fn an_exact_set_has_5_certificates_in_7_days() {
    let mut ca = Ca::lets_encrypt();
    for _ in 0..5 {
        // The order, the case and a repetition of the names make no other set.
        ca.issue(&["b.example", "A.example.", "a.example"]).unwrap();
    }
    let wait = Duration::from_secs(120_960);
    let set = ["a.example", "b.example"];
    assert_limited(ca.order(&set), Limit::CertificatesPerSet, wait);
    ca.issue(&["a.example"]).unwrap();
    ca.now += wait;
    ca.issue(&set).unwrap();
    assert!(ca.order(&set).is_err());
    let sets: Vec<_> = ca.model.sets().collect();
    assert_eq!(sets[0].names(), "a.example,b.example");
    assert_eq!((sets[0].orders(), sets[0].certificates()), (6, 6));
    // The first one was needed, the other four of that day were not; the last one is within 7 days too.
    assert_eq!(sets[0].duplicate_orders(), 5);
}

#[test]
fn of_several_limits_the_one_that_lasts_longest_is_told() {
    let limits = CaLimits::unlimited()
        .orders_per_account(Some(Rate::new(1, HOUR)))
        .certificates_per_set(Some(Rate::new(1, 2 * HOUR)))
        .certificates_per_domain(Some(Rate::new(1, 3 * HOUR)))
        .failed_authorizations(Some(Rate::new(1, 4 * HOUR)))
        .renewal_within(Duration::ZERO);
    let mut ca = Ca::new(CaOptions::new().limits(limits));
    ca.issue(&["a.example"]).unwrap();
    assert_limited(ca.order(&["b.test"]), Limit::OrdersPerAccount, HOUR);
    assert_limited(
        ca.order(&["a.example"]),
        Limit::CertificatesPerDomain,
        3 * HOUR,
    );
    ca.now += HOUR;
    let order = ca.order(&["b.test"]).unwrap();
    ca.prove(order, false);
    let limit = Limit::FailedAuthorizations;
    assert_limited(ca.order(&["a.example", "b.test"]), limit, 4 * HOUR);
    // A refused order costs nothing.
    ca.now += HOUR;
    ca.order(&["c.test"]).unwrap();
}

#[test]
fn an_identifier_fails_5_times_an_hour() {
    let mut ca = Ca::lets_encrypt();
    for _ in 0..5 {
        let order = ca.order(&["doomed.example"]).unwrap();
        ca.prove(order, false);
        assert_eq!(ca.model.look(order, ca.now).unwrap(), OrderState::Invalid);
    }
    let wait = Duration::from_secs(720);
    let set = ["good.example", "*.doomed.example"];
    let refusal = assert_limited(ca.order(&set), Limit::FailedAuthorizations, wait);
    assert!(refusal.detail().contains("(5) for \"doomed.example\""));
    ca.issue(&["good.example"]).unwrap();
    let first = ca.account;
    ca.account = ca.model.open_account(address("192.0.2.2"), ca.now).unwrap();
    ca.order(&["doomed.example"]).unwrap();
    ca.account = first;
    ca.now += wait;
    ca.order(&["doomed.example"]).unwrap();
    assert_eq!(ca.model.report().failed_authorizations(), 5);
}

#[test]
fn an_identifier_that_fails_1152_times_in_a_row_is_paused() {
    let limits = CaLimits::lets_encrypt()
        .failed_authorizations(None)
        .orders_per_account(None);
    let mut ca = Ca::new(CaOptions::new().limits(limits));
    let fail = |ca: &mut Ca, times: usize| {
        for _ in 0..times {
            let order = ca.order(&["doomed.example"]).unwrap();
            ca.prove(order, false);
        }
    };
    fail(&mut ca, 1_151);
    // A success ends the row.
    let order = ca.order(&["doomed.example"]).unwrap();
    ca.prove(order, true);
    fail(&mut ca, 1_151);
    // A day forgives one.
    ca.now += DAY;
    fail(&mut ca, 1);
    ca.order(&["doomed.example"]).unwrap();
    fail(&mut ca, 1);
    let refusal = ca.order(&["doomed.example"]).unwrap_err();
    assert_eq!((refusal.status(), refusal.kind()), (429, "rateLimited"));
    assert_eq!(
        (refusal.limit(), refusal.retry_after()),
        (Some(Limit::Paused), None)
    );
    ca.now += 100 * DAY;
    assert!(
        ca.order(&["doomed.example"]).is_err(),
        "no time ends a pause"
    );
    ca.issue(&["good.example"]).unwrap();
    assert_eq!(ca.model.unpause(ca.account), 1);
    ca.issue(&["doomed.example"]).unwrap();
}

#[test]
fn an_address_has_10_accounts_in_3_hours_and_an_ipv6_network_500() {
    let mut model = CaModel::new(CaOptions::new());
    let from = address("192.0.2.1");
    for _ in 0..10 {
        model.open_account(from, start()).unwrap();
    }
    let wait = Duration::from_secs(1_080);
    assert_limited(
        model.open_account(from, start()),
        Limit::AccountsPerAddress,
        wait,
    );
    model.open_account(from, start() + wait).unwrap();
    for n in 0..500 {
        let from = address(&format!("2001:db8:0:{n:x}::"));
        model.open_account(from, start()).unwrap();
    }
    let wait = Duration::from_secs(22);
    let next = model.open_account(address("2001:db8:0:ffff::1"), start());
    assert_limited(next, Limit::AccountsPerNetwork, wait);
    model
        .open_account(address("2001:db8:1::1"), start())
        .unwrap();
}

#[test]
fn requests_are_counted_by_class_and_address() {
    let mut model = CaModel::new(CaOptions::new());
    let (from, other) = (address("192.0.2.1"), address("192.0.2.2"));
    for (class, burst, a_second) in [
        (RequestClass::Nonce, 10, 20),
        (RequestClass::Order, 200, 300),
        (RequestClass::RenewalInfo, 100, 1_000),
        (RequestClass::Directory, 40, 40),
        (RequestClass::Other, 125, 250),
    ] {
        for _ in 0..burst {
            model.admit(from, class, start()).unwrap();
        }
        let refusal = model.admit(from, class, start()).unwrap_err();
        assert_eq!((refusal.status(), refusal.kind()), (503, "rateLimited"));
        assert_eq!(refusal.limit(), Some(Limit::Requests(class)));
        assert_eq!(refusal.retry_after(), Some(SECOND));
        model.admit(other, class, start()).unwrap();
        let later = start() + SECOND;
        let passed = (0..2_000).filter(|_| model.admit(from, class, later).is_ok());
        assert_eq!(passed.count(), burst.min(a_second));
    }
}

#[test]
fn a_renewal_inside_its_window_escapes_all_limits() {
    let limits = CaLimits::lets_encrypt()
        .orders_per_account(Some(Rate::new(2, 365 * DAY)))
        .certificates_per_set(Some(Rate::new(1, 365 * DAY)));
    let mut ca = Ca::new(CaOptions::new().limits(limits));
    let certificate = ca.issue(&["a.example"]).unwrap();
    // Somebody else spends what the set has left.
    let failing = ca.order(&["a.example"]);
    assert_limited(failing, Limit::CertificatesPerSet, 365 * DAY);
    for _ in 0..5 {
        // The same set is no new order, so the account's limit is not touched by it.
        ca.now += HOUR;
    }
    let (from, until) = ca.window(certificate);
    let replaces = OrderTerms::new().replaces(certificate);
    for (now, exempt) in [
        (from - SECOND, false),
        (until, false),
        (until - SECOND, true),
        (from, true),
    ] {
        ca.now = now;
        let mut fork = Ca {
            model: ca.model.clone(),
            ..ca
        };
        let ordered = fork.order_as(&["a.example"], replaces);
        assert_eq!(ordered.is_ok(), exempt, "{now:?}");
        assert_eq!(fork.model.report().ari_renewals(), u64::from(exempt));
    }
    ca.now = from;
    let next = ca.issue_as(&["a.example"], replaces).unwrap();
    assert_eq!(ca.model.report().overdrawn(), 1, "{}", ca.model.report());
    assert_eq!(ca.model.report().duplicate_orders(), 0);
    for names in [&["a.example"][..], &["a.example", "b.example"]] {
        let refusal = ca.order_as(names, replaces).unwrap_err();
        assert_eq!((refusal.status(), refusal.kind()), (409, "alreadyReplaced"));
    }
    let (from, _) = ca.window(next);
    ca.now = from;
    let next = OrderTerms::new().replaces(next);
    let refusal = ca.order_as(&["b.example"], next).unwrap_err();
    assert_eq!(
        (refusal.status(), refusal.kind()),
        (400, "malformed"),
        "{refusal}"
    );
    // A set that grew is a replacement too.
    ca.order_as(&["a.example", "b.example"], next).unwrap();
    ca.account = ca.model.open_account(address("192.0.2.2"), ca.now).unwrap();
    let refusal = ca.order_as(&["a.example"], next).unwrap_err();
    assert_eq!(refusal.kind(), "alreadyReplaced");
}

#[test]
fn a_replacement_that_failed_leaves_the_certificate_to_be_replaced() {
    let mut ca = Ca::lets_encrypt();
    let certificate = ca.issue(&["a.example"]).unwrap();
    ca.now = ca.window(certificate).0;
    let replaces = OrderTerms::new().replaces(certificate);
    let order = ca.order_as(&["a.example"], replaces).unwrap();
    assert_eq!(
        ca.order_as(&["a.example"], replaces).unwrap_err().status(),
        409
    );
    ca.prove(order, false);
    let order = ca.order_as(&["a.example"], replaces).unwrap();
    // An order that was given up expires.
    ca.now += 7 * DAY;
    assert_eq!(ca.model.look(order, ca.now).unwrap_err().status(), 404);
    ca.issue_as(&["a.example"], replaces).unwrap();
}

#[test]
fn windows_are_a_share_of_the_lifetime_and_in_the_past_once_revoked() {
    let mut ca = Ca::lets_encrypt();
    for (profile, life, ideal, half) in [
        ("classic", 90 * DAY, 60 * DAY, 90 * DAY / 100),
        ("tlsserver", 45 * DAY, 30 * DAY, 45 * DAY / 100),
        ("shortlived", 160 * HOUR, 80 * HOUR, 160 * HOUR / 100),
    ] {
        let name = format!("{profile}.example");
        let certificate = ca
            .issue_as(&[&name], OrderTerms::new().profile(profile))
            .unwrap();
        let (from, until) = ca.model.validity(certificate).unwrap();
        assert_eq!(until.duration_since(from).unwrap(), life);
        let window = (start() + ideal - half, start() + ideal + half);
        assert_eq!(ca.window(certificate), window);
        let moved = (start() + HOUR, start() + 2 * HOUR);
        ca.model.set_window(certificate, moved.0, moved.1);
        assert_eq!(ca.window(certificate), moved);
        ca.model.revoke(certificate, ca.now).unwrap();
        let past = (start() - HOUR, start() - HOUR / 2);
        assert_eq!(ca.window(certificate), past);
        let again = ca.model.revoke(certificate, ca.now).unwrap_err();
        assert_eq!(again.kind(), "alreadyRevoked");
        let mut later = ca.model.clone();
        let expired = later.renewal_info(certificate, start() + life).unwrap_err();
        assert_eq!(expired.status(), 404);
    }
    let refusal = ca
        .order_as(&["a.example"], OrderTerms::new().profile("none"))
        .unwrap_err();
    assert_eq!(refusal.kind(), "invalidProfile");
}

#[test]
fn batches_are_revoked_and_moved_by_when_they_were_issued() {
    let mut ca = Ca::lets_encrypt();
    let mut certificates = Vec::new();
    for n in 0..10 {
        certificates.push(ca.issue(&[&format!("a{n}.example")]).unwrap());
        ca.now += HOUR;
    }
    let batch = start() + 2 * HOUR..start() + 5 * HOUR;
    let soon = (ca.now + HOUR, ca.now + 2 * HOUR);
    assert_eq!(ca.model.move_windows(batch.clone(), soon.0, soon.1), 3);
    assert_eq!(ca.window(certificates[4]), soon);
    assert_ne!(ca.window(certificates[5]), soon);
    assert_eq!(ca.model.revoke_issued(batch.clone(), ca.now), 3);
    assert_eq!(ca.model.revoke_issued(batch, ca.now), 0);
    assert!(ca.window(certificates[2]).1 < ca.now);
    assert_eq!(ca.model.report().revoked(), 3);
    // Replacing what was revoked is no duplicate.
    ca.issue(&["a2.example"]).unwrap();
    assert_eq!(ca.model.report().duplicate_orders(), 0);
    ca.issue(&["a1.example"]).unwrap();
    assert_eq!(ca.model.report().duplicate_orders(), 1);
}

#[test]
fn open_orders_are_used_again_if_it_is_said_and_counted_if_not() {
    let mut ca = Ca::lets_encrypt();
    ca.order(&["a.example"]).unwrap();
    ca.order(&["a.example"]).unwrap();
    assert_eq!(ca.model.report().duplicate_orders(), 1);
    let mut ca = Ca::new(CaOptions::new().order_reuse(true));
    let order = ca.order(&["a.example"]).unwrap();
    assert_eq!(ca.order(&["a.example"]).unwrap(), order);
    ca.prove(order, false);
    assert_ne!(ca.order(&["a.example"]).unwrap(), order);
    assert_eq!(ca.model.report().duplicate_orders(), 0);
}

#[test]
fn valid_authorizations_are_used_again_for_as_long_as_it_is_said() {
    let mut ca = Ca::new(CaOptions::new().authorization_reuse(30 * DAY));
    ca.issue(&["a.example"]).unwrap();
    let ready = |ca: &mut Ca, name: &str| {
        let order = ca.order(&[name]).unwrap();
        ca.model.look(order, ca.now).unwrap() == OrderState::Ready
    };
    ca.now += 29 * DAY;
    assert!(ready(&mut ca, "a.example"));
    assert!(
        !ready(&mut ca, "*.a.example"),
        "a wildcard is another authorization"
    );
    ca.now += DAY;
    assert!(!ready(&mut ca, "a.example"));
    let order = ca.order(&["b.example"]).unwrap();
    ca.prove(order, true);
    let proof = ca.model.authorizations(order).unwrap()[0];
    ca.model.deactivate(proof).unwrap();
    assert_eq!(ca.model.look(order, ca.now).unwrap(), OrderState::Invalid);
    assert!(!ready(&mut ca, "b.example"));
}

#[test]
fn orders_go_through_their_states() {
    let faults = Faults::new(0).rate(Fault::Processing, 1.0);
    let mut ca = Ca::new(CaOptions::new().faults(faults));
    let order = ca.order(&["a.example", "b.example"]).unwrap();
    let refusal = ca.model.finalize(order, ca.now).unwrap_err();
    assert_eq!((refusal.status(), refusal.kind()), (403, "orderNotReady"));
    let proofs = ca.model.authorizations(order).unwrap();
    assert!(ca.model.authorize(proofs[0], true, ca.now).unwrap());
    assert_eq!(ca.model.look(order, ca.now).unwrap(), OrderState::Pending);
    assert_eq!(
        ca.model
            .authorize(proofs[0], true, ca.now)
            .unwrap_err()
            .kind(),
        "malformed"
    );
    ca.model.authorize(proofs[1], true, ca.now).unwrap();
    assert_eq!(ca.model.look(order, ca.now).unwrap(), OrderState::Ready);
    assert_eq!(
        ca.model.finalize(order, ca.now).unwrap(),
        OrderState::Processing
    );
    assert_eq!(
        ca.model.finalize(order, ca.now).unwrap_err().kind(),
        "orderNotReady"
    );
    let OrderState::Valid(certificate) = ca.model.look(order, ca.now).unwrap() else {
        panic!("it is done at the next look");
    };
    ca.model.validity(certificate).unwrap();
    assert_eq!(ca.model.report().fault(Fault::Processing), 1);
}

#[test]
fn odd_names_are_refused() {
    let mut model = CaModel::new(CaOptions::new());
    let many: Vec<String> = (0..101).map(|n| format!("a{n}.example")).collect();
    for names in [vec![], vec!["a b".to_owned()], vec![String::new()], many] {
        let refusal = model.set(&names).unwrap_err();
        assert_eq!((refusal.status(), refusal.kind()), (400, "malformed"));
    }
}

#[test]
fn faults_strike_by_their_own_rates_and_are_counted() {
    const ASKED: u64 = 4_000;
    let faults = Faults::new(3)
        .rate(Fault::TooManyRequests, 0.1)
        .rate(Fault::Unavailable, 0.1)
        .rate(Fault::Html, 0.1)
        .rate(Fault::NoRetryAfter, 0.5)
        .retry_after(7 * SECOND);
    let limits = CaLimits::unlimited();
    let mut model = CaModel::new(
        CaOptions::new()
            .limits(limits.clone())
            .faults(faults.clone()),
    );
    let mut told = 0;
    for _ in 0..ASKED {
        if let Err(refusal) = model.admit(address("::1"), RequestClass::Other, start()) {
            let expected = match refusal.fault().unwrap() {
                Fault::TooManyRequests => (429, "rateLimited"),
                Fault::Unavailable => (503, "rateLimited"),
                Fault::Html => (502, "serverInternal"),
                other => panic!("{other:?}"),
            };
            assert_eq!((refusal.status(), refusal.kind()), expected);
            if let Some(wait) = refusal.retry_after() {
                assert_eq!(wait, 7 * SECOND);
                told += 1;
            }
        }
    }
    let report = model.report().clone();
    for fault in [Fault::TooManyRequests, Fault::Unavailable, Fault::Html] {
        let rate = report.fault(fault) * 1_000 / ASKED;
        assert!((70..125).contains(&rate), "{fault:?}: {rate} of 1,000");
    }
    let silent = report.fault(Fault::NoRetryAfter);
    let limited = report.fault(Fault::TooManyRequests) + report.fault(Fault::Unavailable);
    assert_eq!(silent + told, limited);
    assert_eq!(report.overdrawn(), 0, "a fault is no limit");
    assert_eq!(report.requests()[&RequestClass::Other], ASKED);

    // The same seed strikes in the same places, whatever the other rates are.
    let alone = Faults::new(3).rate(Fault::Html, 0.1);
    for n in 0..1_000 {
        assert_eq!(
            alone.strikes(Fault::Html, n),
            faults.strikes(Fault::Html, n)
        );
    }
    let other = Faults::new(4).rate(Fault::Html, 0.1);
    assert!((0..1_000).any(|n| alone.strikes(Fault::Html, n) != other.strikes(Fault::Html, n)));
}

#[test]
fn a_ca_is_down_for_days_and_then_up() {
    let faults = Faults::new(0).outage(start() + DAY, start() + 8 * DAY);
    let mut model = CaModel::new(CaOptions::new().faults(faults));
    let mut ask = |after| model.admit(address("::1"), RequestClass::Directory, start() + after);
    ask(DAY - SECOND).unwrap();
    assert_eq!(ask(DAY).unwrap_err().fault(), Some(Fault::Outage));
    assert!(ask(8 * DAY - SECOND).is_err());
    ask(8 * DAY).unwrap();
}

#[test]
fn ari_is_malformed_or_absent_by_chance() {
    let faults = Faults::new(5)
        .rate(Fault::MalformedAri, 0.3)
        .rate(Fault::AbsentAri, 0.3)
        .rate(Fault::NoRetryAfter, 0.5)
        .rate(Fault::RefusedChallenge, 0.3);
    let mut ca = Ca::new(CaOptions::new().faults(faults));
    let certificate = (0..).find_map(|n| {
        let order = ca.order(&[&format!("a{n}.example")]).unwrap();
        ca.prove(order, true);
        match ca.model.finalize(order, ca.now) {
            Ok(OrderState::Valid(certificate)) => Some(certificate),
            _ => None,
        }
    });
    let (mut absent, mut malformed, mut silent) = (0, 0, 0);
    for _ in 0..200 {
        let retry_after = match ca.model.renewal_info(certificate.unwrap(), ca.now) {
            Err(refusal) => {
                assert_eq!(refusal.status(), 404);
                absent += 1;
                continue;
            }
            Ok(RenewalInfo::Malformed { retry_after, .. }) => {
                malformed += 1;
                retry_after
            }
            Ok(RenewalInfo::Window { retry_after, .. }) => retry_after,
            Ok(other) => panic!("{other:?}"),
        };
        silent += u64::from(retry_after.is_none());
    }
    let report = ca.model.report();
    assert_eq!(report.fault(Fault::AbsentAri), absent);
    assert_eq!(report.fault(Fault::MalformedAri), malformed);
    assert_eq!(report.fault(Fault::NoRetryAfter), silent);
    assert!(absent > 30 && malformed > 20 && silent > 30, "{report}");

    let mut ca = Ca::new(CaOptions::new().ari(false));
    let certificate = ca.issue(&["a.example"]).unwrap();
    assert_eq!(
        ca.model
            .renewal_info(certificate, ca.now)
            .unwrap_err()
            .status(),
        404
    );
}

#[test]
fn a_clock_that_is_set_back_empties_no_bucket_further_than_empty() {
    let limits = CaLimits::unlimited().orders_per_account(Some(Rate::new(2, HOUR)));
    let mut ca = Ca::new(CaOptions::new().limits(limits));
    ca.now += 1_000 * DAY;
    ca.order(&["a.example"]).unwrap();
    ca.now = start();
    let limit = Limit::OrdersPerAccount;
    assert_limited(ca.order(&["b.example"]), limit, HOUR / 2);
    ca.now += HOUR / 2;
    ca.order(&["b.example"]).unwrap();
    // Before 1970 nothing breaks either.
    ca.now = UNIX_EPOCH - DAY;
    assert!(ca.order(&["c.example"]).is_err());
}

/// A bucket as one would draw it: a level that rises with time, up to the brim.
struct Twin {
    level: u128,
    last: u128,
}

/// Whether it goes, and the seconds to wait if not. All in nanoseconds times the count.
fn twin(twin: &mut Twin, rate: &Rate, now: Duration) -> Result<(), u128> {
    let step = rate.period().as_nanos();
    let brim = step * u128::from(rate.capacity());
    let now = now.as_nanos() * u128::from(rate.count());
    twin.level = (twin.level + (now - twin.last)).min(brim);
    twin.last = now;
    match twin.level.checked_sub(step) {
        Some(left) => {
            twin.level = left;
            Ok(())
        }
        None => {
            let missing = (step - twin.level).div_ceil(u128::from(rate.count()));
            Err(missing.div_ceil(1_000_000_000))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn buckets_are_those_of_a_slow_twin(
        count in 1_u32..60,
        // A step in whole nanoseconds, so that nothing is rounded.
        step in 1_u64..4_000_000_000,
        burst in 1_u32..80,
        pauses in prop::collection::vec((any::<bool>(), 0_u64..8_000_000_000), 1..300),
    ) {
        let rate = Rate::new(count, Duration::from_nanos(step * u64::from(count))).burst(burst);
        let limits = CaLimits::unlimited().requests(RequestClass::Other, Some(rate));
        let mut model = CaModel::new(CaOptions::new().limits(limits));
        let full = rate.period().as_nanos() * u128::from(burst);
        let mut drawn = Twin { level: full, last: 0 };
        let mut passed = Duration::ZERO;
        for (at_once, pause) in pauses {
            if !at_once {
                passed += Duration::from_nanos(pause);
            }
            let said = model.admit(address("::1"), RequestClass::Other, UNIX_EPOCH + passed);
            let said = said.map_err(|refusal| u128::from(refusal.retry_after().unwrap().as_secs()));
            prop_assert_eq!(said, twin(&mut drawn, &rate, passed));
        }
    }

    /// A client that waits as long as it is told is let in, and a moment before it is not.
    #[test]
    fn who_waits_as_told_is_let_in(count in 1_u32..50, seconds in 1_u64..100_000, rounds in 1_usize..20) {
        let rate = Rate::new(count, Duration::from_secs(seconds));
        let limits = CaLimits::unlimited().orders_per_account(Some(rate));
        let mut ca = Ca::new(CaOptions::new().limits(limits));
        let mut named = 0;
        for _ in 0..rounds {
            named += 1;
            let name = format!("a{named}.example");
            if let Err(refusal) = ca.order(&[&name]) {
                ca.now += refusal.retry_after().unwrap();
                prop_assert!(ca.order(&[&name]).is_ok());
            }
        }
    }
}
