//! Whose turn it is now, and how an order ended.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use super::backoff;
use super::moment::{NEVER, secs, span};
use super::planner::Planner;
use super::queue::{Entry, Lane};
use super::slot::{FORCED, POLLED, Slot, State};
use super::table::Waits;
use super::turn::reason;
use super::types::{Action, CertId, Held, Order, Poll};
use crate::budget::{
    Denied, Exemption, Ledger, Outcome, RequestClass, Scope, duration_us, from_micros, micros,
};

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The certificate is there.
    Issued(Held),
    /// It could not be had.
    Failed(Failure),
    /// Another instance is at it, or there was nothing to do: it is looked at again then.
    Later(SystemTime),
}

/// Why a certificate could not be had, as far as the plan depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    outcome: Outcome,
    pub(super) is_outage: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// The CA could not validate some of the names, by their
    /// [keys](crate::budget::Subject::identifiers); none means that nobody knows which.
    pub fn validation(identifiers: Vec<u64>) -> Self {
        Self::new(Outcome::Invalid { identifiers }, false)
    }

    /// The CA refused the order, and nothing was validated.
    pub fn refused() -> Self {
        Self::new(Outcome::Refused, false)
    }

    /// The CA could not be reached, or had an error of its own. It is no fault of the names, and the CA is
    /// asked for one certificate at a time until it works again.
    pub fn outage() -> Self {
        Self::new(Outcome::Refused, true)
    }

    /// Nobody knows whether the certificate was issued: a time limit, a store that failed.
    pub fn unknown() -> Self {
        Self::new(Outcome::Unknown, false)
    }

    /// The same where the certificate may have been issued all the same.
    #[must_use]
    pub fn uncertain(mut self) -> Self {
        self.outcome = Outcome::Unknown;
        self
    }

    /// What it is for a ledger.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    fn new(outcome: Outcome, is_outage: bool) -> Self {
        Self {
            outcome,
            is_outage,
            retry_after: None,
        }
    }

    /// The same with the time that the CA asked to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl Planner {
    /// What to do now: the most urgent of what is due and fits the ledgers, from which it is taken. Call it
    /// until there is nothing, and then wait until [`wake_at`](Self::wake_at).
    ///
    /// `ledgers` has one for each issuer, at its place; one that has none is not limited.
    pub fn next(&mut self, ledgers: &mut [Ledger], now: SystemTime) -> Option<Action> {
        let (now, now_us) = (secs(now), micros(now));
        self.advance(now, now_us, ledgers);
        while let Some((issuer, lane, index)) = self.pick(now, now_us) {
            let Some(slot) = self.table.at(index) else {
                continue;
            };
            let ledger = ledgers.get_mut(usize::from(issuer));
            let taken = match ledger {
                // Only a pause of the whole CA holds up what is placed.
                Some(ledger) if self.table.waits(index).is_placed => {
                    ledger.take_requests(RequestClass::Other, 0, from_micros(now_us))
                }
                Some(ledger) => self.table.charge(slot, lane.exemption, |charge| {
                    ledger.take_us(charge, now_us)
                }),
                None => Ok(()),
            };
            match taken {
                Ok(()) => return Some(Action::Order(self.order(issuer, lane, index, now))),
                Err(denied) => self.denied(issuer, lane, index, &denied, now),
            }
        }
        let poll = self.next_poll(ledgers, now_us);
        if poll.is_none() {
            self.find_wake(now);
        }
        poll
    }

    /// Whether this ledger has room for an order of a certificate now. One that is placed needs none.
    ///
    /// # Errors
    ///
    /// Until when not, and by which limit.
    pub fn check(&self, id: CertId, ledger: &Ledger, now: SystemTime) -> Result<(), Denied> {
        let Some(slot) = self.table.get(id) else {
            return Ok(());
        };
        if self.table.waits(id.index).is_placed {
            return Ok(());
        }
        let (exemption, _) = slot.exemption(secs(now));
        self.table
            .charge(slot, exemption, |charge| ledger.check(charge, now))
    }

    /// Takes an order back that was not placed, since the shared ledger has no room for it.
    pub fn put_back(&mut self, order: &Order, denied: &Denied, now: SystemTime) {
        let index = order.cert.index;
        if !self.end(order) {
            return;
        }
        let lane = Lane {
            exemption: order.exemption,
            again: order.again,
        };
        let now = secs(now);
        // A poll that came up meanwhile was left out.
        if let Some(slot) = self.table.at_mut(index)
            && slot.has(POLLED)
            && slot.poll_at == NEVER
        {
            slot.poll_at = now;
        }
        self.denied(order.issuer, lane, index, denied, now);
    }

    /// Says how an order ended, and settles it with the ledger.
    pub fn finish(&mut self, order: &Order, end: &End, ledgers: &mut [Ledger], now: SystemTime) {
        let outcome = match end {
            End::Issued(held) => held.outcome(),
            End::Failed(failure) => failure.outcome.clone(),
            End::Later(_) => Outcome::Refused,
        };
        self.settle(order, &outcome, ledgers, now);
        self.finished(order, end, now);
    }

    fn settle(&self, order: &Order, outcome: &Outcome, ledgers: &mut [Ledger], now: SystemTime) {
        let slot = self.table.at(order.cert.index);
        let ledger = ledgers.get_mut(usize::from(order.issuer));
        if let (Some(slot), Some(ledger)) = (slot, ledger)
            && slot.generation == order.cert.generation
        {
            let now = micros(now);
            self.table.charge(slot, order.exemption, |charge| {
                ledger.settle_us(charge, outcome, now);
            });
        }
    }

    /// Says how an order ended to the plan alone: where the ledger is a
    /// shared one, which was told already.
    pub fn finished(&mut self, order: &Order, end: &End, now: SystemTime) {
        let (now, now_us) = (secs(now), micros(now));
        let index = order.cert.index;
        if !self.end(order) {
            return;
        }
        let is_outage = matches!(end, End::Failed(failure) if failure.is_outage);
        if let Some(queues) = self.queues.get_mut(usize::from(order.issuer)) {
            match (is_outage, end) {
                (true, End::Failed(failure)) if queues.outage_until <= now_us => {
                    queues.outage = queues.outage.saturating_add(1);
                    let pause = backoff::pause(queues.outage, failure.retry_after);
                    queues.outage_until = now_us.saturating_add(duration_us(pause));
                }
                (true, _) | (_, End::Later(_)) => {}
                (false, _) => (queues.outage, queues.outage_until) = (0, 0),
            }
        }
        let Some(slot) = self.table.at_mut(index) else {
            return;
        };
        if slot.state() == State::Gone {
            self.free(index);
            return;
        }
        let lifetime = (slot.until > 0).then(|| Duration::from_secs(u64::from(slot.lifetime())));
        let mut waits = self.table.waits(index);
        match end {
            End::Issued(held) => {
                waits = Waits::default();
                let Some(slot) = self.table.at_mut(index) else {
                    return;
                };
                slot.set_held(Some(held));
                slot.poll_at = match slot.has(POLLED) {
                    true => now,
                    false => NEVER,
                };
            }
            End::Failed(failure) => {
                let (failures, wait) = backoff::after(waits.failures, lifetime, failure);
                waits.failures = failures;
                waits.until = now.saturating_add(span(wait)).min(NEVER - 1);
            }
            End::Later(until) => waits.until = secs(*until).max(now + 1),
        }
        self.table.set_waits(index, waits);
        if let Some(slot) = self.table.at_mut(index)
            && slot.has(POLLED)
            && slot.poll_at == NEVER
        {
            slot.poll_at = now;
        }
        self.look_anew(index, now);
    }

    /// When to call [`next`](Self::next) again, if nothing else happens; `None` if it waits for nothing but
    /// the end of orders.
    pub fn wake_at(&self, now: SystemTime) -> Option<SystemTime> {
        let now_us = micros(now);
        let mut next = u64::MAX;
        if let Some((time, _)) = self.pages.first()
            && time != NEVER
        {
            next = next.min(u64::from(time) * 1_000_000);
        }
        next = next.min(self.lots.first().unwrap_or(u64::MAX));
        for queues in &self.queues {
            for lane in Lane::ALL {
                let blocked = queues.blocked_until(lane);
                if !queues.lane(lane).is_empty() && blocked > now_us {
                    next = next.min(blocked);
                }
            }
        }
        for polls in self.queues.iter().map(|queues| &queues.polls) {
            if !polls.due.is_empty() && polls.under_way < self.policy.polls_at_once {
                let pace = polls.bucket.ready_at(self.policy.poll_rate, 1, 0);
                next = next.min(pace.max(now_us + 1));
            }
        }
        (next != u64::MAX).then(|| from_micros(next))
    }

    /// The one of the least rank that may be ordered now, taken from its queue.
    fn pick(&mut self, now: u32, now_us: u64) -> Option<(u8, Lane, u32)> {
        let mut best: Option<(Entry, u64, u8, Lane)> = None;
        for issuer in 0..self.queues.len() {
            let Ok(place) = u8::try_from(issuer) else {
                break;
            };
            for lane in Lane::ALL {
                let Some(head) = self.head(issuer, lane, now) else {
                    continue;
                };
                if !self.may_order(issuer, lane, head, now, now_us) {
                    continue;
                }
                let set = self.table.at(head.1).map_or(0, Slot::set);
                let is_less = best.as_ref().is_none_or(|(entry, other, ..)| {
                    (head.0, set, head.1) < (entry.0, *other, entry.1)
                });
                if is_less {
                    best = Some((head, set, place, lane));
                }
            }
        }
        let ((_, index), _, issuer, lane) = best?;
        self.queues
            .get_mut(usize::from(issuer))?
            .lane_mut(lane)
            .pop();
        Some((issuer, lane, index))
    }

    /// The first of a queue that is still what it was when it was queued.
    fn head(&mut self, issuer: usize, lane: Lane, now: u32) -> Option<Entry> {
        loop {
            let Reverse(entry) = *self.queues.get(issuer)?.lane(lane).peek()?;
            let slot = self.table.at(entry.1)?;
            let is_ready = slot.state() == State::Ready && usize::from(slot.issuer) == issuer;
            let again = self.lane(entry.1, slot, now);
            let right = (self.rank(entry.1, slot, now), entry.1);
            if is_ready && again == lane && right == entry {
                return Some(entry);
            }
            let queues = self.queues.get_mut(issuer)?;
            queues.lane_mut(lane).pop();
            if is_ready {
                // Queued before its rank changed: nothing that waits is lost, whatever the clock does.
                queues.lane_mut(again).push(Reverse(right));
            }
        }
    }

    fn may_order(&self, issuer: usize, lane: Lane, head: Entry, now: u32, now_us: u64) -> bool {
        let (Some(queues), Some(slot)) = (self.queues.get(issuer), self.table.at(head.1)) else {
            return false;
        };
        if queues.blocked_until(lane) > now_us {
            return false;
        }
        let most = match queues.outage {
            0 => self.policy.most_at_once(slot.band(&self.policy, now).0),
            // One to see whether the CA works again.
            _ => 1,
        };
        if queues.ordered >= most {
            return false;
        }
        if !lane.again || queues.outage > 0 {
            return true;
        }
        let share = (most / self.policy.retry_share).max(1);
        let others = Lane::ALL.iter().any(|other| {
            !other.again
                && queues.blocked_until(*other) <= now_us
                && !queues.lane(*other).is_empty()
        });
        queues.ordered_again < share
            && (!others || queues.credit >= self.policy.retry_share.saturating_sub(1))
    }

    fn order(&mut self, issuer: u8, lane: Lane, index: u32, now: u32) -> Order {
        let share = self.policy.retry_share;
        if let Some(queues) = self.queues.get_mut(usize::from(issuer)) {
            queues.ordered += 1;
            if lane.again {
                queues.ordered_again += 1;
                queues.credit = queues.credit.saturating_sub(share.saturating_sub(1));
            } else {
                queues.credit = (queues.credit + 1).min(share * 4);
            }
        }
        let (policy, seed) = (&self.policy, self.seed);
        let waits = self.table.waits(index);
        let mut order = Order {
            cert: CertId {
                index,
                generation: 0,
            },
            issuer,
            reason: super::Reason::Missing,
            band: super::Band::Normal,
            exemption: lane.exemption,
            again: lane.again,
            replaces: false,
            is_early: false,
            is_forced: false,
            due: now,
        };
        if let Some(slot) = self.table.at(index) {
            order.cert.generation = slot.generation;
            order.reason = reason(slot);
            order.band = slot.band(policy, now).0;
            order.due = slot.due(policy, seed).max(waits.until).min(now);
            (order.is_early, order.is_forced) = (slot.is_early(), slot.has(FORCED));
            order.exemption = slot.exemption(now).0;
            order.replaces = slot.window().is_none_or(|window| window.has(now));
        }
        self.set_ordered(index, now);
        order
    }

    /// An order is no longer under way; `false` if it was not.
    fn end(&mut self, order: &Order) -> bool {
        let slot = self.table.at_mut(order.cert.index);
        let Some(slot) = slot.filter(|slot| {
            let is_ordered = matches!(slot.state(), State::Ordered | State::Gone);
            slot.generation == order.cert.generation && is_ordered
        }) else {
            return false;
        };
        if slot.state() == State::Ordered {
            slot.set_state(State::Idle);
        }
        if let Some(queues) = self.queues.get_mut(usize::from(order.issuer)) {
            queues.ordered = queues.ordered.saturating_sub(1);
            if order.again {
                queues.ordered_again = queues.ordered_again.saturating_sub(1);
            }
        }
        true
    }

    /// What is denied waits: all that the same limit denies in one place, or itself alone.
    fn denied(&mut self, issuer: u8, lane: Lane, index: u32, denied: &Denied, now: u32) {
        let until = denied.until_us();
        let is_gone = self
            .table
            .at(index)
            .is_some_and(|slot| slot.state() == State::Gone);
        if is_gone {
            self.free(index);
            return;
        }
        match (denied.scope(), denied.key()) {
            (Scope::Account | Scope::Pause, _) => {
                if let Some(queues) = self.queues.get_mut(usize::from(issuer)) {
                    let is_all = denied.scope() == Scope::Pause;
                    for exemption in [Exemption::None, Exemption::Renewal, Exemption::Ari] {
                        if is_all || exemption == lane.exemption {
                            let blocked = &mut queues.blocked[exemption as usize % 3];
                            *blocked = until;
                        }
                    }
                }
                if let Some(slot) = self.table.at_mut(index) {
                    slot.set_state(State::Idle);
                }
                self.look(index, now);
            }
            (Scope::Domain, Some(domain)) => {
                let entry = self.table.at(index).map(|slot| self.rank(index, slot, now));
                self.look(index, now);
                if let Some(slot) = self.table.at_mut(index) {
                    slot.set_state(State::Parked);
                }
                if let Some(rank) = entry {
                    self.lots.park(domain, issuer, until, (rank, index));
                }
            }
            _ => self.hold(index, until, now),
        }
    }

    fn next_poll(&mut self, ledgers: &mut [Ledger], now_us: u64) -> Option<Action> {
        for (issuer, place) in (0..self.queues.len()).zip(0..=u8::MAX) {
            let poll = self.next_poll_of(place, ledgers.get_mut(issuer), now_us);
            if let Some(poll) = poll {
                return Some(Action::Poll(poll));
            }
        }
        None
    }

    fn next_poll_of(
        &mut self,
        issuer: u8,
        ledger: Option<&mut Ledger>,
        now_us: u64,
    ) -> Option<Poll> {
        let rate = self.policy.poll_rate;
        let polls = &mut self.queues.get_mut(usize::from(issuer))?.polls;
        if polls.under_way >= self.policy.polls_at_once {
            return None;
        }
        let poll = loop {
            let Reverse((_, set, index)) = *polls.due.peek()?;
            let is_good = self.table.at(index).filter(|slot| {
                slot.set() == set
                    && slot.issuer == issuer
                    && slot.has(POLLED)
                    && !matches!(slot.state(), State::Free | State::Ordered | State::Gone)
                    && slot.poll_at == NEVER
            });
            let Some(slot) = is_good else {
                polls.due.pop();
                continue;
            };
            let (generation, until) = (slot.generation, slot.until);
            let cert = CertId { index, generation };
            break Poll {
                cert,
                issuer,
                until,
            };
        };
        if polls.bucket.ready_at(rate, 1, 0) > now_us {
            return None;
        }
        if let Some(ledger) = ledger {
            let taken = ledger.take_requests(RequestClass::RenewalInfo, 1, from_micros(now_us));
            if let Err(denied) = taken {
                polls.bucket.block(rate, denied.until_us());
                return None;
            }
        }
        polls.bucket.spend(rate, 1, now_us);
        polls.due.pop();
        polls.under_way += 1;
        Some(poll)
    }
}
