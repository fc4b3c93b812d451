//! An order on its way: what the CA is asked, and what comes of its answers.

use super::engine::{Simulation, duration};
use super::instance::{Flight, Step, held, seconds, time};
use super::store::{LOCK, Pending, Stored};
use crate::budget::{Charge, Outcome, Scope, limit_in};
use crate::plan::{End, Failure, Window};
use crate::testing::ca::{
    AuthorizationState, CertificateId, OrderId, OrderState, OrderTerms, Refusal, RenewalInfo,
    RequestClass, SetId,
};

const MINUTE: u64 = 60 * 1_000_000;

/// How often an order is finalized again that the CA answered with an error of its own.
const FINALIZE_TRIES: u32 = 5;

/// Why an order does not go on.
enum Stop {
    Refused(Refusal),
    /// The last name could not be validated.
    Invalid,
    /// The lock is another one's.
    Fenced,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether an instance goes on with an order that the CA answers with an error of its own. What is issued is
/// asked for until it is there: to order it again would cost one of few. To finalize is tried some times.
fn may_go_on(flight: &Flight, refusal: &Refusal) -> bool {
    let is_passing = matches!(refusal.status(), 429 | 500..);
    let most = match flight.step {
        Step::Store(_) => u32::MAX,
        Step::Finalize(_) => FINALIZE_TRIES,
        _ => 0,
    };
    is_passing && flight.failures < most
}

impl Simulation {
    pub(super) fn step(&mut self, number: usize, place: usize) {
        let Some(flight) = self.instances[number].flights[place].take() else {
            return;
        };
        let cert = u32::try_from(flight.order.cert().index()).unwrap_or(u32::MAX);
        let mine = self.instances[number].lock(self.now + LOCK);
        let next = match self.store.keep(cert, mine) {
            false => Err(Stop::Fenced),
            true => match flight.step {
                Step::Place => self.place(number, cert, &flight),
                Step::Validate(order) => self.validate(number, cert, order),
                Step::Finalize(order) => self.finalize(number, cert, order),
                Step::Store(certificate) => match self.keep(number, cert, &flight, certificate) {
                    Ok(()) => return,
                    Err(refusal) => Err(refusal.into()),
                },
            },
        };
        match next {
            Ok(step) => {
                let (order, failures) = (flight.order, 0);
                let flight = Flight {
                    order,
                    step,
                    failures,
                };
                self.instances[number].flights[place] = Some(flight);
                self.next_step(number, place);
            }
            Err(Stop::Refused(refusal)) if may_go_on(&flight, &refusal) => {
                self.again(number, place, cert, flight, &refusal);
            }
            Err(stop) => self.stop(number, cert, &flight, stop),
        }
    }

    /// The same step once more, a little later, in the same order.
    fn again(
        &mut self,
        number: usize,
        place: usize,
        cert: u32,
        mut flight: Flight,
        refusal: &Refusal,
    ) {
        self.tally.outages += 1;
        let wait = (MINUTE << flight.failures.min(3)).min(5 * MINUTE);
        let asked = refusal.retry_after().map_or(0, duration);
        let at = self.now + wait.max(asked.min(LOCK));
        flight.failures += 1;
        let mine = self.instances[number].lock(at + LOCK);
        self.store.keep(cert, mine);
        self.instances[number].flights[place] = Some(flight);
        self.step_at(number, place, at);
    }

    /// The order reaches the CA, or the one that was written down before.
    fn place(&mut self, number: usize, cert: u32, flight: &Flight) -> Result<Step, Stop> {
        let (now, address) = (time(self.now), self.instances[number].address());
        if let Some(order) = self.store.orders.get(&cert).map(|it| it.order) {
            self.ca.admit(address, RequestClass::Other, now)?;
            let step = match self.ca.look(order, now) {
                Ok(OrderState::Pending) => Some(Step::Validate(order)),
                Ok(OrderState::Ready | OrderState::Processing) => Some(Step::Finalize(order)),
                Ok(OrderState::Valid(certificate)) => Some(Step::Store(certificate)),
                Ok(OrderState::Invalid) | Err(_) => None,
            };
            if let Some(step) = step {
                self.tally.resumed += 1;
                return Ok(step);
            }
            self.store.orders.remove(&cert);
        }
        self.ca.admit(address, RequestClass::Order, now)?;
        let truth = self.truths[cert as usize];
        let account = self.accounts[usize::from(truth.account)];
        let terms = OrderTerms::new().profile(&self.profiles[usize::from(truth.lifetime)]);
        let stored = self.store.certificates[cert as usize];
        let replaced = stored.certificate.filter(|_| flight.order.replaces());
        let before = self.ca.report().orders();
        let mut order = match replaced {
            Some(replaced) => self
                .ca
                .order(account, SetId(cert), terms.replaces(replaced), now),
            None => self.ca.order(account, SetId(cert), terms, now),
        };
        // What it names may be replaced already, or gone: that must not hold up the renewal.
        if let Err(refusal) = &order
            && replaced.is_some()
            && matches!(refusal.status(), 404 | 409)
        {
            self.ca.admit(address, RequestClass::Order, now)?;
            order = self.ca.order(account, SetId(cert), terms, now);
        }
        let order = order?;
        if self.ca.report().orders() > before {
            let since = self.now - self.start;
            self.tally.placed(since);
            if self.scenario.records {
                self.tally.orders.push((since, cert));
            }
        }
        Ok(Step::Validate(order))
    }

