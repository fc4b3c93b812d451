//! Memory that engines work in, kept by each thread from input to input: to make it anew takes longer
//! than to parse a few lines.

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    thread::LocalKey,
};

/// Where a thread keeps memory while nobody works in it.
pub(super) type Shelf<T> = LocalKey<Cell<Option<Box<T>>>>;

/// Memory that a thread keeps. What is in it is of an input before.
pub(super) trait Kept: Default + 'static {
    fn shelf() -> &'static Shelf<Self>;
}

/// The thread's memory, or new one if somebody else works in that.
pub(super) struct Lent<T: Kept>(Box<T>);

impl<T: Kept> Lent<T> {
    pub(super) fn take() -> Self {
        let kept = T::shelf().try_with(Cell::take);
        Self(kept.ok().flatten().unwrap_or_default())
    }

    /// Gives it back. If that is forgotten, the next one makes its own.
    pub(super) fn give_back(self) {
        // A thread that ends keeps nothing.
        let _ended = T::shelf().try_with(|shelf| shelf.set(Some(self.0)));
    }
}

impl<T: Kept> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Kept> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
