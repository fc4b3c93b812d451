//! The first two passes: what stands where, and what of it is looked for.

use super::{Chunk, dictionary::COLON};
use crate::{
    scan::{BLOCK, KEY_ENDS, KeyEnds, Simd, Work},
    tokenize::chunk::padded,
};

/// The first pass: fills `positions`, `stops` and `odd`.
pub(super) struct Positions<'w> {
    pub(super) text: &'w [u8],
    pub(super) positions: &'w mut [u16],
    /// A bit for each byte that may end a string: quotes and backslashes. Bits that are set follow
    /// the last one.
    pub(super) stops: &'w mut [u8],
    /// What makes the line it is in odd.
    pub(super) odd: &'w mut [u16],
}

/// How many positions there are.
pub(super) struct Counts {
    pub(super) positions: usize,
    pub(super) odd: usize,
}

impl Work for Positions<'_> {
    type Output = Counts;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Counts {
        let (blocks, rest) = self.text.as_chunks();
        let (stops, _) = self.stops.as_chunks_mut();
        let (before, after) = stops.split_at_mut(blocks.len().min(stops.len()));
        let mut pass = Pass {
            bytes: simd.json_bytes(),
            simd,
            base: 0,
            inside: 0,
            escapes: Escapes::default(),
            positions: self.positions,
            odd: self.odd,
            counts: Counts {
                positions: 0,
                odd: 0,
            },
        };
        for (block, stops) in blocks.iter().zip(before) {
            pass.block(block, stops);
        }
        if let [stops, end, ..] = after {
            pass.block(&padded(rest), stops);
            *end = [0xff; 8];
        }
        pass.counts
    }
}

/// The first pass between two blocks.
struct Pass<'w, S: Simd> {
    simd: S,
    bytes: S::JsonBytes,
    base: u16,
    /// All ones inside a string.
    inside: u64,
    escapes: Escapes,
    positions: &'w mut [u16],
    odd: &'w mut [u16],
    counts: Counts,
}

impl<S: Simd> Pass<'_, S> {
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK], stops: &mut [u8; 8]) {
        let masks = self.simd.json(self.bytes, block);
        *stops = (masks.quote | masks.backslash).to_le_bytes();
        let mut quotes = masks.quote;
        let escaping = masks.backslash != 0 || self.escapes.active;
        if escaping {
            quotes &= !self.escapes.escaped(masks.backslash);
        }
        let mut inside = self.simd.prefix_xor(quotes) ^ self.inside;
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
            let colon = self.simd.equal(block, b':');
            let escapes = &mut self.escapes;
            odd |= masks.backslash & !inside;
            odd |= escapes.closers(masks.backslash & inside, inside, quotes) & colon;
        }
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        let structural = masks.structural & !inside | masks.newline;
        let out = self.positions.get_mut(self.counts.positions..);
        if let Some(out) = out.and_then(<[u16]>::first_chunk_mut) {
            self.counts.positions += self.simd.positions(structural, self.base, out);
        }
        while odd != 0 {
            if let Some(out) = self.odd.get_mut(self.counts.odd) {
                // Below 64.
                *out = self.base + odd.trailing_zeros() as u16;
                self.counts.odd += 1;
            }
            odd &= odd - 1;
        }
        // Chunks are shorter than 64 KiB.
        self.base = self.base.wrapping_add(BLOCK as u16);
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
pub(super) struct Hits<'w> {
    pub(super) chunk: Chunk<'w>,
    pub(super) positions: &'w [u16],
    pub(super) groups: &'w [KeyEnds],
    /// A position, and above its 16 bits the lanes.
    pub(super) hits: &'w mut [u64],
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
    fn find<S: Simd>(self, simd: S, groups: &(impl AsRef<[KeyEnds]> + ?Sized)) -> usize {
        let mut count = 0;
        for &position in self.positions {
            let word = u32::from_le_bytes(self.chunk.last(usize::from(position)));
            let mut lanes = 0;
            for (group, shift) in groups.as_ref().iter().zip((0..).step_by(KEY_ENDS)) {
                lanes |= simd.key_ends(word, group) << shift;
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
