//! The world before it begins: the CA with its accounts, and what was issued already.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::chance::Chance;
use super::engine::duration;
use super::instance::{held, micros, seconds, time};
use super::population::Issued;
use super::scenario::{Event, InvalidScenario, Scenario};
use super::store::{Store, Stored};
use super::tally::{HOUR, Truth};
use crate::budget::Ledger;
use crate::plan::{CertState, Held, Planner, Window};
use crate::renewal::SHORT_LIVED;
use crate::testing::ca::{
    AccountId, CaLimits, CaModel, Faults, NumberMap, OrderState, OrderTerms, Refusal, RenewalInfo,
    SetId,
};

pub(super) struct World {
    pub(super) ca: CaModel,
    pub(super) accounts: Vec<AccountId>,
    pub(super) profiles: Vec<String>,
    pub(super) truths: Vec<Truth>,
    pub(super) store: Store,
}

pub(super) fn build(scenario: &Scenario) -> Result<World, InvalidScenario> {
    let lifetimes = scenario.population.all_lifetimes();
    let name = |lifetime: &Duration| format!("of-{}-s", lifetime.as_secs());
    let profiles: Vec<String> = lifetimes.iter().map(|(it, _)| name(it)).collect();
    let mut options = scenario.ca.clone();
    for ((lifetime, _), name) in lifetimes.iter().zip(&profiles) {
        options = options.profile(name, "as the population has it", *lifetime);
    }
    for (after, event) in &scenario.events {
        if let Event::Outage { lasts } = event {
            let from = scenario.start + *after;
            options.faults = options.faults.outage(from, from + *lasts);
        }
    }
    // What was there before met no limit and no fault, and its orders are over.
    let later = options.clone();
    let before = options
        .limits(CaLimits::unlimited())
        .faults(Faults::default())
        .order_life(Duration::from_secs(60));
    let mut before = before;
    before.authorization_life = Duration::from_secs(60);
    let mut ca = CaModel::new(before);
    let refused = |refusal: Refusal| InvalidScenario(format!("the CA refuses to begin: {refusal}"));
    let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let accounts = (0..scenario.accounts)
        .map(|_| ca.open_account(address, scenario.start))
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused)?;
    let count = scenario.population.len();
    let mut truths = Vec::with_capacity(count);
    for index in 0..scenario.population.count {
        let member = scenario.member(index);
        let set = ca.set(&member.names()).map_err(refused)?;
        debug_assert_eq!(
            set.number(),
            index,
            "sets are numbered as the certificates are"
        );
        truths.push(Truth::from(&member));
    }
    let mut certificates = vec![Stored::default(); count];
    for (at, cert) in ages(scenario, &truths, &lifetimes) {
        let now = time(at);
        let truth = &mut truths[cert as usize];
        let account = accounts[usize::from(truth.account)];
        let terms = OrderTerms::new().profile(&profiles[usize::from(truth.lifetime)]);
        let order = ca
            .order(account, SetId(cert), terms, now)
            .map_err(refused)?;
        for proof in ca.authorizations(order).map_err(refused)? {
            ca.authorize(proof, true, now).map_err(refused)?;
        }
        let state = ca.finalize(order, now).map_err(refused)?;
        let OrderState::Valid(certificate) = state else {
            continue;
        };
        let (from, until) = ca.validity(certificate).map_err(refused)?;
        truth.is_new = false;
        certificates[cert as usize] = Stored {
            from: seconds(from),
            until: seconds(until),
            certificate: Some(certificate),
        };
    }
    let mut planner = Planner::new(scenario.policy.clone(), scenario.seed);
    let states = (0..).zip(&certificates);
    let states = states
        .map(|(cert, stored)| known(scenario, &mut planner, &mut ca, cert, stored))
        .collect();
    ca.options = later;
    let ledgers = vec![Ledger::new(scenario.limits.clone()); accounts.len()];
    Ok(World {
        ca,
        accounts,
        profiles,
        truths,
        store: Store {
            ledgers,
            certificates,
            states,
            orders: NumberMap::default(),
            locks: NumberMap::default(),
        },
    })
}

/// When each certificate was issued, the oldest first.
fn ages(scenario: &Scenario, truths: &[Truth], lifetimes: &[(Duration, u32)]) -> Vec<(u64, u32)> {
    let start = micros(scenario.start);
    let mut chance = Chance::new(scenario.seed ^ 0x61_67_65);
    let mut planner = Planner::new(scenario.policy.clone(), scenario.seed);
    let by_window = scenario.asks_ari && scenario.ca.ari;
    let mut issued = Vec::with_capacity(truths.len());
    for (cert, truth) in (0..).zip(truths) {
        let lifetime = duration(lifetimes[usize::from(truth.lifetime)].0);
        let age = match scenario.population.issued {
            Issued::Nothing => continue,
            Issued::OneDay => chance.below((24 * HOUR).min(lifetime / 4)),
            Issued::Spread => {
                let short = duration(SHORT_LIVED);
                // To a little before the backstop, where the windows of ARI begin.
                let oldest = match lifetime < short {
                    true => lifetime / 2,
                    false => lifetime / 3 * 2,
                } / 100
                    * 98;
                let mut age = chance.below(oldest);
                for _ in 0..32 {
                    let mut is_due = || {
                        let from = time(start - age);
                        let held = Held::new(from, from + Duration::from_micros(lifetime));
                        let subject = scenario.member(cert).subject();
                        let id = planner.add(&subject, 0, Some(&held), scenario.start);
                        let due = planner.renewal_at(id);
                        planner.remove(id);
                        due.is_none_or(|due| due <= scenario.start)
                    };
                    if by_window || !is_due() {
                        break;
                    }
                    // It would have been renewed before.
                    age = chance.below(oldest);
                }
                age
            }
        };
        issued.push((start - age, cert));
    }
    issued.sort_unstable();
    issued
}

/// What the instances knew of a certificate before: its window.
fn known(
    scenario: &Scenario,
    planner: &mut Planner,
    ca: &mut CaModel,
    cert: u32,
    stored: &Stored,
) -> CertState {
    let (true, Some(certificate)) = (scenario.asks_ari, stored.certificate) else {
        return CertState::default();
    };
    let start = scenario.start;
    let Ok(RenewalInfo::Window {
        start: from, end, ..
    }) = ca.renewal_info(certificate, start)
    else {
        return CertState::default();
    };
    let subject = scenario.member(cert).subject();
    let id = planner.add(&subject, 0, held(stored, true).as_ref(), start);
    planner.set_window(id, Some(Window::new(from, end)), None, start);
    let state = planner.state(id).unwrap_or_default();
    planner.remove(id);
    state
}
