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

use std::ops::Range;

use super::{
    chunk::{
        CHUNK, CHUNK_LINES, RowBuffer, Stream, all_from, block_at, here, here_mut, long_line_end,
        padded, stream,
    },
    walk::{self, Text, Walk},
};
use crate::{
    batch::Block,
    format::{
        head::Window,
        pack::{PIECES, Pack},
        signature::{Check, Content, PartSteps, Place, Signature},
    },
    frame,
    scan::{self, BLOCK, Chosen, Classes, LANES, PIECE, Simd, Work},
};

/// What is kept from chunk to chunk.
pub(crate) struct Scratch {
    /// The structural bytes and their places in the chunk, after those of the line feed before it.
    places: Box<Stream<u16>>,
    bytes: Box<Stream<u8>>,
    /// Where each line begins in the stream, at the line feed before it, and whether it has the
    /// signature.
    ats: Box<[u16]>,
    fits: Box<[bool]>,
    rows: RowBuffer,
    /// Places of captures inside a part.
    slots: Box<[u32]>,
}

impl Scratch {
    pub(crate) fn new(signature: &Signature) -> Self {
        // A line has a structural byte of each kind at least, and the line feed.
        let rows = CHUNK / (signature.len + 1) + 1;
        Self {
            places: stream(),
            bytes: stream(),
            ats: vec![0; CHUNK_LINES].into(),
            fits: vec![false; CHUNK_LINES].into(),
            rows: RowBuffer::new(rows, signature.cells.columns),
            slots: vec![walk::NONE; 2 * signature.cells.columns].into(),
        }
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
    scan::run(
        kernel,
        Lines {
            signature,
            scratch: &mut Scratch::new(signature),
            input,
            range,
            line_limit,
            block,
            line,
        },
    );
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
        let mut at = self.range.start;
        while at < self.range.end {
            let chunk_end = self.range.end.min(at + CHUNK);
            let chunk = self.input.get(at..chunk_end).unwrap_or_default();
            let mut found = scan_chunk(simd, chunk, &self.signature.classes, self.scratch);
            if chunk_end == self.range.end && chunk.last() != Some(&b'\n') {
                // A last line without an ending.
                self.scratch.push(found, chunk.len());
                found += 1;
            }
            let done = self.chunk(simd, at, found);
            self.scratch.rows.flush(self.block);
            let (read, all) = (at + done - self.range.start, self.range.len());
            self.block.reserve_for(read, all);
            at = match done {
                // The line is longer than the chunk.
                0 => {
                    let end = long_line_end(self.input, chunk_end, self.range.end);
                    (self.line)(frame::trim(self.input, at..end), self.block);
                    end + 1
                }
                done => at + done,
            };
        }
    }
}

