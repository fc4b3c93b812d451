//! Where an input is cut into blocks.

use std::ops::Range;

/// Longest range with more than one line. Rows begin at 32-bit offsets in their block.
const MAX_RANGE_BYTES: usize = 1 << 30;

/// Ranges that threads share: long enough that starting on one costs nothing beside it, and short
/// enough that the last ones end at about the same time.
const MIN_SHARED_BYTES: usize = 256 << 10;
const MAX_SHARED_BYTES: usize = 4 << 20;
const SHARED_PER_THREAD: usize = 8;

/// How long the ranges are to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Of what one thread does.
    pub(super) alone: usize,
    /// Of what threads share, if they do.
    pub(super) shared: Option<usize>,
}

impl Sizes {
    pub(super) fn of(input_bytes: usize, threads: usize) -> Self {
        let share = input_bytes / threads.saturating_mul(SHARED_PER_THREAD).max(1);
        Self {
            alone: MAX_RANGE_BYTES,
            shared: (threads > 1 && input_bytes >= 2 * MIN_SHARED_BYTES)
                .then(|| share.clamp(MIN_SHARED_BYTES, MAX_SHARED_BYTES)),
        }
    }
}

/// An input in ranges that end at line ends: at most `size` bytes, or one line that is longer.
pub(super) struct Ranges<'i> {
    input: &'i [u8],
    start: usize,
    size: usize,
}

impl<'i> Ranges<'i> {
    pub(super) fn new(input: &'i [u8], from: usize, size: usize) -> Self {
        Self {
            input,
            start: from,
            size: size.max(1),
        }
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (start, size) = (self.start, self.size);
        let rest = self.input.get(start..).filter(|rest| !rest.is_empty())?;
        let len = match rest.get(..size) {
            None => rest.len(),
            Some(part) => memchr::memrchr(b'\n', part)
                .or_else(|| Some(size + memchr::memchr(b'\n', rest.get(size..)?)?))
                .map_or(rest.len(), |at| at + 1),
        };
        self.start = start + len;
        Some(start..self.start)
    }
}
