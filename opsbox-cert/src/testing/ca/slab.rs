//! Things that are numbered as they come, and forgotten in about that order.

use std::collections::VecDeque;

#[derive(Debug, Clone)]
pub(crate) struct Slab<T> {
    first: u64,
    kept: VecDeque<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            first: 0,
            kept: VecDeque::new(),
        }
    }
}

impl<T> Slab<T> {
    /// The number of what is pushed next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    pub(crate) fn push(&mut self, value: T) -> u64 {
        let number = self.next();
        self.kept.push_back(value);
        number
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.kept.get(self.index(number)?)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = self.index(number)?;
        self.kept.get_mut(index)
    }

    /// Forgets the oldest while they are done.
    pub(crate) fn forget(&mut self, mut is_done: impl FnMut(&T) -> bool) -> Option<(u64, T)> {
        if !self.kept.front().is_some_and(&mut is_done) {
            return None;
        }
        let number = self.first;
        self.first += 1;
        self.kept.pop_front().map(|value| (number, value))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        (self.first..).zip(&self.kept)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        (self.first..).zip(&mut self.kept)
    }
}
