//! Some keys of JSON lines, without a parse of the rest.
//!
//! A chunk of whole lines is gone through three times while it is in the nearest cache:
//!
//! 1. Block by block: quotes and what is inside strings, then the positions of colons, brackets and
//!    newlines outside of them.
//! 2. Position by position, without a branch: the eight bytes up to it are compared with the ends of
//!    all wanted keys. Those that fit, brackets and newlines are kept as hits.
//! 3. Hit by hit: the nesting, the whole key and its value.
//!
//! A line is *odd*, and left to the full parse, if
//! - it does not begin with `{` and end with `}`, or its brackets do not pair up, or they nest deeper
//!   than [`MAX_DEPTH`], or it ends inside a string,
//! - a colon does not follow a quote, or a key has an escape, or a backslash is outside strings,
//! - a wanted value is empty or has an escape that JSON does not have,
//! - it is longer than [`MAX_CHUNK`].
//!
//! That depends on the line alone, never on its neighbours or the kernel.

use std::ops::Range;

use super::{
    dictionary::{BRACKET, Dictionary, Edge, NEWLINE, Place, ROOT},
    escape,
};
use crate::{
    batch::{Block, Cell},
    scan::{BLOCK, Chosen, LANES, Lanes, Simd, Work, run as run_on},
};

/// Bytes that are gone through together, if a line ends in them.
const CHUNK: usize = 16 << 10;

/// Longest line, its ending included, that is not left to the full parse. A position in a chunk takes
/// 16 bits.
const MAX_CHUNK: usize = 1023 * BLOCK;

/// Deepest nesting that is not left to the full parse.
const MAX_DEPTH: usize = 64;

/// Tokenizes the lines of `range` into the fixed columns of `block`. `full` is given the odd lines,
/// without their endings, and those longer than `line_limit`; it writes them to the block.
pub(super) fn run<F: FnMut(Range<usize>, &mut Block)>(
    kernel: Chosen,
    dictionary: &Dictionary,
    line_limit: usize,
    (input, range): (&[u8], Range<usize>),
    block: &mut Block,
    full: F,
) {
    let room = range.len().min(MAX_CHUNK) + BLOCK;
    let scratch = Scratch {
        positions: vec![0; room],
        hits: vec![0; room],
        odd: Vec::new(),
    };
    run_on(
        kernel,
        Projection {
            dictionary,
            line_limit,
            input,
            range,
            block,
            full,
            scratch,
        },
    );
}

struct Projection<'p, F> {
    dictionary: &'p Dictionary,
    line_limit: usize,
    input: &'p [u8],
    range: Range<usize>,
    block: &'p mut Block,
    full: F,
    scratch: Scratch,
}

/// What the three passes hand on, of one chunk. Positions count from its beginning.
struct Scratch {
    positions: Vec<u16>,
    /// A position, and above its 16 bits the lanes.
    hits: Vec<u64>,
    /// What makes the line it is in odd.
    odd: Vec<u16>,
}

/// Whole lines: a range of bytes that ends after a newline.
#[derive(Clone, Copy)]
struct Chunk<'c> {
    bytes: &'c [u8],
    start: usize,
    end: usize,
    /// Where `bytes` begins in the input.
    base: usize,
}

impl<F: FnMut(Range<usize>, &mut Block)> Work for Projection<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut start = self.range.start;
        let input = self.input.get(..self.range.end).unwrap_or(self.input);
        while let Some(rest) = input.get(start..).filter(|rest| !rest.is_empty()) {
            let near = rest.get(..CHUNK).unwrap_or(rest);
            let last = memchr::memrchr(b'\n', near).or_else(|| {
                let far = rest.get(..MAX_CHUNK).unwrap_or(rest);
                memchr::memchr(b'\n', far)
            });
            let next = match last {
                Some(last) => {
                    let end = start + last + 1;
                    let chunk = Chunk {
                        bytes: self.input,
                        start,
                        end,
                        base: 0,
                    };
                    self.chunk(simd, chunk);
                    end
                }
                // The last line has no newline.
                None if rest.len() < MAX_CHUNK => {
                    let line = [rest, b"\n"].concat();
                    let chunk = Chunk {
                        bytes: &line,
                        start: 0,
                        end: line.len(),
                        base: start,
                    };
                    self.chunk(simd, chunk);
                    input.len()
                }
                None => {
                    let end = memchr::memchr(b'\n', rest).map_or(input.len(), |at| start + at);
                    (self.full)(start..without_cr(input, start..end), self.block);
                    end + 1
                }
            };
            start = next;
        }
    }
}

