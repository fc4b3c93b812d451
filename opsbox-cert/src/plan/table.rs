//! All certificates: the slots, what few of them have besides, and their ids.

use super::CertId;
use super::moment::NEVER;
use super::slot::{FORCED, Slot, State};
use crate::budget::{Charge, Exemption, KeyMap, Kind, Subject};

/// What a certificate has that waits, which are few at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Waits {
    pub(super) failures: u8,
    /// An order for it is placed: to go on with it takes nothing of the limits.
    pub(super) is_placed: bool,
    /// Nothing is done for it before.
    pub(super) until: u32,
}

/// The slots, and the names of those that have many.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Places that are not used again: an id of the first certificate there would be good for the last.
    retired: usize,
    waits: KeyMap<Waits>,
    many: Vec<Option<Box<Many>>>,
    free_many: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Many {
    identifiers: Box<[u64]>,
    domains: Box<[u64]>,
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
        let mut slot = Slot::new(subject.set(), domain, subject.kind(), issuer);
        slot.set_many(simple.is_none());
        if let Some(index) = self.free.pop()
            && let Some(place) = self.slots.get_mut(index as usize)
        {
            slot.generation = place.generation + 1;
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
        self.set_waits(index, Waits::default());
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        slot.set_state(State::Free);
        if let Some(many) = slot.many() {
            let place = usize::try_from(many)
                .ok()
                .and_then(|at| self.many.get_mut(at));
            if let Some(place) = place {
                *place = None;
                self.free_many.push(many);
            }
        }
        match slot.generation {
            u8::MAX => self.retired += 1,
            _ => self.free.push(index),
        }
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

    pub(super) fn waits(&self, index: u32) -> Waits {
        match self.at(index).is_some_and(Slot::waits) {
            true => self
                .waits
                .get(&u64::from(index))
                .copied()
                .unwrap_or_default(),
            false => Waits::default(),
        }
    }

    pub(super) fn set_waits(&mut self, index: u32, waits: Waits) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        let key = u64::from(index);
        if waits != Waits::default() {
            slot.set_waits(true);
            self.waits.insert(key, waits);
        } else if slot.waits() {
            slot.set_waits(false);
            self.waits.remove(&key);
            if self.waits.is_empty() {
                // After an hour in which all had to wait.
                self.waits = KeyMap::default();
            }
        }
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
        self.slots.len() - self.free.len() - self.retired
    }

    /// Asks with the order of a slot as the limits see it.
    pub(super) fn charge<T>(
        &self,
        slot: &Slot,
        exemption: Exemption,
        ask: impl FnOnce(&Charge<'_>) -> T,
    ) -> T {
        let many = slot
            .many()
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| self.many.get(at)?.as_deref());
        let one = ([base(slot.set(), slot.kind())], [slot.domain()]);
        let (identifiers, domains) = match many {
            Some(many) => (&*many.identifiers, &*many.domains),
            None => (&one.0[..], &one.1[..]),
        };
        ask(&Charge {
            set: slot.set(),
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
            + self.waits.capacity() * (size_of::<(u64, Waits)>() + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes and goes, an id is good for its own certificate and no other.
    #[test]
    fn an_id_is_never_good_for_another_certificate() {
        let mut table = Table::default();
        let mut old = Vec::new();
        for n in 0..2_000 {
            let id = table.add(&Subject::single(n, n), 0);
            assert_eq!(table.len(), 1);
            assert_eq!(table.get(id).map(Slot::set), Some(n));
            assert!(old.iter().all(|old| table.get(*old).is_none()), "{n}");
            table.remove(id.index);
            old.push(id);
        }
        assert_eq!((table.len(), table.slots.len()), (0, 2_000 / 256 + 1));
    }

    #[test]
    fn what_waits_is_known_until_it_does_not() {
        let mut table = Table::default();
        let ids: Vec<_> = (0..9)
            .map(|n| table.add(&Subject::single(n, n), 0).index)
            .collect();
        let waits = |n| Waits {
            failures: 1,
            is_placed: n % 2 == 1,
            until: n,
        };
        for index in &ids {
            assert_eq!(table.waits(*index), Waits::default());
            table.set_waits(*index, waits(*index));
        }
        for index in &ids {
            assert_eq!(table.waits(*index), waits(*index));
            table.remove(*index);
            assert_eq!(table.waits(*index), Waits::default());
        }
        assert_eq!(table.waits.capacity(), 0);
    }
}
