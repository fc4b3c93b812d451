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
        let waits_until = self.table.waits(index).until;
        let Some(slot) = self.table.at_mut(index) else {
            return;
        };
        if slot.is_planned() {
            if slot.has(POLLED) && slot.poll_at <= now {
                let poll = Reverse((slot.poll_at, slot.set(), index));
                slot.poll_at = NEVER;
                if let Some(queues) = self.queues.get_mut(usize::from(slot.issuer)) {
                    queues.polls.due.push(poll);
                }
            }
            let due = slot.due(&self.policy, self.seed);
            if due.max(waits_until) > now {
                slot.set_state(State::Idle);
            } else {
                slot.set_state(State::Ready);
                self.enqueue(index, now);
            }
        } else if matches!(slot.state(), State::Ready | State::Parked) {
            slot.set_state(State::Idle);
        }
        self.touch(index, now);
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

    /// When to look at a certificate again that was looked at then.
    fn next_look(&self, index: u32, seen: u32, cycle: &mut Cycle) -> u32 {
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
                let due = slot.due_by(&self.policy, self.seed, cycle);
                due.max(self.table.waits(index).until)
            }
        };
        time.min(poll_at)
    }

    pub(super) fn touch(&mut self, index: u32, now: u32) {
        let time = self.next_look(index, now, &mut Cycle::default());
        self.pages.touch(index, time, now);
    }

    /// Looks at those of a page whose time has come.
    fn look_at_page(&mut self, page: u32, now: u32) {
        let seen = self.pages.seen(page);
        let mut cycle = Cycle::default();
        let mut first = NEVER;
        for index in page * PAGE..(page + 1) * PAGE {
            let mut time = self.next_look(index, seen, &mut cycle);
            if time <= now {
                self.look(index, now);
                time = self.next_look(index, now, &mut cycle);
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
