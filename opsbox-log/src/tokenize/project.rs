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
    dictionary::{BRACKET, COLON, Dictionary, Edge, NEWLINE, NO_FIELD, OTHER_OBJECT, Place, ROOT},
    escape,
};
use crate::{
    batch::{Block, Cell},
    scan::{BLOCK, Chosen, LANES, Lanes, Simd, Work, run as run_on},
};

/// Bytes that are gone through together, if a line ends in them.
const CHUNK: usize = 32 << 10;

/// Longest line, its ending included, that is not left to the full parse. A position in a chunk takes
/// 16 bits.
const MAX_CHUNK: usize = 1023 * BLOCK;

/// Deepest nesting that is not left to the full parse.
const MAX_DEPTH: usize = 64;

/// Tokenizes the lines of `range` into the fixed columns of `block`. `full` is given the odd lines,
/// without their endings, and those longer than `line_limit`; it writes them to the block.
pub(super) fn run(
    kernel: Chosen,
    dictionary: &Dictionary,
    line_limit: usize,
    (input, range): (&[u8], Range<usize>),
    block: &mut Block,
    mut full: impl FnMut(Range<usize>, &mut Block),
) {
    let room = range.len().min(MAX_CHUNK) + BLOCK;
    let mut positions = vec![0; room];
    let mut hits = vec![0; room];
    let mut stops = vec![0; room / 8 + 16];
    let mut odd = Vec::new();
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
            let end = memchr::memchr(b'\n', rest).unwrap_or(end);
            full(start..start + without_cr(rest, 0..end), block);
            start += end + 1;
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
        odd.clear();
        let count = run_on(
            kernel,
            Positions {
                text: chunk.text(),
                positions: &mut positions,
                stops: &mut stops,
                odd: &mut odd,
            },
        );
        let count = run_on(
            kernel,
            Hits {
                chunk,
                positions: positions.get(..count).unwrap_or_default(),
                groups: dictionary.groups(),
                hits: &mut hits,
            },
        );
        let fill = Rows {
            chunk,
            hits: hits.get(..count).unwrap_or_default(),
            stops: &stops,
            odd: &odd,
            dictionary,
            line_limit,
            block: &mut *block,
            full: &mut full,
        };
        run_on(kernel, fill);
        start += end;
        if start - range.start == end {
            // Lines are of much the same length.
            block.expect_rows(end, input.len() - start);
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

/// The third pass.
struct Rows<'w, F> {
    chunk: Chunk<'w>,
    hits: &'w [u64],
    stops: &'w [u8],
    odd: &'w [u16],
    dictionary: &'w Dictionary,
    line_limit: usize,
    block: &'w mut Block,
    full: F,
}

impl<F: FnMut(Range<usize>, &mut Block)> Work for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Self {
            chunk,
            dictionary,
            block,
            stops,
            ..
        } = self;
        let mut odd = self.odd.iter().map(|&at| usize::from(at)).peekable();
        let mut line = Line::new();
        line.begin(0);
        // What the open brackets stand in, outermost first. Not in `line`, which can stay in registers.
        let mut stack = [NO_FRAME; MAX_DEPTH];
        block.open();
        for &hit in self.hits {
            let at = usize::from(hit as u16);
            let lanes = hit >> 16;
            if lanes & (NEWLINE | BRACKET) == 0 {
                line.key(simd, (chunk, stops), (at, lanes), dictionary, block);
                continue;
            }
            if lanes & BRACKET != 0 {
                line.bracket(chunk, at, &mut stack, block);
                continue;
            }
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
                block.take_back();
                (self.full)(start..chunk.base + end, block);
            } else {
                block.close(start);
            }
            line.begin(at + 1);
            block.open();
        }
        block.take_back();
    }
}

/// The first pass: fills `positions`, and returns how many there are, and `odd`.
struct Positions<'w> {
    text: &'w [u8],
    positions: &'w mut [u16],
    /// A bit for each byte that may end a string: quotes and backslashes. Bits that are set follow
    /// the last one.
    stops: &'w mut [u8],
    /// What makes the line it is in odd.
    odd: &'w mut Vec<u16>,
}