    /// The CA's answer has come: the order is written down, and the CA looks for its answers.
    fn validate(&mut self, number: usize, cert: u32, order: OrderId) -> Result<Step, Stop> {
        let (now, address) = (time(self.now), self.instances[number].address());
        // One that goes on is written down already.
        let is_counted = false;
        let pending = Pending { order, is_counted };
        self.store.orders.entry(cert).or_insert(pending);
        self.ca.admit(address, RequestClass::Other, now)?;
        let is_doomed = self.truths[cert as usize].is_doomed;
        let proofs = self.ca.authorizations(order)?;
        let last = proofs.last().copied();
        let mut is_invalid = false;
        for proof in proofs {
            match self.ca.authorization(proof)? {
                AuthorizationState::Valid => {}
                AuthorizationState::Pending => {
                    let proved = !(is_doomed && Some(proof) == last);
                    is_invalid |= !self.ca.authorize(proof, proved, now)?;
                }
                AuthorizationState::Invalid | AuthorizationState::Deactivated => is_invalid = true,
            }
        }
        if is_invalid {
            self.store.orders.remove(&cert);
            return Err(Stop::Invalid);
        }
        Ok(Step::Finalize(order))
    }

    fn finalize(&mut self, number: usize, cert: u32, order: OrderId) -> Result<Step, Stop> {
        let (now, address) = (time(self.now), self.instances[number].address());
        self.ca.admit(address, RequestClass::Other, now)?;
        let state = match self.ca.look(order, now)? {
            OrderState::Ready => {
                let state = self.ca.finalize(order, now)?;
                if let Some(pending) = self.store.orders.get_mut(&cert) {
                    // Issued now, whatever was thought of it before.
                    pending.is_counted = false;
                }
                state
            }
            state => state,
        };
        match state {
            OrderState::Valid(certificate) => Ok(Step::Store(certificate)),
            OrderState::Processing => Ok(Step::Finalize(order)),
            _ => Err(Stop::Invalid),
        }
    }

    /// The certificate is there.
    fn keep(
        &mut self,
        number: usize,
        cert: u32,
        flight: &Flight,
        certificate: CertificateId,
    ) -> Result<(), Refusal> {
        let (now, address) = (time(self.now), self.instances[number].address());
        self.ca.admit(address, RequestClass::Other, now)?;
        let (from, until) = self.ca.validity(certificate)?;
        let stored = Stored {
            from: seconds(from),
            until: seconds(until),
            certificate: Some(certificate),
        };
        let place = &mut self.store.certificates[cert as usize];
        let old = std::mem::replace(place, stored);
        let truth = &mut self.truths[cert as usize];
        match std::mem::take(&mut truth.is_new) {
            true => {
                self.tally.first_issued += 1;
                self.tally.last_first = Some(self.now - self.start);
            }
            false => self.tally.replaced(cert, &old, *truth, self.now),
        }
        let pending = self.store.orders.remove(&cert);
        self.instances[number].known[cert as usize] = stored.until;
        if let Some(held) = held(&stored, self.scenario.asks_ari) {
            let outcome = match pending.is_some_and(|it| it.is_counted) {
                true => Outcome::Refused,
                false => held.outcome(),
            };
            self.land(number, cert, flight, &outcome, &End::Issued(held));
        }
        Ok(())
    }

    /// An order that does not go on.
    fn stop(&mut self, number: usize, cert: u32, flight: &Flight, stop: Stop) {
        let clock = self.instances[number].clock(self.now);
        let (outcome, end) = match stop {
            Stop::Fenced => {
                self.tally.fenced += 1;
                (Outcome::Refused, End::Later(clock))
            }
            Stop::Invalid => {
                let identifiers = self.failed_names(cert);
                let failure = Failure::validation(identifiers.clone());
                (Outcome::Invalid { identifiers }, End::Failed(failure))
            }
            Stop::Refused(refusal) => {
                self.limited(number, cert, &refusal);
                let failure = match refusal.status() {
                    500.. => {
                        self.tally.outages += 1;
                        Failure::outage()
                    }
                    _ => {
                        self.tally.refused += 1;
                        Failure::refused()
                    }
                };
                let failure = failure.retry_after(refusal.retry_after());
                (self.outcome_of(cert, flight.step), End::Failed(failure))
            }
        };
        self.land(number, cert, flight, &outcome, &end);
    }

