//! Some keys of JSON lines, without a parse of the rest.
//!
//! A chunk of whole lines is gone through three times while it is in the nearest cache:
//!
//! 1. Block by block: quotes and what is inside strings, then the positions of colons, brackets and
//!    newlines outside of them.
//! 2. Position by position, without a branch: the four bytes up to it are compared with the ends of
//!    all wanted keys. Those that fit, brackets and newlines are kept as hits.
//! 3. Hit by hit: the nesting, the whole key and its value. A line whose hits are those of the lines
//!    before needs no look at the nesting.
//!
//! A line is *odd*, and left to the full parse, if
//! - it does not begin with `{` and end with `}`, or its brackets do not pair up, or they nest deeper
//!   than [`MAX_DEPTH`], or it ends inside a string,
//! - a colon does not follow a quote, or a key has an escape, or a backslash is outside strings,
//! - a wanted value is empty or has an escape that JSON does not have,
//! - it is longer than [`MAX_CHUNK`].
//!
//! That depends on the line alone, never on its neighbours or the kernel.

#![allow(
    clippy::cast_possible_truncation,
    reason = "a position in a chunk takes 16 bits, and words are taken apart"
)]

mod dictionary;
mod index;
mod rows;
mod shape;

use std::ops::Range;

pub(crate) use dictionary::Dictionary;

use self::{
    index::{Hits, Positions},
    rows::Rows,
    shape::Shape,
};
use super::chunk::CHUNK;
use crate::{
    batch::Block,
    frame,
    scan::{self, BLOCK, Chosen},
};

/// Longest line, its ending included, that is not left to the full parse. A position in a chunk takes
/// 16 bits.
const MAX_CHUNK: usize = 1023 * BLOCK;

/// Deepest nesting that is not left to the full parse.
const MAX_DEPTH: usize = 64;

/// Tokenizes the lines of `range`, of which the last may have no ending. `full` is called for the odd
/// ones and those longer than `line_limit`, with the range of the line without its ending, in their
/// order.
pub(super) fn run(
    kernel: Chosen,
    dictionary: &Dictionary,
    input: &[u8],
    range: Range<usize>,
    line_limit: usize,
    block: &mut Block,
    mut full: impl FnMut(Range<usize>, &mut Block),
) {
    let mut scratch = Scratch::default();
    let mut shape = Shape::default();
    let input = input.get(..range.end).unwrap_or(input);
    let mut start = range.start;
    while let Some(rest) = input.get(start..).filter(|rest| !rest.is_empty()) {
        let near = rest.get(..CHUNK).unwrap_or(rest);
        let last = memchr::memrchr(b'\n', near).or_else(|| {
            let far = rest.get(..MAX_CHUNK).unwrap_or(rest);
            memchr::memchr(b'\n', far)
        });
        // The last line may have no newline.
        let end = last.map_or(rest.len(), |last| last + 1);
        if last.is_none() && end >= MAX_CHUNK {
            let end = start + memchr::memchr(b'\n', rest).unwrap_or(end);
            full(frame::trim(input, start..end), block);
            start = end + 1;
            continue;
        }
        let copy;
        let chunk = match start.checked_sub(LEAD) {
            Some(before) if last.is_some() => Chunk {
                bytes: input.get(before..).unwrap_or_default(),
                len: end,
                base: start,
            },
            _ => {
                let text = rest.get(..end).unwrap_or_default();
                let newline: &[u8] = if last.is_none() { b"\n" } else { b"" };
                copy = [&[b' '; LEAD], text, newline].concat();
                Chunk {
                    bytes: &copy,
                    len: copy.len() - LEAD,
                    base: start,
                }
            }
        };
        scratch.fit(chunk.len.max(CHUNK.min(range.len())));
        let Scratch {
            positions,
            hits,
            stops,
            odd,
        } = &mut scratch;
        let counts = scan::run(
            kernel,
            Positions {
                text: chunk.text(),
                positions,
                stops,
                odd,
            },
        );
        // Most bytes are no positions: room for as many as there are stays small.
        if hits.len() < counts.positions {
            hits.resize(counts.positions, 0);
        }
        let count = scan::run(
            kernel,
            Hits {
                chunk,
                positions: positions.get(..counts.positions).unwrap_or_default(),
                groups: dictionary.groups(),
                hits,
            },
        );
        let rows = Rows {
            chunk,
            hits: hits.get(..count).unwrap_or_default(),
            stops,
            odd: odd.get(..counts.odd).unwrap_or_default(),
            dictionary,
            line_limit,
            block: &mut *block,
            shape: &mut shape,
            full: &mut full,
        };
        scan::run(kernel, rows);
        start += end;
        block.reserve_for(start - range.start, range.len());
    }
}

/// What the passes hand on.
#[derive(Default)]
struct Scratch {
    positions: Vec<u16>,
    hits: Vec<u64>,
    stops: Vec<u8>,
    odd: Vec<u16>,
}

impl Scratch {
    /// Makes room for a chunk: for each byte a position, and a block more for stores beyond the last.
    fn fit(&mut self, len: usize) {
        let room = len + BLOCK;
        if self.positions.len() < room {
            self.positions.resize(room, 0);
            self.odd.resize(room, 0);
            self.stops.resize(room / 8 + 16, 0);
        }
    }
}

/// Bytes of a chunk that come before its first line, so that what is before a position can be loaded.
const LEAD: usize = 16;

/// Whole lines. Positions count from the beginning of the first one.
#[derive(Clone, Copy)]
struct Chunk<'c> {
    /// The lines with [`LEAD`] bytes before them, and what comes after them.
    bytes: &'c [u8],
    len: usize,
    /// Where the first line begins in the input.
    base: usize,
}

impl<'c> Chunk<'c> {
    fn text(self) -> &'c [u8] {
        let text = self.bytes.get(LEAD..LEAD + self.len);
        text.unwrap_or_default()
    }

    /// The bytes from a position on, beyond the lines as well.
    #[inline(always)]
    fn from(self, at: usize) -> &'c [u8] {
        self.bytes.get(LEAD + at..).unwrap_or_default()
    }

    #[inline(always)]
    fn byte(self, at: usize) -> u8 {
        self.bytes.get(LEAD + at).copied().unwrap_or(b'\n')
    }

    /// The last sixteen bytes up to and with a position.
    #[inline(always)]
    fn tail(self, at: usize) -> [u64; 2] {
        let tail = u128::from_le_bytes(self.last(at));
        [tail as u64, (tail >> 64) as u64]
    }

    /// The last bytes up to and with a position.
    #[inline(always)]
    fn last<const N: usize>(self, at: usize) -> [u8; N] {
        let bytes = self.bytes.get(LEAD + 1 - N + at..LEAD + 1 + at);
        match bytes.and_then(<[u8]>::first_chunk) {
            Some(bytes) => *bytes,
            None => [0; N],
        }
    }
}
