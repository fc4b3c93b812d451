//! The ledger that a client plans by and the buckets that a CA enforces are two programs, and each is the other's
//! oracle: what the ledger grants the CA never refuses, and what the ledger denies the CA would refuse as long.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::budget::{self, Charge, Exemption, Ledger, Limits, Outcome, Scope, Subject};
use opsbox_cert::limits::RESERVATION_TIME;
use opsbox_cert::testing::ca::{
    AccountId, CaLimits, CaModel, CaOptions, Limit, OrderId, OrderState, OrderTerms, Rate, Refusal,
    public_suffix_domain,
};
use opsbox_cert::{Identifier, testing::ca::SetId};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);
const LIFE: Duration = Duration::from_secs(90 * 86_400);
/// Longer than any order is under way here.
const ORDER_LIFE: Duration = Duration::from_secs(5 * 86_400);

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Few names, so that they meet at domains and sets.
const SETS: [&[&str]; 8] = [
    &["a.co.uk"],
    &["www.a.co.uk"],
    &["a.co.uk", "www.a.co.uk"],
    &["b.example"],
    &["b.example", "x.a.co.uk"],
    &["*.b.example", "b.example"],
    &["192.0.2.1"],
    &["192.0.2.2", "c.example"],
];

/// The limits of both, drawn once.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    account: (u32, u64),
    domain: (u32, u64),
    set: (u32, u64),
    failures: (u32, u64),
}

impl Drawn {
    fn ours(self) -> Limits {
        let rate = |(count, hours): (u32, u64)| {
            budget::Rate::new(count, HOUR * u32::try_from(hours).unwrap())
        };
        Limits::none()
            .account(rate(self.account))
            .domain(rate(self.domain))
            .exact_set(rate(self.set))
            .failures(rate(self.failures))
            .refuse_duplicates(false)
    }

    fn theirs(self) -> CaLimits {
        let rate = |(count, hours): (u32, u64)| {
            Some(Rate::new(count, HOUR * u32::try_from(hours).unwrap()))
        };
        CaLimits::unlimited()
            .orders_per_account(rate(self.account))
            .certificates_per_domain(rate(self.domain))
            .certificates_per_set(rate(self.set))
            .failed_authorizations(rate(self.failures))
    }
}

fn limits() -> impl Strategy<Value = Drawn> {
    // Counts that divide an hour, so that neither side rounds.
    let rate = || (prop::sample::select(vec![1_u32, 2, 3, 4, 5, 6]), 1_u64..20);
    (rate(), rate(), rate(), rate()).prop_map(|(account, domain, set, failures)| Drawn {
        account,
        domain,
        set,
        failures,
    })
}

/// All limits, or that of domains alone, which short holds and quick refills show best.
fn some_limits() -> impl Strategy<Value = Drawn> {
    const WIDE: (u32, u64) = (60, 1);
    let domain = (1_u32..5, 1_u64..3);
    let domain = domain.prop_filter("no rounding", |(count, _)| 3_600 % count == 0);
    let alone = domain.prop_map(|domain| Drawn {
        account: WIDE,
        domain,
        set: WIDE,
        failures: WIDE,
    });
    prop_oneof![limits(), alone]
}

/// Seconds until the next step: now and then at once, mostly soon.
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..60, 0_u64..1_200, 0_u64..3_500]
}

struct Both {
    ledger: Ledger,
    ca: CaModel,
    account: AccountId,
    sets: Vec<(SetId, Subject)>,
    /// When each set was issued last, as far as the client knows.
    issued: HashMap<usize, SystemTime>,
    now: SystemTime,
}

impl Both {
    /// With or without the exemption of renewals.
    fn new(drawn: Drawn, exempt: bool) -> Self {
        let within = if exempt { LIFE } else { Duration::ZERO };
        let options = CaOptions::new()
            .limits(drawn.theirs().renewal_within(within))
            .profile("any", "names and addresses", LIFE)
            .registered_domain(public_suffix_domain);
        let mut ca = CaModel::new(options);
        let account = ca
            .open_account("192.0.2.9".parse().unwrap(), start())
            .unwrap();
        let sets = SETS.iter().map(|names| {
            let identifiers: Vec<Identifier> =
                names.iter().map(|name| name.parse().unwrap()).collect();
            (ca.set(names).unwrap(), Subject::new(&identifiers))
        });
        let sets = sets.collect();
        Self {
            ledger: Ledger::new(drawn.ours().renewals_exempt(exempt)),
            ca,
            account,
            sets,
            issued: HashMap::new(),
            now: start(),
        }
    }