    /// What of the limits an order has used that was broken off: nothing before it was to be issued. After
    /// that nobody knows, and it counts as if it were.
    fn outcome_of(&mut self, cert: u32, step: Step) -> Outcome {
        let pending = self.store.orders.get_mut(&cert);
        match (step, pending) {
            (Step::Finalize(_), Some(pending)) => {
                pending.is_counted = true;
                Outcome::Unknown
            }
            (Step::Store(_), Some(pending)) if !pending.is_counted => {
                pending.is_counted = true;
                Outcome::Unknown
            }
            _ => Outcome::Refused,
        }
    }

    /// A doomed certificate fails by its last name. Of others nobody says which it was.
    fn failed_names(&self, cert: u32) -> Vec<u64> {
        if !self.truths[cert as usize].is_doomed {
            return Vec::new();
        }
        let member = self.scenario.member(cert);
        vec![member.key(member.names - 1)]
    }

    /// What the CA says of its limits goes into the ledger, by its text, as it is all that a client has.
    fn limited(&mut self, number: usize, cert: u32, refusal: &Refusal) {
        let (true, Some(wait)) = (refusal.status() == 429, refusal.retry_after()) else {
            return;
        };
        self.instances[number].meet(&mut self.store.ledgers, self.now);
        let clock = self.instances[number].clock(self.now);
        let member = self.scenario.member(cert);
        let (subject, (scope, _)) = (member.subject(), limit_in(refusal.detail()));
        // All that it can be about: the names of simulations are numbers.
        let keys: Vec<Option<u64>> = match scope {
            Scope::ExactSet => vec![Some(subject.set())],
            Scope::Domain => subject.domains().iter().copied().map(Some).collect(),
            Scope::Failures | Scope::ConsecutiveFailures => {
                subject.identifiers().iter().copied().map(Some).collect()
            }
            _ => vec![None],
        };
        let ledger = &mut self.store.ledgers[usize::from(member.account)];
        for key in keys {
            ledger.block(scope, key, clock + wait, clock);
        }
    }

    /// An order is over for its instance, which then goes on.
    fn land(&mut self, number: usize, cert: u32, flight: &Flight, outcome: &Outcome, end: &End) {
        let instance = &mut self.instances[number];
        instance.meet(&mut self.store.ledgers, self.now);
        let clock = instance.clock(self.now);
        let subject = self.scenario.member(cert).subject();
        let charge = Charge::new(&subject).exemption(flight.order.exemption());
        let issuer = usize::from(flight.order.issuer());
        self.store.ledgers[issuer].settle(&charge, outcome, clock);
        instance.planner.finished(&flight.order, end, clock);
        if let Some(state) = instance.planner.state(flight.order.cert()) {
            self.store.states[cert as usize] = state;
        }
        let mine = instance.lock(self.now);
        self.store.unlock(cert, mine);
        let is_stale =
            self.store.certificates[cert as usize].until != instance.known[cert as usize];
        if is_stale {
            instance.reload(cert as usize, &self.store, self.scenario.asks_ari, self.now);
        }
        self.drive(number);
    }

    /// The answer of ARI is there.
    pub(super) fn answer(&mut self, number: usize, place: usize) {
        let instance = &mut self.instances[number];
        let Some(poll) = instance.polls[place].take() else {
            return;
        };
        self.tally.polls += 1;
        let (now, clock) = (time(self.now), instance.clock(self.now));
        let cert = poll.cert().index();
        let stored = &self.store.certificates[cert];
        if stored.until != instance.known[cert] {
            instance.planner.polled(&poll, None, None, clock);
            instance.reload(cert, &self.store, self.scenario.asks_ari, self.now);
            return;
        }
        let Some(certificate) = stored.certificate else {
            instance.planner.polled(&poll, None, None, clock);
            return;
        };
        let admitted = self
            .ca
            .admit(instance.address(), RequestClass::RenewalInfo, now);
        let answer = admitted.and_then(|()| self.ca.renewal_info(certificate, now));
        let (window, wait) = match answer {
            Ok(RenewalInfo::Window {
                start,
                end,
                retry_after,
                ..
            }) => (Some(Window::new(start, end)), retry_after),
            Ok(RenewalInfo::Malformed { retry_after, .. }) => (None, retry_after),
            Err(refusal) => (None, refusal.retry_after()),
        };
        instance.planner.polled(&poll, window, wait, clock);
        if let Some(state) = instance.planner.state(poll.cert()) {
            self.store.states[cert] = state;
        }
    }
}
