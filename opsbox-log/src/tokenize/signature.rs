//! Runs a signature over many lines at once.
//!
//! A chunk of the input is scanned for structural bytes; what comes out is a stream of their places and
//! of the bytes themselves. Then, line by line, as many bytes of the stream as the signature has are
//! compared with it, and if they are the same the columns follow from the places. A line that is
//! different, or has a part that does not check, is left to the caller.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and places that the scan has written"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a chunk is shorter than 16 bits count, a block than 32"
)]

use std::{cell::Cell, cmp::Reverse, ops::Range};

use super::{
    chunk::{Ahead, CHUNK, Chunk, Copied, NEAR, RowBuffer, all_from, bytes_at, long_line_end},
    lent::{Kept, Lent, Shelf},
    structural::{Line, Structural},
    walk::{self, Text, Walk},
};
use crate::{
    batch::Block,
    format::{
        head::Window,
        pack::{Usual, WINDOWS},
        signature::{Check, Content, Ending, PartSteps, Signature},
    },
    frame,
    scan::{self, BLOCK, Chosen, HALF, LANES, Simd, Work},
};

/// What is kept from chunk to chunk, and from input to input.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Scratch {
    /// The windows of lines that are looked at together.
    windows: [[u32; WINDOWS]; TOGETHER],
    stream: Structural,
    copied: Copied,
    rows: RowBuffer,
    /// Places of captures inside a part.
    slots: Vec<u32>,
}

/// Lines that are looked at together: one operation on all, then the next.
const TOGETHER: usize = 16;

impl Kept for Scratch {
    fn shelf() -> &'static Shelf<Self> {
        thread_local! {
            static SHELF: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
        }
        &SHELF
    }
}

/// Tokenizes the lines of `range`, of which the last may have no ending. `line` is called for those
/// that the signature does not decide, with the range of the line without its ending, in their order.
pub(crate) fn run(
    kernel: Chosen,
    signature: &Signature,
    input: &[u8],
    range: Range<usize>,
    line_limit: usize,
    block: &mut Block,
    line: impl FnMut(Range<usize>, &mut Block),
) {
    let mut lent = Lent::<Scratch>::take();
    let scratch = &mut *lent;
    // A line has a structural byte of each kind at least, and the line feed.
    let rows = CHUNK.min(range.len()) / (signature.len + 1) + 1;
    scratch.rows.begin(rows, signature.cells.columns);
    scratch.slots.clear();
    let slots = 2 * signature.cells.columns;
    scratch.slots.resize(slots, walk::NONE);
    scan::run(
        kernel,
        Lines {
            signature,
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

/// The signature that most of the first lines of a range have; none if few have any, and there `is_other`
/// engine.
pub(crate) fn choose<'s>(
    kernel: Chosen,
    signatures: &'s [Signature],
    input: &[u8],
    range: Range<usize>,
    is_other: bool,
) -> Option<&'s Signature> {
    let sample = input.get(range).unwrap_or_default();
    let sample = sample.get(..SAMPLE).unwrap_or(sample);
    let mut lent = Lent::<Scratch>::take();
    let Scratch { stream, copied, .. } = &mut *lent;
    let chunk = copied.chunk(sample, sample.len());
    let counted = signatures.iter().map(|signature| {
        let (stream, len) = (&mut *stream, sample.len());
        scan::run(
            kernel,
            Count {
                signature,
                chunk,
                len,
                stream,
            },
        )
    });
    let best = counted
        .enumerate()
        .max_by_key(|&(at, (fit, _))| (fit, Reverse(at)));
    lent.give_back();
    let (best, (fit, lines)) = best?;
    (2 * fit >= lines || !is_other).then(|| &signatures[best])
}

/// Bytes that a signature is chosen by.
const SAMPLE: usize = CHUNK / 4;

/// Counts the lines of a sample that have a signature, and all.
struct Count<'c> {
    signature: &'c Signature,
    /// It begins with the sample, which is this long.
    chunk: &'c Chunk,
    len: usize,
    stream: &'c mut Structural,
}

