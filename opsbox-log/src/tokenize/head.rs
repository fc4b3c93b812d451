//! Runs a plan for blocks over many lines at once: an operation on all lines of a chunk, then the
//! next.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and places that the scan has written"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a chunk is shorter than 16 bits count, a block than 32"
)]

use std::{cell::Cell, ops::Range};

use super::{
    chunk::{
        Ahead, CHUNK, CHUNK_LINES, Chunk, Copied, NEAR, RowBuffer, Stream, all_from, bytes_at,
        here_mut, long_line_end,
    },
    lent::{Kept, Lent, Shelf},
    walk::{self, Text, Walk},
};
use crate::{
    batch::Block,
    format::head::{Head, Operation},
    format::plan::{Set, Step},
    frame,
    scan::{self, BLOCK, Chosen, LANES, Simd, Work},
};

/// What is kept from chunk to chunk, and from input to input.
pub(crate) struct Scratch {
    /// Of each line the byte before it, then where each operation begins.
    pub(super) cursors: Box<[[u16; LANES]]>,
    /// Where each line ends, and whether the operations so far fit it.
    pub(super) ends: Box<[u16]>,
    pub(super) fits: Box<[bool]>,
    /// Line feeds.
    pub(super) feeds: Stream<u16>,
    copied: Copied,
    rows: RowBuffer,
    slots: Vec<u32>,
    /// Cells of captures inside of steps, a row for each line.
    patches: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            cursors: vec![[0; LANES]; CHUNK_LINES].into(),
            ends: vec![0; CHUNK_LINES].into(),
            fits: vec![false; CHUNK_LINES].into(),
            feeds: Stream::default(),
            copied: Copied::default(),
            rows: RowBuffer::default(),
            slots: Vec::new(),
            patches: Vec::new(),
        }
    }
}

impl Kept for Scratch {
    fn shelf() -> &'static Shelf<Self> {
        thread_local! {
            static SHELF: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
        }
        &SHELF
    }
}

impl Scratch {
    fn begin_with(&mut self, head: &Head) {
        let columns = head.cells.columns;
        self.rows.begin(CHUNK_LINES, columns);
        self.slots.clear();
        self.slots.resize(2 * columns, walk::NONE);
        let patches = if head.patched { CHUNK_LINES } else { 0 };
        self.patches.resize(patches * columns, 0);
    }
}

/// Tokenizes the lines of `range`, of which the last may have no ending. `line` is called for those
/// that the operations do not decide, with the range of the line without its ending, in their order.
pub(crate) fn run(
    kernel: Chosen,
    head: &Head,
    input: &[u8],
    range: Range<usize>,
    line_limit: usize,
    block: &mut Block,
    line: impl FnMut(Range<usize>, &mut Block),
) {
    let mut lent = Lent::<Scratch>::take();
    let scratch = &mut *lent;
    scratch.begin_with(head);
    scan::run(
        kernel,
        Lines {
            head,
            scratch,
            input,
            range,
            line_limit,
            block,
            line,
        },
    );
    lent.give_back();
}

struct Lines<'r, F> {
    head: &'r Head,
    scratch: &'r mut Scratch,
    input: &'r [u8],
    range: Range<usize>,
    line_limit: usize,
    block: &'r mut Block,
    line: F,
}

impl<F: FnMut(Range<usize>, &mut Block)> Work for Lines<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let input = self.input.get(..self.range.end).unwrap_or_default();
        let mut copied = std::mem::take(&mut self.scratch.copied);
        let (mut at, mut size) = (self.range.start, NEAR);
        while at < input.len() {
            let len = size.min(input.len() - at);
            let chunk = copied.chunk(&input[at..], len);
            let mut lines = self.scratch.lines(simd, chunk, len);
            if lines < CHUNK_LINES && at + len == input.len() && chunk[len - 1] != b'\n' {
                // A last line without an ending.
                self.scratch.feeds[lines] = len as u16;
                lines += 1;
            }
            if lines == 0 && size < CHUNK {
                // The line is longer than that.
                size = CHUNK;
                continue;
            }
            size = NEAR;
            at = match lines.checked_sub(1) {
                // The line is longer than the chunk.
                None => {
                    let end = long_line_end(input, at + len, input.len());
                    (self.line)(frame::trim(input, at..end), self.block);
                    end + 1
                }
                Some(last) => {
                    self.chunk(simd, chunk, at, lines);
                    at + usize::from(self.scratch.feeds[last]) + 1
                }
            };
            let read = at - self.range.start;
            self.block.reserve_for(read, self.range.len());
        }
        self.scratch.copied = copied;
    }
}

