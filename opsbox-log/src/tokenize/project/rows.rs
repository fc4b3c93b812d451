//! The second pass: from hits to cells.

use std::{ops::Range, slice};

use super::{
    Chunk, Ends, MAX_DEPTH,
    dictionary::{Dictionary, Edge, NO_FIELD, OTHER_OBJECT, Place, ROOT},
};
use crate::{
    batch::{Block, Cell},
    scan::{BLOCK, Simd, Work},
    tokenize::{chunk::Ahead, escape},
};

/// The second pass.
pub(super) struct Rows<'w, F> {
    pub(super) chunk: Chunk<'w>,
    pub(super) hits: &'w [u16],
    pub(super) ends: &'w Ends,
    pub(super) odd: &'w [u16],
    /// What is in it does not matter.
    pub(super) stack: &'w mut Stack,
    pub(super) dictionary: &'w Dictionary,
    pub(super) line_limit: usize,
    /// What comes after the chunk.
    pub(super) ahead: &'w [u8],
    pub(super) block: &'w mut Block,
    pub(super) full: F,
}

impl<F: FnMut(Range<usize>, &mut Block)> Work for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Self {
            chunk,
            ends,
            ahead,
            dictionary,
            block,
            ..
        } = self;
        let mut odd = self.odd.iter().map(|&at| usize::from(at)).peekable();
        // Not in the line, which can stay in registers.
        let stack = self.stack;
        let mut hits = self.hits.iter();
        let mut start = 0;
        // The next chunk comes from memory while this one is worked on.
        let mut ahead = Ahead::of(ahead, chunk.len);
        block.open();
        loop {
            let mut line = Line::new(start);
            let at = loop {
                match line.take(
                    simd,
                    (chunk, ends),
                    &mut hits,
                    dictionary,
                    stack,
                    (block.row(), &mut ahead),
                ) {
                    Next::Newline(at) => break Some(at),
                    Next::Escaped(at, field) => {
                        line.is_odd |= !unescape(chunk, at, usize::from(field), block);
                    }
                    Next::End => break None,
                }
            };
            let Some(at) = at else { break };
            let end = at - usize::from(at > start && chunk.last::<2>(at) == *b"\r\n");
            let mut is_odd = line.depth != 0
                || line.is_odd
                || end - start > self.line_limit
                || chunk.byte(start) != b'{'
                || chunk.last::<2>(end) != [b'}', chunk.byte(end)];
            while odd.next_if(|&odd| odd <= at).is_some() {
                is_odd = true;
            }
            if is_odd {
                block.take_back();
                (self.full)(chunk.base + start..chunk.base + end, block);
            } else {
                block.close(chunk.base + start);
            }
            start = at + 1;
            block.open();
        }
        block.take_back();
    }
}

/// What comes after hits that need the line alone.
enum Next {
    /// The end of the line.
    Newline(usize),
    /// A string with an escape, after its quote, for a field.
    Escaped(usize, u16),
    /// There are no more hits.
    End,
}

/// The line that the second pass is in. Positions count from the beginning of the chunk.
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
pub(super) struct Frame {
    /// Where it is.
    at: usize,
    /// Outside: the place that it stands in. Of an awaited one, the place inside.
    place: Place,
    /// The column of the value that it begins.
    field: u16,
}

/// Outside of brackets.
const OUTSIDE: Place = 0xffff;
const ARRAY: Place = 0xfffd;

const NO_FRAME: Frame = Frame {
    at: usize::MAX,
    place: OTHER_OBJECT,
    field: NO_FIELD,
};

/// The open brackets.
pub(super) type Stack = [Frame; MAX_DEPTH];

pub(super) const NO_FRAMES: Stack = [NO_FRAME; MAX_DEPTH];

/// The two kinds of values that are taken as they are.
const TEXT: u8 = 1;
const LITERAL: u8 = 2;

/// By the byte that a value begins with: its kind, if there is no more to it.
const BEGINS: [u8; 256] = kinds(false);

/// By the byte after a value: which kind it may be.
const ENDS: [u8; 256] = kinds(true);

#[allow(clippy::indexing_slicing, reason = "by a byte, when it is compiled")]
const fn kinds(after: bool) -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte as usize] = match (after, byte) {
            (_, b'"') => TEXT,
            (false, b'-' | b'0'..=b'9' | b't' | b'f') => LITERAL,
            (true, ..=b' ' | b',' | b'}' | b']') => LITERAL,
            _ => 0,
        };
        byte += 1;
    }
    kinds
}

impl Line {
    #[inline(always)]
    fn new(start: usize) -> Self {
        Self {
            start,
            place: OUTSIDE,
            depth: 0,
            is_odd: false,
            awaited: Frame {
                at: start,
                place: ROOT,
                field: NO_FIELD,
            },
        }
    }