impl Work for Count<'_> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (usize, usize) {
        let Self {
            signature,
            chunk,
            len,
            stream,
        } = self;
        let mut ahead = Ahead::new(&[]);
        stream.read(simd, &signature.classes, chunk, len, false, &mut ahead);
        let (mut fit, mut lines, mut at) = (0, 0, 0);
        let [lf, crlf] = &signature.endings;
        while let Some(feed) = stream.line_feed_after(at) {
            let line = stream.line(at);
            fit += usize::from(simd.same(line.bytes, lf) || simd.same(line.bytes, crlf));
            lines += 1;
            at = feed;
        }
        (fit, lines)
    }
}

struct Lines<'r, F> {
    signature: &'r Signature,
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
            let is_last = at + len == input.len();
            let stream = &mut self.scratch.stream;
            let mut ahead = Ahead::new(&input[at + len..]);
            let classes = &self.signature.classes;
            stream.read(simd, classes, chunk, len, is_last, &mut ahead);
            let done = self.chunk(simd, chunk, at, &mut ahead);
            self.scratch.rows.flush(self.block);
            let (read, all) = (at + done - self.range.start, self.range.len());
            self.block.reserve_for(read, all);
            if done == 0 && size < CHUNK {
                // The line is longer than that.
                size = CHUNK;
                continue;
            }
            size = NEAR;
            at = match done {
                // The line is longer than the chunk.
                0 => {
                    let end = long_line_end(input, at + len, input.len());
                    (self.line)(frame::trim(input, at..end), self.block);
                    end + 1
                }
                done => at + done,
            };
        }
        self.scratch.copied = copied;
    }
}

impl<F: FnMut(Range<usize>, &mut Block)> Lines<'_, F> {
    /// The lines of a chunk whose stream was read; returns where the last one that is whole ends.
    #[inline(always)]
    fn chunk<S: Simd>(
        &mut self,
        simd: S,
        chunk: &Chunk,
        base: usize,
        ahead: &mut Ahead<'_>,
    ) -> usize {
        let signature = self.signature;
        // Which ending the line before had, and which it had not.
        let [mut ending, mut other] = signature.endings.each_ref();
        let usual = signature.usual.as_ref();
        // No line of a chunk is longer than the chunk.
        let usual = usual.filter(|_| self.line_limit >= CHUNK);
        let first = base - self.block.base();
        let mut at = 0;
        loop {
            if let Some(usual) = usual {
                let lines = UsualLines {
                    signature,
                    usual,
                    chunk,
                    ending,
                    first,
                };
                let found = self.scratch.usual(simd, &lines, at, ahead);
                if found.lines > 0 {
                    at = self.usual(simd, chunk, base, ending, at, &found);
                    continue;
                }
            }
            let line = self.scratch.stream.line(at);
            if !simd.same(line.bytes, ending) && simd.same(line.bytes, other) {
                std::mem::swap(&mut ending, &mut other);
                continue;
            }
            let Some(feed) = self.scratch.stream.line_feed_after(at) else {
                break;
            };
            if self.fits(simd, line, chunk, ending)
                && self.scratch.write(simd, signature, first, at)
                && self.members(base, at)
                && self.steps(simd, base, at)
            {
                self.scratch.rows.accept(1);
            } else {
                self.scratch.rows.flush(self.block);
                self.other(base, at, feed);
            }
            at = feed;
        }
        match at {
            0 => 0,
            _ => usize::from(self.scratch.stream.place(at)) + 1,
        }
    }

    /// Takes the rows that were [written](Scratch::usual) of lines from `at` of the stream on; returns
    /// where the next line is.
    #[inline(always)]
    fn usual<S: Simd>(
        &mut self,
        simd: S,
        chunk: &Chunk,
        base: usize,
        ending: &Ending,
        mut at: usize,
        Found { lines, misses }: &Found,
    ) -> usize {
        let mut missed = 0;
        for misses in misses {
            missed |= misses;
        }
        if missed == 0 && self.signature.is_decided() {
            self.scratch.rows.accept(*lines);
            return at + lines * ending.len;
        }
        for (index, misses) in misses.iter().enumerate().take(*lines) {
            let is_usual = *misses == 0;
            let line = self.scratch.stream.line(at);
            let feed = at + ending.len;
            if (is_usual || passes_all(simd, self.signature, chunk, line))
                && self.members(base, at)
                && self.steps(simd, base, at)
            {
                self.scratch.rows.accept(1);
            } else {
                let left = lines - index - 1;
                self.scratch.rows.leave_out(self.block, left);
                self.other(base, at, feed);
            }
            at = feed;
        }
        at
    }

    /// Leaves the line that ends at `feed` of the stream to the caller.
    fn other(&mut self, base: usize, at: usize, feed: usize) {
        let start = self.scratch.stream.line(at).start();
        let end = usize::from(self.scratch.stream.place(feed));
        let line = base + start..base + end;
        (self.line)(frame::trim(self.input, line), self.block);
    }

    /// Whether a line that is not as most are has the signature, and passes its checks.
    #[inline(always)]
    fn fits<S: Simd>(&self, simd: S, line: Line<'_>, chunk: &Chunk, ending: &Ending) -> bool {
        let Line {
            places,
            next,
            bytes,
        } = line;
        let end = usize::from(next[self.signature.len]);
        simd.fits(bytes, places, next, &self.signature.lengths, ending)
            && end - line.start() <= self.line_limit
            && passes_all(simd, self.signature, chunk, line)
    }

    /// Looks up the parts of the line at `at` of the stream that have to be.
    #[inline(always)]
    fn members(&mut self, base: usize, at: usize) -> bool {
        for member in &self.signature.members {
            let line = self.scratch.stream.line(at);
            let range = base + line.place(member.from)..base + line.place(member.to);
            let Some(part) = self.input.get(range) else {
                return false;
            };
            let number = member.language.read(part);
            if number == 0 {
                return false;
            }
            for &(of, column) in &member.columns {
                if of != number {
                    self.scratch.rows.next()[column] = u32::MAX;
                }
            }
        }
        true
    }

    /// Runs the steps of the parts of the line at `at` of the stream that have some.
    #[inline(always)]
    fn steps<S: Simd>(&mut self, simd: S, base: usize, at: usize) -> bool {
        for part in &self.signature.steps {
            let line = self.scratch.stream.line(at);
            let (start, end) = (line.start(), line.next[self.signature.len]);
            let rest = self.input.get(base + start..).unwrap_or_default();
            let text = Text::new(rest, usize::from(end) - start);
            let range = line.place(part.from) - start..line.place(part.to) - start;
            if !self.scratch.steps(simd, part, text, range) {
                return false;
            }
        }
        true
    }
}

