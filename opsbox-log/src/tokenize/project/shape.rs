//! What lines have in common: most programs write the same keys in the same order.

use super::dictionary::Place;

/// Steps that are kept at most. Lines with more hits are always taken hit by hit.
const MAX_STEPS: usize = 128;

/// Lines in a row that must look otherwise before a shape is given up, at most.
const MAX_TRUST: u8 = 8;

/// One hit of a line, and what became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) lanes: u64,
    /// Of a key: the edge that it took, if any.
    pub(super) edge: u16,
    /// Where it stands.
    pub(super) place: Place,
    pub(super) byte: u8,
    /// Of a bracket: it begins the value of a key that leads into it.
    pub(super) awaited: bool,
    /// Whether that is all that has to be known of it.
    pub(super) is_simple: bool,
}

/// The hits of a line. A line with the same hits has the same nesting and takes the same edges, so
/// that only the keys and the ends of values are left to be looked at.
///
/// It is replaced when more lines differ from it than are like it, so that a few lines with shuffled
/// keys change nothing.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) steps: Vec<Step>,
    trust: u8,
}

impl Shape {
    /// A line was like it.
    #[inline(always)]
    pub(super) fn hits(&mut self) {
        self.trust = (self.trust + 1).min(MAX_TRUST);
    }

    /// A line was not like it. Whether to [learn](Self::learn) that line.
    pub(super) fn misses(&mut self) -> bool {
        let learns = self.trust == 0;
        if learns {
            self.steps.clear();
        }
        self.trust = match learns {
            true => 1,
            false => self.trust - 1,
        };
        learns
    }

    /// Adds the next step of a line.
    pub(super) fn learn(&mut self, step: Step) {
        if step.is_simple && self.steps.len() < MAX_STEPS && self.trust > 0 {
            self.steps.push(step);
        } else {
            self.forget();
        }
    }

    /// The line was odd, or cannot be learnt.
    pub(super) fn forget(&mut self) {
        self.steps.clear();
        self.trust = 0;
    }
}