impl<F: FnMut(Range<usize>, &mut Block)> Projection<'_, F> {
    #[inline(always)]
    fn chunk<S: Simd>(&mut self, simd: S, chunk: Chunk<'_>) {
        let count = positions(simd, chunk, &mut self.scratch);
        let Scratch {
            positions, hits, ..
        } = &mut self.scratch;
        let positions = positions.get(..count).unwrap_or_default();
        let count = match self.dictionary.groups() {
            [one] => find(simd, chunk, positions, &[*one], hits),
            [one, two] => find(simd, chunk, positions, &[*one, *two], hits),
            groups => find(simd, chunk, positions, groups, hits),
        };
        self.rows(simd, chunk, count);
    }

    /// The third pass.
    #[inline(always)]
    fn rows<S: Simd>(&mut self, simd: S, chunk: Chunk<'_>, count: usize) {
        let hits = self.scratch.hits.get(..count).unwrap_or_default();
        let mut odd = self
            .scratch
            .odd
            .iter()
            .map(|&at| usize::from(at))
            .peekable();
        let block = &mut *self.block;
        let mut line = Line::new();
        line.begin(0);
        block.open();
        for &hit in hits {
            let at = usize::from(hit as u16);
            let lanes = hit >> 16;
            if lanes & (NEWLINE | BRACKET) == 0 {
                line.key(simd, chunk, (at, lanes), self.dictionary, block);
                continue;
            }
            if lanes & BRACKET != 0 {
                line.bracket(chunk, at, block);
                continue;
            }
            let start = chunk.start + line.start;
            let end = without_cr(chunk.bytes, start..chunk.start + at);
            let mut is_odd = line.depth != 0 || line.is_odd || end - start > self.line_limit;
            while odd.next_if(|&odd| odd <= at).is_some() {
                is_odd = true;
            }
            let text = chunk.bytes.get(start..end).unwrap_or_default();
            if !is_odd && text.first() == Some(&b'{') && text.last() == Some(&b'}') {
                block.commit(chunk.base + start);
            } else {
                block.take_back();
                (self.full)(chunk.base + start..chunk.base + end, block);
            }
            line.begin(at + 1);
            block.open();
        }
        block.take_back();
    }
}