impl<F: FnMut(Range<usize>, &mut Block)> Lines<'_, F> {
    /// So many lines of the chunk at `base`.
    #[inline(always)]
    fn chunk<S: Simd>(&mut self, simd: S, chunk: &Chunk, base: usize, lines: usize) {
        let next = base + usize::from(self.scratch.feeds[lines - 1]) + 1;
        let mut ahead = Ahead::new(self.input.get(next..).unwrap_or_default());
        let limit = self.line_limit;
        self.scratch.begin(simd, chunk, lines, limit, &mut ahead);
        for (operation, lane) in self.head.operations.iter().zip(1..) {
            match operation {
                Operation::Window(window) => {
                    let scratch = &mut self.scratch;
                    scratch.window(simd, window, chunk, lane, lines, &mut ahead);
                }
                Operation::Rest => {
                    let cursors = &mut self.scratch.cursors[..lines];
                    for (cursors, end) in cursors.iter_mut().zip(&self.scratch.ends) {
                        cursors[(lane + 1) % LANES] = *end;
                    }
                }
                Operation::OptionalRest(byte, column) => {
                    for line in 0..lines {
                        self.scratch
                            .optional_rest(*byte, *column, chunk, lane, line);
                    }
                }
                Operation::Steps(step, first, columns) => {
                    for line in 0..lines {
                        self.scratch
                            .steps(simd, step, first.as_ref(), columns, chunk, lane, line);
                    }
                }
            }
        }
        let last = self.head.operations.len() + 1;
        let first = base - self.block.base();
        if !self.head.patched && self.scratch.fit_all(last, lines) {
            let head = self.head;
            self.scratch.write_all(simd, head, first, lines, &mut ahead);
            self.scratch.rows.flush(self.block);
            return;
        }
        for line in 0..lines {
            let places = &self.scratch.cursors[line];
            let start = usize::from(places[0].wrapping_add(1));
            if self.scratch.fits[line]
                && places[last] == self.scratch.ends[line]
                && self
                    .scratch
                    .rows
                    .write(simd, places, &self.head.cells, first + start)
            {
                if self.head.patched {
                    self.scratch.patch(self.head, line);
                }
                self.scratch.rows.accept(1);
                continue;
            }
            let end = usize::from(self.scratch.ends[line]);
            self.scratch.rows.flush(self.block);
            (self.line)(base + start..base + end, self.block);
        }
        self.scratch.rows.flush(self.block);
    }
}

impl Scratch {
    /// Whether the operations fit all lines, up to their ends.
    #[inline(always)]
    fn fit_all(&self, last: usize, lines: usize) -> bool {
        let mut fit = true;
        let lines = self.cursors[..lines].iter().zip(&self.ends);
        for ((places, end), fits) in lines.zip(&self.fits) {
            fit &= fits & (places[last % LANES] == *end);
        }
        fit
    }

    /// Writes the rows of all lines.
    #[inline(always)]
    fn write_all<S: Simd>(
        &mut self,
        simd: S,
        head: &Head,
        first: usize,
        lines: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let (mut cells, starts) = self.rows.room();
        let mut written = 0;
        for (places, start) in self.cursors[..lines].iter().zip(starts) {
            let Some(row) = cells.first_chunk_mut() else {
                break;
            };
            ahead.ask(simd);
            simd.cells(places, &head.cells, row);
            cells = &mut cells[head.cells.columns..];
            // Blocks are shorter than 4 GiB.
            *start = (first + usize::from(places[0].wrapping_add(1))) as u32;
            written += 1;
        }
        // There is room for as many rows as a chunk may have lines.
        debug_assert_eq!(written, lines);
        self.rows.accept(written);
    }

    /// Finds the line feeds of the first `len` bytes of a chunk, and says how many there are.
    #[inline(always)]
    fn lines<S: Simd>(&mut self, simd: S, chunk: &Chunk, len: usize) -> usize {
        let feeds = &mut self.feeds;
        let (mut found, mut base) = (0, 0);
        let (blocks, _) = chunk.as_chunks::<BLOCK>();
        let (whole, last) = blocks.split_at(len / BLOCK);
        for block in whole {
            found = line_feeds(simd.equal(block, b'\n'), base, feeds, found);
            base += BLOCK as u16;
        }
        if let (Some(last), 1..) = (last.first(), len % BLOCK) {
            let mask = simd.equal(last, b'\n') & !all_from(len % BLOCK);
            found = line_feeds(mask, base, feeds, found);
        }
        found.min(CHUNK_LINES)
    }

