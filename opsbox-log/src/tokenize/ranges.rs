//! Where an input is cut into blocks.

use std::ops::Range;

use crate::{frame::Lines, multiline::last_start};

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

    /// Ranges that end where a record begins instead: at most `size` bytes, or one record and lines
    /// of none. `begins` says whether a line, given without its ending, begins a record.
    pub(super) fn between_records(
        &mut self,
        mut begins: impl FnMut(Range<usize>) -> bool,
    ) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        while self.start < self.input.len() {
            let start = self.start;
            let target = start.saturating_add(self.size);
            self.start = match target < self.input.len() {
                false => self.input.len(),
                true => last_start(self.input, start..target, &mut begins)
                    .or_else(|| {
                        // No line up to `target` begins a record: the next one that does.
                        let at = memchr::memchr(b'\n', self.input.get(target - 1..)?)?;
                        let mut lines = Lines::new(self.input, target + at);
                        lines.find(|line| begins(line.clone())).map(|it| it.start)
                    })
                    .unwrap_or(self.input.len()),
            };
            ranges.push(start..self.start);
        }
        ranges
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