/// The first pass: fills `positions`, and returns how many there are, and `odd`.
#[inline(always)]
fn positions<S: Simd>(simd: S, chunk: Chunk<'_>, scratch: &mut Scratch) -> usize {
    scratch.odd.clear();
    let mut count = 0;
    // All ones inside a string; whether the byte before is an unescaped quote.
    let (mut inside_before, mut quote_before) = (0, 0);
    let mut escapes = Escapes::default();
    let text = chunk.bytes.get(chunk.start..chunk.end).unwrap_or_default();
    // Chunks are shorter than 64 KiB.
    for base in (0..text.len() as u16).step_by(BLOCK) {
        let at = chunk.start + usize::from(base);
        let mut padded = [b' '; BLOCK];
        let block = match chunk.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            Some(block) => block,
            None => {
                let rest = chunk.bytes.get(at..).unwrap_or_default();
                padded
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        let masks = simd.json(block);
        let valid = match chunk.end - at {
            left @ ..BLOCK => !(u64::MAX << left),
            _ => u64::MAX,
        };
        let newline = masks.newline & valid;
        let mut quotes = masks.quote & valid;
        let backslash = masks.backslash & valid;
        if backslash != 0 || escapes.pending {
            quotes &= !escapes.escaped(backslash);
        }
        let mut inside = simd.prefix_xor(quotes) ^ inside_before;
        let mut odd = 0;
        let mut broken = newline & inside;
        while broken != 0 {
            // The string ends with its line.
            let first = broken & broken.wrapping_neg();
            odd |= first;
            inside ^= first.wrapping_neg();
            broken = newline & inside;
        }
        let colon = masks.colon & valid & !inside;
        odd |= colon & !(quotes << 1 | quote_before);
        if backslash != 0 || escapes.in_string {
            odd |= backslash & !inside;
            odd |= escapes.closers(backslash & inside, inside, quotes) & colon;
        }
        inside_before = (inside.cast_signed() >> 63).cast_unsigned();
        quote_before = quotes >> 63;
        let structural = colon | masks.bracket & valid & !inside | newline;
        if let Some(out) = scratch
            .positions
            .get_mut(count..)
            .and_then(<[u16]>::first_chunk_mut)
        {
            count += simd.positions(structural, base, out);
        }
        while odd != 0 {
            // Below 64.
            scratch.odd.push(base + odd.trailing_zeros() as u16);
            odd &= odd - 1;
        }
    }
    count
}

/// What backslashes do, from block to block.
#[derive(Default)]
struct Escapes {
    /// The next block's first byte is escaped.
    pending: bool,
    /// The string that goes on in the next block has a backslash, or the next block's first byte
    /// comes after the end of such a string.
    in_string: bool,
    carry: bool,
    closed: u64,
}

impl Escapes {
    /// The bytes that a backslash escapes.
    #[cold]
    fn escaped(&mut self, backslash: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let before = u64::from(self.pending);
        // Each run of backslashes escapes every second byte after its first: an addition runs the
        // carry through the run, so that its end tells where it began.
        let backslash = backslash & !before;
        let follows = backslash << 1 | before;
        let odd_starts = backslash & !EVEN & !follows;
        let (even_runs, overflow) = odd_starts.overflowing_add(backslash);
        self.pending = overflow;
        (EVEN ^ even_runs << 1) & follows
    }

    /// The bytes after the closing quotes of strings with a backslash.
    #[cold]
    fn closers(&mut self, backslash: u64, inside: u64, quotes: u64) -> u64 {
        // Added to the ones of its string, a backslash carries to the byte that closes it.
        let (sum, carry) = inside.overflowing_add(backslash);
        let (sum, more) = sum.overflowing_add(u64::from(self.carry));
        let closing = sum & !inside & quotes;
        let after = closing << 1 | self.closed;
        self.carry = carry | more;
        self.closed = closing >> 63;
        self.in_string = self.carry || self.closed != 0;
        after
    }
}

/// The second pass: writes the hits and returns how many there are.
#[inline(always)]
fn find<S: Simd>(
    simd: S,
    chunk: Chunk<'_>,
    positions: &[u16],
    groups: &(impl AsRef<[Lanes]> + ?Sized),
    hits: &mut [u64],
) -> usize {
    let mut count = 0;
    for &position in positions {
        let word = last_bytes::<8>(chunk, usize::from(position));
        let word = u64::from_le_bytes(word);
        let mut lanes = 0;
        for (group, shift) in groups.as_ref().iter().zip((0..).step_by(LANES)) {
            lanes |= simd.lanes(word, group) << shift;
        }
        if let Some(hit) = hits.get_mut(count) {
            *hit = u64::from(position) | lanes << 16;
        }
        count += usize::from(lanes != 0);
    }
    count
}

/// The last `N` bytes up to and with a position of a chunk; zeros before the first byte.
#[inline(always)]
fn last_bytes<const N: usize>(chunk: Chunk<'_>, at: usize) -> [u8; N] {
    let end = chunk.start + at + 1;
    let bytes = chunk.bytes.get(end.wrapping_sub(N)..);
    match bytes.and_then(<[u8]>::first_chunk) {
        Some(bytes) => *bytes,
        None => first_bytes(chunk.bytes.get(..end).unwrap_or_default()),
    }
}

#[cold]
fn first_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut last = [0; N];
    let both = last.iter_mut().rev().zip(bytes.iter().rev());
    both.for_each(|(to, from)| *to = *from);
    last
}

/// The line that the third pass is in. Positions count from the beginning of the chunk.
struct Line {
    start: usize,
    /// Where the innermost open bracket leads.
    place: Place,
    depth: usize,
    /// What the open brackets stand in, outermost first.
    stack: [Frame; MAX_DEPTH],
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
/// An object that no wanted path leads to.
const OTHER_OBJECT: Place = Place::MAX - 1;
const ARRAY: Place = Place::MAX - 2;

const NO_FIELD: u16 = u16::MAX;

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
            stack: [NO_FRAME; MAX_DEPTH],
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