/// Lines that are as most are.
struct UsualLines<'c> {
    signature: &'c Signature,
    usual: &'c Usual,
    chunk: &'c Chunk,
    ending: &'c Ending,
    /// Where the chunk begins in the block.
    first: usize,
}

/// Lines whose rows are written.
struct Found {
    lines: usize,
    /// Of each the bytes in its windows that do not fit.
    misses: [u64; TOGETHER],
}

/// So many bits.
#[inline(always)]
fn first_bits(len: u32) -> u64 {
    !(u64::MAX << (len % BLOCK as u32))
}

/// Whether the line passes each of its checks.
#[inline(always)]
fn passes_all<S: Simd>(simd: S, signature: &Signature, chunk: &Chunk, line: Line<'_>) -> bool {
    for check in &signature.checks {
        let mut passes = false;
        match check {
            Check::Template { at, lanes, len } => {
                let block = bytes_at(chunk, line.place(*at));
                passes = simd.in_lanes(block, lanes) | all_from(*len) == u64::MAX;
            }
            Check::Content {
                from,
                to,
                alternatives,
            } => {
                let from = line.place(*from);
                let len = line.place(*to).wrapping_sub(from);
                let block = bytes_at(chunk, from);
                for Content { lanes, min, max } in alternatives {
                    passes |= len.wrapping_sub(*min) <= max - min
                        && simd.in_lanes(block, lanes) | all_from(len) == u64::MAX;
                }
            }
        }
        if !passes {
            return false;
        }
    }
    true
}