    fn charge(&self, set: usize) -> Charge<'_> {
        Charge::new(&self.sets[set].1).exemption(self.exemption(set))
    }

    /// What the ledger says, and what the CA says.
    fn order(&mut self, set: usize) -> (Result<(), budget::Denied>, Result<OrderId, Refusal>) {
        let charge = self.charge(set);
        let mut ledger = self.ledger.clone();
        let granted = ledger.take(&charge, self.now);
        self.ledger = ledger;
        let terms = OrderTerms::new().profile("any");
        let placed = self
            .ca
            .order(self.account, self.sets[set].0, terms, self.now);
        (granted, placed)
    }

    fn authorize(&mut self, order: OrderId, proved: bool) {
        let proofs = self.ca.authorizations(order).unwrap();
        for (at, proof) in proofs.into_iter().enumerate() {
            let proved = proved || at > 0;
            self.ca.authorize(proof, proved, self.now).unwrap();
        }
    }

    fn finalize(&mut self, order: OrderId) {
        let state = self.ca.finalize(order, self.now).unwrap();
        assert!(matches!(state, OrderState::Valid(_)));
    }

    /// It is issued, and the client dies before it hears of it.
    fn issue_unheard(&mut self, order: OrderId) {
        self.authorize(order, true);
        self.finalize(order);
    }

    /// The order goes through, or its first name fails.
    fn end(&mut self, set: usize, order: OrderId, proved: bool, was: Exemption) {
        self.authorize(order, proved);
        let outcome = match proved {
            true => {
                self.finalize(order);
                Outcome::Issued { lifetime: LIFE }
            }
            false => {
                // The CA sorts its names.
                let first = *SETS[set].iter().min().unwrap();
                let first: Identifier = first.parse().unwrap();
                let failed = Subject::new(&[first]).identifiers().to_vec();
                Outcome::Invalid {
                    identifiers: failed,
                }
            }
        };
        let charge = Charge::new(&self.sets[set].1).exemption(was);
        self.ledger.settle(&charge, &outcome, self.now);
        if proved {
            self.issued.insert(set, self.now);
        }
    }

    fn exemption(&self, set: usize) -> Exemption {
        // The CA counts what is a renewal when it is issued, which may be days from now.
        let is_there = |issued: &SystemTime| *issued + LIFE - ORDER_LIFE > self.now;
        match self.issued.get(&set).is_some_and(is_there) {
            true => Exemption::Renewal,
            false => Exemption::None,
        }
    }
}

fn same(scope: Scope, limit: Limit) -> bool {
    matches!(
        (scope, limit),
        (Scope::Account, Limit::OrdersPerAccount)
            | (Scope::Domain, Limit::CertificatesPerDomain)
            | (Scope::ExactSet, Limit::CertificatesPerSet)
            | (Scope::Failures, Limit::FailedAuthorizations)
    )
}

/// An order under way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    set: usize,
    order: OrderId,
    was: Exemption,
    /// When it ends at the latest.
    until: SystemTime,
}

/// How an order ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Issued,
    Failed,
    /// The client dies, before or after the certificate is there.
    Died,
    DiedIssued,
}

#[derive(Debug, Clone, Copy)]
struct Move {
    set: usize,
    pause: u64,
    /// How long the order may last.
    lasts: u64,
    ending: Ending,
    /// Whether an order ends now, and none is placed.
    ends: Option<prop::sample::Index>,
}

/// Orders that last so long at most, in seconds.
fn moves(longest: u64) -> impl Strategy<Value = Vec<Move>> {
    use Ending::{Died, DiedIssued, Failed, Issued};
    let pauses = prop_oneof![
        1 => 0_u64..60,
        6 => 0_u64..3_600,
        // Around the moment at which holds lapse.
        2 => 7_000_u64..7_210,
        1 => 0_u64..20_000,
        1 => 0_u64..200_000,
    ];
    let lasts = prop_oneof![0_u64..7_200, 6_900_u64..7_205, 0..longest];
    let ending = prop::sample::select(vec![
        Issued, Issued, Issued, Failed, Failed, Died, DiedIssued,
    ]);
    let ends = prop::option::weighted(0.2, any::<prop::sample::Index>());
    let one = (0..SETS.len(), pauses, lasts, ending, ends);
    let one = one.prop_map(move |(set, pause, lasts, ending, ends)| Move {
        set,
        pause,
        lasts: lasts.min(longest),
        ending,
        ends,
    });
    prop::collection::vec(one, 1..150)
}

/// A client that orders a set once at a time, as its lock has it.
struct Client {
    both: Both,
    under_way: Vec<(Flight, SystemTime, Ending)>,
    late: u64,
}