    #[inline(always)]
    fn bracket(&mut self, chunk: Chunk<'_>, at: usize, block: &mut Block) {
        let byte = chunk
            .bytes
            .get(chunk.start + at)
            .copied()
            .unwrap_or_default();
        if matches!(byte, b'{' | b'[') {
            let mut inside = match self.awaited.at == at {
                true => self.awaited,
                false => NO_FRAME,
            };
            // The document is the one bracket that may stand outside.
            self.is_odd |= self.place == OUTSIDE && inside.place != ROOT;
            if byte == b'[' {
                inside.place = ARRAY;
            }
            match self.stack.get_mut(self.depth) {
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
            return;
        }
        let frame = self
            .depth
            .checked_sub(1)
            .and_then(|top| self.stack.get(top));
        let Some(&frame) = frame else {
            self.is_odd = true;
            return;
        };
        self.is_odd |= (self.place == ARRAY) != (byte == b']');
        self.depth -= 1;
        self.place = frame.place;
        if frame.field != NO_FIELD {
            block.put(usize::from(frame.field), self.cell(frame.at, at + 1));
        }
    }

    #[inline(always)]
    fn key<S: Simd>(
        &mut self,
        simd: S,
        chunk: Chunk<'_>,
        (at, lanes): (usize, u64),
        dictionary: &Dictionary,
        block: &mut Block,
    ) {
        let tail = u128::from_le_bytes(last_bytes(chunk, at));
        for edge in dictionary.edges(lanes) {
            if edge.from == self.place && edge.fits(tail, chunk.bytes, chunk.start + at) {
                self.value(simd, chunk, at + 1, edge, block);
                return;
            }
        }
    }

    /// Takes the value that begins at or after `at`, behind a colon.
    #[inline(always)]
    fn value<S: Simd>(
        &mut self,
        simd: S,
        chunk: Chunk<'_>,
        mut at: usize,
        edge: &Edge,
        block: &mut Block,
    ) {
        let byte = |at: usize| chunk.bytes.get(chunk.start + at).copied().unwrap_or(b'\n');
        while matches!(byte(at), b' ' | b'\t' | b'\r') {
            at += 1;
        }
        let first = byte(at);
        if matches!(first, b'{' | b'[') {
            self.awaited = Frame {
                at,
                place: edge.to.unwrap_or(OTHER_OBJECT),
                field: edge.field.unwrap_or(NO_FIELD),
            };
            return;
        }
        let Some(field) = edge.field.map(usize::from) else {
            return;
        };
        if first != b'"' {
            let end = literal_end(simd, chunk, at);
            self.is_odd |= end == at;
            let is_null = first == b'n'
                && end - at == 4
                && byte(at + 3) == b'l'
                && byte(at + 1) == b'u'
                && byte(at + 2) == b'l';
            block.put(
                field,
                if is_null {
                    Cell::NULL
                } else {
                    self.cell(at, end)
                },
            );
            return;
        }
        match string_end(simd, chunk, at + 1) {
            Some(end) => block.put(field, self.cell(at + 1, end)),
            None => self.is_odd |= !unescape(chunk, at + 1, field, block),
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
    let rest = |at: usize| {
        chunk
            .bytes
            .get(chunk.start + at..chunk.end)
            .unwrap_or_default()
    };
    // A chunk ends with a newline: the loop stops before it leaves the chunk.
    while let Some(bytes) = rest(at).first_chunk() {
        match simd.literal_ends(bytes) {
            0 => at += bytes.len(),
            ends => return at + ends.trailing_zeros() as usize,
        }
    }
    let len = rest(at)
        .iter()
        .position(|byte| matches!(byte, b',' | b'}' | b']' | ..=b' '));
    at + len.unwrap_or_default()
}

/// The end of the string whose first byte is at `at`; none if it has a backslash or no end.
#[inline(always)]
fn string_end<S: Simd>(simd: S, chunk: Chunk<'_>, mut at: usize) -> Option<usize> {
    let rest = |at: usize| chunk.bytes.get(chunk.start + at..).unwrap_or_default();
    while chunk.start + at < chunk.end {
        let text = rest(at);
        // A block may reach beyond the chunk: a string that ends there is not of this line, which
        // is odd then.
        let Some(bytes) = text.first_chunk() else {
            let len = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            return (text.get(len) == Some(&b'"')).then_some(at + len);
        };
        let quotes = simd.equal(bytes, b'"');
        match quotes | simd.equal(bytes, b'\\') {
            0 => at += BLOCK,
            both => {
                let first = both & both.wrapping_neg();
                return (quotes & first != 0).then(|| at + both.trailing_zeros() as usize);
            }
        }
    }
    None
}

/// Sets a field to the string whose first byte is at `at`, without its escapes; not if it has no end
/// or an escape that JSON does not have.
#[cold]
fn unescape(chunk: Chunk<'_>, at: usize, field: usize, block: &mut Block) -> bool {
    let text = chunk.bytes.get(chunk.start + at..chunk.end);
    let text = text.unwrap_or_default();
    let mut ended = None;
    let place = block.arena_place(|arena| ended = escape::json_string(text, arena));
    block.set(field, place);
    ended.is_some()
}

/// The end of a line without the CR of its ending.
fn without_cr(bytes: &[u8], line: Range<usize>) -> usize {
    let ends = bytes
        .get(line.clone())
        .is_some_and(|line| line.ends_with(b"\r"));
    line.end - usize::from(ends)
}
