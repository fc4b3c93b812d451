//! A planner, and a CA that counts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::budget::{Exemption, Ledger, Limits, Outcome, Subject};
use opsbox_cert::plan::{Action, CertId, End, Failure, Held, Order, Planner, Policy, Reason};

use crate::counts::Counts;

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + DAY * 20_000
}

/// A CA and a planner: certificates by their set, and what happened, in order.
pub(crate) struct World {
    pub(crate) planner: Planner,
    pub(crate) ledgers: [Ledger; 1],
    pub(crate) now: SystemTime,
    pub(crate) lifetime: Duration,
    /// How long an order takes.
    pub(crate) takes: Duration,
    pub(crate) ids: BTreeMap<u64, CertId>,
    pub(crate) subjects: BTreeMap<u64, Subject>,
    pub(crate) held: BTreeMap<u64, Held>,
    /// Sets that cannot be validated.
    pub(crate) doomed: Vec<u64>,
    pub(crate) away: Option<(SystemTime, SystemTime)>,
    /// With what the CA took each for.
    /// With the jump of the clock after which it was placed.
    pub(crate) under_way: Vec<(SystemTime, Order, u64, Exemption, u32)>,
    pub(crate) jumps: u32,
    pub(crate) log: Vec<(SystemTime, u64, Reason)>,
    pub(crate) ca: Counts,
}

impl World {
    pub(crate) fn new(policy: Policy, limits: Limits, lifetime: Duration) -> Self {
        Self {
            planner: Planner::new(policy, 7),
            ca: Counts::new(&limits),
            ledgers: [Ledger::new(limits)],
            now: start(),
            lifetime,
            takes: Duration::from_secs(5),
            ids: BTreeMap::new(),
            subjects: BTreeMap::new(),
            held: BTreeMap::new(),
            doomed: Vec::new(),
            away: None,
            under_way: Vec::new(),
            jumps: 0,
            log: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, subject: Subject, held: Option<Held>) -> CertId {
        let id = self.planner.add(&subject, 0, held.as_ref(), self.now);
        self.ids.insert(subject.set(), id);
        if let Some(held) = held {
            self.held.insert(subject.set(), held);
        }
        self.subjects.insert(subject.set(), subject);
        id
    }

    pub(crate) fn add_single(&mut self, n: u64) -> CertId {
        self.add(Subject::single(key(n), key(n / 3)), None)
    }

    /// What the planner says until `until`, each order ending as the world is.
    pub(crate) fn run(&mut self, until: SystemTime) {
        loop {
            while let Some(action) = self.planner.next(&mut self.ledgers, self.now) {
                let Action::Order(order) = action else {
                    panic!("nobody has ARI here")
                };
                let set = self.planner.set_of(order.cert()).unwrap();
                let standing = self.standing(set);
                self.ca.placed(&self.subjects[&set], standing, self.now);
                self.log.push((self.now, set, order.reason()));
                let ends = self.now + self.takes;
                self.under_way
                    .push((ends, order, set, standing, self.jumps));
            }
            let ends = self.under_way.iter().map(|it| it.0).min();
            let wakes = self.planner.wake_at(self.now);
            let next = ends.into_iter().chain(wakes).min();
            match next {
                Some(next) if next <= until => self.now = next.max(self.now),
                _ => break,
            }
            self.end();
        }
        self.now = until;
        self.end();
    }

    /// What the CA takes an order for: it looks back 120 days.
    fn standing(&self, set: u64) -> Exemption {
        let last = self.held.get(&set).map(Held::outcome);
        let is_renewal = last.is_some_and(|last| match last {
            Outcome::IssuedAt { from, .. } => from + DAY * 120 > self.now,
            _ => false,
        });
        match is_renewal {
            true => Exemption::Renewal,
            false => Exemption::None,
        }
    }

    fn end(&mut self) {
        let now = self.now;
        let (ended, left) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|it| it.0 <= now);
        self.under_way = left;
        for (_, order, set, standing, jumps) in ended {
            let subject = &self.subjects[&set];
            let is_away = self.away.is_some_and(|(from, to)| from <= now && now < to);
            let (end, outcome) = if is_away {
                (End::Failed(Failure::outage()), Outcome::Refused)
            } else if self.doomed.contains(&set) {
                let identifiers = subject.identifiers().to_vec();
                let failure = Failure::validation(identifiers.clone());
                (End::Failed(failure), Outcome::Invalid { identifiers })
            } else {
                let held = Held::new(now - HOUR, now - HOUR + self.lifetime);
                self.held.insert(set, held);
                let lifetime = self.lifetime;
                (End::Issued(held), Outcome::Issued { lifetime })
            };
            // One that was under way while the clock jumped is of the clock before.
            if jumps == self.jumps {
                self.ca.ended(subject, standing, &outcome, now);
            }
            self.planner.finish(&order, &end, &mut self.ledgers, now);
        }
    }

    pub(crate) fn days(&self) -> Vec<u64> {
        let day = |at: &SystemTime| at.duration_since(start()).unwrap().as_secs() / DAY.as_secs();
        self.log.iter().map(|(at, ..)| day(at)).collect()
    }
}

/// Spread over all bits, as the keys of names are.
pub(crate) fn key(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ 0x55aa
}
