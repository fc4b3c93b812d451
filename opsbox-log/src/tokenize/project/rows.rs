//! The third pass: from hits to cells.

use std::ops::Range;

use super::{
    Chunk, LEAD, MAX_DEPTH,
    dictionary::{
        BRACKET, Dictionary, Edge, NEWLINE, NO_EDGE, NO_FIELD, OTHER_OBJECT, Place, ROOT,
    },
    shape::{Shape, Step},
};
use crate::{
    batch::{Block, Cell},
    scan::{Simd, Work},
    tokenize::escape,
};

/// The third pass.
pub(super) struct Rows<'w, F> {
    pub(super) chunk: Chunk<'w>,
    pub(super) hits: &'w [u64],
    pub(super) stops: &'w [u8],
    pub(super) odd: &'w [u16],
    pub(super) dictionary: &'w Dictionary,
    pub(super) line_limit: usize,
    pub(super) block: &'w mut Block,
    /// What the lines before looked like.
    pub(super) shape: &'w mut Shape,
    pub(super) full: F,
}

impl<F: FnMut(Range<usize>, &mut Block)> Work for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Self {
            chunk,
            stops,
            dictionary,
            block,
            shape,
            ..
        } = self;
        let mut odd = self.odd.iter().map(|&at| usize::from(at)).peekable();
        let mut line = Line::new();
        line.begin(0);
        // Not in `line`, which can stay in registers.
        let mut stack = [NO_FRAME; MAX_DEPTH];
        let mut hits = self.hits;
        block.open();
        while !hits.is_empty() {
            let mut known = line.follow(simd, (chunk, stops), hits, shape, dictionary, block);
            if known.is_none() {
                block.clear();
                line.begin(line.start);
                let learns = shape.misses();
                let mut count = 0;
                for &hit in hits {
                    let (at, lanes) = (usize::from(hit as u16), hit >> 16);
                    if lanes & NEWLINE != 0 {
                        break;
                    }
                    count += 1;
                    let step = if lanes & BRACKET != 0 {
                        line.bracket(chunk, (at, lanes), &mut stack, block)
                    } else {
                        line.key(simd, (chunk, stops), (at, lanes), dictionary, block)
                    };
                    if learns {
                        shape.learn(step);
                    }
                }
                known = Some(count);
            }
            let Some((&newline, rest)) = known.and_then(|count| hits.get(count..)?.split_first())
            else {
                break;
            };
            let at = usize::from(newline as u16);
            let end = at - usize::from(at > line.start && chunk.last::<2>(at) == *b"\r\n");
            let mut is_odd = line.depth != 0
                || line.is_odd
                || end - line.start > self.line_limit
                || chunk.byte(line.start) != b'{'
                || chunk.last::<2>(end) != [b'}', chunk.byte(end)];
            while odd.next_if(|&odd| odd <= at).is_some() {
                is_odd = true;
            }
            let start = chunk.base + line.start;
            if is_odd {
                shape.forget();
                block.take_back();
                (self.full)(start..chunk.base + end, block);
            } else {
                block.close(start);
            }
            hits = rest;
            line.begin(at + 1);
            block.open();
        }
        block.take_back();
    }
}

/// The line that the third pass is in. Positions count from the beginning of the chunk.
struct Line {
    start: usize,
    /// Where the innermost open bracket leads.
    place: Place,
    depth: usize,
    is_odd: bool,
    /// Where the value of a wanted key begins that may be an object or an array.
    awaited: Frame,
}

/// An open bracket.
#[derive(Clone, Copy)]
struct Frame {
    /// Where it is.
    at: usize,
    /// Outside: the place that it stands in. Of an awaited one, the place inside.
    place: Place,
    /// The column of the value that it begins.
    field: u16,
}

/// Outside of brackets.
const OUTSIDE: Place = Place::MAX;
const ARRAY: Place = Place::MAX - 2;

const NO_FRAME: Frame = Frame {
    at: usize::MAX,
    place: OTHER_OBJECT,
    field: NO_FIELD,
};

impl Line {
    fn new() -> Self {
        Self {
            start: 0,
            place: OUTSIDE,
            depth: 0,
            is_odd: false,
            awaited: NO_FRAME,
        }
    }

    #[inline(always)]
    fn begin(&mut self, start: usize) {
        self.start = start;
        self.place = OUTSIDE;
        self.depth = 0;
        self.is_odd = false;
        self.awaited = Frame {
            at: start,
            place: ROOT,
            field: NO_FIELD,
        };
    }

