//! What the planner knows of one certificate, in 56 bytes.

use super::heap::Positions;
use super::moment::NEVER;
use super::policy::Policy;
use super::priority::{Band, band};
use super::window::{Window, backstop};
use super::{CertId, Held};
use crate::budget::{Charge, Exemption, Kind, Subject};

/// What is there has the same set of names, of the same CA.
pub(super) const RENEWAL: u16 = 1;
/// What is there covers the names.
pub(super) const COVERED: u16 = 1 << 1;
pub(super) const REVOKED: u16 = 1 << 2;
pub(super) const LOST: u16 = 1 << 3;
pub(super) const FORCED: u16 = 1 << 4;
/// Its CA gave a window that was over already.
pub(super) const AT_ONCE: u16 = 1 << 5;
/// Another instance plans it.
pub(super) const ELSEWHERE: u16 = 1 << 6;
/// Its CA has ARI.
pub(super) const POLLED: u16 = 1 << 7;
/// It was removed while it was ordered.
pub(super) const GONE: u16 = 1 << 8;
/// An order for it is placed: to go on with it takes nothing of the limits.
pub(super) const PLACED: u16 = 1 << 15;
/// `domain` is the place of its names in the table.
const MANY: u16 = 1 << 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// There is no certificate.
    Free,
    /// Its time has not come.
    Idle,
    /// It waits for its turn.
    Ready,
    /// It waits for a registered domain.
    Parked,
    /// It is ordered.
    Ordered,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) set: u64,
    domain: u64,
    pub(super) from: u32,
    /// 0 if there is none.
    pub(super) until: u32,
    window: (u32, u32),
    pub(super) poll_at: u32,
    pub(super) retry_at: u32,
    position: u32,
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) flags: u16,
    pub(super) failures: u8,
    pub(super) issuer: u8,
    kind: Kind,
}

const _: () = assert!(
    size_of::<Slot>() + size_of::<(u32, u32)>() <= crate::limits::PLANNER_BYTES,
    "the slot and its entry of the heap"
);

impl Slot {
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set_flag(&mut self, flag: u16, is_set: bool) {
        match is_set {
            true => self.flags |= flag,
            false => self.flags &= !flag,
        }
    }

    fn is_there(&self) -> bool {
        self.state != State::Free && !self.has(GONE)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn window(&self) -> Option<Window> {
        Window::from_secs(self.window.0, self.window.1)
    }

    pub(super) fn set_window(&mut self, window: Option<Window>) {
        self.window = window.map_or((0, 0), Window::as_secs);
    }

    pub(super) fn set_held(&mut self, held: Option<&Held>) {
        (self.from, self.until) = held.map_or((0, 0), |held| (held.from, held.until));
        self.set_flag(RENEWAL, held.is_some_and(|held| held.same_set));
        self.set_flag(COVERED, held.is_some_and(|held| held.covers));
        self.set_flag(POLLED, held.is_some_and(|held| held.ari));
        self.set_window(None);
        self.flags &= !(REVOKED | LOST | FORCED | AT_ONCE);
    }

    pub(super) fn lifetime(&self) -> u32 {
        self.until.saturating_sub(self.from)
    }

    /// Whether what is there covers the names.
    pub(super) fn is_covered(&self) -> bool {
        self.until > 0 && self.has(COVERED)
    }

    /// Whether it is ordered though it may be new.
    pub(super) fn is_early(&self) -> bool {
        self.until == 0 || self.flags & (REVOKED | LOST | AT_ONCE) != 0
    }

    /// When it is due, without regard to failures.
    pub(super) fn due(&self, policy: &Policy, seed: u64) -> u32 {
        if self.flags & (REVOKED | LOST | FORCED) != 0 || !self.is_covered() {
            return 0;
        }
        match self.window() {
            // A window that begins when all is nearly over is an error. There has to be time for retries.
            Some(window) => {
                let [_, urgent, _] = policy.bands;
                let last = self.until - urgent.of(self.lifetime());
                window.instant(seed, self.set).min(last)
            }
            None => backstop(policy, self.from, self.until, seed, self.set),
        }
    }

    /// When something is to be done for it.
    pub(super) fn acts_at(&self, policy: &Policy, seed: u64) -> u32 {
        if self.has(ELSEWHERE) || matches!(self.state, State::Free | State::Ordered) {
            return NEVER;
        }
        self.due(policy, seed).max(self.retry_at)
    }

    /// How urgent it is, and when that changes.
    pub(super) fn band(&self, policy: &Policy, now: u32) -> (Band, u32) {
        if self.flags & (REVOKED | AT_ONCE | FORCED) != 0 {
            return (Band::Immediate, NEVER);
        }
        if self.until == 0 {
            return (Band::Urgent, NEVER);
        }
        let (band, changes) = band(policy, self.from, self.until, now);
        if !self.is_covered() {
            // A name is without a certificate, whatever is left of that of the others.
            return (band.min(Band::Urgent), changes);
        }
        (band, changes)
    }

    /// What it escapes now, and when that changes.
    pub(super) fn exemption(&self, now: u32) -> (Exemption, u32) {
        if self.until == 0 || !self.has(RENEWAL) {
            return (Exemption::None, NEVER);
        }
        match self.window() {
            Some(window) if window.has(now) => (Exemption::Ari, window.as_secs().1),
            Some(window) if now < window.as_secs().0 => (Exemption::Renewal, window.as_secs().0),
            _ => (Exemption::Renewal, NEVER),
        }
    }
}

/// The slots, and the names of those that have many.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    many: Vec<Option<Box<Many>>>,
    free_many: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Many {
    identifiers: Box<[u64]>,
    domains: Box<[u64]>,
}

impl Positions for Table {
    fn set(&mut self, slot: u32, position: u32) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.position = position;
        }
    }

    fn of(&self, slot: u32) -> u32 {
        self.slots
            .get(slot as usize)
            .map_or(NEVER, |slot| slot.position)
    }
}

