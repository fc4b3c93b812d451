//! The labels of a pod, kept once for all pods that have the same.

use std::{fmt, sync::Arc};

/// Stands after every key and every value; the API allows it in neither.
pub(crate) const END: char = '\0';

/// Labels as one text, in the order of the object.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Labels(
    /// `key END value END key END value END`, so that a whole set is one look-up in a pool and one
    /// pointer in a pod.
    pub(crate) Arc<str>,
);

impl Labels {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