impl<F: FnMut(Range<usize>, &mut Block)> Lines<'_, F> {
    /// The lines of a chunk with so many in its stream; returns where the last one that is whole
    /// ends.
    #[inline(always)]
    fn chunk<S: Simd>(&mut self, simd: S, base: usize, found: usize) -> usize {
        let (lines, end) = self.compare(simd, found);
        let chunk = self.input.get(base..).unwrap_or_default();
        self.scratch.check(simd, self.signature, chunk, lines);
        let first = base - self.block.base();
        for line in 0..lines {
            let at = usize::from(self.scratch.ats[line]);
            let mut fits =
                self.scratch.fits[line] && self.scratch.write(simd, self.signature, first, at);
            for part in &self.signature.steps {
                fits = fits && self.steps(simd, part, base, at);
            }
            if fits {
                self.scratch.rows.accept();
                continue;
            }
            self.scratch.rows.flush(self.block);
            let next = match line + 1 < lines {
                true => usize::from(self.scratch.ats[line + 1]),
                false => end,
            };
            let start = base + usize::from(self.scratch.places[at].wrapping_add(1));
            let line = start..base + usize::from(self.scratch.places[next]);
            (self.line)(frame::trim(self.input, line), self.block);
        }
        match end {
            0 => 0,
            _ => usize::from(self.scratch.places[end]) + 1,
        }
    }

    /// Which lines of the chunk have the signature; returns how many lines there are, and where the
    /// last one ends in the stream.
    #[inline(always)]
    fn compare<S: Simd>(&mut self, simd: S, found: usize) -> (usize, usize) {
        let signature = self.signature;
        let len = signature.len;
        let [lf, crlf] = &signature.endings;
        // Which ending the line before had.
        let (mut ending, mut other) = ((lf, len + 1), (crlf, len + 2));
        let mut at = 0;
        let mut lines = 0;
        while at + 1 < found {
            let (places, next, bytes) = self.scratch.window(at);
            let mut same = simd.same(bytes, ending.0, ending.1);
            if !same && simd.same(bytes, other.0, other.1) {
                std::mem::swap(&mut ending, &mut other);
                same = true;
            }
            // Beyond the stream stands what an earlier chunk had.
            let mut after = at + ending.1;
            same &= after < found;
            let mut fits = false;
            if same {
                let length = next[len].wrapping_sub(places[0]).wrapping_sub(1);
                fits = simd.lengths_fit(places, next, &signature.min, &signature.span, ending.1)
                    & (usize::from(length) <= self.line_limit);
            } else {
                let rest = self.scratch.bytes.get(at + 1..found).unwrap_or_default();
                let Some(feed) = memchr::memchr(b'\n', rest) else {
                    break;
                };
                after = at + feed + 1;
            }
            let (Some(slot), Some(flag)) = (
                self.scratch.ats.get_mut(lines),
                self.scratch.fits.get_mut(lines),
            ) else {
                break;
            };
            // The stream is shorter than 16 bits count.
            (*slot, *flag) = (at as u16, fits);
            lines += 1;
            at = after;
        }
        (lines, at)
    }

    /// Runs the steps of a part of the line at `at` of the stream.
    #[inline(always)]
    fn steps<S: Simd>(&mut self, simd: S, part: &PartSteps, base: usize, at: usize) -> bool {
        let start = self.scratch.place(at, Place { lane: 0, add: 1 });
        let end = usize::from(self.scratch.places[at + self.signature.len + 1]);
        let rest = self.input.get(base + start..).unwrap_or_default();
        let text = Text::new(rest, end - start);
        let from = self.scratch.place(at, part.from) - start;
        let to = self.scratch.place(at, part.to) - start;
        self.scratch.steps(simd, part, text, from..to)
    }
}

impl Scratch {
    /// Adds a line feed at the end of an input that has none.
    fn push(&mut self, found: usize, place: usize) {
        // A chunk is shorter than 16 bits count.
        self.places[found] = place as u16;
        self.bytes[found] = b'\n';
    }

    /// From the line feed before a line: its places, those without the first, and their bytes.
    #[inline(always)]
    fn window(&self, at: usize) -> (&[u16; LANES], &[u16; LANES], &[u8; LANES]) {
        (
            here(&self.places, at),
            here(&self.places, at + 1),
            here(&self.bytes, at + 1),
        )
    }

    /// Where a place of the line at `at` of the stream is in the chunk.
    #[inline(always)]
    fn place(&self, at: usize, place: Place) -> usize {
        let [it] = here(&self.places, at + place.lane);
        usize::from(it.wrapping_add(place.add))
    }

    /// Takes the lines that have a part which does not check as not fitting.
    #[inline(always)]
    fn check<S: Simd>(&mut self, simd: S, signature: &Signature, chunk: &[u8], lines: usize) {
        let Some(packs) = &signature.packs else {
            for line in 0..lines {
                self.fits[line] &= self.passes_all(simd, signature, chunk, line);
            }
            return;
        };
        for pack in packs {
            for line in 0..lines {
                if !self.passes(simd, pack, chunk, usize::from(self.ats[line])) && self.fits[line] {
                    self.fits[line] = self.passes_all(simd, signature, chunk, line);
                }
            }
        }
    }