impl Scratch {
    /// Writes the rows of lines from `at` of the stream on whose parts have the usual lengths.
    #[inline(always)]
    fn usual<S: Simd>(
        &mut self,
        simd: S,
        work: &UsualLines<'_>,
        at: usize,
        ahead: &mut Ahead<'_>,
    ) -> Found {
        let UsualLines {
            signature,
            usual,
            chunk,
            ending,
            first,
        } = *work;
        let (places, bytes) = self.stream.streams();
        let (mut cells, starts) = self.rows.room();
        let (mut lines, mut next) = (0, at);
        for start in starts.iter_mut().take(TOGETHER) {
            let line = Line::at(places, bytes, next);
            let Some(row) = cells.first_chunk_mut() else {
                break;
            };
            if !simd.fits(line.bytes, line.places, line.next, &usual.lengths, ending) {
                break;
            }
            simd.cells(line.places, &signature.cells, row);
            ahead.ask_two(simd);
            cells = &mut cells[signature.cells.columns..];
            // Blocks are shorter than 4 GiB.
            *start = (first + line.start()) as u32;
            lines += 1;
            next += ending.len;
        }
        let mut misses = [0; TOGETHER];
        // Loops and not closures, which would not be compiled for the kernel.
        for set in &usual.sets {
            let mut next = at;
            for windows in self.windows.iter_mut().take(lines) {
                simd.windows(Line::at(places, bytes, next).places, &set.windows, windows);
                next += ending.len;
            }
            for (pack, lanes) in set.packs.iter().enumerate() {
                let pack = pack % (WINDOWS / 2);
                for (windows, misses) in self.windows.iter().zip(&mut misses).take(lines) {
                    let (a, b) = (windows[2 * pack], windows[2 * pack + 1]);
                    let halves = [
                        bytes_at::<HALF>(chunk, (a & 0xffff) as usize),
                        bytes_at(chunk, (b & 0xffff) as usize),
                    ];
                    // Windows are half of a block at most.
                    let wanted = first_bits(a >> 16) | first_bits(b >> 16) << HALF;
                    *misses |= simd.halves_outside(halves, lanes) & wanted;
                }
            }
        }
        Found { lines, misses }
    }

    /// Writes the next row.
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, signature: &Signature, first: usize, at: usize) -> bool {
        let line = self.stream.line(at);
        self.rows
            .write(simd, line.places, &signature.cells, first + line.start())
    }

    /// Runs the steps of a part; their captures replace the row's cells.
    #[inline(always)]
    fn steps<S: Simd>(
        &mut self,
        simd: S,
        part: &PartSteps,
        text: Text<'_>,
        range: Range<usize>,
    ) -> bool {
        if S::VECTOR
            && let Some(straight) = &part.straight
            && let Some(places) = windows(simd, &straight.windows, text, &range)
        {
            let mut cells = [0; LANES];
            simd.cells(&places, &straight.cells, &mut cells);
            let row = self.rows.next();
            for &column in &part.columns {
                row[column] = cells[column];
            }
            return true;
        }
        for &column in &part.columns {
            self.slots[2 * column..2 * column + 2].fill(walk::NONE);
        }
        let walk = Walk {
            steps: &part.steps,
            text,
            at: range.start,
            slots: &mut self.slots,
        };
        if simd.enter(walk) != Some(range.end) {
            return false;
        }
        let cells = self.rows.next();
        for &column in &part.columns {
            let (start, end) = (self.slots[2 * column], self.slots[2 * column + 1]);
            cells[column] = match start.max(end) {
                walk::NONE => u32::MAX,
                _ => start | end.saturating_sub(start) << 16,
            };
        }
        true
    }
}

/// Where in the line each of the windows begins, after the byte before the line, if they fit one after
/// the other and end where the range does.
#[inline(always)]
fn windows<S: Simd>(
    simd: S,
    windows: &[Window],
    text: Text<'_>,
    range: &Range<usize>,
) -> Option<[u16; LANES]> {
    let mut places = [u16::MAX; LANES];
    let mut at = range.start;
    for (window, lane) in windows.iter().zip(1..) {
        places[lane] = at as u16;
        let block = text.block(at)?;
        let there = match window.len {
            0 => u64::MAX,
            _ => simd.in_lanes(block, &window.lanes),
        };
        if window.optional && there & 1 == 0 {
            continue;
        }
        if there | all_from(window.len) != u64::MAX {
            return None;
        }
        at += window.len;
        if let Some(run) = &window.run {
            let start = at;
            let table = simd.table(&run.stops.classes);
            loop {
                let block = text.block(at)?;
                let mut stops = simd.classify(block, table).outside;
                if run.stops.not_ascii {
                    stops |= simd.not_ascii(block);
                }
                at += stops.trailing_zeros() as usize;
                if stops != 0 {
                    break;
                }
                if at > range.end {
                    return None;
                }
            }
            if (at - start).wrapping_sub(run.min) > run.more {
                return None;
            }
        }
    }
    places[windows.len() + 1] = at as u16;
    (at == range.end).then_some(places)
}