    /// Takes the hits of a line that looks like those before, up to its newline, and returns how many
    /// there are; none if it looks otherwise.
    #[inline(always)]
    fn follow<S: Simd>(
        &mut self,
        simd: S,
        (chunk, stops): (Chunk<'_>, &[u8]),
        hits: &[u64],
        shape: &mut Shape,
        dictionary: &Dictionary,
        block: &mut Block,
    ) -> Option<usize> {
        if hits.get(shape.steps.len())? >> 16 & NEWLINE == 0 {
            return None;
        }
        for (step, &hit) in shape.steps.iter().zip(hits) {
            let (at, lanes) = (usize::from(hit as u16), hit >> 16);
            if lanes != step.lanes {
                return None;
            }
            if lanes & BRACKET != 0 {
                if chunk.byte(at) != step.byte || (self.awaited.at == at) != step.awaited {
                    return None;
                }
                continue;
            }
            match dictionary.edge(step.edge) {
                Some(edge) if edge.fits(chunk.tail(at), chunk.bytes, LEAD + at) => {
                    self.value(simd, (chunk, stops), at + 1, edge, block);
                }
                None if dictionary.find(step.place, (chunk, at), lanes).is_none() => {}
                _ => return None,
            }
        }
        shape.hits();
        Some(shape.steps.len())
    }

    #[inline(always)]
    fn bracket(
        &mut self,
        chunk: Chunk<'_>,
        (at, lanes): (usize, u64),
        stack: &mut [Frame; MAX_DEPTH],
        block: &mut Block,
    ) -> Step {
        let byte = chunk.byte(at);
        let awaited = self.awaited.at == at;
        let mut step = Step {
            lanes,
            edge: NO_EDGE,
            place: self.place,
            byte,
            awaited,
            is_simple: true,
        };
        if matches!(byte, b'{' | b'[') {
            let mut inside = if awaited { self.awaited } else { NO_FRAME };
            // The document is the one bracket that may stand outside.
            self.is_odd |= self.place == OUTSIDE && inside.place != ROOT;
            if byte == b'[' {
                inside.place = ARRAY;
            }
            step.is_simple = inside.field == NO_FIELD;
            match stack.get_mut(self.depth) {
                Some(frame) => {
                    *frame = Frame {
                        at,
                        place: self.place,
                        field: inside.field,
                    };
                    self.depth += 1;
                    self.place = inside.place;
                }
                None => self.is_odd = true,
            }
            return step;
        }
        let frame = self.depth.checked_sub(1).and_then(|top| stack.get(top));
        let Some(&frame) = frame else {
            self.is_odd = true;
            return step;
        };
        self.is_odd |= (self.place == ARRAY) != (byte == b']');
        self.depth -= 1;
        self.place = frame.place;
        if frame.field != NO_FIELD {
            block.put(usize::from(frame.field), self.cell(frame.at, at + 1));
        }
        step
    }

    #[inline(always)]
    fn key<S: Simd>(
        &mut self,
        simd: S,
        (chunk, stops): (Chunk<'_>, &[u8]),
        (at, lanes): (usize, u64),
        dictionary: &Dictionary,
        block: &mut Block,
    ) -> Step {
        // Not behind a quote.
        self.is_odd |= lanes == 0;
        let found = dictionary.find(self.place, (chunk, at), lanes);
        if let Some(edge) = found.and_then(|found| dictionary.edge(found)) {
            self.value(simd, (chunk, stops), at + 1, edge, block);
        }
        Step {
            lanes,
            edge: found.unwrap_or(NO_EDGE),
            place: self.place,
            byte: b':',
            awaited: false,
            is_simple: true,
        }
    }

    /// Takes the value that begins at or after `at`, behind a colon.
    #[inline(always)]
    fn value<S: Simd>(
        &mut self,
        simd: S,
        (chunk, stops): (Chunk<'_>, &[u8]),
        mut at: usize,
        edge: &Edge,
        block: &mut Block,
    ) {
        let mut first = chunk.byte(at);
        while first <= b' ' && matches!(first, b' ' | b'\t' | b'\r') {
            at += 1;
            first = chunk.byte(at);
        }
        if first == b'"' && edge.field != NO_FIELD {
            let field = usize::from(edge.field);
            let end = string_end(stops, at + 1);
            if chunk.byte(end) == b'"' {
                block.put(field, self.cell(at + 1, end));
            } else {
                self.is_odd |= !unescape(chunk, at + 1, field, block);
            }
        } else if first | 0x20 == b'{' {
            self.awaited = Frame {
                at,
                place: edge.to,
                field: edge.field,
            };
        } else if edge.field != NO_FIELD {
            let end = literal_end(simd, chunk, at);
            self.is_odd |= end == at;
            let is_null = end - at == 4 && chunk.last(end - 1) == *b"null";
            let cell = match is_null {
                true => Cell::NULL,
                false => self.cell(at, end),
            };
            block.put(usize::from(edge.field), cell);
        }
    }

    /// The cell of a range of the line. It is narrow, as the whole chunk is.
    #[inline(always)]
    fn cell(&self, start: usize, end: usize) -> Cell {
        Cell::packed((start - self.start) as u32 | ((end - start) as u32) << 16)
    }
}

/// The end of the number or literal at `at`.
#[inline(always)]
fn literal_end<S: Simd>(simd: S, chunk: Chunk<'_>, mut at: usize) -> usize {
    // A chunk ends with a newline: the loop stops before it leaves the chunk.
    while let Some(bytes) = chunk.from(at).first_chunk() {
        match simd.literal_ends(bytes) {
            0 => at += bytes.len(),
            ends => return at + ends.trailing_zeros() as usize,
        }
    }
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | ..=b' ');
    at + chunk.from(at).iter().position(is_end).unwrap_or_default()
}

/// The first quote or backslash at or after `at`.
#[inline(always)]
fn string_end(stops: &[u8], at: usize) -> usize {
    let word = |byte: usize| {
        let stops = stops.get(byte..).and_then(<[u8]>::first_chunk);
        stops.map_or(u64::MAX, |stops| u64::from_le_bytes(*stops))
    };
    let mut byte = at / 8;
    let first = word(byte) >> (at % 8);
    if first != 0 {
        return at + first.trailing_zeros() as usize;
    }
    loop {
        byte += 8;
        let next = word(byte);
        if next != 0 {
            return byte * 8 + next.trailing_zeros() as usize;
        }
    }
}

/// Sets a field to the string whose first byte is at `at`, without its escapes; not if it has no end
/// or an escape that JSON does not have.
#[cold]
fn unescape(chunk: Chunk<'_>, at: usize, field: usize, block: &mut Block) -> bool {
    let text = chunk.text().get(at..).unwrap_or_default();
    let mut ended = None;
    let place = block.arena_place(|arena| ended = escape::json_string(text, arena));
    block.set(field, place);
    ended.is_some()
}