impl Table {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, subject: &Subject, issuer: u8) -> CertId {
        let simple = match (subject.identifiers(), subject.domains()) {
            ([name], [domain]) if base(subject.set(), subject.kind()) == *name => Some(*domain),
            _ => None,
        };
        let domain = match simple {
            Some(domain) => domain,
            None => self.add_many(subject),
        };
        let mut slot = Slot {
            set: subject.set(),
            domain,
            from: 0,
            until: 0,
            window: (0, 0),
            poll_at: NEVER,
            retry_at: 0,
            position: 0,
            generation: 0,
            state: State::Idle,
            flags: 0,
            failures: 0,
            issuer,
            kind: subject.kind(),
        };
        slot.set_flag(MANY, simple.is_none());
        if let Some(index) = self.free.pop()
            && let Some(place) = self.slots.get_mut(index as usize)
        {
            slot.generation = place.generation.wrapping_add(1);
            let generation = slot.generation;
            *place = slot;
            return CertId { index, generation };
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(NEVER);
        self.slots.push(slot);
        CertId {
            index,
            generation: 0,
        }
    }

    fn add_many(&mut self, subject: &Subject) -> u64 {
        let many = Some(Box::new(Many {
            identifiers: subject.identifiers().into(),
            domains: subject.domains().into(),
        }));
        if let Some(index) = self.free_many.pop()
            && let Some(place) = usize::try_from(index)
                .ok()
                .and_then(|at| self.many.get_mut(at))
        {
            *place = many;
            return index;
        }
        self.many.push(many);
        self.many.len() as u64 - 1
    }

    pub(super) fn remove(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        slot.state = State::Free;
        if slot.has(MANY) {
            let place = usize::try_from(slot.domain)
                .ok()
                .and_then(|at| self.many.get_mut(at));
            if let Some(place) = place {
                *place = None;
                self.free_many.push(slot.domain);
            }
        }
        self.free.push(index);
    }

    /// The slot of an id that is still good.
    pub(super) fn get(&self, id: CertId) -> Option<&Slot> {
        let slot = self.slots.get(id.index as usize)?;
        (slot.generation == id.generation && slot.is_there()).then_some(slot)
    }

    pub(super) fn get_mut(&mut self, id: CertId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?;
        (slot.generation == id.generation && slot.is_there()).then_some(slot)
    }

    pub(super) fn at(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = CertId> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.is_there())
            .map(|(index, slot)| CertId {
                index,
                generation: slot.generation,
            })
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Asks with the order of a slot as the limits see it.
    pub(super) fn charge<T>(
        &self,
        slot: &Slot,
        exemption: Exemption,
        ask: impl FnOnce(&Charge<'_>) -> T,
    ) -> T {
        let many = usize::try_from(slot.domain)
            .ok()
            .filter(|_| slot.has(MANY))
            .and_then(|at| self.many.get(at)?.as_deref());
        let one = ([base(slot.set, slot.kind)], [slot.domain]);
        let (identifiers, domains) = match many {
            Some(many) => (&*many.identifiers, &*many.domains),
            None => (&one.0[..], &one.1[..]),
        };
        ask(&Charge {
            set: slot.set,
            identifiers,
            domains,
            exemption,
            is_early: slot.is_early(),
            is_forced: slot.has(FORCED),
        })
    }

    /// Bytes of the heap that it takes.
    pub(super) fn bytes(&self) -> usize {
        let many = self.many.iter().flatten().map(|many| {
            size_of::<Many>() + size_of_val(&*many.identifiers) + size_of_val(&*many.domains)
        });
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.many.capacity() * size_of::<Option<Box<Many>>>()
            + self.free_many.capacity() * size_of::<u64>()
            + many.sum::<usize>()
    }
}

/// The key of the one name that is validated for a set of one.
fn base(set: u64, kind: Kind) -> u64 {
    match kind {
        Kind::Wildcard => !set,
        _ => set,
    }
}