impl Client {
    fn end(&mut self, at: usize) {
        let (flight, since, ending) = self.under_way.swap_remove(at);
        let both = &mut self.both;
        let is_late = both.now > since + RESERVATION_TIME;
        match ending {
            Ending::Issued | Ending::Failed => {
                both.end(
                    flight.set,
                    flight.order,
                    ending == Ending::Issued,
                    flight.was,
                );
                self.late += u64::from(is_late && ending == Ending::Issued);
            }
            // What is issued so late that nobody ever hears of cannot be counted.
            Ending::DiedIssued if !is_late => both.issue_unheard(flight.order),
            Ending::DiedIssued | Ending::Died => {}
        }
    }

    /// All that ends until then, each at its moment.
    fn advance(&mut self, until: SystemTime) {
        loop {
            let flights = self.under_way.iter().enumerate();
            let next = flights.min_by_key(|(_, (flight, _, _))| flight.until);
            let Some((at, end)) = next.map(|(at, (flight, _, _))| (at, flight.until)) else {
                break;
            };
            if end > until {
                break;
            }
            self.both.now = end;
            self.end(at);
        }
        self.both.now = until;
    }

    fn step(&mut self, step: Move) -> Result<(), TestCaseError> {
        self.advance(self.both.now + Duration::from_secs(step.pause));
        if let Some(which) = step.ends
            && !self.under_way.is_empty()
        {
            self.end(which.index(self.under_way.len()));
            return Ok(());
        }
        if self
            .under_way
            .iter()
            .any(|(flight, _, _)| flight.set == step.set)
        {
            return Ok(());
        }
        let both = &mut self.both;
        let was = both.exemption(step.set);
        if both.ledger.check(&both.charge(step.set), both.now).is_err() {
            return Ok(());
        }
        let (taken, placed) = both.order(step.set);
        prop_assert!(taken.is_ok());
        let order = placed.map_err(|refusal| {
            let names = SETS[step.set].join(",");
            TestCaseError::fail(format!("{names}: granted, and refused by {refusal}"))
        })?;
        let until = both.now + Duration::from_secs(step.lasts);
        let flight = Flight {
            set: step.set,
            order,
            was,
            until,
        };
        self.under_way.push((flight, both.now, step.ending));
        Ok(())
    }

    fn run(drawn: Drawn, exempt: bool, steps: Vec<Move>) -> Result<Self, TestCaseError> {
        let mut client = Self {
            both: Both::new(drawn, exempt),
            under_way: Vec::new(),
            late: 0,
        };
        for step in steps {
            client.step(step)?;
        }
        Ok(client)
    }
}

/// Two in two hours, for a domain.
fn two_in_two_hours() -> Both {
    let wide = (6, 1);
    let drawn = Drawn {
        account: wide,
        domain: (2, 2),
        set: wide,
        failures: wide,
    };
    Both::new(drawn, false)
}

fn granted(both: &mut Both, set: usize) -> Option<OrderId> {
    let (granted, placed) = both.order(set);
    granted
        .ok()
        .map(|()| placed.expect("what is granted is not refused"))
}

#[test]
fn an_order_lapses_when_it_is_two_hours_old_and_not_when_an_older_one_is() {
    let mut both = two_in_two_hours();
    let at = |second| start() + Duration::from_secs(second);
    let older = granted(&mut both, 0).unwrap();
    both.now = at(7_199);
    let younger = granted(&mut both, 1).unwrap();
    both.end(0, older, false, Exemption::None);
    both.now = at(14_200);
    both.end(1, younger, true, Exemption::None);
    both.now = at(14_400);
    let orders: Vec<OrderId> = (0..2).filter_map(|set| granted(&mut both, set)).collect();
    assert_eq!(orders.len(), 1, "one of two in two hours is 200 s old");
    both.end(0, orders[0], true, Exemption::None);
    assert_eq!(both.ca.report().overdrawn(), 0, "{}", both.ca.report());
}

