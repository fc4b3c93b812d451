//! The planner: what it is told, and what it answers.

use std::cmp::Reverse;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::heap::TimeHeap;
use super::moment::{NEVER, at, secs, secs_from_us, span};
use super::policy::Policy;
use super::priority::{Band, rank};
use super::queue::{Entry, Lane, Lots, Queues};
use super::slot::{
    AT_ONCE, ELSEWHERE, FORCED, GONE, LOST, PLACED, POLLED, REVOKED, Slot, State, Table,
};
use super::window::{Window, mix};
use crate::budget::{Charge, Exemption, Outcome, Subject};
use crate::limits::{MAX_ARI_WAIT, MIN_ARI_WAIT};

/// A certificate that the planner was told of. After it is [removed](Planner::remove) nothing is known by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl CertId {
    /// A small number, under which the caller can keep what it knows: it is used again after the
    /// certificate is removed.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// The certificate that there is.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use opsbox_cert::plan::Held;
///
/// let from = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let held = Held::new(from, from + Duration::from_secs(90 * 24 * 60 * 60)).ari(true);
/// assert!(held.is_same_set());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub(super) from: u32,
    pub(super) until: u32,
    pub(super) same_set: bool,
    pub(super) covers: bool,
    pub(super) ari: bool,
}

impl Held {
    /// From its first to its last second, with exactly the names that there should be, from the CA that will
    /// renew it.
    pub fn new(not_before: SystemTime, not_after: SystemTime) -> Self {
        let from = secs(not_before);
        Self {
            from,
            // 0 is for none.
            until: secs(not_after).max(from).max(1),
            same_set: true,
            covers: true,
            ari: false,
        }
    }

    /// Whether it has exactly the names that there should be, and comes from the CA that will renew it: only
    /// then is its successor a renewal for the limits.
    #[must_use]
    pub fn same_set(mut self, is_same: bool) -> Self {
        self.same_set = is_same;
        self
    }

    /// Whether it has all the names that there should be. If not, a new one is due at once.
    #[must_use]
    pub fn covers(mut self, covers: bool) -> Self {
        self.covers = covers;
        self
    }

    /// Whether its CA is to be asked when it is to be renewed (ARI).
    #[must_use]
    pub fn ari(mut self, ari: bool) -> Self {
        self.ari = ari;
        self
    }

    /// Whether it has exactly the names that there should be.
    pub fn is_same_set(&self) -> bool {
        self.same_set
    }

    /// What it is for a ledger, as the end of the order that it came from.
    pub fn outcome(&self) -> Outcome {
        Outcome::IssuedAt {
            from: at(self.from),
            lifetime: self.lifetime(),
        }
    }

    /// From its first to its last second.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.until.saturating_sub(self.from)))
    }
}

/// Why a certificate is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// There is none.
    Missing,
    /// There is one without some of the names.
    Names,
    /// There was one that is lost.
    Lost,
    /// It is revoked.
    Revoked,
    /// Somebody wants a new one.
    Forced,
    /// The moment inside the window of its CA has come.
    Window,
    /// So much of its lifetime is over.
    Share,
}

impl Reason {
    /// As one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Names => "names",
            Self::Lost => "lost",
            Self::Revoked => "revoked",
            Self::Forced => "forced",
            Self::Window => "window",
            Self::Share => "share",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no certificate",
            Self::Names => "the certificate lacks a name",
            Self::Lost => "the certificate is lost",
            Self::Revoked => "the certificate is revoked",
            Self::Forced => "a new certificate was asked for",
            Self::Window => "its CA wants it to be renewed now",
            Self::Share => "its time is nearly over",
        })
    }
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Order a certificate, then say how it [ended](Planner::finish).
    Order(Order),
    /// Ask the CA for the window of a certificate, then say what it [answered](Planner::polled).
    Poll(Poll),
}

/// A certificate whose window is to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    pub(super) cert: CertId,
    pub(super) issuer: u8,
    pub(super) until: u32,
}

