//! The ledger that a client plans by and the buckets that a CA enforces are two programs, and each is the other's
//! oracle: what the ledger grants the CA never refuses, and what the ledger denies the CA would refuse as long.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::HashSet;
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

/// Seconds until the next step: now and then at once, mostly soon.
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..60, 0_u64..1_200, 0_u64..3_500]
}

struct Both {
    ledger: Ledger,
    ca: CaModel,
    account: AccountId,
    sets: Vec<(SetId, Subject)>,
    issued: HashSet<usize>,
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
            issued: HashSet::new(),
            now: start(),
        }
    }

    fn charge(&self, set: usize) -> Charge<'_> {
        let exemption = match self.issued.contains(&set) {
            true => Exemption::Renewal,
            false => Exemption::None,
        };
        Charge::new(&self.sets[set].1).exemption(exemption)
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

    /// The order goes through, or its first name fails.
    fn end(&mut self, set: usize, order: OrderId, proved: bool, was: Exemption) {
        for (at, proof) in self
            .ca
            .authorizations(order)
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let proved = proved || at > 0;
            self.ca.authorize(proof, proved, self.now).unwrap();
        }
        let mut ledger = self.ledger.clone();
        let charge = Charge::new(&self.sets[set].1).exemption(was);
        let outcome = match proved {
            true => {
                let state = self.ca.finalize(order, self.now).unwrap();
                assert!(matches!(state, OrderState::Valid(_)));
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
        ledger.settle(&charge, &outcome, self.now);
        self.ledger = ledger;
        if proved {
            self.issued.insert(set);
        }
    }

    fn exemption(&self, set: usize) -> Exemption {
        match self.issued.contains(&set) {
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
}
