//! One instance: a planner with a clock of its own, and the orders it has under way.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::population::Member;
use super::store::{Lock, Store, Stored};
use crate::budget::{Ledger, Seen};
use crate::plan::{CertId, Held, Order, Planner, Policy, Poll};
use crate::testing::ca::{CertificateId, OrderId};

/// An order under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) order: Order,
    pub(super) step: Step,
    /// How often the step failed in a row.
    pub(super) failures: u32,
}

/// What comes next of an order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// It reaches the CA.
    Place,
    /// The answer is there: it is stored, and the names are validated.
    Validate(OrderId),
    /// The certificate is issued.
    Finalize(OrderId),
    /// The certificate is there: it is stored.
    Store(CertificateId),
}

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) number: usize,
    pub(super) is_up: bool,
    /// Counts its lives. What is under way of an earlier one is void.
    pub(super) epoch: u32,
    /// By how many microseconds its clock is ahead.
    pub(super) ahead: i64,
    /// What it knows of the clock of each ledger.
    seen: Vec<Seen>,
    pub(super) planner: Planner,
    pub(super) ids: Vec<CertId>,
    /// The end of each certificate as its planner knows it.
    pub(super) known: Vec<u32>,
    /// By small numbers that are used again.
    pub(super) flights: Vec<Option<Flight>>,
    pub(super) polls: Vec<Option<Poll>>,
    /// When it wakes, if that is to come.
    pub(super) wakes_at: Option<u64>,
    /// Those that it believes to be up.
    pub(super) members: Vec<usize>,
}

impl Instance {
    pub(super) fn new(number: usize, policy: &Policy) -> Self {
        Self {
            number,
            is_up: false,
            epoch: 0,
            ahead: 0,
            seen: Vec::new(),
            planner: Planner::new(policy.clone(), 0),
            ids: Vec::new(),
            known: Vec::new(),
            flights: Vec::new(),
            polls: Vec::new(),
            wakes_at: None,
            members: Vec::new(),
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        let last = u8::try_from(self.number + 1).unwrap_or(u8::MAX);
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// What its clock says.
    pub(super) fn clock(&self, now: u64) -> SystemTime {
        time(now.saturating_add_signed(self.ahead))
    }

    /// When it is that its clock says this.
    pub(super) fn when(&self, clock: SystemTime) -> u64 {
        micros(clock).saturating_add_signed(self.ahead.saturating_neg())
    }

    /// Looks at the ledgers by its own clock, as one does that reads them from the store.
    pub(super) fn meet(&mut self, ledgers: &mut [Ledger], now: u64) {
        let clock = self.clock(now);
        self.seen.resize_with(ledgers.len(), Seen::default);
        for (ledger, seen) in ledgers.iter_mut().zip(&mut self.seen) {
            seen.meet(ledger, clock, now);
        }
    }

    pub(super) fn lock(&self, until: u64) -> Lock {
        Lock {
            instance: self.number,
            epoch: self.epoch,
            until,
        }
    }

    /// Dies with all that it had in memory.
    pub(super) fn crash(&mut self, policy: &Policy) {
        let (number, epoch, ahead) = (self.number, self.epoch, self.ahead);
        *self = Self::new(number, policy);
        self.epoch = epoch + 1;
        self.ahead = ahead;
    }

    /// Begins with what is stored.
    pub(super) fn begin(
        &mut self,
        planner: Planner,
        members: impl Iterator<Item = Member>,
        store: &Store,
        asks_ari: bool,
        now: u64,
    ) {
        let clock = self.clock(now);
        self.planner = planner;
        self.is_up = true;
        for ((member, stored), state) in members.zip(&store.certificates).zip(&store.states) {
            let held = held(stored, asks_ari);
            let id = self
                .planner
                .add(&member.subject(), member.account, held.as_ref(), clock);
            self.planner.restore(id, state, clock);
            self.ids.push(id);
            self.known.push(stored.until);
        }
    }

    /// Reads a certificate again that another one may have stored.
    pub(super) fn reload(&mut self, cert: usize, store: &Store, asks_ari: bool, now: u64) {
        let (Some(stored), Some(id)) = (store.certificates.get(cert), self.ids.get(cert)) else {
            return;
        };
        let clock = self.clock(now);
        self.planner
            .set_held(*id, held(stored, asks_ari).as_ref(), clock);
        if let Some(state) = store.states.get(cert) {
            self.planner.restore(*id, state, clock);
        }
        if let Some(known) = self.known.get_mut(cert) {
            *known = stored.until;
        }
    }
}

/// Puts a value in the first place that is free.
pub(super) fn put<T>(places: &mut Vec<Option<T>>, value: T) -> usize {
    match places.iter().position(Option::is_none) {
        Some(free) => {
            places[free] = Some(value);
            free
        }
        None => {
            places.push(Some(value));
            places.len() - 1
        }
    }
}

pub(super) fn held(stored: &Stored, asks_ari: bool) -> Option<Held> {
    stored.certificate?;
    let at = |seconds: u32| UNIX_EPOCH + Duration::from_secs(seconds.into());
    Some(Held::new(at(stored.from), at(stored.until)).ari(asks_ari))
}

/// Microseconds since 1970, which the simulation counts in.
pub(super) fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn time(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}

pub(super) fn seconds(time: SystemTime) -> u32 {
    u32::try_from(micros(time) / 1_000_000).unwrap_or(u32::MAX)
}
