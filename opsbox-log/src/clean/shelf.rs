//! What a cleaner remembers from batch to batch.

use std::{fmt, sync::Mutex};

use super::shapes::Shapes;

/// Where a cleaner keeps what it learned while nobody cleans: one for each thread that does at once. A copy of
/// a cleaner begins with nothing.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "it is handed over at each batch")]
pub(super) struct Shelf(Mutex<Vec<Box<Shapes>>>);

/// Without the keys of a log.
impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Clone for Shelf {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Shelf {
    /// One for a batch.
    pub(super) fn take(&self) -> Box<Shapes> {
        let kept = self.0.lock().ok().and_then(|mut kept| kept.pop());
        let mut shapes = kept.unwrap_or_default();
        shapes.begin();
        shapes
    }

    pub(super) fn give_back(&self, shapes: Box<Shapes>) {
        if let Ok(mut kept) = self.0.lock() {
            kept.push(shapes);
        }
    }

    /// Documents of the last batch that went by edges.
    #[cfg(test)]
    pub(super) fn hits(&self) -> u64 {
        let kept = self
            .0
            .lock()
            .map(|kept| kept.iter().map(|it| it.hits()).sum());
        kept.unwrap_or_default()
    }
}
