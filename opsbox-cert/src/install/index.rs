//! From a name to the certificates that are served for it: read without a lock, written copy on write.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Candidate;
use super::candidate::Inner;

/// Where one certificate stands while its successors come and go.
pub(super) struct Slot {
    pub(super) id: Arc<str>,
    current: ArcSwap<Inner>,
}

impl Slot {
    pub(super) fn new(id: Arc<str>, candidate: Candidate) -> Self {
        Self {
            id,
            current: ArcSwap::new(candidate.0),
        }
    }

    pub(super) fn current(&self) -> Candidate {
        Candidate(self.current.load_full())
    }

    /// The swap.
    pub(super) fn set(&self, candidate: Candidate) {
        self.current.store(candidate.0);
    }
}

/// The slots of one name: nearly always one.
#[derive(Clone)]
enum Slots {
    One(Arc<Slot>),
    Many(Arc<Vec<Arc<Slot>>>),
}

type Shard = HashMap<Arc<str>, Slots, RandomState>;

/// A write copies one shard of the map, so its cost does not grow with the number of names until there
/// are some ten thousand.
pub(super) struct Index {
    hasher: RandomState,
    shards: Box<[ArcSwap<Shard>]>,
}

impl Index {
    const SHARDS: u64 = 1_024;

    pub(super) fn new() -> Self {
        let hasher = RandomState::new();
        // One for all, until they differ.
        let empty = Arc::new(Shard::with_hasher(hasher.clone()));
        Self {
            shards: (0..Self::SHARDS)
                .map(|_| ArcSwap::new(empty.clone()))
                .collect(),
            hasher,
        }
    }

    fn shard(&self, name: &str) -> Option<&ArcSwap<Shard>> {
        // The upper bits: the map uses the lower ones and the top seven.
        let at = (self.hasher.hash_one(name) >> 32) % Self::SHARDS;
        self.shards.get(usize::try_from(at).unwrap_or(0))
    }

    /// Calls `each` with every slot of the name.
    pub(super) fn each(&self, name: &str, mut each: impl FnMut(&Arc<Slot>)) {
        let Some(shard) = self.shard(name) else {
            return;
        };
        match shard.load().get(name) {
            None => {}
            Some(Slots::One(slot)) => each(slot),
            Some(Slots::Many(slots)) => slots.iter().for_each(each),
        }
    }

    /// The name as it is kept already, so that all who have it share one string.
    pub(super) fn known(&self, name: &Arc<str>) -> Arc<str> {
        let known = self.shard(name).and_then(|shard| {
            let shard = shard.load();
            shard.get_key_value(&**name).map(|(known, _)| known.clone())
        });
        known.unwrap_or_else(|| name.clone())
    }

    /// Only one caller at a time may write.
    pub(super) fn add(&self, name: &Arc<str>, slot: &Arc<Slot>) {
        self.change(name, |shard| {
            let slots = match shard.get(name) {
                None => Slots::One(slot.clone()),
                Some(Slots::One(old)) => Slots::Many(Arc::new(vec![old.clone(), slot.clone()])),
                Some(Slots::Many(old)) => {
                    Slots::Many(Arc::new(old.iter().chain([slot]).cloned().collect()))
                }
            };
            shard.insert(name.clone(), slots);
        });
    }

    /// Only one caller at a time may write.
    pub(super) fn remove(&self, name: &Arc<str>, slot: &Arc<Slot>) {
        self.change(name, |shard| {
            let left: Vec<Arc<Slot>> = match shard.remove(name) {
                Some(Slots::Many(old)) => {
                    let others = old.iter().filter(|other| !Arc::ptr_eq(other, slot));
                    others.cloned().collect()
                }
                _ => return,
            };
            let left = match &*left {
                [] => return,
                [last] => Slots::One(last.clone()),
                _ => Slots::Many(Arc::new(left)),
            };
            shard.insert(name.clone(), left);
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Shard)) {
        if let Some(shard) = self.shard(name) {
            let mut copy = Shard::clone(&shard.load());
            change(&mut copy);
            shard.store(Arc::new(copy));
        }
    }
}