impl Poll {
    /// The certificate.
    pub fn cert(&self) -> CertId {
        self.cert
    }

    /// The place of the issuer.
    pub fn issuer(&self) -> u8 {
        self.issuer
    }
}

/// A certificate to be ordered, for which the limits have room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub(super) cert: CertId,
    pub(super) issuer: u8,
    pub(super) reason: Reason,
    pub(super) band: Band,
    pub(super) exemption: Exemption,
    pub(super) again: bool,
    pub(super) replaces: bool,
    pub(super) is_early: bool,
    pub(super) is_forced: bool,
    pub(super) due: u32,
}

impl Order {
    /// The certificate.
    pub fn cert(&self) -> CertId {
        self.cert
    }

    /// The place of the issuer.
    pub fn issuer(&self) -> u8 {
        self.issuer
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How urgent it is.
    pub fn band(&self) -> Band {
        self.band
    }

    /// What it escapes.
    pub fn exemption(&self) -> Exemption {
        self.exemption
    }

    /// Whether the order may name the certificate that it replaces: not outside its window, if the window
    /// is known.
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// The order as the limits see it, by the names of the certificate.
    pub fn charge<'a>(&self, subject: &'a Subject) -> Charge<'a> {
        Charge::new(subject)
            .exemption(self.exemption)
            .early(self.is_early)
            .forced(self.is_forced)
    }

    /// From when on it was due.
    pub fn due_at(&self) -> SystemTime {
        at(self.due)
    }
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// When it is due; the time may have passed.
    pub due_at: SystemTime,
    /// Why it is.
    pub reason: Reason,
    /// How urgent it is.
    pub band: Band,
    /// What it would escape.
    pub exemption: Exemption,
    /// How often it failed in a row.
    pub failures: u32,
    /// Whether it is ordered at the moment.
    pub is_ordered: bool,
    /// The window of its CA.
    pub window: Option<Window>,
}

/// What of a certificate has to outlive a restart, besides the certificate itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct CertState {
    pub(super) failures: u8,
    pub(super) retry_at: u32,
    pub(super) window: Option<(u32, u32)>,
    pub(super) poll_at: u32,
    pub(super) flags: u16,
}

/// What of all certificates together has to outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "store", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress(Vec<(u32, u32, u64)>);