impl Work for Positions<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let (blocks, rest) = self.text.as_chunks();
        let mut padded = [b' '; BLOCK];
        let both = padded.iter_mut().zip(rest);
        both.for_each(|(to, from)| *to = *from);
        let bytes = simd.json_bytes();
        let mut count = 0;
        // All ones inside a string.
        let mut inside_before = 0;
        let mut escapes = Escapes::default();
        let mut base = 0_u16;
        let (stops, _) = self.stops.as_chunks_mut::<8>();
        let mut stops = stops.iter_mut();
        for block in blocks.iter().chain([&padded]) {
            let masks = simd.json(bytes, block);
            if let Some(stops) = stops.next() {
                *stops = (masks.quote | masks.backslash).to_le_bytes();
            }
            let mut quotes = masks.quote;
            let escaping = masks.backslash != 0 || escapes.active;
            if escaping {
                quotes &= !escapes.escaped(masks.backslash);
            }
            let mut inside = simd.prefix_xor(quotes) ^ inside_before;
            let mut odd = 0;
            let mut broken = masks.newline & inside;
            while broken != 0 {
                // The string ends with its line.
                let first = broken & broken.wrapping_neg();
                odd |= first;
                inside ^= first.wrapping_neg();
                broken = masks.newline & inside;
            }
            if escaping {
                let colon = simd.equal(block, b':');
                odd |= masks.backslash & !inside;
                odd |= escapes.closers(masks.backslash & inside, inside, quotes) & colon;
            }
            inside_before = (inside.cast_signed() >> 63).cast_unsigned();
            let structural = masks.structural & !inside | masks.newline;
            let out = self.positions.get_mut(count..);
            if let Some(out) = out.and_then(<[u16]>::first_chunk_mut) {
                count += simd.positions(structural, base, out);
            }
            while odd != 0 {
                // Below 64.
                self.odd.push(base + odd.trailing_zeros() as u16);
                odd &= odd - 1;
            }
            // Chunks are shorter than 64 KiB.
            base = base.wrapping_add(BLOCK as u16);
        }
        if let Some(stops) = stops.next() {
            *stops = [0xff; 8];
        }
        count
    }
}

/// What backslashes do, from block to block.
#[derive(Default)]
struct Escapes {
    /// The next block has to be looked at even if it has no backslash.
    active: bool,
    /// Its first byte is escaped.
    pending: bool,
    /// A string that has a backslash goes on in it.
    carry: bool,
    /// Its first byte comes after such a string.
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
        self.active = self.pending || self.carry || self.closed != 0;
        after
    }
}

/// The second pass: writes the hits and returns how many there are.
struct Hits<'w> {
    chunk: Chunk<'w>,
    positions: &'w [u16],
    groups: &'w [Lanes],
    /// A position, and above its 16 bits the lanes.
    hits: &'w mut [u64],
}

impl Work for Hits<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let groups = self.groups;
        match *groups {
            [one] => self.find(simd, &[one]),
            [one, two] => self.find(simd, &[one, two]),
            _ => self.find(simd, groups),
        }
    }
}

impl Hits<'_> {
    #[inline(always)]
    fn find<S: Simd>(self, simd: S, groups: &(impl AsRef<[Lanes]> + ?Sized)) -> usize {
        let mut count = 0;
        for &position in self.positions {
            let word = u32::from_le_bytes(self.chunk.last(usize::from(position)));
            let mut lanes = 0;
            for (group, shift) in groups.as_ref().iter().zip((0..).step_by(LANES)) {
                lanes |= simd.lanes(word, group) << shift;
            }
            if let Some(hit) = self.hits.get_mut(count) {
                *hit = u64::from(position) | lanes << 16;
            }
            // What fits no lane at all is not behind a quote, and makes its line odd.
            count += usize::from(lanes != COLON);
        }
        count
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

    #[inline(always)]
    fn bracket(
        &mut self,
        chunk: Chunk<'_>,
        at: usize,
        stack: &mut [Frame; MAX_DEPTH],
        block: &mut Block,
    ) {
        let byte = chunk.byte(at);
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
            return;
        }
        let frame = self.depth.checked_sub(1).and_then(|top| stack.get(top));
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
        (chunk, stops): (Chunk<'_>, &[u8]),
        (at, mut lanes): (usize, u64),
        dictionary: &Dictionary,
        block: &mut Block,
    ) {
        lanes &= !COLON;
        self.is_odd |= lanes == 0;
        let tail = chunk.tail(at);
        while lanes != 0 {
            for edge in dictionary.edges(lanes) {
                if edge.from == self.place && edge.fits(tail, chunk.bytes, LEAD + at) {
                    self.value(simd, (chunk, stops), at + 1, edge, block);
                    return;
                }
            }
            lanes &= lanes - 1;
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

/// The end of a line without the CR of its ending.
fn without_cr(bytes: &[u8], line: Range<usize>) -> usize {
    let ends = bytes
        .get(line.clone())
        .is_some_and(|line| line.ends_with(b"\r"));
    line.end - usize::from(ends)
}
