//! Who comes into the queues, and when to look at whom again.

use std::cmp::Reverse;

use super::moment::{NEVER, secs_from_us};
use super::pages::PAGE;
use super::planner::Planner;
use super::priority::rank;
use super::queue::{Entry, Lane};
use super::slot::{FORCED, LOST, POLLED, REVOKED, Slot, State};
use super::table::Waits;
use super::types::Reason;
use super::window::Cycle;
use crate::budget::{Exemption, Ledger};

impl Planner {
    pub(super) fn rank(&self, index: u32, slot: &Slot, now: u32) -> u64 {
        let (band, _) = slot.band(&self.policy, now);
        let weight = self.policy.weight_of(slot.kind());
        let due = slot.due(&self.policy, self.seed);
        let due = due.max(self.table.waits(index).until);
        rank(band, weight, due, slot.set())
    }

    pub(super) fn lane(&self, index: u32, slot: &Slot, now: u32) -> Lane {
        let waits = self.table.waits(index);
        let exemption = match waits.is_placed {
            // What the account has left is nothing to it.
            true => Exemption::Ari,
            false => slot.exemption(now).0,
        };
        Lane {
            exemption,
            again: waits.failures > 0,
        }
    }

    /// Something is known of a certificate that was not before.
    pub(super) fn update(&mut self, index: u32, now: u32) {
        if let Some(slot) = self.table.at_mut(index)
            && matches!(slot.state(), State::Ready | State::Parked)
        {
            // It is queued again in its new place.
            slot.set_state(State::Idle);
        }
        self.look(index, now);
    }

    /// Queues a certificate whose time has come, and says when to look at it again.
    pub(super) fn look(&mut self, index: u32, now: u32) {
        let time = self.look_once(index, now);
        self.pages.touch(index, time, now, true);
    }

    /// The same of one that had no time: it was ordered.
    pub(super) fn look_anew(&mut self, index: u32, now: u32) {
        let time = self.look_once(index, now);
        self.pages.touch(index, time, now, false);
    }

    fn look_once(&mut self, index: u32, now: u32) -> u32 {
        let waits_until = self.table.waits(index).until;
        let Some(slot) = self.table.at_mut(index) else {
            return NEVER;
        };
        if !slot.is_planned() {
            if matches!(slot.state(), State::Ready | State::Parked) {
                slot.set_state(State::Idle);
            }
            return NEVER;
        }
        if slot.has(POLLED) && slot.poll_at <= now {
            let poll = Reverse((slot.poll_at, slot.set(), index));
            slot.poll_at = NEVER;
            if let Some(queues) = self.queues.get_mut(usize::from(slot.issuer)) {
                queues.polls.due.push(poll);
            }
        }
        let poll_at = if slot.has(POLLED) {
            slot.poll_at
        } else {
            NEVER
        };
        let due = slot.due(&self.policy, self.seed).max(waits_until);
        if due > now {
            slot.set_state(State::Idle);
            return due.min(poll_at);
        }
        slot.set_state(State::Ready);
        let changes = slot.band(&self.policy, now).1.min(slot.exemption(now).1);
        self.enqueue(index, now);
        changes.min(poll_at)
    }

    /// Parked ones are queued too when they change: who comes up first finds out.
    fn enqueue(&mut self, index: u32, now: u32) {
        let Some(slot) = self.table.at(index) else {
            return;
        };
        let entry: Entry = (self.rank(index, slot, now), index);
        let (lane, issuer) = (self.lane(index, slot, now), usize::from(slot.issuer));
        if let Some(queues) = self.queues.get_mut(issuer) {
            queues.lane_mut(lane).push(Reverse(entry));
        }
    }

    /// When to look at a certificate again that was looked at then; exact if it is before `bound`.
    fn next_look(&self, index: u32, seen: u32, cycle: &mut Cycle, bound: u32) -> u32 {
        let Some(slot) = self.table.at(index).filter(|slot| slot.is_planned()) else {
            return NEVER;
        };
        let poll_at = if slot.has(POLLED) {
            slot.poll_at
        } else {
            NEVER
        };
        let time = match slot.state() {
            State::Ready | State::Parked => {
                slot.band(&self.policy, seen).1.min(slot.exemption(seen).1)
            }
            _ => {
                let due = slot.due_by(&self.policy, self.seed, cycle, bound);
                due.max(self.table.waits(index).until)
            }
        };
        time.min(poll_at)
    }

    /// It is not what it was: it is new, or gone.
    pub(super) fn touch(&mut self, index: u32, now: u32) {
        let time = self.next_look(index, now, &mut Cycle::default(), NEVER);
        self.pages.touch(index, time, now, true);
    }

    /// It is ordered, and until that ends there is nothing to look at.
    pub(super) fn set_ordered(&mut self, index: u32, now: u32) {
        let before = self.next_look(index, now, &mut Cycle::default(), NEVER);
        if let Some(slot) = self.table.at_mut(index) {
            slot.set_state(State::Ordered);
        }
        let was_first = self.pages.time(index) >= before;
        self.pages.touch(index, NEVER, now, was_first);
    }

    /// Looks at those of a page whose time has come.
    fn look_at_page(&mut self, page: u32, now: u32) {
        let seen = self.pages.seen(page);
        let mut cycle = Cycle::default();
        let mut first = NEVER;
        for index in page * PAGE..(page + 1) * PAGE {
            // The first is after now.
            let mut time = self.next_look(index, seen, &mut cycle, first);
            if time <= now {
                time = self.look_once(index, now);
            }
            first = first.min(time);
        }
        // What is due was looked at.
        self.pages.set(page, first.max(now + 1), now);
    }

    /// Looks at all whose time has come.
    pub(super) fn advance(&mut self, now: u32, now_us: u64, ledgers: &[Ledger]) {
        while let Some((time, page)) = self.pages.first()
            && time <= now
        {
            self.look_at_page(page, now);
        }
        while let Some((domain, issuer)) = self.lots.due(now_us) {
            let room = ledgers
                .get(usize::from(issuer))
                .map_or((u32::MAX, now_us), |it| it.domain_room_us(domain, now_us));
            let mut left = room.0;
            while left > 0
                && let Some((_, index)) = self.lots.take(domain, issuer)
            {
                let is_parked = self
                    .table
                    .at(index)
                    .is_some_and(|it| it.state() == State::Parked);
                if is_parked {
                    left -= 1;
                    self.update(index, now);
                }
            }
            self.lots
                .again(domain, issuer, room.1.max(now_us + 1_000_000));
        }
    }

    /// Finds the moment until which nothing is to be done, where it was put off meanwhile.
    pub(super) fn find_wake(&mut self, now: u32) {
        while let Some(page) = self.pages.first_loose() {
            self.look_at_page(page, now);
        }
    }

    pub(super) fn hold(&mut self, index: u32, until_us: u64, now: u32) {
        let until = secs_from_us(until_us).max(now + 1);
        let waits = self.table.waits(index);
        self.table.set_waits(index, Waits { until, ..waits });
        if let Some(slot) = self.table.at_mut(index) {
            slot.set_state(State::Idle);
        }
        self.look(index, now);
    }
}

pub(super) fn reason(slot: &Slot) -> Reason {
    if slot.has(REVOKED) {
        Reason::Revoked
    } else if slot.has(FORCED) {
        Reason::Forced
    } else if slot.has(LOST) {
        Reason::Lost
    } else if slot.until == 0 {
        Reason::Missing
    } else if !slot.is_covered() {
        Reason::Names
    } else if slot.window().is_some() {
        Reason::Window
    } else {
        Reason::Share
    }
}