/// Decides what is done when: the certificates by their times, and whose turn it is. It reads no clock and
/// waits for nothing.
///
/// See the [module](super).
#[derive(Debug, Clone)]
pub struct Planner {
    pub(super) policy: Policy,
    pub(super) seed: u64,
    pub(super) table: Table,
    pub(super) times: TimeHeap,
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
            times: TimeHeap::with_capacity(capacity),
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
        let (policy, seed) = (&self.policy, self.seed);
        let mut time = NEVER;
        if let Some(slot) = self.table.get_mut(id) {
            slot.set_held(held);
            if slot.has(POLLED) {
                slot.poll_at = now;
            }
            time = slot.acts_at(policy, seed).min(slot.poll_at);
        }
        self.times.push(time, id.index, &mut self.table);
        id
    }

    /// No longer plans a certificate. One that is ordered can still be [finished](Self::finish).
    pub fn remove(&mut self, id: CertId) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        if slot.state == State::Ordered {
            slot.set_flag(GONE, true);
            return;
        }
        self.free(id.index);
    }

    pub(super) fn free(&mut self, index: u32) {
        self.times.remove(index, &mut self.table);
        self.table.remove(index);
    }

    /// Tells which certificate there is now: one that another instance stored, or none any more.
    pub fn set_held(&mut self, id: CertId, held: Option<&Held>, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        let before = slot.clone();
        let is_same =
            (slot.from, slot.until) == held.map_or((0, 0), |held| (held.from, held.until));
        let kept = (
            slot.window(),
            slot.poll_at,
            slot.flags & (REVOKED | AT_ONCE | FORCED),
        );
        slot.set_held(held);
        if is_same {
            // Only what is known of it may have changed.
            slot.set_window(kept.0);
            slot.poll_at = kept.1;
            slot.flags |= kept.2;
        } else {
            slot.poll_at = NEVER;
            slot.set_flag(PLACED, false);
            (slot.failures, slot.retry_at) = (0, 0);
        }
        if slot.has(POLLED) && slot.poll_at == NEVER && !is_same {
            slot.poll_at = secs(now);
        }
        if *slot == before {
            // Most often the store has nothing new: its place in the queue is right.
            return;
        }
        self.update(id.index, secs(now));
    }

    /// Nothing is done for it before `until`: the caller cannot store what would come of it, for instance.
    pub fn postpone(&mut self, id: CertId, until: SystemTime, now: SystemTime) {
        if let Some(slot) = self.table.get_mut(id) {
            slot.retry_at = slot.retry_at.max(secs(until));
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
        if let Some(slot) = self.table.get_mut(id) {
            (slot.failures, slot.retry_at) = (0, 0);
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
            slot.retry_at = 0;
        }
        self.update(id.index, secs(now));
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

    /// Says what the CA answered to a [`Poll`](Action::Poll): the window, and when to ask again. `None` of a
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
        let later = mix(seed ^ slot.set ^ u64::from(now)) % u64::from(wait / 8 + 1);
        let later = u32::try_from(later).unwrap_or(0);
        slot.poll_at = now.saturating_add(wait).saturating_add(later);
        if let Some(window) = window {
            slot.set_window(Some(window));
            let is_over = window.as_secs().1 <= now;
            if is_over && !slot.has(AT_ONCE) && slot.failures == 0 {
                // It waits for nothing but the end of a limit that may not hold for it any more.
                slot.retry_at = 0;
            }
            slot.set_flag(AT_ONCE, is_over);
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
        Some(Status {
            due_at: at(slot.due(&self.policy, self.seed).max(slot.retry_at)),
            reason: reason(slot),
            band: slot.band(&self.policy, now).0,
            exemption: slot.exemption(now).0,
            failures: u32::from(slot.failures),
            is_ordered: slot.state == State::Ordered,
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
        Some(self.table.get(id)?.set)
    }

    /// What of it has to outlive a restart.
    pub fn state(&self, id: CertId) -> Option<CertState> {
        let slot = self.table.get(id)?;
        Some(CertState {
            failures: slot.failures,
            retry_at: slot.retry_at,
            window: slot.window().map(Window::as_secs),
            poll_at: slot.poll_at,
            flags: slot.flags & (REVOKED | LOST | FORCED | AT_ONCE),
        })
    }

    /// Gives it back what outlived a restart. It has to be of the same certificate.
    pub fn restore(&mut self, id: CertId, state: &CertState, now: SystemTime) {
        let Some(slot) = self.table.get_mut(id) else {
            return;
        };
        slot.failures = state.failures;
        slot.retry_at = state.retry_at;
        let window = state
            .window
            .and_then(|(start, end)| Window::from_secs(start, end.max(start)));
        slot.set_window(window);
        slot.flags |= state.flags & (REVOKED | LOST | FORCED | AT_ONCE);
        if slot.has(POLLED) {
            slot.poll_at = match state.poll_at {
                // It was being asked about.
                NEVER => secs(now),
                poll_at => poll_at,
            };
        }
        self.update(id.index, secs(now));
    }

    /// What of all certificates together has to outlive a restart.
    pub fn progress(&self) -> Progress {
        let of = |queues: &Queues| (queues.credit, queues.outage, queues.outage_until);
        Progress(self.queues.iter().map(of).collect())
    }

    /// Gives back what outlived a restart.
    pub fn resume(&mut self, progress: &Progress) {
        self.queues
            .resize_with(self.queues.len().max(progress.0.len()), Queues::default);
        for (queues, (credit, outage, until)) in self.queues.iter_mut().zip(&progress.0) {
            (queues.credit, queues.outage, queues.outage_until) = (*credit, *outage, *until);
        }
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
            + self.times.bytes()
            + self.queues.iter().map(Queues::bytes).sum::<usize>()
            + self.lots.bytes()
    }

    pub(super) fn rank(&self, slot: &Slot, now: u32) -> u64 {
        let (band, _) = slot.band(&self.policy, now);
        let weight = self.policy.weight_of(slot.kind());
        let due = slot.due(&self.policy, self.seed).max(slot.retry_at);
        rank(band, weight, due, slot.set)
    }

    pub(super) fn lane(slot: &Slot, now: u32) -> Lane {
        let exemption = match slot.has(PLACED) {
            // What the account has left is nothing to it.
            true => Exemption::Ari,
            false => slot.exemption(now).0,
        };
        Lane {
            exemption,
            again: slot.failures > 0,
        }
    }

    /// Something is known of a certificate that was not before.
    pub(super) fn update(&mut self, index: u32, now: u32) {
        if let Some(slot) = self.table.at_mut(index)
            && matches!(slot.state, State::Ready | State::Parked)
        {
            // It is queued again in its new place.
            slot.state = State::Idle;
        }
        self.look(index, now);
    }

    /// Queues a certificate whose time has come, and says when to look at it again.
    pub(super) fn look(&mut self, index: u32, now: u32) {
        let Some(slot) = self.table.at(index) else {
            return;
        };
        let acts_at = slot.acts_at(&self.policy, self.seed);
        let (state, poll_at, issuer) = (slot.state, slot.poll_at, slot.issuer);
        let is_polled = slot.has(POLLED) && !slot.has(ELSEWHERE) && state != State::Ordered;
        let mut next = match is_polled {
            true => poll_at,
            false => NEVER,
        };
        if is_polled && poll_at <= now {
            let poll = Reverse((poll_at, slot.set, index));
            if let Some(queues) = self.queues.get_mut(usize::from(issuer)) {
                queues.polls.due.push(poll);
            }
            next = NEVER;
        }
        if acts_at > now {
            next = next.min(acts_at);
            if let Some(slot) = self.table.at_mut(index) {
                if next_poll_taken(is_polled, poll_at, now) {
                    slot.poll_at = NEVER;
                }
                if matches!(slot.state, State::Ready | State::Parked) {
                    slot.state = State::Idle;
                }
            }
            self.times.change(index, next, &mut self.table);
            return;
        }
        let changes = slot.band(&self.policy, now).1.min(slot.exemption(now).1);
        next = next.min(changes);
        let entry: Entry = (self.rank(slot, now), index);
        let lane = Self::lane(slot, now);
        if let Some(queues) = self.queues.get_mut(usize::from(issuer)) {
            // Parked ones are queued too when they change: who comes up first finds out.
            queues.lane_mut(lane).push(Reverse(entry));
        }
        if let Some(slot) = self.table.at_mut(index) {
            slot.state = State::Ready;
            if next_poll_taken(is_polled, poll_at, now) {
                slot.poll_at = NEVER;
            }
        }
        self.times.change(index, next, &mut self.table);
    }

    /// Looks at all whose time has come.
    pub(super) fn advance(&mut self, now: u32, now_us: u64, ledgers: &[crate::budget::Ledger]) {
        while let Some((time, index)) = self.times.first()
            && time <= now
        {
            self.look(index, now);
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
                    .is_some_and(|it| it.state == State::Parked);
                if is_parked {
                    left -= 1;
                    self.update(index, now);
                }
            }
            self.lots
                .again(domain, issuer, room.1.max(now_us + 1_000_000));
        }
    }

    pub(super) fn hold(&mut self, index: u32, until_us: u64, now: u32) {
        if let Some(slot) = self.table.at_mut(index) {
            slot.retry_at = secs_from_us(until_us).max(now + 1);
            slot.state = State::Idle;
        }
        self.look(index, now);
    }
}

fn next_poll_taken(is_polled: bool, poll_at: u32, now: u32) -> bool {
    is_polled && poll_at <= now
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
