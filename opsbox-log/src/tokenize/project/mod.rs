//! Some keys of JSON lines, without a parse of the rest.
//!
//! A chunk of whole lines is gone through twice while it is in the nearest cache:
//!
//! 1. Block by block: quotes and what is inside strings, then the *hits*: brackets and newlines
//!    outside of them, and the colons behind what may be a wanted key. The last two bytes of the key
//!    tell most others from those.
//! 2. Hit by hit: the nesting, the whole key, found by a hash of these two bytes, and its value, which
//!    ends where the first pass saw something that may end one.
//!
//! The second pass has no guess of what comes next: programs write the same keys in the same order,
//! but not all of them always do, and a wrong guess costs more than a look.
//!
//! A line is *odd*, and left to the full parse, if
//! - it does not begin with `{` and end with `}`, or its brackets do not pair up, or they nest deeper
//!   than [`MAX_DEPTH`], or it ends inside a string,
//! - a colon does not follow a quote, or a key has an escape, or a backslash is outside strings,
//! - a wanted value is empty, has an escape that JSON does not have, or is a literal that a quote, a
//!   colon or an opening bracket ends,
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

use std::ops::Range;

pub(crate) use dictionary::Dictionary;

use self::{
    index::Index,
    rows::{NO_FRAMES, Rows, Stack},
};
use crate::{
    batch::Block,
    frame,
    scan::{self, BLOCK, Chosen},
};

/// Bytes that are gone through twice, if lines are shorter. To begin and to end with a chunk costs as
/// much as a few lines; more would cost more than that saves.
const CHUNK: usize = 32 << 10;

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
            Some(before) if last.is_some() && rest.len() > end => Chunk {
                bytes: input.get(before..).unwrap_or_default(),
                len: end,
                base: start,
            },
            _ => {
                let text = rest.get(..end).unwrap_or_default();
                // Those end the last line, or come after it.
                copy = [&[b' '; LEAD], text, b"\n\n"].concat();
                Chunk {
                    bytes: &copy,
                    len: end + usize::from(last.is_none()),
                    base: start,
                }
            }
        };
        scratch.fit(chunk.len.max(CHUNK.min(range.len())));
        let Scratch {
            hits,
            ends,
            odd,
            stack,
        } = &mut scratch;
        odd.clear();
        let index = Index {
            chunk,
            keys: dictionary.keys(),
            hits,
            ends,
            odd,
        };
        let count = scan::run(kernel, index);
        let rows = Rows {
            chunk,
            hits: hits.get(..count).unwrap_or_default(),
            ends,
            odd,
            stack,
            dictionary,
            line_limit,
            ahead: input.get(start + end..).unwrap_or_default(),
            block: &mut *block,
            full: &mut full,
        };
        scan::run(kernel, rows);
        start += end;
        block.reserve_for(start - range.start, range.len());
    }
}

/// A bit for each byte of a chunk, and some more. That the size is known spares looks at it.
type Ends = [u8; (1 << 16) / 8 + 2 * BLOCK];

/// What the first pass hands on, and the brackets that the second one is in.
struct Scratch {
    hits: Vec<u16>,
    ends: Box<Ends>,
    odd: Vec<u16>,
    stack: Box<Stack>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            hits: Vec::new(),
            ends: Box::new([0; _]),
            odd: Vec::new(),
            stack: Box::new(NO_FRAMES),
        }
    }
}

impl Scratch {
    /// Makes room for a chunk: for each byte a position, and a block more for stores beyond the last.
    fn fit(&mut self, len: usize) {
        let room = len + BLOCK;
        if self.hits.len() < room {
            self.hits.resize(room, 0);
        }
    }
}

/// Bytes of a chunk that come before its first line, so that what is before a position can be loaded.
const LEAD: usize = 16;

/// Whole lines. Positions count from the beginning of the first one.
#[derive(Clone, Copy)]
struct Chunk<'c> {
    /// The lines with [`LEAD`] bytes before them, and what comes after them: one byte at least.
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

    /// The bytes up to and with a position.
    fn up_to(self, at: usize) -> &'c [u8] {
        self.bytes.get(..=LEAD + at).unwrap_or_default()
    }

    #[inline(always)]
    fn byte(self, at: usize) -> u8 {
        self.bytes.get(LEAD + at).copied().unwrap_or(b'\n')
    }

    /// The last sixteen bytes up to and with a position, and the byte after it.
    #[inline(always)]
    fn around(self, at: usize) -> ([u64; 2], u8) {
        let bytes = self.bytes.get(at + 1..at + 2 + LEAD);
        match bytes.and_then(<[u8]>::first_chunk::<{ LEAD + 1 }>) {
            Some(bytes) => {
                let [tail @ .., next] = *bytes;
                let tail = u128::from_le_bytes(tail);
                ([tail as u64, (tail >> 64) as u64], next)
            }
            None => ([0; 2], b'\n'),
        }
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