    #[inline(always)]
    fn begin<S: Simd>(
        &mut self,
        simd: S,
        chunk: &Chunk,
        lines: usize,
        line_limit: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let mut before = u16::MAX;
        let lines = self.feeds.iter().zip(&mut self.cursors[..lines]);
        let lines = lines.zip(&mut self.ends).zip(&mut self.fits);
        for (((&feed, cursors), end), fits) in lines {
            ahead.ask(simd);
            let start = before.wrapping_add(1);
            // The byte before the line is in the chunk, or the line is empty and begins it.
            let [last] = *bytes_at(chunk, usize::from(feed.wrapping_sub(1)));
            *end = feed - u16::from(feed > start && last == b'\r');
            (cursors[0], cursors[1]) = (before, start);
            *fits = usize::from(*end - start) <= line_limit;
            before = feed;
        }
    }

    #[inline(always)]
    fn optional_rest(&mut self, byte: u8, column: usize, chunk: &[u8], lane: usize, line: usize) {
        let (at, end) = (self.cursors[line][lane], self.ends[line]);
        let first = self.cursors[line][0].wrapping_add(1);
        let there = chunk.get(usize::from(at)) == Some(&byte);
        self.fits[line] &= there | (at == end);
        self.cursors[line][lane + 1] = end;
        let start = at.wrapping_add(1);
        let place = u32::from(start.wrapping_sub(first)) | u32::from(end.wrapping_sub(start)) << 16;
        let place = if at == end { u32::MAX } else { place };
        self.patches[line * (self.slots.len() / 2) + column] = place;
    }

    /// One step of the plan on one line.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "what a step is, and where")]
    fn steps<S: Simd>(
        &mut self,
        simd: S,
        step: &Step,
        first: Option<&Set>,
        columns: &[usize],
        chunk: &[u8],
        lane: usize,
        line: usize,
    ) {
        if !self.fits[line] {
            return;
        }
        let cursors = &mut self.cursors[line];
        let at = cursors[lane];
        if let Some(first) = first
            && columns.is_empty()
            && (at == self.ends[line] || !first.has(chunk[usize::from(at)]))
        {
            cursors[lane + 1] = at;
            return;
        }
        let start = usize::from(cursors[0].wrapping_add(1));
        let rest = chunk.get(start..).unwrap_or_default();
        let text = Text::new(rest, usize::from(self.ends[line]) - start);
        for &column in columns {
            self.slots[2 * column..2 * column + 2].fill(walk::NONE);
        }
        let at = usize::from(at) - start;
        let walk = Walk {
            steps: std::slice::from_ref(step),
            text,
            at,
            slots: &mut self.slots,
        };
        match simd.enter(walk) {
            // A chunk is shorter than 16 bits count.
            Some(next) => cursors[lane + 1] = (start + next) as u16,
            None => self.fits[line] = false,
        }
        let row = line * (self.slots.len() / 2);
        for &column in columns {
            let (start, end) = (self.slots[2 * column], self.slots[2 * column + 1]);
            self.patches[row + column] = match start.max(end) {
                walk::NONE => u32::MAX,
                _ => start | end.saturating_sub(start) << 16,
            };
        }
    }

    /// Puts the captures of steps into the next row.
    fn patch(&mut self, head: &Head, line: usize) {
        let row = line * (self.slots.len() / 2);
        let cells = self.rows.next();
        for operation in &head.operations {
            let columns = match operation {
                Operation::Steps(_, _, columns) => columns,
                Operation::OptionalRest(_, column) => std::slice::from_ref(column),
                _ => continue,
            };
            for &column in columns {
                cells[column] = self.patches[row + column];
            }
        }
    }
}

/// Adds the places of the bits of a mask, each after `base`, to those `found`.
#[inline(always)]
fn line_feeds(mut mask: u64, base: u16, feeds: &mut Stream<u16>, mut found: usize) -> usize {
    // Most blocks have one or none: a place is written in any case, and counts if it is one.
    let [first, ..] = here_mut(feeds, found);
    *first = base + mask.trailing_zeros() as u16;
    found += usize::from(mask != 0);
    mask &= mask.wrapping_sub(1);
    if mask != 0 {
        found = more_line_feeds(mask, base, feeds, found);
    }
    found
}

#[cold]
#[inline(never)]
fn more_line_feeds(mut mask: u64, base: u16, feeds: &mut Stream<u16>, mut found: usize) -> usize {
    while mask != 0 {
        let [next, ..] = here_mut(feeds, found);
        *next = base + mask.trailing_zeros() as u16;
        found += 1;
        mask &= mask - 1;
    }
    found
}
