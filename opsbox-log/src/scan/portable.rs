//! The twin of the vector kernels in plain Rust.

use super::{
    BLOCK, GROUP, Simd, Work,
    lanes::{ALWAYS, Classes, Found, Lanes},
};
#[cfg(feature = "json")]
use super::{JsonMasks, KeyEnds, Window, json::back};

#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

/// The lowest bits of the bytes. The multiplication moves those of eight bytes side by side.
#[inline(always)]
fn bits(flags: &[u8; BLOCK]) -> u64 {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const MOVE: u64 = 0x0102_0408_1020_4080;
    let (words, _) = flags.as_chunks::<8>();
    let words = words.iter().zip((0..).step_by(8));
    words.fold(0, |mask, (word, bit)| {
        let moved = (u64::from_le_bytes(*word) & LOWEST).wrapping_mul(MOVE) >> 56;
        mask | moved << bit
    })
}

/// The bytes that are equal to `byte` once the bits of `or` are set in them.
#[inline(always)]
fn equal(block: &[u8; BLOCK], or: u8, byte: u8) -> u64 {
    let mut flags = [0; BLOCK];
    for (flag, &it) in flags.iter_mut().zip(block) {
        *flag = u8::from(it | or == byte);
    }
    bits(&flags)
}

impl Simd for Portable {
    const VECTOR: bool = false;

    fn enter<W: Work>(self, work: W) -> W::Output {
        work.run(self)
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        equal(block, 0, byte)
    }

    #[inline(always)]
    fn not_ascii(self, block: &[u8; BLOCK]) -> u64 {
        let mut flags = [0; BLOCK];
        for (flag, &it) in flags.iter_mut().zip(block) {
            *flag = it >> 7;
        }
        bits(&flags)
    }

    #[inline(always)]
    fn escapes(self, block: &[u8; BLOCK]) -> u64 {
        let mut flags = [0; BLOCK];
        for (flag, &it) in flags.iter_mut().zip(block) {
            // With its sign a byte above 127 is below the space, too.
            let below = u8::from(it.cast_signed() < 0x20);
            *flag = below | u8::from(it == b'"') | u8::from(it == b'\\');
        }
        bits(&flags)
    }

    #[inline(always)]
    fn prefix_xor(self, mut mask: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            mask ^= mask << shift;
        }
        mask
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn positions(self, mut mask: u64, base: u16, out: &mut [u16; BLOCK]) -> usize {
        let count = mask.count_ones() as usize;
        for slot in out.iter_mut().take(count) {
            // Below 64.
            *slot = base.wrapping_add(mask.trailing_zeros() as u16);
            mask &= mask - 1;
        }
        count
    }

    type Table<'c> = &'c Classes;

    #[inline(always)]
    fn table(self, classes: &Classes) -> Self::Table<'_> {
        classes
    }

    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK], classes: Self::Table<'_>) -> Found {
        let mut of = [0; BLOCK];
        for (class, &byte) in of.iter_mut().zip(block) {
            *class =
                classes.of[usize::from(byte & 0x7f)] & !(byte.cast_signed() >> 7).cast_unsigned();
        }
        let outside = bits(&of);
        for class in &mut of {
            *class >>= ALWAYS.trailing_zeros();
        }
        Found {
            always: bits(&of),
            outside,
        }
    }

    #[cfg(feature = "mask")]
    type TrigramTable<'t> = &'t super::Trigrams;

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigram_table(self, trigrams: &super::Trigrams) -> Self::TrigramTable<'_> {
        trigrams
    }

    #[cfg(feature = "mask")]
    #[inline(always)]
    fn trigrams(self, blocks: [&[u8; BLOCK]; 3], table: Self::TrigramTable<'_>) -> u64 {
        let [first, second, third] = blocks;
        let [of_third, of_second, of_first] = &table.of;
        let mut found = 0;
        for at in 0..BLOCK {
            let any = of_first[usize::from(first[at] & 0x7f)]
                & of_second[usize::from(second[at] & 0x7f)]
                & of_third[usize::from(third[at] & 0x7f)];
            found |= u64::from(any != 0) << at;
        }
        found
    }

    type GroupTable<'c> = Self::Table<'c>;

    #[inline(always)]
    fn group_table(self, classes: &Classes) -> Self::GroupTable<'_> {
        self.table(classes)
    }

    #[inline(always)]
    fn classify_group(
        self,
        group: &[[u8; BLOCK]; GROUP],
        table: Self::GroupTable<'_>,
        always: &mut [u64; GROUP],
        outside: &mut [u64; GROUP],
    ) {
        for (at, block) in group.iter().enumerate() {
            let found = self.classify(block, table);
            (always[at], outside[at]) = (found.always, found.outside);
        }
    }

    #[inline(always)]
    fn gather(
        self,
        mut mask: u64,
        block: &[u8; BLOCK],
        base: u16,
        places: &mut [u16; BLOCK],
        bytes: &mut [u8; BLOCK],
    ) -> usize {
        let count = mask.count_ones() as usize;
        for (place, byte) in places.iter_mut().zip(bytes).take(count) {
            let at = mask.trailing_zeros();
            // Below 64.
            *place = base.wrapping_add(at as u16);
            *byte = block[at as usize % BLOCK];
            mask &= mask - 1;
        }
        count
    }

    #[cfg(feature = "json")]
    #[inline(always)]
    fn words(self, words: &[u8; BLOCK]) -> u32 {
        let (words, _) = words.as_chunks::<8>();
        let each = words.iter().zip(0..);
        each.fold(0, |all, (word, bit)| {
            all | u32::from(*word != [0; 8]) << bit
        })
    }

    #[cfg(feature = "json")]
    type JsonBytes = ();

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json_bytes(self, _: &KeyEnds) {}

    #[cfg(feature = "json")]
    #[inline(always)]
    fn json(self, (): &(), window: &Window) -> JsonMasks {
        let block = back(window, 0);
        let quote = self.equal(block, b'"');
        // A loop for each: that is what becomes vector instructions by itself.
        let (mut structural, mut low) = ([0; BLOCK], [0; BLOCK]);
        for (flag, &byte) in structural.iter_mut().zip(block) {
            let byte = byte | 0x20;
            *flag = u8::from(byte == b':') | u8::from(byte == b'{') | u8::from(byte == b'}');
        }
        for (flag, &byte) in low.iter_mut().zip(block) {
            *flag = u8::from(byte <= b' ') | u8::from(byte == b',');
        }
        let structural = bits(&structural);
        JsonMasks {
            quote,
            stop: quote | self.equal(block, b'\\'),
            newline: self.equal(block, b'\n'),
            end: structural | bits(&low),
            // To sieve the keys costs as much as to look at them.
            hit: structural,
        }
    }

    #[inline(always)]
    fn in_lanes(self, block: &[u8; BLOCK], lanes: &Lanes) -> u64 {
        let mut inside = [0; BLOCK];
        for at in 0..BLOCK {
            let first = block[at].wrapping_sub(lanes.first.low[at]) <= lanes.first.span[at];
            let second = block[at].wrapping_sub(lanes.second.low[at]) <= lanes.second.span[at];
            inside[at] = u8::from(first | second);
        }
        bits(&inside)
    }
}
