//! The first pass: what stands where, and what of it is looked for.

#![allow(clippy::indexing_slicing, reason = "arrays of one length")]

use super::{Chunk, Ends, LEAD};
use crate::scan::{BEFORE, BLOCK, GROUP, GroupWindow, KeyEnds, Simd, Window, Work, window};

/// The first pass: fills `hits`, `ends` and `odd`.
pub(super) struct Index<'w> {
    pub(super) chunk: Chunk<'w>,
    pub(super) keys: &'w KeyEnds,
    /// Where brackets and newlines are, the colons of keys that may be wanted, and those of no key.
    pub(super) hits: &'w mut [u16],
    /// A bit for each byte that may end a value: quotes and backslashes, and outside of strings
    /// commas, colons, brackets and all up to space. Bits that are set follow the last one.
    pub(super) ends: &'w mut Ends,
    /// What makes the line it is in odd.
    pub(super) odd: &'w mut Vec<u16>,
}

impl Work for Index<'_> {
    /// How many hits there are.
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let Self { chunk, .. } = self;
        let bytes = chunk.bytes.get(LEAD - BEFORE..).unwrap_or_default();
        let (ends, _) = self.ends.as_chunks_mut();
        let (before, after) = ends.split_at_mut((chunk.len / BLOCK).min(ends.len()));
        let mut pass = Pass {
            bytes: simd.json_bytes(self.keys),
            simd,
            base: 0,
            inside: 0,
            escapes: Escapes::default(),
            keys: self.keys,
            hits: self.hits,
            odd: self.odd,
            count: 0,
        };
        let mut at = 0;
        let (groups, before) = match S::GROUPS {
            true => before.as_chunks_mut(),
            false => (&mut [][..], before),
        };
        for ends in groups {
            let group = bytes.get(at..).and_then(<[u8]>::first_chunk);
            let Some(group) = group else { break };
            pass.group(group, ends);
            at += GROUP * BLOCK;
        }
        for ends in before {
            let window = bytes.get(at..).and_then(<[u8]>::first_chunk);
            let Some(window) = window else { break };
            pass.block(window, ends);
            at += BLOCK;
        }
        if let [ends, end, ..] = after {
            let rest = bytes.get(at..BEFORE + chunk.len).unwrap_or_default();
            pass.block(&padded(rest), ends);
            *end = [0xff; 8];
        }
        pass.count
    }
}

#[cold]
fn padded(rest: &[u8]) -> Window {
    let mut window = [0; BEFORE + BLOCK];
    if let Some(window) = window.get_mut(..rest.len()) {
        window.copy_from_slice(rest);
    }
    window
}

/// The first pass between two blocks.
struct Pass<'w, S: Simd> {
    simd: S,
    bytes: S::JsonBytes,
    base: u16,
    /// All ones inside a string.
    inside: u64,
    escapes: Escapes,
    keys: &'w KeyEnds,
    hits: &'w mut [u16],
    odd: &'w mut Vec<u16>,
    count: usize,
}

impl<S: Simd> Pass<'_, S> {
    /// The blocks of a group: at once, if nothing in them needs a closer look.
    #[inline(always)]
    fn group(&mut self, group: &GroupWindow, ends: &mut [[u8; 8]; GROUP]) {
        let mut found = [0; GROUP];
        let (simd, inside) = (self.simd, &mut self.inside);
        let at_once = !self.escapes.active
            && simd.json_group(&self.bytes, self.keys, group, inside, ends, &mut found);
        if !at_once {
            for (at, ends) in ends.iter_mut().enumerate() {
                self.block(window(group, at), ends);
            }
            return;
        }
        // There is room for as many hits as there are bytes, and for a block more.
        let room = self.hits.get_mut(self.count..);
        let room: Option<&mut [u16; GROUP_HITS]> = match room {
            Some(room) => room.first_chunk_mut(),
            None => None,
        };
        let Some(room) = room else { return };
        let mut count = 0;
        for found in found {
            if let Some(out) = room[count.min(GROUP * BLOCK)..].first_chunk_mut() {
                count += simd.positions(found, self.base, out);
            }
            self.base = self.base.wrapping_add(BLOCK as u16);
        }
        self.count += count;
    }

    #[inline(always)]
    fn block(&mut self, window: &Window, ends: &mut [u8; 8]) {
        let found = self.found(window, ends);
        let out = self.hits.get_mut(self.count..);
        if let Some(out) = out.and_then(<[u16]>::first_chunk_mut) {
            self.count += self.simd.positions(found, self.base, out);
        }
        // Chunks are shorter than 64 KiB.
        self.base = self.base.wrapping_add(BLOCK as u16);
    }

    /// The hits of a block.
    #[inline(always)]
    fn found(&mut self, window: &Window, ends: &mut [u8; 8]) -> u64 {
        let masks = self.simd.json(&self.bytes, window);
        let mut quotes = masks.quote;
        let escaping = masks.stop != quotes || self.escapes.active;
        let backslash = masks.stop & !quotes;
        if escaping {
            quotes &= !self.escapes.escaped(backslash);
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
            let block = window.last_chunk().unwrap_or(&[0; BLOCK]);
            let colon = self.simd.equal(block, b':');
            let escapes = &mut self.escapes;
            odd |= backslash & !inside;
            odd |= escapes.closers(backslash & inside, inside, quotes) & colon;
        }
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        *ends = (masks.stop | masks.end & !inside).to_le_bytes();
        if odd != 0 {
            note(self.odd, odd, self.base);
        }
        masks.hit & !inside | masks.newline
    }
}

/// Room for the hits of a group, and for what is written beyond them.
const GROUP_HITS: usize = (GROUP + 1) * BLOCK;

/// Adds the positions of some bits.
#[cold]
#[inline(never)]
fn note(positions: &mut Vec<u16>, mut bits: u64, base: u16) {
    while bits != 0 {
        // Below 64.
        positions.push(base + bits.trailing_zeros() as u16);
        bits &= bits - 1;
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
