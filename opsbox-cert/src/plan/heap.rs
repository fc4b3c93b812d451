//! A heap of times whose entries know where they are, so that one can be moved: 8 bytes each.

/// The least time first. Each slot is in it once.
#[derive(Debug, Clone, Default)]
pub(super) struct TimeHeap {
    entries: Vec<(u32, u32)>,
}

/// Where the positions of the slots are kept.
pub(super) trait Positions {
    fn set(&mut self, slot: u32, position: u32);
    fn of(&self, slot: u32) -> u32;
}

/// Four children share a cache line half.
const ARITY: usize = 4;

impl TimeHeap {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(u32, u32)>()
    }

    pub(super) fn first(&self) -> Option<(u32, u32)> {
        self.entries.first().copied()
    }

    pub(super) fn push(&mut self, time: u32, slot: u32, positions: &mut impl Positions) {
        let at = self.entries.len();
        self.entries.push((time, slot));
        self.up(at, positions);
    }

    /// The time at a position.
    pub(super) fn time_at(&self, position: u32) -> u32 {
        self.entries
            .get(position as usize)
            .map_or(u32::MAX, |it| it.0)
    }

    /// Gives a slot another time.
    pub(super) fn change(&mut self, slot: u32, time: u32, positions: &mut impl Positions) {
        let at = positions.of(slot) as usize;
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        let before = entry.0;
        entry.0 = time;
        match time < before {
            true => self.up(at, positions),
            false => self.down(at, positions),
        }
    }

    fn up(&mut self, mut at: usize, positions: &mut impl Positions) {
        let Some(&moving) = self.entries.get(at) else {
            return;
        };
        while at > 0 {
            let above = (at - 1) / ARITY;
            let Some(&parent) = self.entries.get(above) else {
                break;
            };
            if parent.0 <= moving.0 {
                break;
            }
            self.put(at, parent, positions);
            at = above;
        }
        self.put(at, moving, positions);
    }

    fn down(&mut self, mut at: usize, positions: &mut impl Positions) {
        let Some(&moving) = self.entries.get(at) else {
            return;
        };
        loop {
            let first = at * ARITY + 1;
            let end = (first + ARITY).min(self.entries.len());
            let children = self.entries.get(first..end).unwrap_or_default();
            let least = (first..end).zip(children).min_by_key(|(_, child)| child.0);
            let Some((below, &child)) = least.filter(|(_, child)| child.0 < moving.0) else {
                break;
            };
            self.put(at, child, positions);
            at = below;
        }
        self.put(at, moving, positions);
    }

    fn put(&mut self, at: usize, entry: (u32, u32), positions: &mut impl Positions) {
        if let Some(place) = self.entries.get_mut(at) {
            *place = entry;
            positions.set(entry.1, u32::try_from(at).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Positions for Vec<u32> {
        fn set(&mut self, slot: u32, position: u32) {
            self[slot as usize] = position;
        }

        fn of(&self, slot: u32) -> u32 {
            self[slot as usize]
        }
    }

    proptest! {
        /// Against a list of all that is in it.
        #[test]
        fn the_least_is_first_whatever_is_changed(
            steps in prop::collection::vec((0_usize..40, 0_u32..1000), 1..300),
        ) {
            let mut heap = TimeHeap::default();
            let mut positions = vec![0_u32; 40];
            let mut naive: Vec<Option<u32>> = vec![None; 40];
            for (slot, time) in steps {
                let at = u32::try_from(slot).unwrap();
                match naive[slot] {
                    Some(_) => heap.change(at, time, &mut positions),
                    None => heap.push(time, at, &mut positions),
                }
                naive[slot] = Some(time);
                prop_assert_eq!(heap.time_at(positions[slot]), time);
                let least = naive.iter().flatten().min().copied();
                prop_assert_eq!(heap.first().map(|(time, _)| time), least);
                if let Some((time, slot)) = heap.first() {
                    prop_assert_eq!(naive[slot as usize], Some(time));
                }
            }
        }
    }
}
