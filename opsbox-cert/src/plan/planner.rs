//! The planner: what it is told.

use std::time::{Duration, SystemTime};

use super::moment::{NEVER, at, secs, span};
use super::pages::Pages;
use super::policy::Policy;
use super::queue::{Lots, Queues};
use super::slot::{AT_ONCE, ELSEWHERE, FORCED, LOST, POLLED, REVOKED, State};
use super::table::{Table, Waits};
use super::turn::reason;
use super::types::{CertId, Held, Poll, Status};
use super::window::{Window, mix};
use crate::budget::Subject;
use crate::limits::{MAX_ARI_WAIT, MIN_ARI_WAIT};

/// Decides what is done when: the certificates by their times, and whose turn it is. It reads no clock and
/// waits for nothing.
///
/// See the [module](super).
#[derive(Debug, Clone)]
pub struct Planner {
    pub(super) policy: Policy,
    pub(super) seed: u64,
    pub(super) table: Table,
    pub(super) pages: Pages,
    pub(super) queues: Vec<Queues>,
    pub(super) lots: Lots,
}

impl Planner {
    /// Plans nothing yet. Of equal seeds, all instances choose the same moments.
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self::with_capacity(policy, seed, 0)
    }

    /// The same with room for so many certificates.
    pub fn with_capacity(policy: Policy, seed: u64, capacity: usize) -> Self {
        Self {
            policy,
            seed,
            table: Table::with_capacity(capacity),
            pages: Pages::with_capacity(capacity),
            queues: Vec::new(),
            lots: Lots::default(),
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Plans by another policy from now on.
    pub fn set_policy(&mut self, policy: Policy, now: SystemTime) {
        if self.policy == policy {
            return;
        }
        self.policy = policy;
        let ids: Vec<CertId> = self.ids().collect();
        for id in ids {
            self.update(id.index, secs(now));
        }
        self.find_wake(secs(now));
    }

    /// One more certificate, of which there is none yet unless `held` says so, from the issuer at this place
    /// among the ledgers.
    pub fn add(
        &mut self,
        subject: &Subject,
        issuer: u8,
        held: Option<&Held>,
        now: SystemTime,
    ) -> CertId {
        while self.queues.len() <= usize::from(issuer) {
            self.queues.push(Queues::default());
        }
        let id = self.table.add(subject, issuer);
        let now = secs(now);
        if let Some(slot) = self.table.get_mut(id) {
            slot.set_held(held);
            if slot.has(POLLED) {
                slot.poll_at = now;
            }
        }
        self.touch(id.index, now);
        id
    }

    /// No longer plans a certificate. One that is ordered can still be [finished](Self::finish).
    pub fn remove(&mut self, id: CertId) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        if slot.state() == State::Ordered {
            slot.set_state(State::Gone);
            return;
        }
        self.free(id.index);
    }

    pub(super) fn free(&mut self, index: u32) {
        self.table.remove(index);
        self.touch(index, NEVER);
    }

    /// Tells which certificate there is now: one that another instance stored, or none any more.
    pub fn set_held(&mut self, id: CertId, held: Option<&Held>, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        let before = slot.clone();
        let is_same = slot.holds(held);
        let kept = (
            slot.window(),
            slot.poll_at,
            slot.flags(REVOKED | AT_ONCE | FORCED),
        );
        slot.set_held(held);
        if is_same {
            // Only what is known of it may have changed.
            slot.set_window(kept.0);
            slot.poll_at = kept.1;
            slot.set_flag(kept.2, true);
        } else {
            slot.poll_at = match slot.has(POLLED) {
                true => secs(now),
                false => NEVER,
            };
            self.table.set_waits(id.index, Waits::default());
        }
        if self.table.get(id) == Some(&before) {
            // Most often the store has nothing new: its place in the queue is right.
            return;
        }
        self.update(id.index, secs(now));
    }

    /// Nothing is done for it before `until`: the caller cannot store what would come of it, for instance.
    pub fn postpone(&mut self, id: CertId, until: SystemTime, now: SystemTime) {
        if self.table.get(id).is_some() {
            let mut waits = self.table.waits(id.index);
            waits.until = waits.until.max(secs(until));
            self.table.set_waits(id.index, waits);
            self.update(id.index, secs(now));
        }
    }

    /// Its CA has revoked it, or somebody wants to: it is replaced before all others.
    pub fn set_revoked(&mut self, id: CertId, now: SystemTime) {
        self.set_flag(id, REVOKED, now);
    }

    /// It cannot be read any more: a new one is due at once, once in a week.
    pub fn set_lost(&mut self, id: CertId, now: SystemTime) {
        self.set_flag(id, LOST, now);
    }

    /// Somebody wants a new one now, whatever there is. Only the limits of the CA hold it up.
    pub fn force(&mut self, id: CertId, now: SystemTime) {
        self.set_flag(id, FORCED, now);
    }

    /// What failed before and what a limit said no longer hold it up: the limits are asked anew.
    pub fn unpause(&mut self, id: CertId, now: SystemTime) {
        if self.table.get(id).is_some() {
            let is_placed = self.table.waits(id.index).is_placed;
            let waits = Waits {
                is_placed,
                ..Waits::default()
            };
            self.table.set_waits(id.index, waits);
            self.update(id.index, secs(now));
        }
    }

    fn set_flag(&mut self, id: CertId, flag: u16, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        let is_new = !slot.has(flag);
        slot.set_flag(flag, true);
        if flag == FORCED || is_new && flag == REVOKED {
            self.no_wait(id.index);
        }
        self.update(id.index, secs(now));
    }

    fn no_wait(&mut self, index: u32) {
        let waits = self.table.waits(index);
        self.table.set_waits(index, Waits { until: 0, ..waits });
    }

    /// Says whether this instance plans the certificate, or another one does.
    pub fn set_mine(&mut self, id: CertId, is_mine: bool, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        if slot.has(ELSEWHERE) != is_mine {
            return;
        }
        slot.set_flag(ELSEWHERE, !is_mine);
        if is_mine && slot.has(POLLED) && slot.poll_at == NEVER {
            slot.poll_at = secs(now);
        }
        self.update(id.index, secs(now));
    }

    /// Says what the CA answered to a [`Poll`](super::Action::Poll): the window, and when to ask again. `None` of a
    /// window, for an answer that failed, leaves the one that is known. A certificate that was replaced
    /// meanwhile is asked about anew.
    ///
    /// The wait is taken between [`MIN_ARI_WAIT`] and [`MAX_ARI_WAIT`]; without one it is that of the policy.
    pub fn polled(
        &mut self,
        poll: &Poll,
        window: Option<Window>,
        retry_after: Option<Duration>,
        now: SystemTime,
    ) {
        self.poll_ended(poll);
        if self
            .table
            .get(poll.cert)
            .is_some_and(|slot| slot.until == poll.until)
        {
            self.set_window(poll.cert, window, retry_after, now);
        }
    }

    /// The same without having asked: what is known of the window from elsewhere.
    pub fn set_window(
        &mut self,
        id: CertId,
        window: Option<Window>,
        ask_after: Option<Duration>,
        now: SystemTime,
    ) {
        let now = secs(now);
        let wait = ask_after
            .unwrap_or(self.policy.poll_every)
            .clamp(MIN_ARI_WAIT, MAX_ARI_WAIT);
        let seed = self.seed;
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        let wait = span(wait);
        // A little later for some, or all that were asked about at once are so for ever.
        let later = mix(seed ^ slot.set() ^ u64::from(now)) % u64::from(wait / 8 + 1);
        let later = u32::try_from(later).unwrap_or(0);
        slot.poll_at = now.saturating_add(wait).saturating_add(later);
        if let Some(window) = window {
            slot.set_window(Some(window));
            let is_over = window.as_secs().1 <= now;
            let is_new = is_over && !slot.has(AT_ONCE);
            slot.set_flag(AT_ONCE, is_over);
            if is_new && self.table.waits(id.index).failures == 0 {
                // It waits for nothing but the end of a limit that may not hold for it any more.
                self.no_wait(id.index);
            }
        }
        self.update(id.index, now);
    }

    /// Its CA has no ARI after all: it is asked no more, and the share of the lifetime counts.
    pub fn no_ari(&mut self, poll: &Poll, now: SystemTime) {
        self.poll_ended(poll);
        if let Some(slot) = self.table.get_mut(poll.cert) {
            slot.set_flag(POLLED, false);
            slot.set_window(None);
            slot.poll_at = NEVER;
            self.update(poll.cert.index, secs(now));
        }
    }

    fn poll_ended(&mut self, poll: &Poll) {
        if let Some(queues) = self.queues.get_mut(usize::from(poll.issuer)) {
            queues.polls.under_way = queues.polls.under_way.saturating_sub(1);
        }
    }

    /// Where a certificate stands.
    pub fn status(&self, id: CertId, now: SystemTime) -> Option<Status> {
        let (slot, now) = (self.table.get(id)?, secs(now));
        let waits = self.table.waits(id.index);
        Some(Status {
            due_at: at(slot.due(&self.policy, self.seed).max(waits.until)),
            reason: reason(slot),
            band: slot.band(&self.policy, now).0,
            exemption: slot.exemption(now).0,
            failures: u32::from(waits.failures),
            is_ordered: slot.state() == State::Ordered,
            window: slot.window(),
        })
    }

    /// When the certificate is due by its lifetime or its window, whatever failed; `None` for one that is due
    /// without such a time, since it is missing or forced.
    pub fn renewal_at(&self, id: CertId) -> Option<SystemTime> {
        let slot = self.table.get(id)?;
        let due = slot.due(&self.policy, self.seed);
        (due > 0).then(|| at(due))
    }

    /// The key of its exact set of names.
    pub fn set_of(&self, id: CertId) -> Option<u64> {
        Some(self.table.get(id)?.set())
    }

    /// All certificates, in no order that means something.
    pub fn ids(&self) -> impl Iterator<Item = CertId> {
        self.table.ids()
    }

    /// How many certificates there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are ordered at the moment.
    pub fn ordered(&self) -> usize {
        self.queues
            .iter()
            .map(|queues| queues.ordered as usize)
            .sum()
    }

    /// Bytes of memory that the plan takes.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
            + self.pages.bytes()
            + self.queues.iter().map(Queues::bytes).sum::<usize>()
            + self.lots.bytes()
    }
}