    /// Whether all pieces of a pack fit, as they do in most lines.
    #[inline(always)]
    fn passes<S: Simd>(&self, simd: S, pack: &Pack, chunk: &[u8], at: usize) -> bool {
        let places = here(&self.places, at);
        let mut cells = [0; LANES];
        simd.cells(places, &pack.cells, &mut cells);
        let line = usize::from(places[0].wrapping_add(1));
        let Some(line) = chunk.get(line..) else {
            return false;
        };
        let mut wanted = 0;
        let mut fits = true;
        let mut pieces = [&[0; PIECE]; PIECES];
        for at in 0..PIECES {
            let (start, len) = (cells[at] & 0xffff, cells[at] >> 16);
            fits &= len.wrapping_sub(pack.min[at]) <= pack.more[at];
            wanted |= ((1_u64 << (len % BLOCK as u32)) - 1) << (at * PIECE);
            match line.get(start as usize..).and_then(|it| it.first_chunk()) {
                Some(piece) => pieces[at] = piece,
                None => return false,
            }
        }
        fits & (wanted & !simd.pieces_in_lanes(pieces, &pack.lanes) == 0)
    }

    /// Whether the line passes each of its checks.
    fn passes_all<S: Simd>(
        &self,
        simd: S,
        signature: &Signature,
        chunk: &[u8],
        line: usize,
    ) -> bool {
        let at = usize::from(self.ats[line]);
        signature.checks.iter().all(|check| match check {
            Check::Template {
                at: place,
                lanes,
                len,
            } => {
                let mut spare = [0; BLOCK];
                let block = block_at(chunk, self.place(at, *place), &mut spare);
                simd.in_lanes(block, lanes) | all_from(*len) == u64::MAX
            }
            Check::Content {
                from,
                to,
                alternatives,
            } => {
                let from = self.place(at, *from);
                let len = self.place(at, *to).wrapping_sub(from);
                let mut spare = [0; BLOCK];
                let block = block_at(chunk, from, &mut spare);
                alternatives.iter().any(|Content { lanes, min, max }| {
                    len.wrapping_sub(*min) <= max - min
                        && simd.in_lanes(block, lanes) | all_from(len) == u64::MAX
                })
            }
        })
    }

    /// Writes the next row.
    #[inline(always)]
    fn write<S: Simd>(&mut self, simd: S, signature: &Signature, first: usize, at: usize) -> bool {
        let places = here(&self.places, at);
        let line = first + usize::from(places[0].wrapping_add(1));
        self.rows.write(simd, places, &signature.cells, line)
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

/// Writes the structural bytes of a chunk into the stream, and returns how many are in it.
#[inline(always)]
fn scan_chunk<S: Simd>(simd: S, chunk: &[u8], classes: &Classes, scratch: &mut Scratch) -> usize {
    scratch.places[0] = u16::MAX;
    scratch.bytes[0] = b'\n';
    let mut scan = Scan {
        simd,
        table: simd.table(classes),
        quoting: classes.quote.is_some(),
        quoted: 0,
        found: 1,
        places: &mut scratch.places,
        bytes: &mut scratch.bytes,
    };
    let (blocks, rest) = chunk.as_chunks::<BLOCK>();
    for (block, base) in blocks.iter().zip((0..).step_by(BLOCK)) {
        scan.block(block, base, BLOCK);
    }
    if !rest.is_empty() {
        scan.block(&padded(rest), chunk.len() - rest.len(), rest.len());
    }
    scan.found
}

struct Scan<'s, S: Simd> {
    simd: S,
    table: S::Table<'s>,
    quoting: bool,
    /// All ones if the block begins between quotes.
    quoted: u64,
    found: usize,
    places: &'s mut Stream<u16>,
    bytes: &'s mut Stream<u8>,
}

impl<S: Simd> Scan<'_, S> {
    /// The first `len` bytes of a block, which is at `base` of its chunk.
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK], base: usize, len: usize) {
        let it = self.simd.classify(block, self.table);
        let mut inside = 0;
        if self.quoting {
            inside = self.simd.prefix_xor(it.quotes) ^ self.quoted;
            // A line that ends between quotes is broken; the next one begins outside of them.
            let mut open = inside & it.line_feeds;
            while open != 0 {
                inside ^= u64::MAX << open.trailing_zeros();
                open = inside & it.line_feeds;
            }
            self.quoted = (inside.cast_signed() >> 63).cast_unsigned();
        }
        let mask = (it.always | it.outside & !inside) & !all_from(len);
        let places = here_mut(self.places, self.found);
        let bytes = here_mut(self.bytes, self.found);
        self.found += self.simd.gather(mask, block, base as u16, places, bytes);
    }
}