    /// Takes hits up to one that needs more than the line.
    #[inline(always)]
    fn take<S: Simd>(
        &mut self,
        simd: S,
        (chunk, ends): (Chunk<'_>, &Ends),
        hits: &mut slice::Iter<'_, u16>,
        dictionary: &Dictionary,
        stack: &mut Stack,
        (row, ahead): (&mut [Cell], &mut Ahead<'_>),
    ) -> Next {
        for &hit in hits {
            ahead.ask(simd);
            let at = usize::from(hit);
            let (tail, first) = chunk.around(at);
            let [behind, byte] = ((tail[1] >> 48) as u16).to_le_bytes();
            if byte == b':' {
                if let Some(edge) = dictionary.find(self.place, tail, || chunk.up_to(at)) {
                    if let Some(at) = self.value(simd, (chunk, ends), (at + 1, first), edge, row) {
                        return Next::Escaped(at, edge.field);
                    }
                } else {
                    self.is_odd |= behind != b'"';
                }
            } else if byte == b'\n' {
                return Next::Newline(at);
            } else if byte | 0x20 == b'{' {
                self.opening(byte, at, stack);
            } else if byte | 0x20 == b'}' {
                self.closing(byte, at, stack, row);
            } else {
                self.is_odd |= behind != b'"';
            }
        }
        Next::End
    }

    #[inline(always)]
    fn opening(&mut self, byte: u8, at: usize, stack: &mut Stack) {
        let mut inside = match self.awaited.at == at {
            true => self.awaited,
            false => NO_FRAME,
        };
        // The document is the one bracket that may stand outside.
        self.is_odd |= self.place == OUTSIDE && inside.place != ROOT;
        if byte == b'[' {
            inside.place = ARRAY;
        }
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
    }

    #[inline(always)]
    fn closing(&mut self, byte: u8, at: usize, stack: &Stack, row: &mut [Cell]) {
        let frame = self.depth.checked_sub(1).and_then(|top| stack.get(top));
        let Some(&frame) = frame else {
            self.is_odd = true;
            return;
        };
        self.is_odd |= (self.place == ARRAY) != (byte == b']');
        self.depth -= 1;
        self.place = frame.place;
        if frame.field != NO_FIELD {
            self.put(row, frame.field, frame.at..at + 1);
        }
    }

    /// Takes the value that begins at or after `at`, where `first` is, behind a colon. Returns the beginning of a string
    /// that has an escape, for a column.
    #[inline(always)]
    fn value<S: Simd>(
        &mut self,
        simd: S,
        (chunk, ends): (Chunk<'_>, &Ends),
        (mut at, mut first): (usize, u8),
        edge: &Edge,
        row: &mut [Cell],
    ) -> Option<usize> {
        while first <= b' ' && matches!(first, b' ' | b'\t' | b'\r') {
            at += 1;
            first = chunk.byte(at);
        }
        // Without a branch on what it is, which differs from key to key. What ends at its first byte
        // is none of the two kinds.
        let end = value_end(simd, ends, at + 1);
        if kind(&BEGINS, first) & kind(&ENDS, chunk.byte(end)) != 0 {
            let start = at + usize::from(first == b'"');
            self.put(row, edge.field, start..end);
            return None;
        }
        if first | 0x20 == b'{' {
            self.awaited = Frame {
                at,
                place: edge.to,
                field: edge.field,
            };
            return None;
        }
        if edge.field == NO_FIELD {
            return None;
        }
        if first == b'"' {
            return Some(at + 1);
        }
        self.literal(chunk, at..value_end(simd, ends, at), edge.field, row);
        None
    }

    /// Takes what is no string, object or array.
    #[cold]
    fn literal(&mut self, chunk: Chunk<'_>, place: Range<usize>, field: u16, row: &mut [Cell]) {
        self.is_odd |= place.is_empty() || kind(&ENDS, chunk.byte(place.end)) != LITERAL;
        if chunk.text().get(place.clone()) == Some(b"null") {
            if let Some(cell) = row.get_mut(usize::from(field)) {
                *cell = Cell::NULL;
            }
        } else {
            self.put(row, field, place);
        }
    }

    /// Sets the cell of a field to a place. It is narrow, as the whole chunk is.
    #[inline(always)]
    fn put(&self, row: &mut [Cell], field: u16, place: Range<usize>) {
        let start = place.start - self.start;
        let len = place.end - place.start;
        if let Some(cell) = row.get_mut(usize::from(field)) {
            *cell = Cell::packed(start as u32 | (len as u32) << 16);
        }
    }
}

#[inline(always)]
fn kind(kinds: &[u8; 256], byte: u8) -> u8 {
    kinds.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The first byte at or after `at` that may end a value.
#[inline(always)]
fn value_end<S: Simd>(simd: S, ends: &Ends, at: usize) -> usize {
    // A position takes 16 bits.
    let mut byte = (at / 8) & 0x1fff;
    let first = word(ends, byte) >> (at % 8);
    if first != 0 {
        return at + first.trailing_zeros() as usize;
    }
    byte += 8;
    // Many words at once: how many a long text takes is hard to foresee.
    while let Some(words) = ends.get(byte..).and_then(<[u8]>::first_chunk) {
        let found = simd.words(words);
        if found != 0 {
            byte += found.trailing_zeros() as usize * 8;
            break;
        }
        byte += BLOCK;
    }
    byte * 8 + word(ends, byte).trailing_zeros() as usize
}

#[inline(always)]
fn word(ends: &Ends, byte: usize) -> u64 {
    let ends = ends.get(byte..).and_then(<[u8]>::first_chunk);
    ends.map_or(u64::MAX, |ends| u64::from_le_bytes(*ends))
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