#[test]
fn what_is_issued_after_its_hold_has_lapsed_counts_from_then_on() {
    let mut both = two_in_two_hours();
    let late = granted(&mut both, 0).unwrap();
    // It counted at 7,201 s and has come back at 10,801 s.
    both.now = start() + Duration::from_secs(10_900);
    both.end(0, late, true, Exemption::None);
    let orders: Vec<OrderId> = (0..2).filter_map(|set| granted(&mut both, set)).collect();
    assert_eq!(orders.len(), 1, "one of two in two hours was issued now");
    both.end(0, orders[0], true, Exemption::None);
    assert_eq!(both.ca.report().overdrawn(), 0, "{}", both.ca.report());
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    /// With nothing under way both say the same, and wait for the same moment. Renewals are no exception here, of
    /// which the ledger counts more than this CA does, to be on the safe side.
    #[test]
    fn both_agree_when_nothing_is_under_way(
        drawn in limits(),
        steps in prop::collection::vec((0..SETS.len(), 0_u64..20_000, 0_u8..10), 1..120),
    ) {
        let mut both = Both::new(drawn, false);
        for (set, pause, luck) in steps {
            both.now += Duration::from_secs(pause);
            let was = both.exemption(set);
            let (granted, placed) = both.order(set);
            match (granted, placed) {
                (Ok(()), Ok(order)) => both.end(set, order, luck > 2, was),
                (Err(denied), Err(refusal)) => {
                    let until = denied.until().duration_since(both.now).unwrap();
                    let wait = refusal.retry_after().unwrap();
                    // The CA speaks of whole seconds.
                    prop_assert_eq!(until.as_nanos().div_ceil(1_000_000_000), u128::from(wait.as_secs()),
                        "{}: {} and {}", SETS[set].join(","), denied, refusal);
                    let limit = refusal.limit().unwrap();
                    let unlike = !same(denied.scope(), limit);
                    // Two limits may wait for the same moment.
                    prop_assert!(!unlike || until.subsec_nanos() == 0, "{:?} and {:?}", denied.scope(), limit);
                }
                (granted, placed) => {
                    return Err(TestCaseError::fail(format!(
                        "{}: the ledger says {granted:?}, the CA {placed:?}", SETS[set].join(",")
                    )));
                }
            }
        }
    }

    /// Whatever is under way, what the ledger grants is never refused, and nothing is issued over a limit: as long as
    /// orders end within `RESERVATION_TIME`.
    #[test]
    fn what_the_ledger_grants_the_ca_never_refuses(
        drawn in limits(),
        steps in prop::collection::vec((0..SETS.len(), pauses(), 0_u8..10, any::<prop::sample::Index>()), 1..150),
    ) {
        let mut both = Both::new(drawn, true);
        let mut under_way: Vec<(usize, OrderId, Exemption, SystemTime)> = Vec::new();
        for (set, pause, luck, which) in steps {
            both.now += Duration::from_secs(pause);
            // All ends within the time that the ledger reserves for it.
            let now = both.now;
            for (set, order, was, _) in under_way
                .extract_if(.., |(_, _, _, since)| *since + RESERVATION_TIME / 2 <= now)
            {
                both.end(set, order, false, was);
            }
            if luck % 2 == 0 && !under_way.is_empty() {
                let (set, order, was, _) = under_way.swap_remove(which.index(under_way.len()));
                both.end(set, order, luck > 2, was);
                continue;
            }
            let was = both.exemption(set);
            let granted = both.ledger.check(&both.charge(set), both.now).is_ok();
            if granted {
                let (taken, placed) = both.order(set);
                prop_assert!(taken.is_ok());
                match placed {
                    Ok(order) => under_way.push((set, order, was, both.now)),
                    Err(refusal) => return Err(TestCaseError::fail(format!(
                        "{}: granted, and refused by {refusal}", SETS[set].join(",")
                    ))),
                }
            }
        }
        prop_assert_eq!(both.ca.report().overdrawn(), 0, "{}", both.ca.report());
    }

    /// Over months, with clients that die with or without a certificate: as long as orders end within
    /// `RESERVATION_TIME`, no limit is overdrawn.
    #[test]
    fn orders_that_end_in_time_overdraw_nothing_however_long_it_goes_on(
        drawn in some_limits(),
        exempt in any::<bool>(),
        steps in moves(RESERVATION_TIME.as_secs()),
    ) {
        let client = Client::run(drawn, exempt, steps)?;
        let report = client.both.ca.report();
        prop_assert_eq!(client.late, 0);
        prop_assert_eq!(report.overdrawn(), 0, "{}", report);
    }

    /// Orders of days: what is granted is not refused, and nothing is over a limit but what was issued late.
    #[test]
    fn orders_that_end_late_count_once_they_have(
        drawn in some_limits(),
        exempt in any::<bool>(),
        steps in moves(4 * 86_400),
    ) {
        let client = Client::run(drawn, exempt, steps)?;
        let report = client.both.ca.report();
        // A late one can be over the limit of its set and of two domains.
        prop_assert!(report.overdrawn() <= client.late * 3, "{} late\n{}", client.late, report);
    }
}
